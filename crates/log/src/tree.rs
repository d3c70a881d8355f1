//! A tree held in memory with all its levels.

use alloc::{vec, vec::Vec};

use jurat_crypto::Digest;

use crate::{EMPTY_ROOT, Nodes, TreeSize, hash::push_parents, node_hash, nodes::tree_root};

/// A Merkle tree in memory: every perfect subtree's root, two hashes per leaf.
///
/// For tests, small logs and comparing against. A log of any size needs only a
/// [`RightEdge`](crate::RightEdge) and its tiles.
#[derive(Clone, Debug)]
pub struct Tree {
    /// Per height the roots of the perfect subtrees; the leaves first, never empty itself.
    levels: Vec<Vec<Digest>>,
}

/// The tree does not hold this perfect subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tree of {size} leaves has no perfect subtree {index} of height {height}")]
pub struct MissingNode {
    /// The height asked for.
    pub height: u8,
    /// The subtree's number at this height.
    pub index: u64,
    /// The tree's size.
    pub size: TreeSize,
}

impl Default for Tree {
    fn default() -> Self {
        Self::new()
    }
}

impl Tree {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self { levels: vec![Vec::new()] }
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize::of_len(self.levels[0].len())
    }

    /// The root of the whole tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        // A level of odd length ends with a subtree that has no right neighbour yet.
        let edge = self.levels.iter().filter(|level| level.len() % 2 == 1).filter_map(|level| level.last());
        edge.copied().reduce(|right, left| node_hash(&left, &right)).unwrap_or(EMPTY_ROOT)
    }

    /// The root that the tree had when it was of this size.
    pub fn root_at(&self, size: TreeSize) -> Result<Digest, MissingNode> {
        tree_root(self, size)
    }

    /// Appends one leaf, given by its hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        self.extend([leaf_hash]);
    }

    /// Appends leaves, given by their hashes.
    pub fn extend(&mut self, leaf_hashes: impl IntoIterator<Item = Digest>) {
        self.levels[0].extend(leaf_hashes);
        let mut height = 0;
        while self.levels[height].len() > 1 {
            if self.levels.len() == height + 1 {
                self.levels.push(Vec::new());
            }
            let (lower, upper) = self.levels.split_at_mut(height + 1);
            let (lower, upper) = (&lower[height], &mut upper[0]);
            let children = &lower[2 * upper.len()..];
            if children.len() < 2 {
                break;
            }
            upper.reserve(children.len() / 2);
            push_parents(children, upper);
            height += 1;
        }
    }
}

impl Nodes for Tree {
    type Error = MissingNode;

    #[inline]
    fn node(&self, height: u8, index: u64) -> Result<Digest, MissingNode> {
        let level = self.levels.get(usize::from(height));
        let node = level.zip(usize::try_from(index).ok()).and_then(|(level, index)| level.get(index));
        node.copied().ok_or_else(|| MissingNode { height, index, size: self.size() })
    }
}

impl FromIterator<Digest> for Tree {
    fn from_iter<I: IntoIterator<Item = Digest>>(leaf_hashes: I) -> Self {
        let mut tree = Self::new();
        tree.extend(leaf_hashes);
        tree
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_holds_its_perfect_subtrees_and_no_others() {
        let tree: Tree = (0..6_u8).map(|i| Digest::of(&[i])).collect();
        assert_eq!(tree.node(0, 5), Ok(Digest::of(&[5])));
        assert_eq!(tree.node(1, 2), Ok(node_hash(&Digest::of(&[4]), &Digest::of(&[5]))));
        for (height, index) in [(0, 6), (1, 3), (2, 1), (3, 0), (63, 0), (255, 0), (0, u64::MAX)] {
            assert_eq!(tree.node(height, index), Err(MissingNode { height, index, size: tree.size() }));
        }
    }
}
