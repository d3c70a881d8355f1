//! Entries on their way in: held, spread to the other members, asked for where they are missing.

use jurat_crypto::Digest;
use jurat_gossip::{Budget, Verdict};
use jurat_pbft::{Input, Recipient, ReplicaId, RequestDigest, Wanted};

use super::{Core, Standing};
use crate::core::{CheckedEntry, EntryBytes, Frame, Ledger, recovery::entry_records};

/// Bytes of entries in one frame, about.
const ENTRIES_FRAME_BYTES: usize = 256 * 1024;
/// Entries asked for in one frame.
pub(super) const FETCH_LIMIT: usize = 2048;
/// Entries that one member may ask for: a second, and at once. Looking them up is work.
const FETCHES_PER_SECOND: u64 = 50_000;
const FETCHES_AT_ONCE: u64 = 100_000;
/// Private commitments that one member may hand in or pass on: a second, and at once.
const COMMITMENTS_PER_SECOND: u64 = 100;
const COMMITMENTS_AT_ONCE: u64 = 2_000;
/// Bytes of entries sent in answer to one frame.
const FETCH_ANSWER_BYTES: usize = 4 << 20;

impl<L: Ledger> Core<L> {
    pub(super) fn on_submitted(&mut self, entries: Vec<CheckedEntry>) {
        let entries = self.within_budget(self.replica.id(), entries);
        let new = self.take_in(entries);
        self.spread(Recipient::All, new);
    }

    pub(super) fn on_checked(&mut self, from: ReplicaId, entries: Vec<CheckedEntry>, refused: usize) {
        self.counters.bad_entries += refused as u64;
        let entries = self.within_budget(from, entries);
        self.take_in(entries);
    }

    /// Drops private commitments of who hands in too many: no signature says whose they are, so those
    /// who pass them on answer for them. What the order waits for is taken all the same.
    fn within_budget(&mut self, from: ReplicaId, mut entries: Vec<CheckedEntry>) -> Vec<CheckedEntry> {
        let now = self.now.elapsed;
        let budget = self.commitment_budgets.entry(from);
        let budget = budget.or_insert_with(|| Budget::new(COMMITMENTS_PER_SECOND, COMMITMENTS_AT_ONCE, now));
        entries.retain(|entry| {
            let taken = !entry.is_commitment()
                || self.replica.is_wanted(&RequestDigest(*entry.leaf()))
                || budget.spend(1, now) == Verdict::Take;
            self.counters.overflowed_commitments += u64::from(!taken);
            taken
        });
        entries
    }

    /// Holds new entries, journaled, and gives them to the replica. Gives back those that were new.
    pub(super) fn take_in(&mut self, entries: Vec<CheckedEntry>) -> Vec<EntryBytes> {
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
    pub(super) fn spread(&mut self, to: Recipient, entries: Vec<EntryBytes>) {
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

    /// Drops what is known before anyone spends a signature check on it.
    pub(super) fn on_entries(&mut self, from: ReplicaId, entries: Vec<EntryBytes>) {
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

    pub(super) fn on_fetch_entries(&mut self, from: ReplicaId, leaves: &[Digest]) {
        let now = self.now.elapsed;
        let budget = self.fetch_budgets.entry(from);
        let budget = budget.or_insert_with(|| Budget::new(FETCHES_PER_SECOND, FETCHES_AT_ONCE, now));
        if budget.spend(leaves.len().min(FETCH_LIMIT) as u64, now) != Verdict::Take {
            self.counters.refused_fetches += 1;
            return;
        }
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

    pub(super) fn fetch(&mut self, want: Wanted) {
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

    pub(super) fn send_fetches(&mut self) {
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

    pub(super) fn accepts_entries(&self) -> bool {
        self.standing() == Standing::Member
            && self.pool.len() < self.limits.max_waiting_entries
            && self.pool.bytes() < self.limits.max_waiting_bytes
    }
}
