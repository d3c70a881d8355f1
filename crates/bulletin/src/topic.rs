//! Topics: what bulletins are about, named by the digest of a descriptor.

use alloc::vec::Vec;

use jurat_crypto::{Digest, VerifyingKey};

/// The digest of a topic's descriptor.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TopicId(pub Digest);

/// Eight random bytes that lead to a node's own topic. Whoever changes theirs leaves the old topic,
/// and everyone who harvested it, behind.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DeliveryCode(pub [u8; 8]);

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

    /// The topic on which a node is reached: delivery code, then the node's public key.
    #[must_use]
    pub fn of_node(code: DeliveryCode, node: &VerifyingKey) -> Self {
        Self::new([code.0.as_slice(), node.as_bytes()].concat())
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

#[cfg(test)]
mod tests {
    use jurat_crypto::SigningKey;

    use super::*;

    #[test]
    fn all_nodes_have_one_beacon() {
        assert_eq!(Topic::beacon().descriptor(), b"node beacon channel");
        assert_eq!(Topic::beacon().id().0, Digest::of(b"node beacon channel"));
    }

    #[test]
    fn a_node_that_changes_its_delivery_code_has_another_topic() {
        let node = SigningKey::from_seed(&[1; 32]).verifying_key();
        let topics = [[0; 8], [1; 8]].map(|code| Topic::of_node(DeliveryCode(code), &node));
        assert_ne!(topics[0].id(), topics[1].id());
        assert_eq!(topics[0].descriptor().len(), 40);
        assert_eq!(&topics[0].descriptor()[8..], node.as_bytes());
    }
}
