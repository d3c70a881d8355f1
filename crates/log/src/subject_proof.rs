//! Proofs from a subject map: what a log has about a file, or that it has nothing.
//!
//! ```text
//! "jurat/v1/subject-proof" LF
//! "subject " hex LF
//! one of
//!   "present " first SP count SP base64( chain ) LF
//!   "absent" LF                                   the map is empty
//!   "absent leaf " hex( key ) SP first SP count SP base64( chain ) LF
//!   "absent inner " bit SP hex( prefix ) SP base64( left ) SP base64( right ) LF
//! [bit SP base64( sibling ) LF]...                from the lowest branching to the highest
//! [LF checkpoint's note, verbatim]
//! ```

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str};

use data_encoding::HEXLOWER;
use jurat_crypto::Digest;

use crate::{
    LeafIndex, MAX_NOTE_BYTES, Note, SubjectMap, SubjectNodes, SubjectRoot,
    subject_map::Search,
    subject_node::{EMPTY_CHAIN, Leaf, Node, bit_of, chain_of, prefix_of, subject_key},
    text::{parse_decimal, parse_hash, write_hash},
};

/// The most bytes that a proof may have: 256 branchings, and the largest note.
pub const MAX_SUBJECT_PROOF_BYTES: usize = 16 * 1024 + MAX_NOTE_BYTES;

const HEADER: &str = "jurat/v1/subject-proof";
const SUBJECT: &str = "subject ";

/// What a log has about a subject, with the way to the map's root, and the checkpoint that commits
/// to it, if that is given along. Proves nothing until [`verify`](Self::verify) or, with its
/// checkpoint, [`verify_subject`](crate::verify_subject).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SubjectProof {
    subject: Digest,
    end: End,
    /// The lowest first.
    path: Vec<(u8, Digest)>,
    checkpoint: Option<String>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum End {
    Present(SubjectEntries),
    Absent(Option<Node>),
}

/// The entries of a log that are about a subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubjectEntries {
    /// The first of them.
    pub first: LeafIndex,
    /// How many there are.
    pub count: u64,
    chain: Digest,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubjectProofError {
    /// The proof is larger than [`MAX_SUBJECT_PROOF_BYTES`].
    #[error("a subject proof has at most {MAX_SUBJECT_PROOF_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// A line is not as it has to be.
    #[error("line {0} of the subject proof is malformed")]
    Line(usize),
    /// There is no checkpoint behind the proof.
    #[error("the subject proof has no checkpoint")]
    NoCheckpoint,
    /// The branchings reach behind the place that they lead to.
    #[error("the branchings of the subject proof are not those of a way to its end")]
    Path,
    /// The node said to part from the subject doesn't.
    #[error("the subject proof ends at the subject, which it says is absent")]
    NotParting,
    /// The proof leads to another root: of another map, or it was altered.
    #[error("the subject proof leads to another root than the map's")]
    WrongRoot,
    /// The checkpoint doesn't commit to a subject map.
    #[error("the checkpoint does not commit to a subject map: it has no extension line jurat.subjects")]
    NoRoot,
    /// The checkpoint's line is malformed, or there are several.
    #[error("the extension line jurat.subjects is followed by 32 bytes in base64, and comes once")]
    MalformedRoot,
}

impl SubjectMap {
    /// Proves what the map has about a subject, or that it has nothing.
    pub fn prove<S: SubjectNodes>(&self, store: &mut S, subject: &Digest) -> Result<SubjectProof, S::Error> {
        let key = subject_key(subject);
        let Search { path, end } = self.search(store, &key)?;
        let end = match end {
            Some(Node::Leaf(Leaf { key: own, first, count, chain })) if own == key => {
                End::Present(SubjectEntries { first, count, chain })
            }
            end => End::Absent(end),
        };
        Ok(SubjectProof { subject: *subject, end, path, checkpoint: None })
    }
}

impl SubjectEntries {
    /// Whether these are the entries' indices: all of them, in rising order.
    #[must_use]
    pub fn are(&self, indices: &[LeafIndex]) -> bool {
        self.count == indices.len() as u64
            && indices.first() == Some(&self.first)
            && chain_of(EMPTY_CHAIN, indices) == self.chain
    }
}

impl SubjectProof {
    /// Which subject it is about.
    #[must_use]
    pub const fn subject(&self) -> &Digest {
        &self.subject
    }

    /// What it says about the subject, unchecked: nothing, if the subject is absent.
    #[must_use]
    pub const fn claim(&self) -> Option<SubjectEntries> {
        match self.end {
            End::Present(entries) => Some(entries),
            End::Absent(_) => None,
        }
    }

    /// The same with the note of a checkpoint that commits to the map.
    #[must_use]
    pub fn with_checkpoint(mut self, checkpoint: &Note) -> Self {
        self.checkpoint = Some(checkpoint.to_string());
        self
    }

    /// The checkpoint's note, verbatim and unchecked, if it is there.
    #[must_use]
    pub fn checkpoint(&self) -> Option<&str> {
        self.checkpoint.as_deref()
    }

