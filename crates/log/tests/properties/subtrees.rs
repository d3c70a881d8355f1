//! Subtree proofs: they hold for their subtree, size and roots only.

use jurat_crypto::Digest;
use jurat_log::{ConsistencyProof, EMPTY_ROOT, ProofError, Subtree, Tree, tree_root};
use proptest::{prelude::*, sample::Index};

use crate::tree::{damage, flip, leaves, naive_root, size};

#[test]
fn an_empty_subtree_needs_the_empty_root_and_no_hash() {
    let subtree = Subtree::new(5, size(5)).unwrap();
    let empty = ConsistencyProof::default();
    let root = naive_root(&leaves(9));
    assert_eq!(empty.verify_subtree(subtree, size(9), &EMPTY_ROOT, &root), Ok(()));
    assert_eq!(empty.verify_subtree(subtree, size(9), &root, &root), Err(ProofError::WrongOldRoot));
    let longer = ConsistencyProof::new(vec![root]).unwrap();
    assert_eq!(longer.verify_subtree(subtree, size(9), &EMPTY_ROOT, &root), Err(ProofError::TooLong));
    let shrunk = ProofError::Shrunk { old: size(5), new: size(4) };
    assert_eq!(empty.verify_subtree(subtree, size(4), &EMPTY_ROOT, &root), Err(shrunk));
}

proptest! {
    #[test]
    fn a_subtree_proof_holds_for_its_subtree_only(
        count in 1_usize..600, (end, start) in any::<(Index, Index)>(), other: Index, bit: usize,
    ) {
        let end = end.index(count) + 1;
        let subtrees: Vec<Subtree> =
            (0..end).filter_map(|start| Subtree::new(start as u64, size(end)).ok()).collect();
        let subtree = subtrees[start.index(subtrees.len())];
        let all = leaves(count);
        let tree: Tree = all.iter().copied().collect();
        let first = usize::try_from(subtree.start()).unwrap();
        let (subtree_root, root) = (naive_root(&all[first..end]), tree.root());
        prop_assert_eq!(tree_root(&subtree.nodes(&tree), subtree.size()), Ok(subtree_root));
        let proof = ConsistencyProof::generate_subtree(&tree, subtree, size(count)).unwrap();
        prop_assert_eq!(proof.verify_subtree(subtree, size(count), &subtree_root, &root), Ok(()));

        let refused = |proof: &ConsistencyProof, subtree, subtree_root: &Digest, root: &Digest| {
            proof.verify_subtree(subtree, size(count), subtree_root, root).is_err()
        };
        prop_assert!(refused(&proof, subtree, &flip(subtree_root, bit), &root));
        prop_assert!(refused(&proof, subtree, &subtree_root, &flip(root, bit)));
        for changed in damage(proof.hashes(), bit) {
            prop_assert!(refused(&ConsistencyProof::new(changed).unwrap(), subtree, &subtree_root, &root));
        }
        let other = subtrees[other.index(subtrees.len())];
        prop_assert!(other == subtree || refused(&proof, other, &subtree_root, &root));
    }
}
