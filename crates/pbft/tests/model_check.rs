//! A bounded model check of the shipped replica: four members, two sequences, one view change, every
//! order of delivery, loss and timeout up to a depth. With one traitor agreement holds; with two it
//! must break, or the check checks nothing.
//!
//! States are explored breadth first and told apart by the hash of all that they consist of. Depth
//! counts deliveries and timeouts beyond where a scenario begins; a message that is not delivered
//! within it is a message that was lost.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and shows what it found"
)]

mod forge;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use forge::{at, batch, council, id, key, request, sign, vote};
use jurat_crypto::Digest;
use jurat_pbft::{
    Batch, BatchDigest, Config, Input, Message, Phase, Recipient, Replica, Sequence, StateDigest, View,
    ViewChange,
};

const MEMBERS: usize = 4;

/// Two batches that a traitor proposes for sequence 1, and one for sequence 2.
fn batches() -> [(u64, Batch); 3] {
    [(1, batch(1, 0)), (1, batch(2, 0)), (2, batch(3, 1))]
}

fn name(digest: BatchDigest) -> &'static str {
    let at = batches().iter().position(|(_, batch)| batch.digest() == digest);
    at.map_or("null", |at| ["A", "B", "C"][at])
}

#[derive(Clone, Hash)]
struct Envelope {
    from: usize,
    to: usize,
    message: Message,
}

impl Envelope {
    /// A traitor tells each member one thing for each slot: a second is refused anyway.
    fn choice(&self) -> Option<(usize, usize, Phase, View, Sequence)> {
        let (Message::PrePrepare(vote, _) | Message::Vote(vote)) = &self.message else { return None };
        let vote = vote.statement;
        Some((self.from, self.to, vote.phase, vote.view, vote.sequence))
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}: ", self.from, self.to)?;
        match &self.message {
            Message::PrePrepare(vote, _) | Message::Vote(vote) => {
                let vote = vote.statement;
                write!(f, "{:?} {} at {} in view {}", vote.phase, name(vote.batch), vote.sequence, vote.view)
            }
            Message::ViewChange(change) => {
                let prepared: Vec<_> = change.statement.prepared.iter().map(|p| name(p.batch)).collect();
                write!(f, "ViewChange to {}, prepared {prepared:?}", change.statement.view)
            }
            Message::NewView(new_view) => {
                let proposals = new_view.statement.pre_prepares.iter().map(|p| name(p.statement.batch));
                write!(f, "NewView {}, proposes {:?}", new_view.statement.view, proposals.collect::<Vec<_>>())
            }
            Message::FetchBatch(sequence, _) => write!(f, "FetchBatch {sequence}"),
            Message::Batch(sequence, batch) => write!(f, "Batch {} at {sequence}", name(batch.digest())),
            other => write!(f, "{other:?}"),
        }
    }
}

