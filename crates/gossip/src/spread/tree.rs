//! The tree: bodies over eager links, ids over lazy ones, and how the one heals from the other.

use alloc::{collections::BTreeSet, sync::Arc, vec::Vec};

use super::{
    FLUSH_MILLIS, MAX_ANNOUNCED, MAX_SPREAD_BYTES, MAX_UNCHECKED, MAX_UNCHECKED_OF_ONE, SUMMARY_PARTS,
    SpreadId, SpreadMessage, SpreadOutput, Spreader, memory::MAX_KNOWN, missing::GRAFT_MILLIS,
};

/// A link that would have saved more than so many hops takes the place of the one that was used
/// (Plumtree, 3.8).
const OPTIMISE_HOPS: u8 = 3;

/// At most one such exchange in so many milliseconds.
const OPTIMISE_MILLIS: u64 = 1_000;

/// The shortest time between two summaries of one peer that are answered, in milliseconds.
const SUMMARY_MILLIS: u64 = 500;

/// The shortest time between two summaries of any peers that are not neighbours.
const PROBE_ANSWER_MILLIS: u64 = 50;

/// A body that waits for its check.
#[derive(Clone, Debug)]
pub(super) struct Unchecked<P> {
    pub(super) body: Arc<[u8]>,
    /// Over how many links it came.
    pub(super) hops: u8,
    /// Who sent it; nobody for our own.
    pub(super) sender: Option<P>,
    /// Who pushed it; nobody for our own and for those that were pulled.
    pub(super) parent: Option<P>,
    /// Who holds it, as far as was shown.
    pub(super) known: BTreeSet<P>,
}

impl<P: Copy + Ord> Spreader<P> {
    pub(super) fn body(&mut self, from: P, body: Arc<[u8]>, hops: u8, pulled: bool) {
        self.counts.bodies += 1;
        if body.len() > MAX_SPREAD_BYTES {
            self.counts.oversized += 1;
            return;
        }
        let id = SpreadId::of(&body);
        self.known_while_unchecked(&id, from);
        if self.seen.contains(&id) || self.unchecked.contains_key(&id) {
            self.counts.duplicates += 1;
            self.bodies.known_to(&id, from);
            // The link closes a circle. What was pulled says nothing about the tree.
            if !pulled && self.has_tree() && self.links.contains_key(&from) {
                self.set_eager(from, false);
                self.send(from, SpreadMessage::Prune);
            }
            return;
        }
        let is_theirs = |unchecked: &&Unchecked<P>| unchecked.sender == Some(from);
        let waiting = self.unchecked.len();
        if waiting >= MAX_UNCHECKED
            || waiting >= MAX_UNCHECKED_OF_ONE
                && self.unchecked.values().filter(is_theirs).count() >= MAX_UNCHECKED_OF_ONE
        {
            self.counts.unchecked_full += 1;
            return;
        }
        let mut known = self.missing.remove(&id);
        known.insert(from);
        if !pulled {
            self.set_eager(from, true);
        }
        let unchecked = Unchecked {
            body: Arc::clone(&body),
            hops: hops.saturating_add(1),
            sender: Some(from),
            parent: (!pulled).then_some(from),
            known,
        };
        self.unchecked.insert(id, unchecked);
        self.counts.checks += 1;
        self.out.push(SpreadOutput::Check { id, from, body });
    }

    /// `false` when no such body waits for its check.
    fn known_while_unchecked(&mut self, id: &SpreadId, peer: P) -> bool {
        let unchecked = self.unchecked.get_mut(id);
        let waits = unchecked.is_some();
        if let Some(unchecked) = unchecked.filter(|unchecked| unchecked.known.len() < MAX_KNOWN) {
            unchecked.known.insert(peer);
        }
        waits
    }

    /// A good body: holds it and passes it on.
    pub(super) fn accept(&mut self, id: SpreadId, good: Unchecked<P>, now: u64) {
        let Unchecked { body, hops, parent, known, .. } = good;
        self.seen.insert(id);
        let to_all = hops == 0 && !self.has_tree();
        let others = self.links.iter().filter(|(peer, _)| !known.contains(peer));
        let (eager, lazy): (Vec<_>, Vec<_>) = others.partition(|(_, link)| link.eager || to_all);
        for (peer, _) in eager {
            let message = SpreadMessage::Body { body: Arc::clone(&body), hops, pulled: false };
            self.out.push(SpreadOutput::Send { to: *peer, message });
        }
        for (peer, _) in lazy {
            self.to_announce.entry(*peer).or_default().push(id);
            self.flush_at.get_or_insert(now + FLUSH_MILLIS);
        }
        self.bodies.insert(id, body, hops, parent, now);
        for peer in known {
            self.bodies.known_to(&id, peer);
        }
    }

