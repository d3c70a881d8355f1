//! Checkpoints: agreeing on the state, moving the watermarks, dropping what lies below them
//! (section 4.3, "Garbage collection").

use super::{Halt, Refusal, Replica};
use crate::{
    Change, Checkpoint, CheckpointCertificate, Evidence, Message, Recipient, Record, ReplicaId, Sequence,
    Signed, StateDigest,
};

impl Replica {
    pub(super) fn on_executed(&mut self, sequence: Sequence, state: StateDigest, change: Option<Change>) {
        if sequence != self.executed.next() || sequence > self.delivered {
            return self.refuse(Refusal::Unasked);
        }
        self.executed = sequence;
        self.shorten_timeout(sequence);
        self.waiting_since = None;
        // After a restart, what lies below a stable checkpoint may run again; so may the last batch of
        // an epoch that is over.
        if sequence > self.low() {
            if let Some(change) = change {
                self.note_ending(sequence, change);
            }
            if change.is_some() || sequence.0.is_multiple_of(self.config.checkpoint_interval) {
                self.reach_checkpoint(sequence, state, change);
            }
        }
        let link = self.links_ahead.first().filter(|(link, _)| link.sequence() <= sequence);
        if let Some(certificate) = link.map(|(link, _)| link.certificate.clone()) {
            self.adopt(certificate);
        }
        if self.links_ahead.is_empty()
            && let Some(certificate) = self.ahead.take()
        {
            self.adopt(certificate);
        }
    }

    fn reach_checkpoint(&mut self, sequence: Sequence, state: StateDigest, change: Option<Change>) {
        // While decisions run again after a restart, an ending may be known before it is reached.
        let ending = self.ending.as_ref().filter(|ending| ending.sequence == sequence);
        let next = ending.map(|ending| *ending.next.digest());
        let checkpoint = Checkpoint { sequence, state, next };
        if self.is_following() && next.is_none() {
            return;
        }
        if let Some(earlier) = self.states.insert(sequence, checkpoint)
            && earlier != checkpoint
        {
            // Executed again after a restart, with another outcome: signing both would be a lie.
            self.diverge(earlier, checkpoint);
            return;
        }
        if self.is_following() {
            return;
        }
        let checkpoint = self.voter.sign(&self.council, checkpoint);
        self.ready.records.push(Record::Checkpoint(checkpoint.clone(), change));
        self.checkpoints.entry(sequence).or_default().insert(self.voter.id, checkpoint.clone());
        self.send_sealed(Recipient::All, Message::Checkpoint(checkpoint));
        self.check_stable(sequence);
    }

    fn diverge(&mut self, certified: Checkpoint, own: Checkpoint) {
        let sequence = own.sequence;
        self.ready.halt = Some(if certified.state == own.state {
            Halt::EpochEnd(sequence)
        } else {
            Halt::Diverged { sequence, certified: certified.state, own: own.state }
        });
    }

    pub(super) fn on_checkpoint(&mut self, checkpoint: Signed<Checkpoint>) {
        let Checkpoint { sequence, next, .. } = checkpoint.statement;
        let is_due = next.is_some() || sequence.0.is_multiple_of(self.config.checkpoint_interval);
        if sequence <= self.low() || !is_due {
            return self.refuse(Refusal::OutOfWindow);
        }
        if checkpoint.signer == self.voter.id {
            return self.refuse(Refusal::NotNeeded);
        }
        let known = self.checkpoints.get(&sequence).and_then(|members| members.get(&checkpoint.signer));
        if let Some(known) = known {
            if known.statement == checkpoint.statement || self.accused.contains(&checkpoint.signer) {
                return self.refuse(Refusal::NotNeeded);
            }
            let known = known.clone();
            if checkpoint.verify(&self.council).is_err() {
                return self.refuse(Refusal::BadSignature);
            }
            let evidence = Evidence::of_checkpoints(&self.council, known, checkpoint);
            return self.accuse(evidence);
        }
        if checkpoint.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadSignature);
        }
        if sequence > self.low().plus(self.config.window) {
            self.forget_beyond_window(checkpoint.signer);
        }
        self.checkpoints.entry(sequence).or_default().insert(checkpoint.signer, checkpoint);
        self.check_stable(sequence);
    }

    /// Above the high watermark a member has one Checkpoint here, its latest, so that flooding
    /// sequences of the far future costs no memory.
    fn forget_beyond_window(&mut self, member: ReplicaId) {
        let high = self.low().plus(self.config.window);
        let mut forgotten = false;
        for members in self.checkpoints.range_mut(high.next()..).map(|(_, members)| members) {
            forgotten |= members.remove(&member).is_some();
        }
        self.checkpoints.retain(|_, members| !members.is_empty());
        if forgotten {
            self.refuse(Refusal::Overflow);
        }
    }

    fn check_stable(&mut self, sequence: Sequence) {
        let Some(members) = self.checkpoints.get(&sequence) else { return };
        let need = self.council.quorum();
        for candidate in members.values() {
            let checkpoint = candidate.statement;
            let agreeing = || members.values().filter(|other| other.statement == checkpoint);
            if agreeing().count() >= need {
                let signatures = agreeing().take(need).map(|c| (c.signer, c.signature)).collect();
                return self.adopt(CheckpointCertificate { checkpoint, signatures });
            }
        }
    }

    pub(super) fn on_stable(&mut self, certificate: CheckpointCertificate) {
        let ahead = self.ahead.as_ref().map_or(Sequence(0), CheckpointCertificate::sequence);
        let council = self.furthest_council();
        let known = self.low().max(ahead).max(council.base());
        if certificate.sequence() <= known || !council.contains(self.voter.id) {
            return self.refuse(Refusal::NotNeeded);
        }
        if certificate.verify(council).is_err() {
            return self.refuse(Refusal::BadCertificate);
        }
        self.adopt(certificate);
    }

    /// Takes a verified certificate: moves the watermarks to it, or remembers it until the state
    /// is reached here.
    pub(super) fn adopt(&mut self, certificate: CheckpointCertificate) {
        let sequence = certificate.sequence();
        if sequence <= self.low() {
            return;
        }
        if sequence > self.executed {
            let known =
                self.ahead.as_ref().map_or(self.furthest_council().base(), CheckpointCertificate::sequence);
            if sequence > known {
                self.ahead = Some(certificate);
            }
            return;
        }
        // A state from before a restart may be unknown here; it was compared when it was computed.
        if let Some(own) = self.states.get(&sequence).copied()
            && own != certificate.checkpoint
        {
            return self.diverge(certificate.checkpoint, own);
        }
        if certificate.checkpoint.next.is_some() {
            return self.end_epoch(certificate);
        }
        self.make_stable(certificate);
    }

    /// Moves the low watermark, and drops what lies below it.
    pub(super) fn make_stable(&mut self, certificate: CheckpointCertificate) {
        let sequence = certificate.sequence();
        self.ready.records.push(Record::Stable(certificate.clone()));
        self.stable = Some(certificate);
        self.slots.retain(|slot, _| *slot > sequence);
        self.checkpoints.retain(|checkpoint, _| *checkpoint > sequence);
        self.states.retain(|checkpoint, _| *checkpoint > sequence);
    }
}
