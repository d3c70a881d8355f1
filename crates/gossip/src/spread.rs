//! Spreading: each message reaches every node once, over a tree that heals itself.
//!
//! Two papers by Leitão, Pereira and Rodrigues are followed. *Epidemic Broadcast Trees* (Plumtree,
//! SRDS 2007): bodies go at once over the eager links, which form a tree; ids go over the lazy ones,
//! and who misses a body asks for it, which makes that link part of the tree. *HyParView* (DSN 2007):
//! each node keeps a few neighbours and a larger list of others to replace them from.
//!
//! Four things differ, each for a reason:
//!
//! - Where everybody is everybody's neighbour there is no tree: one link is the shortest way, and it
//!   carries each body once all the same.
//! - Plumtree starts with all links eager and prunes, so the first messages flood the network. Here
//!   a link starts lazy unless it is the only one that a node has into the tree, so that joining
//!   alone makes a tree.
//! - Neighbours tell each other every second, in 136 bytes, what they hold. That is the sign of
//!   life, and finds
//!   what a lossy network swallowed on the last hop.
//! - A node asks somebody who is no neighbour the same now and then, and exchanges one lazy link:
//!   without that, two halves of a healed partition that are full never meet again.
//!
//! A body's id is its digest. It is handed out once to be checked, and passed on when it was found
//! good.

pub(crate) mod entropy;
mod memory;
mod message;
mod missing;
mod tree;
mod view;

use alloc::{collections::BTreeMap, sync::Arc, vec::Vec};

pub use memory::{HELD_MILLIS, MAX_HELD, MAX_HELD_BYTES, MAX_SEEN};
pub use message::{MAX_ANNOUNCED, MAX_SHUFFLED, MAX_SPREAD_BYTES, SUMMARY_PARTS, SpreadId, SpreadMessage};
pub use missing::{MAX_MISSING, MAX_MISSING_OF_ONE};

use entropy::Entropy;
use memory::{Bodies, Seen};
use missing::Missing;
use tree::Unchecked;
use view::Link;

/// How many bodies may wait for their check; more are dropped, to be fetched later.
pub const MAX_UNCHECKED: usize = 1_024;

/// How many of these one peer may have sent, so that a flood of one leaves room for the others.
pub const MAX_UNCHECKED_OF_ONE: usize = 256;

/// Between two signs of life, in milliseconds.
pub const BEAT_MILLIS: u64 = 1_000;

/// A neighbour that was silent for so many milliseconds is given up.
pub const SILENT_MILLIS: u64 = 6_000;

const FLUSH_MILLIS: u64 = 100;
const SHUFFLE_MILLIS: u64 = 10_000;
const PROBE_MILLIS: u64 = 2_000;
const EXCHANGE_MILLIS: u64 = 15_000;

/// How many neighbours a node has, and how many others it knows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ViewSize {
    /// Everybody is everybody's neighbour, for up to 33 nodes; 64 others are known. There is no tree: who
    /// broadcasts sends the body to all, and who misses it asks whoever has it.
    FullMesh,
    /// 5 neighbours and 30 others, which HyParView has for 10 000 nodes.
    Partial,
}

impl ViewSize {
    /// What suits a network of so many nodes.
    #[must_use]
    pub const fn of(nodes: usize) -> Self {
        if nodes <= 1 + Self::FullMesh.neighbours() { Self::FullMesh } else { Self::Partial }
    }

    const fn neighbours(self) -> usize {
        match self {
            Self::FullMesh => 32,
            Self::Partial => 5,
        }
    }

    const fn others(self) -> usize {
        match self {
            Self::FullMesh => 64,
            Self::Partial => 30,
        }
    }
}

/// What a [`Spreader`] wants done, in this order.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SpreadOutput<P> {
    /// Send this, connecting first if need be. It may get lost.
    Send {
        /// To whom.
        to: P,
        /// What.
        message: SpreadMessage<P>,
    },
    /// A new body: check it and say so with [`Spreader::checked`].
    Check {
        /// To report with.
        id: SpreadId,
        /// Who sent it.
        from: P,
        /// What to check.
        body: Arc<[u8]>,
    },
}

