//! The tree, beside other crates and a raw loop of the hash.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use jurat_log::{ConsistencyProof, Frontier, InclusionProof, LeafIndex, Tree, TreeSize, leaf_hash};
use sha2::{Digest, Sha256};

use crate::report::Report;

const LEAVES: u64 = 1 << 20;
const PROOFS: u64 = 20_000;

pub fn run(report: &mut Report) -> Result<(), String> {
    let entry = |i: u64| {
        let mut entry = [0_u8; 48];
        entry[..8].copy_from_slice(&i.to_be_bytes());
        entry
    };
    // Three compressions an entry: one for a leaf of up to 55 bytes, two for a node.
    let raw = per_second(LEAVES, || {
        let (mut leaf, mut node) = ([0_u8; 32], [0_u8; 65]);
        for i in 0..LEAVES {
            leaf = Sha256::new().chain_update([0]).chain_update(entry(i)).finalize().into();
            node[1..33].copy_from_slice(&leaf);
            let hash = Sha256::digest(node);
            node[33..].copy_from_slice(&hash);
        }
        black_box((leaf, node));
    });
    let raw = report.figure("raw SHA-256: a leaf and a node an entry", raw, "entries/s");

    let mut tree = Tree::new();
    let ours = per_second(LEAVES, || {
        for batch in 0..LEAVES / 1000 {
            tree.extend((batch * 1000..(batch + 1) * 1000).map(|i| leaf_hash(&entry(i))));
            black_box(tree.root());
        }
    });
    report.ratio("jurat-log, tree in memory, batches of 1000, root after each", ours, "entries/s", "raw", raw);
    let frontier = per_second(LEAVES, || {
        let mut frontier = Frontier::new();
        for batch in 0..LEAVES / 1000 {
            frontier.extend((batch * 1000..(batch + 1) * 1000).map(|i| leaf_hash(&entry(i))));
            black_box(frontier.root());
        }
    });
    report.ratio("jurat-log, frontier, batches of 1000, root after each", frontier, "entries/s", "raw", raw);
    let mut theirs = MemoryBackedTree::<Sha256, [u8; 48]>::new();
    let peer = per_second(LEAVES / 8, || {
        for i in 0..LEAVES / 8 {
            theirs.push(entry(i));
            if i % 1000 == 999 {
                black_box(theirs.root());
            }
        }
    });
    report.ratio("ct-merkle, batches of 1000, root after each", peer, "entries/s", "raw", raw);
    let tlog = per_second(LEAVES / 8, || {
        let mut hashes = Stored::default();
        for i in 0..LEAVES / 8 {
            let stored = tlog_tiles::stored_hashes(i, &entry(i), &hashes).expect("hashes");
            hashes.0.extend(stored);
            if i % 1000 == 999 {
                black_box(tlog_tiles::tree_hash(i + 1, &hashes).expect("a root"));
            }
        }
        TLOG.with(|kept| *kept.borrow_mut() = hashes);
    });
    report.ratio("tlog_tiles, batches of 1000, root after each", tlog, "entries/s", "raw", raw);

    proofs(report, &tree, &theirs, &entry)
}

/// All hashes that tlog_tiles stores, in its order.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).expect("an index")]).collect())
    }
}

thread_local! {
    /// The stored hashes of tlog_tiles, for the proofs.
    static TLOG: std::cell::RefCell<Stored> = const { std::cell::RefCell::new(Stored(Vec::new())) };
}

