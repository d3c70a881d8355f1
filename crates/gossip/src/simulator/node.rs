//! A simulated node: it spreads, keeps whatever it has found good, and asks new neighbours what it lacks.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec::Vec,
};

use jurat_crypto::Digest;

use crate::{
    Answer, Initiator, Progress, ReconcileMessage, ReconcileSalt, Responder, ShortId, SpreadId,
    SpreadMessage, SpreadOutput, Spreader, spread::entropy::Entropy,
};

/// How long an answer may take, and when who did not answer is asked again, in milliseconds.
const PATIENCE: u64 = 10_000;

/// When a neighbour is asked again, in milliseconds.
const AGAIN: u64 = 300_000;

/// What came within so many milliseconds is not offered to others: spreading brings it to them.
const FRESH: u64 = 10_000;

/// How many bodies are asked for at once.
const WANTED_AT_ONCE: usize = 256;

/// What crosses a link.
#[derive(Clone, Debug)]
pub(super) enum Packet {
    Spread(SpreadMessage<u32>),
    /// A reconciliation message from who lacks something, in its layout.
    Ask(Vec<u8>),
    /// And one to it.
    Answer(Vec<u8>),
    /// What it wanted.
    Bodies(Vec<Arc<[u8]>>),
    /// Who asked has found that it has more: it is worth asking back.
    News,
}

/// What a node wants done.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Send(u32, Packet),
    /// A body was checked, found good and kept; over so many links it was pushed.
    Kept(SpreadId, u8),
}

#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) spreader: Spreader<u32>,
    /// The bodies that were found good, and since when.
    kept: BTreeMap<Digest, (Arc<[u8]>, u64)>,
    entropy: Entropy,
    reconciles: bool,
    neighbours: BTreeSet<u32>,
    /// Whom to ask, and when.
    due: BTreeMap<u32, u64>,
    asking: Option<Asking>,
    answering: BTreeMap<u32, Responder>,
    out: Vec<Effect>,
}

#[derive(Clone, Debug)]
struct Asking {
    peer: u32,
    initiator: Initiator,
    wanted: VecDeque<ShortId>,
    fetched: Vec<Digest>,
    deadline: u64,
}

impl Node {
    pub(super) fn new(spreader: Spreader<u32>, seed: u64, reconciles: bool) -> Self {
        Self {
            spreader,
            kept: BTreeMap::new(),
            entropy: Entropy::new(seed),
            reconciles,
            neighbours: BTreeSet::new(),
            due: BTreeMap::new(),
            asking: None,
            answering: BTreeMap::new(),
            out: Vec::new(),
        }
    }

    pub(super) fn broadcast(&mut self, body: Arc<[u8]>, now: u64) -> (Option<SpreadId>, Vec<Effect>) {
        let Ok((id, outputs)) = self.spreader.broadcast(Arc::clone(&body), now) else {
            return (None, Vec::new());
        };
        self.kept.insert(*id.digest(), (body, now));
        self.carry_out(outputs, now);
        (Some(id), core::mem::take(&mut self.out))
    }

    pub(super) fn receive(&mut self, from: u32, packet: Packet, now: u64) -> Vec<Effect> {
        match packet {
            Packet::Spread(message) => {
                let outputs = self.spreader.receive(from, message, now);
                self.carry_out(outputs, now);
            }
            Packet::Ask(bytes) => self.asked(from, &bytes, now),
            Packet::Answer(bytes) => self.answered(from, &bytes, now),
            Packet::Bodies(bodies) => self.fetched(from, bodies, now),
            Packet::News => self.ask_again(from, now),
        }
        core::mem::take(&mut self.out)
    }

    pub(super) fn wake(&mut self, now: u64) -> Vec<Effect> {
        if self.spreader.next_wake() <= now {
            let outputs = self.spreader.wake(now);
            self.carry_out(outputs, now);
        }
        if self.reconciles {
            self.catch_up(now);
        }
        core::mem::take(&mut self.out)
    }

    /// When to wake it. It looks at its neighbours whenever the spreader has something to do.
    pub(super) fn next_wake(&self) -> u64 {
        let asking = self.asking.as_ref().map(|asking| asking.deadline);
        self.spreader.next_wake().min(asking.unwrap_or(u64::MAX))
    }

    pub(super) fn has(&self, id: &SpreadId) -> bool {
        self.kept.contains_key(id.digest())
    }

    fn carry_out(&mut self, outputs: Vec<SpreadOutput<u32>>, now: u64) {
        for output in outputs {
            match output {
                SpreadOutput::Send { to, message } => {
                    self.out.push(Effect::Send(to, Packet::Spread(message)));
                }
                SpreadOutput::Check { id, body, .. } => {
                    self.kept.insert(*id.digest(), (body, now));
                    let outputs = self.spreader.checked(id, true, now);
                    self.out.push(Effect::Kept(id, self.spreader.hops_of(&id).unwrap_or(0)));
                    self.carry_out(outputs, now);
                }
            }
        }
    }

