//! A replica among members of which any may lie, with a disk that forgets what was not synced.

use std::collections::BTreeMap;

use jurat_crypto::Digest;
use jurat_pbft::{
    BatchDigest, BatchTime, Config, Decision, Executed, Input, Message, Now, Outbound, Phase, Ready, Record,
    Replica, ReplicaId, Sequence, StateDigest, View,
};

use super::{
    Seed, fixtures,
    forge::{self, Forge, Script},
    seed,
};

/// What the replica has signed, in all its lives: it may never contradict itself.
#[derive(Default)]
struct Promises {
    votes: BTreeMap<(Phase, View, Sequence), BatchDigest>,
    states: BTreeMap<Sequence, StateDigest>,
}

impl Promises {
    fn take(&mut self, me: ReplicaId, message: &Message) {
        let council = fixtures::council();
        let vote = match message {
            Message::PrePrepare(vote, _) | Message::Vote(vote) => vote,
            Message::Checkpoint(checkpoint) if checkpoint.signer == me => {
                let said = checkpoint.statement;
                assert_eq!(*self.states.entry(said.sequence).or_insert(said.state), said.state);
                return assert_eq!(checkpoint.verify(council), Ok(()));
            }
            Message::ViewChange(change) => return assert_eq!(verified(change.verify(council)), Ok(())),
            Message::NewView(new_view) => {
                new_view.statement.pre_prepares.iter().for_each(|vote| {
                    self.take(me, &Message::Vote(vote.clone()));
                });
                return;
            }
            _ => return,
        };
        if vote.signer == me {
            let said = vote.statement;
            let first = *self.votes.entry((said.phase, said.view, said.sequence)).or_insert(said.batch);
            assert_eq!(first, said.batch, "two votes: {said:?}");
            assert_eq!(vote.verify(council), Ok(()));
        }
    }
}

fn verified<E: std::fmt::Display>(result: Result<(), E>) -> Result<(), String> {
    result.map_err(|error| error.to_string())
}

/// The application: a chain over what was executed.
#[derive(Clone, Copy)]
struct App {
    executed: Executed,
    state: Digest,
}

struct World {
    me: ReplicaId,
    replica: Replica,
    now: Now,
    app: App,
    /// What the application has made durable.
    stored: App,
    journal: Vec<Record>,
    /// What the last step asked for and a power cut would undo.
    unsynced: Ready,
    promises: Promises,
    heard: Vec<(ReplicaId, Message)>,
    halted: bool,
}

impl World {
    fn new(me: ReplicaId) -> Self {
        let app = App { executed: Executed::default(), state: Digest::of(b"empty") };
        Self {
            me,
            replica: recover(me, app.executed, &[]),
            now: Now { elapsed: 0, wall: BatchTime(fixtures::TIME) },
            app,
            stored: app,
            journal: Vec::new(),
            unsynced: Ready::default(),
            promises: Promises::default(),
            heard: Vec::new(),
            halted: false,
        }
    }

    fn step(&mut self, input: Input) {
        self.sync();
        self.replica.step(self.now, input);
        self.take_ready();
    }

    /// Takes what a step asks for. What is sent now is out, whatever happens to the disk.
    fn take_ready(&mut self) {
        self.unsynced = self.replica.take_ready();
        self.halted |= self.unsynced.halt.is_some();
        for evidence in &self.unsynced.evidence {
            assert_ne!(evidence.culprit(), self.me);
            assert_eq!(evidence.verify(fixtures::council()), Ok(evidence.culprit()));
        }
        for Outbound { message, .. } in std::mem::take(&mut self.unsynced.messages) {
            self.promises.take(self.me, &message);
        }
    }

    /// Makes the last step durable, sends what waited for that, and executes what was decided.
    fn sync(&mut self) {
        loop {
            let ready = std::mem::take(&mut self.unsynced);
            self.journal.extend(ready.records);
            for Outbound { message, .. } in ready.sealed {
                self.promises.take(self.me, &message);
            }
            if ready.decisions.is_empty() || self.halted {
                return;
            }
            for decision in &ready.decisions {
                self.execute(decision);
            }
            self.take_ready();
        }
    }

