//! Proof that a log has forked: two of its checkpoints that can't both be true, in one file that
//! anyone can check offline.
//!
//! ```text
//! "jurat/v1/fork-evidence" LF
//! [base64( hash ) LF]...                for different sizes only
//! LF
//! "checkpoint " length LF note          the smaller one; of one size, the one with the lesser text
//! "checkpoint " length LF note
//! ```
//!
//! Of one size, two roots are a contradiction by themselves. Of two sizes, the hashes are a
//! consistency proof that was made from the larger tree: they lead to its root, and to another
//! root of the smaller size than the one that was signed. Nobody can make such hashes for
//! checkpoints of one and the same log, so the evidence never accuses an honest signer. That a
//! consistency proof fails proves nothing: anyone can make one that does. Extension lines, such as
//! a batch stamp, are not judged: a witness's cosignature says nothing about them.

use alloc::{string::ToString, vec::Vec};
use core::{fmt, str};

use crate::{
    Checkpoint, CheckpointError, ConsistencyProof, EndorsementError, MAX_NOTE_BYTES, Note, NoteError,
    NoteKey, Policy, ProofError,
    text::{parse_decimal, parse_hash, write_hash},
};

/// The most bytes that evidence may have: two of the largest notes, and a proof.
pub const MAX_FORK_EVIDENCE_BYTES: usize = 2 * MAX_NOTE_BYTES + 4 * 1024;

const HEADER: &str = "jurat/v1/fork-evidence";
const CHECKPOINT: &str = "checkpoint ";

/// Two checkpoints of one log that contradict each other. Who signed them shows
/// [`verify`](Self::verify).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForkEvidence {
    smaller: (Note, Checkpoint),
    larger: (Note, Checkpoint),
    /// From the first perfect subtree on, which a consistency proof may leave out.
    proof: ConsistencyProof,
}

/// Who stands behind a fork.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ForkSigners {
    /// Keys of the log and witnesses that signed the smaller checkpoint, or the first in the file.
    pub smaller: Vec<NoteKey>,
    /// Keys that signed the larger one.
    pub larger: Vec<NoteKey>,
    /// Keys that signed both, which no honest signer does. Where there is none, as with two members
    /// of a council, one of the two is at fault and the evidence doesn't say which.
    pub both: Vec<NoteKey>,
}