fn proofs(
    report: &mut Report,
    tree: &Tree,
    theirs: &MemoryBackedTree<Sha256, [u8; 48]>,
    entry: &impl Fn(u64) -> [u8; 48],
) -> Result<(), String> {
    let small = LEAVES / 8;
    let at = |i: u64, size: u64| (i * 7_919) % size;
    let size = TreeSize::new(small).map_err(|error| error.to_string())?;
    let index = |i: u64| LeafIndex::new(at(i, small)).expect("an index");
    let prove = per_second(PROOFS, || {
        for i in 0..PROOFS {
            black_box(InclusionProof::generate(tree, index(i), size).expect("a proof"));
        }
    });
    let prove = report.figure(format!("jurat-log, inclusion proofs at {small} leaves"), prove, "/s");
    let peer = per_second(PROOFS, || {
        for i in 0..PROOFS {
            black_box(theirs.prove_inclusion(usize::try_from(at(i, small)).expect("an index")));
        }
    });
    report.ratio("ct-merkle, inclusion proofs", peer, "/s", "jurat-log", prove);
    let tlog = TLOG.with(|hashes| {
        let hashes = hashes.borrow();
        per_second(PROOFS, || {
            for i in 0..PROOFS {
                black_box(tlog_tiles::prove_record(small, at(i, small), &*hashes).expect("a proof"));
            }
        })
    });
    report.ratio("tlog_tiles, inclusion proofs", tlog, "/s", "jurat-log", prove);

    let old = |i: u64| TreeSize::new(at(i, small - 1) + 1).expect("a size");
    let consistent = per_second(PROOFS, || {
        for i in 0..PROOFS {
            black_box(ConsistencyProof::generate(tree, old(i), size).expect("a proof"));
        }
    });
    let consistent = report.figure("jurat-log, consistency proofs", consistent, "/s");
    let tlog = TLOG.with(|hashes| {
        let hashes = hashes.borrow();
        per_second(PROOFS, || {
            for i in 0..PROOFS {
                black_box(tlog_tiles::prove_tree(small, old(i).value(), &*hashes).expect("a proof"));
            }
        })
    });
    report.ratio("tlog_tiles, consistency proofs", tlog, "/s", "jurat-log", consistent);

    let root = tree.root_at(size).map_err(|error| error.to_string())?;
    let ours: Vec<_> = (0..PROOFS)
        .map(|i| {
            let proof = InclusionProof::generate(tree, index(i), size).expect("a proof");
            (index(i), leaf_hash(&entry(index(i).value())), proof)
        })
        .collect();
    let verify = per_second(PROOFS, || {
        for (index, leaf, proof) in &ours {
            assert!(proof.verify(*index, size, leaf, &root).is_ok());
        }
    });
    let verify = report.figure("jurat-log, inclusion proofs verified", verify, "/s");
    let their_root = theirs.root();
    let their_proofs: Vec<_> = (0..PROOFS)
        .map(|i| {
            let at = usize::try_from(at(i, small)).expect("an index");
            (at as u64, entry(at as u64), theirs.prove_inclusion(at))
        })
        .collect();
    let peer = per_second(PROOFS, || {
        for (index, value, proof) in &their_proofs {
            assert!(their_root.verify_inclusion(value, *index, proof).is_ok());
        }
    });
    report.ratio("ct-merkle, inclusion proofs verified", peer, "/s", "jurat-log", verify);
    let tlog = TLOG.with(|hashes| {
        let hashes = hashes.borrow();
        let root = tlog_tiles::tree_hash(small, &*hashes).expect("a root");
        let proofs: Vec<_> = (0..PROOFS)
            .map(|i| {
                let proof = tlog_tiles::prove_record(small, at(i, small), &*hashes).expect("a proof");
                (at(i, small), tlog_tiles::record_hash(&entry(at(i, small))), proof)
            })
            .collect();
        per_second(PROOFS, || {
            for (index, leaf, proof) in &proofs {
                assert!(tlog_tiles::check_record(proof, small, root, *index, *leaf).is_ok());
            }
        })
    });
    report.ratio("tlog_tiles, inclusion proofs verified", tlog, "/s", "jurat-log", verify);
    Ok(())
}

/// The best of three runs: noise only ever slows.
fn per_second(count: u64, mut work: impl FnMut()) -> f64 {
    let best = (0..3).map(|_| {
        let start = Instant::now();
        work();
        start.elapsed()
    });
    count as f64 / best.min().unwrap_or(Duration::MAX).as_secs_f64()
}
