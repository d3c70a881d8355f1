//! Roots and proofs against the recursive definitions of RFC 6962, and against damage.

use std::convert::Infallible;

use jurat_crypto::Digest;
use jurat_log::{
    ConsistencyProof, EMPTY_ROOT, Frontier, InclusionProof, LeafIndex, Nodes, ProofError, ProveError, Tree,
    TreeSize, leaf_hash, node_hash, tree_root,
};
use proptest::{collection::vec, prelude::*, sample::Index};

pub(crate) fn leaves(count: usize) -> Vec<Digest> {
    (0..count).map(|i| leaf_hash(&i.to_be_bytes())).collect()
}

pub(crate) fn size(leaves: usize) -> TreeSize {
    TreeSize::new(leaves as u64).unwrap()
}

pub(crate) fn index(leaf: usize) -> LeafIndex {
    LeafIndex::new(leaf as u64).unwrap()
}

fn split(leaves: &[Digest]) -> (&[Digest], &[Digest]) {
    leaves.split_at(leaves.len().next_power_of_two() / 2)
}

/// MTH of RFC 6962, section 2.1, with its own hashing.
pub(crate) fn naive_root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest::of(b""),
        [leaf] => *leaf,
        _ => {
            let (left, right) = split(leaves);
            Digest::of_parts(&[&[1], naive_root(left).as_bytes(), naive_root(right).as_bytes()])
        }
    }
}

/// PATH of RFC 6962, section 2.1.1.
fn naive_path(index: usize, leaves: &[Digest]) -> Vec<Digest> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = split(leaves);
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - left.len(), right), left)
    };
    path.push(naive_root(sibling));
    path
}

/// SUBPROOF of RFC 6962, section 2.1.2.
fn naive_subproof(old: usize, leaves: &[Digest], complete: bool) -> Vec<Digest> {
    if old == leaves.len() {
        return if complete { Vec::new() } else { vec![naive_root(leaves)] };
    }
    let (left, right) = split(leaves);
    let (mut proof, sibling) = if old <= left.len() {
        (naive_subproof(old, left, complete), right)
    } else {
        (naive_subproof(old - left.len(), right, false), left)
    };
    proof.push(naive_root(sibling));
    proof
}

/// Every size up to 70, every leaf, every older size: each corner of the arithmetic.
#[test]
fn all_small_trees_agree_with_the_definitions() {
    let all = leaves(70);
    let tree: Tree = all.iter().copied().collect();
    let (mut inclusion, mut consistency) = (InclusionProof::default(), ConsistencyProof::default());
    for new in 0..=all.len() {
        let root = naive_root(&all[..new]);
        assert_eq!(tree.root_at(size(new)), Ok(root));
        for leaf in 0..new {
            let proof = InclusionProof::generate(&tree, index(leaf), size(new)).unwrap();
            assert_eq!(proof.hashes(), naive_path(leaf, &all[..new]), "{leaf} in {new}");
            assert_eq!(proof.verify(index(leaf), size(new), &all[leaf], &root), Ok(()));
            inclusion.regenerate(&tree, index(leaf), size(new)).unwrap();
            assert_eq!(inclusion, proof);
        }
        for old in 1..=new {
            let proof = ConsistencyProof::generate(&tree, size(old), size(new)).unwrap();
            assert_eq!(proof.hashes(), naive_subproof(old, &all[..new], true), "{old} to {new}");
            assert_eq!(proof.verify(size(old), size(new), &naive_root(&all[..old]), &root), Ok(()));
            consistency.regenerate(&tree, size(old), size(new)).unwrap();
            assert_eq!(consistency, proof);
        }
    }
}

