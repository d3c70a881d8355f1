//! Copies of other logs, with a fault at every step.

#![allow(clippy::unwrap_used, clippy::cast_possible_truncation)]

mod support;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Checkpoint, Note, Policy, RightEdge, TileCoord, TileKind, TreeSize, leaf_hash};
use jurat_store::{Fault, MemFs, MirrorDir, MirrorDirError, MirroredLog, Operation, StdFs, Survivors, Vfs};
use support::{outcomes, size};

const NAME: &str = "a.example/log";
/// What the copy grows to, one publication each: the partial tiles of the first become full.
const SIZES: [u64; 3] = [200, 300, 520];

fn vkey(name: &str) -> (KeyName, SigningKey, Vkey) {
    let (name, key) = (KeyName::new(name).unwrap(), SigningKey::from_seed(&[1; 32]));
    let vkey = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
    (name, key, vkey)
}

fn log(name: &str, sources: &[&str]) -> MirroredLog {
    let policy = Policy::parse(format!("log {}\nquorum none\n", vkey(name).2).as_bytes()).unwrap();
    MirroredLog::new(policy, sources.iter().map(ToString::to_string).collect()).unwrap()
}

fn mirrors(fs: &MemFs) -> MirrorDir {
    fs.create_dir_all(Path::new("/node")).unwrap();
    fs.sync_dir(Path::new("/")).unwrap();
    MirrorDir::new(Arc::new(fs.clone()), "/node/mirrors")
}

fn edge_at(leaves: u64) -> RightEdge {
    let mut edge = RightEdge::new();
    let _ = edge.extend((0..leaves).map(|leaf| leaf_hash(&leaf.to_be_bytes())));
    edge
}

fn note(leaves: u64) -> Note {
    let edge = edge_at(leaves);
    let (name, key, _) = vkey(NAME);
    let origin = log(NAME, &["x"]).origin().clone();
    let text = Checkpoint::new(origin, size(leaves), edge.root()).to_text();
    let signature = text.sign(name, &key);
    Note::new(text, signature)
}

/// What the log has at a place; its bundles are told by their length alone.
fn content(coord: TileCoord) -> Vec<u8> {
    match coord.kind() {
        TileKind::Entries => vec![coord.index() as u8; coord.width()],
        TileKind::Hashes(level) => vec![level + 1; 32 * coord.width()],
    }
}

fn new_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = TileCoord> {
    TileCoord::new_entry_tiles(old, new).chain(TileCoord::new_tree_tiles(old, new))
}

/// Grows the copy; gives the size that was acknowledged last.
fn script(fs: &MemFs) -> u64 {
    let mut acknowledged = 0;
    let mut grow = || -> Result<(), MirrorDirError> {
        let (mirrors, log) = (mirrors(fs), log(NAME, &["http://127.0.0.1:1", "/srv/log"]));
        mirrors.add(&log, b"")?;
        let mut writer = mirrors.open(log.origin())?;
        for new in SIZES {
            let (from, to) = (size(acknowledged), size(new));
            for coord in new_tiles(from, to) {
                writer.put(coord, &content(coord))?;
            }
            writer.publish(&note(new), from, to)?;
            acknowledged = new;
        }
        Ok(())
    };
    let _ = grow();
    acknowledged
}

/// The size that the copy has, with everything that this covers and nothing torn.
fn published(fs: &MemFs, what: &str) -> u64 {
    let mirrors = MirrorDir::new(Arc::new(fs.clone()), "/node/mirrors");
    let digest = Digest::of(NAME.as_bytes());
    let Some(bytes) = mirrors.checkpoint(&digest).unwrap() else { return 0 };
    let checkpoint = Checkpoint::parse(Note::parse(&bytes).unwrap().text()).unwrap();
    for coord in new_tiles(TreeSize::EMPTY, checkpoint.size()) {
        let stored = mirrors.tile(&digest, coord).unwrap();
        assert_eq!(stored, Some(content(coord)), "{what}: {coord} at {}", checkpoint.size());
    }
    // Whatever else is there is whole: in this script, tiles of a later size.
    for coord in new_tiles(checkpoint.size(), size(SIZES[2])) {
        if let Some(stored) = mirrors.tile(&digest, coord).unwrap() {
            assert_eq!(stored, content(coord), "{what}: {coord}");
        }
    }
    checkpoint.size().value()
}

