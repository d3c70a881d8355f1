//! Bulletins among members: a board, and what passes between boards so that all have the same.
//!
//! New bulletins spread at once (`jurat_gossip::Spreader`); a member that was away asks the others
//! what it lacks (`jurat_gossip::Initiator`), one after the other. Whatever comes passes the board's
//! one check, and only what passed it is kept and passed on.
//!
//! [`BulletinEffects`] are carried out in order of their fields: what is taken is durable before
//! anybody hears of it.

mod catching_up;
mod gating;
mod item;
mod mailing;
mod message;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use jurat_bulletin::{
    Accepted, Board, BoardLimits, BulletinKey, Origin, Refusal, Rules, Subscriber, TRUSTED, UnixSeconds,
};
use jurat_crypto::{Digest, SigningKey, VerifyingKey};
use jurat_gossip::{Quota, QuotaLimits, SpreadCounts, SpreadOutput, Spreader, ViewSize};
use jurat_log::PrivateCommitment;
use jurat_pbft::{Now, ReplicaId};
use rand::{Rng, rngs::StdRng};

use super::{EntryBytes, GateChange, GateExchange, MailChange, MailExchange};
use catching_up::CatchingUp;
use item::{GATE_ITEM, Item, NotTaken, POSTING};
pub use message::BulletinMessage;

/// How long at most until the next wake: bulletins expire by the second.
const TICK_MILLIS: u64 = 1_000;

/// What one member may send about bulletins. Honest members pass nothing bad on: 32 at once, and one a
/// second, are forgiven.
const LIMITS: QuotaLimits = QuotaLimits {
    bytes: (8 << 20, 32 << 20),
    messages: (2_000, 8_000),
    score: (32, 1_024),
    bad: 32,
    cut_off: 60_000,
};

/// What members are trusted with: they were admitted by the council, so they pass on what a
/// neighbour with a little less on its board took for less.
const FROM_MEMBER: Origin = Origin::Sender { trust: TRUSTED };

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub struct BulletinEffects {
    /// Store these.
    pub persist: Vec<PersistedPosting>,
    /// Remove these from the store.
    pub forget: Vec<BulletinKey>,
    /// Store and remove these besides.
    pub mail: Vec<MailChange>,
    /// And these.
    pub gates: Vec<GateChange>,
    /// Have these ordered, likewise once the above is durable.
    pub order: Vec<PrivateCommitment>,
    /// Tell subscribers, once the above is durable. The first is an index into `persist`.
    pub deliver: Vec<(usize, Vec<Subscriber>)>,
    /// Send these, likewise.
    pub send: Vec<(ReplicaId, BulletinMessage)>,
}

/// A posting that was taken.
#[derive(Debug, Clone)]
pub struct PersistedPosting {
    /// Where it is on the board.
    pub key: BulletinKey,
    /// The posting, encoded.
    pub bytes: Arc<[u8]>,
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeCounts {
    /// Bulletins taken, from anybody.
    pub accepted: u64,
    /// Of these, from members.
    pub from_members: u64,
    /// Messages of who is no member now.
    pub strangers: u64,
    /// Messages dropped because a member sent too much, or too many bad ones before.
    pub over_quota: u64,
    /// Times that a member was cut off for bad bulletins, or for sending too much again and again.
    pub cut_offs: u64,
    /// Reconciliations after which this board has all that it takes of another's.
    pub reconciled: u64,
    /// Reconciliations that were given up, or refused.
    pub unreconciled: u64,
}

#[derive(Debug)]
struct Neighbour {
    key: VerifyingKey,
    is_up: bool,
    quota: Quota,
}

/// The bulletins of a node, and its part in passing them on.
#[derive(Debug)]
pub struct BulletinExchange {
    board: Board,
    /// What reconciliation calls each bulletin on the board, and each item that is kept for gates.
    items: BTreeMap<Digest, Item>,
    me: Option<ReplicaId>,
    neighbours: BTreeMap<ReplicaId, Neighbour>,
    spreader: Option<Spreader<ReplicaId>>,
    /// Of spreaders of earlier councils.
    spread_before: SpreadCounts,
    catching_up: CatchingUp,
    mail: MailExchange,
    gates: GateExchange,
    /// When what came for gates is given to them at the latest.
    feed_by: u64,
    /// When mail that waits for members who are there is offered again.
    offer_at: u64,
    entropy: StdRng,
    counts: ExchangeCounts,
    effects: BulletinEffects,
}

impl BulletinExchange {
    /// An empty board that nobody else knows of.
    #[must_use]
    pub fn new(rules: Rules, limits: BoardLimits, key: SigningKey, entropy: StdRng) -> Self {
        Self {
            board: Board::new(rules, limits),
            items: BTreeMap::new(),
            me: None,
            neighbours: BTreeMap::new(),
            spreader: None,
            spread_before: SpreadCounts::default(),
            catching_up: CatchingUp::default(),
            mail: MailExchange::new(rules, key.clone()),
            gates: GateExchange::new(rules.network, key),
            feed_by: 0,
            offer_at: 0,
            entropy,
            counts: ExchangeCounts::default(),
            effects: BulletinEffects::default(),
        }
    }