/// Why two checkpoints, or a file, are no evidence of a fork.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ForkEvidenceError {
    /// The file is larger than [`MAX_FORK_EVIDENCE_BYTES`].
    #[error("evidence has at most {MAX_FORK_EVIDENCE_BYTES} bytes, this has {0}")]
    TooLarge(usize),
    /// The file is not UTF-8.
    #[error("the evidence is not UTF-8")]
    NotUtf8,
    /// The first line is another.
    #[error("not evidence of a fork: the first line is not {HEADER}")]
    Header,
    /// A line of the proof is not a hash.
    #[error("hash {0} of the evidence is not 32 bytes in base64")]
    Hash(usize),
    /// The checkpoints are not in their place, of their length and in their order.
    #[error("the evidence has two checkpoints, each after its length, the smaller first, and nothing after")]
    Form,
    /// A checkpoint is not a note.
    #[error("evidence: {0}")]
    Note(#[from] NoteError),
    /// A note is not a checkpoint.
    #[error("evidence: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The checkpoints are of different logs.
    #[error("the two checkpoints are of different logs")]
    Origins,
    /// The checkpoints don't contradict each other.
    #[error("the two checkpoints don't contradict each other")]
    Consistent,
    /// The hashes don't lead to the larger root, so they say nothing about it.
    #[error("the evidence's proof doesn't belong to the larger checkpoint: {0}")]
    Proof(#[from] ProofError),
    /// No known key of the log has signed the first checkpoint, or a known signature fails.
    #[error("the first checkpoint: {0}")]
    First(#[source] EndorsementError),
    /// The same of the second.
    #[error("the second checkpoint: {0}")]
    Second(#[source] EndorsementError),
}

impl ForkEvidence {
    /// The evidence in two checkpoints of one size with different roots.
    pub fn same_size(one: Note, other: Note) -> Result<Self, ForkEvidenceError> {
        let (one, other) = (read(one)?, read(other)?);
        let in_order = one.0.text().as_str() <= other.0.text().as_str();
        let (smaller, larger) = if in_order { (one, other) } else { (other, one) };
        Self { smaller, larger, proof: ConsistencyProof::default() }.check()
    }

    /// The evidence in two checkpoints of different sizes, from a proof of consistency with the
    /// larger one that starts with a hash: as
    /// [`ConsistencyProof::generate_prefix`] makes it from the larger tree.
    pub fn different_sizes(
        smaller: Note,
        larger: Note,
        proof: ConsistencyProof,
    ) -> Result<Self, ForkEvidenceError> {
        let (smaller, larger) = (read(smaller)?, read(larger)?);
        if smaller.1.size() == larger.1.size() {
            return Err(ForkEvidenceError::Form);
        }
        Self { smaller, larger, proof }.check()
    }

    fn check(self) -> Result<Self, ForkEvidenceError> {
        let ((_, smaller), (_, larger)) = (&self.smaller, &self.larger);
        if smaller.origin() != larger.origin() {
            return Err(ForkEvidenceError::Origins);
        }
        if smaller.size() > larger.size() {
            return Err(ForkEvidenceError::Form);
        }
        let committed = if smaller.size() == larger.size() {
            if !self.proof.hashes().is_empty() {
                return Err(ProofError::TooLong.into());
            }
            *larger.root()
        } else {
            self.proof.prefix_root(smaller.size(), larger.size(), larger.root())?
        };
        if committed == *smaller.root() { Err(ForkEvidenceError::Consistent) } else { Ok(self) }
    }

    /// Reads a file, strictly: whatever is accepted is written again with the same bytes, and the
    /// checkpoints contradict each other. Who has signed them is not checked.
    pub fn parse(bytes: &[u8]) -> Result<Self, ForkEvidenceError> {
        if bytes.len() > MAX_FORK_EVIDENCE_BYTES {
            return Err(ForkEvidenceError::TooLarge(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| ForkEvidenceError::NotUtf8)?;
        let (header, mut rest) = text.split_once('\n').ok_or(ForkEvidenceError::Header)?;
        if header != HEADER {
            return Err(ForkEvidenceError::Header);
        }
        let mut hashes = Vec::new();
        loop {
            let (line, after) = rest.split_once('\n').ok_or(ForkEvidenceError::Form)?;
            rest = after;
            if line.is_empty() {
                break;
            }
            if hashes.len() == ConsistencyProof::MAX_HASHES {
                return Err(ProofError::TooLong.into());
            }
            hashes.push(parse_hash(line).ok_or(ForkEvidenceError::Hash(hashes.len()))?);
        }
        let (smaller, rest) = parse_note(rest)?;
        let (larger, rest) = parse_note(rest)?;
        let proof = ConsistencyProof::new(hashes)?;
        let evidence = Self { smaller: read(smaller)?, larger: read(larger)?, proof }.check()?;
        let is_one_size = evidence.smaller.1.size() == evidence.larger.1.size();
        let in_order = evidence.smaller.0.text().as_str() <= evidence.larger.0.text().as_str();
        if rest.is_empty() && (in_order || !is_one_size) {
            Ok(evidence)
        } else {
            Err(ForkEvidenceError::Form)
        }
    }

    /// The smaller checkpoint, or the first in the file.
    #[must_use]
    pub const fn smaller(&self) -> &Checkpoint {
        &self.smaller.1
    }

    /// The larger checkpoint.
    #[must_use]
    pub const fn larger(&self) -> &Checkpoint {
        &self.larger.1
    }

    /// Checks that keys which the policy lists for this log have signed both checkpoints, and
    /// tells which of its keys did. A quorum is not asked for: less is a fork already.
    pub fn verify(&self, policy: &Policy) -> Result<ForkSigners, ForkEvidenceError> {
        let smaller = policy.signers(&self.smaller.0).map_err(ForkEvidenceError::First)?;
        let larger = policy.signers(&self.larger.0).map_err(ForkEvidenceError::Second)?;
        let both = smaller.iter().filter(|key| larger.contains(key)).cloned().collect();
        Ok(ForkSigners { smaller, larger, both })
    }
}

fn read(note: Note) -> Result<(Note, Checkpoint), CheckpointError> {
    let checkpoint = Checkpoint::parse(note.text())?;
    Ok((note, checkpoint))
}

/// Splits off a note after the line with its length.
fn parse_note(text: &str) -> Result<(Note, &str), ForkEvidenceError> {
    let (line, rest) = text.split_once('\n').ok_or(ForkEvidenceError::Form)?;
    let length = line.strip_prefix(CHECKPOINT).and_then(parse_decimal).ok_or(ForkEvidenceError::Form)?;
    let length = usize::try_from(length).map_err(|_| ForkEvidenceError::Form)?;
    let (note, rest) = rest.split_at_checked(length).ok_or(ForkEvidenceError::Form)?;
    Ok((Note::parse(note.as_bytes())?, rest))
}

/// Writes the file.
impl fmt::Display for ForkEvidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        for hash in self.proof.hashes() {
            writeln!(f, "{}", write_hash(hash))?;
        }
        writeln!(f)?;
        for (note, _) in [&self.smaller, &self.larger] {
            let note = note.to_string();
            write!(f, "{CHECKPOINT}{}\n{note}", note.len())?;
        }
        Ok(())
    }
}
