//! Subtrees: parts of a tree that are trees themselves and can be proven to belong to it
//! (draft-ietf-plants-merkle-tree-certs, section 4; C2SP tlog-cosignature signs them).

use jurat_crypto::Digest;

use crate::{LeafIndex, Nodes, TreeSize};

/// The leaves from `start` up to, not including, `end`, where `start` is a multiple of the least
/// power of two that is not below their number.
///
/// The subtree's root is that of a tree of these leaves alone, and stays the same while the log
/// grows. [`ConsistencyProof::verify_subtree`](crate::ConsistencyProof::verify_subtree) ties it to
/// the log's root.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subtree {
    start: u64,
    end: TreeSize,
}

/// Why two positions don't bound a subtree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SubtreeError {
    /// The start lies behind the end.
    #[error("a subtree can't start at {start} and end at {end}")]
    Reversed {
        /// The first leaf.
        start: u64,
        /// The end.
        end: TreeSize,
    },
    /// The start is not a multiple of what the length asks for.
    #[error("a subtree that ends at {end} can't start at {start}, which is not a multiple of {alignment}")]
    Unaligned {
        /// The first leaf.
        start: u64,
        /// The end.
        end: TreeSize,
        /// The least power of two that is not below the number of leaves.
        alignment: u64,
    },
}

impl Subtree {
    /// Checks and takes the bounds: `end` is one more than the last leaf.
    pub const fn new(start: u64, end: TreeSize) -> Result<Self, SubtreeError> {
        if start > end.value() {
            return Err(SubtreeError::Reversed { start, end });
        }
        let alignment = (end.value() - start).next_power_of_two();
        if start.is_multiple_of(alignment) {
            Ok(Self { start, end })
        } else {
            Err(SubtreeError::Unaligned { start, end, alignment })
        }
    }

    /// The tree of the first `size` leaves.
    #[must_use]
    pub const fn prefix(size: TreeSize) -> Self {
        Self { start: 0, end: size }
    }

    /// The index of the first leaf.
    #[must_use]
    pub const fn start(self) -> u64 {
        self.start
    }

    /// One more than the index of the last leaf: the smallest tree that holds the subtree.
    #[must_use]
    pub const fn end(self) -> TreeSize {
        self.end
    }

    /// How many leaves the subtree has.
    #[must_use]
    pub fn size(self) -> TreeSize {
        self.end.minus(self.start)
    }

    /// The position within the subtree of the log's leaf `index`, if the subtree has it.
    #[must_use]
    pub fn position(self, index: LeafIndex) -> Option<LeafIndex> {
        if self.end.contains(index) {
            LeafIndex::new(index.value().checked_sub(self.start)?).ok()
        } else {
            None
        }
    }

    /// The subtree's nodes, taken from those of the log. Roots and inclusion proofs are made and
    /// checked as in any tree of [`size`](Self::size) leaves, with [positions](Self::position)
    /// within it.
    #[must_use]
    pub const fn nodes<N: Nodes>(self, log: N) -> SubtreeNodes<N> {
        SubtreeNodes { log, start: self.start }
    }
}

/// The nodes of a [`Subtree`], by [`Subtree::nodes`].
#[derive(Clone, Debug)]
pub struct SubtreeNodes<N> {
    log: N,
    start: u64,
}

impl<N: Nodes> Nodes for SubtreeNodes<N> {
    type Error = N::Error;

    fn node(&self, height: u8, index: u64) -> Result<Digest, N::Error> {
        // Nodes of the subtree are no higher than its start is aligned.
        self.log.node(height, (self.start >> height) + index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subtree_starts_at_a_multiple_of_its_rounded_length() {
        let new = |start, end| Subtree::new(start, TreeSize::new(end).unwrap());
        for (start, end) in [(0, 0), (7, 7), (0, 13), (4, 8), (8, 13), (8, 16), (12, 14), (0, (1 << 63) - 1)]
        {
            let subtree = new(start, end).unwrap();
            assert_eq!(
                (subtree.start(), subtree.end().value(), subtree.size().value()),
                (start, end, end - start)
            );
        }
        let end = TreeSize::new(13).unwrap();
        assert_eq!(new(4, 13), Err(SubtreeError::Unaligned { start: 4, end, alignment: 16 }));
        assert_eq!(new(14, 13), Err(SubtreeError::Reversed { start: 14, end }));
        assert_eq!(new(u64::MAX, 13), Err(SubtreeError::Reversed { start: u64::MAX, end }));
        assert!(new(1, (1 << 63) - 1).is_err());
    }

    #[test]
    fn positions_are_counted_from_the_start() {
        let subtree = Subtree::new(8, TreeSize::new(13).unwrap()).unwrap();
        let position = |index| subtree.position(LeafIndex::new(index).unwrap()).map(LeafIndex::value);
        assert_eq!([7, 8, 12, 13].map(position), [None, Some(0), Some(4), None]);
    }
}
