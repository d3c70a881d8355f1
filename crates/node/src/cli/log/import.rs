//! `jurat log import`

use std::{path::PathBuf, time::Duration};

use clap::Args;
use jurat_log::{Attestation, Entry};
use serde::Serialize;
use serde_json::Value;

use super::source::LogArguments;
use crate::cli::{Failure, client::Client, output::Output};

/// Longer than a node waits, so that it is the node that says why there is no receipt.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Attest again, in the log of another council, what a log holds
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat log import --log log-2026 --policy old.policy --node http://127.0.0.1:8100\n\
    Attestations keep their attestors' signatures; their index and time are those of the new log. What is\n\
    there already stays where it is, so a run that was cut short is just run again."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: SourceArguments,
    /// The node that takes the attestations
    #[arg(long, value_name = "URL")]
    node: String,
}

#[derive(Debug, Args)]
struct SourceArguments {
    /// Where the old log is: a URL, a directory of tiles, or a node's directory
    #[arg(long, value_name = "URL|DIR")]
    log: String,
    /// Who must have signed the old log's checkpoint
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

/// What came of it, as `--json` prints it.
#[derive(Debug, Default, Serialize)]
struct Imported {
    /// Attestations in the old log.
    attestations: u64,
    /// Other entries, which mean nothing elsewhere.
    skipped: u64,
    /// Attestations that the node refused.
    refused: u64,
    /// The size of the new log by the last receipt.
    log_size: u64,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let log = LogArguments::latest_of(&arguments.source.log).open(Some(&arguments.source.policy))?;
    let client = Client::new(&arguments.node, TIMEOUT)?;
    let runtime = crate::cli::runtime()?;
    let bar = output.progress(log.bundles(), "importing");
    let mut imported = Imported::default();
    for index in 0..log.bundles() {
        let entries = log.bundle(index)?;
        let mut attestations = Vec::new();
        for entry in &entries {
            match Entry::decode(entry) {
                Ok(Entry::Attestation(attestation)) => attestations.push(attestation),
                Ok(_) | Err(_) => imported.skipped += 1,
            }
        }
        runtime.block_on(submit(&client, &attestations, &mut imported, output))?;
        bar.inc(1);
    }
    bar.finish_and_clear();
    output.result(&imported, || {
        format!(
            "{} attestations are in the log of {} entries at {}; {} refused, {} entries skipped",
            imported.attestations - imported.refused,
            imported.log_size,
            arguments.node,
            imported.refused,
            imported.skipped
        )
    });
    match imported.refused {
        0 => Ok(()),
        refused => Err(Failure::False(format!("{refused} attestations were refused"))),
    }
}

async fn submit(
    client: &Client,
    attestations: &[Attestation],
    imported: &mut Imported,
    output: Output,
) -> Result<(), Failure> {
    if attestations.is_empty() {
        return Ok(());
    }
    let body: String = attestations.iter().map(|attestation| attestation.to_envelope() + "\n").collect();
    let path = "/api/v1/attestations?wait=receipt";
    let answer = client.post(path, "application/x-ndjson", body.into_bytes()).await?.success()?;
    let nonsense = |error: &dyn std::fmt::Display| {
        Failure::Unreachable(format!("the node's answer makes no sense: {error}"))
    };
    let mut answered = 0;
    for line in answer.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let line: Value = serde_json::from_slice(line).map_err(|error| nonsense(&error))?;
        answered += 1;
        match line.get("log_size").and_then(Value::as_u64) {
            Some(size) => imported.log_size = imported.log_size.max(size),
            // What waits for a quorum is not refused: the whole run can be repeated.
            None if line
                .pointer("/error/status")
                .and_then(Value::as_u64)
                .is_some_and(|status| status >= 500) =>
            {
                let detail = line.pointer("/error/detail").and_then(Value::as_str).unwrap_or_default();
                return Err(Failure::Unreachable(format!("{detail}; run this again later")));
            }
            None => {
                imported.refused += 1;
                let detail = line.pointer("/error/detail").and_then(Value::as_str).unwrap_or_default();
                output.complain(&format!("refused: {detail}"));
            }
        }
    }
    if answered != attestations.len() {
        return Err(nonsense(&format!("{answered} answers to {} attestations", attestations.len())));
    }
    imported.attestations += attestations.len() as u64;
    Ok(())
}
