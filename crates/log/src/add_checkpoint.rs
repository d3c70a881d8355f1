//! The request by which a log asks a witness for its cosignature (C2SP tlog-witness).
//!
//! ```text
//! "old " decimal LF                 the size of the last checkpoint that the witness cosigned
//! [base64( hash ) LF]...            at most 63: the consistency proof from there
//! LF
//! the checkpoint's note
//! ```

use alloc::vec::Vec;
use core::{fmt, str};

use crate::{
    Checkpoint, CheckpointError, ConsistencyProof, MAX_NOTE_BYTES, Note, NoteError, SizeError, TreeSize,
    text::{parse_hash, write_hash},
};

/// The most hashes that a request may have.
const MAX_HASHES: usize = 63;

/// The most bytes that a request may have: the largest note, and the largest head.
pub const MAX_ADD_CHECKPOINT_BYTES: usize = MAX_NOTE_BYTES + 3 * 1024;

const OLD: &str = "old ";

/// A checkpoint for a witness, with the proof that it extends the one before. Nothing is checked
/// but the form; that does [`Witness::decide`](crate::Witness::decide).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddCheckpoint {
    old: TreeSize,
    proof: ConsistencyProof,
    note: Note,
    checkpoint: Checkpoint,
}

/// Why bytes are not a request to a witness. The answer to it is 400.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddCheckpointError {
    /// The request is larger than [`MAX_ADD_CHECKPOINT_BYTES`].
    #[error("a request has at most {MAX_ADD_CHECKPOINT_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The request is not UTF-8.
    #[error("the request is not UTF-8")]
    NotUtf8,
    /// The first line is not the old size's.
    #[error("the first line is `old` and the size of the last cosigned checkpoint")]
    NoOldSize,
    /// The old size is none.
    #[error("the old size: {0}")]
    OldSize(#[from] SizeError),
    /// A line of the proof is not a hash.
    #[error("hash {0} of the consistency proof is not 32 bytes in base64")]
    Hash(usize),
    /// The proof has more hashes than the protocol allows.
    #[error("a consistency proof has at most 63 hashes")]
    TooManyHashes,
    /// No empty line separates the proof from the checkpoint.
    #[error("the request has no empty line before the checkpoint")]
    NoSeparator,
    /// What follows is not a note.
    #[error("the checkpoint: {0}")]
    Note(#[from] NoteError),
    /// The note is not a checkpoint.
    #[error("the checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
}

impl AddCheckpoint {
    /// A request to cosign the checkpoint in `note`, after the one of `old` leaves: 0 for the
    /// first, with an empty proof.
    pub fn new(old: TreeSize, proof: ConsistencyProof, note: Note) -> Result<Self, AddCheckpointError> {
        if proof.hashes().len() > MAX_HASHES {
            return Err(AddCheckpointError::TooManyHashes);
        }
        let checkpoint = Checkpoint::parse(note.text())?;
        Ok(Self { old, proof, note, checkpoint })
    }

    /// Reads a request, strictly: whatever is accepted is written again with the same bytes.
    pub fn parse(body: &[u8]) -> Result<Self, AddCheckpointError> {
        if body.len() > MAX_ADD_CHECKPOINT_BYTES {
            return Err(AddCheckpointError::TooLarge(body.len()));
        }
        let body = str::from_utf8(body).map_err(|_| AddCheckpointError::NotUtf8)?;
        let (line, mut rest) = body.split_once('\n').ok_or(AddCheckpointError::NoOldSize)?;
        let old = line.strip_prefix(OLD).ok_or(AddCheckpointError::NoOldSize)?.parse()?;
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(AddCheckpointError::NoSeparator)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if hashes.len() == MAX_HASHES {
                return Err(AddCheckpointError::TooManyHashes);
            }
            hashes.push(parse_hash(line).ok_or(AddCheckpointError::Hash(hashes.len()))?);
        }
        let proof = ConsistencyProof::new(hashes).map_err(|_| AddCheckpointError::TooManyHashes)?;
        Self::new(old, proof, Note::parse(rest.as_bytes())?)
    }

    /// The size of the checkpoint that the proof starts from.
    #[must_use]
    pub const fn old(&self) -> TreeSize {
        self.old
    }

    /// The way from there to the checkpoint.
    #[must_use]
    pub const fn proof(&self) -> &ConsistencyProof {
        &self.proof
    }

    /// The checkpoint as the log signed it.
    #[must_use]
    pub const fn note(&self) -> &Note {
        &self.note
    }

    /// What the note says.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }
}

/// Writes the request as it is sent.
impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD}{}", self.old)?;
        for hash in self.proof.hashes() {
            writeln!(f, "{}", write_hash(hash))?;
        }
        write!(f, "\n{}", self.note)
    }
}
