//! The log's tree, beside other crates and a raw loop of the hash: appends, proofs, checks, and what
//! they cost as the log grows.

mod durable;
mod growth;

use std::{cell::RefCell, hint::black_box, time::Instant};

use ct_merkle::mem_backed_tree::MemoryBackedTree;
use jurat_lanes::Lanes;
use jurat_log::{
    ConsistencyProof, Inclusion, InclusionProof, LeafIndex, RightEdge, Tree, TreeSize, leaf_hash,
    leaf_hashes, verify_inclusions,
};
use sha2::{Digest, Sha256};

use crate::report::Report;

/// Leaves of the trees that proofs are made in.
const LEAVES: u64 = 1 << 20;
/// Appends a round; each round begins with an empty tree.
const APPENDS: u64 = 1 << 15;
const BATCH: u64 = 1024;
/// Proofs a round.
const PROOFS: u64 = 1000;
/// Rounds in which all contenders take turns; the best round of each counts, for noise only slows.
const ROUNDS: u32 = 15;

/// An entry whose leaf SHA-256 hashes in one compression.
fn entry(i: u64) -> [u8; 48] {
    let mut entry = [0; 48];
    entry[..8].copy_from_slice(&i.to_be_bytes());
    entry
}

/// A place that jumps about below `end`.
fn place(i: u64, end: u64) -> u64 {
    (i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 20) % end
}

fn size(leaves: u64) -> TreeSize {
    TreeSize::new(leaves).expect("a size")
}

fn index(leaf: u64) -> LeafIndex {
    LeafIndex::new(leaf).expect("an index")
}

pub fn run(report: &mut Report) -> Result<(), String> {
    // First, while what the process has in memory is little else.
    growth::run(report);
    hashes(report);
    appends(report);
    proofs(report);
    durable::run(report).map_err(|error| error.to_string())
}

type Contender<'c> = (&'c str, Box<dyn FnMut() + 'c>);

/// Lets all do the same `count` things in turns, and notes each one's speed beside the first's.
fn race(report: &mut Report, what: &str, count: u64, mut contenders: Vec<Contender<'_>>) {
    let mut best = vec![f64::MAX; contenders.len()];
    for _ in 0..ROUNDS {
        for ((_, work), best) in contenders.iter_mut().zip(&mut best) {
            let start = Instant::now();
            work();
            *best = best.min(start.elapsed().as_secs_f64());
        }
    }
    let first = count as f64 / best[0];
    let base = contenders[0].0;
    report.figure(format!("{what}: {base}"), first, "/s");
    for ((name, _), best) in contenders.iter().zip(&best).skip(1) {
        report.ratio(format!("{what}: {name}"), count as f64 / best, "/s", base, first);
    }
}

/// All hashes that tlog_tiles stores, in its order.
#[derive(Default)]
struct Stored(Vec<tlog_tiles::Hash>);

impl Stored {
    fn push(&mut self, i: u64) {
        let stored = tlog_tiles::stored_hashes(i, &entry(i), self).expect("hashes");
        self.0.extend(stored);
    }
}

impl tlog_tiles::HashReader for Stored {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog_tiles::Hash>, tlog_tiles::Error> {
        Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).expect("an index")]).collect())
    }
}