    /// Asks new neighbours and those whose time has come, one after the other.
    fn catch_up(&mut self, now: u64) {
        let neighbours: BTreeSet<u32> = self.spreader.neighbours().map(|(peer, _)| peer).collect();
        for new in neighbours.difference(&self.neighbours) {
            self.due.insert(*new, now);
        }
        self.due.retain(|peer, _| neighbours.contains(peer));
        self.neighbours = neighbours;
        if let Some(late) = self.asking.take_if(|asking| asking.deadline <= now) {
            self.ask_again(late.peer, now + PATIENCE);
        }
        if self.asking.is_some() {
            return;
        }
        let due = self.due.iter().find(|(_, at)| **at <= now).map(|(peer, _)| *peer);
        let Some(peer) = due else { return };
        let items: Vec<Digest> = self.kept.keys().copied().collect();
        let Ok((initiator, hello)) = Initiator::new(items, self.salt()) else { return };
        let (wanted, fetched) = (VecDeque::new(), Vec::new());
        self.asking = Some(Asking { peer, initiator, wanted, fetched, deadline: now + PATIENCE });
        self.out.push(Effect::Send(peer, Packet::Ask(hello.encode())));
    }

    fn asked(&mut self, from: u32, bytes: &[u8], now: u64) {
        let Ok(message) = ReconcileMessage::decode(bytes) else { return };
        if matches!(message, ReconcileMessage::Hello { .. }) {
            let old = self.kept.iter().filter(|(_, (_, since))| since + FRESH <= now);
            let items: Vec<Digest> = old.map(|(item, _)| *item).collect();
            let Ok(responder) = Responder::new(items, self.salt()) else { return };
            self.answering.insert(from, responder);
        }
        let Some(responder) = self.answering.get_mut(&from) else { return };
        let packet = match responder.receive(message) {
            Ok(Answer::Reply(reply)) => Packet::Answer(reply.encode()),
            Ok(Answer::Wanted(items)) => {
                let body = |item| self.kept.get(item).map(|(body, _)| Arc::clone(body));
                Packet::Bodies(items.iter().filter_map(body).collect())
            }
            // A question came twice, or one before it got lost.
            Err(_) => {
                self.answering.remove(&from);
                return;
            }
        };
        self.out.push(Effect::Send(from, packet));
    }

    fn answered(&mut self, from: u32, bytes: &[u8], now: u64) {
        let Some(asking) = self.asking.as_mut().filter(|asking| asking.peer == from) else { return };
        asking.deadline = now + PATIENCE;
        let progress = ReconcileMessage::decode(bytes).and_then(|message| asking.initiator.receive(message));
        match progress {
            Ok(Progress::Ask(more)) => self.out.push(Effect::Send(from, Packet::Ask(more.encode()))),
            Ok(Progress::Known(difference)) => {
                asking.wanted = difference.missing.into();
                let old = |item| self.kept.get(item).is_some_and(|(_, since)| since + FRESH <= now);
                if difference.surplus.iter().any(old) {
                    self.out.push(Effect::Send(from, Packet::News));
                }
                self.want(now);
            }
            Err(_) => {
                self.asking = None;
                self.ask_again(from, now + PATIENCE);
            }
        }
    }

    fn want(&mut self, now: u64) {
        let Some(asking) = &mut self.asking else { return };
        let peer = asking.peer;
        if asking.wanted.is_empty() {
            let equal = asking.initiator.confirm(&asking.fetched).is_ok();
            if !asking.fetched.is_empty() {
                // The others may lack it as well: they are asked, and told.
                self.due.values_mut().for_each(|at| *at = now);
            }
            self.asking = None;
            self.ask_again(peer, now + if equal { AGAIN } else { PATIENCE });
            return;
        }
        let ids = asking.wanted.iter().take(WANTED_AT_ONCE).copied().collect();
        self.out.push(Effect::Send(peer, Packet::Ask(ReconcileMessage::Want(ids).encode())));
    }

    fn fetched(&mut self, from: u32, bodies: Vec<Arc<[u8]>>, now: u64) {
        let Some(asking) = self.asking.as_mut().filter(|asking| asking.peer == from) else { return };
        asking.wanted.drain(..asking.wanted.len().min(WANTED_AT_ONCE));
        asking.deadline = now + PATIENCE;
        for body in bodies {
            let id = SpreadId::of(&body);
            asking.fetched.push(*id.digest());
            // It may have come over the tree meanwhile.
            if !self.kept.contains_key(id.digest()) {
                self.kept.insert(*id.digest(), (body, 0));
                self.spreader.met(id);
                self.out.push(Effect::Kept(id, 0));
            }
        }
        self.want(now);
    }

    fn ask_again(&mut self, peer: u32, at: u64) {
        if let Some(due) = self.due.get_mut(&peer) {
            *due = at;
        }
    }

    fn salt(&mut self) -> ReconcileSalt {
        let [one, other] = [self.entropy.next(), self.entropy.next()];
        ReconcileSalt((u128::from(one) << 64 | u128::from(other)).to_be_bytes())
    }
}
