//! The nodes of a [subject map](crate::SubjectMap): what is hashed of them, and how a store keeps
//! them.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{LeafIndex, hash::hash_short, nodes::small};

/// A node as a store keeps it: with the places of the nodes below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SubjectNode {
    pub(crate) node: Node,
    /// Those of an inner node's left and right; zeros for a leaf.
    pub(crate) places: [u64; 2],
}

/// What the map says about one subject.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Leaf {
    pub(crate) key: Digest,
    pub(crate) first: LeafIndex,
    pub(crate) count: u64,
    pub(crate) chain: Digest,
}

/// A node as it is hashed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    Leaf(Leaf),
    Inner { bit: u8, prefix: Digest, left: Digest, right: Digest },
}

const LEAF: u8 = 0x10;
const INNER: u8 = 0x11;

impl SubjectNode {
    /// The most bytes that [`encode`](Self::encode) writes.
    pub const MAX_BYTES: usize = 1 + 1 + 32 + 2 * (32 + 8);

    /// The node's hash.
    #[must_use]
    pub fn hash(&self) -> Digest {
        self.node.hash()
    }

    /// Writes the node as a store may keep it: what is hashed, an inner node's prefix without its
    /// zeros, and the places of the nodes below.
    pub fn encode(&self, out: &mut Vec<u8>) {
        match &self.node {
            Node::Leaf(_) => out.extend_from_slice(self.node.to_bytes().as_slice()),
            Node::Inner { bit, prefix, left, right } => {
                out.extend_from_slice(&[INNER, *bit]);
                out.extend_from_slice(&prefix.as_bytes()[..prefix_bytes(*bit)]);
                out.extend_from_slice(left.as_bytes());
                out.extend_from_slice(right.as_bytes());
                self.places.iter().for_each(|place| out.extend_from_slice(&place.to_be_bytes()));
            }
        }
    }

    /// Reads the node with which bytes begin.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, mut rest) = bytes.split_first()?;
        let rest = &mut rest;
        match *kind {
            LEAF => {
                let key = take_digest(rest)?;
                let (first, count) = (LeafIndex::new(take_u64(rest)?).ok()?, take_u64(rest)?);
                let leaf = Leaf { key, first, count, chain: take_digest(rest)? };
                Some(Self { node: Node::Leaf(leaf), places: [0; 2] })
            }
            INNER => {
                let bit = *rest.split_off_first()?;
                let begin = rest.split_off(..prefix_bytes(bit))?;
                let mut prefix = [0; 32];
                prefix[..begin.len()].copy_from_slice(begin);
                let prefix = Digest::from_bytes(prefix);
                let (left, right) = (take_digest(rest)?, take_digest(rest)?);
                let places = [take_u64(rest)?, take_u64(rest)?];
                let node = Node::Inner { bit, prefix, left, right };
                (prefix == prefix_of(&prefix, bit)).then_some(Self { node, places })
            }
            _ => None,
        }
    }
}

/// The chain over no indices.
pub(crate) const EMPTY_CHAIN: Digest = Digest::from_bytes([0; 32]);

/// The chain over an entry's indices.
pub(crate) fn chain_of<'a>(chain: Digest, indices: impl IntoIterator<Item = &'a LeafIndex>) -> Digest {
    let link = |chain: Digest, index: &LeafIndex| {
        let mut bytes = [0x12; 1 + 32 + 8];
        bytes[1..33].copy_from_slice(chain.as_bytes());
        bytes[33..].copy_from_slice(&index.value().to_be_bytes());
        hash_short::<1>(&bytes)
    };
    indices.into_iter().fold(chain, link)
}

/// Where in the trie a subject is.
pub(crate) fn subject_key(subject: &Digest) -> Digest {
    let mut bytes = [0x13; 33];
    bytes[1..].copy_from_slice(subject.as_bytes());
    hash_short::<1>(&bytes)
}

/// What is hashed of a node.
struct NodeBytes {
    bytes: [u8; 98],
    len: usize,
}

impl NodeBytes {
    fn of(parts: &[&[u8]]) -> Self {
        let (mut bytes, mut len) = ([0; 98], 0);
        for part in parts {
            bytes[len..len + part.len()].copy_from_slice(part);
            len += part.len();
        }
        Self { bytes, len }
    }

