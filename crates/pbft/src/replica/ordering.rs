//! The normal case: propose, prepare, commit, deliver (section 4.3 of the TOCS paper).

use alloc::{collections::BTreeSet, vec::Vec};

use super::{Decision, Mode, Refusal, Replica, Wanted};
use crate::{
    Batch, BatchDigest, BatchTime, Evidence, Message, Phase, Recipient, Record, ReplicaId, RequestDigest,
    Sequence, Signed, Vote,
    slot::{Offered, Proposal, ProposalState},
};

impl Replica {
    pub(super) fn on_requests(&mut self, requests: Vec<(RequestDigest, usize)>) {
        let slack = 4 * self.config.max_batch_requests;
        for (digest, size) in requests {
            self.requests.insert(digest, size, self.now.elapsed, slack);
            self.on_held(&digest);
        }
    }

    pub(super) fn on_held(&mut self, digest: &RequestDigest) {
        let complete: Vec<Sequence> = self
            .slots
            .iter_mut()
            .filter_map(|(sequence, slot)| slot.take_body(digest).then_some(*sequence))
            .collect();
        for sequence in complete {
            self.try_accept_from(sequence);
        }
    }

    /// How many batches are proposed and not decided here.
    fn in_flight(&self) -> u64 {
        self.next_proposal.0.saturating_sub(self.delivered.0 + 1)
    }

    fn can_propose(&self) -> bool {
        self.is_active()
            && self.primary() == self.voter.id
            && self.requests.unproposed() > 0
            && self.in_flight() < self.config.max_in_flight
            && self.in_window(self.next_proposal)
            && self.time_before(self.next_proposal).is_some()
    }

    /// With nothing under way a batch goes at once; otherwise when it is full, or was waited for.
    fn batch_is_due(&self) -> bool {
        self.in_flight() == 0
            || self.requests.unproposed() >= self.config.max_batch_requests
            || self.requests.unproposed_bytes() >= self.config.max_batch_bytes
            || self.last_proposal + self.config.batch_delay <= self.now.elapsed
    }

    pub(super) fn batch_deadline(&self) -> Option<u64> {
        (self.can_propose() && !self.batch_is_due()).then(|| self.last_proposal + self.config.batch_delay)
    }

    pub(super) fn propose(&mut self) {
        while self.can_propose() && self.batch_is_due() {
            let sequence = self.next_proposal;
            let Some(earlier) = self.time_before(sequence) else { return };
            let time = BatchTime(self.now.wall.0.max(earlier.0 + 1));
            let requests = self.requests.take(self.config.max_batch_requests, self.config.max_batch_bytes);
            let batch = Batch { time, requests };
            let vote = Vote { phase: Phase::PrePrepare, view: self.view, sequence, batch: batch.digest() };
            let vote = self.voter.sign(&self.council, vote);
            self.next_proposal = sequence.next();
            self.last_proposal = self.now.elapsed;
            let (since, state) = (self.now.elapsed, ProposalState::Waiting);
            let slot = self.slots.entry(sequence).or_default();
            slot.add_batch(vote.statement.batch, batch);
            slot.proposal = Some(Proposal { vote, inherited: false, since, state });
            self.try_accept_from(sequence);
        }
    }

