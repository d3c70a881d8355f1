//! `jurat gate list`

use std::path::PathBuf;

use clap::Args;

use super::{gates, shown};
use crate::cli::{Failure, output::Output};

/// Show the gates of the own node
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat gate list council/node-1")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let gates = gates(&arguments.dir, None)?;
    if gates.is_empty() {
        output.say("no gates");
    }
    for gate in gates {
        output.result(&gate, || shown(&gate));
    }
    Ok(())
}