/// What was counted since the start. Whatever was dropped is in exactly one of these.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SpreadCounts {
    /// Bodies received, all told.
    pub bodies: u64,
    /// Bodies handed out for their check: each message once.
    pub checks: u64,
    /// Dropped: bodies met before.
    pub duplicates: u64,
    /// Dropped: bodies that did not pass their check.
    pub refused: u64,
    /// Dropped: bodies, announcements and shuffles larger than their limits.
    pub oversized: u64,
    /// Dropped: bodies that came while [`MAX_UNCHECKED`] waited, or [`MAX_UNCHECKED_OF_ONE`] of their sender.
    pub unchecked_full: u64,
    /// Dropped: announced ids that came while [`MAX_MISSING`] were asked for, or [`MAX_MISSING_OF_ONE`] of
    /// who announced them.
    pub missing_full: u64,
    /// Dropped: ids that were asked for in vain.
    pub given_up: u64,
    /// Dropped: requests for what is not held.
    pub unknown_grafts: u64,
    /// Dropped: summaries that came too soon after the last.
    pub hasty_summaries: u64,
    /// Dropped: messages in our own name.
    pub own_name: u64,
}

/// A body is larger than [`MAX_SPREAD_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a body to spread has at most {MAX_SPREAD_BYTES} bytes, this one has {0}")]
pub struct BodyTooLarge(pub usize);

/// One node's part in spreading. `P` names a peer, such as its link key.
///
/// Give it what comes in and wake it at [`next_wake`](Self::next_wake); carry out what it returns.
/// Times are milliseconds on any clock that does not go back.
#[derive(Clone, Debug)]
pub struct Spreader<P> {
    me: P,
    size: ViewSize,
    entropy: Entropy,
    /// Peers that are never forgotten: the way back after a partition.
    anchors: Vec<P>,
    links: BTreeMap<P, Link>,
    /// Others, with how many times in a row they were silent.
    others: BTreeMap<P, u8>,
    seen: Seen,
    bodies: Bodies<P>,
    unchecked: BTreeMap<SpreadId, Unchecked<P>>,
    missing: Missing<P>,
    to_announce: BTreeMap<P, Vec<SpreadId>>,
    flush_at: Option<u64>,
    beat_at: u64,
    shuffle_at: u64,
    probe_at: u64,
    exchange_at: u64,
    /// When a link was last made eager for a missing message: a burst of them repairs it once.
    repaired_at: Option<u64>,
    optimised_at: u64,
    probing: Option<P>,
    probe_answered_at: Option<u64>,
    counts: SpreadCounts,
    out: Vec<SpreadOutput<P>>,
}

impl<P: Copy + Ord> Spreader<P> {
    /// A node that joins through any of `anchors`, itself not counted, when it is first woken. `seed`
    /// is drawn by the caller.
    #[must_use]
    pub fn new(me: P, size: ViewSize, anchors: &[P], seed: u64, now: u64) -> Self {
        let mut entropy = Entropy::new(seed);
        // Nodes that start together do not act in step.
        let mut from_now = |millis: u64| now + entropy.next() % millis;
        let (shuffle_at, probe_at, exchange_at) =
            (from_now(SHUFFLE_MILLIS), from_now(PROBE_MILLIS), from_now(EXCHANGE_MILLIS));
        Self {
            me,
            size,
            entropy,
            anchors: anchors.iter().copied().filter(|anchor| *anchor != me).collect(),
            links: BTreeMap::new(),
            others: BTreeMap::new(),
            seen: Seen::default(),
            bodies: Bodies::new(),
            unchecked: BTreeMap::new(),
            missing: Missing::new(),
            to_announce: BTreeMap::new(),
            flush_at: None,
            beat_at: now,
            shuffle_at,
            probe_at,
            exchange_at,
            repaired_at: None,
            optimised_at: now,
            probing: None,
            probe_answered_at: None,
            counts: SpreadCounts::default(),
            out: Vec::new(),
        }
    }

    /// Spreads a body of our own, which is taken to be good. One that was met before is not spread
    /// again.
    pub fn broadcast(
        &mut self,
        body: Arc<[u8]>,
        now: u64,
    ) -> Result<(SpreadId, Vec<SpreadOutput<P>>), BodyTooLarge> {
        if body.len() > MAX_SPREAD_BYTES {
            return Err(BodyTooLarge(body.len()));
        }
        let id = SpreadId::of(&body);
        if !self.seen.contains(&id) {
            self.unchecked.remove(&id);
            let known = self.missing.remove(&id);
            self.accept(id, Unchecked { body, hops: 0, sender: None, parent: None, known }, now);
        }
        Ok((id, self.take_out()))
    }