    /// Takes back what was stored; says why not if it is over, or never was a bulletin.
    pub fn restore(&mut self, now: Now, posting: &[u8]) -> Result<(), Refusal> {
        let accepted = self.board.receive(unix_seconds(now), posting, Origin::Disk)?;
        self.items.insert(item::name(&accepted.key), Item::Bulletin(accepted.key));
        Ok(())
    }

    /// Goes along with the council: who this node is in it, and who the others are.
    pub fn set_council(
        &mut self,
        me: Option<ReplicaId>,
        others: &BTreeMap<ReplicaId, VerifyingKey>,
        now: Now,
    ) {
        self.me = me;
        self.neighbours.retain(|id, _| others.contains_key(id));
        for (id, key) in others {
            let quota = Quota::new(LIMITS, now.elapsed);
            self.neighbours.entry(*id).or_insert(Neighbour { key: *key, is_up: false, quota });
        }
        self.catching_up.retain(|id| others.contains_key(id));
        self.mail.set_members(me.is_some(), others.values());
        self.gates.set_members(me.is_some(), others.values());
        if let Some(before) = self.spreader.take() {
            self.spread_before = sum(self.spread_before, before.counts());
        }
        let seed = self.entropy.next_u64();
        let anchored = |me| {
            let others: Vec<ReplicaId> = others.keys().copied().collect();
            Spreader::new(me, ViewSize::of(1 + others.len()), &others, seed, now.elapsed)
        };
        self.spreader = me.filter(|_| !others.is_empty()).map(anchored);
    }

    /// There is a link to a member.
    pub fn up(&mut self, member: ReplicaId, now: Now) {
        if let Some(neighbour) = self.neighbours.get_mut(&member) {
            neighbour.is_up = true;
            let key = neighbour.key;
            self.catching_up.due(member, now.elapsed);
            self.greet(member, &key, now);
        }
    }

    /// There is none any more.
    pub fn down(&mut self, member: ReplicaId, now: Now) {
        if let Some(neighbour) = self.neighbours.get_mut(&member) {
            neighbour.is_up = false;
        }
        self.catching_up.lost(member);
        let outputs = self.spreader.as_mut().map(|spreader| spreader.lost(member));
        self.carry_out(outputs.unwrap_or_default(), now);
    }

    /// Takes a posting of somebody who is no member, in whom this node has so much trust, 0 to 10 000, and
    /// passes it on. A refusal is counted and changes nothing else.
    pub fn post(&mut self, posting: &[u8], trust: u16, now: Now) -> Result<BulletinKey, Refusal> {
        let accepted = self.take(posting, Origin::Sender { trust }, now)?;
        if let Some(spreader) = &mut self.spreader {
            // What the board takes is never longer than what is spread.
            let body = item::body(POSTING, posting);
            let outputs = spreader.broadcast(body.into(), now.elapsed).map(|(_, outputs)| outputs);
            self.carry_out(outputs.unwrap_or_default(), now);
        }
        Ok(accepted.key)
    }

