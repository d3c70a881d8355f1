//! Why a member must stop.

use jurat_crypto::Digest;
use jurat_pbft::Sequence;

use super::{LedgerError, StepError, cosigning::Conflict};

/// Why a member must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Consensus can't go on here.
    #[error(transparent)]
    Consensus(#[from] jurat_pbft::Halt),
    /// The log can't be read or written.
    #[error("the log can't be used: {0}")]
    Ledger(#[from] LedgerError),
    /// An entry that was voted for is not here any more.
    #[error("entry {0} of a decided batch is missing here: the data directory is incomplete")]
    MissingEntry(Digest),
    /// Another root than the one that was signed for this size.
    #[error(
        "the log's root at size {size} is {other}, but {signed} was signed for it: the data directory was altered"
    )]
    Conflict {
        /// The size.
        size: u64,
        /// The root that was signed.
        signed: Digest,
        /// The root now.
        other: Digest,
    },
    /// The council certified a change of itself that was not executed here.
    #[error(
        "the council ended its epoch with sequence {0}, which changed nothing here: the data directory or the program is not the members'"
    )]
    Link(Sequence),
    /// A change of the council was executed and certified here, and does not follow from its history.
    #[error("the council's step after sequence {sequence} does not follow from its history: {error}")]
    Step {
        /// The last sequence of the epoch.
        sequence: Sequence,
        /// Why not.
        error: Box<StepError>,
    },
    /// The log's last checkpoint belongs to an epoch that the council's history does not reach.
    #[error(
        "the log's last checkpoint is of epoch {0}, beyond the council's history: the data directory is incomplete"
    )]
    Epoch(u64),
    /// No policy can be made of the members.
    #[error("no policy can be made of the council: {0}")]
    Council(String),
    /// More members than can be faulty say that the clock is off.
    #[error(
        "this machine's clock is {seconds} s {direction} the clocks of {members} other members: set it (for example with NTP) and start again",
        seconds = offset.unsigned_abs() / 1000,
        direction = if *offset > 0 { "behind" } else { "ahead of" }
    )]
    Clock {
        /// Their clocks less this one, in milliseconds.
        offset: i64,
        /// How many members say so.
        members: usize,
    },
}

impl From<Conflict> for Halt {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict { size: conflict.size.value(), signed: conflict.signed, other: conflict.other }
    }
}
