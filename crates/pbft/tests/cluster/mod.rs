//! A council in virtual time: replicas, journals that lose what was not synced, a network that
//! drops, repeats, delays and cuts, and up to f members that lie. One seed gives one history.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_pbft::{
    Batch, BatchTime, CommitProof, Config, Council, Decision, Epoch, Evidence, Executed, Input, Message, Now,
    Outbound, Ready, Recipient, Record, Replica, ReplicaId, RequestDigest, Sequence, Signed, StateDigest,
    Statement, Vote,
};
use rand::{Rng, RngExt, SeedableRng, rngs::StdRng};

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

/// How a member that lies does it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    /// Sends nothing.
    Silence,
    /// As primary, proposes different batches to different members, and votes for every batch.
    Equivocation,
    /// Sends votes for batches that nobody proposed, and old messages again.
    Noise,
}

pub(crate) struct Node {
    pub(crate) replica: Option<Replica>,
    /// All records ever written; those past `synced` are lost in a crash.
    journal: Vec<Record>,
    synced: usize,
    pub(crate) app: App,
    /// The application's last durable state.
    stored: App,
    bodies: BTreeSet<RequestDigest>,
    skew: i64,
    pub(crate) lie: Option<Lie>,
    incarnation: u64,
    heard: Vec<Message>,
}

/// An application that executes each request once and chains what it executed into its state.
#[derive(Clone, Default)]
pub(crate) struct App {
    pub(crate) executed: Vec<RequestDigest>,
    done: BTreeSet<RequestDigest>,
    sequence: Sequence,
    time: BatchTime,
    state: Option<StateDigest>,
    /// What serves members that fall behind.
    decisions: Vec<(Batch, CommitProof)>,
}

