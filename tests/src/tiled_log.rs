//! A log of somebody else's as C2SP tlog-tiles has it, in memory and as files.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Checkpoint, Note, Origin, RightEdge, TileCoord, TreeSize, leaf_hash, push_entry};

/// The log's origin.
pub const TILED_ORIGIN: &str = "log.example/other";

/// A log, as its server has it.
#[derive(Clone, Debug)]
pub struct TiledLog {
    /// The files, by path.
    pub files: BTreeMap<String, Vec<u8>>,
    history: &'static str,
    edge: RightEdge,
}

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn name() -> KeyName {
    KeyName::new(TILED_ORIGIN).expect("it is so")
}

impl TiledLog {
    /// A log of so many entries; another history has other entries from the first one on.
    #[must_use]
    pub fn new(leaves: u64, history: &'static str) -> Self {
        let mut log = Self { files: BTreeMap::new(), history, edge: RightEdge::new() };
        log.grow(leaves);
        log
    }

    /// Adds entries, up to so many.
    pub fn grow(&mut self, leaves: u64) {
        let (old, new) = (self.edge.size(), TreeSize::new(leaves).expect("it is so"));
        let entry = |index| format!("{} entry {index}", self.history).into_bytes();
        let full = self.edge.extend((old.value()..leaves).map(|index| leaf_hash(&entry(index))));
        for tile in full.into_iter().chain(self.edge.partial_tiles()) {
            self.files.insert(tile.coord().path(), tile.to_bytes());
        }
        for coord in TileCoord::new_entry_tiles(old, new) {
            let mut bundle = Vec::new();
            let first = coord.index() * 256;
            for index in first..first + coord.width() as u64 {
                push_entry(&mut bundle, &entry(index)).expect("it is so");
            }
            self.files.insert(coord.path(), bundle);
        }
        let text =
            Checkpoint::new(Origin::new(TILED_ORIGIN).expect("it is so"), new, self.edge.root()).to_text();
        let signature = text.sign(name(), &key());
        self.files.insert("checkpoint".into(), Note::new(text, signature).to_string().into_bytes());
    }

    /// Writes the files as a static server has them, the checkpoint last.
    pub fn write(&self, dir: &Path) {
        for (path, bytes) in self.files.iter().rev() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("it is so")).expect("it is so");
            fs::write(path, bytes).expect("it is so");
        }
        fs::write(dir.join("checkpoint"), &self.files["checkpoint"]).expect("it is so");
    }

    /// Checks that no file of a copy is anything but the log's, and none that it needs is missing.
    #[track_caller]
    pub fn assert_copied(&self, copy: &Path, leaves: u64) {
        let size = TreeSize::new(leaves).expect("it is so");
        for coord in TileCoord::tree_tiles(size).chain(TileCoord::entry_tiles(size)) {
            assert!(copy.join(coord.path()).exists(), "no {coord}");
        }
        self.assert_true(copy);
    }

    /// Checks that no file of a copy is anything but the log's: a part of it for partial tiles. How
    /// many there are.
    #[track_caller]
    pub fn assert_true(&self, copy: &Path) -> usize {
        let mut count = 0;
        for path in files_below(&copy.join("tile")) {
            let name = path.strip_prefix(copy).expect("it is so").to_str().expect("it is so");
            let coord: TileCoord = name.parse().expect("it is so");
            let there = TileCoord::in_tree(coord.kind(), coord.index(), self.edge.size()).expect("it is so");
            let (truth, found) = (&self.files[&there.path()], fs::read(&path).expect("it is so"));
            let is_whole = there.width() == coord.width();
            assert!(truth.starts_with(&found) && (!is_whole || found.len() == truth.len()), "{name}");
            count += 1;
        }
        count
    }
}

fn files_below(dir: &Path) -> Vec<PathBuf> {
    let Ok(names) = fs::read_dir(dir) else { return Vec::new() };
    let below = |path: PathBuf| if path.is_dir() { files_below(&path) } else { vec![path] };
    names.flat_map(|name| below(name.expect("it is so").path())).collect()
}

/// The policy that accepts the log, in a file.
#[must_use]
pub fn tiled_policy(dir: &Path) -> PathBuf {
    let path = dir.join("other.policy");
    let vkey = Vkey::new(name(), SignatureType::Ed25519, key().verifying_key());
    fs::write(&path, format!("log {vkey}\nquorum none\n")).expect("it is so");
    path
}
