//! The leaf hashes that no flush has written yet: each new entry is looked for among them.

#![expect(clippy::disallowed_types, reason = "found by hash in half the time; its order never comes out")]

use std::collections::HashMap;

use jurat_crypto::Digest;
use jurat_log::LeafIndex;

/// Leaf hashes and the indices of their leaves.
#[derive(Default)]
pub(super) struct NewLeaves(HashMap<Digest, LeafIndex>);

impl NewLeaves {
    pub(super) fn insert(&mut self, leaf_hash: Digest, index: LeafIndex) {
        self.0.insert(leaf_hash, index);
    }

    pub(super) fn find(&self, leaf_hash: &Digest) -> Option<LeafIndex> {
        self.0.get(leaf_hash).copied()
    }

    /// All of them, by their hashes.
    pub(super) fn in_order(&self) -> Vec<(Digest, LeafIndex)> {
        let mut leaves: Vec<_> = self.0.iter().map(|(hash, index)| (*hash, *index)).collect();
        leaves.sort_unstable();
        leaves
    }
}