fn fingerprint(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// The honest replicas, what they decided, and the messages that may arrive.
#[derive(Clone)]
struct World {
    replicas: BTreeMap<usize, Replica>,
    decided: BTreeMap<usize, BTreeMap<Sequence, (View, BatchDigest)>>,
    mail: BTreeMap<u64, Envelope>,
    halted: bool,
}

impl World {
    fn new(traitors: &[usize]) -> Self {
        let config = Config {
            max_in_flight: 2,
            // Nothing is said again: what is lost stays lost.
            status_interval: 1 << 40,
            ..Config::default()
        };
        let honest = (0..MEMBERS).filter(|i| !traitors.contains(i));
        let replicas = honest.map(|i| {
            let mut replica = Replica::new(config, council(MEMBERS), key(i)).unwrap();
            for other in (0..MEMBERS).filter(|other| *other != i) {
                replica.step(at(0), Input::Connected(id(other)));
            }
            replica.step(at(0), Input::Requests((1..=3).map(|number| (request(number), 8)).collect()));
            let _ = replica.take_ready();
            (i, replica)
        });
        let mut world = Self {
            replicas: replicas.collect(),
            decided: BTreeMap::new(),
            mail: BTreeMap::new(),
            halted: false,
        };
        for traitor in traitors {
            world.arm(*traitor);
        }
        world
    }

    /// All that a traitor can say to anyone about the first two sequences and views.
    fn arm(&mut self, traitor: usize) {
        let council = council(MEMBERS);
        for view in 0..2 {
            for (sequence, batch) in batches() {
                let signed = |phase| sign(&council, traitor, vote(phase, view, sequence, &batch));
                if council.primary(View(view)) == id(traitor) {
                    self.post(
                        traitor,
                        Recipient::All,
                        &Message::PrePrepare(signed(Phase::PrePrepare), batch.clone()),
                    );
                } else {
                    self.post(traitor, Recipient::All, &Message::Vote(signed(Phase::Prepare)));
                }
                self.post(traitor, Recipient::All, &Message::Vote(signed(Phase::Commit)));
            }
        }
        let change = ViewChange { view: View(1), stable: None, prepared: Vec::new() };
        self.post(traitor, Recipient::All, &Message::ViewChange(sign(&council, traitor, change)));
    }

    fn post(&mut self, from: usize, to: Recipient, message: &Message) {
        for member in self.replicas.keys().copied().filter(|member| *member != from) {
            if to == Recipient::All || to == Recipient::One(id(member)) {
                let envelope = Envelope { from, to: member, message: message.clone() };
                self.mail.insert(fingerprint(&envelope), envelope);
            }
        }
    }

    fn deliver(&mut self, key: u64) {
        let Some(Envelope { from, to, message }) = self.mail.get(&key).cloned() else { return };
        if let Some(choice) = self.mail[&key].choice() {
            self.mail.retain(|_, other| other.choice() != Some(choice));
        }
        self.mail.remove(&key);
        self.step(to, 0, Input::Message(id(from), message));
    }

    fn step(&mut self, member: usize, elapsed: u64, input: Input) {
        let Some(replica) = self.replicas.get_mut(&member) else { return };
        replica.step(at(elapsed), input);
        let ready = replica.take_ready();
        self.halted |= ready.halt.is_some();
        for out in ready.messages.into_iter().chain(ready.sealed) {
            if !matches!(out.message, Message::Status(_) | Message::FetchDecided(_)) {
                self.post(member, out.to, &out.message);
            }
        }
        for decision in ready.decisions {
            let (sequence, digest) = (decision.sequence, decision.batch.digest());
            self.decided.entry(member).or_default().insert(sequence, (decision.proof.view, digest));
            let state = StateDigest(Digest::of(digest.0.as_bytes()));
            self.step(member, elapsed, Input::Executed(sequence, state));
        }
    }

    /// Who may lose patience: each once.
    fn impatient(&self) -> impl Iterator<Item = usize> + '_ {
        self.replicas.iter().filter(|(_, replica)| replica.view() == View(0)).map(|(member, _)| *member)
    }

    fn give_up(&mut self, member: usize) {
        let deadline = self.replicas[&member].next_deadline();
        self.step(member, deadline, Input::Tick);
    }

    /// Every world that one delivery or timeout leads to, with its name.
    fn next(&self) -> Vec<(String, Self)> {
        let mut worlds = Vec::new();
        for (key, envelope) in &self.mail {
            let mut world = self.clone();
            world.deliver(*key);
            worlds.push((envelope.to_string(), world));
        }
        for member in self.impatient() {
            let mut world = self.clone();
            world.give_up(member);
            worlds.push((format!("{member} loses patience"), world));
        }
        worlds
    }

    fn fingerprint(&self) -> u64 {
        let mail: Vec<u64> = self.mail.keys().copied().collect();
        let replicas: Vec<u64> = self.replicas.values().map(fingerprint).collect();
        fingerprint(&(replicas, mail, &self.decided))
    }

    fn agrees(&self) -> bool {
        let mut first: BTreeMap<Sequence, BatchDigest> = BTreeMap::new();
        let mut decided = self.decided.values().flatten();
        !self.halted
            && decided.all(|(sequence, (_, batch))| *first.entry(*sequence).or_insert(*batch) == *batch)
    }

    fn decided_in(&self, view: u64) -> bool {
        self.decided.values().flatten().any(|(_, (in_view, _))| *in_view == View(view))
    }

    /// Delivers, in this order, the first message that fits each description.
    fn play(&mut self, script: &[&str]) {
        for line in script {
            if let Some(member) = line.strip_suffix(" loses patience") {
                self.give_up(member.parse().unwrap());
                continue;
            }
            let found = self.mail.iter().find(|(_, envelope)| envelope.to_string().starts_with(line));
            let key = *found.unwrap_or_else(|| panic!("no message {line:?}")).0;
            self.deliver(key);
        }
    }
}

