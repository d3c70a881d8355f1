//! Evidence of forks: any two contradictory checkpoints make it, no two of one log do.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Checkpoint, ConsistencyProof, Cosignature, ForkEvidence, ForkEvidenceError, Note, Origin, Policy, Tree,
    UnixSeconds,
};
use proptest::{prelude::*, sample::Index};

use crate::tree::{damage, flip, leaves, size};

const LOG: &str = "log.example";

fn vkey(name: &str, kind: SignatureType, seed: u8) -> Vkey {
    let key = SigningKey::from_seed(&[seed; 32]).verifying_key();
    Vkey::new(KeyName::new(name).unwrap(), kind, key)
}

/// Signed by the log's key number `log`, and cosigned by these witnesses.
fn note(leaves: usize, root: Digest, log: u8, witnesses: &[u8]) -> Note {
    let checkpoint = Checkpoint::new(Origin::new(LOG).unwrap(), size(leaves), root);
    let text = checkpoint.to_text();
    let mut note =
        Note::new(text.clone(), text.sign(KeyName::new(LOG).unwrap(), &SigningKey::from_seed(&[log; 32])));
    for witness in witnesses {
        let key = SigningKey::from_seed(&[*witness; 32]);
        let line = Cosignature::sign(&checkpoint, &key, UnixSeconds::new(7).unwrap());
        note.add(line.to_line(KeyName::new(format!("w{witness}")).unwrap(), key.verifying_key())).unwrap();
    }
    note
}

/// Two log keys, 1 and 2, and two witnesses, 11 and 12.
fn policy() -> Policy {
    let mut text = String::new();
    for log in [1, 2] {
        text += &format!("log {}\n", vkey(LOG, SignatureType::Ed25519, log));
    }
    for witness in [11, 12] {
        let vkey = vkey(&format!("w{witness}"), SignatureType::CosignatureV1, witness);
        text += &format!("witness w{witness} {vkey}\n");
    }
    Policy::parse((text + "quorum w11\n").as_bytes()).unwrap()
}

fn tree(count: usize) -> Tree {
    leaves(count).into_iter().collect()
}

/// A tree that differs from [`tree`] in one leaf.
fn forked(count: usize, leaf: usize) -> Tree {
    let mut leaves = leaves(count);
    leaves[leaf] = flip(leaves[leaf], 3);
    leaves.into_iter().collect()
}

#[test]
fn the_signers_of_both_are_named() {
    let one = note(5, tree(5).root(), 1, &[11]);
    let other = note(5, forked(5, 2).root(), 2, &[11, 12]);
    let evidence = ForkEvidence::same_size(one.clone(), other.clone()).unwrap();
    assert_eq!(ForkEvidence::same_size(other.clone(), one.clone()).unwrap(), evidence);
    let signers = evidence.verify(&policy()).unwrap();
    assert_eq!(signers.both, [vkey("w11", SignatureType::CosignatureV1, 11).into()]);
    let mut counts = [signers.smaller.len(), signers.larger.len()];
    counts.sort_unstable();
    assert_eq!(counts, [2, 3]);

    // Strangers can sign what they like.
    let stranger = note(5, forked(5, 2).root(), 3, &[]);
    let evidence = ForkEvidence::same_size(one.clone(), stranger).unwrap();
    assert!(evidence.verify(&policy()).is_err());
    assert_eq!(ForkEvidence::same_size(one.clone(), one.clone()), Err(ForkEvidenceError::Consistent));
    let other_size = note(6, tree(6).root(), 1, &[]);
    assert!(ForkEvidence::same_size(one, other_size).is_err());
}

#[test]
fn a_file_has_one_spelling() {
    let evidence =
        ForkEvidence::same_size(note(5, tree(5).root(), 1, &[]), note(5, forked(5, 2).root(), 1, &[]))
            .unwrap();
    let file = evidence.to_string();
    let parse = |text: String| ForkEvidence::parse(text.as_bytes());
    assert_eq!(parse(file.clone()), Ok(evidence));
    assert_eq!(parse(file.clone() + "\n"), Err(ForkEvidenceError::Form));
    assert_eq!(parse(file.replacen("v1", "v2", 1)), Err(ForkEvidenceError::Header));
    assert!(parse(file.replacen("checkpoint ", "checkpoint 0", 1)).is_err());
    let (_, notes) = file.split_once("\n\n").unwrap();
    let second = notes.rfind("checkpoint ").unwrap();
    let swapped = format!("jurat/v1/fork-evidence\n\n{}{}", &notes[second..], &notes[..second]);
    assert_eq!(parse(swapped), Err(ForkEvidenceError::Form));
    assert_eq!(ForkEvidence::parse(&[0xff]), Err(ForkEvidenceError::NotUtf8));
    let large = vec![b'\n'; jurat_log::MAX_FORK_EVIDENCE_BYTES + 1];
    assert_eq!(ForkEvidence::parse(&large), Err(ForkEvidenceError::TooLarge(large.len())));
}

proptest! {
    #[test]
    fn two_sizes_contradict_each_other_where_a_leaf_differs(
        new in 2_usize..200, (old, leaf) in any::<(Index, Index)>(), bit: usize,
    ) {
        let old = old.index(new - 1) + 1;
        let leaf = leaf.index(old);
        let (ours, theirs) = (tree(new), forked(old, leaf));
        let smaller = note(old, theirs.root(), 1, &[11]);
        let larger = note(new, ours.root(), 1, &[11]);
        let proof = ConsistencyProof::generate_prefix(&ours, size(old), size(new)).unwrap();
        prop_assert_eq!(proof.prefix_root(size(old), size(new), &ours.root()), ours.root_at(size(old)).map_err(|_| unreachable!()));
        let evidence = ForkEvidence::different_sizes(smaller.clone(), larger.clone(), proof.clone()).unwrap();
        prop_assert_eq!(evidence.verify(&policy()).unwrap().both.len(), 2);
        prop_assert_eq!(ForkEvidence::parse(evidence.to_string().as_bytes()), Ok(evidence.clone()));
        // Not with other hashes, and not against checkpoints of one log.
        for changed in damage(proof.hashes(), bit) {
            let changed = ConsistencyProof::new(changed).unwrap();
            prop_assert!(ForkEvidence::different_sizes(smaller.clone(), larger.clone(), changed).is_err());
        }
        let honest = note(old, ours.root_at(size(old)).unwrap(), 1, &[11]);
        prop_assert_eq!(
            ForkEvidence::different_sizes(honest.clone(), larger.clone(), proof.clone()),
            Err(ForkEvidenceError::Consistent)
        );
        for changed in damage(proof.hashes(), bit) {
            let changed = ConsistencyProof::new(changed).unwrap();
            prop_assert!(ForkEvidence::different_sizes(honest.clone(), larger.clone(), changed).is_err());
        }
        // A file with a changed byte accuses nobody who is not accused already.
        let mut bytes = evidence.to_string().into_bytes();
        let position = bit % bytes.len();
        bytes[position] ^= 1;
        if let Ok(changed) = ForkEvidence::parse(&bytes)
            && let Ok(signers) = changed.verify(&policy())
        {
            prop_assert!(signers.both.iter().all(|key| evidence.verify(&policy()).unwrap().both.contains(key)));
        }
    }
}
