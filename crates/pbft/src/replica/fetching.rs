//! Fetching decisions that others have executed: from several members at once, from each a range.
//!
//! A decision proves itself, so it does not matter who brings it. What matters is that nobody can hold
//! a replica up. Who does not bring its range with all bodies in time (because it is slow, lies about
//! how far it is, sends nonsense, or now and then a decision) loses the range to another member, and
//! is asked again after a while, or earlier if there is nobody better.

use alloc::{collections::BTreeMap, vec::Vec};

use super::{Refusal, Replica, Serve};
use crate::{Message, Recipient, ReplicaId, Sequence};

/// How many decisions a member is asked for at once, at most.
const RANGE: u64 = 16;
/// How many status intervals a member has for a range.
const PATIENCE: u64 = 2;
/// After so many ranges in a row that did not come, a member waits no longer for the next: `2^6`
/// status intervals.
const MAX_FAILURES: u32 = 6;
/// How many decisions a member is served with in a millisecond, on average.
const SERVED_PER_MS: u64 = 64;
/// How many windows of decisions it may have at once.
const SERVED_AT_ONCE: u64 = 4;

/// A range that a member was asked for.
#[derive(Clone, Hash, Debug)]
struct Asked {
    from: Sequence,
    through: Sequence,
    due: u64,
}

/// A member that did not bring what it was asked for.
#[derive(Clone, Hash, Debug)]
struct Failed {
    in_a_row: u32,
    /// Until when others are asked first.
    until: u64,
}

/// Who is asked for what.
#[derive(Clone, Hash, Debug, Default)]
pub(super) struct Fetching {
    asked: BTreeMap<ReplicaId, Asked>,
    failed: BTreeMap<ReplicaId, Failed>,
}

impl Fetching {
    /// The member that was asked for this sequence.
    pub(super) fn asked_for(&self, sequence: Sequence) -> Option<ReplicaId> {
        let covers = |asked: &Asked| asked.from <= sequence && sequence <= asked.through;
        self.asked.iter().find(|(_, asked)| covers(asked)).map(|(member, _)| *member)
    }

    /// Forgets what is under way, as the decisions of an epoch that ends.
    pub(super) fn begin_epoch(&mut self) {
        self.asked.clear();
    }

    fn fail(&mut self, member: ReplicaId, now: u64, interval: u64) {
        self.asked.remove(&member);
        let failed = self.failed.entry(member).or_insert(Failed { in_a_row: 0, until: 0 });
        failed.until = now.saturating_add(interval.saturating_mul(1 << failed.in_a_row));
        failed.in_a_row = (failed.in_a_row + 1).min(MAX_FAILURES);
    }
}

impl Replica {
    /// Connected members that say they executed more than was delivered here.
    pub(super) fn members_ahead(&self) -> impl Iterator<Item = (ReplicaId, Sequence)> + '_ {
        let executed = |id| self.statuses.get(id).map_or(Sequence(0), |status| status.executed);
        self.connected
            .iter()
            .map(move |id| (*id, executed(id)))
            .filter(|(_, executed)| *executed > self.delivered)
    }

    /// Starts to fetch what others have executed, until nobody is ahead any more.
    pub(super) fn fetch_decisions(&mut self) {
        self.fetching.get_or_insert_default();
        self.go_on_fetching();
    }

    /// Looks what has come and asks for more.
    pub(super) fn go_on_fetching(&mut self) {
        let Some(mut fetching) = self.fetching.take() else { return };
        let ahead: BTreeMap<ReplicaId, Sequence> = self.members_ahead().collect();
        if ahead.is_empty() {
            return;
        }
        let now = self.now.elapsed;
        let interval = self.config.status_interval.max(1);
        let is_here = |sequence: Sequence| {
            let complete =
                |slot: &super::Slot| slot.decided_batch().is_some() && slot.missing().next().is_none();
            sequence <= self.delivered || self.slots.get(&sequence).is_some_and(complete)
        };
        for (member, asked) in fetching.asked.clone() {
            if (asked.from.0..=asked.through.0).map(Sequence).all(is_here) {
                fetching.asked.remove(&member);
                fetching.failed.remove(&member);
            } else if asked.due <= now {
                fetching.fail(member, now, interval);
            }
        }
        let high = self.delivered.plus(self.config.window);
        let mut free: Vec<(u64, ReplicaId, Sequence)> = ahead
            .iter()
            .filter(|(member, _)| !fetching.asked.contains_key(member))
            .map(|(member, executed)| {
                let until = fetching.failed.get(member).map_or(0, |failed| failed.until);
                (if until > now { until } else { 0 }, *member, (*executed).min(high))
            })
            .collect();
        // Turns go round, so that one who is asked in vain is not the first every time.
        let turn = usize::try_from(now / interval % free.len().max(1) as u64).unwrap_or(0);
        free.rotate_left(turn);
        free.sort_by_key(|(until, ..)| *until);
        let is_open = |sequence: &Sequence| !is_here(*sequence) && fetching.asked_for(*sequence).is_none();
        let sequences = if free.is_empty() { 0..0 } else { self.delivered.0 + 1..high.0 + 1 };
        let open: Vec<Sequence> = sequences.map(Sequence).filter(is_open).collect();
        let mut open = &open[..];
        let mut questions = Vec::new();
        for (until, member, executed) in free {
            // Who failed lately waits until nobody else is there to be asked.
            if until > 0 && !fetching.asked.is_empty() {
                break;
            }
            let Some(from) = open.first().copied().filter(|from| *from <= executed) else { continue };
            let follows =
                |(sequence, place): &(&Sequence, u64)| sequence.0 == from.0 + place && **sequence <= executed;
            let count = open.iter().zip(0..RANGE).take_while(follows).count();
            let through = open[count - 1];
            open = &open[count..];
            let due = now.saturating_add(interval.saturating_mul(PATIENCE));
            fetching.asked.insert(member, Asked { from, through, due });
            questions.push((member, Message::FetchDecided(from, through)));
        }
        self.fetching = Some(fetching);
        for (member, question) in questions {
            self.send(Recipient::One(member), question);
        }
    }

    /// Who is gone brings nothing.
    pub(super) fn ask_others_instead_of(&mut self, member: ReplicaId) {
        if let Some(fetching) = &mut self.fetching {
            fetching.asked.remove(&member);
        }
    }

    pub(super) fn on_fetch_decided(&mut self, from: ReplicaId, sequence: Sequence, through: Sequence) {
        if sequence > self.executed || sequence > through || sequence == Sequence(0) {
            return self.refuse(Refusal::NotNeeded);
        }
        let through = through.min(self.executed).min(sequence.plus(self.config.window - 1));
        let now = self.now.elapsed.saturating_mul(SERVED_PER_MS);
        let served = self.served.get(&from).map_or(now, |served| now.max(*served));
        if served > now.saturating_add(SERVED_AT_ONCE * self.config.window) {
            return self.refuse(Refusal::Overflow);
        }
        self.served.insert(from, served + (through.0 - sequence.0 + 1));
        self.ready.serve.push(Serve { to: from, from: sequence, through });
    }
}
