//! What the core asks of the log that it appends to.

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, SubjectRoot, TreeSize, UnixMillis};

use super::{CheckedEntry, EntryBytes};

/// Appending and looking up, answered at once. What is appended becomes durable later; the journal
/// covers it until then.
pub trait Ledger {
    /// The size and root.
    fn head(&self) -> (TreeSize, Digest);

    /// The root of the subject map over its entries.
    fn subjects(&self) -> SubjectRoot;

    /// Where an entry is, by its leaf hash as it was submitted, whether it was refused or not. Exactly:
    /// in what is stored and in what was just appended.
    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError>;

    /// An entry by that hash, as it was submitted.
    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError>;

    /// Executes a sequence: appends its entries, whose names the log does not have, as of `time`, which
    /// never goes back, and keeps `record`, from which members that fall behind are served.
    fn append(
        &mut self,
        sequence: u64,
        time: UnixMillis,
        record: Vec<u8>,
        entries: Vec<CheckedEntry>,
    ) -> Result<Appended, LedgerError>;

    /// Whether more may be appended now. If not, what is appended must be stored first; the core
    /// goes on when it is told so.
    fn has_room(&self) -> bool;

    /// What [`append`](Self::append) was given for a sequence.
    fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, LedgerError>;

    /// Keeps a checkpoint that a quorum cosigned.
    fn certify(&mut self, size: TreeSize, note: &str) -> Result<(), LedgerError>;

    /// The size of the largest checkpoint that is kept.
    fn certified(&self) -> TreeSize;

    /// The kept checkpoint of the smallest size that is at least `size`.
    fn certified_from(&self, size: TreeSize) -> Result<Option<String>, LedgerError>;
}

/// The log after an append.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The new size.
    pub size: TreeSize,
    /// The new root.
    pub root: Digest,
}

/// The log can't be read or appended to. Nothing can go on without it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LedgerError(pub String);
