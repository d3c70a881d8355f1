//! `jurat federation`

mod keys;
mod list;
mod register;
mod show;
mod teams;

use clap::Subcommand;

use super::{Failure, output::Output};

/// Register a federation, and look after its rules, teams and keys
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    List(list::Arguments),
    Show(show::Arguments),
    Register(register::Arguments),
    Configure(register::ConfigureArguments),
    AddTeam(teams::AddArguments),
    EnableTeam(teams::EnableArguments),
    DisableTeam(teams::DisableArguments),
    AddKeys(keys::AddArguments),
    AddAttestors(keys::AttestorArguments),
    RotateKey(Box<keys::RotateArguments>),
    RevokeKey(keys::RevokeArguments),
    Dissolve(register::DissolveArguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::List(arguments) => list::run(arguments, output),
        Command::Show(arguments) => show::run(arguments, output),
        Command::Register(arguments) => register::run(arguments, output),
        Command::Configure(arguments) => register::configure(arguments, output),
        Command::AddTeam(arguments) => teams::add(arguments, output),
        Command::EnableTeam(arguments) => teams::enable(arguments, output),
        Command::DisableTeam(arguments) => teams::disable(arguments, output),
        Command::AddKeys(arguments) => keys::add(arguments, output),
        Command::AddAttestors(arguments) => keys::add_attestors(arguments, output),
        Command::RotateKey(arguments) => keys::rotate(arguments, output),
        Command::RevokeKey(arguments) => keys::revoke(arguments, output),
        Command::Dissolve(arguments) => register::dissolve(arguments, output),
    }
}
