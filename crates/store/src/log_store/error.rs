//! What can go wrong with the log on disk.

use std::{error::Error, fmt, path::PathBuf};

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, ProofError, ProveError, ResumeError, TileCoord, TiledNodesError, TreeSize};

use super::MAX_UNFLUSHED_BYTES;
use crate::DiskError;

/// Why the log on disk couldn't be opened, read or written.
///
/// Nothing is changed by an error, except that one from a flush leaves unknown how much of it is
/// on the disk; the log can be read on, but not flushed any more.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The caller's mistake: a batch out of order. Every sequence has one, also when it's empty.
    #[error("batch {got} can't follow batch {last}: append every batch, in order")]
    Sequence {
        /// The last batch appended.
        last: u64,
        /// The batch that was to follow.
        got: u64,
    },
    /// The caller's mistake: something exceeds its limit.
    #[error("{what} has {len} bytes, at most {max} are allowed")]
    TooLong {
        /// What it is.
        what: &'static str,
        /// Its length in bytes.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Too much waits to be flushed: the disk doesn't keep up, or nobody flushes.
    #[error("more than {MAX_UNFLUSHED_BYTES} bytes of the log wait to be flushed: flush first")]
    NotFlushed,
    /// The caller asked for what the log doesn't have yet.
    #[error("asked for leaf {index}, the log has {size} leaves")]
    NoSuchLeaf {
        /// The leaf asked for.
        index: LeafIndex,
        /// The size of the log.
        size: TreeSize,
    },
    /// The caller asked for a size that the log doesn't have yet.
    #[error("asked for the tree of {asked} leaves, the log has {size}")]
    NoSuchSize {
        /// The size asked for.
        asked: TreeSize,
        /// The size of the log.
        size: TreeSize,
    },
    /// The caller asked for a tile that the log doesn't have, or not as wide yet.
    #[error("the log of {size} leaves has no {asked}")]
    NoSuchTile {
        /// The tile asked for.
        asked: TileCoord,
        /// The size of the log.
        size: TreeSize,
    },
    /// The caller asked for the subject map within a batch, where there is none.
    #[error("asked for the subject map of {asked} leaves, which is within a batch: there is one after each")]
    NoSubjectMap {
        /// The size asked for.
        asked: TreeSize,
    },
    /// The caller asked for a proof that can't exist.
    #[error("no such proof: {0}")]
    NoSuchProof(ProofError),

    /// The log is open already, in this process.
    #[error("the log is open already: close it first, a data directory has one log")]
    InUse,
    /// A file that must be there is missing.
    #[error("{path:?} is missing: {RESTORE}")]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is damaged.
    #[error("{path:?} is damaged, {damage}: {RESTORE}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// In which way.
        damage: Damage,
    },
    /// The tiles at the right edge and the index contradict each other.
    #[error(
        "the tiles under {path:?} make the root {computed}, {stated} is recorded for {size} leaves: {RESTORE}"
    )]
    WrongRoot {
        /// The log's directory.
        path: PathBuf,
        /// The size of the log.
        size: TreeSize,
        /// The root in the index.
        stated: Digest,
        /// The root that the tiles make.
        computed: Digest,
    },
    /// The index couldn't be read or written.
    #[error("the index {path:?} can't be used: {source}; if the disk is well, {RESTORE}")]
    Index {
        /// The index's file.
        path: PathBuf,
        /// The database's reason.
        source: Box<dyn Error + Send + Sync>,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// An earlier flush failed.
    #[error("an earlier flush of the log failed: stop the node, and start it again once the disk is well")]
    Stopped,

    /// A proof made of checked tiles didn't lead to the root, which is a mistake in this program.
    #[error("a proof for the tree of {size} leaves came out wrong, and was not handed out: {reason}")]
    WrongProof {
        /// The size of the tree.
        size: TreeSize,
        /// What is wrong with it.
        reason: String,
    },
}

const RESTORE: &str = "restore the file from a mirror or a backup; if that can't be done, docs/operating.md, \
                       \"A lost or an old data directory\"; `jurat log fsck` shows all that is wrong";

/// In which way a file of the log is damaged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Damage {
    /// Its length is wrong.
    Length {
        /// Bytes that it should have.
        needed: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The hashes of a tile don't lead to the hash that the tile above has for it.
    NotInTile(TileCoord),
    /// An entry doesn't have the hash that the tile of leaf hashes has for it.
    Entry(LeafIndex),
    /// A node of the subject map is missing or isn't the one that was stored.
    SubjectMap,
    /// A bundle isn't a sequence of so many entries.
    Bundle(String),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { needed, found } => write!(f, "it has {found} bytes instead of {needed}"),
            Self::NotInTile(parent) => write!(f, "it doesn't make the hash that {parent} has for it"),
            Self::Entry(index) => write!(f, "entry {index} doesn't have the hash in its tile"),
            Self::SubjectMap => f.write_str("a node of the subject map is missing or isn't the one stored"),
            Self::Bundle(reason) => f.write_str(reason),
        }
    }
}

/// Errors of the tree's algorithms, whose reads are this crate's.
pub(super) fn from_nodes(size: TreeSize, error: TiledNodesError<LogError>) -> LogError {
    match error {
        TiledNodesError::Read(_, error) => error,
        error => LogError::WrongProof { size, reason: error.to_string() },
    }
}

pub(super) fn from_prover(size: TreeSize, error: ProveError<TiledNodesError<LogError>>) -> LogError {
    match error {
        ProveError::Impossible(error) => LogError::NoSuchProof(error),
        ProveError::Nodes(error) => from_nodes(size, error),
    }
}

pub(super) fn from_resume(path: PathBuf, size: TreeSize, error: ResumeError<LogError>) -> LogError {
    match error {
        ResumeError::Read(_, error) => error,
        ResumeError::WrongRoot { size, stated, computed } => {
            LogError::WrongRoot { path, size, stated, computed }
        }
        error => LogError::WrongProof { size, reason: error.to_string() },
    }
}
