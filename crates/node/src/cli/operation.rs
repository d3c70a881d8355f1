//! `jurat operation`, and what every command that asks something of the registry shares.

mod arguments;
mod asking;
mod file;
mod needs;
mod show;
mod sign;
mod submit;
mod words;

use clap::Subcommand;

pub(super) use arguments::{
    By, GraceArguments, federation_id, now, proposal_id, public_key, team, team_id, time,
};
pub(super) use asking::{AskArguments, ask, signing_key};
pub(super) use words::action_in_words;

use super::{Failure, output::Output};

/// Collect signatures for an operation of the registry, and submit it
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Show(show::Arguments),
    Sign(sign::Arguments),
    Submit(submit::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Show(arguments) => show::run(arguments, output),
        Command::Sign(arguments) => sign::run(arguments, output),
        Command::Submit(arguments) => submit::run(arguments, output),
    }
}
