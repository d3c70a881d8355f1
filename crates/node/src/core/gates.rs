//! Gates in a node: private groups whose changes the council orders.
//!
//! What a gate's member sends goes to all members of the council. They keep it for a week for whoever
//! is away ([`spool`]) and can't read it. What is for a gate of this node is opened when it comes, for
//! its key is gone after that; what it says waits for its reader, sealed by a key of this node's disk
//! alone ([`rows`]).
//!
//! A change of a gate is a commit, which counts once the log has its place ([`following`]). Who is
//! added gets an invitation that only its node can open ([`inviting`]).

mod following;
mod held;
mod inviting;
mod key_packages;
mod refusal;
mod rows;
mod spool;

use std::collections::{BTreeMap, BTreeSet};

use jurat_bulletin::UnixSeconds;
use jurat_crypto::{Digest, NetworkId, SigningKey, VerifyingKey};
use jurat_gates::{Gate, GateError, GateId, GateName, Packages, Proposed, Stopped};
use jurat_log::PrivateCommitment;
use rand::rngs::StdRng;

use super::MailExchange;
pub use following::Stretch;
use held::HeldGate;
pub use held::{GateNote, MAX_UNREAD, MAX_UNREAD_BYTES, Said};
use inviting::Joining;
use key_packages::MemberPackages;
pub use refusal::{ItemRefusal, NotDone};
pub use rows::{GateChange, GateRow, STORAGE_KEY_LIFE, StorageKey};
use rows::{PlainRow, SealedRows};
use spool::Spool;
pub use spool::{ITEM_LIFE, MAX_ITEM_BYTES_OF_ONE, MAX_ITEMS_OF_ONE};

/// The most gates of one node.
pub const MAX_GATES: usize = 64;

/// What was counted since the start.
#[derive(Debug, Clone, Default)]
pub struct GateCounts {
    /// Messages and invitations that were taken for this node and others.
    pub kept: u64,
    /// Posts that were opened for this node's reader.
    pub posts: u64,
    /// Epochs that began in this node's gates.
    pub epochs: u64,
    /// Invitations that let this node in.
    pub joined: u64,
    /// What was not taken or not opened, by reason.
    pub refused: BTreeMap<&'static str, u64>,
}

impl GateCounts {
    fn refuse(&mut self, reason: &'static str) {
        *self.refused.entry(reason).or_default() += 1;
    }
}

/// A gate, as its node's owner is shown it.
#[derive(Debug, Clone)]
pub struct GateView {
    /// Names it.
    pub id: GateId,
    /// What its members call it.
    pub name: GateName,
    /// How it is.
    pub state: GateState,
    /// How much waits for the reader.
    pub unread: usize,
}

/// What became of a change that this node proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It waits for its place in the log.
    Waits,
    /// It took effect.
    Counts,
    /// Another change of the epoch was first.
    Lost,
}

/// How a gate is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GateState {
    /// This node is a member.
    Open {
        /// The present epoch.
        epoch: u64,
        /// Its members.
        members: Vec<VerifyingKey>,
        /// Whether a change by this node waits for the log.
        proposed: bool,
        /// Whether the log has decided for a change that has not come.
        awaits_commit: bool,
    },
    /// It can't go on.
    Stopped(Stopped),
    /// This node was removed.
    Removed,
}

/// The gates of a node, and what it keeps for those of others.
#[derive(Debug)]
pub struct GateExchange {
    network: NetworkId,
    key: SigningKey,
    is_member: bool,
    /// The members of the council, by link key, this node among them if it is one.
    members: BTreeSet<[u8; 32]>,
    gates: BTreeMap<GateId, HeldGate>,
    packages: Packages,
    known: BTreeMap<[u8; 32], MemberPackages>,
    spool: Spool,
    /// Items that differ from what is stored.
    dirty_items: BTreeSet<Digest>,
    /// Messages that came and were not given to their gates yet, by time.
    unfed: BTreeSet<(UnixSeconds, Digest)>,
    /// Invitations that nobody has tried to open yet, and those for this node that wait for the log.
    untried: Vec<Digest>,
    joining: BTreeMap<Digest, Joining>,
    rows: SealedRows,
    packages_dirty: bool,
    packages_to_publish: bool,
    /// When own changes that wait for the log are handed in again.
    order_at: u32,
    counts: GateCounts,
    changes: Vec<PlainRow>,
    order: Vec<PrivateCommitment>,
    /// Items of this node, to be spread.
    fresh: Vec<Digest>,
    /// Items that are gone.
    gone: Vec<Digest>,
}

