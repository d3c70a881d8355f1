//! A network of spreading nodes in one thread and virtual time: the same seed gives the same history.

mod node;
mod situation;

use alloc::{
    collections::{BTreeMap, BTreeSet, BinaryHeap},
    sync::Arc,
    vec::Vec,
};
use core::cmp::Reverse;

use crate::{SpreadId, SpreadMessage, Spreader, ViewSize, spread::entropy::Entropy};
use node::{Effect, Node, Packet};
pub use situation::{NotDelivered, Outcome, Situation};

/// What a simulated network is like.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SimulationSetup {
    /// Draws everything.
    pub seed: u64,
    /// How many nodes start, ten milliseconds after each other. The first three are the anchors.
    pub nodes: u32,
    /// How many neighbours each has.
    pub size: ViewSize,
    /// How many messages in a hundred get lost.
    pub loss: u8,
    /// Whether nodes reconcile with new neighbours what they have kept. Without it they have only what
    /// spreading still holds.
    pub reconciles: bool,
}

/// How one broadcast has fared.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Spread {
    /// When it was sent, in milliseconds.
    pub sent: u64,
    /// Whom it is for: the nodes that were alive, the sender not counted.
    pub to: BTreeSet<u32>,
    /// When it reached each node, in milliseconds, and over how many links.
    pub reached: BTreeMap<u32, (u64, u8)>,
    /// The shortest over the links of that moment.
    pub best: Ways,
}

/// The ways from senders to nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ways {
    /// Links, summed over all ways.
    pub hops: u64,
    /// Links of the way that has most.
    pub most_hops: u64,
    /// Times, summed over all ways, in milliseconds.
    pub millis: u64,
    /// The longest time.
    pub most_millis: u64,
}

impl Ways {
    fn add(&mut self, hops: u64, millis: u64) {
        self.merge(Self { hops, most_hops: hops, millis, most_millis: millis });
    }

    fn merge(&mut self, other: Self) {
        self.hops += other.hops;
        self.most_hops = self.most_hops.max(other.most_hops);
        self.millis += other.millis;
        self.most_millis = self.most_millis.max(other.most_millis);
    }
}

/// What went over the links since the last [`Simulation::take_traffic`], as received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Traffic {
    /// Messages with a body.
    pub bodies: u64,
    /// Bodies that came by reconciliation.
    pub fetched: u64,
    /// Bytes of reconciliation, the bodies not counted.
    pub reconciling: u64,
    /// Announcements, each of up to 256 ids.
    pub announcements: u64,
    /// Requests and prunings.
    pub repairs: u64,
    /// Signs of life and what keeps the views: also without any broadcast.
    pub upkeep: u64,
}

/// A network of [`Spreader`]s.
#[derive(Clone, Debug)]
pub struct Simulation {
    setup: SimulationSetup,
    entropy: Entropy,
    now: u64,
    nodes: BTreeMap<u32, Node>,
    next_node: u32,
    /// Nodes in different parts don't hear each other.
    parts: u32,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    next_event: u64,
    /// For which time each node's wake-up stands in the queue.
    wakes: BTreeMap<u32, u64>,
    spreads: BTreeMap<SpreadId, Spread>,
    messages: BTreeMap<u64, Packet>,
    traffic: Traffic,
    checks: u64,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Event {
    Start(u32),
    Wake(u32),
    /// The message is kept by the event's number.
    Arrive {
        from: u32,
        to: u32,
    },
}

impl Traffic {
    fn count(&mut self, packet: &Packet) {
        match packet {
            Packet::Spread(SpreadMessage::Body { .. }) => self.bodies += 1,
            Packet::Spread(SpreadMessage::Announce(_)) => self.announcements += 1,
            Packet::Spread(SpreadMessage::Graft { .. } | SpreadMessage::Prune) => self.repairs += 1,
            Packet::Spread(_) | Packet::News => self.upkeep += 1,
            Packet::Ask(bytes) | Packet::Answer(bytes) => self.reconciling += bytes.len() as u64,
            Packet::Bodies(bodies) => self.fetched += bodies.len() as u64,
        }
    }
}

impl Simulation {
    /// A network whose nodes start one after the other.
    #[must_use]
    pub fn new(setup: SimulationSetup) -> Self {
        let mut simulation = Self {
            setup,
            entropy: Entropy::new(setup.seed),
            now: 0,
            nodes: BTreeMap::new(),
            next_node: 0,
            parts: 1,
            events: BinaryHeap::new(),
            next_event: 0,
            wakes: BTreeMap::new(),
            spreads: BTreeMap::new(),
            messages: BTreeMap::new(),
            traffic: Traffic::default(),
            checks: 0,
        };
        for n in 0..setup.nodes {
            simulation.push(u64::from(n) * 10, Event::Start(n));
        }
        simulation.next_node = setup.nodes;
        simulation
    }

    /// Lets so many milliseconds pass.
    pub fn run(&mut self, millis: u64) {
        let end = self.now + millis;
        while let Some(Reverse((at, number, event))) = self.events.peek().copied() {
            if at > end {
                break;
            }
            self.events.pop();
            self.now = at;
            self.happen(number, event);
        }
        self.now = end;
    }

    /// The time in milliseconds.
    #[must_use]
    pub const fn now(&self) -> u64 {
        self.now
    }

    /// The nodes that are alive.
    pub fn alive(&self) -> impl Iterator<Item = u32> {
        self.nodes.keys().copied()
    }

    /// One of the nodes that are alive, at random; 0 when there is none.
    pub fn any(&mut self) -> u32 {
        let place = self.entropy.below(self.nodes.len());
        self.nodes.keys().nth(place).copied().unwrap_or(0)
    }

