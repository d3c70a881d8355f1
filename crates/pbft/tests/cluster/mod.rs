//! A council in virtual time: replicas, journals that lose what was not synced, a network that
//! drops, repeats, delays and cuts, and up to f members that lie. One seed gives one history.

#![allow(dead_code, reason = "each test uses a part")]

mod app;
mod lies;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use jurat_pbft::{
    Batch, BatchTime, Change, Config, Council, Decision, EpochChain, Evidence, Input, Message, Now, Outbound,
    Phase, Ready, Recipient, Record, Replica, RequestDigest, Sequence, Transfer, Vote,
};
use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::forge::{self, EPOCH_MS, id, key};
use app::App;
pub(crate) use lies::Lie;

/// How the network and the members behave, drawn from the seed by each test.
#[derive(Clone, Debug)]
pub(crate) struct Weather {
    pub(crate) loss: f64,
    pub(crate) repeat: f64,
    pub(crate) latency: std::ops::Range<u64>,
    pub(crate) sync: std::ops::Range<u64>,
    pub(crate) skew: u64,
}

impl Weather {
    pub(crate) fn calm() -> Self {
        Self { loss: 0.0, repeat: 0.0, latency: 1..3, sync: 1..3, skew: 0 }
    }
}

pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    /// All records ever written; those past `synced` are lost in a crash.
    journal: Vec<Record>,
    synced: usize,
    pub(crate) app: App,
    /// The application's last durable state.
    stored: App,
    /// States at checkpoints, the latest few: what members that fetch one get.
    snapshots: BTreeMap<Sequence, App>,
    bodies: BTreeSet<RequestDigest>,
    skew: i64,
    pub(crate) lie: Option<Lie>,
    incarnation: u64,
    heard: Vec<Message>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Message { from: usize, to: usize, message: Box<OrderedMessage> },
    Synced { node: usize, incarnation: u64, records: usize, sealed: Vec<OrderedOutbound> },
    Body { to: usize, request: RequestDigest },
    Tick { node: usize, incarnation: u64 },
    Fetched { node: usize, incarnation: u64, transfer: Box<OrderedTransfer> },
}

/// Events are ordered by time and number only; what they carry has no order of its own.
macro_rules! unordered {
    ($name:ident, $inner:ty) => {
        #[derive(Clone)]
        struct $name($inner);
        impl PartialEq for $name {
            fn eq(&self, _: &Self) -> bool {
                true
            }
        }
        impl Eq for $name {}
        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
                Some(self.cmp(other))
            }
        }
        impl Ord for $name {
            fn cmp(&self, _: &Self) -> std::cmp::Ordering {
                std::cmp::Ordering::Equal
            }
        }
    };
}
unordered!(OrderedMessage, Message);
unordered!(OrderedOutbound, Outbound);
unordered!(OrderedTransfer, Transfer);

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    /// The first council.
    pub(crate) council: Council,
    /// Requests that change the council.
    changes: BTreeMap<RequestDigest, Change>,
    /// How many decisions a member keeps for others.
    pub(crate) keep: u64,
    /// Whether who joins executes everything since the first council. All decisions must be kept.
    pub(crate) newcomers_follow: bool,
    /// How many links and decisions each of the first members sent to who asked.
    pub(crate) served: Vec<usize>,
    /// How many times a state was fetched and installed.
    pub(crate) installed: u64,
    pub(crate) config: Config,
    pub(crate) weather: Weather,
    /// Groups that can talk; a member in none is cut off.
    cut: BTreeSet<(usize, usize)>,
    events: BinaryHeap<Reverse<(u64, u64, Event)>>,
    next_event: u64,
    pub(crate) now: u64,
    rng: StdRng,
    /// What any honest member executed, by sequence: the agreement invariant.
    decided: BTreeMap<Sequence, (Batch, BatchTime)>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) halted: Vec<(usize, jurat_pbft::Halt)>,
    pub(crate) messages: u64,
    /// Turns the first violation into a value instead of a panic, to show that checks can fail.
    pub(crate) violation: Option<String>,
}

