//! Messages that were announced and have not come: who can be asked for them, and when.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    vec::Vec,
};

use super::SpreadId;

/// How many announced messages a node may be missing; more are not asked for until announced again.
pub const MAX_MISSING: usize = 4_096;

/// How many of these one peer may have announced first, so that one that announces what does not exist
/// leaves room for the others.
pub const MAX_MISSING_OF_ONE: usize = 1_024;

/// How long to wait for an announced body before asking for it, and between two requests. Longer
/// than a body needs over the tree, or the tree would be torn up for being slow.
pub(super) const GRAFT_MILLIS: u64 = 600;

/// How many announcers of one missing message are remembered.
const MAX_ANNOUNCERS: usize = 8;

/// How many requests a missing message is worth.
const MAX_REQUESTS: u8 = 12;

#[derive(Clone, Debug)]
pub(super) struct Missing<P> {
    messages: BTreeMap<SpreadId, Message<P>>,
    /// How many of these each peer has announced first.
    of: BTreeMap<P, usize>,
}

#[derive(Clone, Debug)]
struct Message<P> {
    first: P,
    announcers: VecDeque<P>,
    due: u64,
    requests: u8,
}

impl<P: Copy + Ord> Missing<P> {
    pub(super) const fn new() -> Self {
        Self { messages: BTreeMap::new(), of: BTreeMap::new() }
    }

    /// Whether there was room for it.
    pub(super) fn announced(&mut self, id: SpreadId, from: P, now: u64) -> bool {
        if let Some(message) = self.messages.get_mut(&id) {
            if message.announcers.len() < MAX_ANNOUNCERS && !message.announcers.contains(&from) {
                message.announcers.push_back(from);
            }
            return true;
        }
        let theirs = self.of.get(&from).copied().unwrap_or(0);
        if self.messages.len() >= MAX_MISSING || theirs >= MAX_MISSING_OF_ONE {
            return false;
        }
        self.of.insert(from, theirs + 1);
        let (announcers, due) = ([from].into(), now + GRAFT_MILLIS);
        self.messages.insert(id, Message { first: from, announcers, due, requests: 0 });
        true
    }

    /// It has come, or is not wanted any more. Returns who has announced it.
    pub(super) fn remove(&mut self, id: &SpreadId) -> BTreeSet<P> {
        let Some(message) = self.messages.remove(id) else { return BTreeSet::new() };
        if let Some(count) = self.of.get_mut(&message.first) {
            *count -= 1;
            if *count == 0 {
                self.of.remove(&message.first);
            }
        }
        message.announcers.into_iter().collect()
    }

    /// Those to be asked for now.
    pub(super) fn due(&self, now: u64) -> Vec<SpreadId> {
        self.messages.iter().filter(|(_, message)| message.due <= now).map(|(id, _)| *id).collect()
    }

    pub(super) fn next_due(&self) -> Option<u64> {
        self.messages.values().map(|message| message.due).min()
    }

    /// Whom to ask for it now. Nobody when it was asked for often enough: then it is given up.
    pub(super) fn ask_next(&mut self, id: &SpreadId, now: u64) -> Option<P> {
        let message = self.messages.get_mut(id)?;
        message.due = now + GRAFT_MILLIS;
        message.requests += 1;
        let announcer = message.announcers.pop_front().filter(|_| message.requests <= MAX_REQUESTS);
        match announcer {
            // The others have their turn before this one is asked again.
            Some(announcer) => message.announcers.push_back(announcer),
            None => drop(self.remove(id)),
        }
        announcer
    }
}
