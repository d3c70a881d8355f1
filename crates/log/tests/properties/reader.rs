//! A log read from a source that is not trusted: what is handed on is the log's, or an error says
//! what the source did.

use std::{cell::Cell, collections::BTreeMap, rc::Rc};

use jurat_crypto::Digest;
use jurat_log::{
    Checkpoint, Fetch, InclusionProof, LogReader, Origin, ReadError, RightEdge, TileCoord, TileDataError,
    Tree, leaf_hash, push_entry,
};
use proptest::{prelude::*, sample::Index};

use crate::tree::{flip, index, size};

#[derive(Debug, thiserror::Error, PartialEq, Eq, Clone)]
#[error("{0} bytes, more than asked for")]
struct TooMuch(usize);

/// What a web server of a log has, as it was published at some sizes of it.
#[derive(Clone, Default, Debug)]
struct Site {
    files: BTreeMap<String, Vec<u8>>,
    fetched: Rc<Cell<usize>>,
}

impl Fetch for Site {
    type Error = TooMuch;

    fn fetch(&mut self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, TooMuch> {
        self.fetched.set(self.fetched.get() + 1);
        match self.files.get(path) {
            Some(bytes) if bytes.len() > limit => Err(TooMuch(bytes.len())),
            found => Ok(found.cloned()),
        }
    }
}

fn entry(index: usize) -> Vec<u8> {
    format!("entry {index}").into_bytes()
}

fn publish(count: usize, sizes: &[usize], name: impl Fn(usize) -> Vec<u8>) -> (Site, Tree) {
    let mut site = Site::default();
    let mut edge = RightEdge::new();
    let mut start = 0;
    for published in sizes.iter().copied().chain([count]) {
        let full = edge.extend((start..published).map(|i| leaf_hash(&name(i))));
        for tile in full.into_iter().chain(edge.partial_tiles()) {
            site.files.insert(tile.coord().path(), tile.to_bytes());
        }
        for coord in TileCoord::new_entry_tiles(size(start), size(published)) {
            let mut bundle = Vec::new();
            let first = usize::try_from(coord.index()).unwrap() * 256;
            for i in first..first + coord.width() {
                push_entry(&mut bundle, &name(i)).unwrap();
            }
            site.files.insert(coord.path(), bundle);
        }
        start = published;
    }
    (site, (0..count).map(|i| leaf_hash(&name(i))).collect())
}

fn checkpoint(count: usize, tree: &Tree) -> Checkpoint {
    Checkpoint::new(Origin::new("log.example").unwrap(), size(count), tree.root_at(size(count)).unwrap())
}

fn read_all<F: Fetch>(reader: &LogReader<F>) -> Result<Vec<Vec<u8>>, ReadError<F::Error>> {
    let bundles = reader.size().value().div_ceil(256);
    Ok((0..bundles).map(|bundle| reader.entries(bundle)).collect::<Result<Vec<_>, _>>()?.concat())
}

/// Over 65 536 entries, so that full tiles of level 0 lie under a full one of level 1.
#[test]
fn a_large_log_is_read_with_each_tile_fetched_once() {
    let count = 66_000;
    let (site, tree) = publish(count, &[], entry);
    let fetched = site.fetched.clone();
    let reader = LogReader::open(&checkpoint(count, &tree), site).unwrap();
    assert_eq!(read_all(&reader).unwrap(), (0..count).map(entry).collect::<Vec<_>>());
    // Level 0 and 1, the partial tiles of three levels, and the bundles.
    let needed = 257 + 1 + 3 + 258;
    assert_eq!(fetched.get(), needed);
    reader.confirm(size(65_000), &tree.root_at(size(65_000)).unwrap()).unwrap();
    let proof = InclusionProof::generate(&reader, index(40_000), size(count)).unwrap();
    assert_eq!(proof.verify(index(40_000), size(count), &leaf_hash(&entry(40_000)), &tree.root()), Ok(()));
    let outside = ReadError::OutsideTree { level: 0, index: 258, size: size(count) };
    assert_eq!(reader.entries(258), Err(outside));
}

#[test]
fn where_partial_tiles_are_gone_the_full_ones_are_read() {
    // Published at 300 and at 600 entries; the partial tiles of 300 were taken away since.
    let (mut site, tree) = publish(600, &[300], entry);
    assert!(site.files.remove("tile/0/001.p/44").is_some());
    assert!(site.files.remove("tile/entries/001.p/44").is_some());
    assert!(site.files.remove("tile/1/000.p/1").is_some());
    let at_300 = checkpoint(300, &tree);
    assert_eq!(
        LogReader::open(&at_300, site.clone()).unwrap_err(),
        ReadError::Missing("tile/1/000.p/1".parse().unwrap())
    );
    site.files.insert("tile/1/000.p/1".into(), tree_tile_1(&tree));
    let reader = LogReader::open(&at_300, site).unwrap();
    assert_eq!(read_all(&reader).unwrap(), (0..300).map(entry).collect::<Vec<_>>());
}

fn tree_tile_1(tree: &Tree) -> Vec<u8> {
    tree.root_at(size(256)).unwrap().as_bytes().to_vec()
}

#[test]
fn what_the_source_did_is_told() {
    let (site, tree) = publish(1000, &[], entry);
    let at_1000 = checkpoint(1000, &tree);
    let with = |path: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let mut site = site.clone();
        change(site.files.get_mut(path).unwrap());
        LogReader::open(&at_1000, site).and_then(|reader| read_all(&reader)).unwrap_err()
    };
    let flip = |bytes: &mut Vec<u8>| bytes[17] ^= 4;
    let coord = |path: &str| path.parse::<TileCoord>().unwrap();
    assert_eq!(with("tile/0/001", &flip), ReadError::WrongTile(coord("tile/0/001")));
    assert_eq!(with("tile/0/003.p/232", &flip), ReadError::WrongRoot(size(1000)));
    let wrong = ReadError::WrongEntry { bundle: coord("tile/entries/002"), entry: 1 };
    assert_eq!(with("tile/entries/002", &flip), wrong);
    let short = TileDataError::Length { coord: coord("tile/0/000"), needed: 8192, actual: 8191 };
    assert_eq!(with("tile/0/000", &|bytes| bytes.truncate(bytes.len() - 1)), ReadError::Tile(short));
    assert!(matches!(
        with("tile/entries/000", &|bytes| bytes.truncate(bytes.len() - 1)),
        ReadError::Bundle(_)
    ));
    assert!(matches!(with("tile/entries/000", &|bytes| bytes.push(0)), ReadError::Bundle(_)));
    let long = with("tile/0/000", &|bytes| bytes.resize(8193, 0));
    assert!(matches!(long, ReadError::Fetch { path, error: TooMuch(8193) } if path == "tile/0/000"));