/// The hashes that a tree is made of: one stream, and several in the processor's lanes.
fn hashes(report: &mut Report) {
    for bytes in [48, 300] {
        let entries: Vec<Vec<u8>> = (0..BATCH).map(|i| vec![i.to_le_bytes()[0]; bytes]).collect();
        let plain = || {
            for entry in &entries {
                black_box(Sha256::new().chain_update([0]).chain_update(entry).finalize());
            }
        };
        let one_by_one = || {
            for entry in &entries {
                black_box(leaf_hash(entry));
            }
        };
        let at_once = || {
            black_box(leaf_hashes(&entries));
        };
        race(
            report,
            &format!("leaf hashes of {bytes}-byte entries"),
            BATCH,
            vec![
                ("raw SHA-256", Box::new(plain)),
                ("jurat-log, one by one", Box::new(one_by_one)),
                ("jurat-log, in lanes", Box::new(at_once)),
            ],
        );
    }
    let messages = vec![[[7; 64]; 2]; usize::try_from(BATCH).expect("few")];
    let pairs = vec![[[7; 32]; 2]; messages.len()];
    let mut digests = vec![[0; 32]; messages.len()];
    let (mut ways, mut ways_of_pairs): (Vec<Contender<'_>>, Vec<Contender<'_>>) = (Vec::new(), Vec::new());
    let digests = RefCell::new(&mut digests);
    for lanes in Lanes::available() {
        let name = match lanes.count() {
            1 => "one by one",
            8 => "8 lanes",
            _ => "16 lanes",
        };
        let (messages, pairs, digests) = (&messages, &pairs, &digests);
        ways.push((
            name,
            Box::new(move || {
                lanes.hash_padded(messages, *digests.borrow_mut());
                black_box(digests);
            }),
        ));
        ways_of_pairs.push((
            name,
            Box::new(move || {
                lanes.hash_pairs(1, pairs, *digests.borrow_mut());
                black_box(digests);
            }),
        ));
    }
    race(report, "messages of two blocks", BATCH, ways);
    race(report, "nodes: a byte and two digests", BATCH, ways_of_pairs);
}

fn appends(report: &mut Report) {
    // Three compressions an entry: one for its leaf, two for a node.
    let raw = || {
        let (mut leaf, mut node) = ([0_u8; 32], [0_u8; 65]);
        for i in 0..APPENDS {
            leaf = Sha256::new().chain_update([0]).chain_update(entry(i)).finalize().into();
            node[1..33].copy_from_slice(&leaf);
            let hash = Sha256::digest(node);
            node[33..].copy_from_slice(&hash);
        }
        black_box((leaf, node));
    };
    let compressions = || {
        let (mut state, blocks) = ([7; 8], [[7; 64]; 2]);
        for _ in 0..APPENDS {
            sha2::block_api::compress256(&mut state, &blocks[..1]);
            sha2::block_api::compress256(&mut state, &blocks);
        }
        black_box(state);
    };
    for (what, batch) in
        [("append in batches of 1024, root after each", BATCH), ("append one, root after each", 1)]
    {
        let batches = APPENDS / batch;
        let leaves = move |b: u64| leaf_hashes(&(b * batch..(b + 1) * batch).map(entry).collect::<Vec<_>>());
        let contenders: Vec<Contender<'_>> = vec![
            ("raw SHA-256, a leaf and a node", Box::new(raw)),
            ("raw SHA-256, three compressions", Box::new(compressions)),
            (
                "jurat-log, right edge",
                Box::new(move || {
                    let mut edge = RightEdge::new();
                    for b in 0..batches {
                        black_box(edge.extend(leaves(b)));
                        black_box(edge.root());
                    }
                }),
            ),
            (
                "jurat-log, tree in memory",
                Box::new(move || {
                    let mut tree = Tree::new();
                    for b in 0..batches {
                        tree.extend(leaves(b));
                        black_box(tree.root());
                    }
                }),
            ),
            (
                "ct-merkle",
                Box::new(move || {
                    let mut tree = MemoryBackedTree::<Sha256, [u8; 48]>::new();
                    for i in 0..APPENDS {
                        tree.push(entry(i));
                        if i % batch == batch - 1 {
                            black_box(tree.root());
                        }
                    }
                }),
            ),
            (
                "tlog_tiles",
                Box::new(move || {
                    let mut hashes = Stored::default();
                    for i in 0..APPENDS {
                        hashes.push(i);
                        if i % batch == batch - 1 {
                            black_box(tlog_tiles::tree_hash(i + 1, &hashes).expect("a root"));
                        }
                    }
                }),
            ),
        ];
        race(report, what, APPENDS, contenders);
    }
}

