//! Coming back after a crash with every promise intact.

use alloc::vec::Vec;

use jurat_crypto::SigningKey;

use super::{Mode, NotAMember, Ready, Replica};
use crate::{
    BatchTime, Config, Council, Phase, Record, Sequence, Vote,
    slot::{Proposal, ProposalState},
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
    /// Decisions that the application lacks are in the first [`Ready`]. Bodies of requests that
    /// still wait must be given again with [`Input::Requests`](crate::Input::Requests).
    pub fn recover(
        config: Config,
        council: Council,
        key: SigningKey,
        executed: Executed,
        records: impl IntoIterator<Item = Record>,
    ) -> Result<Self, NotAMember> {
        let mut replica = Self::new(config, council, key)?;
        replica.delivered = executed.sequence;
        replica.executed = executed.sequence;
        replica.delivered_time = executed.time;
        replica.next_proposal = executed.sequence.next();
        for record in records {
            replica.restore(record);
        }
        // What was restored is in the journal and was sent or will be asked for.
        replica.ready = Ready { halt: replica.ready.halt, ..Ready::default() };
        replica.deliver_restored();
        Ok(replica)
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
                slot.proposal = Some(Proposal { vote, inherited, state: ProposalState::Accepted });
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
            Record::Stable(certificate) => {
                if certificate.sequence > self.low() {
                    let (sequence, delivered) = (certificate.sequence, self.delivered);
                    self.stable = Some(certificate);
                    // Decisions below the checkpoint that the application lost must run again.
                    self.slots.retain(|slot, _| *slot > sequence || *slot > delivered);
                }
            }
            Record::ViewChange(change) => {
                self.view = change.statement.view;
                self.mode = Mode::Changing { deadline: None };
                self.view_changes.insert(self.voter.id, change);
            }
            Record::NewView(new_view) => {
                let changes = new_view.statement.view_changes.iter().map(|change| &change.statement);
                let start = StartingPoint::compute(changes);
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
        records.extend(self.stable.clone().map(Record::Stable));
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
            if let Some((batch, proof)) = slot.decided_batch() {
                records.push(Record::Decided(batch.clone(), proof.clone()));
            }
        }
        if !self.is_active() {
            records.extend(self.view_changes.get(&self.voter.id).cloned().map(Record::ViewChange));
        }
        records
    }
}
