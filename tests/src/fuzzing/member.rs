//! A whole member, log and cosignatures included, among others of which any may lie.

use std::collections::BTreeMap;

use jurat::core::{
    Appended, CheckedEntry, Core, Effects, EntryBytes, Event, Frame, Halt, Keys, Ledger, LedgerError, Limits,
    MemberSignatures, Record, Sealed, State, check_entries,
};
use jurat_crypto::{Digest, KeyUse, Signature};
use jurat_log::{
    Checkpoint, Cosignature, LeafIndex, Note, SubjectRoot, Tree, TreeSize, UnixMillis, UnixSeconds,
};
use jurat_pbft::{BatchTime, Now, ReplicaId, Sequence};
use rand::{SeedableRng, rngs::StdRng};

use super::{
    Seed, fixtures,
    forge::{self, Forge, Script},
    seed,
};

/// A log in memory.
#[derive(Clone, Default)]
pub(super) struct MemoryLedger {
    tree: Tree,
    entries: Vec<(Digest, EntryBytes)>,
    records: BTreeMap<u64, Vec<u8>>,
    checkpoints: BTreeMap<TreeSize, String>,
}

impl Ledger for MemoryLedger {
    fn head(&self) -> (TreeSize, Digest) {
        (self.tree.size(), self.tree.root())
    }

    /// Its entries are taken to be about nothing.
    fn subjects(&self) -> SubjectRoot {
        SubjectRoot::EMPTY
    }

    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError> {
        let place = self.entries.iter().position(|(known, _)| known == leaf);
        Ok(place.and_then(|place| LeafIndex::new(place as u64).ok()))
    }

    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError> {
        let entry = self.entries.iter().find(|(known, _)| known == leaf);
        Ok(entry.map(|(_, entry)| EntryBytes(jurat_log::submitted_form(&entry.0).into())))
    }

    fn append(
        &mut self,
        sequence: u64,
        _time: UnixMillis,
        record: Vec<u8>,
        entries: Vec<CheckedEntry>,
    ) -> Result<Appended, LedgerError> {
        assert!(self.records.insert(sequence, record).is_none(), "sequence {sequence} is executed twice");
        for entry in entries {
            assert_eq!(self.index_of(entry.leaf()), Ok(None), "logged twice");
            self.tree.append(jurat_log::leaf_hash(&entry.bytes().0));
            self.entries.push((*entry.leaf(), entry.bytes().clone()));
        }
        Ok(Appended { size: self.tree.size(), root: self.tree.root() })
    }

    fn has_room(&self) -> bool {
        true
    }

    fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        Ok(self.records.get(&sequence).cloned())
    }

    fn certify(&mut self, size: TreeSize, note: &str) -> Result<(), LedgerError> {
        let parsed = Note::parse(note.as_bytes()).expect("a certified checkpoint is a note");
        let endorsement = fixtures::policy().check(&parsed).expect("a certified checkpoint has its quorum");
        assert_eq!(endorsement.checkpoint.size(), size);
        assert_eq!(Ok(*endorsement.checkpoint.root()), self.tree.root_at(size));
        self.checkpoints.insert(size, note.into());
        Ok(())
    }

    fn certified(&self) -> TreeSize {
        self.checkpoints.last_key_value().map_or(TreeSize::EMPTY, |(size, _)| *size)
    }

    fn certified_from(&self, size: TreeSize) -> Result<Option<String>, LedgerError> {
        Ok(self.checkpoints.range(size..).next().map(|(_, note)| note.clone()))
    }
}

/// What a disk holds.
#[derive(Clone, Default)]
struct Disk {
    ledger: MemoryLedger,
    state: Option<State>,
    journal: Vec<Record>,
}

struct World {
    me: ReplicaId,
    core: Core<MemoryLedger>,
    now: Now,
    disk: Disk,
    /// What the last step asked for and a power cut would undo.
    unsynced: Effects,
    /// What was signed for each size, in all lives.
    cosigned: BTreeMap<u64, Signature>,
    halted: bool,
}

fn member_keys(me: ReplicaId) -> Keys {
    Keys { seed: fixtures::key_seeds()[usize::from(me.0)].clone() }
}

fn checked(entry: u8) -> CheckedEntry {
    let bytes = EntryBytes(fixtures::entry(entry % forge::REQUESTS).encode().into());
    let [verdict] = check_entries(vec![bytes], fixtures::genesis().network(), StdRng::seed_from_u64(0))
        .try_into()
        .expect("one verdict");
    verdict.expect("the fixture is an entry")
}

