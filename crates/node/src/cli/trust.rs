//! `jurat trust`

mod graph;
mod saying;
mod show;
mod status;
mod witnesses;

use clap::Subcommand;

use super::{Failure, output::Output};

/// Say whom a federation trusts, how it goes, and what trust still takes
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Establish(saying::EstablishArguments),
    Record(saying::RecordArguments),
    Set(saying::SetArguments),
    Show(show::Arguments),
    Status(status::Arguments),
    Witnesses(witnesses::Arguments),
    Graph(graph::Arguments),
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Establish(arguments) => saying::establish(arguments, output),
        Command::Record(arguments) => saying::record(arguments, output),
        Command::Set(arguments) => saying::set(arguments, output),
        Command::Show(arguments) => show::run(arguments, output),
        Command::Status(arguments) => status::run(arguments, output),
        Command::Witnesses(arguments) => witnesses::run(arguments, output),
        Command::Graph(arguments) => graph::run(arguments, output),
    }
}

/// Basis points, 0 to 10 000.
fn score(text: &str) -> Result<jurat_trust::Score, String> {
    let basis_points: u16 = text.parse().map_err(|error| format!("a score is 0 to 10000: {error}"))?;
    jurat_trust::Score::new(basis_points).map_err(|error| error.to_string())
}
