//! What the log costs as it grows: one append, a batch, a root, a proof and the memory, from ten
//! thousand entries to twenty million.

use std::{fs, hint::black_box, time::Instant};

use jurat_log::{Frontier, InclusionProof, RightEdge, Tree, leaf_hash, leaf_hashes};

use super::{entry, index, place, size};
use crate::{
    plot::{Line, plot},
    report::Report,
};

const SIZES: [u64; 7] = [10_000, 100_000, 1_000_000, 3_000_000, 5_000_000, 10_000_000, 20_000_000];
/// Those that the table shows; the plot shows all.
const SHOWN: [u64; 3] = [10_000, 1_000_000, 20_000_000];
/// Every size is a multiple of it.
const BATCH: u64 = 1000;

pub(super) fn run(report: &mut Report) {
    let mut lines = [
        Line::new("inclusion proof", "ns"),
        Line::new("append one", "ns"),
        Line::new("append, in batches of 1000 with a root each", "ns"),
        Line::new("tree in memory, for proofs of any leaf", "kB"),
        Line::new("right edge, for appending", "kB"),
    ];
    let before = resident();
    let (mut tree, mut edge, mut frontier) = (Tree::new(), RightEdge::new(), Frontier::new());
    for leaves in SIZES {
        for batch in tree.size().value() / BATCH..leaves / BATCH {
            let leaves = batch_of(batch);
            edge.extend(leaves.iter().copied());
            frontier.extend(leaves.iter().copied());
            tree.extend(leaves);
        }
        let tree_kilobytes = (resident() - before) / 1e3;
        let hashes: usize = edge.partial_tiles().map(|tile| tile.hashes().len()).sum();
        let edge_kilobytes = 32.0 * (hashes + frontier.roots().len()) as f64 / 1e3;
        // On copies, so that what is measured does not move on.
        let (mut more, mut one_by_one, mut next) = (edge.clone(), frontier.clone(), leaves);
        let batches = nanoseconds(1, || {
            black_box(more.extend(batch_of(next / BATCH)));
            black_box(more.root());
            next += BATCH;
        });
        let append = nanoseconds(1000, || {
            one_by_one.append(leaf_hash(&entry(next)));
            next += 1;
        });
        let mut proof = InclusionProof::default();
        let mut turn = 0;
        let prove = nanoseconds(1000, || {
            turn += 1;
            proof.regenerate(&tree, index(place(turn, leaves)), size(leaves)).expect("a proof");
            black_box(&proof);
        });
        let values = [prove, append, batches / BATCH as f64, tree_kilobytes, edge_kilobytes];
        for (line, value) in lines.iter_mut().zip(values) {
            line.points.push((leaves as f64, value));
            if SHOWN.contains(&leaves) {
                report.figure(format!("{leaves} leaves: {}", line.name), value, line.unit);
            }
        }
    }
    let [proof, append, batches, tree, edge] = &lines;
    report.attach(
        "growth.svg",
        plot(
            "entries in the log",
            &[("nanoseconds", &[proof, append, batches]), ("kilobytes", &[tree, edge])],
        ),
    );
}

fn batch_of(number: u64) -> Vec<jurat_crypto::Digest> {
    leaf_hashes(&(number * BATCH..(number + 1) * BATCH).map(entry).collect::<Vec<_>>())
}

/// What one of `count` takes, in the best of many rounds.
fn nanoseconds(count: u32, mut work: impl FnMut()) -> f64 {
    let rounds = (0..100).map(|_| {
        let start = Instant::now();
        (0..count).for_each(|_| work());
        start.elapsed().as_secs_f64() * 1e9 / f64::from(count)
    });
    rounds.fold(f64::MAX, f64::min)
}

/// Bytes of memory that this process has in use; 0 where the system doesn't say.
fn resident() -> f64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    statm.split(' ').nth(1).and_then(|pages| pages.parse::<f64>().ok()).unwrap_or(0.0) * 4096.0
}
