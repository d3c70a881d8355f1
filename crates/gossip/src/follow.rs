//! What a [`Follower`](crate::Follower) is told and tells: resources to get, files to keep, evidence.

use alloc::{boxed::Box, string::String, vec::Vec};

use jurat_log::{ForkEvidence, Note, TileCoord, TreeSize};

use crate::SourceFailure;

/// The most sources that one log is followed from; further ones are not asked.
pub const MAX_FOLLOWED_SOURCES: usize = 32;

/// How many tiles and bundles of a log are got at the same time. A bundle has up to 16 MiB, so this
/// bounds the memory.
pub const MAX_RESOURCES_AT_ONCE: usize = 8;

/// Where a resource comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Supplier {
    /// What was stored here: in this round, in one that was cut off, or long ago.
    Stored,
    /// A source, counted from 0 in the order in which they were given.
    Source(usize),
}

/// Which request an answer belongs to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestId(pub(crate) u64);

/// What to do. All of it in this order: whatever is to be stored is durable before the checkpoint
/// that covers it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FollowOutput {
    /// Get a resource, with a deadline, and hand it to [`answered`](crate::Follower::answered).
    /// Every request must be answered once, whatever happens.
    Get {
        /// To answer with.
        request: RequestId,
        /// From whom.
        from: Supplier,
        /// The path below the log's prefix, such as `tile/0/000`.
        path: String,
        /// The most bytes that it may have; more are a failure.
        limit: usize,
    },
    /// Keep a verified tile or bundle in its place, whole or not at all.
    Store {
        /// The place.
        coord: TileCoord,
        /// The content.
        bytes: Vec<u8>,
    },
    /// Make all that was stored durable, and then put this in the place of the last checkpoint.
    Publish {
        /// The checkpoint with its signatures.
        note: Note,
        /// The size that was published before.
        old: TreeSize,
        /// The size now.
        new: TreeSize,
    },
    /// The log has forked: keep the evidence and tell everybody. Nothing of this source is taken.
    Fork {
        /// Who showed the other history. Where two sources contradict each other, this comes for
        /// both.
        source: usize,
        /// The proof, for anyone to check offline.
        evidence: Box<ForkEvidence>,
    },
    /// A source was given up until it is due again.
    SourceFailed {
        /// Which.
        source: usize,
        /// What kind of failure.
        failure: SourceFailure,
        /// What it did.
        error: String,
    },
    /// What was stored here is damaged, so a source could not be compared with it.
    Damaged {
        /// What is wrong.
        error: String,
    },
}

/// Why a resource could not be got.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GetFailure {
    /// What to tell the operator.
    pub error: String,
    /// What [`retry_after`](crate::retry_after()) made of the answer's header; 0 without one.
    pub retry_after: u64,
}

/// What has happened since a follower was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FollowCounts {
    /// Rounds that ended.
    pub rounds: u64,
    /// Entries that were verified and published.
    pub entries: u64,
    /// Bytes that sources sent.
    pub bytes: u64,
    /// Sources given up, as [`SourceFailure::ALL`] lists the reasons.
    pub failures: [u64; SourceFailure::ALL.len()],
    /// Sources that could not be compared with what is stored, because that is damaged.
    pub damaged: u64,
}
