//! `jurat gate invite`

use clap::Args;

use super::change::{ChangeArguments, propose};
use crate::{
    cli::{Failure, output::Output},
    runtime::GateRequest,
};

/// Add members of the council to a gate: they read what is said from then on
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate invite council/node-1 'snow on the pass' node-2 node-3\n\
    Who is away joins when it is back within half a week. Of two changes at the same time the council\n\
    puts one first; the other is proposed again.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// The names of the council's members to add
    #[arg(required = true, value_name = "MEMBER")]
    members: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let request = || {
        let (gate, members) = (arguments.change.gate.clone(), arguments.members.clone());
        GateRequest::Invite { gate, members }
    };
    propose(&arguments.change, request, output)
}