    /// A node broadcasts a new body.
    pub fn broadcast(&mut self, from: u32) {
        let best = self.shortest_ways(from);
        let body: Arc<[u8]> = self.entropy.next().to_be_bytes().as_slice().into();
        let to = self.nodes.keys().copied().filter(|node| *node != from).collect();
        let Some(node) = self.nodes.get_mut(&from) else { return };
        let (Some(id), effects) = node.broadcast(body, self.now) else { return };
        self.spreads.insert(id, Spread { sent: self.now, to, reached: BTreeMap::new(), best });
        self.carry_out(from, effects);
    }

    /// A node dies without a word; it is nobody's business any more whether messages reach it.
    pub fn kill(&mut self, node: u32) {
        self.nodes.remove(&node);
        for spread in self.spreads.values_mut() {
            spread.to.remove(&node);
        }
    }

    /// Another node starts.
    pub fn start(&mut self) {
        self.push(self.now, Event::Start(self.next_node));
        self.next_node += 1;
    }

    /// Cuts the network into so many parts that don't hear each other; 1 heals it.
    pub const fn partition(&mut self, parts: u32) {
        self.parts = parts;
    }

    /// All broadcasts.
    pub fn spreads(&self) -> impl Iterator<Item = &Spread> {
        self.spreads.values()
    }

    /// Whether every broadcast has reached everybody it is for.
    #[must_use]
    pub fn all_reached(&self) -> bool {
        self.spreads().all(|spread| spread.to.iter().all(|node| spread.reached.contains_key(node)))
    }

    /// Whether every node that is alive has every broadcast, those from before its start too.
    #[must_use]
    pub fn all_have_all(&self) -> bool {
        self.nodes.values().all(|node| self.spreads.keys().all(|id| node.has(id)))
    }

    /// What was received since this was last called.
    pub fn take_traffic(&mut self) -> Traffic {
        core::mem::take(&mut self.traffic)
    }

    /// How many bodies were checked, over all nodes.
    #[must_use]
    pub const fn checks(&self) -> u64 {
        self.checks
    }

    fn push(&mut self, at: u64, event: Event) -> u64 {
        self.next_event += 1;
        self.events.push(Reverse((at, self.next_event, event)));
        self.next_event
    }

    fn happen(&mut self, number: u64, event: Event) {
        match event {
            Event::Start(me) => {
                let seed = self.entropy.next();
                let anchors = if me < 3 { &[0, 1, 2][..me as usize] } else { &[0, 1, 2] };
                let spreader = Spreader::new(me, self.setup.size, anchors, seed, self.now);
                self.nodes.insert(me, Node::new(spreader, !seed, self.setup.reconciles));
                self.wake(me);
            }
            Event::Wake(node) => {
                if self.wakes.get(&node) == Some(&self.now) {
                    self.wake(node);
                }
            }
            Event::Arrive { from, to } => {
                let Some(message) = self.messages.remove(&number) else { return };
                let Some(node) = self.nodes.get_mut(&to) else { return };
                self.traffic.count(&message);
                let effects = node.receive(from, message, self.now);
                self.carry_out(to, effects);
            }
        }
    }

    fn wake(&mut self, node: u32) {
        if let Some(woken) = self.nodes.get_mut(&node) {
            let effects = woken.wake(self.now);
            self.carry_out(node, effects);
        }
    }

    fn carry_out(&mut self, from: u32, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Send(to, packet) => {
                    let cut = from % self.parts != to % self.parts;
                    if cut || self.entropy.below(100) < usize::from(self.setup.loss) {
                        continue;
                    }
                    let at = self.now + latency(from, to) + self.entropy.next() % 5;
                    let number = self.push(at, Event::Arrive { from, to });
                    self.messages.insert(number, packet);
                }
                Effect::Kept(id, hops) => {
                    self.checks += 1;
                    if let Some(spread) = self.spreads.get_mut(&id) {
                        spread.reached.insert(from, (self.now, hops));
                    }
                }
            }
        }
        if let Some(next) = self.nodes.get(&from).map(|node| node.next_wake().max(self.now))
            && self.wakes.insert(from, next) != Some(next)
        {
            self.push(next, Event::Wake(from));
        }
    }

    fn shortest_ways(&self, source: u32) -> Ways {
        let mut ways = Ways::default();
        let hops = self.distances(source, |_, _| 1).into_values();
        for (hops, millis) in hops.zip(self.distances(source, latency).into_values()) {
            ways.add(hops, millis);
        }
        ways
    }

    /// Dijkstra's shortest ways from one node.
    fn distances(&self, source: u32, length: impl Fn(u32, u32) -> u64) -> BTreeMap<u32, u64> {
        let mut known = BTreeMap::new();
        let mut open = BinaryHeap::from([Reverse((0, source))]);
        while let Some(Reverse((distance, node))) = open.pop() {
            if known.contains_key(&node) {
                continue;
            }
            known.insert(node, distance);
            let neighbours = self.nodes.get(&node).into_iter().flat_map(|node| node.spreader.neighbours());
            for (next, _) in neighbours.filter(|(next, _)| self.nodes.contains_key(next)) {
                open.push(Reverse((distance + length(node, next), next)));
            }
        }
        known
    }
}

/// 10 to 79 milliseconds one way, always the same for two nodes.
fn latency(a: u32, b: u32) -> u64 {
    let pair = u64::from(a.min(b)) << 32 | u64::from(a.max(b));
    10 + Entropy::new(pair).next() % 70
}