impl Node {
    fn new(app: App, skew: u64, rng: &mut StdRng) -> Self {
        let sign = if rng.random() { 1 } else { -1 };
        Self {
            replica: None,
            journal: Vec::new(),
            synced: 0,
            stored: app.clone(),
            app,
            snapshots: BTreeMap::new(),
            bodies: BTreeSet::new(),
            skew: i64::try_from(rng.random_range(0..=skew)).unwrap() * sign,
            lie: None,
            incarnation: 0,
            heard: Vec::new(),
        }
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.replica.as_ref().is_some_and(Replica::is_retired)
    }
}

impl Cluster {
    pub(crate) fn new(n: usize, seed: u64, weather: Weather, config: Config) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let council = forge::council(n);
        let nodes = (0..n).map(|_| Node::new(App::new(council.clone()), weather.skew, &mut rng)).collect();
        let mut cluster = Self {
            nodes,
            council,
            changes: BTreeMap::new(),
            keep: u64::MAX,
            newcomers_follow: false,
            served: vec![0; 64],
            installed: 0,
            config,
            weather,
            cut: BTreeSet::new(),
            events: BinaryHeap::new(),
            next_event: 0,
            now: 0,
            rng,
            decided: BTreeMap::new(),
            evidence: Vec::new(),
            halted: Vec::new(),
            messages: 0,
            violation: None,
        };
        for i in 0..n {
            cluster.start(i);
        }
        cluster
    }

    pub(crate) fn rng(&mut self) -> &mut StdRng {
        &mut self.rng
    }

    pub(crate) fn honest(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|i| self.nodes[*i].lie.is_none()).collect()
    }

    /// Starts a member, from whatever its disk holds.
    pub(crate) fn start(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        assert!(node.replica.is_none());
        node.app = node.stored.clone();
        let records = node.journal.clone();
        // A member that was removed comes back to its last epoch.
        let council = node.app.chain.councils().rev().find(|council| council.contains(id(i))).cloned();
        let position = node.app.position();
        let mut replica = match council {
            Some(council) => Replica::recover(self.config, council, key(i), position, records).unwrap(),
            None => Replica::follow(self.config, node.app.chain.last().clone(), key(i), position, records),
        };
        let ready = replica.take_ready();
        node.incarnation += 1;
        node.replica = Some(replica);
        self.carry_out(i, ready);
        let waiting: Vec<_> =
            self.nodes[i].bodies.iter().filter(|b| !self.nodes[i].app.done.contains(b)).copied().collect();
        for digest in waiting {
            self.step(i, Input::Requests(vec![(digest, 1)]));
        }
        for j in 0..self.nodes.len() {
            if j != i && self.nodes[j].replica.is_some() && !self.is_cut(i, j) {
                self.link(i, j, true);
            }
        }
        self.step(i, Input::Tick);
    }

    /// SIGKILL: unsynced records, sealed messages and the application's unsaved state are gone.
    pub(crate) fn kill(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        node.replica = None;
        node.journal.truncate(node.synced);
        for j in 0..self.nodes.len() {
            if j != i && self.nodes[j].replica.is_some() {
                self.step(j, Input::Disconnected(id(i)));
            }
        }
    }

    /// The furthest that any honest member knows of the councils.
    pub(crate) fn chain(&self) -> EpochChain {
        let honest = self.honest().into_iter().map(|i| &self.nodes[i].app.chain);
        honest.max_by_key(|chain| chain.last().epoch()).unwrap().clone()
    }

    /// Gives the members a request that changes the council.
    pub(crate) fn submit_change(&mut self, to: usize, number: u64, change: Change) -> RequestDigest {
        self.changes.insert(forge::request(number), change);
        self.submit(to, number)
    }

    /// Starts who was added to the council and is not here yet, one at a time: with the chain of
    /// councils, a certified state, and an empty journal; or with nothing, if newcomers follow.
    pub(crate) fn welcome(&mut self) -> Option<usize> {
        let chain = self.chain();
        let new = self.nodes.len();
        // Whoever came and went in the meantime has nothing to do.
        let joined = chain.councils().find(|council| council.contains(id(new)))?.clone();
        if self.newcomers_follow {
            let app = App::new(self.council.clone());
            self.nodes.push(Node::new(app, self.weather.skew, &mut self.rng));
            self.start(new);
            return Some(new);
        }
        let links: Vec<_> = chain.links_from(Sequence(0)).cloned().collect();
        let verified = EpochChain::verify(self.council.clone(), links).unwrap();
        assert_eq!(verified, chain);
        let link = chain.links_from(joined.base()).next().unwrap().clone();
        let snapshot =
            self.honest().into_iter().find_map(|i| self.nodes[i].snapshots.get(&joined.base()).cloned())?;
        assert_eq!(snapshot.state(), link.certificate.checkpoint.state);
        let mut app = snapshot;
        app.learn(link.clone());
        let mut node = Node::new(app, self.weather.skew, &mut self.rng);
        node.journal = vec![Record::Epoch(link)];
        node.synced = 1;
        self.nodes.push(node);
        self.start(new);
        Some(new)
    }

    /// Makes the application's state durable, and sometimes shortens the journal.
    pub(crate) fn save(&mut self, i: usize) {
        let node = &mut self.nodes[i];
        let Some(replica) = &node.replica else { return };
        if node.synced < node.journal.len() {
            return;
        }
        node.stored = node.app.clone();
        node.journal = replica.live_records();
        node.synced = node.journal.len();
        // Syncs under way refer to the old journal; what they seal is durable by now.
        node.incarnation += 1;
        let incarnation = node.incarnation;
        let pending: Vec<_> = std::mem::take(&mut self.events).into_vec();
        for Reverse((at, number, mut event)) in pending {
            match &mut event {
                Event::Synced { node, incarnation: of, records, .. }
                    if *node == i && *of + 1 == incarnation =>
                {
                    (*of, *records) = (incarnation, 0);
                }
                Event::Tick { node, incarnation: of } | Event::Fetched { node, incarnation: of, .. }
                    if *node == i && *of + 1 == incarnation =>
                {
                    *of = incarnation;
                }
                _ => {}
            }
            self.events.push(Reverse((at, number, event)));
        }
    }

    pub(crate) fn cut(&mut self, a: usize, b: usize) {
        if self.cut.insert((a.min(b), a.max(b))) {
            self.link(a, b, false);
        }
    }

    pub(crate) fn heal(&mut self) {
        for (a, b) in std::mem::take(&mut self.cut) {
            self.link(a, b, true);
        }
    }

    fn is_cut(&self, a: usize, b: usize) -> bool {
        self.cut.contains(&(a.min(b), a.max(b)))
    }

    fn link(&mut self, a: usize, b: usize, up: bool) {
        if self.nodes[a].replica.is_none() || self.nodes[b].replica.is_none() {
            return;
        }
        for (x, y) in [(a, b), (b, a)] {
            self.step(x, if up { Input::Connected(id(y)) } else { Input::Disconnected(id(y)) });
            if up {
                let waiting: Vec<_> =
                    self.nodes[x].bodies.difference(&self.nodes[x].app.done).copied().collect();
                for request in waiting {
                    let at = self.now + 1;
                    self.push(at, Event::Body { to: y, request });
                }
            }
        }
    }

    /// A client gives a request to one member, which spreads the body.
    pub(crate) fn submit(&mut self, i: usize, number: u64) -> RequestDigest {
        let request = forge::request(number);
        self.on_body(i, request);
        for to in 0..self.nodes.len() {
            if to != i && !self.is_cut(i, to) && !self.rng.random_bool(self.weather.loss) {
                let at = self.now + self.latency();
                self.push(at, Event::Body { to, request });
            }
        }
        request
    }

    fn on_body(&mut self, i: usize, request: RequestDigest) {
        if self.nodes[i].replica.is_none() {
            return;
        }
        self.nodes[i].bodies.insert(request);
        let done = self.nodes[i].app.done.contains(&request);
        let input = if done { Input::Held(request) } else { Input::Requests(vec![(request, 1)]) };
        self.step(i, input);
    }

    pub(crate) fn run_until(&mut self, end: u64) {
        while let Some(Reverse((at, _, _))) = self.events.peek()
            && *at <= end
            && self.violation.is_none()
        {
            let Some(Reverse((at, _, event))) = self.events.pop() else { break };
            self.now = at;
            self.happen(event);
        }
        self.now = end;
    }

    /// What waits at one member may never have reached the others.
    fn spread_again(&mut self) {
        for i in 0..self.nodes.len() {
            let waiting: Vec<_> = self.nodes[i].bodies.difference(&self.nodes[i].app.done).copied().collect();
            for (to, request) in (0..self.nodes.len()).flat_map(|to| waiting.iter().map(move |r| (to, *r))) {
                if to != i && !self.is_cut(i, to) {
                    let at = self.now + self.latency();
                    self.push(at, Event::Body { to, request });
                }
            }
        }
    }

    /// Runs until every honest running member executed all of `requests`; says how long it took.
    pub(crate) fn run_until_executed(
        &mut self,
        requests: &[RequestDigest],
        within: u64,
    ) -> Result<u64, String> {
        let start = self.now;
        while self.now < start + within {
            let lacks = |node: &Node| requests.iter().any(|r| !node.app.done.contains(r));
            if self.honest().iter().map(|i| &self.nodes[*i]).all(|node| node.is_retired() || !lacks(node)) {
                return Ok(self.now - start);
            }
            self.run_until(self.now + 50);
            self.welcome();
            if self.now % 500 < 50 {
                self.spread_again();
            }
        }
        let states: Vec<String> = self
            .nodes
            .iter()
            .map(|node| match &node.replica {
                None => "down".into(),
                Some(r) => format!(
                    "{:?} {:?} {:?}{} executed {:?} stable {:?} waiting {} refused {:?}",
                    r.id(),
                    r.council().epoch(),
                    r.view(),
                    if r.is_changing_view() { " changing" } else { "" },
                    r.executed(),
                    r.stable(),
                    r.waiting_requests(),
                    r.refused()
                ),
            })
            .collect();
        Err(format!("not executed within {within} ms:\n{}", states.join("\n")))
    }

    fn happen(&mut self, event: Event) {
        match event {
            Event::Message { from, to, message } => {
                if !self.is_cut(from, to) {
                    let message = message.0;
                    if self.nodes[to].lie == Some(Lie::Noise) {
                        self.nodes[to].heard.push(message.clone());
                    }
                    self.step(to, Input::Message(id(from), message));
                }
            }
            Event::Synced { node, incarnation, records, sealed } => {
                if self.nodes[node].incarnation == incarnation && self.nodes[node].replica.is_some() {
                    self.nodes[node].synced = self.nodes[node].synced.max(records);
                    for outbound in sealed {
                        self.send(node, &outbound.0);
                    }
                }
            }
            Event::Body { to, request } => self.on_body(to, request),
            Event::Tick { node, incarnation } => {
                if self.nodes[node].incarnation == incarnation {
                    self.step(node, Input::Tick);
                }
            }
            Event::Fetched { node, incarnation, transfer } => {
                if self.nodes[node].incarnation == incarnation && self.nodes[node].replica.is_some() {
                    self.install(node, transfer.0);
                }
            }
        }
    }

    /// Installs a fetched state, if someone within reach still has it; else tries again, as long as
    /// it is the one that is wanted.
    fn install(&mut self, i: usize, transfer: Transfer) {
        let sequence = transfer.certificate.sequence();
        let target = self.nodes[i].replica.as_ref().and_then(Replica::transfer_target);
        if target != Some(sequence) || self.nodes[i].app.sequence >= sequence {
            return;
        }
        let reachable = (0..self.nodes.len()).filter(|j| {
            *j != i && self.nodes[*j].replica.is_some() && self.nodes[*j].lie.is_none() && !self.is_cut(i, *j)
        });
        let state = transfer.certificate.checkpoint.state;
        let mut states = reachable.filter_map(|j| self.nodes[j].snapshots.get(&sequence));
        let Some(mut app) = states.find(|app| app.state() == state).cloned() else {
            let (at, incarnation) = (self.now + 100, self.nodes[i].incarnation);
            let transfer = Box::new(OrderedTransfer(transfer));
            return self.push(at, Event::Fetched { node: i, incarnation, transfer });
        };
        self.installed += 1;
        for link in transfer.links {
            app.learn(link);
        }
        app.decisions.clear();
        let executed = app.position();
        self.nodes[i].app = app.clone();
        // Durable before the replica hears of it.
        self.nodes[i].stored = app;
        self.step(i, Input::Installed(executed, transfer.certificate));
        let node = &self.nodes[i];
        let waiting = node.bodies.difference(&node.app.done).map(|request| (*request, 1)).collect();
        self.step(i, Input::Requests(waiting));
    }

    fn step(&mut self, i: usize, input: Input) {
        let node = &mut self.nodes[i];
        let wall = EPOCH_MS.checked_add_signed(i64::try_from(self.now).unwrap() + node.skew).unwrap();
        let now = Now { elapsed: self.now, wall: BatchTime(wall) };
        let Some(replica) = &mut node.replica else { return };
        let before = replica.next_deadline();
        replica.step(now, input);
        let ready = replica.take_ready();
        self.carry_out(i, ready);
        if let Some(replica) = &self.nodes[i].replica {
            let next = replica.next_deadline();
            if next != before {
                let incarnation = self.nodes[i].incarnation;
                self.push(next.max(self.now), Event::Tick { node: i, incarnation });
            }
        }
    }

    fn carry_out(&mut self, i: usize, ready: Ready) {
        let Ready { records, messages, sealed, wanted, decisions, serve, links, transfer, evidence, halt } =
            ready;
        let node = &mut self.nodes[i];
        let honest = node.lie.is_none();
        node.journal.extend(records);
        for out in sealed.iter().filter(|_| honest) {
            assert!(stands_on(&node.journal, &out.message), "{i} says what it did not write: {out:?}");
        }
        for Outbound { message, .. } in messages.iter().filter(|_| honest) {
            let waits = matches!(
                message,
                Message::PrePrepare(..)
                    | Message::Vote(_)
                    | Message::Checkpoint(_)
                    | Message::ViewChange(_)
                    | Message::NewView(_)
            );
            assert!(!waits, "{i} says at once what must be written first: {message:?}");
        }
        if let Some(halt) = halt {
            if honest {
                self.halted.push((i, halt));
            }
            self.kill(i);
            return;
        }
        for link in links {
            node.app.learn(link);
        }
        if let Some(transfer) = transfer {
            let (at, incarnation) = (self.now + 20 + 2 * self.latency(), self.nodes[i].incarnation);
            let transfer = Box::new(OrderedTransfer(transfer));
            self.push(at, Event::Fetched { node: i, incarnation, transfer });
        }
        for message in messages {
            self.send(i, &message);
        }
        if !sealed.is_empty() || self.nodes[i].synced < self.nodes[i].journal.len() {
            let sync = self.weather.sync.clone();
            // One journal, written in order: a later sync never finishes before an earlier one.
            let at = self.now + self.rng.random_range(sync);
            let event = Event::Synced {
                node: i,
                incarnation: self.nodes[i].incarnation,
                records: self.nodes[i].journal.len(),
                sealed: sealed.into_iter().map(OrderedOutbound).collect(),
            };
            self.push(at, event);
        }
        for proof in evidence {
            // By its bytes alone, and the chain that anyone can check.
            let decoded = Evidence::decode(&proof.encode()).unwrap();
            assert_eq!(decoded, proof);
            let chain = self.chain();
            let culprit = decoded.verify(chain.council_of(decoded.epoch()).unwrap()).unwrap();
            assert!(self.nodes[usize::from(culprit.0)].lie.is_some(), "an honest member is accused");
            self.evidence.push(proof);
        }
        for decision in decisions {
            if honest {
                self.check_agreement(i, &decision);
            }
            let node = &mut self.nodes[i];
            let (state, change) = node.app.execute(&decision, &self.changes);
            let sequence = decision.sequence;
            if change.is_some() || sequence.0.is_multiple_of(self.config.checkpoint_interval) {
                node.snapshots.insert(sequence, node.app.clone());
                if node.snapshots.len() > 4 {
                    node.snapshots.pop_first();
                }
            }
            self.step(
                i,
                match change {
                    None => Input::Executed(sequence, state),
                    Some(change) => Input::EpochEnded(sequence, state, change),
                },
            );
        }
        for want in wanted {
            for request in want.requests {
                if self.nodes[i].bodies.contains(&request) {
                    self.on_body(i, request);
                } else {
                    let holder = usize::from(want.ask.0);
                    let held =
                        self.nodes[holder].bodies.contains(&request) && self.nodes[holder].replica.is_some();
                    if held && !self.is_cut(i, holder) {
                        let at = self.now + 2 * self.latency();
                        self.push(at, Event::Body { to: i, request });
                    }
                }
            }
        }
        for range in serve {
            let app = &self.nodes[i].app;
            let links = app.chain.links_from(Sequence(range.from.0 - 1)).take(jurat_pbft::MAX_LINKS_AHEAD);
            let kept = Sequence(app.sequence.0.saturating_sub(self.keep).max(range.from.0));
            let decisions =
                app.decisions.range(kept..).take_while(|(sequence, _)| **sequence <= range.through);
            let decisions =
                decisions.map(|(_, (batch, proof))| Message::Decided(batch.clone(), proof.clone()));
            let most = if self.nodes[i].lie == Some(Lie::Drip) { 1 } else { usize::MAX };
            let messages: Vec<_> = links.cloned().map(Message::Epoch).chain(decisions.take(most)).collect();
            self.served[i] += messages.len();
            for message in messages {
                self.send(i, &Outbound { to: Recipient::One(range.to), message });
            }
        }
    }

    fn check_agreement(&mut self, i: usize, decision: &Decision) {
        let this = (decision.batch.clone(), decision.time);
        let first = self.decided.entry(decision.sequence).or_insert_with(|| this.clone());
        if *first != this {
            self.violation = Some(format!("member {i} decided otherwise at {:?}", decision.sequence));
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: &Message) {
        self.messages += 1;
        // A new member is not here yet.
        if to >= self.nodes.len() || self.is_cut(from, to) || self.rng.random_bool(self.weather.loss) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.weather.repeat));
        for _ in 0..copies {
            let at = self.now + self.latency();
            let message = Box::new(OrderedMessage(message.clone()));
            self.push(at, Event::Message { from, to, message });
        }
    }

    fn latency(&mut self) -> u64 {
        let range = self.weather.latency.clone();
        self.rng.random_range(range)
    }

    fn push(&mut self, at: u64, event: Event) {
        self.next_event += 1;
        self.events.push(Reverse((at, self.next_event, event)));
    }
}

/// Whether a journal has the record that a message stands on, so that its member knows after a crash
/// what it said.
fn stands_on(journal: &[Record], message: &Message) -> bool {
    let slot = |vote: &Vote| (vote.view, vote.sequence, vote.batch);
    let is_behind = |record: &Record| match (message, record) {
        (Message::PrePrepare(vote, _), Record::Accepted(accepted, _)) => {
            slot(&vote.statement) == slot(&accepted.statement)
        }
        (Message::Vote(vote), Record::Accepted(accepted, _)) => {
            vote.statement.phase == Phase::Prepare && slot(&vote.statement) == slot(&accepted.statement)
        }
        (Message::Vote(vote), Record::Prepared(certificate)) => {
            let prepared = (certificate.view, certificate.sequence, certificate.batch);
            vote.statement.phase == Phase::Commit && slot(&vote.statement) == prepared
        }
        (Message::Checkpoint(sent), Record::Checkpoint(written, _)) => sent == written,
        (Message::ViewChange(sent), Record::ViewChange(written)) => sent == written,
        (Message::NewView(sent), Record::NewView(written)) => sent == written,
        _ => false,
    };
    journal.iter().rev().any(is_behind)
}
