//! Following a log of a million entries, from a source in memory: what taking it over costs beside
//! hashing the same bytes. Not in it: sockets, HTTP and a disk.

use std::{collections::BTreeMap, hint::black_box, time::Instant};

use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};
use jurat_gossip::{FollowOutput, Follower, SyncTimes};
use jurat_log::{
    Checkpoint, Note, Origin, Policy, RightEdge, TileCoord, TreeSize, UnixMillis, leaf_hash, push_entry,
};
use sha2::{Digest as _, Sha256};

use crate::report::Report;

const ENTRIES: u64 = 1_000_000;
const ENTRY_BYTES: usize = 300;
const ROUNDS: usize = 5;
const ORIGIN: &str = "log.example/followed";

type Files = BTreeMap<String, Vec<u8>>;

pub fn run(report: &mut Report) -> Result<(), String> {
    let key = SigningKey::from_seed(&[7; 32]);
    let (files, bundles) = served(&key)?;
    let (mut raw, mut tree, mut followed, mut got) = (f64::MAX, f64::MAX, f64::MAX, (0, 0));
    for _ in 0..ROUNDS {
        raw = raw.min(timed(|| {
            for bundle in &bundles {
                for entry in entries(bundle) {
                    black_box(Sha256::new().chain_update([0]).chain_update(entry).finalize());
                }
            }
        }));
        tree = tree.min(timed(|| {
            let mut edge = RightEdge::new();
            for bundle in &bundles {
                black_box(edge.extend(entries(bundle).map(leaf_hash)));
            }
            black_box(edge.root());
        }));
        let mut result = Ok((0, 0));
        followed = followed.min(timed(|| result = follow(&files, &key)));
        got = result?;
    }
    let (requests, bytes) = got;
    let rate = |seconds: f64| ENTRIES as f64 / seconds;
    let what = format!("following {ENTRIES} entries of {ENTRY_BYTES} bytes");
    let hashed = report.figure(format!("{what}: raw SHA-256 of them, one by one"), rate(raw), "entries/s");
    report.ratio(
        format!("{what}: leaves, nodes and root alone"),
        rate(tree),
        "entries/s",
        "raw SHA-256",
        hashed,
    );
    report.ratio(what.clone(), rate(followed), "entries/s", "raw SHA-256", hashed);
    report.ratio(format!("{what}: time"), followed, "s", "leaves, nodes and root alone", tree);
    report.figure(format!("{what}: requests"), requests as f64, "");
    report.figure(format!("{what}: got"), bytes as f64 / 1e6, "MB");
    Ok(())
}

fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

/// What a server of the log has, and its bundles alone.
fn served(key: &SigningKey) -> Result<(Files, Vec<Vec<u8>>), String> {
    let failed = |error: &dyn std::fmt::Display| error.to_string();
    let size = TreeSize::new(ENTRIES).map_err(|error| failed(&error))?;
    let (mut files, mut bundles, mut edge) = (Files::new(), Vec::new(), RightEdge::new());
    for coord in TileCoord::new_entry_tiles(TreeSize::EMPTY, size) {
        let (mut bundle, mut leaves) = (Vec::new(), Vec::new());
        let first = coord.index() * 256;
        for index in first..first + coord.width() as u64 {
            let mut entry = [0x5a; ENTRY_BYTES];
            entry[..8].copy_from_slice(&index.to_be_bytes());
            push_entry(&mut bundle, &entry).map_err(|error| failed(&error))?;
            leaves.push(leaf_hash(&entry));
        }
        for tile in edge.extend(leaves) {
            files.insert(tile.coord().path(), tile.to_bytes());
        }
        files.insert(coord.path(), bundle.clone());
        bundles.push(bundle);
    }
    for tile in edge.partial_tiles() {
        files.insert(tile.coord().path(), tile.to_bytes());
    }
    let checkpoint = Checkpoint::new(origin()?, edge.size(), edge.root());
    let text = checkpoint.to_text();
    let signature = text.sign(name()?, key);
    files.insert("checkpoint".into(), Note::new(text, signature).to_string().into_bytes());
    Ok((files, bundles))
}

/// Takes the log over: how many requests that took, and how many bytes came.
fn follow(files: &Files, key: &SigningKey) -> Result<(u64, u64), String> {
    let vkey = Vkey::new(name()?, SignatureType::Ed25519, key.verifying_key());
    let policy =
        Policy::parse(format!("log {vkey}\nquorum none\n").as_bytes()).map_err(|error| error.to_string())?;
    let mut follower =
        Follower::new(origin()?, policy, SyncTimes::default(), 1, None).map_err(|error| error.to_string())?;
    let now = UnixMillis(1_700_000_000_000);
    let mut outputs: std::collections::VecDeque<_> = follower.wake(now, 0).into();
    let mut requests = 0;
    while let Some(output) = outputs.pop_front() {
        match output {
            FollowOutput::Get { request, from, path, .. } => {
                // Nothing was stored before.
                let content = match from {
                    jurat_gossip::Supplier::Stored => None,
                    jurat_gossip::Supplier::Source(_) => {
                        requests += 1;
                        files.get(&path).cloned()
                    }
                };
                outputs.extend(follower.answered(request, Ok(content), now, 0));
            }
            FollowOutput::Store { bytes, .. } => drop(black_box(bytes)),
            FollowOutput::Publish { new, .. } if new.value() == ENTRIES => {}
            other => return Err(format!("the follower says {other:?}")),
        }
    }
    match follower.head().map(|head| head.size().value()) {
        Some(ENTRIES) => Ok((requests, follower.counts().bytes)),
        size => Err(format!("the follower ends at {size:?}")),
    }
}

/// The entries of a bundle that was made here.
fn entries(bundle: &[u8]) -> impl Iterator<Item = &[u8]> {
    bundle.chunks_exact(2 + ENTRY_BYTES).map(|entry| &entry[2..])
}

fn origin() -> Result<Origin, String> {
    Origin::new(ORIGIN).map_err(|error| error.to_string())
}

fn name() -> Result<KeyName, String> {
    KeyName::new(ORIGIN).map_err(|error| error.to_string())
}
