//! Proofs that a tree, or a subtree, is part of another (RFC 6962, section 2.1.2; verification of
//! draft-ietf-plants-merkle-tree-certs, 4.4.3, which for prefixes is that of RFC 9162, 2.1.4.2).

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{
    EMPTY_ROOT, Nodes, ProofError, ProveError, Subtree, TreeSize, node_hash,
    nodes::{path_to_root, small, tree_root},
};

/// The hashes that make both an older and a newer root of one log, or the root of a subtree and
/// that of the log.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
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
        let mut proof = Self { hashes: Vec::with_capacity(Self::MAX_HASHES) };
        proof.regenerate(nodes, old, new)?;
        Ok(proof)
    }

    /// Makes this the proof from `old` to `new` instead, in the memory that it has: for many
    /// proofs, of which each is sent off before the next. After an error it is of no use.
    pub fn regenerate<N: Nodes>(
        &mut self,
        nodes: &N,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<(), ProveError<N::Error>> {
        check_sizes(old, new)?;
        self.make(nodes, Subtree::prefix(old), new)
    }

    /// Makes the proof that a subtree is part of the tree of the first `size` leaves. For an empty
    /// subtree it is empty.
    pub fn generate_subtree<N: Nodes>(
        nodes: &N,
        subtree: Subtree,
        size: TreeSize,
    ) -> Result<Self, ProveError<N::Error>> {
        let mut proof = Self::default();
        proof.make(nodes, subtree, size)?;
        Ok(proof)
    }

    fn make<N: Nodes>(
        &mut self,
        nodes: &N,
        subtree: Subtree,
        size: TreeSize,
    ) -> Result<(), ProveError<N::Error>> {
        self.hashes.clear();
        let Some(Edge { height, first, last, .. }) = Edge::of(subtree, size)? else { return Ok(()) };
        // Where the starting node is the whole subtree, the verifier has it.
        if first != last {
            self.hashes.push(nodes.node(height, last).map_err(ProveError::Nodes)?);
        }
        path_to_root(nodes, height, last, size.value(), &mut self.hashes).map_err(ProveError::Nodes)
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
        self.verify_subtree(Subtree::prefix(old), new, old_root, new_root)
    }

    /// Checks that the leaves under `subtree_root` are those that the tree of `size` leaves with
    /// `root` has there.
    ///
    /// An empty subtree is part of every tree: that needs the empty root and an empty proof, and
    /// says nothing.
    pub fn verify_subtree(
        &self,
        subtree: Subtree,
        size: TreeSize,
        subtree_root: &Digest,
        root: &Digest,
    ) -> Result<(), ProofError> {
        let Some(edge) = Edge::of(subtree, size)? else {
            return match (self.hashes.is_empty(), *subtree_root == EMPTY_ROOT) {
                (false, _) => Err(ProofError::TooLong),
                (true, false) => Err(ProofError::WrongOldRoot),
                (true, true) => Ok(()),
            };
        };
        let (start, rest) = if edge.first == edge.last {
            (subtree_root, self.hashes.as_slice())
        } else {
            self.hashes.split_first().ok_or(ProofError::TooShort)?
        };
        let (subtree_reached, reached) = edge.climb(start, rest)?;
        if subtree_reached != *subtree_root {
            return Err(ProofError::WrongOldRoot);
        }
        if reached == *root { Ok(()) } else { Err(ProofError::WrongRoot) }
    }

    /// Makes the proof of which root the first `old` leaves have in the tree of the first `new`:
    /// a consistency proof that always begins with the hash it starts from.
    pub fn generate_prefix<N: Nodes>(
        nodes: &N,
        old: TreeSize,
        new: TreeSize,
    ) -> Result<Self, ProveError<N::Error>> {
        check_sizes(old, new)?;
        let mut proof = Self::generate(nodes, old, new)?;
        if let Some(edge) = Edge::of(Subtree::prefix(old), new)?.filter(|edge| edge.first == edge.last) {
            let start = if old == new { tree_root(nodes, new) } else { nodes.node(edge.height, edge.last) };
            proof.hashes.insert(0, start.map_err(ProveError::Nodes)?);
        }
        Ok(proof)
    }

    /// The root that the first `old` leaves have in the tree of `new` leaves with `new_root`, as a
    /// proof of [`generate_prefix`](Self::generate_prefix) shows it.
    pub fn prefix_root(&self, old: TreeSize, new: TreeSize, new_root: &Digest) -> Result<Digest, ProofError> {
        let edge = Edge::of(Subtree::prefix(old), new)?.ok_or(ProofError::EmptyOld)?;
        let (start, rest) = self.hashes.split_first().ok_or(ProofError::TooShort)?;
        let (subtree_reached, reached) = edge.climb(start, rest)?;
        if reached == *new_root { Ok(subtree_reached) } else { Err(ProofError::WrongRoot) }
    }
}

/// The node that a proof starts from: the last perfect subtree of the subtree, or all of it where
/// the tree has it as a node. The draft calls the numbers fn, sn and tn.
struct Edge {
    height: u8,
    /// Number of the node with the subtree's first leaf at this height.
    first: u64,
    /// Number of the node with its last leaf.
    last: u64,
    /// Number of the node with the tree's last leaf.
    tree_last: u64,
}

impl Edge {
    /// `None` for an empty subtree.
    fn of(subtree: Subtree, size: TreeSize) -> Result<Option<Self>, ProofError> {
        if subtree.end() > size {
            return Err(ProofError::Shrunk { old: subtree.end(), new: size });
        }
        if subtree.size() == TreeSize::EMPTY {
            return Ok(None);
        }
        let (first, last, tree_last) = (subtree.start(), subtree.end().value() - 1, size.value() - 1);
        let whole = u64::BITS - (first ^ last).leading_zeros();
        let height = if last == tree_last { whole } else { whole.min(last.trailing_ones()) };
        Ok(Some(Self {
            height: small(height),
            first: first >> height,
            last: last >> height,
            tree_last: tree_last >> height,
        }))
    }

    /// Hashes the siblings up to the root of the subtree and to that of the tree.
    fn climb(self, start: &Digest, siblings: &[Digest]) -> Result<(Digest, Digest), ProofError> {
        let Self { mut first, mut last, mut tree_last, .. } = self;
        let (mut subtree_reached, mut reached) = (*start, *start);
        for sibling in siblings {
            if tree_last == 0 {
                return Err(ProofError::TooLong);
            }
            if last % 2 == 1 || last == tree_last {
                if first < last {
                    subtree_reached = node_hash(sibling, &subtree_reached);
                }
                reached = node_hash(sibling, &reached);
                // A node at the cut-off edge has no sibling until it is a right child.
                let skipped = last.trailing_zeros();
                first >>= skipped;
                last >>= skipped;
                tree_last >>= skipped;
            } else {
                reached = node_hash(&reached, sibling);
            }
            first >>= 1;
            last >>= 1;
            tree_last >>= 1;
        }
        if tree_last == 0 { Ok((subtree_reached, reached)) } else { Err(ProofError::TooShort) }
    }
}

fn check_sizes(old: TreeSize, new: TreeSize) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::Shrunk { old, new });
    }
    if old == TreeSize::EMPTY { Err(ProofError::EmptyOld) } else { Ok(()) }
}