    /// A peer has said something. That it is this peer is for the transport to know.
    pub fn receive(&mut self, from: P, message: SpreadMessage<P>, now: u64) -> Vec<SpreadOutput<P>> {
        if from == self.me {
            self.counts.own_name += 1;
            return Vec::new();
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.heard = now;
            self.others.remove(&from);
        }
        match message {
            SpreadMessage::Join => self.joined(from, now),
            SpreadMessage::ForwardJoin { peer, ttl } => self.forward_join(from, peer, ttl, now),
            SpreadMessage::Neighbour { urgent, eager } => self.neighbour(from, urgent, eager, now),
            SpreadMessage::Disconnect => self.disconnected(from),
            SpreadMessage::Shuffle { origin, peers, ttl } => self.shuffle(from, origin, peers, ttl),
            SpreadMessage::ShuffleReply { peers } => self.learn(&peers),
            SpreadMessage::Body { body, hops, pulled } => self.body(from, body, hops, pulled),
            SpreadMessage::Announce(ids) => self.announced(from, &ids, now),
            SpreadMessage::Graft { id, eager } => self.grafted(from, id, eager),
            SpreadMessage::Prune => self.set_eager(from, false),
            SpreadMessage::Summary { salt, parts, probe } => self.summary(from, salt, &parts, probe, now),
        }
        self.take_out()
    }

    /// The check of a body has ended. What is not `good` is dropped, and never fetched again while it
    /// is among the [`MAX_SEEN`] met last.
    pub fn checked(&mut self, id: SpreadId, good: bool, now: u64) -> Vec<SpreadOutput<P>> {
        if let Some(unchecked) = self.unchecked.remove(&id) {
            if good {
                self.accept(id, unchecked, now);
            } else {
                self.seen.insert(id);
                self.counts.refused += 1;
            }
        }
        self.take_out()
    }

    /// A body came another way, such as by reconciliation, and was found good: it is neither asked for nor
    /// handed out to be checked again.
    pub fn met(&mut self, id: SpreadId) {
        self.missing.remove(&id);
        self.unchecked.remove(&id);
        self.seen.insert(id);
    }

    /// The transport has lost a peer, or can't reach it.
    pub fn lost(&mut self, peer: P) -> Vec<SpreadOutput<P>> {
        self.silent(peer);
        self.take_out()
    }

    /// Does what is due at `now`.
    pub fn wake(&mut self, now: u64) -> Vec<SpreadOutput<P>> {
        self.bodies.expire(now);
        if self.beat_at <= now {
            self.beat_at = now + BEAT_MILLIS;
            self.beat(now);
        }
        if self.flush_at.is_some_and(|at| at <= now) {
            self.flush();
        }
        self.ask_for_missing(now);
        if self.shuffle_at <= now {
            self.shuffle_at = now + SHUFFLE_MILLIS;
            self.begin_shuffle();
        }
        if self.probe_at <= now {
            self.probe_at = now + PROBE_MILLIS;
            self.probe();
        }
        if self.exchange_at <= now {
            self.exchange_at = now + EXCHANGE_MILLIS;
            self.exchange(now);
        }
        self.take_out()
    }

    /// When to call [`wake`](Self::wake) at the latest.
    #[must_use]
    pub fn next_wake(&self) -> u64 {
        let regular = [self.beat_at, self.shuffle_at, self.probe_at, self.exchange_at];
        regular.into_iter().chain(self.flush_at).chain(self.missing.next_due()).min().unwrap_or(self.beat_at)
    }

    /// The neighbours, and whether bodies go to them at once.
    pub fn neighbours(&self) -> impl Iterator<Item = (P, bool)> {
        self.links.iter().map(|(peer, link)| (*peer, link.eager))
    }

    /// A body that is still held.
    #[must_use]
    pub fn body_of(&self, id: &SpreadId) -> Option<&Arc<[u8]>> {
        self.bodies.held(id).map(|held| &held.body)
    }

    /// Over how many links a held message came; 0 for our own.
    #[must_use]
    pub fn hops_of(&self, id: &SpreadId) -> Option<u8> {
        self.bodies.held(id).map(|held| held.hops)
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> SpreadCounts {
        self.counts
    }

    fn send(&mut self, to: P, message: SpreadMessage<P>) {
        self.out.push(SpreadOutput::Send { to, message });
    }

    fn take_out(&mut self) -> Vec<SpreadOutput<P>> {
        core::mem::take(&mut self.out)
    }
}
