//! `jurat dm`

mod address;
mod inbox;
mod send;
mod write;

use clap::Subcommand;

use super::{Failure, output::Output};

/// Send sealed messages to members of the council, as one of them or as anybody, and read those that came
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Send(send::Arguments),
    Write(Box<write::Arguments>),
    Address(address::Arguments),
    Inbox(inbox::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Send(arguments) => send::run(arguments, output),
        Command::Write(arguments) => write::run(arguments, output),
        Command::Address(arguments) => address::run(arguments, output),
        Command::Inbox(arguments) => inbox::run(arguments, output),
    }
}