    pub(super) fn on_pre_prepare(&mut self, from: ReplicaId, vote: Signed<Vote>, batch: Batch) {
        let Vote { phase, view, sequence, batch: digest } = vote.statement;
        if phase != Phase::PrePrepare || vote.signer != self.council.primary(view) {
            return self.refuse(Refusal::NotPrimary);
        }
        if view < self.view {
            return self.refuse(Refusal::StaleView);
        }
        // Too large a batch is not worth the memory, whoever signed it.
        if batch.requests.len() > self.config.max_batch_requests {
            return self.refuse(Refusal::BadBatch);
        }
        if view > self.view || !self.is_active() {
            return self.keep_for_later(from, Message::PrePrepare(vote, batch));
        }
        if !self.in_window(sequence) {
            return self.refuse(Refusal::OutOfWindow);
        }
        if vote.signer == self.voter.id || sequence <= self.delivered {
            return self.refuse(Refusal::NotNeeded);
        }
        let known = self.slots.get(&sequence).and_then(|slot| slot.proposal.as_ref()).map(|p| p.vote.clone());
        if let Some(known) = known {
            if known.statement.batch == digest {
                return self.on_batch(sequence, batch);
            }
            return self.on_contradiction(known, vote);
        }
        // The batch is not signed: a wrong one may be the work of whoever passed it on.
        if batch.digest() != digest {
            return self.refuse(Refusal::BadBatch);
        }
        if vote.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadSignature);
        }
        let well_formed = batch.is_well_formed(self.config.max_batch_requests);
        let state = if well_formed { ProposalState::Waiting } else { ProposalState::Refused };
        let slot = self.slots.entry(sequence).or_default();
        slot.add_batch(digest, batch);
        slot.proposal = Some(Proposal { vote, inherited: false, since: self.now.elapsed, state });
        if !well_formed {
            return self.refuse(Refusal::BadBatch);
        }
        self.try_accept_from(sequence);
    }

    /// Two votes of one member for one slot: if the second is genuine too, that is evidence.
    fn on_contradiction(&mut self, known: Signed<Vote>, vote: Signed<Vote>) {
        if self.accused.contains(&vote.signer) {
            return self.refuse(Refusal::NotNeeded);
        }
        if vote.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadSignature);
        }
        let evidence = Evidence::of_votes(&self.council, known, vote);
        self.accuse(evidence);
    }

    /// Accepts the proposal of `sequence` and of those after it, as far as they are complete.
    pub(super) fn try_accept_from(&mut self, sequence: Sequence) {
        let mut next = sequence;
        while self.try_accept(next) {
            next = next.next();
        }
    }

    /// Says whether the proposal was accepted now. Proposals are accepted in order, because a
    /// batch's time is judged against its predecessor's.
    fn try_accept(&mut self, sequence: Sequence) -> bool {
        if !self.is_active() || sequence > self.high() {
            return false;
        }
        let earlier = self.time_before(sequence);
        let Some(slot) = self.slots.get_mut(&sequence) else { return false };
        let Some(proposal) = slot.proposal.as_ref().filter(|p| p.state == ProposalState::Waiting) else {
            return false;
        };
        let (digest, inherited) = (proposal.vote.statement.batch, proposal.inherited);
        let Some(batch) = slot.batch(&digest).cloned() else {
            let ask = self.first_to_ask(sequence);
            self.want_batch(sequence, digest, ask);
            return false;
        };
        if !inherited {
            let Some(earlier) = earlier else { return false };
            let skew = batch.time.0.abs_diff(self.now.wall.0);
            if batch.time <= earlier || skew > self.config.max_clock_skew {
                slot.refuse_proposal();
                self.refuse(Refusal::BadTime);
                return false;
            }
        }
        let decided = slot.decided.is_some();
        if slot.decided_otherwise(digest) {
            slot.refuse_proposal();
            return false;
        }
        // Asked even where it is decided: the batch may have come last, and nothing may be delivered
        // without its bodies.
        let lacks = self.lacks_bodies(sequence, digest);
        if lacks && !decided {
            return false;
        }
        self.accept(sequence, batch);
        true
    }

    fn accept(&mut self, sequence: Sequence, batch: Batch) {
        for request in &batch.requests {
            self.requests.mark_proposed(request);
        }
        let Some(slot) = self.slots.get_mut(&sequence) else { return };
        let Some(proposal) = slot.proposal.as_mut() else { return };
        proposal.state = ProposalState::Accepted;
        let vote = proposal.vote.clone();
        self.ready.records.push(Record::Accepted(vote.clone(), batch.clone()));
        if vote.signer == self.voter.id {
            // In a new view the batches are named by the NewView, and most members hold them.
            self.send_sealed(Recipient::All, Message::PrePrepare(vote, batch));
        } else {
            let prepare = Vote { phase: Phase::Prepare, ..vote.statement };
            self.cast(prepare);
        }
        self.check_prepared(sequence);
    }

    /// Signs a vote, counts it here and sends it to all.
    fn cast(&mut self, vote: Vote) {
        let vote = self.sign_and_count(vote);
        self.send_sealed(Recipient::All, Message::Vote(vote));
    }

    /// Signs a vote and counts it here. Signing again after a crash gives the same bytes.
    pub(super) fn sign_and_count(&mut self, vote: Vote) -> Signed<Vote> {
        let vote = self.voter.sign(&self.council, vote);
        self.slots.entry(vote.statement.sequence).or_default().count(vote.clone());
        vote
    }

    pub(super) fn on_vote(&mut self, from: ReplicaId, vote: Signed<Vote>) {
        let Vote { phase, view, sequence, .. } = vote.statement;
        if phase == Phase::PrePrepare || vote.signer == self.voter.id {
            return self.refuse(Refusal::NotNeeded);
        }
        if phase == Phase::Prepare && vote.signer == self.council.primary(view) {
            return self.refuse(Refusal::NotPrimary);
        }
        if view < self.view {
            return self.refuse(Refusal::StaleView);
        }
        if view > self.view || !self.is_active() {
            return self.keep_for_later(from, Message::Vote(vote));
        }
        if !self.in_window(sequence) {
            return self.refuse(Refusal::OutOfWindow);
        }
        match self.slots.get(&sequence) {
            Some(slot) => match slot.offer(&vote) {
                Offered::New if slot.needs(phase, view) => {}
                Offered::New | Offered::Known => return self.refuse(Refusal::NotNeeded),
                Offered::Contradicts(known) => return self.on_contradiction(known, vote),
            },
            None if sequence <= self.delivered => return self.refuse(Refusal::NotNeeded),
            None => {}
        }
        if vote.verify(&self.council).is_err() {
            return self.refuse(Refusal::BadSignature);
        }
        self.slots.entry(sequence).or_default().count(vote);
        match phase {
            Phase::Prepare => self.check_prepared(sequence),
            _ => self.check_committed(sequence),
        }
    }

    pub(super) fn check_prepared(&mut self, sequence: Sequence) {
        let view = self.view;
        let Some(slot) = self.slots.get_mut(&sequence) else { return };
        if !slot.needs(Phase::Prepare, view) {
            return;
        }
        let Some(certificate) = slot.prepared_now(&self.council) else { return };
        let batch = certificate.batch;
        slot.prepared = Some(certificate.clone());
        self.ready.records.push(Record::Prepared(certificate));
        self.cast(Vote { phase: Phase::Commit, view, sequence, batch });
        self.check_committed(sequence);
    }

    pub(super) fn check_committed(&mut self, sequence: Sequence) {
        let Some(slot) = self.slots.get_mut(&sequence) else { return };
        if slot.decided.is_some() {
            return;
        }
        let Some(proof) = slot.committed_now(&self.council, self.view, sequence) else { return };
        let digest = proof.batch;
        slot.decided = Some(proof);
        self.on_decision(sequence, digest);
    }

    /// A batch is proven decided: see that the batch and its bodies are here, then deliver.
    pub(super) fn on_decision(&mut self, sequence: Sequence, digest: BatchDigest) {
        let Some(slot) = self.slots.get(&sequence) else { return };
        if slot.batch(&digest).is_some() {
            // A decision learned from others' Commits or from a proof may come before the bodies.
            self.lacks_bodies(sequence, digest);
        } else {
            let ask = self.first_to_ask(sequence);
            self.want_batch(sequence, digest, ask);
        }
    }

    /// Hands decisions to the application, in order and only when all their bodies are here.
    pub(super) fn deliver(&mut self) {
        while self.deliver_next() {
            self.try_accept_from(self.delivered.next());
        }
    }

    fn deliver_next(&mut self) -> bool {
        // What a batch does to the council shows when it is executed: until then none may follow.
        if self.delivered != self.executed || self.mode == Mode::Retired {
            return false;
        }
        let sequence = self.delivered.next();
        if self.last_of_epoch().is_some_and(|last| sequence > last) {
            return false;
        }
        let Some(slot) = self.slots.get(&sequence) else { return false };
        let Some((batch, proof)) = slot.decided_batch() else { return false };
        if slot.missing().next().is_some() {
            return false;
        }
        let (batch, proof) = (batch.clone(), proof.clone());
        // Learned from a proof alone: no later view change needs this slot.
        if slot.proposal.is_none() && slot.prepared.is_none() {
            self.slots.remove(&sequence);
        }
        // A later view may have re-proposed an older batch, so the proposals' own times can step
        // back; the order's time never does.
        if !batch.is_null() {
            self.delivered_time = BatchTime(batch.time.0.max(self.delivered_time.0 + 1));
        }
        self.delivered = sequence;
        self.next_proposal = self.next_proposal.max(sequence.next());
        for request in &batch.requests {
            self.requests.remove(request);
        }
        self.ready.records.push(Record::Decided(batch.clone(), proof.clone()));
        self.ready.decisions.push(Decision { sequence, time: self.delivered_time, batch, proof });
        true
    }

    /// The time of the last batch before `sequence`, if all batches since the delivered one are
    /// accepted.
    fn time_before(&self, sequence: Sequence) -> Option<BatchTime> {
        let mut at = sequence.0.saturating_sub(1);
        while at > self.delivered.0 {
            let batch = self.slots.get(&Sequence(at))?.accepted_batch()?;
            if !batch.is_null() {
                return Some(batch.time);
            }
            at -= 1;
        }
        Some(self.delivered_time)
    }

    /// Asks for a batch that is named but not here.
    fn want_batch(&mut self, sequence: Sequence, digest: BatchDigest, ask: ReplicaId) {
        self.send(Recipient::One(ask), Message::FetchBatch(sequence, digest));
    }

    /// Whether bodies of a batch are missing. The first time it notes which, and asks for them.
    fn lacks_bodies(&mut self, sequence: Sequence, digest: BatchDigest) -> bool {
        let ask = self.first_to_ask(sequence);
        let Some(slot) = self.slots.get_mut(&sequence) else { return false };
        if let Some((of, missing)) = &slot.bodies
            && *of == digest
        {
            return !missing.is_empty();
        }
        let Some(batch) = slot.batch(&digest) else { return false };
        let missing: BTreeSet<_> =
            batch.requests.iter().filter(|request| !self.requests.contains(request)).copied().collect();
        let lacks = !missing.is_empty();
        if lacks {
            self.ready.wanted.push(Wanted { requests: missing.iter().copied().collect(), ask });
        }
        slot.bodies = Some((digest, missing));
        lacks
    }

    /// Who most likely has what a proposal names: its primary, or else the next member. Who serves
    /// decisions has executed them.
    fn first_to_ask(&self, sequence: Sequence) -> ReplicaId {
        let is_proposed = self.slots.get(&sequence).is_some_and(|slot| slot.proposal.is_some());
        let server = self.fetching.as_ref().and_then(|fetching| fetching.asked_for(sequence));
        if let Some(server) = server.filter(|_| !is_proposed) {
            return server;
        }
        let primary = self.primary();
        if primary == self.voter.id { self.council.primary(self.view.next()) } else { primary }
    }

    /// Asks again for what is still missing: a different connected member each time, since any that
    /// prepared has it.
    pub(super) fn ask_again(&mut self) {
        let turn = self.now.elapsed / self.config.status_interval.max(1);
        let connected: Vec<ReplicaId> = self.connected.iter().copied().collect();
        let (low, high) = (self.delivered.next(), self.delivered.plus(self.config.window));
        let wants: Vec<_> = self
            .slots
            .range(low..=high)
            .map(|(sequence, slot)| (*sequence, slot.wanted_batch(), slot.missing().collect::<Vec<_>>()))
            .collect();
        for (sequence, batch, requests) in wants {
            let chosen = (turn + sequence.0) % (connected.len() as u64).max(1);
            let Some(ask) = usize::try_from(chosen).ok().and_then(|i| connected.get(i).copied()) else {
                return;
            };
            if let Some(digest) = batch {
                self.want_batch(sequence, digest, ask);
            }
            if !requests.is_empty() {
                self.ready.wanted.push(Wanted { requests, ask });
            }
        }
    }

    pub(super) fn on_fetch_batch(&mut self, from: ReplicaId, sequence: Sequence, digest: BatchDigest) {
        let Some(batch) = self.slots.get(&sequence).and_then(|slot| slot.batch(&digest)) else {
            return self.refuse(Refusal::NotNeeded);
        };
        let message = Message::Batch(sequence, batch.clone());
        self.send(Recipient::One(from), message);
    }

    pub(super) fn on_batch(&mut self, sequence: Sequence, batch: Batch) {
        let wanted = self.slots.get(&sequence).and_then(super::Slot::wanted_batch);
        let digest = batch.digest();
        if wanted != Some(digest) {
            return self.refuse(Refusal::Unasked);
        }
        let Some(slot) = self.slots.get_mut(&sequence) else { return };
        slot.add_batch(digest, batch);
        if slot.decided.as_ref().is_some_and(|proof| proof.batch == digest) {
            self.on_decision(sequence, digest);
        }
        self.try_accept_from(sequence);
    }
}
