//! What comes: messages of gates, and the log that decides for their commits.

use std::mem;

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, VerifyingKey};
use jurat_gates::{Advance, CommitTag, Decision, Delivery, Gate, GateId, Packages, Refusal};
use jurat_log::PrivateCommitment;
use rand::rngs::StdRng;

use super::{
    GateChange, GateExchange, GateRow, ItemRefusal, MemberPackages, PlainRow, StorageKey, entry_of,
    held::{GateNote, HeldGate, Said, Unsent, decode_note},
    inviting::Logged,
    spool::{self, Kind},
};
use crate::core::{INBOX_LIFE, MailExchange};

/// How often own changes are handed in again while they wait for the log, in seconds.
const ORDER_SECONDS: u32 = 5;

/// A stretch of the log.
#[derive(Debug, Default)]
pub struct Stretch {
    /// The private commitments in it, with their indices.
    pub commitments: Vec<(u64, PrivateCommitment)>,
    /// The first index behind it; that at which it begins, if the log has no more.
    pub end: u64,
}

impl GateExchange {
    /// An item that a member passed on.
    pub fn arrive(
        &mut self,
        bytes: &[u8],
        from: &VerifyingKey,
        now: UnixSeconds,
    ) -> Result<Digest, ItemRefusal> {
        let id = self.spool.take(bytes, *from.as_bytes(), now).inspect_err(|refusal| {
            if *refusal != ItemRefusal::Again {
                self.counts.refuse(refusal.reason());
            }
        })?;
        self.counts.kept += 1;
        self.dirty_items.insert(id);
        self.sort(id);
        Ok(id)
    }

    /// Puts an item where it will be looked at.
    fn sort(&mut self, id: Digest) {
        match self.spool.undone(&id) {
            Some((Kind::Invitation, _)) => self.untried.push(id),
            Some((Kind::Message(_), _)) => self.unfed.extend(self.spool.until(&id).map(|until| (until, id))),
            None => {}
        }
    }

    /// Whether messages wait to be given to their gates.
    #[must_use]
    pub fn has_unfed(&self) -> bool {
        !self.unfed.is_empty()
    }

    /// Gives what came to the gates, in the order of its times: after an absence it comes in any, and a
    /// gate keeps the keys of so many earlier messages only.
    pub fn feed_new(&mut self, now: UnixSeconds) {
        for (_, id) in mem::take(&mut self.unfed) {
            self.feed(&id, now, true);
        }
    }

    /// Gives a message to its gate, if that is one of this node's and takes it now. One that may have been
    /// given before is not counted when it is refused.
    fn feed(&mut self, id: &Digest, now: UnixSeconds, is_new: bool) {
        let Some((Kind::Message(head), bytes)) = self.spool.undone(id) else { return };
        let Some(held) = self.gates.get_mut(&head.gate) else { return };
        let is_full = held.is_full();
        let Some(gate) = held.gate.as_mut().filter(|_| !is_full) else { return };
        match gate.receive(spool::body(&bytes)) {
            // It is fed again when the gate has moved on.
            Err(Refusal::Full) => {
                self.counts.refuse(Refusal::Full.reason());
                return;
            }
            Err(refusal) => {
                // A commit that stops the gate changes it too.
                held.is_dirty |= matches!(refusal, Refusal::Stopped(_));
                if is_new || matches!(refusal, Refusal::Stopped(_)) {
                    self.counts.refuse(refusal.reason());
                }
            }
            Ok(delivery) => {
                held.is_dirty = true;
                match delivery {
                    Delivery::Waiting => {}
                    Delivery::Post(post) => {
                        let said = Said::Post(post.content);
                        held.note(GateNote { time: now.0, epoch: post.epoch, by: post.author, said });
                        self.counts.posts += 1;
                    }
                    Delivery::Advanced(advance) => {
                        self.set_done(id);
                        self.has_advanced(head.gate, *advance, now);
                    }
                }
            }
        }
        self.set_done(id);
    }

    /// Gives a gate what was kept for it and could not be taken before.
    pub(super) fn feed_again(&mut self, gate: GateId, now: UnixSeconds) {
        // Those of epochs to come are kept here as well as there.
        for id in self.spool.messages(gate, 0) {
            self.feed(&id, now, false);
        }
    }

