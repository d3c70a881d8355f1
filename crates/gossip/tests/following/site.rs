//! A server of a log, honest or not.

use std::collections::BTreeMap;

use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Checkpoint, EMPTY_ROOT, Note, Origin, Policy, RightEdge, TileCoord, Tree, TreeSize, leaf_hash, push_entry,
};

pub(crate) const ORIGIN: &str = "log.example/followed";

/// What a source does instead of serving the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lie {
    Down,
    /// It answers, until the middle of the entries.
    Stops,
    /// It answers for its checkpoint, and then keeps every line open until its deadline.
    Drips,
    NoCheckpoint,
    Gibberish,
    OtherLog,
    Unsigned,
    /// The log's own signature on a size that nobody can have.
    Huge,
    WrongEdge,
    ShortTile,
    LongTile,
    WrongTile,
    TornBundle,
    OtherBundle,
    RepeatedEntry,
    SwappedEntries,
    NoBundles,
    NoTiles,
}

impl Lie {
    pub(crate) const ALL: [Self; 18] = [
        Self::Down,
        Self::Stops,
        Self::Drips,
        Self::NoCheckpoint,
        Self::Gibberish,
        Self::OtherLog,
        Self::Unsigned,
        Self::Huge,
        Self::WrongEdge,
        Self::ShortTile,
        Self::LongTile,
        Self::WrongTile,
        Self::TornBundle,
        Self::OtherBundle,
        Self::RepeatedEntry,
        Self::SwappedEntries,
        Self::NoBundles,
        Self::NoTiles,
    ];
}

#[derive(Clone, Debug)]
pub(crate) struct Site {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    pub(crate) lie: Option<Lie>,
    pub(crate) retry_after: u64,
    /// The size of the checkpoint that is shown.
    pub(crate) served: u64,
    history: &'static str,
    edge: RightEdge,
    tree: Tree,
}

/// Entry `index`: histories differ from the first one on.
pub(crate) fn entry(history: &str, index: u64) -> Vec<u8> {
    format!("{history} entry {index}").into_bytes()
}

pub(crate) fn size(leaves: u64) -> TreeSize {
    TreeSize::new(leaves).unwrap()
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

pub(crate) fn policy() -> Policy {
    let vkey = Vkey::new(KeyName::new(ORIGIN).unwrap(), SignatureType::Ed25519, key(1).verifying_key());
    Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes()).unwrap()
}

fn sign(checkpoint: &Checkpoint, seed: u8) -> Vec<u8> {
    let text = checkpoint.to_text();
    let signature = text.sign(KeyName::new(checkpoint.origin().as_str()).unwrap(), &key(seed));
    Note::new(text, signature).to_string().into_bytes()
}

impl Site {
    pub(crate) fn new(leaves: u64, history: &'static str) -> Self {
        let mut site = Self {
            files: BTreeMap::new(),
            lie: None,
            retry_after: 0,
            served: 0,
            history,
            edge: RightEdge::new(),
            tree: Tree::default(),
        };
        site.grow(leaves);
        site
    }

    pub(crate) fn lying(leaves: u64, lie: Lie) -> Self {
        Self { lie: Some(lie), ..Self::new(leaves, "") }
    }

    /// The log is so large now, and says so.
    pub(crate) fn grow(&mut self, leaves: u64) {
        self.publish(leaves);
        self.served = leaves;
    }

    /// Tiles of this size are there.
    pub(crate) fn publish(&mut self, leaves: u64) {
        let old = self.edge.size();
        let hashes: Vec<_> =
            (old.value()..leaves).map(|index| leaf_hash(&entry(self.history, index))).collect();
        self.tree.extend(hashes.iter().copied());
        let full = self.edge.extend(hashes);
        for tile in full.into_iter().chain(self.edge.partial_tiles()) {
            self.files.insert(tile.coord().path(), tile.to_bytes());
        }
        for coord in TileCoord::new_entry_tiles(old, size(leaves)) {
            let mut bundle = Vec::new();
            let first = coord.index() * 256;
            for index in first..first + coord.width() as u64 {
                push_entry(&mut bundle, &entry(self.history, index)).unwrap();
            }
            self.files.insert(coord.path(), bundle);
        }
    }