impl World {
    fn new(me: ReplicaId) -> Self {
        let disk = Disk::default();
        Self {
            me,
            core: start(me, &disk),
            now: Now { elapsed: 0, wall: BatchTime(fixtures::TIME) },
            disk,
            unsynced: Effects::default(),
            cosigned: BTreeMap::new(),
            halted: false,
        }
    }

    fn step(&mut self, event: Event) {
        self.sync();
        if !self.halted {
            self.core.step(self.now, event);
            self.take_effects();
        }
    }

    fn take_effects(&mut self) {
        self.unsynced = self.core.take_effects();
        if let Some(halt) = &self.unsynced.halt {
            // Others can split the council or claim another time; nothing else is theirs to cause.
            assert!(matches!(halt, Halt::Consensus(_) | Halt::Clock { .. }), "{halt}");
            self.halted = true;
        }
        let own = fixtures::genesis().members()[usize::from(self.me.0)].vote.key();
        for evidence in &self.unsynced.evidence {
            assert_ne!(fixtures::council().key(evidence.culprit()), Some(own));
        }
        for (_, frame) in std::mem::take(&mut self.unsynced.frames) {
            self.sent(&frame);
        }
    }

    /// No two roots are ever signed for one size.
    fn sent(&mut self, frame: &Frame) {
        if let Frame::Signatures(signatures) = frame {
            let first = self.cosigned.entry(signatures.size).or_insert(signatures.log);
            assert_eq!(first.to_bytes(), signatures.log.to_bytes(), "size {}", signatures.size);
        }
    }

    fn sync(&mut self) {
        loop {
            let Effects { records, sealed, check, .. } = std::mem::take(&mut self.unsynced);
            self.disk.journal.extend(records);
            let mut events = Vec::new();
            for sealed in sealed {
                match sealed {
                    Sealed::Send(_, frame) => self.sent(&frame),
                    Sealed::Back(event) => events.push(event),
                }
            }
            for (from, entries) in check {
                let verdicts =
                    check_entries(entries, fixtures::genesis().network(), StdRng::seed_from_u64(0));
                let all = verdicts.len();
                let entries: Vec<_> = verdicts.into_iter().filter_map(Result::ok).collect();
                events.push(Event::Checked { from, refused: all - entries.len(), entries });
            }
            if events.is_empty() || self.halted {
                return;
            }
            for event in events {
                self.core.step(self.now, event);
            }
            self.take_effects();
        }
    }

    /// Stores the log; the journal may be shortened then, or later.
    fn store(&mut self, rotate: bool) {
        self.sync();
        let (position, registry) = (self.core.position(), self.core.registry().clone());
        self.disk.state = Some(State { position, registry });
        self.disk.ledger = self.core.ledger().clone();
        self.step(Event::Stored(self.core.replica().executed()));
        self.sync();
        if rotate {
            self.disk.journal = self.core.live_records();
        }
    }

    fn power_cut(&mut self) {
        self.core = start(self.me, &self.disk);
        self.take_effects();
    }

    fn play(&mut self, script: &mut Script<'_>) {
        let from = ReplicaId(script.pick(&[0, 1, 2, 3]));
        match script.byte() % 16 {
            0 => {
                self.now.elapsed += script.pick(&[0, 1, 5, 50, 500, 1000, 5000, 70_000]);
                self.now.wall.0 += script.pick(&[0, 0, 1, 1000]);
                self.step(Event::Tick);
            }
            1 => self.step(Event::Submitted(vec![checked(script.byte())])),
            2 => self.step(Event::Up(from)),
            3 => self.step(Event::Down(from)),
            4 => self.order(script.byte()),
            5 => self.power_cut(),
            6 => {
                self.sync();
                self.power_cut();
            }
            7 => self.store(true),
            8 => self.store(false),
            9 => self.cosign(from, script.byte()),
            10 => {
                let size = u64::from(script.byte() % 8);
                let signature = Signature::from_bytes([script.byte(); 64]);
                let forged = MemberSignatures { size, log: signature, time: size, cosignature: signature };
                self.step(Event::Frame(from, Frame::Signatures(forged)));
            }
            11 => {
                let mut entry = fixtures::entry(script.byte() % forge::REQUESTS).encode();
                let at = usize::from(script.byte()) % entry.len();
                entry[at] ^= script.pick(&[0, 1, 128]);
                self.step(Event::Frame(from, Frame::Entries(vec![EntryBytes(entry.into())])));
            }
            12 => {
                let leaves = (0..script.byte()).map(|i| forge::request(i).0).collect();
                self.step(Event::Frame(from, Frame::FetchEntries(leaves)));
            }
            13 => self.step(Event::Frame(from, Frame::FetchCheckpoint(u64::from(script.byte() % 8)))),
            14 => {
                let note = match script.byte() % 2 {
                    0 => fixtures::receipt().checkpoint().to_owned(),
                    _ => fixtures::note(self.core.ledger().tree.size(), self.core.ledger().tree.root())
                        .to_string(),
                };
                let wall = fixtures::TIME + script.pick(&[0, 10_000, 60_000]);
                self.step(Event::Frame(from, Frame::Clock(wall)));
                self.step(Event::Frame(from, Frame::Checkpoint(note)));
            }
            _ => {
                let (from, message) = Forge::message(script);
                self.step(Event::Frame(from, Frame::Consensus(message)));
            }
        }
    }