impl GateExchange {
    /// No gates yet. Nothing is stored before there is a key to seal it with.
    #[must_use]
    pub fn new(network: NetworkId, key: SigningKey) -> Self {
        let packages = Packages::new(network, key.verifying_key());
        Self {
            network,
            key,
            is_member: false,
            members: BTreeSet::new(),
            gates: BTreeMap::new(),
            packages,
            known: BTreeMap::new(),
            spool: Spool::default(),
            dirty_items: BTreeSet::new(),
            unfed: BTreeSet::new(),
            untried: Vec::new(),
            joining: BTreeMap::new(),
            rows: SealedRows::default(),
            packages_dirty: false,
            packages_to_publish: false,
            order_at: 0,
            counts: GateCounts::default(),
            changes: Vec::new(),
            order: Vec::new(),
            fresh: Vec::new(),
            gone: Vec::new(),
        }
    }

    /// Who may pass items on: the members of the present council.
    pub fn set_members<'a>(&mut self, is_member: bool, others: impl Iterator<Item = &'a VerifyingKey>) {
        let own = is_member.then(|| self.key.verifying_key());
        self.is_member = is_member;
        self.members = others.copied().chain(own).map(|key| *key.as_bytes()).collect();
    }

    /// Makes a gate with this node as its only member.
    pub fn create(&mut self, name: &str, log_size: u64, entropy: &mut StdRng) -> Result<GateId, NotDone> {
        let name = GateName::new(name).ok_or(NotDone::Name)?;
        self.may_act()?;
        if self.gates.len() >= MAX_GATES {
            return Err(NotDone::TooManyGates);
        }
        if self.gates.values().any(|held| held.name == name) {
            return Err(NotDone::NameInUse);
        }
        let gate = Gate::create(self.network, name, &self.key, entropy)?;
        let id = gate.id();
        // Nothing that is in the log already can be about it.
        self.gates.insert(id, HeldGate::new(gate, log_size));
        Ok(id)
    }

    /// Proposes to add members of the council.
    pub fn invite(
        &mut self,
        id: &GateId,
        invited: &[VerifyingKey],
        mail: &MailExchange,
        now: UnixSeconds,
        entropy: &mut StdRng,
    ) -> Result<Digest, NotDone> {
        let held = self.gates.get(id).ok_or(NotDone::NoSuchGate)?;
        let inside = held.gate.as_ref().ok_or(GateError::Closed)?.members();
        let mut packages = Vec::new();
        for key in invited {
            if inside.contains(key) {
                return Err(GateError::Member.into());
            }
            if !self.members.contains(key.as_bytes()) {
                return Err(NotDone::Nobody);
            }
            mail.key_for_invitations(key, now).ok_or(NotDone::NoPrekey)?;
            let known = self.known.get(key.as_bytes());
            let package = known.and_then(|known| known.choose(self.key.verifying_key(), now));
            packages.push(package.ok_or(NotDone::NoPackage)?.clone());
        }
        let proposed = self.propose(id, now, |gate, key| gate.invite(&packages, now.0, key, entropy))?;
        for package in &packages {
            self.use_up(package);
        }
        Ok(proposed)
    }

    /// Proposes to remove members.
    pub fn remove(
        &mut self,
        id: &GateId,
        removed: &[VerifyingKey],
        now: UnixSeconds,
        entropy: &mut StdRng,
    ) -> Result<Digest, NotDone> {
        self.propose(id, now, |gate, key| gate.remove(removed, key, entropy))
    }

    /// Proposes new keys for this node.
    pub fn rotate(&mut self, id: &GateId, now: UnixSeconds, entropy: &mut StdRng) -> Result<Digest, NotDone> {
        self.propose(id, now, |gate, key| gate.rotate(key, entropy))
    }

    /// Says something to all members.
    pub fn post(
        &mut self,
        id: &GateId,
        content: &[u8],
        now: UnixSeconds,
        entropy: &mut StdRng,
    ) -> Result<(), NotDone> {
        self.may_act()?;
        self.spool.has_room(self.key.verifying_key().as_bytes()).map_err(|_| NotDone::Full)?;
        let key = &self.key;
        let held = self.gates.get_mut(id).ok_or(NotDone::NoSuchGate)?;
        let message = held.gate.as_mut().ok_or(GateError::Closed)?.post(content, key, entropy)?;
        held.is_dirty = true;
        self.keep_own(spool::MESSAGE, &message, now);
        Ok(())
    }

    /// Drops a gate with all that waits in it, without a word to its other members.
    pub fn forget(&mut self, id: &GateId) -> Result<(), NotDone> {
        let held = self.gates.remove(id).ok_or(NotDone::NoSuchGate)?;
        self.changes.extend(held.notes.keys().map(|number| PlainRow::removed(GateRow::note(id, *number))));
        self.changes.push(PlainRow::removed(GateRow::Gate(*id)));
        self.drop_invitations(id, held.cursor);
        Ok(())
    }

    /// What waits for the reader behind a number, in order; at least one if there is any, and not much
    /// more than so many bytes.
    pub fn read(&self, id: &GateId, after: u64, bytes: usize) -> Result<Vec<(u64, GateNote)>, NotDone> {
        let held = self.gates.get(id).ok_or(NotDone::NoSuchGate)?;
        let (mut taken, mut notes) = (0, Vec::new());
        for (number, note) in held.notes.range(after.saturating_add(1)..) {
            taken += note.bytes();
            if taken > bytes && !notes.is_empty() {
                break;
            }
            notes.push((*number, note.clone()));
        }
        Ok(notes)
    }

    /// The reader has what waits up to a number: it is erased, and makes room for more.
    pub fn has_read(&mut self, id: &GateId, through: u64, now: UnixSeconds) -> Result<(), NotDone> {
        let held = self.gates.get_mut(id).ok_or(NotDone::NoSuchGate)?;
        let was_full = held.is_full();
        for number in held.erase(through) {
            self.changes.push(PlainRow::removed(GateRow::note(id, number)));
        }
        if was_full {
            self.feed_again(*id, now);
        }
        Ok(())
    }

    /// The gate that is called so, or whose id begins so.
    pub fn find(&self, named: &str) -> Result<GateId, NotDone> {
        let named_so = |(id, held): (&GateId, &HeldGate)| (held.name.as_str() == named).then_some(*id);
        let begins_so = |id: &GateId| named.len() >= 8 && id.0.to_string().starts_with(named);
        let mut found: Vec<GateId> = self.gates.iter().filter_map(named_so).collect();
        if found.is_empty() {
            found = self.gates.keys().copied().filter(begins_so).collect();
        }
        match found[..] {
            [id] => Ok(id),
            [] => Err(NotDone::NoSuchGate),
            _ => Err(NotDone::Ambiguous),
        }
    }

    /// All gates of this node.
    pub fn views(&self) -> impl Iterator<Item = GateView> {
        self.gates.iter().map(|(id, held)| held.view(*id))
    }

    /// One of them.
    #[must_use]
    pub fn view(&self, id: &GateId) -> Option<GateView> {
        self.gates.get(id).map(|held| held.view(*id))
    }

    /// What became of a change that this node proposed not long ago, by its commitment.
    pub fn outcome(&self, id: &GateId, change: &Digest) -> Result<Outcome, NotDone> {
        let held = self.gates.get(id).ok_or(NotDone::NoSuchGate)?;
        let proposed = held.gate.as_ref().and_then(Gate::proposed);
        Ok(if proposed.is_some_and(|proposed| proposed.commitment == *change) {
            Outcome::Waits
        } else if held.won.contains(change.as_bytes()) {
            Outcome::Counts
        } else {
            Outcome::Lost
        })
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> &GateCounts {
        &self.counts
    }

    /// How many items are kept for whoever needs them.
    #[must_use]
    pub fn kept(&self) -> usize {
        self.spool.len()
    }

    /// Whether something waits for the log, so that it should be looked at soon.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        let waits = |held: &HeldGate| held.gate.as_ref().is_some_and(|gate| gate.proposed().is_some());
        !self.joining.is_empty() || self.gates.values().any(waits)
    }

    fn propose(
        &mut self,
        id: &GateId,
        now: UnixSeconds,
        propose: impl FnOnce(&mut Gate, &SigningKey) -> Result<Proposed, GateError>,
    ) -> Result<Digest, NotDone> {
        self.may_act()?;
        self.spool.has_room(self.key.verifying_key().as_bytes()).map_err(|_| NotDone::Full)?;
        let held = self.gates.get_mut(id).ok_or(NotDone::NoSuchGate)?;
        let proposed = propose(held.gate.as_mut().ok_or(GateError::Closed)?, &self.key)?;
        held.is_dirty = true;
        self.order.push(entry_of(&proposed));
        self.keep_own(spool::MESSAGE, &proposed.message, now);
        Ok(proposed.commitment)
    }

    /// Nothing is left to do with an item but to keep it.
    fn set_done(&mut self, id: &Digest) {
        self.spool.set_done(id);
        self.dirty_items.insert(*id);
    }

    const fn may_act(&self) -> Result<(), NotDone> {
        if self.is_member { Ok(()) } else { Err(NotDone::NoMember) }
    }

    /// Keeps an item of this node's own, to be spread once it is durable.
    fn keep_own(&mut self, kind: u8, body: &[u8], now: UnixSeconds) {
        let bytes = spool::encode(now, kind, body);
        let own = *self.key.verifying_key().as_bytes();
        // There was room, and what is made here has the right shape.
        if let Ok(id) = self.spool.take(&bytes, own, now) {
            self.counts.kept += 1;
            self.set_done(&id);
            self.fresh.push(id);
        }
    }
}

/// The entry of a commit.
fn entry_of(proposed: &Proposed) -> PrivateCommitment {
    PrivateCommitment { commitment: proposed.commitment, tag: Digest::from_bytes(proposed.tag.0) }
}

#[cfg(test)]
mod tests;