    fn execute(&mut self, decision: &Decision) {
        let Decision { sequence, time, batch, proof } = decision;
        assert_eq!(*sequence, self.app.executed.sequence.next());
        assert!(batch.is_null() || *time > self.app.executed.time);
        assert_eq!((proof.sequence, proof.batch), (*sequence, batch.digest()));
        assert_eq!(verified(proof.verify(fixtures::council())), Ok(()));
        self.app.executed = Executed { sequence: *sequence, time: *time };
        self.app.state = Digest::of_parts(&[self.app.state.as_bytes(), proof.batch.0.as_bytes()]);
        self.replica.step(self.now, Input::Executed(*sequence, StateDigest(self.app.state)));
    }

    /// The application stores its state, and the journal is shortened.
    fn save(&mut self) {
        self.sync();
        self.stored = self.app;
        self.journal = self.replica.live_records();
    }

    /// The power fails and comes back.
    fn power_cut(&mut self) {
        self.app = self.stored;
        self.replica = recover(self.me, self.app.executed, &self.journal);
        self.take_ready();
    }

    fn hear(&mut self, from: ReplicaId, message: Message) {
        self.heard.push((from, message.clone()));
        self.step(Input::Message(from, message));
    }

    fn play(&mut self, script: &mut Script<'_>) {
        match script.byte() % 12 {
            0 => {
                self.now.elapsed += script.pick(&[0, 1, 5, 50, 200, 1000, 5000, 70_000]);
                self.now.wall.0 += script.pick(&[0, 0, 1, 1000]);
                self.step(Input::Tick);
            }
            1 => self.step(Input::Requests(vec![(forge::request(script.byte()), 100)])),
            2 => self.step(Input::Held(forge::request(script.byte()))),
            3 => self.step(Input::Connected(ReplicaId(script.pick(&[0, 1, 2, 3, 4])))),
            4 => self.step(Input::Disconnected(ReplicaId(script.pick(&[0, 1, 2, 3, 4])))),
            5 => {
                let sequence = self.app.executed.sequence.next();
                let time = self.app.executed.time.0.saturating_sub(fixtures::TIME) + 1;
                let batch = forge::batch(script.byte(), time);
                self.step(Input::Requests(vec![(batch.requests[0], 100)]));
                for (from, message) in Forge::round(self.me, self.replica.view(), sequence, &batch) {
                    self.hear(from, message);
                }
            }
            6 => self.power_cut(),
            7 => {
                self.sync();
                self.power_cut();
            }
            8 => self.save(),
            9 if !self.heard.is_empty() => {
                let (from, message) = self.heard[usize::from(script.byte()) % self.heard.len()].clone();
                self.step(Input::Message(from, message));
            }
            _ => {
                let (from, message) = Forge::message(script);
                self.hear(from, message);
            }
        }
    }
}

fn recover(me: ReplicaId, executed: Executed, journal: &[Record]) -> Replica {
    let key = fixtures::vote_keys()[usize::from(me.0)].clone();
    Replica::recover(Config::default(), fixtures::council().clone(), key, executed, journal.iter().cloned())
        .expect("the key is a member's")
}

/// Longer histories find nothing that shorter ones don't.
const MAX_STEPS: usize = 200;

/// The first byte says which member it is; then each step begins with a byte.
pub(super) fn replica(input: &[u8]) -> Option<()> {
    let mut script = Script::new(input);
    let mut world = World::new(ReplicaId(script.pick(&[0, 1, 2, 3])));
    for _ in 0..MAX_STEPS {
        if script.is_done() || world.halted {
            break;
        }
        world.play(&mut script);
    }
    world.sync();
    let moved = world.app.executed.sequence > Sequence(0) || world.replica.view() > View(0);
    moved.then_some(())
}

pub(super) fn replica_seeds() -> Vec<Seed> {
    vec![
        seed("rounds", [1, 3, 0, 3, 2, 5, 0, 5, 1, 5, 2, 6, 5, 3, 8, 7, 5, 1]),
        seed("primary", [0, 3, 1, 3, 2, 0, 1, 2, 5, 1, 0, 1, 0, 5, 2, 7, 0, 4, 0, 6]),
        seed(
            "view_change",
            [2, 3, 0, 1, 0, 0, 5, 0, 0, 5, 0, 7, 10, 1, 4, 1, 0, 0, 0, 10, 3, 4, 1, 0, 0, 0, 0, 6, 0, 7],
        ),
    ]
}
