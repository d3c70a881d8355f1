//! What the replica asks for, and executing what it decides.

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, UnixMillis};
use jurat_pbft::{
    Batch, Change, CommitProof, Decision, Input, MAX_LINKS_AHEAD, Message, Outbound, Ready, Recipient,
    Sequence, StateDigest,
};
use jurat_trust::OrderedTime;

use super::{Core, folding::Folded};
use crate::core::{
    Appended, Frame, Halt, Ledger, LedgerError, Record, RegistryStep, Sealed, recovery::Executed,
    state_digest,
};

impl<L: Ledger> Core<L> {
    /// Steps the replica and carries out what it asks for.
    pub(super) fn consensus(&mut self, input: Input) {
        self.replica.step(self.now, input);
        let ready = self.replica.take_ready();
        self.carry_out(ready);
    }

    pub(in crate::core) fn carry_out(&mut self, ready: Ready) {
        // Every decision is kept, so no state is ever fetched.
        let Ready { records, messages, sealed, wanted, decisions, serve, links, evidence, halt, .. } = ready;
        // Handed out even by who must stop: then it matters most.
        self.counters.evidence += evidence.len() as u64;
        self.effects.evidence.extend(evidence);
        if let Some(halt) = halt {
            return self.halt(halt);
        }
        self.effects.records.extend(records.into_iter().map(Record::Consensus));
        let frame = |Outbound { to, message }| (to, Frame::Consensus(message));
        self.effects.frames.extend(messages.into_iter().map(frame));
        self.effects.sealed.extend(sealed.into_iter().map(frame).map(|(to, frame)| Sealed::Send(to, frame)));
        if let Err(halt) = self.on_links(links) {
            return self.halt(halt);
        }
        for range in serve {
            let from = Sequence(range.from.0.saturating_sub(1));
            let links: Vec<_> = self.links_from(from).take(MAX_LINKS_AHEAD).cloned().collect();
            let links = links.into_iter().map(|link| Frame::Consensus(Message::Epoch(link)));
            self.effects.frames.extend(links.map(|frame| (Recipient::One(range.to), frame)));
            for sequence in range.from.0..=range.through.0 {
                match self.executed_at(Sequence(sequence)) {
                    Ok(Some((batch, proof))) => {
                        let message = Message::Decided(batch, proof);
                        self.effects.frames.push((Recipient::One(range.to), Frame::Consensus(message)));
                    }
                    Ok(None) => {}
                    Err(error) => return self.halt(error),
                }
            }
        }
        self.decisions.extend(decisions);
        for want in wanted {
            self.fetch(want);
        }
    }

    /// Executes what is decided, as far as the log has room. The replica's window bounds the rest.
    ///
    /// The replica gives one decision at a time, so each execution brings the next; after a restart
    /// there may be thousands. They are done here in turn, never within each other.
    pub(in crate::core) fn execute_decisions(&mut self) {
        while self.effects.halt.is_none()
            && self.ledger.has_room()
            && let Some(decision) = self.decisions.pop_front()
        {
            let sequence = decision.sequence;
            match self.execute(decision) {
                Ok((state, None)) => self.consensus(Input::Executed(sequence, state)),
                Ok((state, Some(change))) => self.consensus(Input::EpochEnded(sequence, state, change)),
                Err(halt) => return self.halt(halt),
            }
        }
    }

    /// Appends a decided batch to the log and signs the checkpoint that follows from it. Gives the
    /// state after it, and how it changes the council if it does.
    pub(super) fn execute(&mut self, decision: Decision) -> Result<(StateDigest, Option<Change>), Halt> {
        let Decision { sequence, time, batch, proof } = decision;
        let entries = self.take_bodies(&batch)?;
        let bodies = entries.iter().map(|entry| entry.bytes().clone()).collect();
        let time = UnixMillis(time.0);
        let Folded { logged, refused, operations } =
            if batch.is_null() { Folded::default() } else { self.fold(sequence, time, entries) };
        self.counters.executed_batches += 1;
        self.counters.executed_entries += logged.len() as u64;
        let executed = Executed { batch, proof, entries: bodies };
        let change = self.change_in(&logged);
        let leaves: Vec<Digest> = logged.iter().map(|entry| *entry.leaf()).collect();
        let appended = self.ledger.append(sequence.0, time, executed.to_record(), logged)?;
        self.unstored.insert(sequence, executed);
        self.effects.refused.extend(refused);
        if !leaves.is_empty() {
            let stamp = BatchStamp {
                epoch: self.history.council().epoch().0,
                sequence: sequence.0,
                time,
                registry: self.registry.digest(),
            };
            self.stamp = Some(stamp);
            let at = OrderedTime(time.0);
            let Appended { size, root } = appended;
            self.effects.registry.push(RegistryStep { time: at, operations, size, root });
            self.cosign(appended.size, appended.root, stamp)?;
            self.effects.executed.push((leaves, appended.size));
        }
        let state = state_digest(appended.size, &appended.root, &self.registry.digest());
        let change = change.map(|(change, authorised)| {
            self.note_ending(sequence, &change, appended.size, appended.root);
            authorised
        });
        self.go_to_next_epoch()?;
        Ok((state, change))
    }

    /// What was decided and executed as a sequence; its entries are in the log.
    pub(super) fn executed_at(
        &self,
        sequence: Sequence,
    ) -> Result<Option<(Batch, CommitProof)>, LedgerError> {
        let Some(record) = self.ledger.record(sequence.0)? else { return Ok(None) };
        Executed::of_record(&record)
            .map(Some)
            .map_err(|error| LedgerError(format!("the record of sequence {sequence} is damaged: {error}")))
    }
}
