//! What a log serves: paths, tiles, bundles of entries; and proofs over its tree.

use std::sync::LazyLock;

use jurat_crypto::Digest;
use jurat_log::{
    ConsistencyProof, InclusionProof, LeafIndex, Tile, TileCoord, TileKind, Tree, TreeSize, leaf_hash,
    push_entry, split_bundle,
};

use super::{Seed, forge::Script, seed};

pub(super) fn tile_path(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let coord = text.parse::<TileCoord>().ok()?;
    assert_eq!(coord.path(), text);
    assert_eq!(TileCoord::new(coord.kind(), coord.index(), coord.width()), Ok(coord));
    assert!(coord.full().is_full());
    Some(())
}

pub(super) fn tile_path_seeds() -> Vec<Seed> {
    vec![
        seed("full", "tile/0/x001/x234/567"),
        seed("partial", "tile/1/003.p/17"),
        seed("entries", "tile/entries/x001/067.p/255"),
    ]
}

/// The first byte is the width less one, the second the level; the rest is the tile.
pub(super) fn tile(input: &[u8]) -> Option<()> {
    let [width, level, bytes @ ..] = input else { return None };
    let coord = TileCoord::new(TileKind::Hashes(*level), 1, usize::from(*width) + 1).ok()?;
    let tile = Tile::from_bytes(coord, bytes).ok()?;
    assert_eq!(tile.to_bytes(), bytes);
    assert_eq!((tile.coord(), tile.hashes().len()), (coord, coord.width()));
    let expanded = tile.expand();
    for (i, hash) in tile.hashes().iter().enumerate() {
        assert_eq!(expanded.node(0, i), Some(*hash));
    }
    assert_eq!(expanded.node(8, 0).is_some(), coord.is_full());
    assert_eq!(expanded.node(9, 0), None);
    Some(())
}

pub(super) fn tile_seeds() -> Vec<Seed> {
    let tile = |width: u8, level: u8| {
        let hashes = (0..=width).flat_map(|i| *Digest::of(&[i]).as_bytes());
        [width, level].into_iter().chain(hashes).collect::<Vec<_>>()
    };
    vec![seed("narrow", tile(2, 0)), seed("wide", tile(40, 3))]
}

/// The first byte is the width less one; the rest is the bundle.
pub(super) fn bundle(input: &[u8]) -> Option<()> {
    let [width, bytes @ ..] = input else { return None };
    let coord = TileCoord::new(TileKind::Entries, 0, usize::from(*width) + 1).ok()?;
    let entries = split_bundle(coord, bytes).ok()?;
    assert_eq!(entries.len(), coord.width());
    let mut written = Vec::new();
    for entry in entries {
        push_entry(&mut written, entry).expect("it was in a bundle");
    }
    assert_eq!(written, bytes);
    Some(())
}

pub(super) fn bundle_seeds() -> Vec<Seed> {
    let mut bundle = vec![2];
    for entry in [b"first".as_slice(), b"", b"third"] {
        push_entry(&mut bundle, entry).expect("it is short");
    }
    vec![seed("three", bundle), seed("empty_entry", [0, 0, 0])]
}

const LEAVES: u64 = 300;

fn leaf(index: u64) -> Digest {
    leaf_hash(&index.to_be_bytes())
}

fn tree() -> &'static Tree {
    static TREE: LazyLock<Tree> = LazyLock::new(|| (0..LEAVES).map(leaf).collect());
    &TREE
}

/// Takes an honest proof, changes it as the input says, and expects that only the honest one holds.
pub(super) fn proof(input: &[u8]) -> Option<()> {
    let mut script = Script::new(input);
    let size = TreeSize::new(1 + script.number() % LEAVES).expect("small");
    let root = tree().root_at(size).expect("within the tree");
    if script.byte().is_multiple_of(2) {
        let index = LeafIndex::new(script.number() % size.value()).expect("small");
        let honest = InclusionProof::generate(tree(), index, size).expect("within the tree");
        let claimed = change_number(&mut script, index.value()).try_into().unwrap_or(index);
        let proof = InclusionProof::new(change_hashes(&mut script, honest.hashes())).ok()?;
        let claimed_size = change_number(&mut script, size.value()).try_into().unwrap_or(size);
        let holds = proof.verify(claimed, claimed_size, &leaf(index.value()), &root).is_ok();
        // A size is not bound by an inclusion proof; the checkpoint binds it to the root.
        assert!(!holds || (claimed == index && proof == honest) || claimed_size != size);
        assert!(holds || proof != honest || claimed != index || claimed_size != size);
    } else {
        let old = TreeSize::new(1 + script.number() % size.value()).expect("small");
        let old_root = tree().root_at(old).expect("within the tree");
        let honest = ConsistencyProof::generate(tree(), old, size).expect("within the tree");
        let proof = ConsistencyProof::new(change_hashes(&mut script, honest.hashes())).ok()?;
        let wrong_root = if script.byte().is_multiple_of(4) { leaf(0) } else { old_root };
        let holds = proof.verify(old, size, &wrong_root, &root).is_ok();
        // The first leaf is the root of the smallest tree, and no wrong one for it.
        assert_eq!(holds, proof == honest && wrong_root == old_root);
    }
    Some(())
}

fn change_number(script: &mut Script<'_>, number: u64) -> u64 {
    match script.byte() {
        0..240 => number,
        240..248 => number ^ (1 << (script.byte() % 64)),
        _ => script.number(),
    }
}

fn change_hashes(script: &mut Script<'_>, honest: &[Digest]) -> Vec<Digest> {
    let mut hashes = honest.to_vec();
    while !script.is_done() && hashes.len() < 100 {
        let at = usize::from(script.byte()) % (hashes.len() + 1);
        match script.byte() % 5 {
            0 => break,
            1 => hashes.insert(at, leaf(script.number() % LEAVES)),
            2 if at < hashes.len() => drop(hashes.remove(at)),
            3 if at < hashes.len() => {
                let mut bytes = *hashes[at].as_bytes();
                bytes[usize::from(script.byte()) % 32] ^= 1 << (script.byte() % 8);
                hashes[at] = Digest::from_bytes(bytes);
            }
            4 if at + 1 < hashes.len() => hashes.swap(at, at + 1),
            _ => {}
        }
    }
    hashes
}

pub(super) fn proof_seeds() -> Vec<Seed> {
    vec![
        seed("inclusion", [0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 77]),
        seed("consistency", [0, 0, 0, 0, 0, 0, 0, 200, 1, 0, 0, 0, 0, 0, 0, 0, 77, 0, 0, 1]),
        seed("flipped", [0, 0, 0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0, 0, 77, 0, 3, 3, 5, 1]),
    ]
}
