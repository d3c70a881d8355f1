//! `jurat gate remove`

use clap::Args;

use super::change::{ChangeArguments, propose};
use crate::{
    cli::{Failure, output::Output},
    runtime::GateRequest,
};

/// Remove members from a gate: they read nothing that is said after
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate remove council/node-1 'snow on the pass' node-3\n\
    Who has to leave a gate asks another member for it.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    change: ChangeArguments,
    /// The names of the members to remove, or their keys if they left the council
    #[arg(required = true, value_name = "MEMBER")]
    members: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let request = || {
        let (gate, members) = (arguments.change.gate.clone(), arguments.members.clone());
        GateRequest::Remove { gate, members }
    };
    propose(&arguments.change, request, output)
}
