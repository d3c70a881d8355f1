//! The composed state machine of one member.

use std::collections::{BTreeMap, VecDeque};

use jurat_crypto::{Digest, KeyUse, Seed};
use jurat_log::{BatchStamp, Checkpoint, Note, Policy, TreeSize, UnixMillis};
use jurat_pbft::{
    Config, Decision, Evidence, Input, Message, Now, Outbound, Ready, Recipient, Replica, ReplicaId,
    RequestDigest, Sequence, StateDigest, Wanted,
};
use jurat_trust::{OrderedTime, Registry};

use super::{
    CheckedEntry, EntryBytes, Frame, Genesis, Ledger, LedgerError, MemberSignatures, Record,
    cosigning::{Conflict, Cosigning, Mark, Progress},
    pool::Pool,
    recovery::{Executed, State, entry_records},
};
use crate::codec;

/// Bytes of entries in one frame, about.
const ENTRIES_FRAME_BYTES: usize = 256 * 1024;
/// Entries asked for in one frame.
const FETCH_LIMIT: usize = 2048;
/// Bytes of entries sent in answer to one frame.
const FETCH_ANSWER_BYTES: usize = 4 << 20;

/// The secrets of a member.
#[derive(Debug, Clone)]
pub struct Keys {
    /// The seed from which all its keys follow.
    pub seed: Seed,
}

/// How a member behaves beyond consensus; times in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The replica.
    pub consensus: Config,
    /// Entries that wait here, at most; more are refused until some are ordered.
    pub max_waiting_entries: usize,
    /// Bytes of such entries, at most.
    pub max_waiting_bytes: usize,
    /// How long a checkpoint with its quorum waits for the other connected members.
    pub cosign_grace: u64,
    /// How often members compare clocks, and send again what should have been done with long ago.
    pub housekeeping: u64,
    /// How long an entry may wait before it is sent to the primary again.
    pub overdue: u64,
    /// How long an entry that a proposal names may be on its way before it is asked for.
    pub fetch_delay: u64,
    /// How far the own clock may be off those of others.
    pub max_clock_offset: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let consensus = Config::default();
        Self {
            consensus,
            max_waiting_entries: 100_000,
            max_waiting_bytes: 128 << 20,
            cosign_grace: 10,
            housekeeping: 500,
            overdue: 400,
            fetch_delay: 30,
            max_clock_offset: consensus.max_clock_skew,
        }
    }
}

/// What can happen to a member.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client's entries, checked.
    Submitted(Vec<CheckedEntry>),
    /// Entries that a member sent, checked; those that failed are counted only.
    Checked {
        /// Who sent them.
        from: ReplicaId,
        /// Those that passed.
        entries: Vec<CheckedEntry>,
        /// How many did not.
        refused: usize,
    },
    /// A frame from a member.
    Frame(ReplicaId, Frame),
    /// The link to a member is up.
    Up(ReplicaId),
    /// The link to a member is down.
    Down(ReplicaId),
    /// An own record became durable, so the own signatures may count ([`Sealed::Back`]).
    Signed(MemberSignatures),
    /// Everything through this sequence is stored durably, apart from the journal.
    Stored(Sequence),
    /// Time passed.
    Tick,
}

/// Something that must wait until the journal is durable.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// Send a frame.
    Send(Recipient, Frame),
    /// Give an event back to [`Core::step`].
    Back(Event),
}

/// What the runtime must do, in the order of the fields.
#[derive(Debug, Default)]
pub struct Effects {
    /// Append to the journal.
    pub records: Vec<Record>,
    /// Send now.
    pub frames: Vec<(Recipient, Frame)>,
    /// Do once all records so far are durable. If a write fails: stop, never do it.
    pub sealed: Vec<Sealed>,
    /// Check on a worker, and answer with [`Event::Checked`].
    pub check: Vec<(ReplicaId, Vec<EntryBytes>)>,
    /// Entries that were executed, with the log's size after their batch.
    pub executed: Vec<(Vec<Digest>, TreeSize)>,
    /// The log is certified up to this size.
    pub certified: Option<TreeSize>,
    /// Hand out: members are provably faulty.
    pub evidence: Vec<Evidence>,
    /// Stop.
    pub halt: Option<Halt>,
}

