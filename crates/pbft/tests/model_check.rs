//! A bounded model check of the shipped replica with `stateright`: four members, two sequences, one view
//! change, every order of delivery, loss and timeout up to a depth. With one traitor agreement holds;
//! with two it must break, or the check checks nothing.
//!
//! Each scenario is searched breadth first. Depth counts deliveries and timeouts beyond where it
//! begins; a message that is not delivered within it is a message that was lost. A message for a view
//! that its receiver has not begun waits in the network: the replica would have kept it until then.
//! Random walks go on from the beginning until nothing is left to happen.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test fails by panicking, and shows what it found"
)]

mod forge;

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use forge::{at, batch, council, id, key, request, sign, vote};
use jurat_crypto::Digest;
use jurat_pbft::{
    Batch, BatchDigest, Config, Input, Message, Phase, Recipient, Replica, Sequence, StateDigest, View,
    ViewChange,
};
use stateright::{Checker, HasDiscoveries, Model, Property, UniformChooser};

const MEMBERS: usize = 4;

/// Two batches that a traitor proposes for sequence 1, and one for sequence 2.
fn batches() -> [(u64, Batch); 3] {
    [(1, batch(1, 0)), (1, batch(2, 0)), (2, batch(3, 1))]
}

fn name(digest: BatchDigest) -> &'static str {
    let at = batches().iter().position(|(_, batch)| batch.digest() == digest);
    at.map_or("null", |at| ["A", "B", "C"][at])
}

#[derive(Hash)]
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

    /// The view that its receiver must have begun to make anything of it.
    fn needs_view(&self) -> View {
        match &self.message {
            Message::PrePrepare(vote, _) | Message::Vote(vote) => vote.statement.view,
            _ => View(0),
        }
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

/// A replica and its hash.
#[derive(Clone)]
struct Member {
    replica: Arc<Replica>,
    fingerprint: u64,
}

/// The honest replicas, what they decided, and the messages that may arrive.
#[derive(Clone)]
struct World {
    members: BTreeMap<usize, Member>,
    decided: BTreeMap<usize, BTreeMap<Sequence, (View, BatchDigest)>>,
    mail: BTreeMap<u64, Arc<Envelope>>,
    halted: bool,
}

impl Hash for World {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.members.values().for_each(|member| member.fingerprint.hash(state));
        self.mail.keys().for_each(|envelope| envelope.hash(state));
        (&self.decided, self.halted).hash(state);
    }
}

impl PartialEq for World {
    fn eq(&self, other: &Self) -> bool {
        fingerprint(self) == fingerprint(other)
    }
}

/// What can happen next.
#[derive(Clone)]
enum Step {
    Deliver(Arc<Envelope>),
    LosePatience(usize),
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.to_string() == other.to_string()
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deliver(envelope) => envelope.fmt(f),
            Self::LosePatience(member) => write!(f, "{member} loses patience"),
        }
    }
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
        let members = honest.map(|i| {
            let mut replica = Replica::new(config, council(MEMBERS), key(i)).unwrap();
            for other in (0..MEMBERS).filter(|other| *other != i) {
                replica.step(at(0), Input::Connected(id(other)));
            }
            replica.step(at(0), Input::Requests((1..=3).map(|number| (request(number), 8)).collect()));
            let _ = replica.take_ready();
            (i, Member { fingerprint: fingerprint(&replica), replica: Arc::new(replica) })
        });
        let mut world = Self {
            members: members.collect(),
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
        for member in self.members.keys().copied().filter(|member| *member != from) {
            if to == Recipient::All || to == Recipient::One(id(member)) {
                let envelope = Envelope { from, to: member, message: message.clone() };
                self.mail.insert(fingerprint(&envelope), Arc::new(envelope));
            }
        }
    }

    fn deliver(&mut self, envelope: &Envelope) {
        let Envelope { from, to, message } = envelope;
        if let Some(choice) = envelope.choice() {
            self.mail.retain(|_, other| other.choice() != Some(choice));
        }
        self.mail.remove(&fingerprint(envelope));
        self.step(*to, 0, Input::Message(id(*from), message.clone()));
    }

    fn step(&mut self, member: usize, elapsed: u64, input: Input) {
        let Some(Member { replica, fingerprint: hash }) = self.members.get_mut(&member) else { return };
        let replica = Arc::make_mut(replica);
        replica.step(at(elapsed), input);
        let ready = replica.take_ready();
        *hash = fingerprint(replica);
        self.halted |= ready.halt.is_some();
        for out in ready.messages.into_iter().chain(ready.sealed) {
            if !matches!(out.message, Message::Status(_) | Message::FetchDecided(..)) {
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

    fn give_up(&mut self, member: usize) {
        let deadline = self.members[&member].replica.next_deadline();
        self.step(member, deadline, Input::Tick);
    }

    /// Everything that can happen, whether it changes anything or not.
    fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        let has_begun = |member: &usize, view| {
            let replica = &self.members[member].replica;
            replica.view() > view || (replica.view() == view && !replica.is_changing_view())
        };
        let ripe = move |envelope: &&Arc<Envelope>| {
            envelope.needs_view() == View(0) || has_begun(&envelope.to, envelope.needs_view())
        };
        let deliveries = self.mail.values().filter(ripe).cloned().map(Step::Deliver);
        // Each loses patience once: one view change.
        let patient = self.members.iter().filter(|(_, member)| member.replica.view() == View(0));
        deliveries.chain(patient.map(|(member, _)| Step::LosePatience(*member)))
    }

    fn after(&self, step: &Step) -> Self {
        let mut world = self.clone();
        match step {
            Step::Deliver(envelope) => world.deliver(envelope),
            Step::LosePatience(member) => world.give_up(*member),
        }
        world
    }

    /// Takes, in this order, the first step that fits each description.
    fn play(mut self, script: &[&str]) -> Self {
        for line in script {
            let step = self.steps().find(|step| step.to_string().starts_with(line));
            self = self.after(&step.unwrap_or_else(|| panic!("nothing like {line:?} can happen")));
        }
        self
    }

    fn agrees(&self) -> bool {
        let mut first: BTreeMap<Sequence, BatchDigest> = BTreeMap::new();
        let mut decided = self.decided.values().flatten();
        !self.halted
            && decided.all(|(sequence, (_, batch))| *first.entry(*sequence).or_insert(*batch) == *batch)
    }

    fn decided_sequences(&self, count: usize) -> bool {
        self.decided.values().any(|decided| decided.len() >= count)
    }

    fn decided_in(&self, view: u64) -> bool {
        self.decided.values().flatten().any(|(_, (in_view, _))| *in_view == View(view))
    }
}

/// All that can come of a world.
struct Futures {
    start: World,
    /// Whether a delivery that changes nothing is a step. It makes no difference to what can come,
    /// and many worlds more to search; a walk loses its way without.
    idle_steps: bool,
}

impl Model for Futures {
    type State = World;
    type Action = Step;

    fn init_states(&self) -> Vec<World> {
        vec![self.start.clone()]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        steps.extend(world.steps());
    }

    fn next_state(&self, world: &World, step: Step) -> Option<World> {
        let next = world.after(&step);
        let changed =
            || next.members.iter().any(|(id, member)| member.fingerprint != world.members[id].fingerprint);
        (self.idle_steps || changed()).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(AGREEMENT, |_, world: &World| world.agrees()),
            Property::sometimes(DECIDED_IN[0], |_, world: &World| world.decided_in(0)),
            Property::sometimes(DECIDED_IN[1], |_, world: &World| world.decided_in(1)),
            Property::sometimes(TWO_SEQUENCES, |_, world: &World| world.decided_sequences(2)),
        ]
    }
}

