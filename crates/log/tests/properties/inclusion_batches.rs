//! Many inclusion proofs at once: the verdict is the one that single checks give.

use jurat_crypto::Digest;
use jurat_log::{
    FailedInclusion, Inclusion, InclusionProof, LeafIndex, ProofError, Tree, TreeSize, verify_inclusions,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::tree::{damage, flip, index, leaves, size};

#[derive(Clone, Debug)]
struct Item {
    index: LeafIndex,
    leaf: Digest,
    proof: InclusionProof,
}

fn batch(items: &[Item]) -> Vec<Inclusion<'_>> {
    items
        .iter()
        .map(|Item { index, leaf, proof }| Inclusion { index: *index, leaf_hash: *leaf, proof })
        .collect()
}

/// One by one, in order.
fn single(size: TreeSize, root: &Digest, items: &[Item]) -> Result<(), FailedInclusion> {
    for (position, Item { index, leaf, proof }) in items.iter().enumerate() {
        proof.verify(*index, size, leaf, root).map_err(|reason| FailedInclusion { position, reason })?;
    }
    Ok(())
}

fn prove(count: usize, picked: impl Iterator<Item = usize>) -> (Tree, Vec<Item>) {
    let all = leaves(count);
    let tree: Tree = all.iter().copied().collect();
    let items = picked
        .map(|leaf| Item {
            index: index(leaf),
            leaf: all[leaf],
            proof: InclusionProof::generate(&tree, index(leaf), size(count)).unwrap(),
        })
        .collect();
    (tree, items)
}

/// Every set of leaves of every tree of up to nine.
#[test]
fn all_sets_of_leaves_of_small_trees_hold() {
    for count in 0..=9_usize {
        for set in 0..1_u32 << count {
            let (tree, items) = prove(count, (0..count).filter(|leaf| set >> leaf & 1 == 1));
            assert_eq!(verify_inclusions(size(count), &tree.root(), &batch(&items)), Ok(()));
        }
    }
}

#[test]
fn the_first_failure_is_named_with_its_reason() {
    let (tree, mut items) = prove(100, [5, 70, 71, 99].into_iter());
    let verify = |items: &[Item]| verify_inclusions(size(100), &tree.root(), &batch(items));
    items[2].leaf = leaves(1)[0];
    let failed = verify(&items).unwrap_err();
    assert_eq!(failed, FailedInclusion { position: 2, reason: ProofError::WrongRoot });
    assert_eq!(failed.to_string(), "proof 2 of the batch: the proof leads to another root");
    items[0].index = index(100);
    let reason = ProofError::OutsideTree { index: index(100), size: size(100) };
    assert_eq!(verify(&items), Err(FailedInclusion { position: 0, reason }));
    assert_eq!(verify(&[]), Ok(()));
}

proptest! {
    #[test]
    fn batches_accept_what_single_checks_accept(
        count in 1_usize..600, picked in vec(any::<Index>(), 1..40),
    ) {
        let (tree, items) = prove(count, picked.iter().map(|leaf| leaf.index(count)));
        prop_assert_eq!(verify_inclusions(size(count), &tree.root(), &batch(&items)), Ok(()));
    }

    /// Also where the damaged proof shares its upper part with sound ones.
    #[test]
    fn batches_refuse_what_single_checks_refuse(
        count in 1_usize..100,
        picked in vec(any::<Index>(), 1..8),
        (victim, kind, bit) in any::<(Index, Index, usize)>(),
        twice: bool,
    ) {
        let (tree, mut items) = prove(count, picked.iter().map(|leaf| leaf.index(count)));
        let victim = victim.index(items.len());
        if twice {
            items.push(items[victim].clone());
        }
        let mut variants = vec![items.clone(); 2];
        variants[0][victim].leaf = flip(items[victim].leaf, bit);
        variants[1][victim].index = index(kind.index(count));
        for hashes in damage(items[victim].proof.hashes(), bit) {
            variants.push(items.clone());
            variants.last_mut().unwrap()[victim].proof = InclusionProof::new(hashes).unwrap();
        }
        for variant in variants {
            let expected = single(size(count), &tree.root(), &variant);
            prop_assert_eq!(verify_inclusions(size(count), &tree.root(), &batch(&variant)), expected);
        }
        let wrong = flip(tree.root(), bit);
        let expected = single(size(count), &wrong, &items);
        prop_assert!(expected.is_err());
        prop_assert_eq!(verify_inclusions(size(count), &wrong, &batch(&items)), expected);
    }
}