    fn has_advanced(&mut self, id: GateId, advance: Advance, now: UnixSeconds) {
        let Some(held) = self.gates.get_mut(&id) else { return };
        self.counts.epochs += 1;
        self.counts.posts += advance.posts.len() as u64;
        if let Some(invitation) = &advance.invitation {
            let to = advance.added.iter().map(|key| *key.as_bytes()).collect();
            held.unsent.push(Unsent { to, invitation: invitation.encode() });
        }
        held.note_advance(advance, &self.key.verifying_key(), now.0);
        held.is_dirty = true;
        held.cursor = held.gate.as_ref().map_or(0, Gate::next_place).max(held.cursor);
        if held.gate.take_if(|gate| gate.is_closed()).is_none() {
            self.feed_again(id, now);
        }
    }

    /// Reads the log where it may mean something to a gate of this node, and joins those to which it was
    /// invited. Says whether there is more to read.
    pub fn follow_log<E>(
        &mut self,
        read: impl Fn(u64) -> Result<Stretch, E>,
        now: UnixSeconds,
    ) -> Result<bool, E> {
        let logged = |index| {
            let stretch = read(index)?;
            let first = stretch.commitments.first().filter(|(at, _)| *at == index);
            Ok(match first {
                _ if stretch.end <= index => Logged::NotYet,
                Some((_, entry)) => Logged::Commitment(*entry),
                None => Logged::Other,
            })
        };
        self.join(logged, now)?;
        let following = self.gates.values().filter(|held| held.follows_log());
        let Some(from) = following.map(|held| held.cursor).min() else { return Ok(false) };
        let stretch = read(from)?;
        let ids: Vec<GateId> = self.gates.keys().copied().collect();
        for id in ids {
            self.hear(id, from, &stretch, now);
        }
        Ok(stretch.end > from)
    }

    fn hear(&mut self, id: GateId, from: u64, stretch: &Stretch, now: UnixSeconds) {
        for (index, entry) in &stretch.commitments {
            let Some(held) = self.gates.get_mut(&id).filter(|held| held.follows_log()) else { return };
            let Some(gate) = held.gate.as_mut().filter(|_| *index >= held.cursor) else { continue };
            let tag = CommitTag(*entry.tag.as_bytes());
            match gate.decide(*index, tag, entry.commitment) {
                Ok(Decision::Ignored) => continue,
                // Until its commit comes the log means nothing to the gate.
                Ok(Decision::Waiting) => {}
                Ok(Decision::Advanced(advance)) => {
                    if advance.by == self.key.verifying_key() {
                        held.has_won(&entry.commitment);
                    }
                    self.has_advanced(id, *advance, now);
                }
                Err(_) => self.counts.refuse("stopped"),
            }
            if let Some(held) = self.gates.get_mut(&id) {
                held.is_dirty = true;
            }
        }
        if let Some(held) = self.gates.get_mut(&id).filter(|held| held.follows_log() && held.cursor >= from) {
            held.move_to(stretch.end);
        }
    }

    /// Does what is due.
    pub fn wake(&mut self, mail: &MailExchange, now: UnixSeconds, entropy: &mut StdRng) {
        let over = self.spool.expire(now);
        self.changes.extend(over.iter().map(|id| PlainRow::removed(GateRow::Item(*id))));
        self.gone.extend(over);
        self.erase_unread(now);
        self.refill(now, entropy);
        self.settle_invitations(mail, now, entropy);
        if self.is_member && now.0 >= self.order_at {
            self.order_at = now.0.saturating_add(ORDER_SECONDS);
            let gates = self.gates.values().filter_map(|held| held.gate.as_ref());
            self.order.extend(gates.filter_map(|gate| gate.proposed().as_ref().map(entry_of)));
        }
    }

    /// Erases what nobody has read for as long as letters wait.
    fn erase_unread(&mut self, now: UnixSeconds) {
        let old = |note: &GateNote| note.time.saturating_add(INBOX_LIFE) < now.0;
        let waiting = self.gates.iter().filter_map(|(id, held)| {
            let last = held.notes.iter().take_while(|(_, note)| old(note)).last()?;
            Some((*id, *last.0))
        });
        for (id, through) in waiting.collect::<Vec<_>>() {
            // It is there.
            let _ = self.has_read(&id, through, now);
        }
    }

