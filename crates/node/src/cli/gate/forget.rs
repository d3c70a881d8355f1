//! `jurat gate forget`

use std::path::PathBuf;

use clap::Args;

use super::{ask_gates, other_answer};
use crate::{
    cli::{Failure, output::Output},
    runtime::{GateAnswer, GateRequest},
};

/// Drop a gate from the own node, with all that waits in it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate forget council/node-3 'snow on the pass'\n\
    The other members are not told: they go on sending to this node until one removes it. A gate that\n\
    stopped is forgotten before this node can be invited again.")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// The gate: its name, or the first digits of its id
    gate: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    match ask_gates(&arguments.dir, GateRequest::Forget { gate: arguments.gate.clone() })? {
        GateAnswer::Done => output.say("forgotten"),
        _ => return Err(other_answer()),
    }
    Ok(())
}
