//! Changes of the council: entries that end an epoch, and the links that prove what came of them.
//!
//! An epoch's last batch is executed before the council has certified it, so what it changed waits
//! here for its link. After a restart the journal may hold the link while the batch runs again:
//! then the link waits for the batch. Either way the history grows when both are there, in the order
//! of execution, and its last council is always the one under which the next batch is executed.

use std::sync::Arc;

use jurat_crypto::Digest;
use jurat_log::TreeSize;
use jurat_pbft::{Change, EpochLink, Sequence};
use serde::{Deserialize, Serialize};

use super::Core;
use crate::core::{
    CheckedEntry, CouncilChange, CouncilHistory, EpochStep, Halt, Ledger, electorate::Electorate,
};

/// What the last batch of the epoch changed, until the council has certified it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(in crate::core) struct Ending {
    sequence: u64,
    /// Encoded.
    change: Vec<u8>,
    size: u64,
    root: Digest,
    registry: Digest,
}

/// Where a node stands towards its council.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Not a member yet: it executes what was decided before, and waits to be taken in.
    Newcomer,
    /// A member.
    Member,
    /// It was removed.
    Former,
}

impl<L: Ledger> Core<L> {
    /// Where this node stands towards its council.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.replica.is_retired() {
            Standing::Former
        } else if self.replica.is_following() {
            Standing::Newcomer
        } else {
            Standing::Member
        }
    }

    /// The council's history as far as this node has executed it.
    #[must_use]
    pub const fn history(&self) -> &Arc<CouncilHistory> {
        &self.history
    }

    /// The first of a batch's entries that changes the council, if any may. Each member decides the
    /// same: by the entries, the councils up to this one, and the registry.
    pub(super) fn change_in(&mut self, entries: &[CheckedEntry]) -> Option<(CouncilChange, Change)> {
        let mut made = None;
        for change in entries.iter().filter_map(CheckedEntry::council_change) {
            match change.authorise(&self.history, &self.registry) {
                Ok(authorised) if made.is_none() => made = Some((change, authorised)),
                // The council that would make it is not the one that authorised it any more.
                _ => self.counters.ineffective_changes += 1,
            }
        }
        made
    }

    pub(super) fn note_ending(
        &mut self,
        sequence: Sequence,
        change: &CouncilChange,
        size: TreeSize,
        root: Digest,
    ) {
        let registry = self.registry.digest();
        self.ending = Some(Ending {
            sequence: sequence.0,
            change: change.encode(),
            size: size.value(),
            root,
            registry,
        });
    }

    pub(super) fn on_links(&mut self, links: Vec<EpochLink>) -> Result<(), Halt> {
        for link in links {
            // After a restart some come again.
            let known = self.links.back().map_or(self.history.council().base(), EpochLink::sequence);
            if link.sequence() > known {
                self.links.push_back(link);
            }
        }
        self.go_to_next_epoch()?;
        match self.links.front() {
            Some(link) if link.sequence() <= self.replica.executed() => Err(Halt::Link(link.sequence())),
            _ => Ok(()),
        }
    }

    /// Takes the step to the next council if both its change and its link are here.
    pub(super) fn go_to_next_epoch(&mut self) -> Result<(), Halt> {
        let Some(link) = self.links.front() else { return Ok(()) };
        let Some(Ending { change, size, root, registry, .. }) =
            self.ending.take_if(|ending| ending.sequence == link.sequence().0)
        else {
            return Ok(());
        };
        let link = link.clone();
        let sequence = link.sequence();
        let size = TreeSize::new(size).map_err(|_| Halt::Link(sequence))?;
        let change = CouncilChange::decode(&change).map_err(|_| Halt::Link(sequence))?;
        let mut history = CouncilHistory::clone(&self.history);
        history
            .push(EpochStep { change, link, size, root, registry })
            .map_err(|error| Halt::Step { sequence, error: Box::new(error) })?;
        self.links.pop_front();
        self.history = Arc::new(history);
        self.electorate = self.electorate_of(self.history.council().epoch().0)?;
        self.effects.council = Some(self.history.clone());
        Ok(())
    }

    /// Who certifies the checkpoints of an epoch.
    pub(super) fn electorate_of(&self, epoch: u64) -> Result<Arc<Electorate>, Halt> {
        let electorate = Electorate::of(&self.history, jurat_pbft::Epoch(epoch)).ok_or(Halt::Epoch(epoch))?;
        Ok(Arc::new(electorate.map_err(|error| Halt::Council(error.to_string()))?))
    }

    /// The links that lead on from who executed as far as before `sequence`, first those that make up
    /// the history.
    pub(in crate::core) fn links_from(&self, sequence: Sequence) -> impl Iterator<Item = &EpochLink> {
        let steps = self.history.steps().iter().map(|step| &step.link);
        steps.chain(&self.links).filter(move |link| link.sequence() >= sequence)
    }
}
