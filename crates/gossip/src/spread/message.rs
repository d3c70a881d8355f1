//! What spreading nodes say to each other.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

/// The largest body that is spread, in bytes: 64 KiB and what goes before them.
pub const MAX_SPREAD_BYTES: usize = 64 * 1024 + 128;

/// The most messages that one announcement names.
pub const MAX_ANNOUNCED: usize = 256;

/// The most peers that one shuffle names.
pub const MAX_SHUFFLED: usize = 8;

/// Over how many parts of the id space a [`SpreadMessage::Summary`] goes.
pub const SUMMARY_PARTS: usize = 16;

/// What names a message: the digest of its body, so that nobody can announce one and send another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SpreadId(Digest);

impl SpreadId {
    /// The id of a body.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        Self(Digest::of(body))
    }

    /// The digest of the body.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    pub(crate) fn part(self) -> usize {
        usize::from(self.0.as_bytes()[0]) % SUMMARY_PARTS
    }
}

impl fmt::Debug for SpreadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// One message between two nodes. `P` names a peer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum SpreadMessage<P> {
    /// I am new: take me as a neighbour and tell others (HyParView, 4.2).
    Join,
    /// This peer is new; who holds this when `ttl` is 0 takes it as a neighbour.
    ForwardJoin {
        /// Who is new.
        peer: P,
        /// How many steps are left.
        ttl: u8,
    },
    /// Be my neighbour (HyParView, 4.3).
    Neighbour {
        /// I have none left: take me even if you are full.
        urgent: bool,
        /// Bodies go over this link at once, both ways.
        eager: bool,
    },
    /// I am not your neighbour, or no longer.
    Disconnect,
    /// Peers to know of, on a random walk (HyParView, 4.4).
    Shuffle {
        /// Who began, and gets the reply.
        origin: P,
        /// At most [`MAX_SHUFFLED`].
        peers: Vec<P>,
        /// How many steps are left.
        ttl: u8,
    },
    /// Peers to know of in return.
    ShuffleReply {
        /// At most [`MAX_SHUFFLED`].
        peers: Vec<P>,
    },
    /// A message in full (Plumtree's GOSSIP).
    Body {
        /// What was broadcast.
        #[serde(with = "shared")]
        body: Arc<[u8]>,
        /// How many links it has crossed before this one.
        hops: u8,
        /// It was asked for by a `Graft` that left the link lazy.
        pulled: bool,
    },
    /// Messages that the sender holds (Plumtree's IHAVE), with the hops that each took to it.
    Announce(Vec<(SpreadId, u8)>),
    /// Send me this message (Plumtree's GRAFT).
    Graft {
        /// Which one; `None` only to make the link eager.
        id: Option<SpreadId>,
        /// From now on send me bodies at once.
        eager: bool,
    },
    /// From now on announce to me (Plumtree's PRUNE).
    Prune,
    /// I am here, and this is what I hold: who holds something else announces it.
    Summary {
        /// Drawn for this summary, so that nobody can prepare ids that hide a difference.
        salt: u64,
        /// Eight bytes of the digest of the salt and the ids in order, for each part of the id
        /// space.
        parts: [u64; SUMMARY_PARTS],
        /// Between nodes that are not neighbours.
        probe: bool,
    },
}

/// An `Arc` of bytes as a sequence of bytes.
mod shared {
    use alloc::{sync::Arc, vec::Vec};

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Arc<[u8]>, serializer: S) -> Result<S::Ok, S::Error> {
        bytes.as_ref().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<[u8]>, D::Error> {
        Ok(Vec::deserialize(deserializer)?.into())
    }
}
