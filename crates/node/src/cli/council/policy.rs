//! `jurat council policy`

use std::path::Path;

use clap::Args;
use jurat_log::TreeSize;
use jurat_pbft::Epoch;
use serde::Serialize;

use super::source::read_history;
use crate::cli::{Failure, files, output::Output};

/// Print the policy file of a council, as it is or was
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat council policy council > council.policy\n\
    Without --at and --epoch it is that of the last epoch that is known.")]
pub(in crate::cli) struct Arguments {
    /// The council's directory or that of one of its nodes, council.json, or a node's URL
    source: String,
    /// For receipts of a log of this size
    #[arg(long, value_name = "SIZE", conflicts_with = "epoch")]
    at: Option<u64>,
    /// For receipts of this epoch
    #[arg(long, value_name = "N")]
    epoch: Option<u64>,
}

#[derive(Serialize)]
struct Printed {
    origin: String,
    epoch: u64,
    policy: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let history = read_history(&arguments.source)?;
    let epoch = match (arguments.at, arguments.epoch) {
        (Some(size), _) => {
            history.epoch_at(TreeSize::new(size).map_err(|error| Failure::Usage(error.to_string()))?)
        }
        (None, Some(epoch)) => Epoch(epoch),
        (None, None) => history.epoch(),
    };
    // The founder's copy knows the addresses; without it the policy verifies all the same.
    let founders = Path::new(&arguments.source).join("policy");
    let policy = if epoch == Epoch(0) && founders.exists() {
        files::read_policy(&founders)?
    } else {
        let policy = history.policy_of(epoch).map_err(Failure::unreachable)?;
        policy.ok_or_else(|| {
            let last = history.epoch();
            Failure::False(format!("the council's history ends with epoch {last}, there is no epoch {epoch}"))
        })?
    };
    let printed = Printed {
        origin: history.genesis().origin().to_string(),
        epoch: epoch.0,
        policy: policy.to_string(),
    };
    output.result(&printed, || printed.policy.trim_end().to_owned());
    Ok(())
}
