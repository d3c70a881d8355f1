//! What a member does after an absence: it asks the others, one after the other, what it lacks.
//!
//! Each side asks for itself, so a difference is fetched by who lacks it, at that one's pace, and
//! nobody is sent what it did not ask for.

use std::collections::{BTreeMap, VecDeque};

use jurat_bulletin::Refusal;
use jurat_crypto::Digest;
use jurat_gossip::{
    Answer, Initiator, Progress, ReconcileMessage, ReconcileSalt, Responder, ShortId, SpreadId,
};
use jurat_pbft::{Now, ReplicaId};
use rand::Rng;

use super::{
    BulletinExchange, BulletinMessage,
    item::{self, GATE_ITEM, Item, NotTaken, POSTING},
};
use crate::core::EntryBytes;

/// How many bulletins are asked for at once.
const WANTED_AT_ONCE: usize = 256;
/// About how many bytes of them one answer has; a single one may be longer.
const ANSWER_BYTES: usize = 1 << 20;
/// How long an answer may take, in milliseconds.
const PATIENCE: u64 = 10_000;
/// When a member is asked again after it was asked with and without success, in milliseconds.
const AGAIN: u64 = 300_000;
const AGAIN_AFTER_FAILURE: u64 = 10_000;
/// The shortest time between two beginnings of one member, in milliseconds: each costs a hash for
/// every bulletin here.
const BEGINNINGS: u64 = 2_000;
/// Sessions that are answered at one time; each holds some 64 bytes for every bulletin here.
const MAX_ANSWERED: usize = 8;
/// A session in which nothing was asked for so many milliseconds is over.
const IDLE: u64 = 30_000;

/// The sessions of a node: one in which it asks, several in which it is asked.
#[derive(Debug, Default)]
pub(super) struct CatchingUp {
    due: BTreeMap<ReplicaId, u64>,
    asking: Option<Asking>,
    answering: BTreeMap<ReplicaId, Answering>,
    begun: BTreeMap<ReplicaId, u64>,
}

#[derive(Debug)]
struct Asking {
    member: ReplicaId,
    initiator: Initiator,
    wanted: VecDeque<ShortId>,
    /// How many of these were asked for by the last message.
    asked: usize,
    fetched: Vec<Digest>,
    /// Some of it the board here did not take, so the sets stay different for a while.
    refused: bool,
    deadline: u64,
}

#[derive(Debug)]
struct Answering {
    responder: Responder,
    until: u64,
}

impl CatchingUp {
    /// A member is to be asked from `now` on.
    pub(super) fn due(&mut self, member: ReplicaId, now: u64) {
        self.due.insert(member, now);
    }

    /// There is no link to a member.
    pub(super) fn lost(&mut self, member: ReplicaId) {
        self.retain(|id| *id != member);
    }

    /// Ends what has to do with others.
    pub(super) fn retain(&mut self, stays: impl Fn(&ReplicaId) -> bool) {
        self.due.retain(|id, _| stays(id));
        self.answering.retain(|id, _| stays(id));
        self.begun.retain(|id, _| stays(id));
        self.asking.take_if(|asking| !stays(&asking.member));
    }

    /// Whether this node is finding out what it lacks.
    pub(super) const fn is_under_way(&self) -> bool {
        self.asking.is_some()
    }

    /// Whether postings were asked for of a member and have not come.
    pub(super) fn is_asking(&self, member: ReplicaId) -> bool {
        self.asking.as_ref().is_some_and(|asking| asking.member == member && asking.asked > 0)
    }
}

impl BulletinExchange {
    /// Begins with the next member whose turn has come, unless one is being asked.
    pub(super) fn catch_up(&mut self, now: Now) {
        let sessions = &mut self.catching_up;
        sessions.answering.retain(|_, answering| answering.until > now.elapsed);
        if let Some(asking) = &sessions.asking {
            if asking.deadline > now.elapsed {
                return;
            }
            self.finish(false, now);
        }
        let due = self.catching_up.due.iter().find(|(_, at)| **at <= now.elapsed);
        let Some(member) = due.map(|(member, _)| *member) else { return };
        let salt = self.salt();
        let Ok((initiator, hello)) = Initiator::new(self.names(), salt) else {
            // More than a board holds.
            self.catching_up.due.remove(&member);
            return;
        };
        let deadline = now.elapsed + PATIENCE;
        let (wanted, fetched, asked, refused) = (VecDeque::new(), Vec::new(), 0, false);
        self.catching_up.asking =
            Some(Asking { member, initiator, wanted, asked, fetched, refused, deadline });
        self.send(member, &hello, BulletinMessage::Ask);
    }

    /// A member asks.
    pub(super) fn asked(&mut self, from: ReplicaId, bytes: &[u8], now: Now) {
        let Ok(message) = ReconcileMessage::decode(bytes) else {
            self.sent_bad(from, now);
            return;
        };
        if matches!(message, ReconcileMessage::Hello { .. }) {
            let hasty = |at: &u64| now.elapsed < at + BEGINNINGS;
            let sessions = &self.catching_up;
            let full = sessions.answering.len() >= MAX_ANSWERED && !sessions.answering.contains_key(&from);
            if full || sessions.begun.get(&from).is_some_and(hasty) {
                self.counts.unreconciled += 1;
                return;
            }
            let salt = self.salt();
            let Ok(responder) = Responder::new(self.names(), salt) else { return };
            self.catching_up.begun.insert(from, now.elapsed);
            self.catching_up.answering.insert(from, Answering { responder, until: 0 });
        }
        let wanted = match &message {
            ReconcileMessage::Want(ids) => ids.len().min(WANTED_AT_ONCE),
            _ => 0,
        };
        let Some(answering) = self.catching_up.answering.get_mut(&from) else { return };
        answering.until = now.elapsed + IDLE;
        match answering.responder.receive(message) {
            Ok(Answer::Reply(reply)) => self.send(from, &reply, BulletinMessage::Answer),
            Ok(Answer::Wanted(items)) => self.give(from, &items, wanted),
            Err(_) => {
                self.catching_up.answering.remove(&from);
                self.sent_bad(from, now);
            }
        }
    }

