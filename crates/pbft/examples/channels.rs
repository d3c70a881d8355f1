//! Four replicas of a sum, each on a thread of its own, with channels for links.
//!
//! `cargo run -p jurat-pbft --example channels` adds the numbers from 1 to 1000 while the primary of
//! view 0 is silent, and prints what each of the others has in the end.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a program around the replica, not a part of it"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_pbft::{
    BatchTime, Config, Council, Decision, Epoch, Input, Message, Now, Outbound, Ready, Recipient, Record,
    Replica, ReplicaId, RequestDigest, StateDigest,
};

const MEMBERS: u8 = 4;
const NUMBERS: u64 = 1000;

/// What comes out of a member's channel.
enum Event {
    /// A client wants this number added.
    Add(u64),
    /// Another member sent this.
    Message(ReplicaId, Box<Message>),
}

/// A replica with what it needs around it.
struct Member {
    replica: Replica,
    links: BTreeMap<ReplicaId, Sender<Event>>,
    start: Instant,
    /// Here a vector; in earnest a file that is synced before anything sealed leaves.
    journal: Vec<Record>,
    numbers: BTreeMap<RequestDigest, u64>,
    done: BTreeSet<RequestDigest>,
    sum: u64,
}

impl Member {
    fn now(&self) -> Now {
        let calendar = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Now { elapsed: millis(self.start.elapsed()), wall: BatchTime(millis(calendar)) }
    }

    /// Runs until everything was added.
    fn run(mut self, events: &Receiver<Event>) -> Self {
        for peer in self.links.keys().copied().collect::<Vec<_>>() {
            self.step(Input::Connected(peer));
        }
        while self.sum < NUMBERS * (NUMBERS + 1) / 2 {
            let patience = self.replica.next_deadline().saturating_sub(self.now().elapsed);
            match events.recv_timeout(Duration::from_millis(patience)) {
                Ok(Event::Add(number)) => {
                    let request = digest(number);
                    self.numbers.insert(request, number);
                    self.step(Input::Requests(vec![(request, 8)]));
                }
                Ok(Event::Message(from, message)) => self.step(Input::Message(from, *message)),
                Err(RecvTimeoutError::Timeout) => self.step(Input::Tick),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self
    }

    /// One input, and all that follows from it.
    fn step(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = self.now();
            self.replica.step(now, input);
            // Nothing here lags far enough to be served or to fetch a state, and nobody lies.
            let Ready { records, messages, sealed, decisions, .. } = self.replica.take_ready();
            self.journal.extend(records);
            for Outbound { to, message } in messages.into_iter().chain(sealed) {
                let me = self.replica.id();
                for (peer, link) in &self.links {
                    if to == Recipient::All || to == Recipient::One(*peer) {
                        // Who is done has gone.
                        let _gone = link.send(Event::Message(me, Box::new(message.clone())));
                    }
                }
            }
            inputs.extend(decisions.into_iter().map(|decision| self.execute(&decision)));
        }
    }

    fn execute(&mut self, decision: &Decision) -> Input {
        for request in &decision.batch.requests {
            if self.done.insert(*request) {
                self.sum += self.numbers.get(request).copied().unwrap_or_default();
            }
        }
        Input::Executed(decision.sequence, StateDigest(Digest::of(&self.sum.to_be_bytes())))
    }
}

fn digest(number: u64) -> RequestDigest {
    RequestDigest(Digest::of(&number.to_be_bytes()))
}

fn main() -> Result<(), Box<dyn Error>> {
    let key = |id: u8| SigningKey::from_seed(&[id + 1; 32]);
    let network = NetworkId(Digest::of(b"channels"));
    let council = Council::new(network, Epoch(0), (0..MEMBERS).map(|id| key(id).verifying_key()).collect())?;
    let (senders, receivers): (Vec<_>, Vec<_>) =
        council.members().map(|id| (id, channel())).map(|(id, (to, from))| ((id, to), from)).unzip();

    let mut threads = Vec::new();
    for (id, events) in (0..MEMBERS).zip(receivers) {
        let me = ReplicaId(id.into());
        let links = senders.iter().filter(|(peer, _)| *peer != me).cloned().collect();
        let replica = Replica::new(Config::default(), council.clone(), key(id))?;
        if id == 0 {
            // The primary of view 0 hears, and says nothing.
            thread::spawn(move || events.into_iter().count());
            continue;
        }
        let member = Member {
            replica,
            links,
            start: Instant::now(),
            journal: Vec::new(),
            numbers: BTreeMap::new(),
            done: BTreeSet::new(),
            sum: 0,
        };
        threads.push(thread::spawn(move || member.run(&events)));
    }

    for number in 1..=NUMBERS {
        for (_, member) in &senders {
            member.send(Event::Add(number))?;
        }
    }
    for running in threads {
        let Member { replica, sum, journal, .. } = running.join().map_err(|_| "a replica panicked")?;
        println!(
            "replica {} in view {}: {sum} after {} batches, {} records in its journal",
            replica.id(),
            replica.view(),
            replica.executed(),
            journal.len()
        );
    }
    Ok(())
}
