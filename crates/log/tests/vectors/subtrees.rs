//! The accumulated vectors of draft-ietf-plants-merkle-tree-certs: one hash over the roots or
//! proofs of every subtree of every tree of up to 130 leaves.

use std::fmt::Write as _;

use jurat_crypto::Digest;
use jurat_log::{ConsistencyProof, InclusionProof, LeafIndex, Subtree, Tree, TreeSize, leaf_hash, tree_root};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    subtree_hashes: String,
    inclusion_proofs: String,
    consistency_proofs: String,
}

fn size(leaves: u64) -> TreeSize {
    TreeSize::new(leaves).unwrap()
}

/// The subtrees that end at `end`, by start.
fn ending_at(end: u64) -> impl Iterator<Item = Subtree> {
    (0..=end).filter_map(move |start| Subtree::new(start, size(end)).ok())
}

fn name(subtree: Subtree) -> String {
    format!("[{}, {})", subtree.start(), subtree.end())
}

fn line(text: &mut String, head: &str, hashes: &[Digest]) {
    text.push_str(head);
    for hash in hashes {
        write!(text, " {hash}").unwrap();
    }
    text.push('\n');
}

#[test]
fn roots_and_proofs_of_all_subtrees_are_as_stated() {
    let leaves: Vec<Digest> = (0..130_u8).map(|byte| leaf_hash(&[byte])).collect();
    let tree: Tree = leaves.iter().copied().collect();
    let (mut hashes, mut inclusions, mut consistencies) = (String::new(), String::new(), String::new());
    for end in 0..=130 {
        for subtree in ending_at(end) {
            let nodes = subtree.nodes(&tree);
            let root = tree_root(&nodes, subtree.size()).unwrap();
            line(&mut hashes, &name(subtree), &[root]);
            for index in subtree.start()..end {
                let position = subtree.position(LeafIndex::new(index).unwrap()).unwrap();
                let proof = InclusionProof::generate(&nodes, position, subtree.size()).unwrap();
                let leaf = &leaves[usize::try_from(index).unwrap()];
                assert_eq!(proof.verify(position, subtree.size(), leaf, &root), Ok(()));
                line(&mut inclusions, &format!("{index} {}", name(subtree)), proof.hashes());
            }
        }
    }
    for n in 0..=130 {
        let root = tree.root_at(size(n)).unwrap();
        for subtree in (0..=n).flat_map(ending_at) {
            let subtree_root = tree_root(&subtree.nodes(&tree), subtree.size()).unwrap();
            let proof = ConsistencyProof::generate_subtree(&tree, subtree, size(n)).unwrap();
            assert_eq!(proof.verify_subtree(subtree, size(n), &subtree_root, &root), Ok(()));
            line(&mut consistencies, &format!("{} {n}", name(subtree)), proof.hashes());
        }
    }
    let vectors: Vectors = super::read("subtrees.json");
    assert_eq!(Digest::of(hashes.as_bytes()).to_string(), vectors.subtree_hashes);
    assert_eq!(Digest::of(inclusions.as_bytes()).to_string(), vectors.inclusion_proofs);
    assert_eq!(Digest::of(consistencies.as_bytes()).to_string(), vectors.consistency_proofs);
}
