//! `jurat log`

mod consistency;
mod entry;
mod export;
mod fsck;
mod import;
mod prove;
mod prune;
mod source;
mod tail;

use clap::Subcommand;

use super::{Failure, output::Output};
pub(super) use prove::prove_failure;
pub(super) use source::{LogArguments, OpenedLog};

/// Look into a log
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Tail(tail::Arguments),
    Entry(entry::Arguments),
    Prove(prove::Arguments),
    Consistency(consistency::Arguments),
    Fsck(fsck::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
    Prune(prune::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Tail(arguments) => tail::run(arguments, output),
        Command::Entry(arguments) => entry::run(arguments, output),
        Command::Prove(arguments) => prove::run(arguments, output),
        Command::Consistency(arguments) => consistency::run(arguments, output),
        Command::Fsck(arguments) => fsck::run(arguments, output),
        Command::Export(arguments) => export::run(arguments, output),
        Command::Import(arguments) => import::run(arguments, output),
        Command::Prune(arguments) => prune::run(arguments, output),
    }
}