#[test]
fn logs_are_added_changed_and_removed() {
    let fs = MemFs::new();
    let mirrors = mirrors(&fs);
    assert!(mirrors.logs().unwrap().is_empty());
    let first = log(NAME, &["http://127.0.0.1:1"]);
    mirrors.add(&first, b"").unwrap();
    let changed = log(NAME, &["/srv/log", "http://127.0.0.1:2/prefix"]);
    mirrors.add(&changed, b"").unwrap();
    mirrors.add(&log("b.example", &["/b"]), b"").unwrap();
    let listed: Vec<MirroredLog> = mirrors.logs().unwrap().into_iter().map(Result::unwrap).collect();
    assert!(listed.contains(&changed) && listed.len() == 2);
    let mut writer = mirrors.open(first.origin()).unwrap();
    assert!(matches!(mirrors.open(first.origin()), Err(MirrorDirError::InUse { .. })));
    writer.publish(&note(0), size(0), size(0)).unwrap();
    let digest = Digest::of(NAME.as_bytes());
    assert!(mirrors.checkpoint(&digest).unwrap().is_some());
    // Removed, nothing is served; added again, it goes on.
    assert!(mirrors.remove(first.origin()).unwrap().unwrap().ends_with(digest.to_string()));
    assert!(mirrors.remove(first.origin()).unwrap().is_none());
    assert!(mirrors.checkpoint(&digest).unwrap().is_none());
    mirrors.add(&first, b"").unwrap();
    assert!(mirrors.checkpoint(&digest).unwrap().is_some());
    // One damaged policy does not keep the others.
    assert!(fs.damage(Path::new(&format!("/node/mirrors/{digest}/policy")), 0, b"X"));
    let listed = mirrors.logs().unwrap();
    assert_eq!((listed.len(), listed.iter().filter(|log| log.is_ok()).count()), (2, 1));
}

#[test]
fn what_can_not_be_mirrored_is_refused() {
    let policy = |text: String| Policy::parse(text.as_bytes()).unwrap();
    let one = policy(format!("log {}\nquorum none\n", vkey(NAME).2));
    let refused = |policy: &Policy, sources: &[&str]| {
        let sources = sources.iter().map(ToString::to_string).collect();
        MirroredLog::new(policy.clone(), sources).unwrap_err()
    };
    assert!(matches!(refused(&policy("quorum none\n".into()), &["/a"]), MirrorDirError::NoLog));
    let other = Vkey::new(
        KeyName::new("b.example").unwrap(),
        SignatureType::Ed25519,
        SigningKey::from_seed(&[2; 32]).verifying_key(),
    );
    let two = policy(format!("log {}\nlog {other}\nquorum none\n", vkey(NAME).2));
    assert!(matches!(refused(&two, &["/a"]), MirrorDirError::SeveralLogs { .. }));
    assert!(matches!(refused(&one, &[]), MirrorDirError::Sources(0)));
    assert!(matches!(refused(&one, &["x"; 33]), MirrorDirError::Sources(33)));
    assert!(matches!(refused(&one, &["a\nb"]), MirrorDirError::Source(_)));
    assert!(matches!(refused(&one, &[""]), MirrorDirError::Source(_)));
}

#[test]
fn a_published_checkpoint_and_all_it_covers_outlast_any_fault() {
    for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
        for at in 0.. {
            let fs = MemFs::new();
            mirrors(&fs);
            let reached = Arc::new(AtomicU64::new(0));
            let seen = reached.clone();
            fs.set_faults(move |_| (seen.fetch_add(1, Ordering::Relaxed) == at + 2).then_some(fault));
            let acknowledged = script(&fs);
            if reached.load(Ordering::Relaxed) <= at + 2 {
                assert!(at > 60, "the script is too short to show anything");
                break;
            }
            for (outcome, fs) in outcomes(&fs, at) {
                let what = format!("{fault:?} at {at}, {outcome}");
                let found = published(&fs, &what);
                let next = SIZES.into_iter().find(|size| *size > acknowledged);
                assert!(found == acknowledged || Some(found) == next, "{what}: {found} after {acknowledged}");
                assert_eq!(script(&fs), SIZES[2], "{what}: it does not go on");
                published(&fs, &what);
            }
        }
    }
}

/// The check above notices a disk that reports syncs it hasn't done.
#[test]
fn lost_syncs_are_noticed() {
    for operation in [Operation::Sync, Operation::SyncDir] {
        let fs = MemFs::new();
        fs.set_faults(move |step| (step.operation == operation).then_some(Fault::SyncLost));
        assert_eq!(script(&fs), SIZES[2]);
        let fs = fs.after_power_cut(Survivors::Nothing);
        let found = std::panic::catch_unwind(|| published(&fs, "lost"));
        assert!(!matches!(found, Ok(520)), "lost {operation:?} unnoticed");
    }
}

#[test]
fn partial_tiles_go_when_the_full_one_is_there_and_evidence_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let mirrors = MirrorDir::new(Arc::new(StdFs), dir.path().join("mirrors"));
    let log = log(NAME, &["/x"]);
    mirrors.add(&log, b"").unwrap();
    let mut writer = mirrors.open(log.origin()).unwrap();
    let mut old = TreeSize::EMPTY;
    for new in SIZES.map(size) {
        for coord in new_tiles(old, new) {
            writer.put(coord, &content(coord)).unwrap();
        }
        writer.publish(&note(new.value()), old, new).unwrap();
        old = new;
    }
    let copy = dir.path().join("mirrors").join(Digest::of(NAME.as_bytes()).to_string());
    for gone in ["tile/0/000.p", "tile/entries/000.p", "tile/0/001.p", "tile/entries/001.p"] {
        assert!(!copy.join(gone).exists(), "{gone}");
    }
    for kept in ["tile/0/000", "tile/entries/001", "tile/0/002.p/8", "tile/1/000.p/1", "tile/1/000.p/2"] {
        assert!(copy.join(kept).exists(), "{kept}");
    }
    let evidence = writer.keep_fork(b"evidence").unwrap().unwrap();
    assert_eq!(mirrors.forks(log.origin()).unwrap(), [evidence]);
}
