//! What a spreading node remembers of messages: ids that it has met, bodies that it can still give.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};

use jurat_crypto::Digest;

use super::{SUMMARY_PARTS, SpreadId};

/// How many ids a node remembers having met. One that comes back after so many others is checked
/// again.
pub const MAX_SEEN: usize = 65_536;

/// How many bodies a node holds for those who ask.
pub const MAX_HELD: usize = 4_096;

/// How many bytes the held bodies have together.
pub const MAX_HELD_BYTES: usize = 16 << 20;

/// For how long a body is held, in milliseconds: an absence within it is healed by spreading
/// itself, a longer one by following the log.
pub const HELD_MILLIS: u64 = 120_000;

/// How many peers are remembered to hold a message: a few times the neighbours, so that strangers
/// can't fill it without end.
pub(super) const MAX_KNOWN: usize = 64;

/// The ids that were met last.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    ids: BTreeSet<SpreadId>,
    order: VecDeque<SpreadId>,
}

impl Seen {
    pub(super) fn contains(&self, id: &SpreadId) -> bool {
        self.ids.contains(id)
    }

    pub(super) fn insert(&mut self, id: SpreadId) {
        if !self.ids.insert(id) {
            return;
        }
        // The oldest goes first: one more than a power of two would double the queue's memory.
        if self.order.len() >= MAX_SEEN
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
        self.order.push_back(id);
    }
}

/// A body that was accepted.
#[derive(Clone, Debug)]
pub(super) struct Held<P> {
    pub(super) body: Arc<[u8]>,
    /// Over how many links it came.
    pub(super) hops: u8,
    /// Who sent it first; nobody for our own and for those that were pulled.
    pub(super) parent: Option<P>,
    /// Neighbours that have shown that they hold it.
    pub(super) known: BTreeSet<P>,
    at: u64,
}

/// The bodies that were accepted last.
#[derive(Clone, Debug)]
pub(super) struct Bodies<P> {
    held: BTreeMap<SpreadId, Held<P>>,
    order: VecDeque<SpreadId>,
    bytes: usize,
}

impl<P: Copy + Ord> Bodies<P> {
    pub(super) const fn new() -> Self {
        Self { held: BTreeMap::new(), order: VecDeque::new(), bytes: 0 }
    }

    pub(super) fn insert(&mut self, id: SpreadId, body: Arc<[u8]>, hops: u8, parent: Option<P>, now: u64) {
        self.bytes += body.len();
        self.held.insert(id, Held { body, hops, parent, known: parent.into_iter().collect(), at: now });
        self.order.push_back(id);
        self.expire(now);
    }

    pub(super) fn expire(&mut self, now: u64) {
        while let Some(oldest) = self.order.front() {
            let old = self.held.get(oldest).is_none_or(|held| now.saturating_sub(held.at) >= HELD_MILLIS);
            if !old && self.order.len() <= MAX_HELD && self.bytes <= MAX_HELD_BYTES {
                return;
            }
            if let Some(held) = self.order.pop_front().and_then(|id| self.held.remove(&id)) {
                self.bytes -= held.body.len();
            }
        }
    }

    pub(super) fn held(&self, id: &SpreadId) -> Option<&Held<P>> {
        self.held.get(id)
    }

    /// A neighbour has shown that it holds a message.
    pub(super) fn known_to(&mut self, id: &SpreadId, peer: P) {
        if let Some(held) = self.held.get_mut(id)
            && held.known.len() < MAX_KNOWN
        {
            held.known.insert(peer);
        }
    }

    pub(super) fn summary(&self, salt: u64) -> [u64; SUMMARY_PARTS] {
        let mut ids: [Vec<&[u8]>; SUMMARY_PARTS] = core::array::from_fn(|_| Vec::new());
        let salt = salt.to_be_bytes();
        for part in &mut ids {
            part.push(&salt);
        }
        for id in self.held.keys() {
            ids[id.part()].push(id.digest().as_bytes());
        }
        ids.map(|part| {
            let digest = *Digest::of_parts(&part).as_bytes();
            u64::from_be_bytes(core::array::from_fn(|i| digest[i]))
        })
    }

    /// Up to `most` held messages of the parts in which `theirs` differs, parts from `first` on.
    pub(super) fn differing(
        &self,
        salt: u64,
        theirs: &[u64; SUMMARY_PARTS],
        first: usize,
        most: usize,
    ) -> Vec<(SpreadId, u8)> {
        let ours = self.summary(salt);
        let mut differing = Vec::new();
        for part in (0..SUMMARY_PARTS).map(|part| (first + part) % SUMMARY_PARTS) {
            if ours[part] != theirs[part] {
                let held = self.held.iter().filter(|(id, _)| id.part() == part);
                differing.extend(held.map(|(id, held)| (*id, held.hops)));
            }
            if differing.len() >= most {
                break;
            }
        }
        // A part with more than `most` is told from another place each time.
        if differing.len() > most {
            let turn = first % differing.len();
            differing.rotate_left(turn);
            differing.truncate(most);
        }
        differing
    }
}