    /// The others order an entry without trouble.
    fn order(&mut self, entry: u8) {
        self.sync();
        let replica = self.core.replica();
        let (view, sequence) = (replica.view(), Sequence(replica.executed().0 + 1));
        let batch = forge::batch(entry, self.core.registry().time().0.saturating_sub(fixtures::TIME) + 1);
        let [first, ..] = batch.requests[..] else { return };
        if self.core.ledger().index_of(&first.0) == Ok(None) {
            self.step(Event::Submitted(vec![checked(entry)]));
        }
        for (from, message) in Forge::round(self.me, view, sequence, &batch) {
            self.step(Event::Frame(from, Frame::Consensus(message)));
        }
    }

    /// A member signs the last checkpoint as it should.
    fn cosign(&mut self, from: ReplicaId, seconds: u8) {
        self.sync();
        let Some(stamp) = self.core.position().stamp else { return };
        let (size, root) = self.core.ledger().head();
        let checkpoint =
            Checkpoint::stamped(fixtures::origin(), size, root, stamp.into(), &SubjectRoot::EMPTY);
        let seed = &fixtures::key_seeds()[usize::from(from.0)];
        let time = fixtures::TIME / 1000 + u64::from(seconds);
        let cosigned_at = UnixSeconds::new(time).expect("a time");
        let signatures = MemberSignatures {
            size: size.value(),
            log: seed.signing_key(KeyUse::Log).sign(checkpoint.to_text().as_str().as_bytes()),
            time,
            cosignature: Cosignature::sign(&checkpoint, &seed.signing_key(KeyUse::Cosign), cosigned_at)
                .signature(),
        };
        if from != self.me {
            self.step(Event::Frame(from, Frame::Signatures(signatures)));
        }
    }
}

fn start(me: ReplicaId, disk: &Disk) -> Core<MemoryLedger> {
    let Disk { ledger, state, journal } = disk.clone();
    let (genesis, keys) = (fixtures::genesis().clone(), member_keys(me));
    let now = Now { elapsed: 0, wall: BatchTime(fixtures::TIME) };
    Core::recover(genesis, Limits::default(), &keys, ledger, state, journal, now)
        .expect("a member starts from what it wrote")
}

/// Longer histories find nothing that shorter ones don't.
const MAX_STEPS: usize = 100;

/// The first byte says which member it is; then each step begins with two bytes.
pub(super) fn member(input: &[u8]) -> Option<()> {
    let mut script = Script::new(input);
    let mut world = World::new(ReplicaId(script.pick(&[0, 1, 2, 3])));
    for _ in 0..MAX_STEPS {
        if script.is_done() || world.halted {
            break;
        }
        world.play(&mut script);
    }
    world.sync();
    (world.core.ledger().tree.size() > TreeSize::EMPTY).then_some(())
}

pub(super) fn member_seeds() -> Vec<Seed> {
    vec![
        seed("ordered", [1, 0, 2, 2, 2, 3, 2, 0, 4, 0, 0, 9, 0, 2, 9, 0, 0, 0, 4, 0]),
        seed("restarted", [1, 0, 4, 0, 0, 6, 0, 4, 1, 0, 7, 0, 4, 2, 0, 5, 0, 4, 3, 0, 8, 0, 5]),
        seed(
            "primary",
            [0, 1, 2, 2, 2, 0, 0, 1, 2, 0, 4, 0, 1, 11, 1, 0, 0, 2, 12, 9, 1, 13, 1, 1, 14, 1, 0],
        ),
    ]
}
