//! The composed state machine of one member.

mod certifying;
mod changing;
mod entries;
mod folding;
mod housekeeping;
mod ordering;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jurat_crypto::{Digest, KeyUse, Seed};
use jurat_gossip::Budget;
use jurat_log::{BatchStamp, TreeSize};
use jurat_pbft::{Decision, EpochLink, Input, Now, Recipient, Replica, ReplicaId, Sequence};
use jurat_trust::Registry;

use super::{
    CouncilHistory, Effects, Event, Frame, Genesis, Halt, Ledger, Limits,
    cosigning::{Cosigning, Mark},
    electorate::Electorate,
    pool::Pool,
    recovery::{Executed, Position, StateToStore},
};
pub(super) use changing::Ending;
pub use changing::Standing;
pub use folding::judge_attestor;

/// The secrets of a member.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The seed from which all its keys follow.
    pub seed: Seed,
}

/// What was not done, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries from members that failed a check.
    pub bad_entries: u64,
    /// Entries from members that were not taken because too many wait.
    pub overflowed_entries: u64,
    /// Private commitments that were not taken because a member hands in too many.
    pub overflowed_commitments: u64,
    /// Entries from members that were known already.
    pub repeated_entries: u64,
    /// Requests for entries that were not answered because the member asks for too many.
    pub refused_fetches: u64,
    /// Signatures on checkpoints that did not hold.
    pub bad_signatures: u64,
    /// Checkpoints from members that were not certified or not the own.
    pub bad_checkpoints: u64,
    /// Entries executed.
    pub executed_entries: u64,
    /// Entries in executed batches that were in the log already.
    pub duplicate_entries: u64,
    /// Registry operations executed that took effect.
    pub applied_operations: u64,
    /// Registry operations in executed batches that the registry refused: logged as such.
    pub refused_operations: u64,
    /// Attestations in executed batches whose key was out of use: logged as refused.
    pub refused_attestations: u64,
    /// Changes of the council in executed batches that had no effect: too few members authorised
    /// them, or they were meant for another epoch.
    pub ineffective_changes: u64,
    /// Batches executed.
    pub executed_batches: u64,
    /// Proofs that a member contradicted itself.
    pub evidence: u64,
}

/// Where a member stands, for people and programs.
#[derive(Debug, Clone)]
pub struct View {
    /// The log's size and root.
    pub head: (TreeSize, Digest),
    /// The size that a quorum cosigned.
    pub certified: TreeSize,
    /// Entries that wait here.
    pub waiting_entries: usize,
    /// Their bytes.
    pub waiting_bytes: usize,
    /// Whether enough members are connected to decide anything.
    pub has_quorum: bool,
    /// Whether more entries can be taken.
    pub accepts_entries: bool,
}

/// A member of a council.
#[derive(Debug)]
pub struct Core<L> {
    /// The councils up to the one under which the next batch is executed.
    pub(super) history: Arc<CouncilHistory>,
    /// The members of that one.
    pub(super) electorate: Arc<Electorate>,
    /// What ended that one's epoch, until it is certified.
    pub(super) ending: Option<Ending>,
    /// Links whose epochs' last batches are to be executed yet.
    pub(super) links: VecDeque<EpochLink>,
    pub(super) limits: Limits,
    pub(super) replica: Replica,
    pub(super) ledger: L,
    pub(super) registry: Registry,
    pub(super) pool: Pool,
    pub(super) cosigning: Cosigning,
    /// The stamp of the last batch that let the log grow.
    pub(super) stamp: Option<BatchStamp>,
    /// Decided batches that wait for room in the log.
    decisions: VecDeque<Decision>,
    /// Executed batches that are not stored yet, apart from the journal.
    pub(super) unstored: BTreeMap<Sequence, Executed>,
    /// The last sequence that is.
    pub(super) stored: Sequence,
    /// Entries to ask for, when, and whom.
    fetches: Vec<(u64, ReplicaId, Vec<Digest>)>,
    /// What each member may still ask for.
    fetch_budgets: BTreeMap<ReplicaId, Budget>,
    /// How many private commitments each may hand in or pass on.
    commitment_budgets: BTreeMap<ReplicaId, Budget>,
    clock_offsets: BTreeMap<ReplicaId, i64>,
    /// When each member was heard last.
    heard: BTreeMap<ReplicaId, u64>,
    next_housekeeping: u64,
    next_certification: Option<u64>,
    pub(super) now: Now,
    counters: Counters,
    pub(super) effects: Effects,
}

impl<L: Ledger> Core<L> {
    pub(super) fn assemble(
        history: Arc<CouncilHistory>,
        electorate: Arc<Electorate>,
        limits: Limits,
        keys: &Keys,
        replica: Replica,
        ledger: L,
        registry: Registry,
    ) -> Self {
        Self {
            history,
            electorate,
            ending: None,
            links: VecDeque::new(),
            limits,
            replica,
            ledger,
            registry,
            pool: Pool::default(),
            cosigning: Cosigning::new(&keys.seed),
            stamp: None,
            decisions: VecDeque::new(),
            unstored: BTreeMap::new(),
            stored: Sequence(0),
            fetches: Vec::new(),
            fetch_budgets: BTreeMap::new(),
            commitment_budgets: BTreeMap::new(),
            clock_offsets: BTreeMap::new(),
            heard: BTreeMap::new(),
            next_housekeeping: 0,
            next_certification: None,
            now: Now::default(),
            counters: Counters::default(),
            effects: Effects::default(),
        }
    }

