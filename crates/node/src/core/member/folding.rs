//! What ordered entries do to the registry, and which of them count.
//!
//! An operation that the registry refuses when it is its turn changes nothing, and an attestation
//! whose key was taken out of use attests nothing. Both are logged as refused, so that they are
//! disposed of for ever, and whoever replays the log can judge them too.

use std::sync::Arc;

use jurat_crypto::{Digest, VerifyingKey};
use jurat_log::UnixMillis;
use jurat_pbft::{Batch, RequestDigest, Sequence};
use jurat_trust::{CheckedOperation, KeyBytes, KeyStanding, OrderedTime, Registry};

use super::Core;
use crate::core::{
    CheckedEntry, CouncilHistory, Halt, Ledger, OrderRefusal, checking::Content, judge_evidence,
};

/// What became of a batch's entries.
#[derive(Default)]
pub(super) struct Folded {
    /// What the log takes, in order.
    pub(super) logged: Vec<CheckedEntry>,
    /// Which of it was refused, by name.
    pub(super) refused: Vec<(Digest, OrderRefusal)>,
    /// What the registry took.
    pub(super) operations: Vec<Arc<CheckedOperation>>,
}

impl CheckedEntry {
    /// Whether this entry would count if it were ordered now. The order decides, this only
    /// spares those who ask the wait.
    pub fn judge(
        &self,
        registry: &Registry,
        history: &CouncilHistory,
        at: OrderedTime,
    ) -> Result<(), OrderRefusal> {
        match self.content() {
            Content::Attestation(key) => judge_attestor(registry, key),
            Content::Operation(operation) => {
                let operation = judge_evidence(operation, history, Sequence(u64::MAX));
                Ok(registry.check(&operation, at)?)
            }
            Content::PrivateCommitment | Content::CouncilChange | Content::OrderedTime => Ok(()),
        }
    }

    /// Whether the entry is a registry operation, which what comes before it may make possible.
    #[must_use]
    pub const fn is_operation(&self) -> bool {
        matches!(self.content(), Content::Operation(_))
    }
}

/// Whether an attestation by this key counts, as of the registry's time.
pub fn judge_attestor(registry: &Registry, key: &VerifyingKey) -> Result<(), OrderRefusal> {
    match registry.key_standing(key) {
        KeyStanding::Revoked(revocation) => {
            Err(OrderRefusal::RevokedKey { key: KeyBytes::from(key), grace_until: revocation.grace_until })
        }
        KeyStanding::Unknown | KeyStanding::InUse | KeyStanding::InGrace(_) => Ok(()),
    }
}

impl<L: Ledger> Core<L> {
    /// Takes the bodies of a batch's entries that are not in the log.
    pub(super) fn take_bodies(&mut self, batch: &Batch) -> Result<Vec<CheckedEntry>, Halt> {
        let mut taken = Vec::with_capacity(batch.requests.len());
        for RequestDigest(leaf) in &batch.requests {
            let waiting = self.pool.remove(leaf);
            if self.ledger.index_of(leaf)?.is_some() {
                self.counters.duplicate_entries += 1;
            } else {
                taken.push(waiting.ok_or(Halt::MissingEntry(*leaf))?);
            }
        }
        Ok(taken)
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
        // Whoever replays the log judges them at the same time.
        let mut needs_time = false;
        for entry in entries {
            let verdict = match entry.content() {
                Content::Attestation(key) => judge_attestor(&self.registry, key),
                Content::Operation(operation) => {
                    let operation = judge_evidence(operation, &self.history, sequence);
                    let applied = self.registry.apply(&operation, at);
                    applied.map(|_| folded.operations.push(operation)).map_err(OrderRefusal::Operation)
                }
                Content::PrivateCommitment | Content::CouncilChange | Content::OrderedTime => Ok(()),
            };
            needs_time |= entry.is_operation() || verdict.is_err();
            folded.logged.push(match verdict {
                Ok(()) => entry,
                Err(reason) => {
                    let is_operation = entry.is_operation();
                    self.counters.refused_operations += u64::from(is_operation);
                    self.counters.refused_attestations += u64::from(!is_operation);
                    folded.refused.push((*entry.leaf(), reason));
                    entry.into_refused()
                }
            });
        }
        self.registry.settle();
        self.counters.applied_operations += folded.operations.len() as u64;
        if needs_time {
            folded.logged.insert(0, CheckedEntry::ordered_time(sequence.0, time));
        }
        folded
    }
}
