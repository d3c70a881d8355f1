//! `jurat registry`, and how commands learn what the registry says.

mod replay;
mod replaying;
mod show;
mod source;

use clap::Subcommand;

use super::{Failure, output::Output};

pub(super) use replaying::{LogChoice, Replayed};
pub(super) use source::{RegistryArguments, RegistrySource, ask_node};

/// Look at the registry, and rebuild it from a log
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Show(show::Arguments),
    Replay(replay::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show(arguments) => show::run(arguments, output),
        Command::Replay(arguments) => replay::run(arguments, output),
    }
}
