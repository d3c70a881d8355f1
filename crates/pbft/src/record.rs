//! What a replica writes down before it speaks.

use serde::{Deserialize, Serialize};

use crate::{
    Batch, Change, Checkpoint, CheckpointCertificate, CommitProof, EpochLink, NewView, PreparedCertificate,
    Sequence, Signed, ViewChange, Vote,
};

/// An entry of the replica's journal.
///
/// Replayed in order after a crash, records restore every promise that a vote made. Votes
/// themselves are not stored: signing is deterministic, so the same record gives the same bytes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Record {
    /// Accepted a proposal. Stands behind the PrePrepare of a primary and the Prepare of a backup.
    Accepted(Signed<Vote>, Batch),
    /// A batch that a prepared certificate names. Only a shortened journal needs it; in a whole one
    /// the batch came with its proposal.
    Batch(Sequence, Batch),
    /// Prepared. Stands behind a Commit.
    Prepared(PreparedCertificate),
    /// A batch is decided. Stands behind its execution.
    Decided(Batch, CommitProof),
    /// A checkpoint became stable: what lies below it can go.
    Stable(CheckpointCertificate),
    /// Left a view and called for this one. Stands behind the ViewChange.
    ViewChange(Signed<ViewChange>),
    /// A view began. Stands behind every vote in it.
    NewView(Signed<NewView>),
    /// Reached a checkpoint; with the change that ends the epoch if it is its last. Stands behind the
    /// Checkpoint that is sent, and keeps the application from ever having another state there.
    Checkpoint(Signed<Checkpoint>, Option<Change>),
    /// An epoch ended and the next began. Stands behind every vote in it.
    Epoch(EpochLink),
}