    /// Announces what has gathered, but not to those who have shown since that they hold it.
    pub(super) fn flush(&mut self) {
        self.flush_at = None;
        for (peer, ids) in core::mem::take(&mut self.to_announce) {
            let news: Vec<_> = ids
                .into_iter()
                .filter_map(|id| {
                    let held = self.bodies.held(&id).filter(|held| !held.known.contains(&peer))?;
                    Some((id, held.hops))
                })
                .collect();
            if self.links.contains_key(&peer) {
                for chunk in news.chunks(MAX_ANNOUNCED) {
                    self.send(peer, SpreadMessage::Announce(chunk.to_vec()));
                }
            }
        }
    }

    pub(super) fn announced(&mut self, from: P, ids: &[(SpreadId, u8)], now: u64) {
        if ids.len() > MAX_ANNOUNCED {
            self.counts.oversized += 1;
            return;
        }
        for (id, hops) in ids {
            if let Some(held) = self.bodies.held(id) {
                if let Some(parent) = held.parent
                    && held.hops > hops.saturating_add(1 + OPTIMISE_HOPS)
                {
                    self.optimise(parent, from, now);
                }
                self.bodies.known_to(id, from);
            } else if self.seen.contains(id) || self.known_while_unchecked(id, from) {
                // Refused, held no longer, or here already.
            } else if !self.missing.announced(*id, from, now) {
                self.counts.missing_full += 1;
            }
        }
    }

    /// Takes a shorter way into the tree and gives up the longer.
    fn optimise(&mut self, parent: P, shorter: P, now: u64) {
        let is = |peer: &P, eager| self.links.get(peer).is_some_and(|link| link.eager == eager);
        if now < self.optimised_at + OPTIMISE_MILLIS || !is(&parent, true) || !is(&shorter, false) {
            return;
        }
        self.optimised_at = now;
        self.set_eager(shorter, true);
        self.send(shorter, SpreadMessage::Graft { id: None, eager: true });
        self.set_eager(parent, false);
        self.send(parent, SpreadMessage::Prune);
    }

    pub(super) fn ask_for_missing(&mut self, now: u64) {
        for id in self.missing.due(now) {
            let Some(announcer) = self.missing.ask_next(&id, now) else {
                self.counts.given_up += 1;
                continue;
            };
            // One new link repairs the tree for all that is missing; a link for each would flood.
            let recent = self.repaired_at.is_some_and(|at| now < at + GRAFT_MILLIS);
            let eager = !recent && self.has_tree() && self.links.contains_key(&announcer);
            if eager {
                self.repaired_at = Some(now);
                self.set_eager(announcer, true);
            }
            self.send(announcer, SpreadMessage::Graft { id: Some(id), eager });
        }
    }

    pub(super) fn grafted(&mut self, from: P, id: Option<SpreadId>, eager: bool) {
        if eager {
            self.set_eager(from, true);
        }
        let Some(id) = id else { return };
        let Some(held) = self.bodies.held(&id) else {
            self.counts.unknown_grafts += 1;
            return;
        };
        let message = SpreadMessage::Body { body: Arc::clone(&held.body), hops: held.hops, pulled: !eager };
        self.send(from, message);
    }

    pub(super) fn summary(
        &mut self,
        from: P,
        salt: u64,
        parts: &[u64; SUMMARY_PARTS],
        probe: bool,
        now: u64,
    ) {
        // An answer costs a hash over all held ids, so it has its pace; who floods does not push back
        // the next one.
        let (answered, pace) = match self.links.get_mut(&from) {
            Some(link) => (&mut link.answered, SUMMARY_MILLIS),
            None if probe => (&mut self.probe_answered_at, PROBE_ANSWER_MILLIS),
            // It holds us for a neighbour: the message that would have told us was lost.
            None => return self.neighbour(from, false, false, now),
        };
        if answered.is_some_and(|at| now < at + pace) {
            self.counts.hasty_summaries += 1;
            return;
        }
        *answered = Some(now);
        // Our own side of a probe, once: who asked does not answer the answer.
        if probe && self.probing.take() != Some(from) {
            self.send_summary(from, true);
            self.probing = Some(from);
        }
        let first = self.entropy.below(SUMMARY_PARTS);
        let differing = self.bodies.differing(salt, parts, first, MAX_ANNOUNCED);
        if !differing.is_empty() {
            self.send(from, SpreadMessage::Announce(differing));
        }
    }

    pub(super) fn send_summary(&mut self, to: P, probe: bool) {
        let salt = self.entropy.next();
        let parts = self.bodies.summary(salt);
        self.send(to, SpreadMessage::Summary { salt, parts, probe });
    }

    /// Changes nothing for who is no neighbour.
    pub(super) fn set_eager(&mut self, peer: P, eager: bool) {
        let eager = eager && self.has_tree();
        if let Some(link) = self.links.get_mut(&peer) {
            link.eager = eager;
        }
    }
}
