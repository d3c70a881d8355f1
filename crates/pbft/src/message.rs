//! What replicas send each other.

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

use crate::{
    Batch, BatchDigest, Checkpoint, CheckpointCertificate, CommitProof, Epoch, EpochLink, NewView, ReplicaId,
    Sequence, Signed, View, ViewChange, Vote,
};

/// A message between replicas.
///
/// Whatever counts towards a decision is signed. `Status`, the two fetches and the bare batch are
/// hints or are checked by digest; the link they come over must tell who sent them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Message {
    /// A PrePrepare with the batch it proposes.
    PrePrepare(Signed<Vote>, Batch),
    /// A Prepare or Commit.
    Vote(Signed<Vote>),
    /// The state after a sequence.
    Checkpoint(Signed<Checkpoint>),
    /// A quorum of Checkpoints, for a replica that missed them.
    Stable(CheckpointCertificate),
    /// A call for a new view.
    ViewChange(Signed<ViewChange>),
    /// The start of a new view.
    NewView(Signed<NewView>),
    /// Where the sender stands.
    Status(Status),
    /// Asks for the decided batches from a sequence through another.
    FetchDecided(Sequence, Sequence),
    /// A decided batch, for a replica that fell behind.
    Decided(Batch, CommitProof),
    /// Asks for a batch by digest, in the slot of this sequence.
    FetchBatch(Sequence, BatchDigest),
    /// The batch that was asked for.
    Batch(Sequence, Batch),
    /// The end of an epoch, for a replica that is still in it or before it.
    Epoch(EpochLink),
}

/// Where a replica stands, sent from time to time and on connecting. It drives retransmission.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Status {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its view.
    pub view: View,
    /// Whether it waits for that view to begin.
    pub changing: bool,
    /// The last sequence that it executed.
    pub executed: Sequence,
    /// Its last stable checkpoint.
    pub stable: Sequence,
    /// The council it believes in, so that a member with another configuration is noticed.
    pub council: Digest,
}

/// Whom a message goes to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Recipient {
    /// Every other member of the replica's council.
    All,
    /// One member, or one that was a member in the epoch before.
    One(ReplicaId),
}

/// A message on its way out.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Outbound {
    /// Whom it goes to.
    pub to: Recipient,
    /// The message.
    pub message: Message,
}