    // A source that lies about the log's size has no tiles for it.
    let lie = Checkpoint::new(at_1000.origin().clone(), size(2000), *at_1000.root());
    assert!(matches!(LogReader::open(&lie, site.clone()), Err(ReadError::Missing(_))));
    // One that shows an older checkpoint than before is told apart from a fork.
    let older = LogReader::open(&checkpoint(512, &tree), publish(512, &[], entry).0).unwrap();
    assert_eq!(
        older.confirm(size(1000), at_1000.root()),
        Err(ReadError::Older { size: size(512), known: size(1000) })
    );
    let forked = LogReader::open(&at_1000, site).unwrap();
    let ours = Digest::of(b"another history");
    let theirs = tree.root_at(size(700)).unwrap();
    assert_eq!(forked.confirm(size(700), &ours), Err(ReadError::Forked { known: size(700), ours, theirs }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever one file of a source is changed to, the log is read as it is or not at all.
    #[test]
    fn a_changed_file_never_changes_the_log(
        count in 1_usize..1500, (file, position) in any::<(Index, Index)>(), bit in 0_u32..8, cut: bool,
    ) {
        let (mut site, tree) = publish(count, &[], entry);
        let at = checkpoint(count, &tree);
        let file = site.files.keys().nth(file.index(site.files.len())).unwrap().clone();
        let bytes = site.files.get_mut(&file).unwrap();
        let position = position.index(bytes.len());
        if cut {
            bytes.truncate(position);
        } else {
            bytes[position] ^= 1 << bit;
        }
        let read = LogReader::open(&at, site).and_then(|reader| read_all(&reader));
        prop_assert!(read.is_err(), "{}", file);
    }

    /// A mirror that follows from any size to any other has what the log has.
    #[test]
    fn a_mirror_follows_a_log(old in 0_usize..900, grown in 0_usize..900, bit: usize) {
        let new = old + grown;
        let (site, tree) = publish(new, &[old], entry);
        let reader = LogReader::open(&checkpoint(new, &tree), site).unwrap();
        let mut edge = RightEdge::new();
        edge.extend((0..old).map(|i| leaf_hash(&entry(i))));
        prop_assert_eq!(reader.confirm(edge.size(), &edge.root()), Ok(()));
        let other = flip(edge.root(), bit);
        let forked = matches!(reader.confirm(edge.size(), &other), Err(ReadError::Forked { .. }));
        prop_assert!(forked);
        while edge.size() < reader.size() {
            let known = usize::try_from(edge.size().value()).unwrap();
            let entries = reader.entries(edge.size().value() / 256).unwrap();
            edge.extend(entries[known % 256..].iter().map(|entry| leaf_hash(entry)));
        }
        prop_assert_eq!(edge.root(), tree.root());
    }
}
