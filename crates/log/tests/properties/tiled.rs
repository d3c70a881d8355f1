//! Tiles against the tree in memory: the same roots, the same proofs, resumed anywhere.

use std::{collections::BTreeMap, convert::Infallible, sync::Arc};

use jurat_log::{
    ConsistencyProof, ExpandedTile, InclusionProof, LeafIndex, ResumeError, RightEdge, Tile, TileCoord,
    TileKind, TiledNodes, TiledNodesError, Tree, TreeSize, tree_root,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::tree::{leaves, size};

/// Tiles as a web server would hold them.
#[derive(Default)]
struct Files(BTreeMap<String, Vec<u8>>);

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
struct NotFound;

impl std::fmt::Display for NotFound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("not found")
    }
}

impl std::error::Error for NotFound {}

impl Files {
    fn write(&mut self, tile: &Tile) {
        self.0.insert(tile.coord().path(), tile.to_bytes());
    }

    fn read(&self, coord: TileCoord) -> Result<Tile, NotFound> {
        let bytes = self.0.get(&coord.path()).ok_or(NotFound)?;
        Ok(Tile::from_bytes(coord, bytes).unwrap())
    }

    /// Appends in batches, from stored tiles each time, and keeps every tile that comes out.
    fn of(batches: &[usize]) -> Self {
        let all = leaves(batches.iter().sum());
        let mut files = Self::default();
        let (mut start, mut root) = (0, RightEdge::new().root());
        for batch in batches {
            let mut edge = RightEdge::resume(size(start), &root, |coord| files.read(coord)).unwrap();
            for tile in edge.extend(all[start..start + batch].iter().copied()) {
                assert!(tile.coord().is_full());
                files.write(&tile);
            }
            edge.partial_tiles().for_each(|tile| files.write(&tile));
            start += batch;
            root = edge.root();
            assert_eq!(edge.size(), size(start));
        }
        files
    }

    fn nodes(&self, size: TreeSize) -> TiledNodes<impl Fn(TileCoord) -> Result<Arc<ExpandedTile>, NotFound>> {
        TiledNodes::new(size, |coord| self.read(coord).map(|tile| Arc::new(tile.expand())))
    }
}

#[test]
fn a_log_of_three_levels_has_exactly_its_tiles() {
    let count = 65_536 + 256 + 3;
    let files = Files::of(&[count]);
    let expected: Vec<String> = TileCoord::tree_tiles(size(count)).map(TileCoord::path).collect();
    assert_eq!(expected.len(), 258 + 2 + 1);
    let mut sorted = expected;
    sorted.sort();
    assert_eq!(files.0.keys().cloned().collect::<Vec<_>>(), sorted);
    let tree: Tree = leaves(count).into_iter().collect();
    let nodes = files.nodes(size(count));
    assert_eq!(tree_root(&nodes, size(count)), Ok(tree.root()));
    for leaf in [0, 255, 256, 65_535, 65_536, 65_791, 65_792, 65_794] {
        let leaf = LeafIndex::new(leaf).unwrap();
        assert_eq!(
            InclusionProof::generate(&nodes, leaf, size(count)),
            Ok(InclusionProof::generate(&tree, leaf, size(count)).unwrap())
        );
    }
}

#[test]
fn damage_is_noticed_when_a_log_is_taken_up() {
    let count = 1000;
    let mut files = Files::of(&[count]);
    let tree: Tree = leaves(count).into_iter().collect();
    let resume = |files: &Files| {
        RightEdge::resume(size(count), &tree.root(), |coord| files.read(coord)).map(|edge| edge.root())
    };
    assert_eq!(resume(&files), Ok(tree.root()));
    let partial: Vec<String> =
        [0, 1].map(|level| TileCoord::partial(TileKind::Hashes(level), size(count)).unwrap().path()).to_vec();
    for path in partial {
        let whole = files.0[&path].clone();
        for byte in [0, whole.len() / 2, whole.len() - 1] {
            files.0.get_mut(&path).unwrap()[byte] ^= 1;
            assert!(matches!(resume(&files), Err(ResumeError::WrongRoot { .. })), "{path} {byte}");
            files.0.get_mut(&path).unwrap()[byte] ^= 1;
        }
        files.0.remove(&path);
        assert_eq!(resume(&files), Err(ResumeError::Read(path.parse().unwrap(), NotFound)));
        files.0.insert(path, whole);
    }
    let other = Tile::new(0, 0, leaves(1)).unwrap();
    let wrong = RightEdge::resume(size(count), &tree.root(), |_| Ok::<_, Infallible>(other.clone()));
    assert!(matches!(wrong, Err(ResumeError::WrongTile { .. })));
}

