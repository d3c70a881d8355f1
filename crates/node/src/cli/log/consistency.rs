//! `jurat log consistency`

use clap::Args;
use data_encoding::BASE64;
use jurat_log::{ConsistencyProof, tree_root};
use serde::Serialize;

use super::{
    prove::prove_failure,
    source::{CheckedLogArguments, proof_failure},
};
use crate::cli::{Failure, output::Output};

/// Prove that a log has only grown from one size to another
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat log consistency 100 --log http://127.0.0.1:8100 --policy council.policy\n\
    Prints both roots and the proof (RFC 6962, section 2.1.2), which was checked."
)]
pub(crate) struct Arguments {
    /// The smaller size, 1 or more
    old: u64,
    /// The larger size; the checkpoint's if left out
    new: Option<u64>,
    #[command(flatten)]
    log: CheckedLogArguments,
}

/// The proof, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Proof {
    old_size: u64,
    old_root: String,
    new_size: u64,
    new_root: String,
    /// In hex.
    hashes: Vec<String>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let log = arguments.log.open()?;
    let new = log.size_within(arguments.new.unwrap_or_else(|| log.size().value()))?;
    let old = log.size_within(arguments.old)?;
    if arguments.old == 0 || old > new {
        let message =
            format!("a proof leads from 1 or more entries to as many or more, not from {old} to {new}");
        return Err(Failure::Usage(message));
    }
    let old_root = tree_root(&log.reader, old).map_err(proof_failure)?;
    let new_root = tree_root(&log.reader, new).map_err(proof_failure)?;
    let proof = ConsistencyProof::generate(&log.reader, old, new).map_err(prove_failure)?;
    proof.verify(old, new, &old_root, &new_root).map_err(|error| Failure::False(error.to_string()))?;
    let shown = Proof {
        old_size: old.value(),
        old_root: old_root.to_string(),
        new_size: new.value(),
        new_root: new_root.to_string(),
        hashes: proof.hashes().iter().map(ToString::to_string).collect(),
    };
    output.result(&shown, || {
        let mut text = format!("{old} entries  root {old_root}\n{new} entries  root {new_root}");
        for hash in proof.hashes() {
            text += &format!("\n{}", BASE64.encode(hash.as_bytes()));
        }
        text
    });
    Ok(())
}
