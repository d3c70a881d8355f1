//! `jurat gate create`

use std::path::PathBuf;

use clap::Args;

use super::{ask_gates, other_answer, shown};
use crate::{
    cli::{Failure, output::Output},
    runtime::{GateAnswer, GateRequest},
};

/// Make a gate with the own node as its only member
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate create council/node-1 'snow on the pass'\n\
    Only members learn the name.")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// What its members call it
    name: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let request = GateRequest::Create { name: arguments.name.clone() };
    let GateAnswer::Gates(gates) = ask_gates(&arguments.dir, request)? else { return Err(other_answer()) };
    for gate in gates {
        output.result(&gate, || shown(&gate));
    }
    Ok(())
}