#[test]
fn a_wider_tile_answers_for_a_narrower_one_but_not_for_more_than_the_tree() {
    let full = Arc::new(Tile::new(0, 0, leaves(256)).unwrap().expand());
    let nodes = TiledNodes::new(size(100), |_| Ok::<_, Infallible>(Arc::clone(&full)));
    let tree: Tree = leaves(100).into_iter().collect();
    assert_eq!(tree_root(&nodes, size(100)), Ok(tree.root()));
    assert!(matches!(tree_root(&nodes, size(101)), Err(TiledNodesError::OutsideTree { .. })));
    let elsewhere = TiledNodes::new(size(600), |_| Ok::<_, Infallible>(Arc::clone(&full)));
    assert!(matches!(tree_root(&elsewhere, size(600)), Err(TiledNodesError::WrongTile { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn proofs_from_tiles_are_those_from_memory(
        batches in vec(0_usize..1500, 1..5), past: Index, leaf: Index, old: Index,
    ) {
        let files = Files::of(&batches);
        let tree: Tree = leaves(batches.iter().sum()).into_iter().collect();
        // A size at which a batch ended, for which partial tiles were kept.
        let batch = past.index(batches.len());
        let count: usize = batches[..=batch].iter().sum();
        let nodes = files.nodes(size(count));
        prop_assert_eq!(tree_root(&nodes, size(count)), Ok(tree.root_at(size(count)).unwrap()));
        if count > 0 {
            let leaf = LeafIndex::new(leaf.index(count) as u64).unwrap();
            prop_assert_eq!(
                InclusionProof::generate(&nodes, leaf, size(count)),
                Ok(InclusionProof::generate(&tree, leaf, size(count)).unwrap())
            );
            let old = size(old.index(count) + 1);
            prop_assert_eq!(
                ConsistencyProof::generate(&nodes, old, size(count)),
                Ok(ConsistencyProof::generate(&tree, old, size(count)).unwrap())
            );
        }
    }

    #[test]
    fn a_batch_makes_exactly_the_new_tiles(old in 0_usize..70_000, added in 0_usize..2000) {
        let all = leaves(old + added);
        let mut edge = RightEdge::new();
        edge.extend(all[..old].iter().copied());
        let mut made: Vec<TileCoord> =
            edge.extend(all[old..].iter().copied()).iter().map(Tile::coord).collect();
        if added > 0 {
            let grown = |coord: &TileCoord| !coord.is_within(size(old));
            made.extend(edge.partial_tiles().map(|tile| tile.coord()).filter(grown));
        }
        made.sort();
        let mut expected: Vec<TileCoord> = TileCoord::new_tree_tiles(size(old), size(old + added)).collect();
        expected.sort();
        prop_assert_eq!(made, expected);
    }

    #[test]
    fn tiles_of_any_size_are_within_their_tree(count in 0_u64..1 << 22, before in 0_u64..1 << 22) {
        let [count, before] = [count, before].map(|leaves| TreeSize::new(leaves).unwrap());
        for tile in TileCoord::new_tree_tiles(before, count).chain(TileCoord::new_entry_tiles(before, count)) {
            prop_assert_eq!(TileCoord::in_tree(tile.kind(), tile.index(), count), Some(tile));
            prop_assert!(tile.is_within(count) && !tile.is_within(before));
            prop_assert_eq!(tile.path().parse(), Ok(tile));
        }
    }

    #[test]
    fn a_path_has_one_spelling(kind in 0_u8..65, index in 0_u64..1 << 55, width in 1_usize..=256, at: Index, with: char) {
        let kind = if kind == 64 { TileKind::Entries } else { TileKind::Hashes(kind) };
        let coord = TileCoord::new(kind, index, width).unwrap();
        let path = coord.path();
        prop_assert_eq!(path.parse(), Ok(coord));
        let mut changed = path.clone();
        let at = at.index(path.len());
        changed.replace_range(at..=at, with.encode_utf8(&mut [0; 4]));
        if let Ok(other) = changed.parse::<TileCoord>() {
            prop_assert_eq!(other.path(), changed);
        }
    }
}
