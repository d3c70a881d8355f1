//! What the log should be, kept in plain memory, and the comparison of a log with it.

// Each test file uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, clippy::panic)]

use std::{
    collections::BTreeMap,
    convert::Infallible,
    error::Error,
    path::Path,
    sync::{Arc, Mutex},
};

use jurat_crypto::{Digest, KeyName, NetworkId, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Attestation, ConsistencyProof, Entry, InclusionProof, LeafIndex, Nodes as _, STATEMENT_PAYLOAD_TYPE,
    Statement, Subject, SubjectMap, SubjectNode, SubjectNodes, SubjectNodesMut, SubjectRoot, Tile, TileCoord,
    Tree, TreeSize, UnixMillis, leaf_hash, push_entry,
};
use jurat_store::{
    Batch, DataDir, DataDirError, FlushPlan, LogEntry, LogError, LogHead, LogReader, LogStore, MemFs,
    Survivors, Vfs,
};

pub const ROOT: &str = "/data";

pub fn size(leaves: u64) -> TreeSize {
    TreeSize::new(leaves).unwrap()
}

pub fn index(leaf: u64) -> LeafIndex {
    LeafIndex::new(leaf).unwrap()
}

pub fn data_dir(vfs: impl Vfs + 'static, root: &Path) -> Result<DataDir, DataDirError> {
    DataDir::open(Arc::new(vfs), root, NetworkId(Digest::of(b"test")))
}

/// A log store and the state kept with its last flush, or why there is none.
pub type Opened = Result<(LogStore, Arc<[u8]>), Box<dyn Error>>;

pub fn open(fs: &MemFs) -> Opened {
    Ok(LogStore::open(&data_dir(fs.clone(), Path::new(ROOT))?)?)
}

pub fn flush(store: &mut LogStore, state: &[u8]) -> Result<Option<LogHead>, LogError> {
    store.plan_flush(state, None)?.map(FlushPlan::write).transpose()
}

/// What entry `i` is an attestation of, if it is one.
pub fn subject(i: u64) -> Option<Digest> {
    (i % 16 == 5).then(|| Digest::of(&[u8::try_from(i / 32 % 256).unwrap()]))
}

fn attestation(i: u64, subject: &Digest) -> Vec<u8> {
    let (key, name) = (SigningKey::from_seed(&[1; 32]), KeyName::new("attestor").unwrap());
    let attestor = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
    let subjects = [Subject::file(format!("file {i}"), subject)];
    let payload = Statement::compose(&subjects, "https://example.com/t", None, &attestor).unwrap();
    Entry::Attestation(Attestation::sign(&key, name, STATEMENT_PAYLOAD_TYPE, payload).unwrap()).encode()
}

/// Entry `i` of every log in these tests: of different lengths, a few of them attestations.
pub fn entry(i: u64) -> Vec<u8> {
    static ATTESTATIONS: Mutex<BTreeMap<u64, Vec<u8>>> = Mutex::new(BTreeMap::new());
    if let Some(subject) = subject(i) {
        let mut known = ATTESTATIONS.lock().unwrap();
        return known.entry(i).or_insert_with(|| attestation(i, &subject)).clone();
    }
    format!("entry {i}").into_bytes().repeat(1 + usize::try_from(i % 7).unwrap())
}

/// The batch that follows in a log of `first` leaves.
pub fn batch(sequence: u64, first: u64, count: u64) -> Batch {
    let entries = (first..first + count).map(|i| LogEntry::new(entry(i)).unwrap()).collect();
    Batch { sequence, time: UnixMillis(sequence), record: record(sequence), entries }
}

pub fn record(sequence: u64) -> Arc<[u8]> {
    format!("record {sequence}").into_bytes().into()
}

pub fn note(leaves: u64) -> String {
    format!("checkpoint of {leaves}")
}

/// A log with full and partial tiles of two levels, flushed twice and closed.
pub fn flushed() -> (MemFs, Model) {
    let fs = MemFs::new();
    let (mut store, _) = open(&fs).unwrap();
    let mut model = Model::default();
    for count in [300, 400] {
        store.append(model.next_batch(count)).unwrap();
        model.append(count);
        flush(&mut store, b"").unwrap();
    }
    (fs, model)
}

#[derive(Clone, Default)]
pub struct Model {
    pub tree: Tree,
    /// First leaf and number of leaves of the sequences, from 1 on.
    pub sequences: Vec<(u64, u64)>,
    pub checkpoints: BTreeMap<u64, String>,
    /// The subject map's nodes, and the map after each sequence.
    nodes: Nodes,
    maps: Vec<SubjectMap>,
}

#[derive(Clone, Default)]
struct Nodes(Vec<SubjectNode>);

impl SubjectNodes for Nodes {
    type Error = Infallible;

    fn node(&mut self, place: u64, _: &Digest) -> Result<SubjectNode, Infallible> {
        Ok(self.0[usize::try_from(place).unwrap()])
    }
}

impl SubjectNodesMut for Nodes {
    fn push(&mut self, node: &SubjectNode) -> Result<u64, Infallible> {
        self.0.push(*node);
        Ok(self.0.len() as u64 - 1)
    }
}

impl Model {
    pub fn size(&self) -> u64 {
        self.tree.size().value()
    }

    pub fn next_batch(&self, count: u64) -> Batch {
        batch(self.sequences.len() as u64 + 1, self.size(), count)
    }

    pub fn append(&mut self, count: u64) {
        self.sequences.push((self.size(), count));
        let first = self.size();
        self.tree.extend((first..first + count).map(|i| leaf_hash(&entry(i))));
        let subjects = (first..first + count).filter_map(|i| Some((subject(i)?, index(i))));
        let mut map = self.maps.last().copied().unwrap_or(SubjectMap::EMPTY);
        map.extend(&mut self.nodes, &subjects.collect::<Vec<_>>()).unwrap();
        self.maps.push(map);
    }

