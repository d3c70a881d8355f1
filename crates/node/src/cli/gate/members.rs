//! `jurat gate members`

use std::path::PathBuf;

use clap::Args;

use super::gates;
use crate::cli::{Failure, output::Output};

/// Show who is in a gate
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate members council/node-1 'snow on the pass'")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// The gate: its name, or the first digits of its id
    gate: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    for gate in gates(&arguments.dir, Some(&arguments.gate))? {
        if gate.state != "open" {
            let reason = gate.reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let what = if gate.state == "removed" {
                "this node was removed from the gate"
            } else {
                "the gate stopped"
            };
            return Err(Failure::False(format!("{what}{reason}")));
        }
        output.result(&gate, || gate.members.join("\n"));
    }
    Ok(())
}
