//! The streams between processes: in order, lossy only where an outbox overflows or a link breaks.

use std::{collections::BTreeMap, sync::Arc};

use jurat::core::Frame;
use jurat_pbft::Message;

use super::dice::Dice;

/// Members send their clocks twice a second; a link that is silent for so long is dead
/// (`runtime::link`).
pub(super) const SILENCE: u64 = 5_000;

/// A frame on its way.
pub(super) type Bytes = Arc<[u8]>;

/// Two processes, the smaller number first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct LinkId(pub(super) usize, pub(super) usize);

impl LinkId {
    pub(super) fn between(a: usize, b: usize) -> Self {
        Self(a.min(b), a.max(b))
    }

    pub(super) const fn other(self, end: usize) -> usize {
        if end == self.0 { self.1 } else { self.0 }
    }

    pub(super) const fn ends(self) -> [usize; 2] {
        [self.0, self.1]
    }

    const fn direction(self, from: usize) -> usize {
        if from == self.0 { 0 } else { 1 }
    }
}

/// A link between two processes.
pub(super) struct Link {
    pub(super) up: bool,
    /// Counts its ups and downs, so that nothing of one connection arrives over the next.
    pub(super) epoch: u64,
    /// Whether each end thinks that it is up.
    knows: [bool; 2],
    /// How many pieces of trouble keep each direction from getting through.
    blocks: [u32; 2],
    /// What waits for a direction to get through.
    held: [Vec<(Lane, Bytes)>; 2],
    /// When the last frame of each direction and lane arrives: none overtakes it.
    last: [[u64; 2]; 2],
    pub(super) dice: Dice,
}

/// Votes may overtake entries, as in `runtime::link`; each lane keeps its order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Lane {
    Urgent,
    Bulk,
}

impl Lane {
    pub(super) const fn of(frame: &Frame) -> Self {
        match frame {
            Frame::Entries(_) | Frame::Consensus(Message::Decided(..)) => Self::Bulk,
            _ => Self::Urgent,
        }
    }
}

impl Link {
    fn new(dice: Dice) -> Self {
        Self {
            up: false,
            epoch: 0,
            knows: [false; 2],
            blocks: [0; 2],
            held: [Vec::new(), Vec::new()],
            last: [[0; 2]; 2],
            dice,
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.blocks != [0, 0]
    }
}

/// All links.
pub(super) struct Links(BTreeMap<LinkId, Link>);

impl Links {
    pub(super) fn new(seed: u64, pairs: impl Iterator<Item = LinkId>) -> Self {
        Self(pairs.map(|id| (id, Link::new(Dice::new(seed, "link", id.0 * 1_000 + id.1)))).collect())
    }

    pub(super) fn ids(&self) -> Vec<LinkId> {
        self.0.keys().copied().collect()
    }

    pub(super) fn of(&self, end: usize) -> Vec<LinkId> {
        self.0.keys().copied().filter(|id| id.ends().contains(&end)).collect()
    }

    pub(super) fn link(&mut self, id: LinkId) -> Option<&mut Link> {
        self.0.get_mut(&id)
    }

    pub(super) fn knows(&self, id: LinkId, end: usize) -> bool {
        self.0.get(&id).is_some_and(|link| link.knows[id.direction(end)])
    }

    pub(super) fn set_knows(&mut self, id: LinkId, end: usize, knows: bool) {
        if let Some(link) = self.0.get_mut(&id) {
            link.knows[id.direction(end)] = knows;
        }
    }

    /// Both ends connect; gives the epoch of the connection.
    pub(super) fn open(&mut self, id: LinkId) -> Option<u64> {
        let link = self.0.get_mut(&id)?;
        link.up = true;
        link.epoch += 1;
        Some(link.epoch)
    }

    /// The connection ends, and all that is on its way with it. Gives the epoch without it.
    pub(super) fn close(&mut self, id: LinkId) -> Option<u64> {
        let link = self.0.get_mut(&id)?;
        if !link.up {
            return None;
        }
        link.up = false;
        link.epoch += 1;
        link.held = [Vec::new(), Vec::new()];
        Some(link.epoch)
    }

    pub(super) fn block(&mut self, from: usize, to: usize) {
        let id = LinkId::between(from, to);
        if let Some(link) = self.0.get_mut(&id) {
            link.blocks[id.direction(from)] += 1;
        }
    }

    /// Lets a direction through again; gives what waited for it.
    pub(super) fn unblock(&mut self, from: usize, to: usize) -> Vec<(Lane, Bytes)> {
        let id = LinkId::between(from, to);
        let Some(link) = self.0.get_mut(&id) else { return Vec::new() };
        let direction = id.direction(from);
        link.blocks[direction] = link.blocks[direction].saturating_sub(1);
        if link.blocks[direction] == 0 { std::mem::take(&mut link.held[direction]) } else { Vec::new() }
    }

    /// When a frame that is sent now arrives, and in which epoch; none if it does not, or not yet.
    pub(super) fn send(
        &mut self,
        from: usize,
        to: usize,
        lane: Lane,
        bytes: &Bytes,
        now: u64,
        weather: &super::Plan,
    ) -> Option<(u64, u64)> {
        let id = LinkId::between(from, to);
        let direction = id.direction(from);
        let link = self.0.get_mut(&id)?;
        if !link.knows[direction] || !link.up || link.dice.happens(weather.loss) {
            return None;
        }
        if link.blocks[direction] > 0 {
            link.held[direction].push((lane, bytes.clone()));
            return None;
        }
        let last = &mut link.last[direction][usize::from(lane == Lane::Bulk)];
        *last = (now + link.dice.within(&weather.latency)).max(*last);
        Some((*last, link.epoch))
    }
}