    pub fn put_checkpoint(&mut self, leaves: u64) {
        self.checkpoints.insert(leaves, note(leaves));
    }

    pub fn head(&self) -> LogHead {
        let sequence = (!self.sequences.is_empty()).then_some(self.sequences.len() as u64);
        let subjects = self.maps.last().map_or(SubjectRoot::EMPTY, SubjectMap::root);
        LogHead { size: self.tree.size(), root: self.tree.root(), subjects, sequence }
    }

    /// The model as it was after some of its sequences.
    pub fn back_to(&self, sequences: usize) -> Self {
        let mut model = Self::default();
        for (_, count) in &self.sequences[..sequences] {
            model.append(*count);
        }
        let size = model.size();
        model.checkpoints =
            self.checkpoints.iter().map(|(k, v)| (*k, v.clone())).filter(|c| c.0 <= size).collect();
        model
    }

    /// Some leaves: all that are next to the edge of a tile, and a few others.
    pub fn sample(&self) -> Vec<u64> {
        let around =
            (0..=self.size()).step_by(256).chain([self.size()]).flat_map(|i| [i.wrapping_sub(1), i, i + 1]);
        let mut sample: Vec<u64> =
            around.chain((0..self.size()).step_by(97)).filter(|i| *i < self.size()).collect();
        sample.sort_unstable();
        sample.dedup();
        sample
    }

    /// Compares everything a reader can ask for.
    pub fn check(&self, reader: &LogReader) -> Result<(), LogError> {
        assert_eq!(reader.head(), self.head());
        let head = reader.head().size;
        let sample = self.sample();
        for (n, leaf) in sample.iter().enumerate() {
            let leaf = index(*leaf);
            let bytes = entry(leaf.value());
            assert_eq!(*reader.entry(leaf)?, bytes);
            assert_eq!(reader.index_of(&leaf_hash(&bytes))?, Some(leaf));
            let at = size(leaf.value() + 1 + (n as u64 * 131) % (head.value() - leaf.value()));
            let root = self.tree.root_at(at).unwrap();
            assert_eq!(reader.root_at(at)?, root);
            let proof = reader.inclusion_proof(leaf, at)?;
            assert_eq!(proof, InclusionProof::generate(&self.tree, leaf, at).unwrap());
            let proof = reader.consistency_proof(leaf.size_through(), at)?;
            assert_eq!(proof, ConsistencyProof::generate(&self.tree, leaf.size_through(), at).unwrap());
        }
        assert_eq!(reader.index_of(&leaf_hash(&entry(self.size())))?, None);
        for leaves in [self.size() / 3, self.size() * 2 / 3, self.size()] {
            for coord in TileCoord::tree_tiles(size(leaves)) {
                assert_eq!(reader.tile(coord)?, self.tile(coord));
            }
            for coord in TileCoord::entry_tiles(size(leaves)) {
                assert_eq!(reader.bundle(coord)?, bundle(coord));
            }
        }
        for (sequence, (first, count)) in (1..).zip(&self.sequences) {
            let found = reader.sequence_record(sequence)?.unwrap();
            assert_eq!((found.first.value(), found.count, found.record), (*first, *count, record(sequence)));
        }
        for ((first, count), map) in self.sequences.iter().zip(&self.maps) {
            for digest in [subject(5), subject(16 * (first / 16) + 5), Some(Digest::of(b"never attested"))] {
                let proof = reader.subject_proof(&digest.unwrap(), size(first + count))?;
                assert_eq!(proof, map.prove(&mut self.nodes.clone(), &digest.unwrap()).unwrap());
                assert!(proof.verify(&map.root()).is_ok());
            }
        }
        assert_eq!(reader.sequence_record(self.sequences.len() as u64 + 1)?, None);
        Ok(())
    }

    pub fn check_checkpoints(&self, reader: &LogReader) -> Result<(), LogError> {
        let expected = |found: Option<(&u64, &String)>| {
            found.map(|(leaves, note)| (size(*leaves), note.as_str().into()))
        };
        assert_eq!(reader.latest_checkpoint()?, expected(self.checkpoints.last_key_value()));
        for leaf in self.sample() {
            let covering = self.checkpoints.range(leaf + 1..).next();
            assert_eq!(reader.checkpoint_covering(index(leaf))?, expected(covering));
        }
        Ok(())
    }

    pub fn tile(&self, coord: TileCoord) -> Tile {
        let jurat_log::TileKind::Hashes(level) = coord.kind() else { panic!("a tile of hashes") };
        let hashes =
            (0..coord.width() as u64).map(|i| self.tree.node(8 * level, coord.index() * 256 + i).unwrap());
        Tile::new(level, coord.index(), hashes.collect()).unwrap()
    }
}

pub fn bundle(coord: TileCoord) -> Vec<u8> {
    let mut bundle = Vec::new();
    for i in (coord.index() * 256..).take(coord.width()) {
        push_entry(&mut bundle, &entry(i)).unwrap();
    }
    bundle
}

/// Every way the machine may go on after a fault: the process was killed, or the power failed.
pub fn outcomes(fs: &MemFs, seed: u64) -> Vec<(String, MemFs)> {
    let mut outcomes = vec![("a kill".to_owned(), fs.after_kill())];
    let mut cut =
        |survivors| outcomes.push((format!("a power cut, {survivors:?}"), fs.after_power_cut(survivors)));
    cut(Survivors::Nothing);
    cut(Survivors::Everything);
    cut(Survivors::Prefix { seed });
    cut(Survivors::Scattered { seed });
    outcomes
}
