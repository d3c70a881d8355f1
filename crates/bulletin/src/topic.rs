//! Topics: what bulletins are about, named by the digest of a descriptor.

use alloc::vec::Vec;

use jurat_crypto::Digest;

/// The digest of a topic's descriptor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicId(pub Digest);

/// A topic with the descriptor that defines it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Topic {
    descriptor: Vec<u8>,
    id: TopicId,
}

impl Topic {
    /// The topic of a descriptor.
    #[must_use]
    pub fn new(descriptor: Vec<u8>) -> Self {
        let id = TopicId(Digest::of(&descriptor));
        Self { descriptor, id }
    }

    /// The channel on which every node announces itself.
    #[must_use]
    pub fn beacon() -> Self {
        Self::new(b"node beacon channel".to_vec())
    }

    /// What defines the topic.
    #[must_use]
    pub fn descriptor(&self) -> &[u8] {
        &self.descriptor
    }

    /// The topic's name in bulletins.
    #[must_use]
    pub const fn id(&self) -> TopicId {
        self.id
    }
}
