//! `jurat log entry`

use clap::Args;
use jurat_log::Entry;
use serde::Serialize;
use serde_json::value::RawValue;

use super::{
    source::CheckedLogArguments,
    tail::{self, Shown},
};
use crate::cli::{Failure, output::Output};

/// Show one entry, checked against the log's checkpoint
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat log entry 5 --log http://127.0.0.1:8100 --policy council.policy\n\
    Without a policy nothing says who stands behind the checkpoint.")]
pub(crate) struct Arguments {
    /// The entry's index, from 0
    index: u64,
    #[command(flatten)]
    log: CheckedLogArguments,
}

/// The entry, as `--json` prints it.
#[derive(Debug, Serialize)]
struct ShownEntry {
    #[serde(flatten)]
    shown: Shown,
    /// The size of the checkpoint that the entry was checked against.
    log_size: u64,
    /// The attestation as a DSSE envelope; null for other entries, and for one that was refused.
    envelope: Option<Box<RawValue>>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let log = arguments.log.open()?;
    let bytes = log.entry(arguments.index)?;
    let not_an_entry = |error: &dyn std::fmt::Display| {
        Failure::False(format!("entry {} is none of a Jurat log: {error}", arguments.index))
    };
    let decoded = Entry::decode(&bytes).map_err(|error| not_an_entry(&error))?;
    let attestation = match &decoded {
        Entry::Attestation(attestation) => Some(attestation),
        _ => None,
    };
    let entry = ShownEntry {
        shown: tail::shown(arguments.index, &bytes, &decoded).map_err(|error| not_an_entry(&error))?,
        log_size: log.size().value(),
        envelope: attestation.and_then(|a| RawValue::from_string(a.to_envelope()).ok()),
    };
    output.result(&entry, || {
        let Some(attestation) = attestation else { return tail::describe(&entry.shown) };
        let statement = serde_json::from_slice::<serde_json::Value>(attestation.payload());
        let statement = statement.and_then(|statement| serde_json::to_string_pretty(&statement));
        format!(
            "entry {} of {}, leaf hash {}\nattestor {}\n{}",
            entry.shown.index,
            entry.log_size,
            entry.shown.leaf_hash,
            attestation.attestor(),
            statement.unwrap_or_default()
        )
    });
    Ok(())
}
