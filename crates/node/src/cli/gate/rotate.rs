//! `jurat gate rotate`

use clap::Args;

use super::change::{ChangeArguments, propose};
use crate::{
    cli::{Failure, output::Output},
    runtime::GateRequest,
};

/// Renew the own keys in a gate: those that were stolen before open nothing that is said after
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate rotate council/node-1 'snow on the pass'\n\
    Do it now and then: nothing else ends what a thief of the node's data can read.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    change: ChangeArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let request = || GateRequest::Rotate { gate: arguments.change.gate.clone() };
    propose(&arguments.change, request, output)
}