#[test]
fn there_are_no_proofs_outside_the_tree_or_from_the_empty_one() {
    let tree: Tree = leaves(3).into_iter().collect();
    let outside = ProofError::OutsideTree { index: index(3), size: size(3) };
    assert_eq!(InclusionProof::generate(&tree, index(3), size(3)), Err(ProveError::Impossible(outside)));
    let empty = InclusionProof::new(Vec::new()).unwrap();
    assert_eq!(empty.verify(index(3), size(3), &EMPTY_ROOT, &EMPTY_ROOT), Err(outside));
    for new in [0, 3] {
        let refused = ConsistencyProof::generate(&tree, size(0), size(new));
        assert_eq!(refused, Err(ProveError::Impossible(ProofError::EmptyOld)));
        let empty = ConsistencyProof::new(Vec::new()).unwrap();
        assert_eq!(empty.verify(size(0), size(new), &EMPTY_ROOT, &EMPTY_ROOT), Err(ProofError::EmptyOld));
    }
    let shrunk = ProofError::Shrunk { old: size(3), new: size(2) };
    assert_eq!(ConsistencyProof::generate(&tree, size(3), size(2)), Err(ProveError::Impossible(shrunk)));
    assert!(matches!(
        InclusionProof::generate(&tree, index(0), size(4)),
        Err(ProveError::Nodes(missing)) if missing.size == size(3)
    ));
    // A proof that was made before is of no use after an error.
    let mut reused = InclusionProof::generate(&tree, index(0), size(3)).unwrap();
    assert_eq!(reused.regenerate(&tree, index(3), size(3)), Err(ProveError::Impossible(outside)));
    assert!(reused.hashes().is_empty());
    assert_eq!(InclusionProof::new(vec![EMPTY_ROOT; 64]), Err(ProofError::TooLong));
    assert_eq!(ConsistencyProof::new(vec![EMPTY_ROOT; 65]), Err(ProofError::TooLong));
}

/// The longest paths, of a tree too large to be built: whatever 63 hashes are, they lead to some
/// root, and it depends on each of them.
#[test]
fn the_largest_tree_is_within_bounds() {
    let hashes = leaves(64);
    let proof = InclusionProof::new(hashes[..63].to_vec()).unwrap();
    let last = LeafIndex::new((1 << 63) - 2).unwrap();
    for leaf in [LeafIndex::new(0).unwrap(), last] {
        let refused = proof.verify(leaf, TreeSize::MAX, &hashes[63], &EMPTY_ROOT);
        assert_eq!(refused, Err(if leaf == last { ProofError::TooLong } else { ProofError::WrongRoot }));
    }
    let proof = ConsistencyProof::new(hashes).unwrap();
    let old = TreeSize::new((1 << 62) - 1).unwrap();
    let refused = proof.verify(old, TreeSize::MAX, &EMPTY_ROOT, &EMPTY_ROOT);
    assert_eq!(refused, Err(ProofError::WrongOldRoot));
}

/// A tree of any size up to the largest: all leaves are the same but one, so that each node is
/// computed on demand.
struct OneOdd(u64);

impl Nodes for OneOdd {
    type Error = Infallible;

    fn node(&self, height: u8, index: u64) -> Result<Digest, Infallible> {
        let mut same = EMPTY_ROOT;
        let mut node = if self.0 >> height == index { leaf_hash(b"odd") } else { same };
        for below in 0..height {
            let is_right = self.0 >> below & 1 == 1 && node != same;
            node = if is_right { node_hash(&same, &node) } else { node_hash(&node, &same) };
            same = node_hash(&same, &same);
        }
        Ok(node)
    }
}