    /// A member has said something, in so many bytes.
    pub fn receive(&mut self, from: ReplicaId, message: BulletinMessage, bytes: usize, now: Now) {
        let Some(neighbour) = self.neighbours.get_mut(&from) else {
            self.counts.strangers += 1;
            return;
        };
        // What was asked for comes at our own pace.
        let asked_for =
            matches!(message, BulletinMessage::Postings { .. }) && self.catching_up.is_asking(from);
        let was_cut_off = neighbour.quota.is_cut_off(now.elapsed);
        if !asked_for && neighbour.quota.take(bytes, now.elapsed).is_err() {
            self.counts.over_quota += 1;
            self.counts.cut_offs += u64::from(!was_cut_off && neighbour.quota.is_cut_off(now.elapsed));
            return;
        }
        match message {
            BulletinMessage::Spread(message) => {
                let outputs =
                    self.spreader.as_mut().map(|spreader| spreader.receive(from, message, now.elapsed));
                self.carry_out(outputs.unwrap_or_default(), now);
            }
            BulletinMessage::Ask(EntryBytes(bytes)) => self.asked(from, &bytes, now),
            BulletinMessage::Answer(EntryBytes(bytes)) => self.answered(from, &bytes, now),
            BulletinMessage::Postings { covered, postings } => self.fetched(from, covered, &postings, now),
            BulletinMessage::Prekeys(prekeys) => self.hear_prekeys(from, &prekeys, now),
            BulletinMessage::Packages(packages) => self.hear_packages(from, &packages, now),
            BulletinMessage::Mail(EntryBytes(letter)) => self.mail_arrives(&letter, now),
            BulletinMessage::Filed(letter) => {
                let recipient = neighbour.key;
                self.mail.filed_by(&recipient, &letter);
            }
        }
    }

    /// Does what is due.
    pub fn wake(&mut self, now: Now) {
        for key in self.board.expire(unix_seconds(now)) {
            self.items.remove(&item::name(&key));
            self.effects.forget.push(key);
        }
        let outputs = self
            .spreader
            .as_mut()
            .filter(|spreader| spreader.next_wake() <= now.elapsed)
            .map(|spreader| spreader.wake(now.elapsed));
        self.carry_out(outputs.unwrap_or_default(), now);
        self.catch_up(now);
        self.wake_mail(now);
        self.wake_gates(now);
    }

    /// When to wake next, at the latest, on the clock of [`Now::elapsed`].
    #[must_use]
    pub fn next_wake(&self, now: Now) -> u64 {
        let tick = self.next_gates(now).min(now.elapsed + TICK_MILLIS);
        self.spreader.as_ref().map_or(tick, |spreader| spreader.next_wake().min(tick))
    }

    /// What is to be done by now.
    pub fn take_effects(&mut self) -> BulletinEffects {
        self.effects.mail.extend(self.mail.take_changes());
        self.effects.gates.extend(self.gates.take_changes(&mut self.entropy));
        self.effects.order.extend(self.gates.take_order());
        std::mem::take(&mut self.effects)
    }

    /// The board.
    #[must_use]
    pub const fn board(&self) -> &Board {
        &self.board
    }

    /// The mail.
    #[must_use]
    pub const fn mail(&self) -> &MailExchange {
        &self.mail
    }

    /// The board, for subscriptions.
    pub const fn board_mut(&mut self) -> &mut Board {
        &mut self.board
    }

    /// What was counted.
    #[must_use]
    pub const fn counts(&self) -> ExchangeCounts {
        self.counts
    }

    /// What spreading counted.
    #[must_use]
    pub fn spread_counts(&self) -> SpreadCounts {
        self.spreader
            .as_ref()
            .map_or(self.spread_before, |spreader| sum(self.spread_before, spreader.counts()))
    }