    /// Takes back the keys that seal rows, and what was stored. What can't be read stays on the disk.
    /// Gives the number of rows that can't.
    pub fn restore(
        &mut self,
        keys: Vec<StorageKey>,
        rows: Vec<(GateRow, Vec<u8>)>,
        now: UnixSeconds,
    ) -> usize {
        for key in keys {
            self.rows.add(key);
        }
        let (mut notes, mut unreadable) = (Vec::new(), 0);
        for (row, value) in rows {
            let Some(value) = self.rows.open(&row, &value) else {
                unreadable += 1;
                continue;
            };
            let is_read = match row {
                GateRow::Item(id) => {
                    if self.spool.restore(id, &value, now) {
                        self.sort(id);
                    } else {
                        self.changes.push(PlainRow::removed(row));
                    }
                    true
                }
                GateRow::Gate(id) => {
                    HeldGate::decode(&value).is_some_and(|held| self.gates.insert(id, held).is_none())
                }
                GateRow::Note(_) => decode_note(&value).map(|note| notes.push(note)).is_some(),
                GateRow::OwnPackages => Packages::from_bytes(&value).map(|own| self.packages = own).is_ok(),
                GateRow::MemberPackages(owner) => MemberPackages::decode(&value, &owner, self.network)
                    .is_some_and(|known| self.known.insert(owner, known).is_none()),
            };
            unreadable += usize::from(!is_read);
        }
        for (gate, number, note) in notes {
            match self.gates.get_mut(&gate) {
                Some(held) => held.restore_note(number, note),
                // A gate goes with its notes, so its own row can't be read.
                None => unreadable += 1,
            }
        }
        self.packages_to_publish = true;
        unreadable
    }

    /// Whether rows should be sealed with a new key, and its number.
    #[must_use]
    pub fn wants_storage_key(&self, now: UnixSeconds) -> Option<u32> {
        self.rows.wants_new(now.0)
    }

    /// Seals all rows with a new key, which the caller has stored. Once the next changes are durable, the
    /// former keys are to be erased.
    pub fn use_storage_key(&mut self, key: StorageKey) {
        self.rows.add(key);
        self.packages_dirty = true;
        for (id, held) in &mut self.gates {
            self.changes.extend(held.rows(id, true));
        }
        self.rows.keep_last();
    }

    /// What is to be stored by now.
    pub fn take_changes(&mut self, entropy: &mut StdRng) -> Vec<GateChange> {
        for (id, held) in &mut self.gates {
            self.changes.extend(held.rows(id, false));
        }
        let items = mem::take(&mut self.dirty_items);
        self.changes.extend(items.iter().filter_map(|id| self.spool.row(id)));
        if mem::take(&mut self.packages_dirty) {
            let own = self.packages.to_bytes().to_vec();
            self.changes.push(PlainRow::open(GateRow::OwnPackages, own));
        }
        let changes = mem::take(&mut self.changes);
        changes.into_iter().filter_map(|change| self.rows.seal(change, entropy)).collect()
    }

    /// What is to be ordered by now.
    pub fn take_order(&mut self) -> Vec<PrivateCommitment> {
        mem::take(&mut self.order)
    }

    /// Items of this node that are to be spread.
    pub fn take_fresh(&mut self) -> Vec<Digest> {
        mem::take(&mut self.fresh)
    }

    /// Items that are gone.
    pub fn take_gone(&mut self) -> Vec<Digest> {
        mem::take(&mut self.gone)
    }

    /// Whether this node's packages are to be told to all members.
    pub fn take_publish(&mut self) -> bool {
        mem::take(&mut self.packages_to_publish)
    }

    /// The items that are kept.
    pub fn items(&self) -> impl Iterator<Item = Digest> {
        self.spool.names()
    }

    /// One of them.
    #[must_use]
    pub fn item(&self, id: &Digest) -> Option<std::sync::Arc<[u8]>> {
        self.spool.bytes(id)
    }
}
