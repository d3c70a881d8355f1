//! Telling where one stands, and helping those who stand behind.
//!
//! Links lose what was in flight when they break, and a member may be down for days. Nothing is
//! retransmitted blindly: members exchange [`Status`], and each answers what the other lacks.

use alloc::vec::Vec;

use super::{Refusal, Replica};
use crate::{
    Batch, CommitProof, Message, Phase, Recipient, ReplicaId, Sequence, Status, slot::ProposalState,
};

/// How many times rarer an idle replica tells its status.
const IDLE_FACTOR: u64 = 10;
/// How many slots' votes are sent again in answer to one status.
const RESENT_SLOTS: usize = 16;

impl Replica {
    fn status(&self) -> Status {
        Status {
            epoch: self.council.epoch(),
            view: self.view,
            changing: self.is_changing_view(),
            executed: self.executed,
            stable: self.low(),
            council: *self.council.digest(),
        }
    }

    pub(super) fn on_connected(&mut self, peer: ReplicaId) {
        // Who joins with the next epoch may be here before it begins.
        if peer == self.voter.id {
            return;
        }
        self.connected.insert(peer);
        let status = Message::Status(self.status());
        self.send(Recipient::One(peer), status);
    }

    pub(super) fn on_disconnected(&mut self, peer: ReplicaId) {
        self.connected.remove(&peer);
        self.ask_others_instead_of(peer);
    }

    pub(super) fn tell_status(&mut self) {
        if self.now.elapsed < self.next_status {
            return;
        }
        let busy = self.is_changing_view()
            || self.is_ending_epoch()
            || !self.requests.is_empty()
            || self.members_ahead().next().is_some()
            || self.slots.range(self.delivered.next()..).next().is_some();
        let factor = if busy { 1 } else { IDLE_FACTOR };
        self.next_status = self.now.elapsed + (self.config.status_interval * factor).max(1);
        if self.is_retired() {
            return;
        }
        let status = Message::Status(self.status());
        self.send(Recipient::All, status);
        self.ask_again();
        if self.delivered == self.delivered_at_status {
            self.fetch_decisions();
        }
        self.watch_stall();
        self.delivered_at_status = self.delivered;
    }

    pub(super) fn on_status(&mut self, from: ReplicaId, status: Status) {
        let epoch = self.council.epoch();
        if let Some(link) = self.retired_with() {
            if status.epoch == epoch && status.stable < link.sequence() && !self.was_just_helped(from) {
                self.send(Recipient::One(from), Message::Epoch(link));
                self.send(Recipient::One(from), Message::Status(self.status()));
            }
            return;
        }
        if status.epoch == epoch && status.council != *self.council.digest() {
            return self.refuse(Refusal::OtherCouncil);
        }
        let earlier = self.statuses.get(&from).copied();
        self.statuses.insert(from, status);
        self.catch_up_with(&status);
        // Who just came into this epoch has missed what was sent before.
        let arrives = status.epoch == epoch && earlier.is_none_or(|earlier| earlier.epoch < epoch);
        if self.was_just_helped(from) && !arrives {
            return;
        }
        if status.epoch < epoch {
            let link = self.began_with.clone().filter(|_| status.epoch.0.checked_add(1) == Some(epoch.0));
            if let Some(link) = link {
                self.send(Recipient::One(from), Message::Epoch(link));
            }
            // Links before that one come with the decisions, when it asks for those.
            if let Some(certificate) = self.stable.clone() {
                self.send(Recipient::One(from), Message::Stable(certificate));
            }
            if !self.council.contains(from) {
                // It is not among those who are told regularly.
                self.send(Recipient::One(from), Message::Status(self.status()));
            }
            return;
        }
        if status.epoch > epoch {
            return;
        }
        if status.stable < self.low()
            && let Some(certificate) = self.stable.clone()
        {
            self.send(Recipient::One(from), Message::Stable(certificate));
        }
        let stands_still = earlier.is_some_and(|e| (e.view, e.executed) == (status.view, status.executed));
        if stands_still {
            self.resend_checkpoints(from, status.stable);
        }
        self.help_with_view(from, &status);
        if (stands_still || arrives) && self.is_active() && status.view == self.view && !status.changing {
            self.resend_votes(from, status.executed);
        }
    }