#[derive(Default)]
struct Report {
    states: usize,
    /// The steps to the first world without agreement.
    counterexample: Option<Vec<String>>,
    decided_in_view: [bool; 2],
}

/// Looks at every world within `depth` steps, or until agreement breaks.
fn explore(start: World, depth: usize) -> Report {
    let mut report = Report::default();
    let mut seen = BTreeSet::from([start.fingerprint()]);
    let mut frontier: VecDeque<(World, Vec<String>)> = VecDeque::from([(start, Vec::new())]);
    while let Some((world, path)) = frontier.pop_front() {
        report.states += 1;
        for view in [0, 1] {
            report.decided_in_view[usize::from(view == 1)] |= world.decided_in(view);
        }
        if !world.agrees() {
            report.counterexample = Some(path);
            return report;
        }
        if path.len() == depth {
            continue;
        }
        for (step, next) in world.next() {
            if seen.insert(next.fingerprint()) {
                let path = path.iter().cloned().chain([step]).collect();
                frontier.push_back((next, path));
            }
        }
    }
    report
}

/// The primary shows A to members 1 and 2 and B to member 3; 1 and 2 prepare A.
const PREPARED: [&str; 5] = [
    "0 -> 1: PrePrepare A at 1 in view 0",
    "0 -> 2: PrePrepare A at 1 in view 0",
    "0 -> 3: PrePrepare B at 1 in view 0",
    "1 -> 2: Prepare A at 1 in view 0",
    "2 -> 1: Prepare A at 1 in view 0",
];
/// Then 1 decides A, with the help of the traitor.
const DECIDED: [&str; 2] = ["0 -> 1: Commit A at 1 in view 0", "2 -> 1: Commit A at 1 in view 0"];
/// Then 2 and 3 go to the next view.
const LEFT: [&str; 2] = ["2 loses patience", "3 loses patience"];
/// Then 1 follows them and begins it, in ignorance of what the traitor knows; 2 prepares again.
const BEGUN: [&str; 5] = [
    "2 -> 1: ViewChange to 1",
    "3 -> 1: ViewChange to 1",
    "1 -> 2: NewView 1",
    "0 -> 2: Prepare A at 1 in view 1",
    "2 -> 1: Prepare A at 1 in view 1",
];

#[test]
fn with_one_traitor_agreement_holds() {
    let scenarios: [(&str, Vec<&str>, usize); 4] = [
        ("from the beginning", vec![], 3),
        ("after two prepared", PREPARED.to_vec(), 3),
        ("after one decided and two left", [&PREPARED[..], &DECIDED, &LEFT].concat(), 3),
        ("after the new view began", [&PREPARED[..], &DECIDED, &LEFT, &BEGUN].concat(), 3),
    ];
    let mut decided_in_view = [false; 2];
    for (name, script, depth) in scenarios {
        let mut world = World::new(&[0]);
        world.play(&script);
        let report = explore(world, depth);
        println!("{name}: {} states within {depth} steps", report.states);
        assert_eq!(report.counterexample, None, "{name}");
        assert!(report.states > 200, "{name}: {} states are no check", report.states);
        for (sum, one) in decided_in_view.iter_mut().zip(report.decided_in_view) {
            *sum |= one;
        }
    }
    assert_eq!(decided_in_view, [true; 2], "both views decide something within reach");
}

/// The search that finds nothing above finds what is there with one traitor more.
#[test]
fn with_two_traitors_a_counterexample_is_found() {
    let mut world = World::new(&[0, 2]);
    world.play(&["0 -> 1: PrePrepare A at 1 in view 0", "0 -> 3: PrePrepare B at 1 in view 0"]);
    world.play(&["2 -> 1: Prepare A at 1 in view 0", "2 -> 3: Prepare B at 1 in view 0"]);
    world.play(&["2 -> 1: Commit A at 1 in view 0", "2 -> 3: Commit B at 1 in view 0"]);
    let report = explore(world, 2);
    let counterexample = report.counterexample.unwrap();
    println!("after {} states, from both one Commit short:\n{}", report.states, counterexample.join("\n"));
    assert_eq!(counterexample.len(), 2, "the shortest: one Commit for each");
}