/// Why a member must stop.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Halt {
    /// Consensus can't go on here.
    #[error(transparent)]
    Consensus(#[from] jurat_pbft::Halt),
    /// The log can't be read or written.
    #[error("the log can't be used: {0}")]
    Ledger(#[from] LedgerError),
    /// An entry that was voted for is not here any more.
    #[error("entry {0} of a decided batch is missing here: the data directory is incomplete")]
    MissingEntry(Digest),
    /// Another root than the one that was signed for this size.
    #[error(
        "the log's root at size {size} is {other}, but {signed} was signed for it: the data directory was altered"
    )]
    Conflict {
        /// The size.
        size: u64,
        /// The root that was signed.
        signed: Digest,
        /// The root now.
        other: Digest,
    },
    /// More members than can be faulty say that the clock is off.
    #[error(
        "this machine's clock is {seconds} s {direction} the clocks of {members} other members: set it (for example with NTP) and start again",
        seconds = offset.unsigned_abs() / 1000,
        direction = if *offset > 0 { "behind" } else { "ahead of" }
    )]
    Clock {
        /// Their clocks less this one, in milliseconds.
        offset: i64,
        /// How many members say so.
        members: usize,
    },
}

impl From<Conflict> for Halt {
    fn from(conflict: Conflict) -> Self {
        Self::Conflict { size: conflict.size.value(), signed: conflict.signed, other: conflict.other }
    }
}

/// What was not done, and how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Entries from members that failed a check.
    pub bad_entries: u64,
    /// Entries from members that were not taken because too many wait.
    pub overflowed_entries: u64,
    /// Entries from members that were known already.
    pub repeated_entries: u64,
    /// Signatures on checkpoints that did not hold.
    pub bad_signatures: u64,
    /// Checkpoints from members that were not certified or not the own.
    pub bad_checkpoints: u64,
    /// Entries executed.
    pub executed_entries: u64,
    /// Entries in executed batches that were in the log already.
    pub duplicate_entries: u64,
    /// Batches executed.
    pub executed_batches: u64,
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
    pub(super) genesis: Genesis,
    pub(super) policy: Policy,
    pub(super) limits: Limits,
    pub(super) me: ReplicaId,
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
    /// Entries to ask for, when, and whom.
    fetches: Vec<(u64, ReplicaId, Vec<Digest>)>,
    clock_offsets: BTreeMap<ReplicaId, i64>,
    next_housekeeping: u64,
    next_certification: Option<u64>,
    pub(super) now: Now,
    counters: Counters,
    pub(super) effects: Effects,
}

impl<L: Ledger> Core<L> {
    pub(super) fn assemble(
        genesis: Genesis,
        policy: Policy,
        limits: Limits,
        keys: &Keys,
        replica: Replica,
        ledger: L,
        registry: Registry,
    ) -> Self {
        let me = replica.id();
        let cosigning = Cosigning::new(me, &keys.seed, replica.council().quorum());
        Self {
            genesis,
            policy,
            limits,
            me,
            replica,
            ledger,
            registry,
            pool: Pool::default(),
            cosigning,
            stamp: None,
            decisions: VecDeque::new(),
            unstored: BTreeMap::new(),
            fetches: Vec::new(),
            clock_offsets: BTreeMap::new(),
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
            Event::Down(member) => self.consensus(Input::Disconnected(member)),
            Event::Signed(signatures) => self.on_signatures(self.me, signatures),
            Event::Stored(sequence) => {
                self.unstored.retain(|unstored, _| *unstored > sequence);
                self.execute_decisions();
            }
            Event::Tick => self.consensus(Input::Tick),
        }
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

    fn on_submitted(&mut self, entries: Vec<CheckedEntry>) {
        let new = self.take_in(entries);
        self.spread(Recipient::All, new);
    }

    fn on_checked(&mut self, _from: ReplicaId, entries: Vec<CheckedEntry>, refused: usize) {
        self.counters.bad_entries += refused as u64;
        self.take_in(entries);
    }

    /// Holds new entries, journaled, and gives them to the replica. Gives back those that were new.
    fn take_in(&mut self, entries: Vec<CheckedEntry>) -> Vec<EntryBytes> {
        let (mut new, mut requests, mut held) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            let request = RequestDigest(*entry.leaf());
            match self.ledger.index_of(entry.leaf()) {
                Err(error) => {
                    self.halt(error);
                    return Vec::new();
                }
                Ok(Some(_)) => held.push(request),
                Ok(None) => {
                    if self.pool.insert(&entry, self.now.elapsed) {
                        requests.push((request, entry.bytes().0.len()));
                        new.push(entry.bytes().clone());
                    }
                }
            }
        }
        self.effects.records.extend(entry_records(&new));
        for request in held {
            self.consensus(Input::Held(request));
        }
        if !requests.is_empty() {
            self.consensus(Input::Requests(requests));
        }
        new
    }