    /// Checks the proof against the root that a log commits to, and returns what the map has about
    /// the subject: nothing, if no entry is about it.
    ///
    /// Under one root a subject is either present, with the same entries for everyone, or absent.
    /// That the map leaves out no entry is the log's word; whoever has the entries can make the
    /// same map and compare.
    pub fn verify(&self, root: &SubjectRoot) -> Result<Option<SubjectEntries>, SubjectProofError> {
        let key = subject_key(&self.subject);
        let end = match self.end {
            End::Present(SubjectEntries { first, count, chain }) => {
                Node::Leaf(Leaf { key, first, count, chain })
            }
            End::Absent(Some(end)) => end,
            End::Absent(None) => {
                return match (self.path.is_empty(), *root == SubjectRoot::EMPTY) {
                    (false, _) => Err(SubjectProofError::Path),
                    (true, false) => Err(SubjectProofError::WrongRoot),
                    (true, true) => Ok(None),
                };
            }
        };
        let common = end.common_bits(&key);
        if self.claim().is_none() && common == end.bits() {
            return Err(SubjectProofError::NotParting);
        }
        // Every branching passed is at a bit up to which the end still agrees with the key.
        let (mut below, mut reached) = (common, end.hash());
        for (bit, sibling) in &self.path {
            if u16::from(*bit) >= below {
                return Err(SubjectProofError::Path);
            }
            below = u16::from(*bit);
            let (left, right) = if bit_of(&key, *bit) { (*sibling, reached) } else { (reached, *sibling) };
            reached = Node::Inner { bit: *bit, prefix: prefix_of(&key, *bit), left, right }.hash();
        }
        if reached == *root.digest() { Ok(self.claim()) } else { Err(SubjectProofError::WrongRoot) }
    }

    /// Reads a proof, strictly: whatever is accepted is written again with the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, SubjectProofError> {
        if bytes.len() > MAX_SUBJECT_PROOF_BYTES {
            return Err(SubjectProofError::TooLarge(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| SubjectProofError::Line(1))?;
        let (proof, checkpoint) = match text.split_once("\n\n") {
            Some((_, "")) => return Err(SubjectProofError::NoCheckpoint),
            Some((proof, checkpoint)) => (proof, Some(checkpoint.to_string())),
            None => (text.strip_suffix('\n').ok_or(SubjectProofError::Line(1))?, None),
        };
        let mut lines = proof.split('\n');
        if lines.next() != Some(HEADER) {
            return Err(SubjectProofError::Line(1));
        }
        let subject = lines.next().and_then(|line| parse_hex(line.strip_prefix(SUBJECT)?));
        let subject = subject.ok_or(SubjectProofError::Line(2))?;
        let end = lines.next().and_then(parse_end).ok_or(SubjectProofError::Line(3))?;
        let mut path = Vec::new();
        for (line, number) in lines.zip(4..) {
            let step =
                line.split_once(' ').and_then(|(bit, sibling)| Some((parse_bit(bit)?, parse_hash(sibling)?)));
            // Bits fall towards the root, so there are at most 256.
            let rises = |(bit, _): &(u8, Digest)| path.last().is_none_or(|(below, _)| bit < below);
            path.push(step.filter(rises).ok_or(SubjectProofError::Line(number))?);
        }
        Ok(Self { subject, end, path, checkpoint })
    }
}

fn parse_end(line: &str) -> Option<End> {
    let words: Vec<&str> = line.splitn(7, ' ').collect();
    match words.as_slice() {
        ["present", entries @ ..] => parse_entries(entries).map(End::Present),
        ["absent"] => Some(End::Absent(None)),
        ["absent", "leaf", key, entries @ ..] => {
            let SubjectEntries { first, count, chain } = parse_entries(entries)?;
            Some(End::Absent(Some(Node::Leaf(Leaf { key: parse_hex(key)?, first, count, chain }))))
        }
        ["absent", "inner", bit, prefix, left, right] => {
            let (bit, prefix) = (parse_bit(bit)?, parse_hex(prefix)?);
            let (left, right) = (parse_hash(left)?, parse_hash(right)?);
            // A second spelling of the same prefix.
            if prefix != prefix_of(&prefix, bit) {
                return None;
            }
            Some(End::Absent(Some(Node::Inner { bit, prefix, left, right })))
        }
        _ => None,
    }
}

fn parse_entries(words: &[&str]) -> Option<SubjectEntries> {
    let [first, count, chain] = words else { return None };
    Some(SubjectEntries {
        first: first.parse().ok()?,
        count: parse_decimal(count)?,
        chain: parse_hash(chain)?,
    })
}

fn parse_bit(text: &str) -> Option<u8> {
    u8::try_from(parse_decimal(text)?).ok()
}

fn parse_hex(text: &str) -> Option<Digest> {
    HEXLOWER.decode(text.as_bytes()).ok()?.try_into().map(Digest::from_bytes).ok()
}

/// Writes the proof as it is kept in a file.
impl fmt::Display for SubjectProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}\n{SUBJECT}{}", self.subject)?;
        match &self.end {
            End::Present(SubjectEntries { first, count, chain }) => {
                writeln!(f, "present {first} {count} {}", write_hash(chain))?;
            }
            End::Absent(None) => writeln!(f, "absent")?,
            End::Absent(Some(Node::Leaf(Leaf { key, first, count, chain }))) => {
                writeln!(f, "absent leaf {key} {first} {count} {}", write_hash(chain))?;
            }
            End::Absent(Some(Node::Inner { bit, prefix, left, right })) => {
                writeln!(f, "absent inner {bit} {prefix} {} {}", write_hash(left), write_hash(right))?;
            }
        }
        self.path.iter().try_for_each(|(bit, sibling)| writeln!(f, "{bit} {}", write_hash(sibling)))?;
        self.checkpoint.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}
