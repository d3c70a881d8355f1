//! Proofs of what the log has about a file, or that it has nothing, made from the stored log.

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, Checkpoint, LeafIndex, Note, SubjectProofError, SubjectRoot, TreeSize};
use jurat_store::{LogError, LogReader};
use serde::{Deserialize, Serialize};

use crate::time::rfc3339;

/// A proof with what programs want to know of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProvenSubject {
    /// The SHA-256 digest of the file's content, in hex.
    pub sha256: String,
    /// The size of the log that the checkpoint is about.
    pub log_size: u64,
    /// When the council ordered the last batch that the proof covers: RFC 3339.
    pub batch_time: Option<String>,
    /// The index of the first entry about the file; null if there is none.
    pub first_index: Option<u64>,
    /// How many entries are about the file.
    pub entries: u64,
    /// The proof itself, with its checkpoint, as it is kept in a file.
    pub proof: String,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum NoProof {
    /// There is no certified checkpoint.
    #[error("nothing is certified yet")]
    NothingCertified,
    /// There is no certified checkpoint of this size.
    #[error(
        "there is no certified checkpoint of size {size} here{}",
        next.map_or_else(String::new, |next| format!("; the next one has size {next}"))
    )]
    NotCertified {
        /// The size asked for.
        size: TreeSize,
        /// The smallest certified one behind it.
        next: Option<TreeSize>,
    },
    /// The checkpoint was made before the log committed to a subject map.
    #[error("the checkpoint of size {0} does not commit to a subject map; ask for a later one")]
    NotCommitted(TreeSize),
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is stored does not make sense.
    #[error("the stored log is damaged: {0}")]
    Damaged(String),
}

/// Proves what the log has about the file with this digest, against the certified checkpoint of a
/// size, or the latest one.
pub fn prove(reader: &LogReader, sha256: &Digest, size: Option<TreeSize>) -> Result<ProvenSubject, NoProof> {
    let (size, note) = certified(reader, size)?;
    let damaged = |error: &dyn std::fmt::Display| NoProof::Damaged(format!("checkpoint of {size}: {error}"));
    let note = Note::parse(note.as_bytes()).map_err(|error| damaged(&error))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| damaged(&error))?;
    let root = match SubjectRoot::of(&checkpoint) {
        Err(SubjectProofError::NoRoot) => return Err(NoProof::NotCommitted(size)),
        root => root.map_err(|error| damaged(&error))?,
    };
    let stamp = BatchStamp::of(&checkpoint).map_err(|error| damaged(&error))?;
    let proof = reader.subject_proof(sha256, size)?;
    let entries = proof.verify(&root).map_err(|error| damaged(&error))?;
    Ok(ProvenSubject {
        sha256: sha256.to_string(),
        log_size: size.value(),
        batch_time: stamp.map(|stamp| rfc3339(stamp.time.0)),
        first_index: entries.map(|entries| entries.first.value()),
        entries: entries.map_or(0, |entries| entries.count),
        proof: proof.with_checkpoint(&note).to_string(),
    })
}

fn certified(reader: &LogReader, size: Option<TreeSize>) -> Result<(TreeSize, std::sync::Arc<str>), NoProof> {
    let Some(size) = size else { return reader.latest_checkpoint()?.ok_or(NoProof::NothingCertified) };
    let last = size.value().checked_sub(1).and_then(|last| LeafIndex::new(last).ok());
    let covering = reader.checkpoint_covering(last.unwrap_or_default())?;
    match covering {
        Some((found, note)) if found == size => Ok((size, note)),
        covering => Err(NoProof::NotCertified { size, next: covering.map(|(next, _)| next) }),
    }
}
