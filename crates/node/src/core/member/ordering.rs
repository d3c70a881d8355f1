//! What the replica asks for, and executing what it decides.

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, UnixMillis};
use jurat_pbft::{
    Change, Decision, Input, MAX_LINKS_AHEAD, Message, Outbound, Ready, Recipient, RequestDigest, Sequence,
    StateDigest,
};
use jurat_trust::OrderedTime;

use super::Core;
use crate::{
    codec,
    core::{Frame, Halt, Ledger, LedgerError, Record, Sealed, recovery::Executed, state_digest},
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
                match self.decided(Sequence(sequence)) {
                    Ok(Some(message)) => {
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
        let mut entries = Vec::with_capacity(batch.requests.len());
        for RequestDigest(leaf) in &batch.requests {
            if self.ledger.index_of(leaf)?.is_some() {
                self.counters.duplicate_entries += 1;
                self.pool.remove(leaf);
                continue;
            }
            let entry = self.pool.remove(leaf).ok_or(Halt::MissingEntry(*leaf))?;
            entries.push(entry);
        }
        if !batch.is_null() {
            // The replica's times only go forward.
            let _ = self.registry.advance(OrderedTime(time.0));
            self.registry.settle();
        }
        self.counters.executed_batches += 1;
        self.counters.executed_entries += entries.len() as u64;
        let executed =
            Executed { batch, proof, entries: entries.iter().map(|entry| entry.bytes().clone()).collect() };
        let change = self.change_in(&entries);
        let leaves: Vec<Digest> = entries.iter().map(|entry| *entry.leaf()).collect();
        let appended = self.ledger.append(sequence.0, UnixMillis(time.0), executed.to_record(), entries)?;
        self.unstored.insert(sequence, executed);
        if !leaves.is_empty() {
            let stamp = BatchStamp {
                epoch: self.history.council().epoch().0,
                sequence: sequence.0,
                time: UnixMillis(time.0),
                registry: self.registry.digest(),
            };
            self.stamp = Some(stamp);
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

    /// The decision of a sequence, for a member that falls behind.
    pub(super) fn decided(&self, sequence: Sequence) -> Result<Option<Message>, LedgerError> {
        let Some(record) = self.ledger.record(sequence.0)? else { return Ok(None) };
        let decided: Executed = codec::decode(&record)
            .map_err(|error| LedgerError(format!("the record of sequence {sequence} is damaged: {error}")))?;
        Ok(Some(Message::Decided(decided.batch, decided.proof)))
    }
}
