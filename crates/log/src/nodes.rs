//! Where proofs come from: anything that knows the roots of perfect subtrees.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{EMPTY_ROOT, TreeSize, node_hash};

/// The roots of a tree's perfect subtrees, from memory, from tiles or from a disk.
///
/// Roots and proofs of every size of a log are made of these alone, each from O(log n) of them.
pub trait Nodes {
    /// Why a node could not be read.
    type Error: core::error::Error + 'static;

    /// The root of the perfect subtree over the leaves from `index << height` up to, not
    /// including, `(index + 1) << height`.
    ///
    /// Callers in this crate ask only for subtrees that the tree in question holds in full. A
    /// source answers with an error when it does not have one.
    fn node(&self, height: u8, index: u64) -> Result<Digest, Self::Error>;

    /// Adds to `path` the siblings of the perfect subtree (`height`, `index`) and of those above it,
    /// lowest first, as long as they are lower than `top`.
    ///
    /// Only for a source that can do it faster than node by node, which is how it is done otherwise.
    fn siblings(&self, height: u8, index: u64, top: u8, path: &mut Vec<Digest>) -> Result<(), Self::Error> {
        for above in height..top {
            path.push(self.node(above, index >> (above - height) ^ 1)?);
        }
        Ok(())
    }

    /// The root over the leaves from `start` up to, not including, `end`, a subtree that is cut off
    /// at its right, if that is known. Otherwise it is computed from perfect ones.
    fn cut_off(&self, _start: u64, _end: u64) -> Option<Digest> {
        None
    }
}

impl<N: Nodes + ?Sized> Nodes for &N {
    type Error = N::Error;

    fn node(&self, height: u8, index: u64) -> Result<Digest, Self::Error> {
        (**self).node(height, index)
    }

    fn siblings(&self, height: u8, index: u64, top: u8, path: &mut Vec<Digest>) -> Result<(), Self::Error> {
        (**self).siblings(height, index, top, path)
    }

    fn cut_off(&self, start: u64, end: u64) -> Option<Digest> {
        (**self).cut_off(start, end)
    }
}

/// The root of the tree's first `size` leaves.
pub fn tree_root<N: Nodes>(nodes: &N, size: TreeSize) -> Result<Digest, N::Error> {
    range_root(nodes, 0, size.value())
}

/// The root over the leaves from `start` up to `end`, where `start` is a multiple of a power of
/// two that is not below `end - start`: a subtree that may be cut off at its right.
fn range_root<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Digest, N::Error> {
    if let Some(known) = nodes.cut_off(start, end) {
        return Ok(known);
    }
    // The perfect subtrees under such a root are as long as the set bits of the length, the
    // longest first. Joining from the right needs no memory.
    let mut root = None;
    let mut rest = end - start;
    let mut left_edge = end;
    while rest != 0 {
        let height = rest.trailing_zeros();
        rest &= rest - 1;
        left_edge -= 1 << height;
        let subtree = nodes.node(small(height), left_edge >> height)?;
        root = Some(root.map_or(subtree, |right| node_hash(&subtree, &right)));
    }
    Ok(root.unwrap_or(EMPTY_ROOT))
}

/// Adds to `path` the siblings on the way from the perfect subtree (`height`, `index`) up to the
/// root of the first `size` leaves, lowest first: what both kinds of proof share.
pub(crate) fn path_to_root<N: Nodes>(
    nodes: &N,
    mut height: u8,
    mut index: u64,
    size: u64,
    path: &mut Vec<Digest>,
) -> Result<(), N::Error> {
    // Up to the highest bit in which the subtree's first leaf differs from the size, there are as
    // many leaves as the number of the last can count: all siblings are perfect.
    let parting = small((index << height ^ size).checked_ilog2().unwrap_or(0));
    if height < parting {
        nodes.siblings(height, index, parting, path)?;
        index >>= parting - height;
        height = parting;
    }
    // The last subtree of each height, which may be cut off, holds leaf `size - 1`.
    while (size - 1) >> height > 0 {
        let sibling = index ^ 1;
        let start = sibling << height;
        if start + (1 << height) <= size {
            path.push(nodes.node(height, sibling)?);
        } else if start < size {
            path.push(range_root(nodes, start, size)?);
        }
        index >>= 1;
        height += 1;
    }
    Ok(())
}

/// The height of a subtree, which is below 64 whatever the 64-bit number it was taken from.
#[expect(clippy::cast_possible_truncation, reason = "bits of a u64 are counted")]
pub(crate) const fn small(bits: u32) -> u8 {
    bits as u8
}