    /// Sends entries in frames of bounded size.
    fn spread(&mut self, to: Recipient, entries: Vec<EntryBytes>) {
        let (mut frame, mut bytes) = (Vec::new(), 0);
        for entry in entries {
            bytes += entry.0.len();
            frame.push(entry);
            if bytes >= ENTRIES_FRAME_BYTES {
                self.effects.frames.push((to, Frame::Entries(std::mem::take(&mut frame))));
                bytes = 0;
            }
        }
        if !frame.is_empty() {
            self.effects.frames.push((to, Frame::Entries(frame)));
        }
    }

    fn on_frame(&mut self, from: ReplicaId, frame: Frame) {
        match frame {
            Frame::Clock(wall) => self.on_clock(from, wall),
            Frame::Consensus(message) => self.consensus(Input::Message(from, message)),
            Frame::Entries(entries) => self.on_entries(from, entries),
            Frame::FetchEntries(leaves) => self.on_fetch_entries(from, &leaves),
            Frame::Signatures(signatures) => self.on_signatures(from, signatures),
            Frame::FetchCheckpoint(size) => self.on_fetch_checkpoint(from, size),
            Frame::Checkpoint(note) => self.on_checkpoint(&note),
        }
    }

    /// Drops what is known before anyone spends a signature check on it.
    fn on_entries(&mut self, from: ReplicaId, entries: Vec<EntryBytes>) {
        let mut unknown = Vec::new();
        for entry in entries {
            let leaf = jurat_log::leaf_hash(&entry.0);
            if self.pool.get(&leaf).is_some() {
                self.counters.repeated_entries += 1;
                continue;
            }
            let wanted = self.replica.is_wanted(&RequestDigest(leaf));
            match self.ledger.index_of(&leaf) {
                Err(error) => return self.halt(error),
                Ok(Some(_)) if !wanted => self.counters.repeated_entries += 1,
                Ok(_) if wanted || self.accepts_entries() => unknown.push(entry),
                Ok(_) => self.counters.overflowed_entries += 1,
            }
        }
        if !unknown.is_empty() {
            self.effects.check.push((from, unknown));
        }
    }

    fn on_fetch_entries(&mut self, from: ReplicaId, leaves: &[Digest]) {
        let (mut found, mut bytes) = (Vec::new(), 0);
        for leaf in leaves.iter().take(FETCH_LIMIT) {
            let entry = match self.pool.get(leaf) {
                Some(entry) => Some(entry.clone()),
                None => match self.ledger.entry(leaf) {
                    Ok(entry) => entry,
                    Err(error) => return self.halt(error),
                },
            };
            bytes += entry.as_ref().map_or(0, |entry| entry.0.len());
            if bytes > FETCH_ANSWER_BYTES {
                break;
            }
            found.extend(entry);
        }
        self.spread(Recipient::One(from), found);
    }

    fn on_up(&mut self, member: ReplicaId) {
        self.effects.frames.push((Recipient::One(member), Frame::Clock(self.now.wall.0)));
        for signatures in self.cosigning.own_pending().cloned().collect::<Vec<_>>() {
            // Own signatures count as pending only after their record was durable.
            self.effects.frames.push((Recipient::One(member), Frame::Signatures(signatures)));
        }
        let waiting = self.pool.iter().map(|(_, entry)| entry.clone()).collect();
        self.spread(Recipient::One(member), waiting);
        self.consensus(Input::Connected(member));
    }

    /// Steps the replica and carries out what it asks for.
    fn consensus(&mut self, input: Input) {
        self.replica.step(self.now, input);
        let ready = self.replica.take_ready();
        self.carry_out(ready);
    }

