//! Four replicas of a counter, one of which dies and comes back.
//!
//! `cargo run -p jurat-pbft --example restart` kills the primary of view 0, lets the others go on, starts
//! it again from its journal, and prints what it has in the end.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program around the replica, not a part of it"
)]

use std::collections::{BTreeMap, BTreeSet};

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_pbft::{
    Batch, BatchTime, CommitProof, Config, Council, Epoch, Executed, Input, Message, Now, Recipient, Record,
    Replica, ReplicaId, RequestDigest, Sequence, StateDigest,
};

/// A replica, its journal, and what it replicates. No replica while the process is down.
#[derive(Default)]
struct Member {
    replica: Option<Replica>,
    journal: Vec<Record>,
    counter: u64,
    done: BTreeSet<RequestDigest>,
    executed: Executed,
    decided: BTreeMap<Sequence, (Batch, CommitProof)>,
}

struct Cluster {
    council: Council,
    members: Vec<Member>,
    /// What to add. In earnest the application checks, journals and spreads these bodies.
    bodies: BTreeMap<RequestDigest, u64>,
    mail: Vec<(ReplicaId, ReplicaId, Message)>,
    clock: u64,
}

fn key(id: u16) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(id).unwrap(); 32])
}

impl Cluster {
    /// Starts a member from its journal, empty the first time, and links it to the others.
    fn start(&mut self, id: ReplicaId) {
        let member = &mut self.members[usize::from(id.0)];
        let (council, journal) = (self.council.clone(), member.journal.clone());
        member.replica =
            Replica::recover(Config::default(), council, key(id.0), member.executed, journal).ok();
        for other in self.council.members().filter(|other| *other != id) {
            self.step(id, Input::Connected(other));
            self.step(other, Input::Connected(id));
        }
    }

    fn add(&mut self, amount: u64) {
        let request = RequestDigest(Digest::of(&amount.to_be_bytes()));
        self.bodies.insert(request, amount);
        self.council.members().for_each(|id| self.step(id, Input::Requests(vec![(request, 8)])));
    }

    /// One input, and everything that the replica asks for because of it.
    fn step(&mut self, id: ReplicaId, input: Input) {
        let member = &mut self.members[usize::from(id.0)];
        let Some(replica) = &mut member.replica else { return };
        replica.step(Now { elapsed: self.clock, wall: BatchTime(1_700_000_000_000 + self.clock) }, input);
        let ready = replica.take_ready();
        let mut answers = Vec::new();

        // The journal first; a real one is synced before anything sealed leaves.
        member.journal.extend(ready.records);
        for out in ready.messages.into_iter().chain(ready.sealed) {
            let is_meant =
                |to: &ReplicaId| *to != id && (out.to == Recipient::All || out.to == Recipient::One(*to));
            self.mail.extend(self.council.members().filter(is_meant).map(|to| (id, to, out.message.clone())));
        }
        for request in ready.wanted.into_iter().flat_map(|wanted| wanted.requests) {
            let done = member.done.contains(&request);
            answers.push(if done { Input::Held(request) } else { Input::Requests(vec![(request, 8)]) });
        }
        for decision in ready.decisions {
            // What was executed before is skipped here; the replica keeps no history.
            for request in decision.batch.requests.iter().filter(|request| member.done.insert(**request)) {
                member.counter += self.bodies[request];
            }
            member.executed = Executed { sequence: decision.sequence, time: decision.time };
            member.decided.insert(decision.sequence, (decision.batch, decision.proof));
            let state = StateDigest(Digest::of(&member.counter.to_be_bytes()));
            answers.push(Input::Executed(decision.sequence, state));
        }
        for range in ready.serve {
            let decided =
                member.decided.range(range.from..=range.through).map(|(_, decided)| decided.clone());
            self.mail.extend(decided.map(|(batch, proof)| (id, range.to, Message::Decided(batch, proof))));
        }
        for answer in answers {
            self.step(id, answer);
        }
    }

    /// Delivers mail and lets time pass until all who run have counted so far.
    fn run_until(&mut self, counter: u64) {
        while self.members.iter().any(|member| member.replica.is_some() && member.counter != counter) {
            for (from, to, message) in std::mem::take(&mut self.mail) {
                self.step(to, Input::Message(from, message));
            }
            self.clock += 1;
            self.council.members().for_each(|id| self.step(id, Input::Tick));
            assert!(self.clock < 10_000, "no progress");
        }
    }
}

fn main() -> Result<(), jurat_pbft::CouncilError> {
    let network = NetworkId(Digest::of(b"counter"));
    let council = Council::new(network, Epoch(0), (0..4).map(|id| key(id).verifying_key()).collect())?;
    let members = (0..4).map(|_| Member::default()).collect();
    let mut cluster = Cluster { council, members, bodies: BTreeMap::new(), mail: Vec::new(), clock: 0 };
    cluster.council.members().for_each(|id| cluster.start(id));
    cluster.add(30);
    cluster.add(10);
    cluster.run_until(40);

    // The primary dies. After a timeout the others begin view 1, with another primary, and go on.
    cluster.members[0].replica = None;
    cluster.add(2);
    cluster.run_until(42);
    let view = cluster.members[1].replica.as_ref().map(Replica::view);
    println!("member 1 has {} and is in view {:?}", cluster.members[1].counter, view);

    // It comes back with its journal and catches up.
    cluster.start(ReplicaId(0));
    cluster.run_until(42);
    println!("member 0 came back and has {}", cluster.members[0].counter);
    Ok(())
}
