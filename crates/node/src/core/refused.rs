//! Entries that were ordered lately and refused.
//!
//! A batch may name one that an earlier batch disposed of: it was proposed before that was
//! executed. So for as long as such a batch can be under way it is known which record has the body.

use std::collections::BTreeMap;

use jurat_crypto::Digest;
use jurat_pbft::Sequence;
use jurat_trust::{KeyBytes, OrderedTime, Rejection};

/// Why an entry was not taken into the log when it was its turn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// The registry refuses the operation.
    #[error(transparent)]
    Operation(#[from] Rejection),
    /// The attestor's key was rotated or revoked, and its grace is over.
    #[error("the attestor's key {key} was rotated or revoked; it worked until {grace_until}")]
    RevokedKey {
        /// Which.
        key: KeyBytes,
        /// The last moment at which it worked.
        grace_until: OrderedTime,
    },
}

/// In which sequence an entry was refused last.
#[derive(Debug, Default)]
pub(super) struct Refused {
    by_leaf: BTreeMap<Digest, Sequence>,
    by_sequence: BTreeMap<Sequence, Vec<Digest>>,
}

impl Refused {
    /// Notes what a sequence refused.
    pub(super) fn note(&mut self, sequence: Sequence, leaves: Vec<Digest>) {
        if !leaves.is_empty() {
            self.by_leaf.extend(leaves.iter().map(|leaf| (*leaf, sequence)));
            self.by_sequence.insert(sequence, leaves);
        }
    }

    /// Forgets what was refused before `oldest`, and not since.
    pub(super) fn forget(&mut self, oldest: Sequence) {
        while let Some(first) = self.by_sequence.first_entry()
            && *first.key() < oldest
        {
            let sequence = *first.key();
            for leaf in first.remove() {
                if self.by_leaf.get(&leaf) == Some(&sequence) {
                    self.by_leaf.remove(&leaf);
                }
            }
        }
    }

    pub(super) fn sequence_of(&self, leaf: &Digest) -> Option<Sequence> {
        self.by_leaf.get(leaf).copied()
    }

    /// What is known, by ascending sequences.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Sequence, &[Digest])> {
        self.by_sequence.iter().map(|(sequence, leaves)| (*sequence, leaves.as_slice()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_refused_is_known_for_a_while_by_the_last_time() {
        let [one, two] = [Digest::of(b"1"), Digest::of(b"2")];
        let mut refused = Refused::default();
        refused.note(Sequence(3), vec![one, two]);
        refused.note(Sequence(5), vec![one]);
        refused.forget(Sequence(3));
        assert_eq!(refused.sequence_of(&one), Some(Sequence(5)));
        assert_eq!(refused.sequence_of(&two), Some(Sequence(3)));
        refused.forget(Sequence(4));
        assert_eq!(refused.sequence_of(&one), Some(Sequence(5)));
        assert_eq!(refused.sequence_of(&two), None);
        refused.forget(Sequence(9));
        assert_eq!((refused.sequence_of(&one), refused.iter().count()), (None, 0));
    }
}
