//! The end of an epoch and the beginning of the next.
//!
//! The batch that changes the council is the last of its epoch. Nothing after it is executed until
//! the checkpoint after it is stable; then the next sequence begins with the new council in view 0.
//! What the old epoch proposed or even committed beyond its last batch is nobody's: nobody executed
//! it, and its requests wait again.

use super::{Halt, Mode, Refusal, Replica};
use crate::{Change, CheckpointCertificate, Council, EpochLink, Message, Recipient, Record, Sequence, View};

/// How many links a replica holds that lead on from its own epoch, at most. More are not refused
/// for good: they are asked for again when these are used up.
pub const MAX_LINKS_AHEAD: usize = 32;

/// The last batch of the epoch was executed here.
#[derive(Clone, Hash, Debug)]
pub(super) struct Ending {
    pub(super) sequence: Sequence,
    pub(super) change: Change,
    pub(super) next: Council,
}

impl Replica {
    /// Notes that the application made this sequence the last of the epoch.
    pub(super) fn note_ending(&mut self, sequence: Sequence, change: Change) {
        match self.council.successor(&change, sequence) {
            Ok(next) => self.ending = Some(Ending { sequence, change, next }),
            Err(error) => self.ready.halt = Some(Halt::Change(error)),
        }
    }

    /// The last sequence of the epoch, once it is known.
    pub(super) fn last_of_epoch(&self) -> Option<Sequence> {
        self.ending.as_ref().map(|ending| ending.sequence)
    }

    /// A verified certificate says that the epoch ended with a sequence that was executed here.
    pub(super) fn end_epoch(&mut self, certificate: CheckpointCertificate) {
        let checkpoint = certificate.checkpoint;
        match self.ending.clone() {
            Some(Ending { sequence, change, next })
                if sequence == checkpoint.sequence && checkpoint.next == Some(*next.digest()) =>
            {
                self.begin_epoch(EpochLink { change, certificate }, next);
            }
            // Who follows journals no promise that would tell after a restart what it executed last.
            None if self.is_following() => {
                if let Some((link, next)) = self.links_ahead.first().cloned() {
                    self.begin_epoch(link, next);
                }
            }
            _ => self.ready.halt = Some(Halt::EpochEnd(checkpoint.sequence)),
        }
    }

    /// Leaves the epoch through a verified link: into the next, or out of the council.
    pub(super) fn begin_epoch(&mut self, link: EpochLink, next: Council) {
        self.ready.records.push(Record::Epoch(link.clone()));
        if let Change::Remove(removed) = link.change
            && removed != self.voter.id
            && !self.is_following()
        {
            // It is no member of the next council, so nobody else would tell it.
            self.send(Recipient::One(removed), Message::Epoch(link.clone()));
        }
        self.slots.clear();
        self.enter_epoch(link, next);
        if self.mode != Mode::Retired {
            self.requests.begin_view(self.now.elapsed);
            self.next_proposal = self.delivered.next();
        }
        // The others may wait for this replica.
        self.next_status = self.now.elapsed;
    }

    /// What beginning an epoch and replaying its beginning have in common: all but the slots.
    pub(super) fn enter_epoch(&mut self, link: EpochLink, next: Council) {
        let base = next.base();
        self.ready.links.push(link.clone());
        self.checkpoints.clear();
        self.states.clear();
        self.view_changes.clear();
        self.early.clear();
        self.waiting_since = None;
        if let Some(fetching) = &mut self.fetching {
            fetching.begin_epoch();
        }
        if self.links_ahead.first().is_some_and(|(ahead, _)| ahead.sequence() <= base) {
            self.links_ahead.remove(0);
        }
        if self.ahead.as_ref().is_some_and(|ahead| ahead.sequence() <= base) {
            self.ahead = None;
        }
        let following = self.mode == Mode::Following;
        if following && let Some(id) = next.id_of(&self.voter.verifying_key()) {
            self.voter.id = id;
        }
        if !following && !next.contains(self.voter.id) {
            self.ending = Some(Ending { sequence: base, change: link.change, next });
            self.stable = Some(link.certificate);
            self.mode = Mode::Retired;
            self.fetching = None;
            return;
        }
        self.council = next;
        if self.council.contains(self.voter.id) {
            self.mode = Mode::Active;
            self.statuses.retain(|member, _| self.council.contains(*member));
            self.helped.retain(|member, _| self.council.contains(*member));
            self.served.retain(|member, _| self.council.contains(*member));
        }
        self.accused.retain(|member| self.council.contains(*member));
        self.began_with = Some(link);
        self.view = View(0);
        self.new_view = None;
        self.stable = None;
        self.ending = None;
    }

    /// The link that led this replica out of the council.
    pub(super) fn retired_with(&self) -> Option<EpochLink> {
        let ending = self.ending.as_ref().filter(|_| self.mode == Mode::Retired)?;
        Some(EpochLink { change: ending.change, certificate: self.stable.clone()? })
    }

    /// The council that is proven to decide after the last link known here.
    pub(super) fn furthest_council(&self) -> &Council {
        self.links_ahead.last().map_or(&self.council, |(_, council)| council)
    }

    /// Nobody goes with the council further than to the end of its own part in it; who follows has
    /// not begun that.
    fn goes_beyond(&self, furthest: &Council) -> bool {
        let key = self.voter.verifying_key();
        let begins = |council: &Council| council.id_of(&key).is_some();
        let is_to_begin = self.is_following() && !self.links_ahead.iter().any(|(_, next)| begins(next));
        begins(furthest) || is_to_begin
    }

    pub(super) fn on_epoch(&mut self, link: EpochLink) {
        let furthest = self.furthest_council();
        // Links come in order.
        if link.sequence() <= furthest.base() || !self.goes_beyond(furthest) {
            return self.refuse(Refusal::NotNeeded);
        }
        if self.links_ahead.len() >= MAX_LINKS_AHEAD {
            return self.refuse(Refusal::Overflow);
        }
        let Ok(next) = link.verify(furthest) else { return self.refuse(Refusal::BadCertificate) };
        let certificate = link.certificate.clone();
        if self.ahead.as_ref().is_some_and(|ahead| ahead.sequence() <= link.sequence()) {
            self.ahead = None;
        }
        self.links_ahead.push((link, next));
        if self.links_ahead.len() == 1 && certificate.sequence() <= self.executed {
            self.adopt(certificate);
        }
    }
}
