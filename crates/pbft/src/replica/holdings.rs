//! How much a replica holds because of others, and how much that can be.

use super::Replica;
use crate::Config;

impl Replica {
    /// How many votes, proposals, checkpoints, view changes and early messages of one signer or
    /// sender are held. Never more than [`Config::max_held`], whatever it sends.
    #[must_use]
    pub fn held(&self, member: crate::ReplicaId) -> usize {
        let votes: usize = self.slots.values().map(|slot| slot.votes_of(member)).sum();
        let checkpoints = self.checkpoints.values().filter(|members| members.contains_key(&member)).count();
        let early = self.early.get(&member).map_or(0, alloc::collections::VecDeque::len);
        votes + checkpoints + early + usize::from(self.view_changes.contains_key(&member))
    }

    /// How many batches are held: proposed, prepared, or fetched and not delivered. Never more than
    /// [`Config::max_batches`].
    #[must_use]
    pub fn held_batches(&self) -> usize {
        self.slots.values().map(crate::slot::Slot::batch_count).sum()
    }
}

impl Config {
    /// How many messages of one member a replica holds at most: for each sequence between the
    /// watermarks a proposal, a Prepare, a Commit and a Checkpoint, a Checkpoint beyond them, a
    /// ViewChange, and a share of messages for views that have not begun.
    #[must_use]
    pub const fn max_held(&self) -> u64 {
        4 * self.window + 2 + self.max_early()
    }

    /// How many batches a replica holds at most, for each sequence one that was prepared or decided
    /// before and one that is proposed now. Each has at most `max_batch_requests` digests.
    #[must_use]
    pub const fn max_batches(&self) -> u64 {
        // Decisions may arrive for a window beyond what was delivered, itself a window beyond h.
        4 * self.window
    }

    /// A member's share of messages for views that have not begun here.
    pub(crate) const fn max_early(&self) -> u64 {
        4 * self.max_in_flight
    }
}