const AGREEMENT: &str = "agreement";
const TWO_SEQUENCES: &str = "two sequences decided";
const DECIDED_IN: [&str; 2] = ["a decision in view 0", "a decision in view 1"];

/// Looks at every world within so many steps, or until agreement breaks.
fn explore(start: World, depth: usize) -> impl Checker<Futures> {
    let checker = Futures { start, idle_steps: false }.checker().finish_when(HasDiscoveries::AnyFailures);
    // A checker's depth counts worlds, and it looks at none of the last.
    checker.target_max_depth(depth + 2).spawn_bfs().join()
}

/// Takes steps at random from the beginning until none is left, again and again, until so many worlds
/// were seen or agreement breaks.
fn walk(traitors: &[usize], worlds: usize) -> impl Checker<Futures> {
    let futures = Futures { start: World::new(traitors), idle_steps: true };
    let checker = futures.checker().finish_when(HasDiscoveries::AnyFailures);
    checker.target_state_count(worlds).spawn_simulation(0, UniformChooser).join()
}

/// The steps to the first world without agreement.
fn counterexample(report: &impl Checker<Futures>) -> Option<Vec<String>> {
    let steps = report.discovery(AGREEMENT)?.into_actions();
    Some(steps.iter().map(ToString::to_string).collect())
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
    let mut decided = [false; 2];
    for (name, script, depth) in scenarios {
        let report = explore(World::new(&[0]).play(&script), depth);
        println!("{name}: {} worlds within {depth} steps", report.unique_state_count());
        assert_eq!(counterexample(&report), None, "{name}");
        assert!(report.unique_state_count() > 1_000, "{name}: too few worlds for a check");
        for (decided, name) in decided.iter_mut().zip(DECIDED_IN) {
            *decided |= report.discovery(name).is_some();
        }
    }
    assert_eq!(decided, [true; 2], "both views decide something within reach");
}

/// As deep as a history goes, which a search of everything does not reach.
#[test]
fn with_one_traitor_agreement_holds_wherever_one_walks() {
    let report = walk(&[0], 100_000);
    println!("{} worlds, up to {} steps from the beginning", report.state_count(), report.max_depth());
    assert_eq!(counterexample(&report), None);
    for reached in [TWO_SEQUENCES, DECIDED_IN[0], DECIDED_IN[1]] {
        assert!(report.discovery(reached).is_some(), "no {reached}");
    }
}

/// What finds nothing above finds what is there with one traitor more.
#[test]
fn with_two_traitors_a_counterexample_is_found() {
    let start = World::new(&[0, 2]).play(&[
        "0 -> 1: PrePrepare A at 1 in view 0",
        "0 -> 3: PrePrepare B at 1 in view 0",
        "2 -> 1: Prepare A at 1 in view 0",
        "2 -> 3: Prepare B at 1 in view 0",
        "2 -> 1: Commit A at 1 in view 0",
        "2 -> 3: Commit B at 1 in view 0",
    ]);
    let report = explore(start, 2);
    let steps = counterexample(&report).unwrap();
    println!(
        "after {} worlds, from both one Commit short:\n{}",
        report.unique_state_count(),
        steps.join("\n")
    );
    assert_eq!(steps.len(), 2, "the shortest: one Commit for each");

    let report = walk(&[0, 2], 100_000);
    let steps = counterexample(&report).unwrap();
    println!("after {} worlds, from the beginning:\n{}", report.state_count(), steps.join("\n"));
}
