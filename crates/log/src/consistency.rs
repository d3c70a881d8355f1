//! Proofs that a tree is a prefix of another (RFC 6962, section 2.1.2; verification of RFC 9162,
//! 2.1.4.2).

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{
    Nodes, ProofError, ProveError, TreeSize, node_hash,
    nodes::{path_to_root, small},
};

/// The hashes that make both an older and a newer root of one log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsistencyProof {
    hashes: Vec<Digest>,
}

impl ConsistencyProof {
    /// The longest path in the largest tree and the node that it starts from.
    pub const MAX_HASHES: usize = 64;

    /// Takes hashes as they came, at most [`MAX_HASHES`](Self::MAX_HASHES). Nothing is proven
    /// until [`verify`](Self::verify).
    pub fn new(hashes: Vec<Digest>) -> Result<Self, ProofError> {
        if hashes.len() > Self::MAX_HASHES { Err(ProofError::TooLong) } else { Ok(Self { hashes }) }
    }

    /// Makes the proof that the tree of the first `old` leaves is a prefix of that of the first
    /// `new`; empty where they are equal. There is none from the empty tree.
    pub fn generate<N: Nodes>(nodes: &N, old: TreeSize, new: TreeSize) -> Result<Self, ProveError<N::Error>> {
        check_sizes(old, new)?;
        let mut hashes = Vec::new();
        if old == new {
            return Ok(Self { hashes });
        }
        // The proof starts from the last perfect subtree of the old tree and leads up to the new
        // root; where that subtree is the whole old tree, the verifier has it.
        let height = small(old.value().trailing_zeros());
        let index = (old.value() >> height) - 1;
        if index != 0 {
            hashes.push(nodes.node(height, index).map_err(ProveError::Nodes)?);
        }
        path_to_root(nodes, height, index, new.value(), |hash| hashes.push(hash))
            .map_err(ProveError::Nodes)?;
        Ok(Self { hashes })
    }

    /// The hashes, in the order of RFC 6962.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Checks that the tree of `old` leaves with `old_root` is a prefix of the tree of `new`
    /// leaves with `new_root`.
    ///
    /// From the empty tree nothing can be proven and the answer is always an error. Trees of one
    /// size need equal roots and an empty proof.
    pub fn verify(
        &self,
        old: TreeSize,
        new: TreeSize,
        old_root: &Digest,
        new_root: &Digest,
    ) -> Result<(), ProofError> {
        check_sizes(old, new)?;
        if old == new {
            return match (self.hashes.is_empty(), old_root == new_root) {
                (false, _) => Err(ProofError::TooLong),
                (true, false) => Err(ProofError::WrongRoot),
                (true, true) => Ok(()),
            };
        }
        let (start, rest) = if old.value().is_power_of_two() {
            (old_root, self.hashes.as_slice())
        } else {
            self.hashes.split_first().ok_or(ProofError::TooShort)?
        };
        // Number of the node reached and of the last node at its height: fn and sn in RFC 9162.
        let skipped = old.value().trailing_zeros();
        let mut position = (old.value() - 1) >> skipped;
        let mut last = (new.value() - 1) >> skipped;
        let (mut old_reached, mut new_reached) = (*start, *start);
        for sibling in rest {
            if last == 0 {
                return Err(ProofError::TooLong);
            }
            if position % 2 == 1 || position == last {
                old_reached = node_hash(sibling, &old_reached);
                new_reached = node_hash(sibling, &new_reached);
                // A node at the cut-off edge has no sibling until it is a right child.
                let skipped = position.trailing_zeros();
                position >>= skipped;
                last >>= skipped;
            } else {
                new_reached = node_hash(&new_reached, sibling);
            }
            position >>= 1;
            last >>= 1;
        }
        if last != 0 {
            return Err(ProofError::TooShort);
        }
        if old_reached != *old_root {
            return Err(ProofError::WrongOldRoot);
        }
        if new_reached == *new_root { Ok(()) } else { Err(ProofError::WrongRoot) }
    }
}

fn check_sizes(old: TreeSize, new: TreeSize) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == TreeSize::EMPTY { Err(ProofError::EmptyOld) } else { Ok(()) }
}