    fn as_slice(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl Node {
    fn to_bytes(self) -> NodeBytes {
        match self {
            Self::Leaf(Leaf { key, first, count, chain }) => {
                let [first, count] = [first.value(), count].map(u64::to_be_bytes);
                NodeBytes::of(&[&[LEAF], key.as_bytes(), &first, &count, chain.as_bytes()])
            }
            Self::Inner { bit, prefix, left, right } => {
                NodeBytes::of(&[&[INNER, bit], prefix.as_bytes(), left.as_bytes(), right.as_bytes()])
            }
        }
    }

    pub(crate) fn hash(self) -> Digest {
        // Both kinds take two blocks.
        hash_short::<2>(self.to_bytes().as_slice())
    }

    /// The key, or what those below have in common.
    pub(crate) const fn key(&self) -> &Digest {
        match self {
            Self::Leaf(Leaf { key, .. }) => key,
            Self::Inner { prefix, .. } => prefix,
        }
    }

    /// How many bits all keys of this node have in common, at least.
    pub(crate) fn bits(&self) -> u16 {
        match self {
            Self::Leaf(_) => 256,
            Self::Inner { bit, .. } => u16::from(*bit),
        }
    }

    /// With how many of the bits that all keys of this node have the key begins.
    pub(crate) fn common_bits(&self, key: &Digest) -> u16 {
        common_bits(self.key(), key).min(self.bits())
    }
}

pub(crate) fn bit_of(digest: &Digest, bit: u8) -> bool {
    digest.as_bytes()[usize::from(bit / 8)] >> (7 - bit % 8) & 1 == 1
}

/// The first `bits` bits, then zeros.
pub(crate) fn prefix_of(digest: &Digest, bits: u8) -> Digest {
    let mut bytes = [0; 32];
    let whole = usize::from(bits / 8);
    bytes[..whole].copy_from_slice(&digest.as_bytes()[..whole]);
    bytes[whole] = digest.as_bytes()[whole] & !(0xff >> (bits % 8));
    Digest::from_bytes(bytes)
}

/// How many bytes hold so many bits.
const fn prefix_bytes(bits: u8) -> usize {
    (bits as usize).div_ceil(8)
}

/// How many bits two digests have in common from the start, 256 if they are equal.
pub(crate) fn common_bits(one: &Digest, other: &Digest) -> u16 {
    let pairs = (0..).zip(one.as_bytes().iter().zip(other.as_bytes()));
    let differing = pairs.map(|(byte, (one, other))| (byte, one ^ other)).find(|(_, bits)| *bits != 0);
    differing.map_or(256, |(byte, bits): (u16, u8)| 8 * byte + u16::from(small(bits.leading_zeros())))
}

fn take_digest(rest: &mut &[u8]) -> Option<Digest> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(Digest::from_bytes(*bytes))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    let (bytes, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::EMPTY_ROOT;

    proptest! {
        #[test]
        fn bits_are_counted_from_the_highest_of_the_first_byte(bytes: [u8; 32], bit: u8) {
            let digest = Digest::from_bytes(bytes);
            let mut other = bytes;
            other[usize::from(bit / 8)] ^= 0x80 >> (bit % 8);
            let other = Digest::from_bytes(other);
            prop_assert_eq!(common_bits(&digest, &other), u16::from(bit));
            prop_assert_ne!(bit_of(&digest, bit), bit_of(&other, bit));
            prop_assert_eq!(prefix_of(&digest, bit), prefix_of(&other, bit));
            prop_assert!(common_bits(&digest, &prefix_of(&digest, bit)) >= u16::from(bit));
        }

        #[test]
        fn nodes_are_written_as_they_are_read(
            bytes in proptest::collection::vec(any::<u8>(), 0..130), kind in 0x0f_u8..0x13, bit: u8, places: [u64; 2],
        ) {
            let mut bytes = bytes;
            bytes.insert(0, kind);
            if let Some(node) = SubjectNode::decode(&bytes) {
                let mut written = Vec::new();
                node.encode(&mut written);
                prop_assert!(written.len() <= SubjectNode::MAX_BYTES && bytes.starts_with(&written));
            }
            let [prefix, left, right] = [prefix_of(&Digest::of(&[bit]), bit), EMPTY_ROOT, EMPTY_CHAIN];
            let leaf = Leaf { key: left, first: LeafIndex::MAX, count: u64::from(bit), chain: right };
            for node in [
                SubjectNode { node: Node::Inner { bit, prefix, left, right }, places },
                SubjectNode { node: Node::Leaf(leaf), places: [0; 2] },
            ] {
                let mut bytes = Vec::new();
                node.encode(&mut bytes);
                prop_assert_eq!(SubjectNode::decode(&bytes[..bytes.len() - 1]), None);
                bytes.push(7);
                prop_assert_eq!(SubjectNode::decode(&bytes), Some(node));
            }
        }
    }
}