    pub(super) fn carry_out(&mut self, ready: Ready) {
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
    fn execute_decisions(&mut self) {
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

    fn fetch(&mut self, want: Wanted) {
        let mut missing = Vec::new();
        for request in want.requests {
            if let Some(size) = self.pool.get(&request.0).map(|entry| entry.0.len()) {
                self.consensus(Input::Requests(vec![(request, size)]));
                continue;
            }
            match self.ledger.index_of(&request.0) {
                Ok(Some(_)) => self.consensus(Input::Held(request)),
                Ok(None) => missing.push(request.0),
                Err(error) => return self.halt(error),
            }
        }
        if missing.is_empty() {
            return;
        }
        // What a proposal names is on its way from whoever took it in, unless a link broke; what
        // is being caught up with nobody sends unasked.
        let delay = if self.replica.is_behind() { 0 } else { self.limits.fetch_delay };
        self.fetches.push((self.now.elapsed + delay, want.ask, missing));
    }

    fn send_fetches(&mut self) {
        let now = self.now.elapsed;
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.fetches).into_iter().partition(|(due, ..)| *due <= now);
        self.fetches = later;
        for (_, ask, mut missing) in due {
            missing.retain(|leaf| self.replica.is_wanted(&RequestDigest(*leaf)));
            for leaves in missing.chunks(FETCH_LIMIT) {
                self.effects.frames.push((Recipient::One(ask), Frame::FetchEntries(leaves.to_vec())));
            }
        }
    }

    /// The decision of a sequence, for a member that falls behind.
    fn decided(&self, sequence: Sequence) -> Result<Option<Message>, LedgerError> {
        let Some(record) = self.ledger.record(sequence.0)? else { return Ok(None) };
        let decided: Executed = codec::decode(&record)
            .map_err(|error| LedgerError(format!("the record of sequence {sequence} is damaged: {error}")))?;
        Ok(Some(Message::Decided(decided.batch, decided.proof)))
    }

    /// Appends a decided batch to the log and signs the checkpoint that follows from it.
    fn execute(&mut self, decision: Decision) -> Result<StateDigest, Halt> {
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
    fn state_digest(&self, size: TreeSize, root: &Digest) -> StateDigest {
        let (size, registry) = (size.value().to_be_bytes(), self.registry.digest());
        StateDigest(Digest::of_parts(&[b"jurat/v1/state\n", &size, root.as_bytes(), registry.as_bytes()]))
    }

    pub(super) fn cosign(&mut self, size: TreeSize, root: Digest, stamp: BatchStamp) -> Result<(), Halt> {
        let checkpoint = Checkpoint::stamped(self.genesis.origin().clone(), size, root, stamp);
        let early = self.cosigning.expect(&checkpoint);
        if let Some(time) = self.cosigning.may_sign(size, root, self.now.wall.0 / 1000)?
            && let Some((record, signatures)) = self.cosigning.sign(&checkpoint, time)
        {
            self.effects.records.push(record);
            self.effects.sealed.push(Sealed::Send(Recipient::All, Frame::Signatures(signatures.clone())));
            self.effects.sealed.push(Sealed::Back(Event::Signed(signatures)));
        }
        for (member, signatures) in early {
            self.on_signatures(member, signatures);
        }
        Ok(())
    }

    fn on_signatures(&mut self, member: ReplicaId, signatures: MemberSignatures) {
        let Ok(size) = TreeSize::new(signatures.size) else {
            self.counters.bad_signatures += 1;
            return;
        };
        if size > self.ledger.head().0 {
            return self.cosigning.keep_early(member, signatures);
        }
        if self.cosigning.needs(member, size) && !self.cosigning.count(&self.genesis, member, signatures) {
            self.counters.bad_signatures += 1;
        }
    }

    /// Certifies what has its quorum.
    fn certify(&mut self) {
        self.next_certification = None;
        let sizes: Vec<TreeSize> = self.cosigning.pending_sizes().collect();
        for size in sizes {
            let (replica, grace) = (&self.replica, self.limits.cosign_grace);
            let connected = |id| replica.is_connected(id);
            match self.cosigning.progress(&self.genesis, size, connected, self.now.elapsed, grace) {
                Progress::Open => {}
                Progress::Grace(until) => {
                    self.next_certification = Some(self.next_certification.map_or(until, |at| at.min(until)));
                }
                Progress::Certified(note) => self.settle(size, &note),
            }
        }
    }

    fn settle(&mut self, size: TreeSize, note: &Note) {
        if let Err(error) = self.ledger.certify(size, &note.to_string()) {
            return self.halt(error);
        }
        self.cosigning.settle(size);
        self.effects.certified = Some(size);
    }

    fn on_fetch_checkpoint(&mut self, from: ReplicaId, size: u64) {
        let Ok(size) = TreeSize::new(size) else { return };
        match self.ledger.certified_from(size) {
            Ok(Some(note)) => self.effects.frames.push((Recipient::One(from), Frame::Checkpoint(note))),
            Ok(None) => {}
            Err(error) => self.halt(error),
        }
    }

    /// Takes a certified checkpoint for a size that waits here: its text must be the own one, and
    /// its signatures must satisfy the council's policy.
    fn on_checkpoint(&mut self, note: &str) {
        let certified = Note::parse(note.as_bytes()).ok().and_then(|note| {
            let size = self.cosigning.size_of(&note)?;
            self.policy.check(&note).ok()?;
            Some((size, note))
        });
        match certified {
            Some((size, note)) => self.settle(size, &note),
            None => self.counters.bad_checkpoints += 1,
        }
    }

    fn on_clock(&mut self, member: ReplicaId, wall: u64) {
        let offset = i64::try_from(i128::from(wall) - i128::from(self.now.wall.0)).unwrap_or(i64::MAX);
        self.clock_offsets.insert(member, offset);
        let limit = i64::try_from(self.limits.max_clock_offset).unwrap_or(i64::MAX);
        for sign in [1, -1] {
            let agreeing = self.clock_offsets.values().filter(|offset| offset.saturating_mul(sign) > limit);
            let members = agreeing.clone().count();
            // One more than can be faulty, so at least one honest member says so; the least of them
            // is what all of them agree on.
            if members > self.replica.council().max_faulty()
                && let Some(offset) = agreeing.min_by_key(|offset| offset.unsigned_abs()).copied()
            {
                self.halt(Halt::Clock { offset, members });
            }
        }
    }

    fn keep_house(&mut self) {
        if self.now.elapsed < self.next_housekeeping {
            return;
        }
        self.next_housekeeping = self.now.elapsed + self.limits.housekeeping;
        self.effects.frames.push((Recipient::All, Frame::Clock(self.now.wall.0)));
        // A link may have dropped what it could not hold: the primary must know what waits.
        let primary = self.replica.primary();
        if primary != self.me && !self.replica.is_changing_view() {
            let before = self.now.elapsed.saturating_sub(self.limits.overdue);
            let overdue = self.pool.overdue(before, self.now.elapsed, FETCH_LIMIT);
            self.spread(Recipient::One(primary), overdue);
        }
        if let Some(size) = self.cosigning.pending_sizes().next_back() {
            let last = self.cosigning.own_pending().next_back().cloned();
            self.effects
                .frames
                .extend(last.map(|signatures| (Recipient::All, Frame::Signatures(signatures))));
            self.effects.frames.push((Recipient::All, Frame::FetchCheckpoint(size.value())));
        }
    }

    fn accepts_entries(&self) -> bool {
        self.pool.len() < self.limits.max_waiting_entries && self.pool.bytes() < self.limits.max_waiting_bytes
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

    /// The consensus replica.
    #[must_use]
    pub const fn replica(&self) -> &Replica {
        &self.replica
    }

    /// The genesis.
    #[must_use]
    pub const fn genesis(&self) -> &Genesis {
        &self.genesis
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

    /// What to store together with everything executed so far.
    #[must_use]
    pub fn state(&self) -> State {
        State {
            sequence: self.replica.executed().0,
            time: self.registry.time().0,
            registry: self.registry.clone(),
            stamp: self.stamp.map(Into::into),
            signed: self.cosigning.last_signed().map(|Mark { size, root, time }| (size.value(), root, time)),
        }
    }
}

impl Keys {
    /// The key that votes.
    #[must_use]
    pub fn vote(&self) -> jurat_crypto::SigningKey {
        self.seed.signing_key(KeyUse::Vote)
    }
}
