//! The eight trees that implementations of RFC 6962 have in common.

use jurat_crypto::Digest;
use jurat_log::{Frontier, Tree, TreeSize, leaf_hash};
use serde::Deserialize;

#[derive(Deserialize)]
struct Trees {
    leaf_inputs_hex: Vec<String>,
    root_hash_hex_by_size: Vec<String>,
}

#[test]
fn roots_are_those_of_the_reference_trees() {
    let trees: Trees = super::read("rfc6962_reference_trees.json");
    let roots: Vec<Digest> = trees.root_hash_hex_by_size.iter().map(|root| root.parse().unwrap()).collect();
    let leaves: Vec<Digest> =
        trees.leaf_inputs_hex.iter().map(|input| leaf_hash(&super::hex(input))).collect();
    let whole: Tree = leaves.iter().copied().collect();
    let mut frontier = Frontier::new();
    assert_eq!(roots.len(), 9);
    for (size, root) in roots.iter().enumerate() {
        assert_eq!(frontier.root(), *root, "frontier of {size}");
        assert_eq!(leaves[..size].iter().copied().collect::<Tree>().root(), *root, "tree of {size}");
        assert_eq!(whole.root_at(TreeSize::new(size as u64).unwrap()), Ok(*root), "tree at {size}");
        frontier.extend(leaves.get(size).copied());
    }
}
