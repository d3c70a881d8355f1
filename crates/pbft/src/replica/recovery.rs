//! Coming back after a crash with every promise intact.

use alloc::vec::Vec;

use jurat_crypto::SigningKey;

use super::{Halt, Mode, NOBODY, NotAMember, Ready, Replica};
use crate::{
    BatchTime, Config, Council, Phase, Record, Sequence, Vote,
    slot::{Proposal, ProposalState},
    statement::Voter,
    view_change::StartingPoint,
};

/// What the application has executed durably, apart from the journal.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Executed {
    /// The last executed sequence; 0 for none.
    pub sequence: Sequence,
    /// The time that this sequence counted as ordered, as its [`Decision`](crate::Decision) said.
    pub time: BatchTime,
}

impl Replica {
    /// A member that comes back: from what its application executed, and from every record of its
    /// journal, in order. Records of what was executed already do no harm.
    ///
    /// `council` is the last that the application knows to have begun: the journal may begin in an
    /// earlier epoch and end in a later one. The first of the decisions that the application lacks is
    /// in the first [`Ready`], the others follow as they are executed. Bodies of requests that
    /// still wait must be given again with [`Input::Requests`](crate::Input::Requests).
    ///
    /// A member that joins is made the same way, once the [`EpochChain`](crate::EpochChain) up to its
    /// first council is verified and a certified state of that epoch is installed: its journal has the
    /// [`Record::Epoch`] of the last link, and the [`Record::Stable`] of the state's certificate if
    /// that is not the link's. A member that lost its journal must not do so: it has voted.
    pub fn recover(
        config: Config,
        council: Council,
        key: SigningKey,
        executed: Executed,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, NotAMember> {
        Ok(Self::new(config, council, key)?.resume(executed, records))
    }

    /// As [`recover`](Self::recover), for who will be a member of a later council, or is one of this:
    /// until the links lead to a council that has its key, it executes what is decided and proven to
    /// it and votes on nothing. Where every decision is kept, that is all that joining takes: from
    /// the first council, an empty state and an empty journal.
    ///
    /// It does not ask for states ([`Ready::transfer`]) before it is a member.
    pub fn follow(
        config: Config,
        council: Council,
        key: SigningKey,
        executed: Executed,
        records: impl IntoIterator<Item = Record>,
    ) -> Self {
        let (id, mode) = match council.id_of(&key.verifying_key()) {
            Some(id) => (id, Mode::Active),
            None => (NOBODY, Mode::Following),
        };
        Self::with_voter(config, council, Voter::new(id, key), mode).resume(executed, records)
    }

    fn resume(mut self, executed: Executed, records: impl IntoIterator<Item = Record>) -> Self {
        self.delivered = executed.sequence;
        self.executed = executed.sequence;
        self.delivered_time = executed.time;
        self.next_proposal = executed.sequence.max(self.council.base()).next();
        let mut records: Vec<Record> = records.into_iter().collect();
        if self.council.base() > Sequence(0) {
            self.skip_to_epoch(&mut records);
        }
        for record in records {
            self.restore(record);
        }
        // What was restored is in the journal and was sent or will be asked for.
        let Ready { links, halt, .. } = core::mem::take(&mut self.ready);
        self.ready = Ready { links, halt, ..Ready::default() };
        self.deliver_restored();
        self
    }

    /// Drops what was promised in epochs before the council's: it binds nobody any more. Only
    /// decisions that the application lacks still count. Without the link that began this epoch
    /// nothing was promised in it.
    fn skip_to_epoch(&mut self, records: &mut Vec<Record>) {
        let base = self.council.base();
        let begins = |record: &Record| matches!(record, Record::Epoch(link) if link.sequence() == base);
        let promises = match records.iter().rposition(begins) {
            Some(place) => records.split_off(place + 1),
            None => Vec::new(),
        };
        if let Some(Record::Epoch(link)) = records.pop_if(|record| begins(record)) {
            self.ready.links.push(link.clone());
            self.began_with = Some(link);
        }
        records.retain(|record| matches!(record, Record::Decided(..)));
        records.extend(promises);
    }

    fn restore(&mut self, record: Record) {
        match record {
            Record::Accepted(vote, batch) => {
                let Vote { view, sequence, batch: digest, .. } = vote.statement;
                if sequence <= self.low() {
                    return;
                }
                self.slots.entry(sequence).or_default().add_batch(digest, batch);
                if view != self.view {
                    return;
                }
                let own = vote.signer == self.voter.id;
                let statement = vote.statement;
                let slot = self.slots.entry(sequence).or_default();
                let inherited = slot.proposal.as_ref().is_some_and(|proposal| proposal.inherited);
                let (since, state) = (self.now.elapsed, ProposalState::Accepted);
                slot.proposal = Some(Proposal { vote, inherited, since, state });
                self.next_proposal = self.next_proposal.max(sequence.next());
                if !own {
                    let _own = self.sign_and_count(Vote { phase: Phase::Prepare, ..statement });
                }
            }
            Record::Batch(sequence, batch) => {
                self.slots.entry(sequence).or_default().add_batch(batch.digest(), batch);
            }
            Record::Prepared(certificate) => {
                let (view, sequence, batch) = (certificate.view, certificate.sequence, certificate.batch);
                if sequence <= self.low() {
                    return;
                }
                self.slots.entry(sequence).or_default().prepared = Some(certificate);
                if view == self.view {
                    let _own = self.sign_and_count(Vote { phase: Phase::Commit, view, sequence, batch });
                }
            }
            Record::Decided(batch, proof) => {
                if proof.sequence > self.low() || proof.sequence > self.executed {
                    let slot = self.slots.entry(proof.sequence).or_default();
                    slot.add_batch(proof.batch, batch);
                    slot.decided = Some(proof);
                }
            }
            Record::Checkpoint(checkpoint, change) => {
                let sequence = checkpoint.statement.sequence;
                if sequence <= self.low() {
                    return;
                }
                if let Some(change) = change {
                    self.note_ending(sequence, change);
                }
                self.states.insert(sequence, checkpoint.statement);
                self.checkpoints.entry(sequence).or_default().insert(self.voter.id, checkpoint);
            }
            Record::Epoch(link) => match link.verify(&self.council) {
                Ok(next) => {
                    // Decisions that the application lost must run again.
                    let lost = core::mem::take(&mut self.slots).into_iter();
                    let lost = lost.filter(|(sequence, _)| *sequence > self.executed);
                    self.slots =
                        lost.filter_map(|(sequence, slot)| Some((sequence, slot.into_decision()?))).collect();
                    self.enter_epoch(link, next);
                    self.next_proposal = self.delivered.max(self.low()).next();
                }
                Err(error) => self.ready.halt = Some(Halt::Journal(error)),
            },
            Record::Stable(certificate) => {
                if certificate.sequence() > self.low() {
                    let (sequence, delivered) = (certificate.sequence(), self.delivered);
                    self.stable = Some(certificate);
                    // Decisions below the checkpoint that the application lost must run again.
                    self.slots.retain(|slot, _| *slot > sequence || *slot > delivered);
                    self.states.retain(|checkpoint, _| *checkpoint > sequence);
                    self.checkpoints.retain(|checkpoint, _| *checkpoint > sequence);
                }
            }
            Record::ViewChange(change) => {
                self.view = change.statement.view;
                self.mode = Mode::Changing { deadline: None };
                self.view_changes.insert(self.voter.id, change);
            }
            Record::NewView(new_view) => {
                let start = StartingPoint::compute(&self.council, &new_view.statement.view_changes);
                self.enter(new_view, StartingPoint { stable: None, ..start });
            }
        }
    }

    /// Delivers what the journal says is decided and the application has not executed. Their
    /// bodies were journaled before, so none is missing.
    fn deliver_restored(&mut self) {
        self.deliver();
        self.ready.records.clear();
    }

    /// The records that a shortened journal must begin with: what this replica promised and has
    /// not seen made stable. Decisions that the application has not stored durably are the
    /// caller's to add, first.
    #[must_use]
    pub fn live_records(&self) -> Vec<Record> {
        let mut records = Vec::new();
        records.extend(self.began_with.clone().map(Record::Epoch));
        if let Some(link) = self.retired_with() {
            records.push(Record::Epoch(link));
            return records;
        }
        records.extend(self.stable.clone().map(Record::Stable));
        for sequence in self.states.keys() {
            let own = self.checkpoints.get(sequence).and_then(|members| members.get(&self.voter.id));
            let change = self.ending.as_ref().filter(|ending| ending.sequence == *sequence);
            let change = change.map(|ending| ending.change);
            records.extend(own.map(|checkpoint| Record::Checkpoint(checkpoint.clone(), change)));
        }
        records.extend(self.new_view.clone().map(Record::NewView));
        for (sequence, slot) in &self.slots {
            if let Some(proposal) = &slot.proposal
                && let Some(batch) = slot.accepted_batch()
            {
                records.push(Record::Accepted(proposal.vote.clone(), batch.clone()));
            }
            if let Some(certificate) = &slot.prepared {
                let batch = slot.batch(&certificate.batch).cloned();
                records.extend(batch.map(|batch| Record::Batch(*sequence, batch)));
                records.push(Record::Prepared(certificate.clone()));
            }
            // Recovery delivers what is decided here, so its bodies must be held: one that still
            // waits for them is learned again from the others.
            if *sequence <= self.delivered
                && let Some((batch, proof)) = slot.decided_batch()
            {
                records.push(Record::Decided(batch.clone(), proof.clone()));
            }
        }
        if self.is_changing_view() {
            records.extend(self.view_changes.get(&self.voter.id).cloned().map(Record::ViewChange));
        }
        records
    }
}
