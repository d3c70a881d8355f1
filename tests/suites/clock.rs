//! A clock that is off: the node whose it is says so and stops, and the council goes on without it.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{collections::VecDeque, path::Path, sync::Arc, time::SystemTime};

use jurat::{
    codec,
    core::{
        CheckedEntry, Core, EntryBytes, Event, Frame, Genesis, Halt, Keys, Limits, Member, MemberName,
        Sealed, check_entries,
    },
    runtime::StoredLedger,
};
use jurat_crypto::{NetworkId, Seed};
use jurat_log::{Entry, Origin};
use jurat_pbft::{BatchTime, Now, Recipient, ReplicaId};
use jurat_store::{DataDir, LogStore, MemFs};
use jurat_tests::{Attestor, Council, noise::Initiator, until_true};

const MINUTES_10: i64 = 600_000;
const SECONDS_20: i64 = 20_000;
/// The calendar when a test begins, in milliseconds since the Unix epoch.
const BEGIN: u64 = 1_800_000_000_000;

/// A council of four cores: virtual time, perfect links, disks that sync at once.
struct Cores {
    members: Vec<Core<StoredLedger>>,
    /// How far each calendar is ahead, in milliseconds.
    ahead: [i64; 4],
    halted: [Option<Halt>; 4],
    elapsed: u64,
    events: VecDeque<(usize, Event)>,
    network: NetworkId,
}

impl Cores {
    fn new(ahead: [i64; 4]) -> Self {
        let origin = Origin::new("example.com/council").unwrap();
        let seeds = [1, 2, 3, 4].map(|byte| Seed::from_bytes([byte; 32]));
        let member = |place: usize| {
            let name = MemberName::new(format!("node-{}", place + 1)).unwrap();
            Member::of_seed(name, &origin, &seeds[place]).unwrap()
        };
        let genesis = Genesis::new(origin.clone(), (0..4).map(member).collect()).unwrap();
        let core = |seed: &Seed| {
            let dir = DataDir::open(Arc::new(MemFs::new()), Path::new("/data"), genesis.network()).unwrap();
            let ledger = StoredLedger::new(LogStore::open(&dir).unwrap().0).unwrap();
            let keys = Keys { seed: seed.clone() };
            Core::recover(genesis.clone(), Limits::default(), &keys, ledger, None, [], Now::default())
                .unwrap()
        };
        let members = seeds.iter().map(core).collect();
        let mut cores = Self {
            members,
            ahead,
            halted: [const { None }; 4],
            elapsed: 0,
            events: VecDeque::new(),
            network: genesis.network(),
        };
        for from in 0..4 {
            for to in (0..4).filter(|to| *to != from) {
                cores.events.push_back((to, Event::Up(id(from))));
            }
        }
        cores
    }

    /// Lets so much time pass, in milliseconds.
    fn run(&mut self, time: u64) {
        for _ in 0..time / 10 {
            self.elapsed += 10;
            for place in 0..4 {
                self.events.push_back((place, Event::Tick));
            }
            while let Some((to, event)) = self.events.pop_front() {
                if self.halted[to].is_none() {
                    self.step(to, event);
                }
            }
        }
    }

    fn step(&mut self, place: usize, event: Event) {
        let wall = (BEGIN + self.elapsed).checked_add_signed(self.ahead[place]).unwrap();
        let core = &mut self.members[place];
        core.step(Now { elapsed: self.elapsed, wall: BatchTime(wall) }, event);
        let effects = core.take_effects();
        for (from, entries) in effects.check {
            let (passed, refused) = check(entries, self.network);
            self.events.push_back((place, Event::Checked { from, entries: passed, refused }));
        }
        for (to, frame) in effects.frames {
            self.send(place, to, &frame);
        }
        for sealed in effects.sealed {
            match sealed {
                Sealed::Send(to, frame) => self.send(place, to, &frame),
                Sealed::Back(event) => self.events.push_back((place, event)),
            }
        }
        self.halted[place] = effects.halt;
        if self.halted[place].is_some() {
            for other in (0..4).filter(|other| *other != place) {
                self.events.push_back((other, Event::Down(id(place))));
            }
        }
    }

    fn send(&mut self, from: usize, to: Recipient, frame: &Frame) {
        for place in (0..4)
            .filter(|place| *place != from && (to == Recipient::All || to == Recipient::One(id(*place))))
        {
            self.events.push_back((place, Event::Frame(id(from), frame.clone())));
        }
    }