fn proofs(report: &mut Report) {
    let tree: Tree = (0..LEAVES).map(|i| leaf_hash(&entry(i))).collect();
    let mut stored = Stored::default();
    let mut theirs = MemoryBackedTree::<Sha256, [u8; 48]>::new();
    for i in 0..LEAVES {
        stored.push(i);
        theirs.push(entry(i));
    }
    let (stored, theirs) = (&stored, &theirs);
    let (tree, whole, root) = (&tree, size(LEAVES), tree.root());
    // Each round proves other leaves, as a server would.
    let turn = RefCell::new(0);
    let next = || {
        *turn.borrow_mut() += PROOFS;
        let start = *turn.borrow();
        (start..start + PROOFS).map(|i| place(i, LEAVES))
    };
    let mut proof = InclusionProof::default();
    race(
        report,
        "inclusion proofs, 1 M leaves",
        PROOFS,
        vec![
            (
                "jurat-log",
                Box::new(|| {
                    for leaf in next() {
                        proof.regenerate(tree, index(leaf), whole).expect("a proof");
                        black_box(&proof);
                    }
                }),
            ),
            (
                "ct-merkle",
                Box::new(|| {
                    for leaf in next() {
                        black_box(theirs.prove_inclusion(usize::try_from(leaf).expect("an index")));
                    }
                }),
            ),
            (
                "tlog_tiles",
                Box::new(|| {
                    for leaf in next() {
                        black_box(tlog_tiles::prove_record(LEAVES, leaf, stored).expect("a proof"));
                    }
                }),
            ),
        ],
    );
    let mut proof = ConsistencyProof::default();
    race(
        report,
        "consistency proofs, 1 M leaves",
        PROOFS,
        vec![
            (
                "jurat-log",
                Box::new(|| {
                    for old in next() {
                        proof.regenerate(tree, size(old + 1), whole).expect("a proof");
                        black_box(&proof);
                    }
                }),
            ),
            (
                "tlog_tiles",
                Box::new(|| {
                    for old in next() {
                        black_box(tlog_tiles::prove_tree(LEAVES, old + 1, stored).expect("a proof"));
                    }
                }),
            ),
        ],
    );

    let places: Vec<u64> = (0..PROOFS).map(|i| place(i, LEAVES)).collect();
    let ours: Vec<_> = places
        .iter()
        .map(|leaf| InclusionProof::generate(tree, index(*leaf), whole).expect("a proof"))
        .collect();
    let ours: Vec<_> = places
        .iter()
        .zip(&ours)
        .map(|(leaf, proof)| Inclusion { index: index(*leaf), leaf_hash: leaf_hash(&entry(*leaf)), proof })
        .collect();
    let their_root = theirs.root();
    let their_proofs: Vec<_> = places
        .iter()
        .map(|leaf| (*leaf, entry(*leaf), theirs.prove_inclusion(usize::try_from(*leaf).expect("an index"))))
        .collect();
    let tlog_root = tlog_tiles::tree_hash(LEAVES, stored).expect("a root");
    let tlog_proofs: Vec<_> = places
        .iter()
        .map(|leaf| {
            let proof = tlog_tiles::prove_record(LEAVES, *leaf, stored).expect("a proof");
            (*leaf, tlog_tiles::record_hash(&entry(*leaf)), proof)
        })
        .collect();
    race(
        report,
        "inclusion proofs checked, 1 M leaves",
        PROOFS,
        vec![
            (
                "jurat-log, one by one",
                Box::new(|| {
                    for Inclusion { index, leaf_hash, proof } in &ours {
                        assert!(proof.verify(*index, whole, leaf_hash, &root).is_ok());
                    }
                }),
            ),
            (
                "jurat-log, 1000 at once",
                Box::new(|| {
                    assert!(verify_inclusions(whole, &root, &ours).is_ok());
                }),
            ),
            (
                "ct-merkle, one by one",
                Box::new(|| {
                    for (leaf, value, proof) in &their_proofs {
                        assert!(their_root.verify_inclusion(value, *leaf, proof).is_ok());
                    }
                }),
            ),
            (
                "tlog_tiles, one by one",
                Box::new(|| {
                    for (leaf, hash, proof) in &tlog_proofs {
                        assert!(tlog_tiles::check_record(proof, LEAVES, tlog_root, *leaf, *hash).is_ok());
                    }
                }),
            ),
        ],
    );
}