    fn take(&mut self, posting: &[u8], origin: Origin, now: Now) -> Result<Accepted, Refusal> {
        let accepted = self.board.receive(unix_seconds(now), posting, origin)?;
        self.counts.accepted += 1;
        self.items.insert(item::name(&accepted.key), Item::Bulletin(accepted.key));
        if !accepted.subscribers.is_empty() {
            self.effects.deliver.push((self.effects.persist.len(), accepted.subscribers.clone()));
        }
        self.effects.persist.push(PersistedPosting { key: accepted.key, bytes: posting.into() });
        Ok(accepted)
    }

    /// The same for what a member passed on, be it a posting or something for gates.
    fn take_from(&mut self, from: ReplicaId, body: &[u8], now: Now) -> Result<(), NotTaken> {
        let taken = match body.split_first() {
            Some((&POSTING, posting)) => {
                let taken = self.take(posting, FROM_MEMBER, now);
                self.counts.from_members += u64::from(taken.is_ok());
                taken.map(drop).map_err(NotTaken::Posting)
            }
            Some((&GATE_ITEM, item)) => self.take_gate_item(from, item, now),
            _ => Err(NotTaken::Kind),
        };
        if taken.as_ref().is_err_and(NotTaken::is_bad) {
            self.sent_bad(from, now);
        }
        taken
    }

    fn take_gate_item(&mut self, from: ReplicaId, item: &[u8], now: Now) -> Result<(), NotTaken> {
        let Some(introducer) = self.neighbours.get(&from).map(|neighbour| neighbour.key) else {
            return Err(NotTaken::Kind);
        };
        let taken = self.gates.arrive(item, &introducer, unix_seconds(now));
        let id = taken.map_err(NotTaken::Gate)?;
        self.items.insert(id, Item::Gate(id));
        Ok(())
    }

    fn sent_bad(&mut self, from: ReplicaId, now: Now) {
        if let Some(neighbour) = self.neighbours.get_mut(&from)
            && neighbour.quota.bad(now.elapsed)
        {
            self.counts.cut_offs += 1;
        }
    }

    fn carry_out(&mut self, outputs: Vec<SpreadOutput<ReplicaId>>, now: Now) {
        let mut outputs = VecDeque::from(outputs);
        while let Some(output) = outputs.pop_front() {
            let more = match output {
                SpreadOutput::Send { to, message } if self.is_up(to) => {
                    self.effects.send.push((to, BulletinMessage::Spread(message)));
                    None
                }
                SpreadOutput::Send { to, .. } => self.spreader.as_mut().map(|spreader| spreader.lost(to)),
                SpreadOutput::Check { id, from, body } => {
                    let good = self.take_from(from, &body, now).is_ok();
                    self.spreader.as_mut().map(|spreader| spreader.checked(id, good, now.elapsed))
                }
            };
            outputs.extend(more.unwrap_or_default());
        }
    }

    fn is_up(&self, member: ReplicaId) -> bool {
        self.neighbours.get(&member).is_some_and(|neighbour| neighbour.is_up)
    }
}

/// The second in which something happens.
fn unix_seconds(now: Now) -> UnixSeconds {
    UnixSeconds(u32::try_from(now.wall.0 / 1000).unwrap_or(u32::MAX))
}

fn sum(a: SpreadCounts, b: SpreadCounts) -> SpreadCounts {
    SpreadCounts {
        bodies: a.bodies + b.bodies,
        checks: a.checks + b.checks,
        duplicates: a.duplicates + b.duplicates,
        refused: a.refused + b.refused,
        oversized: a.oversized + b.oversized,
        unchecked_full: a.unchecked_full + b.unchecked_full,
        missing_full: a.missing_full + b.missing_full,
        given_up: a.given_up + b.given_up,
        unknown_grafts: a.unknown_grafts + b.unknown_grafts,
        hasty_summaries: a.hasty_summaries + b.hasty_summaries,
        own_name: a.own_name + b.own_name,
    }
}

#[cfg(test)]
mod tests;
