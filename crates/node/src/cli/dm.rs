//! `jurat dm`

mod inbox;
mod send;

use clap::Subcommand;

use super::{Failure, output::Output};

/// Send sealed messages to other members of the council, and read those that came
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Send(send::Arguments),
    Inbox(inbox::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Send(arguments) => send::run(arguments, output),
        Command::Inbox(arguments) => inbox::run(arguments, output),
    }
}
