//! How gates go over the links: their messages as bulletins do, key packages as prekeys.

use jurat_crypto::{Digest, VerifyingKey};
use jurat_gates::GateId;
use jurat_pbft::{Now, ReplicaId};

use super::{
    BulletinExchange, BulletinMessage,
    item::{self, GATE_ITEM, Item},
    unix_seconds,
};
use crate::core::{EntryBytes, GateExchange, GateNote, GateRow, NotDone, StorageKey, Stretch};

/// While something waits for the log, it is looked at so often, in milliseconds.
const WAITING_MILLIS: u64 = 100;

/// How long what came waits at most for the end of a reconciliation, in milliseconds.
const UNFED_MILLIS: u64 = 10_000;

impl BulletinExchange {
    /// Takes back what is stored of gates, once the council is set. Gives the number of rows that can't be
    /// read.
    pub fn restore_gates(&mut self, now: Now, keys: Vec<StorageKey>, rows: Vec<(GateRow, Vec<u8>)>) -> usize {
        let unreadable = self.gates.restore(keys, rows, unix_seconds(now));
        self.items.extend(self.gates.items().map(|id| (id, Item::Gate(id))));
        unreadable
    }

    /// Whether rows of gates should be sealed with a new key, and its number.
    #[must_use]
    pub fn wants_storage_key(&self, now: Now) -> Option<u32> {
        self.gates.wants_storage_key(unix_seconds(now))
    }

    /// Seals the rows of gates with a new key, which the caller has stored.
    pub fn use_storage_key(&mut self, key: StorageKey) {
        self.gates.use_storage_key(key);
    }

    /// Makes a gate with this node as its only member. The log has so many entries.
    pub fn create_gate(&mut self, name: &str, log_size: u64) -> Result<GateId, NotDone> {
        self.gates.create(name, log_size, &mut self.entropy)
    }

    /// Proposes to add members of the council; gives the commitment to the change.
    pub fn invite(&mut self, gate: &GateId, invited: &[VerifyingKey], now: Now) -> Result<Digest, NotDone> {
        self.gates.invite(gate, invited, &self.mail, unix_seconds(now), &mut self.entropy)
    }

    /// Proposes to remove members; gives the commitment to the change.
    pub fn remove(&mut self, gate: &GateId, removed: &[VerifyingKey], now: Now) -> Result<Digest, NotDone> {
        self.gates.remove(gate, removed, unix_seconds(now), &mut self.entropy)
    }

    /// Proposes new keys for this node; gives the commitment to the change.
    pub fn rotate(&mut self, gate: &GateId, now: Now) -> Result<Digest, NotDone> {
        self.gates.rotate(gate, unix_seconds(now), &mut self.entropy)
    }

    /// Says something to all members of a gate.
    pub fn post_to_gate(&mut self, gate: &GateId, content: &[u8], now: Now) -> Result<(), NotDone> {
        self.gates.post(gate, content, unix_seconds(now), &mut self.entropy)
    }

    /// The reader has what waits in a gate up to a number.
    pub fn has_read(&mut self, gate: &GateId, through: u64, now: Now) -> Result<(), NotDone> {
        self.gates.has_read(gate, through, unix_seconds(now))
    }

    /// Drops a gate with all that waits in it.
    pub fn forget_gate(&mut self, gate: &GateId) -> Result<(), NotDone> {
        self.gates.forget(gate)
    }

    /// What waits in a gate behind a number, not much more than so many bytes.
    pub fn read_gate(
        &self,
        gate: &GateId,
        after: u64,
        bytes: usize,
    ) -> Result<Vec<(u64, GateNote)>, NotDone> {
        self.gates.read(gate, after, bytes)
    }

    /// Reads the log where it may mean something to a gate of this node. Says whether there is more.
    pub fn follow_log<E>(&mut self, read: impl Fn(u64) -> Result<Stretch, E>, now: Now) -> Result<bool, E> {
        self.gates.follow_log(read, unix_seconds(now))
    }

    /// The gates.
    #[must_use]
    pub const fn gates(&self) -> &GateExchange {
        &self.gates
    }

    /// A member's key packages, which only it itself tells.
    pub(super) fn hear_packages(&mut self, from: ReplicaId, packages: &[EntryBytes], now: Now) {
        let Some(owner) = self.neighbours.get(&from).map(|neighbour| neighbour.key) else { return };
        if self.gates.learn_packages(&owner, packages).is_err() {
            self.sent_bad(from, now);
        }
    }

    /// Does what is due, and passes on what this node's owner has said.
    pub(super) fn wake_gates(&mut self, now: Now) {
        // What is being fetched comes in any order.
        if !self.gates.has_unfed() {
            self.feed_by = now.elapsed + UNFED_MILLIS;
        } else if !self.catching_up.is_under_way() || now.elapsed >= self.feed_by {
            self.gates.feed_new(unix_seconds(now));
        }
        self.gates.wake(&self.mail, unix_seconds(now), &mut self.entropy);
        for id in self.gates.take_gone() {
            self.items.remove(&id);
        }
        for id in self.gates.take_fresh() {
            self.items.insert(id, Item::Gate(id));
            let Some((spreader, bytes)) = self.spreader.as_mut().zip(self.gates.item(&id)) else { continue };
            let body = item::body(GATE_ITEM, &bytes);
            // What the spool takes is never longer than what is spread.
            let outputs = spreader.broadcast(body.into(), now.elapsed).map(|(_, outputs)| outputs);
            self.carry_out(outputs.unwrap_or_default(), now);
        }
        if self.gates.take_publish() {
            self.send_to_all(&BulletinMessage::Packages(self.gates.published(unix_seconds(now))));
        }
    }

    /// When gates need to be looked at next, at the latest.
    pub(super) fn next_gates(&self, now: Now) -> u64 {
        if self.gates.is_waiting() { now.elapsed + WAITING_MILLIS } else { u64::MAX }
    }
}
