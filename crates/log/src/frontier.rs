//! The least that appending needs: the roots of the perfect subtrees that a tree is made of.

use alloc::vec::Vec;
use core::mem;

use jurat_crypto::Digest;

use crate::{EMPTY_ROOT, TreeSize, hash::push_parents, node_hash, nodes::small, tile_coord::TILE_HEIGHT};

/// A tree's size and the roots of its perfect subtrees, at most 63 of them.
///
/// Enough to append and to know the root; proofs need [`Nodes`](crate::Nodes). Appending costs
/// one [`node_hash`] per leaf on average, the root at most one per subtree.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Frontier {
    size: TreeSize,
    /// One per set bit of `size`, the largest subtree first.
    roots: Vec<Digest>,
}

/// Why a stored state is not a frontier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrontierError {
    /// The number of roots does not fit the size.
    #[error("a tree of {size} leaves has {needed} perfect subtrees, the stored state has {actual}")]
    Count {
        /// The stated size.
        size: TreeSize,
        /// Subtrees that this size has.
        needed: usize,
        /// Subtrees found.
        actual: usize,
    },
    /// The size leaves too little room to append to.
    #[error("a tree of {0} leaves is too large to be appended to; the limit is 2^62")]
    TooLarge(TreeSize),
}

/// The largest tree that can be taken up again. Trees are bounded by 2^63 - 1 leaves; from here
/// on no process lives long enough to get there, so appending can't fail.
const MAX_RESUMED: u64 = 1 << 62;

/// How many leaves are taken at once, to be hashed level by level.
const CHUNK: usize = 1024;

/// Holds a place for a node that may come before others.
const SPACE: Digest = EMPTY_ROOT;

impl Frontier {
    /// The frontier of the empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { size: TreeSize::EMPTY, roots: Vec::new() }
    }

    /// Takes up a state that [`roots`](Self::roots) gave. Whether the roots are the right ones
    /// only shows when [`root`](Self::root) is compared.
    pub fn from_roots(size: TreeSize, roots: Vec<Digest>) -> Result<Self, FrontierError> {
        let (needed, actual) = (size.value().count_ones() as usize, roots.len());
        if size.value() > MAX_RESUMED {
            return Err(FrontierError::TooLarge(size));
        }
        if needed != actual {
            return Err(FrontierError::Count { size, needed, actual });
        }
        Ok(Self { size, roots })
    }

    /// The roots of the perfect subtrees, the largest, leftmost first; with the size, the whole
    /// state.
    #[must_use]
    pub fn roots(&self) -> &[Digest] {
        &self.roots
    }

    /// How many leaves were appended.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        let joined = self.roots.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        joined.unwrap_or(EMPTY_ROOT)
    }

    /// Appends one leaf, given by its hash.
    pub fn append(&mut self, leaf_hash: Digest) {
        self.append_with(leaf_hash, &mut |_, _, _| {});
    }

    /// Appends leaves, given by their hashes.
    pub fn extend(&mut self, leaf_hashes: impl IntoIterator<Item = Digest>) {
        self.extend_with(leaf_hashes, |_, _, _| {});
    }

    /// Appends leaves and shows each hash that belongs into a tile: the leaves, and the roots of
    /// the perfect subtrees whose height is a multiple of a tile's, each after all below it. Before
    /// it come its height and its number at this height.
    pub(crate) fn extend_with(
        &mut self,
        leaf_hashes: impl IntoIterator<Item = Digest>,
        mut completed: impl FnMut(u8, u64, &[Digest]),
    ) {
        let mut leaf_hashes = leaf_hashes.into_iter();
        while let Some(first) = leaf_hashes.next() {
            match leaf_hashes.next() {
                None => self.append_with(first, &mut completed),
                Some(second) => {
                    let mut leaves = Vec::with_capacity(1 + CHUNK);
                    leaves.extend([SPACE, first, second]);
                    leaves.extend(leaf_hashes.by_ref().take(CHUNK - 2));
                    self.append_levels(leaves, &mut completed);
                }
            }
        }
    }

    /// Appends one leaf and joins it with what is on its left.
    fn append_with(&mut self, leaf_hash: Digest, completed: &mut impl FnMut(u8, u64, &[Digest])) {
        let index = self.size.value();
        let mut node = leaf_hash;
        completed(0, index, &[node]);
        // Each trailing one bit of the size is a subtree that now has its right half.
        for height in 1..=small(index.trailing_ones()) {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
                if height.is_multiple_of(TILE_HEIGHT) {
                    completed(height, index >> height, &[node]);
                }
            }
        }
        self.roots.push(node);
        self.size = self.size.and(1);
    }

    /// Appends leaves level by level, which is faster than leaf by leaf. Before each level's new
    /// nodes is [`SPACE`] for a left half that was there before them.
    fn append_levels(&mut self, mut level: Vec<Digest>, completed: &mut impl FnMut(u8, u64, &[Digest])) {
        let old = self.size.value();
        self.size = self.size.and(level.len() as u64 - 1);
        let mut upper = Vec::with_capacity(level.len() / 2 + 2);
        // New subtrees that are no left half yet, the lowest first.
        let mut edge = Vec::new();
        let mut height = 0;
        while level.len() > 1 {
            if height % TILE_HEIGHT == 0 {
                completed(height, old >> height, &level[1..]);
            }
            let mut nodes = &level[1..];
            if old >> height & 1 == 1
                && let Some(left) = self.roots.pop()
            {
                level[0] = left;
                nodes = &level;
            }
            if nodes.len() % 2 == 1 {
                edge.extend(nodes.last());
            }
            upper.clear();
            upper.push(SPACE);
            push_parents(nodes, &mut upper);
            mem::swap(&mut level, &mut upper);
            height += 1;
        }
        self.roots.extend(edge.iter().rev());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_taken_up_where_it_was_left() {
        let leaves: Vec<Digest> = (0..100_u8).map(|i| Digest::of(&[i])).collect();
        let mut whole = Frontier::new();
        for (i, leaf) in leaves.iter().enumerate() {
            let mut resumed = Frontier::from_roots(whole.size(), whole.roots().to_vec()).unwrap();
            resumed.extend(leaves[i..].iter().copied());
            whole.append(*leaf);
            assert_eq!(whole.size().value(), i as u64 + 1);
            let mut rest = whole.clone();
            rest.extend(leaves[i + 1..].iter().copied());
            assert_eq!(resumed, rest);
        }
    }

    #[test]
    fn a_state_that_does_not_fit_its_size_is_refused() {
        let size = TreeSize::new(7).unwrap();
        assert_eq!(
            Frontier::from_roots(size, alloc::vec![EMPTY_ROOT; 2]),
            Err(FrontierError::Count { size, needed: 3, actual: 2 })
        );
        let size = TreeSize::MAX;
        assert_eq!(
            Frontier::from_roots(size, alloc::vec![EMPTY_ROOT; 63]),
            Err(FrontierError::TooLarge(size))
        );
    }
}