    /// Takes one event at one time.
    pub fn step(&mut self, now: Now, event: Event) {
        self.now = now;
        match event {
            Event::Submitted(entries) => self.on_submitted(entries),
            Event::Checked { from, entries, refused } => self.on_checked(from, entries, refused),
            Event::Frame(from, frame) => self.on_frame(from, frame),
            Event::Up(member) => self.on_up(member),
            Event::Down(member) => self.on_down(member),
            Event::Signed(signatures) => self.on_signatures(self.replica.id(), signatures),
            Event::Stored(sequence) => {
                self.unstored.retain(|unstored, _| *unstored > sequence);
                self.stored = self.stored.max(sequence);
            }
            Event::Tick => self.consensus(Input::Tick),
        }
        self.execute_decisions();
        self.send_fetches();
        self.keep_house();
        self.certify();
    }

    /// Takes what the steps since the last call ask for.
    pub fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    /// When to step again at the latest, on the clock of [`Now::elapsed`].
    #[must_use]
    pub fn next_deadline(&self) -> u64 {
        let next_fetch = self.fetches.iter().map(|(due, ..)| *due).min();
        let deadline = self.replica.next_deadline().min(self.next_housekeeping);
        [self.next_certification, next_fetch].into_iter().flatten().fold(deadline, u64::min)
    }

    fn halt(&mut self, halt: impl Into<Halt>) {
        self.effects.halt.get_or_insert(halt.into());
    }

    fn on_frame(&mut self, from: ReplicaId, frame: Frame) {
        self.heard.insert(from, self.now.elapsed);
        match frame {
            Frame::Clock(wall) => self.on_clock(from, wall),
            Frame::Consensus(message) => self.consensus(Input::Message(from, message)),
            Frame::Entries(entries) => self.on_entries(from, entries),
            Frame::FetchEntries(leaves) => self.on_fetch_entries(from, &leaves),
            Frame::Signatures(signatures) => self.on_signatures(from, signatures),
            Frame::FetchCheckpoint(size) => self.on_fetch_checkpoint(from, size),
            Frame::Checkpoint(note) => self.on_checkpoint(&note),
            Frame::Bulletins(_) => {}
        }
    }

    fn on_down(&mut self, member: ReplicaId) {
        // What its clock said once must not count with what others say later.
        self.clock_offsets.remove(&member);
        self.consensus(Input::Disconnected(member));
    }

    fn on_up(&mut self, member: ReplicaId) {
        self.effects.frames.push((Recipient::One(member), Frame::Clock(self.now.wall.0)));
        for signatures in self.cosigning.own_pending(self.replica.id()).cloned().collect::<Vec<_>>() {
            // Own signatures count as pending only after their record was durable.
            self.effects.frames.push((Recipient::One(member), Frame::Signatures(signatures)));
        }
        let waiting = self.pool.iter().map(|(_, entry)| entry.clone()).collect();
        self.spread(Recipient::One(member), waiting);
        self.consensus(Input::Connected(member));
    }
}

/// What others see.
impl<L: Ledger> Core<L> {
    /// Where the member stands.
    #[must_use]
    pub fn view(&self) -> View {
        View {
            head: self.ledger.head(),
            certified: self.cosigning.certified(),
            waiting_entries: self.pool.len(),
            waiting_bytes: self.pool.bytes(),
            has_quorum: self.replica.has_quorum(),
            accepts_entries: self.accepts_entries(),
        }
    }

    /// How long ago a member was heard, in milliseconds; none if it never was since the start.
    #[must_use]
    pub fn silence(&self, member: ReplicaId) -> Option<u64> {
        Some(self.now.elapsed.saturating_sub(*self.heard.get(&member)?))
    }

    /// The consensus replica.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// How it behaves.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The genesis.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        self.history.genesis()
    }

    /// The log that it appends to.
    #[must_use]
    pub const fn ledger(&self) -> &L {
        &self.ledger
    }

    /// The log, for its owner to store. Only the core appends to it.
    pub const fn ledger_mut(&mut self) -> &mut L {
        &mut self.ledger
    }

    /// The registry.
    #[must_use]
    pub const fn registry(&self) -> &Registry {
        &self.registry
    }

    /// What was not done, and how often.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How far the member is.
    #[must_use]
    pub fn position(&self) -> Position {
        Position {
            sequence: self.replica.executed().0,
            time: self.registry.time().0,
            council: self.history.encode(),
            ending: self.ending.clone(),
            stamp: self.stamp.map(Into::into),
            signed: self.cosigning.last_signed().map(|Mark { size, root, time }| (size.value(), root, time)),
        }
    }

    /// What to store together with everything executed so far, when the registry was stored last with
    /// so many operations.
    #[must_use]
    pub fn state(&self, stored: Option<u64>) -> StateToStore {
        StateToStore::new(&self.position(), &self.registry, self.counters.applied_operations, stored)
    }
}

impl Keys {
    /// The key that votes.
    #[must_use]
    pub fn vote(&self) -> jurat_crypto::SigningKey {
        self.seed.signing_key(KeyUse::Vote)
    }
}
