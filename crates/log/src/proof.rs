//! What can be wrong with a Merkle proof, of inclusion or of consistency.

use crate::{LeafIndex, TreeSize};

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// No tree of this size has that leaf.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutsideTree {
        /// The leaf's position.
        index: LeafIndex,
        /// The tree's size.
        size: TreeSize,
    },
    /// The empty tree is a prefix of every tree; a proof of that says nothing.
    #[error("consistency with the empty tree proves nothing")]
    EmptyOld,
    /// The older tree is larger than the newer one.
    #[error("a tree of {old} leaves is not a prefix of one of {new}")]
    Shrunk {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
    },
    /// More hashes than any proof, or than a proof between these positions, has.
    #[error("the proof has too many hashes")]
    TooLong,
    /// Fewer hashes than a proof between these positions has.
    #[error("the proof has too few hashes")]
    TooShort,
    /// The proof leads to another root than the tree's.
    #[error("the proof leads to another root")]
    WrongRoot,
    /// The proof leads to another root than that of the older tree.
    #[error("the proof leads to another root of the older tree")]
    WrongOldRoot,
}

/// Why a proof could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProveError<E: core::error::Error + 'static> {
    /// There is no such proof.
    #[error(transparent)]
    Impossible(#[from] ProofError),
    /// A node of the tree could not be read.
    #[error("a node of the tree could not be read: {0}")]
    Nodes(#[source] E),
}
