//! `jurat proposal`

mod check;
mod create;
mod decide;
mod list;
mod show;

use clap::Subcommand;

use super::{Failure, output::Output};

/// Propose what several federations must agree on, and decide about it
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Check(check::Arguments),
    Create(Box<create::Arguments>),
    Approve(decide::ApproveArguments),
    Reject(decide::RejectArguments),
    Withdraw(decide::WithdrawArguments),
    Witness(decide::WitnessArguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, output),
        Command::Show(arguments) => show::run(arguments, output),
        Command::Check(arguments) => check::run(arguments, output),
        Command::Create(arguments) => create::run(arguments, output),
        Command::Approve(arguments) => decide::approve(arguments, output),
        Command::Reject(arguments) => decide::reject(arguments, output),
        Command::Withdraw(arguments) => decide::withdraw(arguments, output),
        Command::Witness(arguments) => decide::witness(arguments, output),
    }
}
