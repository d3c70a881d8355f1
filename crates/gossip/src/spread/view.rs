//! Neighbours and others: who is linked to whom, and who takes the place of the lost.

use alloc::vec::Vec;

use super::{MAX_SHUFFLED, SILENT_MILLIS, SpreadMessage, Spreader, ViewSize};

/// How far a newcomer is carried (HyParView's ARWL).
const JOIN_STEPS: u8 = 6;

/// At how many steps from its end a newcomer is written down on the way (HyParView's PRWL).
const REMEMBER_STEPS: u8 = 3;

/// How far a shuffle goes.
const SHUFFLE_STEPS: u8 = 4;

/// After so many silences in a row a peer is forgotten, unless it is an anchor.
const MAX_SILENCES: u8 = 3;

/// A neighbour.
#[derive(Clone, Copy, Debug)]
pub(super) struct Link {
    /// Bodies go to it at once.
    pub(super) eager: bool,
    /// When it last said anything.
    pub(super) heard: u64,
    /// When a summary of its was last answered.
    pub(super) answered: Option<u64>,
}

impl<P: Copy + Ord> Spreader<P> {
    pub(super) fn joined(&mut self, from: P, now: u64) {
        if !self.link(from, true, now) {
            self.send(from, SpreadMessage::Disconnect);
        }
        let others: Vec<P> = self.links.keys().copied().filter(|peer| *peer != from).collect();
        for peer in others {
            self.send(peer, SpreadMessage::ForwardJoin { peer: from, ttl: JOIN_STEPS });
        }
    }

    pub(super) fn forward_join(&mut self, from: P, newcomer: P, ttl: u8, now: u64) {
        if newcomer == self.me || self.links.contains_key(&newcomer) {
            return;
        }
        let ttl = ttl.min(JOIN_STEPS);
        let mesh = !self.has_tree() && !self.is_full();
        if ttl == 0 || self.links.len() <= 1 || mesh {
            self.ask(newcomer, true, now);
            return;
        }
        if ttl == REMEMBER_STEPS {
            self.learn(&[newcomer]);
        }
        let next: Vec<P> = self.links.keys().copied().filter(|peer| *peer != from).collect();
        if let Some(next) = self.entropy.pick(&next).copied() {
            self.send(next, SpreadMessage::ForwardJoin { peer: newcomer, ttl: ttl - 1 });
        }
    }

    pub(super) fn neighbour(&mut self, from: P, urgent: bool, eager: bool, now: u64) {
        let room = urgent || !self.is_full() || self.links.contains_key(&from);
        if room && self.link(from, eager, now) {
            self.keep_in_tree();
        } else {
            self.send(from, SpreadMessage::Disconnect);
        }
    }

    pub(super) fn disconnected(&mut self, from: P) {
        if self.links.remove(&from).is_some() {
            self.learn(&[from]);
            self.keep_in_tree();
        }
    }

    /// A peer does not answer.
    pub(super) fn silent(&mut self, peer: P) {
        let linked = self.links.remove(&peer).is_some();
        let silences = self.others.remove(&peer).unwrap_or(0).saturating_add(1);
        if linked && silences < MAX_SILENCES {
            self.learn(&[peer]);
            if let Some(count) = self.others.get_mut(&peer) {
                *count = silences;
            }
        }
        if linked {
            self.keep_in_tree();
        }
    }

    /// Signs of life to all neighbours; the silent are replaced.
    pub(super) fn beat(&mut self, now: u64) {
        let silent = |link: &Link| now.saturating_sub(link.heard) >= SILENT_MILLIS;
        let lost: Vec<P> =
            self.links.iter().filter(|(_, link)| silent(link)).map(|(peer, _)| *peer).collect();
        for peer in lost {
            self.silent(peer);
        }
        if self.links.is_empty() {
            if let Some(contact) = self.other()
                && self.link(contact, true, now)
            {
                self.send(contact, SpreadMessage::Join);
            }
        } else if !self.is_full()
            && let Some(other) = self.other()
        {
            self.ask(other, false, now);
        }
        let peers: Vec<P> = self.links.keys().copied().collect();
        for peer in peers {
            self.send_summary(peer, false);
        }
    }

    pub(super) fn begin_shuffle(&mut self) {
        let links: Vec<P> = self.links.keys().copied().collect();
        if let Some(to) = self.entropy.pick(&links).copied() {
            let (origin, peers) = (self.me, self.sample(to));
            self.send(to, SpreadMessage::Shuffle { origin, peers, ttl: SHUFFLE_STEPS });
        }
    }

