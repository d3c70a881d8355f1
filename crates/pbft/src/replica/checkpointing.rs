//! Checkpoints: agreeing on the state, moving the watermarks, dropping what lies below them
//! (section 4.3, "Garbage collection").

use super::{Halt, Refusal, Replica};
use crate::{
    Checkpoint, CheckpointCertificate, Evidence, Message, Recipient, Record, ReplicaId, Sequence, Signed,
    StateDigest,
};

impl Replica {
    pub(super) fn on_executed(&mut self, sequence: Sequence, state: StateDigest) {
        if sequence != self.executed.next() || sequence > self.delivered {
            return self.refuse(Refusal::Unasked);
        }
        self.executed = sequence;
        self.attempts = 0;
        self.waiting_since = None;
        if !sequence.0.is_multiple_of(self.config.checkpoint_interval) {
            return;
        }
        self.states.insert(sequence, state);
        if sequence > self.low() {
            let checkpoint = self.voter.sign(&self.council, Checkpoint { sequence, state });
            self.checkpoints.entry(sequence).or_default().insert(self.voter.id, checkpoint.clone());
            self.send_sealed(Recipient::All, Message::Checkpoint(checkpoint));
            self.check_stable(sequence);
        }
        if let Some(certificate) = self.ahead.take() {
            self.adopt(certificate);
        }
    }

    pub(super) fn on_checkpoint(&mut self, checkpoint: Signed<Checkpoint>) {
        let Checkpoint { sequence, .. } = checkpoint.statement;
        if sequence <= self.low() || !sequence.0.is_multiple_of(self.config.checkpoint_interval) {
            return self.refuse(Refusal::OutOfWindow);
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
            return self.accuse(Evidence::Checkpoints(known, checkpoint));
        }
        if checkpoint.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadSignature);
        }
        if !self.in_window(sequence) {
            self.forget_beyond_window(checkpoint.signer);
        }
        self.checkpoints.entry(sequence).or_default().insert(checkpoint.signer, checkpoint);
        self.check_stable(sequence);
    }

    /// Above the high watermark a member has one Checkpoint here, its latest, so that flooding
    /// sequences of the far future costs no memory.
    fn forget_beyond_window(&mut self, member: ReplicaId) {
        let high = self.low().plus(self.config.window);
        for members in self.checkpoints.range_mut(high.next()..).map(|(_, members)| members) {
            members.remove(&member);
        }
        self.checkpoints.retain(|_, members| !members.is_empty());
    }

    fn check_stable(&mut self, sequence: Sequence) {
        let Some(members) = self.checkpoints.get(&sequence) else { return };
        let need = self.council.quorum();
        for candidate in members.values() {
            let state = candidate.statement.state;
            let agreeing = || members.values().filter(|checkpoint| checkpoint.statement.state == state);
            if agreeing().count() >= need {
                let signatures = agreeing().take(need).map(|c| (c.signer, c.signature)).collect();
                return self.adopt(CheckpointCertificate { sequence, state, signatures });
            }
        }
    }

    pub(super) fn on_stable(&mut self, certificate: CheckpointCertificate) {
        let ahead = self.ahead.as_ref().map_or(Sequence(0), |ahead| ahead.sequence);
        if certificate.sequence <= self.low().max(ahead) {
            return self.refuse(Refusal::NotNeeded);
        }
        if certificate.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadCertificate);
        }
        self.adopt(certificate);
    }

    /// Takes a verified certificate: moves the watermarks to it, or remembers it until the state
    /// is reached here.
    pub(super) fn adopt(&mut self, certificate: CheckpointCertificate) {
        let CheckpointCertificate { sequence, state, .. } = certificate;
        if sequence <= self.low() {
            return;
        }
        if sequence > self.executed {
            if self.ahead.as_ref().is_none_or(|ahead| ahead.sequence < sequence) {
                self.ahead = Some(certificate);
            }
            return;
        }
        // A state from before a restart may be unknown here; it was compared when it was computed.
        if let Some(own) = self.states.get(&sequence).copied()
            && own != state
        {
            self.ready.halt = Some(Halt::Diverged { sequence, certified: state, own });
            return;
        }
        self.ready.records.push(Record::Stable(certificate.clone()));
        self.stable = Some(certificate);
        self.slots.retain(|slot, _| *slot > sequence);
        self.checkpoints.retain(|checkpoint, _| *checkpoint > sequence);
        self.states.retain(|checkpoint, _| *checkpoint > sequence);
    }
}
