//! What the replica asks for, and executing what it decides.

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, TreeSize, UnixMillis};
use jurat_pbft::{
    Decision, Input, Message, Outbound, Ready, Recipient, RequestDigest, Sequence, StateDigest,
};
use jurat_trust::OrderedTime;

use super::Core;
use crate::{
    codec,
    core::{Frame, Halt, Ledger, LedgerError, Record, Sealed, recovery::Executed},
};

impl<L: Ledger> Core<L> {
    /// Steps the replica and carries out what it asks for.
    pub(super) fn consensus(&mut self, input: Input) {
        self.replica.step(self.now, input);
        let ready = self.replica.take_ready();
        self.carry_out(ready);
    }

    pub(in crate::core) fn carry_out(&mut self, ready: Ready) {
        let Ready { records, messages, sealed, wanted, decisions, serve, evidence, halt } = ready;
        if let Some(halt) = halt {
            return self.halt(halt);
        }
        self.effects.records.extend(records.into_iter().map(Record::Consensus));
        let frame = |Outbound { to, message }| (to, Frame::Consensus(message));
        self.effects.frames.extend(messages.into_iter().map(frame));
        self.effects.sealed.extend(sealed.into_iter().map(frame).map(|(to, frame)| Sealed::Send(to, frame)));
        self.effects.evidence.extend(evidence);
        for range in serve {
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
        self.execute_decisions();
        for want in wanted {
            self.fetch(want);
        }
    }

    /// Executes what is decided, as far as the log has room. The replica's window bounds the rest.
    pub(super) fn execute_decisions(&mut self) {
        while self.ledger.has_room()
            && let Some(decision) = self.decisions.pop_front()
        {
            let sequence = decision.sequence;
            match self.execute(decision) {
                Ok(state) => self.consensus(Input::Executed(sequence, state)),
                Err(halt) => return self.halt(halt),
            }
        }
    }

    /// Appends a decided batch to the log and signs the checkpoint that follows from it.
    pub(super) fn execute(&mut self, decision: Decision) -> Result<StateDigest, Halt> {
        let Decision { sequence, time, batch, proof } = decision;
        let mut entries = Vec::with_capacity(batch.requests.len());
        for RequestDigest(leaf) in &batch.requests {
            if self.ledger.index_of(leaf)?.is_some() {
                self.counters.duplicate_entries += 1;
                self.pool.remove(leaf);
                continue;
            }
            let entry = self.pool.remove(leaf).ok_or(Halt::MissingEntry(*leaf))?;
            entries.push((*leaf, entry));
        }
        if !batch.is_null() {
            // The replica's times only go forward.
            let _ = self.registry.advance(OrderedTime(time.0));
        }
        self.counters.executed_batches += 1;
        self.counters.executed_entries += entries.len() as u64;
        let executed =
            Executed { batch, proof, entries: entries.iter().map(|(_, entry)| entry.clone()).collect() };
        let leaves: Vec<Digest> = entries.iter().map(|(leaf, _)| *leaf).collect();
        let appended = self.ledger.append(sequence.0, executed.to_record(), entries)?;
        self.unstored.insert(sequence, executed);
        if !leaves.is_empty() {
            let stamp = BatchStamp {
                epoch: self.replica.council().epoch().0,
                sequence: sequence.0,
                time: UnixMillis(time.0),
                registry: self.registry.digest(),
            };
            self.stamp = Some(stamp);
            self.cosign(appended.size, appended.root, stamp)?;
            self.effects.executed.push((leaves, appended.size));
        }
        Ok(self.state_digest(appended.size, &appended.root))
    }

    /// SHA-256 of the label `jurat/v1/state` and LF, the log's size (8 bytes, big-endian) and root,
    /// and the registry's digest.
    pub(super) fn state_digest(&self, size: TreeSize, root: &Digest) -> StateDigest {
        let (size, registry) = (size.value().to_be_bytes(), self.registry.digest());
        StateDigest(Digest::of_parts(&[b"jurat/v1/state\n", &size, root.as_bytes(), registry.as_bytes()]))
    }

    /// The decision of a sequence, for a member that falls behind.
    pub(super) fn decided(&self, sequence: Sequence) -> Result<Option<Message>, LedgerError> {
        let Some(record) = self.ledger.record(sequence.0)? else { return Ok(None) };
        let decided: Executed = codec::decode(&record)
            .map_err(|error| LedgerError(format!("the record of sequence {sequence} is damaged: {error}")))?;
        Ok(Some(Message::Decided(decided.batch, decided.proof)))
    }
}
