//! Names and numbers of tiles from C2SP tlog-tiles. The counts of Go's `NewTiles`, made with
//! tiles of height 10, are checked beside the function that they are about, in `tile_coord.rs`.

use std::collections::BTreeMap;

use jurat_log::{TileCoord, TileKind, TreeSize};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    tile_index_path: Vec<IndexPath>,
    size_70000: BTreeMap<String, usize>,
    size_256: BTreeMap<String, usize>,
}

#[derive(Deserialize)]
struct IndexPath {
    index: u64,
    path: String,
}

#[test]
fn an_index_is_spelled_as_in_the_specification() {
    let vectors: Vectors = super::read("tiles.json");
    assert!(!vectors.tile_index_path.is_empty());
    for case in vectors.tile_index_path {
        for (kind, name) in
            [(TileKind::Hashes(0), "0"), (TileKind::Hashes(63), "63"), (TileKind::Entries, "entries")]
        {
            for (width, suffix) in [(256, ""), (1, ".p/1"), (255, ".p/255")] {
                let coord = TileCoord::new(kind, case.index, width).unwrap();
                let path = format!("tile/{name}/{}{suffix}", case.path);
                assert_eq!(coord.path(), path);
                assert_eq!(path.parse(), Ok(coord));
            }
        }
    }
}

/// Full tiles are counted, partial ones given by their width: the form of the vectors.
fn summary(size: u64) -> BTreeMap<String, usize> {
    let mut summary = BTreeMap::new();
    for tile in TileCoord::tree_tiles(TreeSize::new(size).unwrap()) {
        let TileKind::Hashes(level) = tile.kind() else { panic!("{tile} is none of hashes") };
        if tile.is_full() {
            *summary.entry(format!("level{level}_full")).or_default() += 1;
        } else {
            assert_eq!(summary.insert(format!("level{level}_partial"), tile.width()), None);
        }
    }
    summary
}

#[test]
fn trees_have_the_tiles_of_the_specification() {
    let vectors: Vectors = super::read("tiles.json");
    assert_eq!(summary(70_000), vectors.size_70000);
    assert_eq!(summary(256), vectors.size_256);
}
