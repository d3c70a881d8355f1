//! A log that grows from 5 to 8 entries, from the tests of transparency-dev/witness.

use jurat_crypto::{SecretKey, Vkey};
use jurat_log::{Checkpoint, ConsistencyProof, Note, ProofError};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    log_vkey: Vkey,
    log_skey: String,
    checkpoint_size5: String,
    checkpoint_size8: String,
    consistency_5_8_hex: Vec<String>,
}

#[test]
fn the_log_has_signed_two_consistent_checkpoints() {
    let vectors: Vectors = super::read("omniwitness_monkeys.json");
    let SecretKey::Key { name, key, .. } = SecretKey::parse(&vectors.log_skey, None).unwrap() else {
        panic!("not a key")
    };
    let [old, new] = [&vectors.checkpoint_size5, &vectors.checkpoint_size8].map(|checkpoint| {
        let note = Note::parse(checkpoint.as_bytes()).unwrap();
        assert_eq!(note.verify([&vectors.log_vkey]).unwrap()[0].vkey, &vectors.log_vkey);
        assert_eq!(note.text().sign(name.clone(), &key), note.signatures()[0]);
        Checkpoint::parse(note.text()).unwrap()
    });
    assert_eq!((old.size().value(), new.size().value()), (5, 8));
    let hashes = vectors.consistency_5_8_hex.iter().map(|hash| hash.parse().unwrap()).collect();
    let proof = ConsistencyProof::new(hashes).unwrap();
    let verify =
        |old: &Checkpoint, new: &Checkpoint| proof.verify(old.size(), new.size(), old.root(), new.root());
    assert_eq!(verify(&old, &new), Ok(()));
    assert!(matches!(verify(&new, &old), Err(ProofError::Shrunk { .. })));
}