    /// Sends as many of the wanted bulletins as fit.
    fn give(&mut self, to: ReplicaId, items: &[Digest], wanted: usize) {
        let (mut covered, mut bytes, mut postings) = (0, 0, Vec::new());
        for item in items.iter().take(wanted) {
            if let Some(encoded) = self.items.get(item).and_then(|item| self.body_of(item)) {
                if bytes > 0 && bytes + encoded.len() > ANSWER_BYTES {
                    break;
                }
                bytes += encoded.len();
                postings.push(EntryBytes(encoded.into()));
            }
            covered += 1;
        }
        // Those that nobody has heard of are covered by nothing.
        if covered == items.len() {
            covered = wanted;
        }
        let covered = u32::try_from(covered).unwrap_or(u32::MAX);
        self.effects.send.push((to, BulletinMessage::Postings { covered, postings }));
    }

    /// Something as it is spread.
    fn body_of(&self, item: &Item) -> Option<Vec<u8>> {
        match item {
            Item::Bulletin(key) => Some(item::body(POSTING, &self.board.retrieve(key)?.encode())),
            Item::Gate(id) => Some(item::body(GATE_ITEM, &self.gates.item(id)?)),
        }
    }

    /// The member that is asked answers.
    pub(super) fn answered(&mut self, from: ReplicaId, bytes: &[u8], now: Now) {
        let Some(asking) = self.catching_up.asking.as_mut().filter(|asking| asking.member == from) else {
            return;
        };
        let progress = ReconcileMessage::decode(bytes).and_then(|message| asking.initiator.receive(message));
        asking.deadline = now.elapsed + PATIENCE;
        match progress {
            Ok(Progress::Ask(more)) => self.send(from, &more, BulletinMessage::Ask),
            Ok(Progress::Known(difference)) => {
                asking.wanted = difference.missing.into();
                self.want(now);
            }
            Err(_) => {
                // Two names may have met by chance: that is no fault.
                self.finish(false, now);
            }
        }
    }

    /// Asks for the next bulletins, or is done.
    fn want(&mut self, now: Now) {
        let Some(asking) = &mut self.catching_up.asking else { return };
        if asking.wanted.is_empty() {
            let done = asking.refused || asking.initiator.confirm(&asking.fetched).is_ok();
            self.finish(done, now);
            return;
        }
        let ids: Vec<ShortId> = asking.wanted.iter().take(WANTED_AT_ONCE).copied().collect();
        asking.asked = ids.len();
        let member = asking.member;
        self.send(member, &ReconcileMessage::Want(ids), BulletinMessage::Ask);
    }

    /// Bulletins that were asked for have come.
    pub(super) fn fetched(&mut self, from: ReplicaId, covered: u32, postings: &[EntryBytes], now: Now) {
        let covered = covered as usize;
        let fits = |asking: &&mut Asking| {
            asking.member == from && (1..=asking.asked).contains(&covered) && postings.len() <= covered
        };
        let Some(asking) = self.catching_up.asking.as_mut().filter(fits) else {
            self.sent_bad(from, now);
            return;
        };
        asking.wanted.drain(..covered);
        asking.asked = 0;
        asking.deadline = now.elapsed + PATIENCE;
        let (mut fetched, mut refused) = (Vec::new(), false);
        for posting in postings {
            let taken = self.take_from(from, &posting.0, now);
            // It may have come another way in the meantime.
            if taken.as_ref().err().is_none_or(NotTaken::is_duplicate) {
                fetched.extend(item::name_of(&posting.0));
                if let Some(spreader) = &mut self.spreader {
                    spreader.met(SpreadId::of(&posting.0));
                }
                continue;
            }
            if matches!(taken, Err(NotTaken::Posting(Refusal::Full { .. }))) {
                self.finish(true, now);
                return;
            }
            refused = true;
        }
        if let Some(asking) = &mut self.catching_up.asking {
            asking.fetched.extend(fetched);
            asking.refused |= refused;
        }
        self.want(now);
    }

    /// Ends the session in which this node asks.
    fn finish(&mut self, done: bool, now: Now) {
        let Some(asking) = self.catching_up.asking.take() else { return };
        let (count, again) = if done {
            (&mut self.counts.reconciled, AGAIN)
        } else {
            (&mut self.counts.unreconciled, AGAIN_AFTER_FAILURE)
        };
        *count += 1;
        self.catching_up.due(asking.member, now.elapsed + again);
    }

    fn send(
        &mut self,
        to: ReplicaId,
        message: &ReconcileMessage,
        of: impl FnOnce(EntryBytes) -> BulletinMessage,
    ) {
        self.effects.send.push((to, of(EntryBytes(message.encode().into()))));
    }

    fn names(&self) -> Vec<Digest> {
        self.items.keys().copied().collect()
    }

    fn salt(&mut self) -> ReconcileSalt {
        let mut salt = [0; 16];
        self.entropy.fill_bytes(&mut salt);
        ReconcileSalt(salt)
    }
}
