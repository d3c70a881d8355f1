//! The least that appending needs: the roots of the perfect subtrees that a tree is made of.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{EMPTY_ROOT, TreeSize, node_hash, nodes::small};

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
        self.append_with(leaf_hash, |_, _| {});
    }

    /// Appends leaves, given by their hashes.
    pub fn extend(&mut self, leaf_hashes: impl IntoIterator<Item = Digest>) {
        for leaf_hash in leaf_hashes {
            self.append(leaf_hash);
        }
    }

    /// Appends one leaf and shows each perfect subtree that it completes, the leaf itself first.
    pub(crate) fn append_with(&mut self, leaf_hash: Digest, mut completed: impl FnMut(u8, Digest)) {
        completed(0, leaf_hash);
        let mut node = leaf_hash;
        // Each trailing one bit of the size is a subtree that now has its right half.
        for height in 1..=self.size.value().trailing_ones() {
            if let Some(left) = self.roots.pop() {
                node = node_hash(&left, &node);
                completed(small(height), node);
            }
        }
        self.roots.push(node);
        self.size = self.size.next();
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