    /// Whether a member asks again too soon; counts that, or notes that it is helped now.
    fn was_just_helped(&mut self, member: ReplicaId) -> bool {
        let now = self.now.elapsed;
        let soon = self.helped.get(&member).is_some_and(|at| now < at + self.config.status_interval / 2);
        if soon {
            self.refuse(Refusal::Overflow);
        } else {
            self.helped.insert(member, now);
        }
        soon
    }

    /// Sends the own Checkpoints above its stable one to a member again.
    fn resend_checkpoints(&mut self, to: ReplicaId, stable: Sequence) {
        let own: Vec<_> = self
            .checkpoints
            .range(stable.next()..)
            .filter_map(|(_, members)| members.get(&self.voter.id).cloned())
            .collect();
        for checkpoint in own {
            self.send_sealed(Recipient::One(to), Message::Checkpoint(checkpoint));
        }
    }

    fn catch_up_with(&mut self, status: &Status) {
        if status.executed > self.delivered {
            // An idle replica that learns it is behind looks again soon.
            self.next_status = self.next_status.min(self.now.elapsed + self.config.status_interval);
        }
        // Far behind, as after a restart: no use in waiting for that.
        if self.fetching.is_none() && status.executed > self.delivered.plus(self.config.max_in_flight) {
            self.fetch_decisions();
        }
    }

    fn help_with_view(&mut self, to: ReplicaId, status: &Status) {
        let lacks_view = status.view < self.view || (status.view == self.view && status.changing);
        if !lacks_view {
            return;
        }
        let message = if self.is_active() {
            self.new_view.clone().map(Message::NewView)
        } else {
            self.view_changes.get(&self.voter.id).cloned().map(Message::ViewChange)
        };
        if let Some(message) = message {
            self.send_sealed(Recipient::One(to), message);
        }
    }

    /// Sends the own votes of the current view for the slots after `executed` again.
    fn resend_votes(&mut self, to: ReplicaId, executed: Sequence) {
        let mut messages = Vec::new();
        for slot in self.slots.range(executed.next()..).map(|(_, slot)| slot).take(RESENT_SLOTS) {
            if let Some(proposal) = &slot.proposal
                && proposal.vote.signer == self.voter.id
                && proposal.state == ProposalState::Accepted
                && let Some(batch) = slot.accepted_batch()
            {
                messages.push(Message::PrePrepare(proposal.vote.clone(), batch.clone()));
            }
            let votes = [Phase::Prepare, Phase::Commit].map(|phase| slot.vote_of(phase, self.voter.id));
            messages.extend(votes.into_iter().flatten().cloned().map(Message::Vote));
        }
        for message in messages {
            self.send_sealed(Recipient::One(to), message);
        }
    }

    pub(super) fn on_decided(&mut self, batch: Batch, proof: CommitProof) {
        let CommitProof { sequence, batch: digest, .. } = proof;
        let last = self.last_of_epoch().unwrap_or(Sequence(u64::MAX));
        if sequence <= self.delivered || sequence > self.delivered.plus(self.config.window).min(last) {
            return self.refuse(Refusal::OutOfWindow);
        }
        if self.slots.get(&sequence).is_some_and(|slot| slot.decided_batch().is_some()) {
            return self.refuse(Refusal::NotNeeded);
        }
        if batch.digest() != digest {
            return self.refuse(Refusal::BadBatch);
        }
        if proof.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadCertificate);
        }
        let slot = self.slots.entry(sequence).or_default();
        slot.add_batch(digest, batch);
        slot.decided = Some(proof);
        self.on_decision(sequence, digest);
    }
}