proptest! {
    #[test]
    fn proofs_hold_in_trees_too_large_to_be_built(
        new in 1_u64..1 << 63, odd: u64, other: u64, old: u64, bit: usize,
    ) {
        let (odd, other, old) = (odd % new, other % new, old % new + 1);
        let nodes = OneOdd(odd);
        let [new, old] = [new, old].map(|leaves| TreeSize::new(leaves).unwrap());
        let [odd, other] = [odd, other].map(|leaf| LeafIndex::new(leaf).unwrap());
        let Ok(root) = tree_root(&nodes, new);
        let proof = InclusionProof::generate(&nodes, odd, new).unwrap();
        prop_assert_eq!(proof.verify(odd, new, &leaf_hash(b"odd"), &root), Ok(()));
        prop_assert!(odd == other || proof.verify(other, new, &leaf_hash(b"odd"), &root).is_err());

        let Ok(old_root) = tree_root(&nodes, old);
        let proof = ConsistencyProof::generate(&nodes, old, new).unwrap();
        prop_assert_eq!(proof.verify(old, new, &old_root, &root), Ok(()));
        prop_assert!(proof.verify(old, new, &flip(old_root, bit), &root).is_err());
        prop_assert!(proof.verify(old, new, &old_root, &flip(root, bit)).is_err());
    }

    #[test]
    fn batches_of_any_length_make_the_same_tree(batches in vec(0_usize..600, 0..6)) {
        let all = leaves(batches.iter().sum());
        let (mut tree, mut frontier) = (Tree::new(), Frontier::new());
        let mut start = 0;
        for batch in batches {
            let end = start + batch;
            tree.extend(all[start..end].iter().copied());
            frontier.extend(all[start..end].iter().copied());
            let root = naive_root(&all[..end]);
            prop_assert_eq!(tree.root(), root);
            prop_assert_eq!(frontier.root(), root);
            prop_assert_eq!(tree.size(), size(end));
            prop_assert_eq!(frontier.size(), size(end));
            start = end;
        }
    }

    #[test]
    fn an_inclusion_proof_holds_for_its_leaf_only(
        count in 1_usize..3000, leaf: Index, bit: usize, other: Index,
    ) {
        let all = leaves(count);
        let leaf = leaf.index(count);
        let tree: Tree = all.iter().copied().collect();
        let (at, size, root) = (index(leaf), size(count), tree.root());
        let proof = InclusionProof::generate(&tree, at, size).unwrap();
        prop_assert_eq!(proof.verify(at, size, &all[leaf], &root), Ok(()));

        let refused = |proof: &InclusionProof, at, leaf_hash: &Digest, root: &Digest| {
            proof.verify(at, size, leaf_hash, root).is_err()
        };
        let other = other.index(count);
        prop_assert!(other == leaf || refused(&proof, index(other), &all[leaf], &root));
        prop_assert!(refused(&proof, at, &flip(all[leaf], bit), &root));
        prop_assert!(refused(&proof, at, &all[leaf], &flip(root, bit)));
        for changed in damage(proof.hashes(), bit) {
            prop_assert!(refused(&InclusionProof::new(changed).unwrap(), at, &all[leaf], &root));
        }
    }

    #[test]
    fn a_consistency_proof_holds_for_its_two_trees_only(
        new in 1_usize..3000, old: Index, bit: usize, other: Index,
    ) {
        let all = leaves(new);
        let old = old.index(new) + 1;
        let tree: Tree = all.iter().copied().collect();
        let (old_root, new_root) = (naive_root(&all[..old]), tree.root());
        let proof = ConsistencyProof::generate(&tree, size(old), size(new)).unwrap();
        prop_assert_eq!(proof.verify(size(old), size(new), &old_root, &new_root), Ok(()));

        let refused = |proof: &ConsistencyProof, old_size, old_root: &Digest, new_root: &Digest| {
            proof.verify(size(old_size), size(new), old_root, new_root).is_err()
        };
        let other = other.index(new) + 1;
        prop_assert!(other == old || refused(&proof, other, &old_root, &new_root));
        prop_assert!(refused(&proof, old, &flip(old_root, bit), &new_root));
        prop_assert!(refused(&proof, old, &old_root, &flip(new_root, bit)));
        for changed in damage(proof.hashes(), bit) {
            prop_assert!(refused(&ConsistencyProof::new(changed).unwrap(), old, &old_root, &new_root));
        }
    }
}

pub(crate) fn flip(hash: Digest, bit: usize) -> Digest {
    let mut bytes = *hash.as_bytes();
    bytes[bit / 8 % 32] ^= 1 << (bit % 8);
    Digest::from_bytes(bytes)
}

/// The hashes with one bit flipped in each of them, with one left out, and with one too many.
pub(crate) fn damage(hashes: &[Digest], bit: usize) -> Vec<Vec<Digest>> {
    let mut damaged = Vec::new();
    for i in 0..hashes.len() {
        let mut changed = hashes.to_vec();
        changed[i] = flip(changed[i], bit);
        damaged.push(changed);
        let mut shorter = hashes.to_vec();
        shorter.remove(i);
        damaged.push(shorter);
    }
    for i in 0..=hashes.len() {
        let mut longer = hashes.to_vec();
        longer.insert(i, EMPTY_ROOT);
        damaged.push(longer);
    }
    damaged
}
