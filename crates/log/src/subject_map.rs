//! The subject map: which entries of a log are about a file, provable by presence and by absence.
//!
//! A binary trie over digests of subjects, with one node where keys part and none between. Its
//! shape follows from its keys alone, so everyone who has a log's entries gets the root that the
//! log commits to in its checkpoints, and whoever looks up a subject from that root can end in one
//! place only.
//!
//! ```text
//! key   = H( 0x13 || subject[32] )
//! leaf  = 0x10 || key[32] || first index[8] || count[8] || chain[32]
//! inner = 0x11 || bit[1] || prefix[32] || H( left ) || H( right )
//! chain = 32 zero bytes before the first index, then H( 0x12 || chain || index[8] )
//! root  = H( topmost node ), of an empty map SHA-256 of the empty string
//! ```
//!
//! Numbers are big-endian, bits are counted from the highest of the first byte. An inner node's
//! prefix is the `bit` bits that all keys below it begin with, then zeros; keys with bit `bit` 0 are
//! on its left.
//!
//! Whoever attests chooses the subject's digest. Hashing it once more makes them search for keys
//! that begin alike: each level of depth beyond log2(n) takes twice the hashes of the one before.

use alloc::{string::String, vec::Vec};

use jurat_crypto::Digest;

use crate::{
    Checkpoint, EMPTY_ROOT, LeafIndex, SubjectNode, SubjectProofError,
    subject_node::{EMPTY_CHAIN, Leaf, Node, bit_of, chain_of, common_bits, prefix_of, subject_key},
    text::{parse_hash, write_hash},
};

const EXTENSION: &str = "jurat.subjects ";

/// What a log commits to: the root of the subject map over its entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SubjectRoot(Digest);

/// A map at one size of the log: its root, and where its topmost node is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SubjectMap {
    root: SubjectRoot,
    top: u64,
}

/// Where a map's nodes are read from.
///
/// Nodes are never changed. What a batch adds is added behind what is there, so a store that keeps
/// all of them has every map that the log has had.
pub trait SubjectNodes {
    /// Why a node could not be read or added.
    type Error: core::error::Error + 'static;

    /// The node at a place that [`push`](SubjectNodesMut::push) gave, which has this hash.
    ///
    /// The map relies on it. A store that reads it from where something may have damaged it checks
    /// [`SubjectNode::hash`]; one that had it in memory all along need not.
    fn node(&mut self, place: u64, hash: &Digest) -> Result<SubjectNode, Self::Error>;
}

/// Where a map's nodes are added.
pub trait SubjectNodesMut: SubjectNodes {
    /// Adds a node and gives its place.
    fn push(&mut self, node: &SubjectNode) -> Result<u64, Self::Error>;
}

impl SubjectRoot {
    /// The root of a map without subjects.
    pub const EMPTY: Self = Self(EMPTY_ROOT);

    /// Takes a digest that is a map's root.
    #[must_use]
    pub const fn from_digest(root: Digest) -> Self {
        Self(root)
    }

    /// The digest.
    #[must_use]
    pub const fn digest(&self) -> &Digest {
        &self.0
    }

    /// The extension line, without LF, by which a checkpoint commits to the map of its entries.
    #[must_use]
    pub fn extension_line(&self) -> String {
        [EXTENSION, &write_hash(&self.0)].concat()
    }

    /// The root that a checkpoint commits to.
    pub fn of(checkpoint: &Checkpoint) -> Result<Self, SubjectProofError> {
        let mut lines = checkpoint.extension_lines().filter_map(|line| line.strip_prefix(EXTENSION));
        match (lines.next().map(parse_hash), lines.next()) {
            (None, _) => Err(SubjectProofError::NoRoot),
            (Some(Some(root)), None) => Ok(Self(root)),
            _ => Err(SubjectProofError::MalformedRoot),
        }
    }
}

impl SubjectMap {
    /// The map of the empty log.
    pub const EMPTY: Self = Self { root: SubjectRoot::EMPTY, top: 0 };

    /// Takes up a map that [`extend`](Self::extend) made.
    #[must_use]
    pub const fn new(root: SubjectRoot, top: u64) -> Self {
        Self { root, top }
    }

    /// What the log commits to.
    #[must_use]
    pub const fn root(&self) -> SubjectRoot {
        self.root
    }

    /// The place of the topmost node; of no meaning in an empty map.
    #[must_use]
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// Adds a batch: subjects, each with the index of an entry that is about it. Entries come in
    /// the log's order; a pair that comes twice counts once.
    ///
    /// Costs about log2(n) hashes for one subject among n, and less for each of many, since a node
    /// is hashed once a batch. The same batch after the same map adds the same nodes in the same
    /// order. On an error the map is as before; nodes that were added already do no harm.
    pub fn extend<S: SubjectNodesMut>(
        &mut self,
        store: &mut S,
        batch: &[(Digest, LeafIndex)],
    ) -> Result<(), S::Error> {
        let mut batch: Vec<(Digest, LeafIndex)> =
            batch.iter().map(|(subject, index)| (subject_key(subject), *index)).collect();
        batch.sort_unstable();
        batch.dedup();
        if batch.is_empty() {
            return Ok(());
        }
        let top = self.topmost(store)?;
        let Child { hash, place } = merge(store, top, &batch)?;
        *self = Self { root: SubjectRoot(hash), top: place };
        Ok(())
    }