    pub(super) fn shuffle(&mut self, from: P, origin: P, peers: Vec<P>, ttl: u8) {
        if peers.len() > MAX_SHUFFLED {
            self.counts.oversized += 1;
            return;
        }
        if origin == self.me {
            return;
        }
        let ttl = ttl.min(SHUFFLE_STEPS);
        let next = self.links.keys().copied().filter(|peer| *peer != from && *peer != origin);
        let next: Vec<P> = next.collect();
        if ttl > 0
            && let Some(next) = self.entropy.pick(&next).copied()
        {
            self.send(next, SpreadMessage::Shuffle { origin, peers, ttl: ttl - 1 });
            return;
        }
        let reply = self.sample(origin);
        self.send(origin, SpreadMessage::ShuffleReply { peers: reply });
        self.learn(&peers);
        self.learn(&[origin]);
    }

    /// Asks somebody who is no neighbour what it holds.
    pub(super) fn probe(&mut self) {
        if let Some(other) = self.other() {
            self.probing = Some(other);
            self.send_summary(other, true);
        }
    }

    /// Gives up one lazy link for one to somebody else.
    pub(super) fn exchange(&mut self, now: u64) {
        if self.has_tree()
            && self.is_full()
            && self.links.values().any(|link| !link.eager)
            && let Some(other) = self.other()
        {
            self.ask(other, true, now);
        }
    }

    /// Writes down others, at most [`MAX_SHUFFLED`] at a time; somebody at random makes room.
    pub(super) fn learn(&mut self, peers: &[P]) {
        if peers.len() > MAX_SHUFFLED {
            self.counts.oversized += 1;
            return;
        }
        for peer in peers {
            if *peer == self.me || self.links.contains_key(peer) || self.others.contains_key(peer) {
                continue;
            }
            if self.others.len() >= self.size.others() {
                let place = self.entropy.below(self.others.len());
                let leaving = self.others.keys().nth(place).copied();
                leaving.map(|leaving| self.others.remove(&leaving));
            }
            self.others.insert(*peer, 0);
        }
    }

    /// Makes somebody a neighbour without waiting for the answer: a refusal undoes it, silence ends
    /// it.
    fn ask(&mut self, peer: P, urgent: bool, now: u64) {
        let eager = self.has_tree() && !self.links.values().any(|link| link.eager);
        if self.link(peer, eager, now) {
            self.send(peer, SpreadMessage::Neighbour { urgent, eager });
        }
    }

    /// Makes room by giving up a lazy link. `false` when all links are of the tree: giving one of
    /// them up would cut it.
    fn link(&mut self, peer: P, eager: bool, now: u64) -> bool {
        let eager = eager && self.has_tree();
        if let Some(link) = self.links.get_mut(&peer) {
            link.eager |= eager;
            return true;
        }
        if self.is_full() {
            let lazy = self.links.iter().filter(|(_, link)| !link.eager).map(|(peer, _)| *peer);
            let lazy: Vec<P> = lazy.collect();
            let Some(leaving) = self.entropy.pick(&lazy).copied() else { return false };
            self.links.remove(&leaving);
            self.send(leaving, SpreadMessage::Disconnect);
            self.learn(&[leaving]);
        }
        self.links.insert(peer, Link { eager, heard: now, answered: None });
        true
    }

    /// Who has no eager link left takes a lazy one, without waiting for something to be missing.
    fn keep_in_tree(&mut self) {
        if !self.has_tree() || self.links.values().any(|link| link.eager) {
            return;
        }
        let links: Vec<P> = self.links.keys().copied().collect();
        if let Some(peer) = self.entropy.pick(&links).copied() {
            self.set_eager(peer, true);
            self.send(peer, SpreadMessage::Graft { id: None, eager: true });
        }
    }

    /// Whether bodies go from node to node; else from who broadcasts to all.
    pub(super) fn has_tree(&self) -> bool {
        self.size == ViewSize::Partial
    }

    fn is_full(&self) -> bool {
        self.links.len() >= self.size.neighbours()
    }

    /// Somebody who is no neighbour, the anchors included.
    fn other(&mut self) -> Option<P> {
        let known = self.others.keys().chain(&self.anchors);
        let others: Vec<P> = known.filter(|peer| !self.links.contains_key(peer)).copied().collect();
        self.entropy.pick(&others).copied()
    }

    /// Some of those we know, for `to`.
    fn sample(&mut self, to: P) -> Vec<P> {
        let known = self.links.keys().chain(self.others.keys());
        let mut known: Vec<P> = known.filter(|peer| **peer != to).copied().collect();
        let mut sample = Vec::new();
        while sample.len() < MAX_SHUFFLED && !known.is_empty() {
            sample.push(known.swap_remove(self.entropy.below(known.len())));
        }
        sample
    }
}