    pub(crate) fn checkpoint_at(&self, leaves: u64) -> Checkpoint {
        let root = if leaves == 0 { EMPTY_ROOT } else { self.tree.root_at(size(leaves)).unwrap() };
        Checkpoint::new(Origin::new(ORIGIN).unwrap(), size(leaves), root)
    }

    /// What it answers: nothing for "not found", an error if it does not answer.
    pub(crate) fn answer(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        if self.lie == Some(Lie::Down) {
            return Err("no answer".into());
        }
        if path == "checkpoint" {
            return Ok(self.checkpoint());
        }
        let is_entries = path.starts_with("tile/entries/");
        if self.lie == Some(Lie::Drips) || self.lie == Some(Lie::Stops) && path > "tile/entries/005" {
            return Err("no answer in time".into());
        }
        let is_full_tile = path.starts_with("tile/0/") && !path.contains(".p/");
        let found = self.files.get(path).cloned();
        Ok(match self.lie {
            Some(Lie::NoBundles) if is_entries => None,
            Some(Lie::NoTiles) if is_full_tile => None,
            Some(Lie::WrongEdge) if path.contains(".p/") && !is_entries => found.map(flip),
            Some(Lie::ShortTile) if is_full_tile => found.map(|bytes| bytes[..32 * 255].to_vec()),
            Some(Lie::LongTile) if is_full_tile => found.map(|bytes| [bytes, vec![0; 32]].concat()),
            Some(Lie::WrongTile) if is_full_tile => found.map(flip),
            Some(Lie::TornBundle) if is_entries => found.map(|bytes| bytes[..bytes.len() - 1].to_vec()),
            Some(Lie::OtherBundle) if is_entries => found.and_then(|_| other_bundle(path, &self.files)),
            Some(Lie::RepeatedEntry) if is_entries => {
                found.map(|bytes| with_entries(&bytes, |e| e[1] = e[0].clone()))
            }
            Some(Lie::SwappedEntries) if is_entries => {
                found.map(|bytes| with_entries(&bytes, |entries| entries.swap(0, 1)))
            }
            _ => found,
        })
    }

    fn checkpoint(&self) -> Option<Vec<u8>> {
        let honest = self.checkpoint_at(self.served);
        Some(match self.lie {
            Some(Lie::NoCheckpoint) => return None,
            Some(Lie::Gibberish) => b"<html>".to_vec(),
            Some(Lie::OtherLog) => {
                sign(&Checkpoint::new(Origin::new("x").unwrap(), honest.size(), *honest.root()), 1)
            }
            Some(Lie::Unsigned) => sign(&honest, 2),
            Some(Lie::Huge) => {
                sign(&Checkpoint::new(honest.origin().clone(), TreeSize::MAX, *honest.root()), 1)
            }
            _ => sign(&honest, 1),
        })
    }
}

fn flip(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[5] ^= 1;
    bytes
}

/// Another bundle of the same width, or one that is damaged where there is none.
fn other_bundle(path: &str, files: &BTreeMap<String, Vec<u8>>) -> Option<Vec<u8>> {
    let coord: TileCoord = path.parse().unwrap();
    let other = |(other, bytes): (&String, &Vec<u8>)| {
        let theirs: TileCoord = other.parse().ok()?;
        let is_other = theirs.kind() == coord.kind() && theirs.width() == coord.width() && theirs != coord;
        is_other.then(|| bytes.clone())
    };
    files.iter().find_map(other).or_else(|| files.get(path).cloned().map(flip))
}

fn with_entries(bundle: &[u8], change: impl FnOnce(&mut Vec<Vec<u8>>)) -> Vec<u8> {
    let mut entries = Vec::new();
    let mut rest = bundle;
    while let Some((length, after)) = rest.split_first_chunk() {
        let (entry, after) = after.split_at(usize::from(u16::from_be_bytes(*length)));
        entries.push(entry.to_vec());
        rest = after;
    }
    if entries.len() == 1 {
        // Nothing to repeat or to swap.
        entries[0].push(0);
    } else {
        change(&mut entries);
    }
    let mut bundle = Vec::new();
    for entry in entries {
        push_entry(&mut bundle, &entry).unwrap();
    }
    bundle
}