impl App {
    fn execute(&mut self, decision: &Decision) -> StateDigest {
        assert_eq!(decision.sequence, self.sequence.next(), "decisions come in order");
        assert!(decision.batch.is_null() || decision.time > self.time, "time goes forward");
        self.decisions.push((decision.batch.clone(), decision.proof.clone()));
        self.sequence = decision.sequence;
        self.time = decision.time;
        for request in &decision.batch.requests {
            if self.done.insert(*request) {
                self.executed.push(*request);
            }
        }
        let before = self.state.unwrap_or(StateDigest(Digest::of(b"genesis")));
        let (time, batch) = (decision.time.0.to_be_bytes(), decision.batch.digest());
        let state = Digest::of_parts(&[before.0.as_bytes(), &time, batch.0.as_bytes()]);
        *self.state.insert(StateDigest(state))
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Message { from: usize, to: usize, message: Box<OrderedMessage> },
    Synced { node: usize, incarnation: u64, records: usize, sealed: Vec<OrderedOutbound> },
    Body { to: usize, request: RequestDigest },
    Tick { node: usize, incarnation: u64 },
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

pub(crate) struct Cluster {
    pub(crate) nodes: Vec<Node>,
    keys: Vec<SigningKey>,
    pub(crate) council: Council,
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

const EPOCH_MS: u64 = 1_700_000_000_000;

impl Cluster {
    pub(crate) fn new(n: usize, seed: u64, weather: Weather, config: Config) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let keys: Vec<SigningKey> =
            (0..n).map(|i| SigningKey::from_seed(&[u8::try_from(i).unwrap() + 1; 32])).collect();
        let members = keys.iter().map(SigningKey::verifying_key).collect();
        let council = Council::new(NetworkId(Digest::of(b"cluster")), Epoch(0), members).unwrap();
        let nodes = (0..n)
            .map(|_| Node {
                replica: None,
                journal: Vec::new(),
                synced: 0,
                app: App::default(),
                stored: App::default(),
                bodies: BTreeSet::new(),
                skew: i64::try_from(rng.random_range(0..=weather.skew)).unwrap()
                    * if rng.random() { 1 } else { -1 },
                lie: None,
                incarnation: 0,
                heard: Vec::new(),
            })
            .collect();
        let mut cluster = Self {
            nodes,
            keys,
            council,
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
        let executed = Executed { sequence: node.app.sequence, time: node.app.time };
        let records = node.journal.clone();
        let mut replica =
            Replica::recover(self.config, self.council.clone(), self.keys[i].clone(), executed, records)
                .unwrap();
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
                Event::Tick { node, incarnation: of } if *node == i && *of + 1 == incarnation => {
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
        let request = RequestDigest(Digest::of(&number.to_be_bytes()));
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
            let lacking = |node: &Node| requests.iter().filter(|r| !node.app.done.contains(r)).count();
            if self.honest().iter().all(|i| lacking(&self.nodes[*i]) == 0) {
                return Ok(self.now - start);
            }
            self.run_until(self.now + 50);
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
                    "{:?}{} executed {:?} stable {:?} waiting {} refused {:?}",
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
        }
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
        let Ready { records, messages, sealed, wanted, decisions, serve, evidence, halt } = ready;
        let node = &mut self.nodes[i];
        let honest = node.lie.is_none();
        node.journal.extend(records);
        if let Some(halt) = halt {
            if honest {
                self.halted.push((i, halt));
            }
            self.kill(i);
            return;
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
            assert_eq!(proof.verify(&self.council), Ok(()));
            assert!(self.nodes[usize::from(proof.culprit().0)].lie.is_some(), "an honest member is accused");
            self.evidence.push(proof);
        }
        for decision in decisions {
            if honest {
                self.check_agreement(i, &decision);
            }
            let state = self.nodes[i].app.execute(&decision);
            self.step(i, Input::Executed(decision.sequence, state));
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
            for sequence in range.from.0..=range.through.0 {
                let (batch, proof) =
                    self.nodes[i].app.decisions[usize::try_from(sequence).unwrap() - 1].clone();
                self.send(
                    i,
                    &Outbound { to: Recipient::One(range.to), message: Message::Decided(batch, proof) },
                );
            }
        }
    }

    fn check_agreement(&mut self, i: usize, decision: &Decision) {
        assert_eq!(decision.proof.verify(&self.council), Ok(()));
        let this = (decision.batch.clone(), decision.time);
        let first = self.decided.entry(decision.sequence).or_insert_with(|| this.clone());
        if *first != this {
            self.violation = Some(format!("member {i} decided otherwise at {:?}", decision.sequence));
        }
    }

    fn send(&mut self, from: usize, outbound: &Outbound) {
        let all = 0..self.nodes.len();
        let to: Vec<usize> = match outbound.to {
            Recipient::All => all.filter(|to| *to != from).collect(),
            Recipient::One(to) => vec![usize::from(to.0)],
        };
        for to in to {
            let message = match self.nodes[from].lie {
                None => Some(outbound.message.clone()),
                Some(lie) => self.twist(from, to, lie, &outbound.message),
            };
            let Some(message) = message else { continue };
            self.deliver(from, to, &message);
        }
    }

    fn deliver(&mut self, from: usize, to: usize, message: &Message) {
        self.messages += 1;
        if self.is_cut(from, to) || self.rng.random_bool(self.weather.loss) {
            return;
        }
        let copies = 1 + usize::from(self.rng.random_bool(self.weather.repeat));
        for _ in 0..copies {
            let at = self.now + self.latency();
            let message = Box::new(OrderedMessage(message.clone()));
            self.push(at, Event::Message { from, to, message });
        }
    }

    /// What a lying member sends instead.
    fn twist(&mut self, from: usize, to: usize, lie: Lie, message: &Message) -> Option<Message> {
        match lie {
            Lie::Silence => None,
            Lie::Equivocation => {
                if to % 4 != 3 {
                    return Some(message.clone());
                }
                Some(match message {
                    Message::PrePrepare(vote, batch) => {
                        let other = other_batch(batch);
                        Message::PrePrepare(self.resign(from, &vote.statement, other.digest()), other)
                    }
                    Message::Vote(vote) => {
                        match self.nodes[from].replica.as_ref().and_then(|r| accepted(r, vote.statement)) {
                            Some(batch) => Message::Vote(self.resign(
                                from,
                                &vote.statement,
                                other_batch(&batch).digest(),
                            )),
                            None => message.clone(),
                        }
                    }
                    other => other.clone(),
                })
            }
            Lie::Noise => {
                let noise: u8 = self.rng.random();
                if noise < 60 && !self.nodes[from].heard.is_empty() {
                    let pick = self.rng.random_range(0..self.nodes[from].heard.len());
                    let old = self.nodes[from].heard[pick].clone();
                    self.deliver(from, to, &old);
                }
                match message {
                    Message::Vote(vote) if noise > 120 => {
                        let mut bytes = [0; 32];
                        self.rng.fill_bytes(&mut bytes);
                        let batch = jurat_pbft::BatchDigest(Digest::from_bytes(bytes));
                        let other = Message::Vote(self.resign(from, &vote.statement, batch));
                        if noise > 200 {
                            self.deliver(from, to, &other);
                            return Some(message.clone());
                        }
                        Some(other)
                    }
                    other => Some(other.clone()),
                }
            }
        }
    }

    fn resign(&self, from: usize, vote: &Vote, batch: jurat_pbft::BatchDigest) -> Signed<Vote> {
        sign(&self.council, &self.keys[from], Vote { batch, ..*vote })
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

/// The batch that an equivocating primary shows to the other half.
pub(crate) fn other_batch(batch: &Batch) -> Batch {
    let mut other = batch.clone();
    other.requests.reverse();
    other
}

/// The batch that a replica accepted at the slot of a vote, read from what its journal would hold.
fn accepted(replica: &Replica, vote: Vote) -> Option<Batch> {
    replica.live_records().into_iter().find_map(|record| match record {
        Record::Accepted(known, batch) if known.statement.batch == vote.batch => Some(batch),
        _ => None,
    })
}

/// Signs as a member, by the layout of `docs/formats.md`.
pub(crate) fn sign<S: Statement>(council: &Council, key: &SigningKey, statement: S) -> Signed<S> {
    let signer = council.id_of(&key.verifying_key()).unwrap();
    let mut body = council.epoch().0.to_be_bytes().to_vec();
    body.extend_from_slice(council.digest().as_bytes());
    body.extend_from_slice(&signer.0.to_be_bytes());
    statement.layout(&mut body);
    let signature = statement.domain().sign(key, council.network(), &body);
    Signed { signer, statement, signature }
}

pub(crate) fn id(i: usize) -> ReplicaId {
    ReplicaId(u16::try_from(i).unwrap())
}
