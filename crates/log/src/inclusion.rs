//! Proofs that a leaf is in a tree (RFC 6962, section 2.1.1; verification of RFC 9162, 2.1.3.2).

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{
    LeafIndex, Nodes, ProofError, ProveError, TreeSize, node_hash,
    nodes::{path_to_root, small},
};

/// The sibling hashes on the way from a leaf up to the root, the leaf's own sibling first.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InclusionProof {
    hashes: Vec<Digest>,
}

impl InclusionProof {
    /// The longest path in the largest tree.
    pub const MAX_HASHES: usize = 63;

    /// Takes hashes as they came, at most [`MAX_HASHES`](Self::MAX_HASHES). Nothing is proven
    /// until [`verify`](Self::verify).
    pub fn new(hashes: Vec<Digest>) -> Result<Self, ProofError> {
        if hashes.len() > Self::MAX_HASHES { Err(ProofError::TooLong) } else { Ok(Self { hashes }) }
    }

    /// Makes the proof that leaf `index` is in the tree of the first `size` leaves.
    pub fn generate<N: Nodes>(
        nodes: &N,
        index: LeafIndex,
        size: TreeSize,
    ) -> Result<Self, ProveError<N::Error>> {
        // The path is as long as the number of the last leaf has bits, at most.
        let bits = u64::BITS - size.value().leading_zeros();
        let mut proof = Self { hashes: Vec::with_capacity(usize::from(small(bits))) };
        proof.regenerate(nodes, index, size)?;
        Ok(proof)
    }

    /// Makes this the proof of leaf `index` instead, in the memory that it has: for many proofs,
    /// of which each is sent off before the next. After an error it is of no use.
    pub fn regenerate<N: Nodes>(
        &mut self,
        nodes: &N,
        index: LeafIndex,
        size: TreeSize,
    ) -> Result<(), ProveError<N::Error>> {
        self.hashes.clear();
        if !size.contains(index) {
            return Err(ProofError::OutsideTree { index, size }.into());
        }
        path_to_root(nodes, 0, index.value(), size.value(), &mut self.hashes).map_err(ProveError::Nodes)
    }

    /// The hashes, the leaf's sibling first.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Checks that a leaf with this hash is at `index` in the tree of `size` leaves with `root`.
    pub fn verify(
        &self,
        index: LeafIndex,
        size: TreeSize,
        leaf_hash: &Digest,
        root: &Digest,
    ) -> Result<(), ProofError> {
        if !size.contains(index) {
            return Err(ProofError::OutsideTree { index, size });
        }
        // `position` is the number of the node reached, `last` that of the last node at its
        // height; RFC 9162 calls them fn and sn.
        let (mut position, mut last) = (index.value(), size.value() - 1);
        let mut reached = *leaf_hash;
        for sibling in &self.hashes {
            if last == 0 {
                return Err(ProofError::TooLong);
            }
            if position % 2 == 1 || position == last {
                reached = node_hash(sibling, &reached);
                // A node at the cut-off edge has no sibling until it is a right child.
                let skipped = position.trailing_zeros();
                position >>= skipped;
                last >>= skipped;
            } else {
                reached = node_hash(&reached, sibling);
            }
            position >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::TooShort);
        }
        if reached == *root { Ok(()) } else { Err(ProofError::WrongRoot) }
    }
}
