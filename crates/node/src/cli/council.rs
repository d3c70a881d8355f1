//! `jurat council`

mod change_file;
mod join;
mod leave;
mod new;
mod policy;
mod show;
mod sign;
mod source;
mod submit;
mod work;

use clap::Subcommand;

pub(super) use change_file::read_request;
pub(super) use new::{Founded, FoundedMember, found_alone, found_at, ports};
pub(super) use source::{fetch as fetch_history, read_history, read_pinned_history};

use super::{Failure, output::Output};

/// Found a council, change its members, and print what verifies its receipts
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    New(new::Arguments),
    Join(join::Arguments),
    Leave(leave::Arguments),
    Sign(sign::Arguments),
    Submit(submit::Arguments),
    Show(show::Arguments),
    Policy(policy::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::New(arguments) => new::run(arguments, output),
        Command::Join(arguments) => join::run(arguments, output),
        Command::Leave(arguments) => leave::run(arguments, output),
        Command::Sign(arguments) => sign::run(arguments, output),
        Command::Submit(arguments) => submit::run(arguments, output),
        Command::Show(arguments) => show::run(arguments, output),
        Command::Policy(arguments) => policy::run(arguments, output),
    }
}
