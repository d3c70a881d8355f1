//! What members say to each other about bulletins.

use jurat_crypto::Digest;
use jurat_gossip::SpreadMessage;
use jurat_pbft::ReplicaId;
use serde::{Deserialize, Serialize};

use crate::core::EntryBytes;

/// One message about bulletins.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BulletinMessage {
    /// Spreading new ones.
    Spread(SpreadMessage<ReplicaId>),
    /// From who asks, to find out what it lacks: a reconciliation message in its own layout.
    Ask(EntryBytes),
    /// From who is asked, likewise.
    Answer(EntryBytes),
    /// Postings that were asked for by the last want.
    Postings {
        /// How many of those wanted, from the first, this covers: one that expired since is missing.
        covered: u32,
        /// Them: bodies as they are spread.
        postings: Vec<EntryBytes>,
    },
    /// Prekeys of members that the sender knows.
    Prekeys(Vec<EntryBytes>),
    /// A letter, sealed: for the receiver, or to be spooled.
    Mail(EntryBytes),
    /// The sender has filed this letter to it.
    Filed(Digest),
    /// The sender's own key packages for gates, all of them.
    Packages(Vec<EntryBytes>),
}
