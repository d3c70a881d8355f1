//! `jurat log prove`

use std::path::PathBuf;

use clap::Args;
use jurat_log::{Entry, InclusionProof, LeafIndex, ProveError, Receipt, leaf_hash};
use serde::Serialize;

use super::source::{CheckedLogArguments, proof_failure};
use crate::cli::{Failure, files, output::Output};

/// Prove that an entry is in the log: make its receipt from the log's tiles
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat log prove 5 --log mirror/log --policy council.policy -o report.pdf.jurat\n\
    The receipt is one that 'jurat verify' checks. The node that took the attestation need not exist any more."
)]
pub(crate) struct Arguments {
    /// The entry's index, from 0
    index: u64,
    #[command(flatten)]
    log: CheckedLogArguments,
    /// Write the receipt to a file
    #[arg(short, long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// The proof, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Proof {
    index: u64,
    leaf_hash: String,
    log_size: u64,
    root: String,
    /// In hex, the leaf's sibling first.
    hashes: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let log = arguments.log.open()?;
    let bytes = log.entry(arguments.index)?;
    let index = LeafIndex::new(arguments.index).map_err(|error| Failure::Usage(error.to_string()))?;
    let proof = InclusionProof::generate(&log.reader, index, log.size()).map_err(prove_failure)?;
    let (leaf, root) = (leaf_hash(&bytes), *log.checkpoint.root());
    proof.verify(index, log.size(), &leaf, &root).map_err(|error| Failure::False(error.to_string()))?;
    let entry = Entry::decode(&bytes)
        .map_err(|error| Failure::False(format!("no receipt of what is no entry: {error}")))?;
    let shown = Proof {
        index: index.value(),
        leaf_hash: leaf.to_string(),
        log_size: log.size().value(),
        root: root.to_string(),
        hashes: proof.hashes().iter().map(ToString::to_string).collect(),
    };
    let receipt = match &entry {
        Entry::Attestation(attestation) => Receipt::new(attestation, index, proof, &log.note),
        // A C2SP tlog-proof all the same, which 'jurat verify --leaf' holds against the leaf hash.
        _ => Receipt::without_extra(index, proof, &log.note),
    };
    let receipt = receipt.to_string();
    if let Some(out) = &arguments.out {
        files::write_whole(out, receipt.as_bytes())?;
    }
    output.result(&shown, || match &arguments.out {
        Some(out) => format!("{}: entry {} of {}", out.display(), shown.index, shown.log_size),
        None => receipt.trim_end().to_owned(),
    });
    Ok(())
}

pub(in crate::cli) fn prove_failure(
    error: ProveError<jurat_log::TiledNodesError<jurat_log::ReadError<super::source::SourceError>>>,
) -> Failure {
    match error {
        ProveError::Nodes(error) => proof_failure(error),
        ProveError::Impossible(error) => Failure::False(error.to_string()),
    }
}
