//! What ordered entries do to the registry, and which of them the log therefore takes.
//!
//! An operation that the registry refuses when it is its turn is not logged and changes nothing;
//! nor is an attestation whose key was taken out of use. Their bodies stay in the record of the
//! sequence, since whoever executes it later must judge them too.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jurat_crypto::{Digest, VerifyingKey};
use jurat_log::UnixMillis;
use jurat_pbft::{Batch, RequestDigest, Sequence};
use jurat_trust::{CheckedOperation, KeyBytes, KeyStanding, OrderedTime, Registry};

use super::Core;
use crate::core::{CheckedEntry, EntryBytes, Halt, Ledger, OrderRefusal, checking::Content};

/// What became of a batch's entries.
#[derive(Default)]
pub(super) struct Folded {
    /// What the log takes, in order.
    pub(super) logged: Vec<CheckedEntry>,
    /// What it does not.
    pub(super) refused: Vec<(CheckedEntry, OrderRefusal)>,
    /// What the registry took.
    pub(super) operations: Vec<Arc<CheckedOperation>>,
}

impl CheckedEntry {
    /// Whether the log would take this entry if it were ordered now. The order decides, this only
    /// spares those who ask the wait.
    pub fn judge(&self, registry: &Registry, at: OrderedTime) -> Result<(), OrderRefusal> {
        match self.content() {
            Content::Attestation(key) => judge_attestor(registry, key),
            Content::Operation(operation) => Ok(registry.check(operation, at)?),
            Content::CouncilChange | Content::OrderedTime => Ok(()),
        }
    }

    /// Whether the entry is a registry operation, which what comes before it may make possible.
    #[must_use]
    pub const fn is_operation(&self) -> bool {
        matches!(self.content(), Content::Operation(_))
    }
}

fn judge_attestor(registry: &Registry, key: &VerifyingKey) -> Result<(), OrderRefusal> {
    match registry.key_standing(key) {
        KeyStanding::Revoked(revocation) => {
            Err(OrderRefusal::RevokedKey { key: KeyBytes::from(key), grace_until: revocation.grace_until })
        }
        KeyStanding::Unknown | KeyStanding::InUse | KeyStanding::InGrace(_) => Ok(()),
    }
}

impl<L: Ledger> Core<L> {
    /// Takes the bodies of a batch's entries that are not in the log, whether they wait or were
    /// refused before.
    pub(super) fn take_bodies(&mut self, batch: &Batch) -> Result<Vec<CheckedEntry>, Halt> {
        let (mut taken, mut refused) = (Vec::with_capacity(batch.requests.len()), Vec::new());
        for RequestDigest(leaf) in &batch.requests {
            let waiting = self.pool.remove(leaf);
            if self.ledger.index_of(leaf)?.is_some() {
                self.counters.duplicate_entries += 1;
                continue;
            }
            if waiting.is_none() {
                refused.push(*leaf);
            }
            taken.push((leaf, waiting));
        }
        let again = self.refused_entries(&refused, usize::MAX)?;
        let mut again: BTreeMap<_, _> = again.into_iter().map(|entry| (*entry.leaf(), entry)).collect();
        let found = taken
            .into_iter()
            .map(|(leaf, waiting)| waiting.or_else(|| again.remove(leaf)).ok_or(Halt::MissingEntry(*leaf)));
        found.collect()
    }

    /// As [`refused_bodies`](Self::refused_bodies), ready to be held.
    pub(super) fn refused_entries(&self, leaves: &[Digest], most: usize) -> Result<Vec<CheckedEntry>, Halt> {
        let bodies = self.refused_bodies(leaves, most)?;
        let network = self.genesis().network();
        let read =
            |(leaf, body)| CheckedEntry::from_journal(body, network).map_err(|_| Halt::MissingEntry(leaf));
        bodies.into_iter().map(read).collect()
    }

    /// The bodies of those among these entries that were ordered lately and refused, from so many
    /// records at most.
    pub(super) fn refused_bodies(
        &self,
        leaves: &[Digest],
        most: usize,
    ) -> Result<BTreeMap<Digest, EntryBytes>, Halt> {
        let sequences: BTreeSet<_> =
            leaves.iter().filter_map(|leaf| self.refused.sequence_of(leaf)).collect();
        let mut bodies = BTreeMap::new();
        for sequence in sequences.into_iter().take(most) {
            for body in self.executed_at(sequence)?.into_iter().flat_map(|executed| executed.refused) {
                bodies.insert(jurat_log::leaf_hash(&body.0), body);
            }
        }
        bodies.retain(|leaf, _| leaves.contains(leaf));
        Ok(bodies)
    }

    /// Moves the registry through a batch: to its time, then through its entries in their order.
    pub(super) fn fold(
        &mut self,
        sequence: Sequence,
        time: UnixMillis,
        entries: Vec<CheckedEntry>,
    ) -> Folded {
        let at = OrderedTime(time.0);
        // The replica's times only go forward.
        let _ = self.registry.advance(at);
        let mut folded = Folded::default();
        for entry in entries {
            let verdict = match entry.content() {
                Content::Attestation(key) => judge_attestor(&self.registry, key),
                Content::Operation(operation) => match self.registry.apply(operation, at) {
                    Ok(_) => {
                        folded.operations.push(operation.clone());
                        Ok(())
                    }
                    Err(rejection) => Err(OrderRefusal::Operation(rejection)),
                },
                Content::CouncilChange | Content::OrderedTime => Ok(()),
            };
            match verdict {
                Ok(()) => folded.logged.push(entry),
                Err(reason) => folded.refused.push((entry, reason)),
            }
        }
        self.registry.settle();
        self.counters.applied_operations += folded.operations.len() as u64;
        for (entry, _) in &folded.refused {
            match entry.content() {
                Content::Operation(_) => self.counters.refused_operations += 1,
                _ => self.counters.refused_attestations += 1,
            }
        }
        if !folded.operations.is_empty() {
            folded.logged.insert(0, CheckedEntry::ordered_time(sequence.0, time));
        }
        folded
    }
}