    fn submit(&mut self, place: usize, file: &str) {
        let entry = Entry::Attestation(Attestor::named("lab.example/ana").attest(file)).encode();
        let (passed, refused) = check(vec![EntryBytes(entry.into())], self.network);
        assert_eq!((passed.len(), refused), (1, 0));
        self.events.push_back((place, Event::Submitted(passed)));
    }

    fn certified(&self, place: usize) -> u64 {
        self.members[place].view().certified.value()
    }
}

fn check(entries: Vec<EntryBytes>, network: NetworkId) -> (Vec<CheckedEntry>, usize) {
    let count = entries.len();
    let passed: Vec<CheckedEntry> =
        check_entries(entries, network, rand::rng()).into_iter().flatten().collect();
    let refused = count - passed.len();
    (passed, refused)
}

fn id(place: usize) -> ReplicaId {
    ReplicaId(place.try_into().unwrap())
}

#[test]
fn a_core_whose_clock_is_off_halts_and_the_others_go_on() {
    // The first primary, and another.
    for place in [0, 3] {
        for (ahead, told) in [(MINUTES_10, "ahead of"), (-MINUTES_10, "behind")] {
            let mut off = [0; 4];
            off[place] = ahead;
            let mut cores = Cores::new(off);
            cores.submit((place + 1) % 4, "meanwhile");
            cores.run(20_000);
            for other in (0..4).filter(|other| *other != place) {
                assert_eq!(cores.halted[other], None);
                assert_eq!(cores.certified(other), 1, "member {other} with {place} off by {ahead} ms");
            }
            let halt = cores.halted[place].clone().unwrap();
            assert!(matches!(halt, Halt::Clock { offset, members: 2.. } if offset == -ahead), "{halt:?}");
            let said = halt.to_string();
            for told in
                ["this machine's clock is 600 s", told, "other members", "set it (for example with NTP)"]
            {
                assert!(said.contains(told), "{told} in {said}");
            }
        }
    }
}

#[test]
fn clocks_that_are_a_little_off_do_no_harm() {
    for ahead in [[SECONDS_20, 0, 0, 0], [0, 0, -SECONDS_20, 0], [-SECONDS_20 / 2, SECONDS_20 / 2, 0, 0]] {
        let mut cores = Cores::new(ahead);
        for file in 0..5 {
            cores.submit(file % 4, &format!("file {file}"));
            cores.run(2_000);
        }
        for place in 0..4 {
            assert_eq!((&cores.halted[place], cores.certified(place)), (&None, 5), "{ahead:?}");
        }
    }
}

/// A real node, and two members that say by their clocks that its own is off: at least one is honest.
#[test]
fn a_node_whose_clock_is_off_stops_with_one_line() {
    let council = Council::start();
    council.kill(2);
    council.kill(3);
    let genesis = std::fs::read(council.members()[0].dir.join("genesis.json")).unwrap();
    let network = serde_json::from_slice::<Genesis>(&genesis).unwrap().network();
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let later = u64::try_from(since.as_millis()).unwrap() + MINUTES_10.unsigned_abs();
    let tell = |member: usize| {
        let stream = std::net::TcpStream::connect(council.members()[0].peer).unwrap();
        let mut link = Initiator::new(council.seed(member), network).dial(stream).unwrap();
        link.send_frame(&codec::encode(&Frame::Clock(later))).unwrap();
        link
    };
    // One alone may be wrong about the time.
    let one = tell(2);
    until_true("the node to hear of it", || council.status(0).unwrap()["members"][2]["connected"] == true);
    council.check(0);
    let two = tell(3);
    assert_eq!(council.wait_for_end(0).code(), Some(3));
    drop((one, two));
    let log = council.log(0);
    let said = log.lines().last().unwrap();
    for told in ["jurat: this machine's clock is ", " s behind the clocks of 2 other members", "NTP"] {
        assert!(said.contains(told), "{told} in {said}");
    }
    // It was not at fault, and goes on where it was.
    for member in [0, 2, 3] {
        council.run(member);
    }
    council.until_connected();
    let envelope = Attestor::named("lab.example/ana").attest("after").to_envelope();
    let answer =
        council.http(0).post("/api/v1/attestations?wait=receipt", "application/json", envelope.as_bytes());
    assert_eq!(answer.unwrap().status, 200);
}