    /// Follows a key from the root as far as it goes.
    pub(crate) fn search<S: SubjectNodes>(&self, store: &mut S, key: &Digest) -> Result<Search, S::Error> {
        let mut path = Vec::new();
        let mut end = self.topmost(store)?.map(|(_, node)| node);
        while let Some(SubjectNode { node: Node::Inner { bit, left, right, .. }, places }) = end
            && end.is_some_and(|end| end.node.common_bits(key) == u16::from(bit))
        {
            let is_right = bit_of(key, bit);
            let (next, sibling) = if is_right { (right, left) } else { (left, right) };
            path.push((bit, sibling));
            end = Some(store.node(places[usize::from(is_right)], &next)?);
        }
        path.reverse();
        Ok(Search { path, end: end.map(|end| end.node) })
    }

    fn topmost<S: SubjectNodes>(&self, store: &mut S) -> Result<Option<(Child, SubjectNode)>, S::Error> {
        if self.root == SubjectRoot::EMPTY {
            return Ok(None);
        }
        let top = Child { hash: self.root.0, place: self.top };
        Ok(Some((top, top.read(store)?)))
    }
}

/// Where a search ended.
pub(crate) struct Search {
    /// The branchings passed and the hashes on their other sides, the lowest first.
    pub(crate) path: Vec<(u8, Digest)>,
    /// The key's leaf, or a node that it parts from; nothing in the empty map.
    pub(crate) end: Option<Node>,
}

/// A node's hash, and where it is.
#[derive(Clone, Copy)]
struct Child {
    hash: Digest,
    place: u64,
}

impl Child {
    fn read<S: SubjectNodes>(self, store: &mut S) -> Result<SubjectNode, S::Error> {
        store.node(self.place, &self.hash)
    }

    fn add<S: SubjectNodesMut>(store: &mut S, node: &SubjectNode) -> Result<Self, S::Error> {
        Ok(Self { hash: node.hash(), place: store.push(node)? })
    }
}

/// The subtree with a batch added, which is sorted and not empty. Each step down passes a
/// branching at a lower bit, so the depth is at most 257.
fn merge<S: SubjectNodesMut>(
    store: &mut S,
    old: Option<(Child, SubjectNode)>,
    batch: &[(Digest, LeafIndex)],
) -> Result<Child, S::Error> {
    // In sorted order the first and the last part first.
    let (key, first) = batch[0];
    let mut common = common_bits(&key, &batch[batch.len() - 1].0);
    if let Some((_, SubjectNode { node, .. })) = old {
        common = common.min(node.common_bits(&key)).min(node.common_bits(&batch[batch.len() - 1].0));
    }
    let Ok(parting) = u8::try_from(common) else {
        // All of the batch is about one subject, and so is the node, if there is one.
        let (first, count, chain) = match old {
            Some((_, SubjectNode { node: Node::Leaf(leaf), .. })) => (leaf.first, leaf.count, leaf.chain),
            _ => (first, 0, EMPTY_CHAIN),
        };
        let chain = chain_of(chain, batch.iter().map(|(_, index)| index));
        let leaf = Leaf { key, first, count: count + batch.len() as u64, chain };
        return Child::add(store, &SubjectNode { node: Node::Leaf(leaf), places: [0; 2] });
    };
    let (low, high) = batch.split_at(batch.partition_point(|(key, _)| !bit_of(key, parting)));
    // What is on each side so far.
    let sides = match old {
        Some((_, SubjectNode { node: Node::Inner { bit, left, right, .. }, places })) if bit == parting => {
            [(left, places[0]), (right, places[1])].map(|(hash, place)| Some((Child { hash, place }, None)))
        }
        _ => [false, true].map(|side| {
            let (child, node) = old?;
            (bit_of(node.node.key(), parting) == side).then_some((child, Some(node)))
        }),
    };
    let [left, right] = sides;
    let left = merge_side(store, left, low)?;
    let right = merge_side(store, right, high)?;
    let node =
        Node::Inner { bit: parting, prefix: prefix_of(&key, parting), left: left.hash, right: right.hash };
    Child::add(store, &SubjectNode { node, places: [left.place, right.place] })
}

/// One side of a branching, which has something so far or gets something now.
fn merge_side<S: SubjectNodesMut>(
    store: &mut S,
    old: Option<(Child, Option<SubjectNode>)>,
    batch: &[(Digest, LeafIndex)],
) -> Result<Child, S::Error> {
    match old {
        Some((old, _)) if batch.is_empty() => Ok(old),
        Some((old, Some(node))) => merge(store, Some((old, node)), batch),
        Some((old, None)) => {
            let node = old.read(store)?;
            merge(store, Some((old, node)), batch)
        }
        None => merge(store, None, batch),
    }
}
