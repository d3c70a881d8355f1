//! A checkpoint that torchwood signed with ML-DSA-44.

use jurat_crypto::{KeyName, MlDsaSigningKey, MlDsaVkey, VerifyError};
use jurat_log::{Checkpoint, MlDsaCosignature, Note, NoteText};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    seed_hex: String,
    name: String,
    key_id: String,
    public_key_base64_begins: String,
    checkpoint: String,
}

#[test]
fn a_foreign_signature_holds_under_the_key_of_its_seed() {
    let vector: Vector = super::read("ml_dsa_cosignature.json");
    let key = MlDsaSigningKey::from_seed(&super::hex(&vector.seed_hex).try_into().unwrap());
    let vkey = MlDsaVkey::new(KeyName::new(vector.name.as_str()).unwrap(), key.verifying_key().clone());
    let start = format!("{}+{}+{}", vector.name, vector.key_id, vector.public_key_base64_begins);
    assert!(vkey.to_string().starts_with(&start));

    let note = Note::parse(vector.checkpoint.as_bytes()).unwrap();
    let line = &note.signatures()[0];
    assert_eq!((line.name(), line.id()), (vkey.name(), vkey.id()));
    let cosignature = MlDsaCosignature::from_bytes(line.bytes()).unwrap();
    assert_eq!(cosignature.to_line(&vkey), *line);
    assert_eq!((cosignature.time().value(), cosignature.verify(note.text(), &vkey)), (0, Ok(())));

    // The check can fail: another size, another origin, another cosigner.
    for (from, to) in [("\n1\n", "\n2\n"), ("example.com/", "example.org/")] {
        let changed = NoteText::new(note.text().as_str().replacen(from, to, 1)).unwrap();
        assert_eq!(cosignature.verify(&changed, &vkey), Err(VerifyError));
    }
    let renamed = MlDsaVkey::new(KeyName::new("w").unwrap(), key.verifying_key().clone());
    assert_eq!(cosignature.verify(note.text(), &renamed), Err(VerifyError));

    let own = MlDsaCosignature::sign(
        &Checkpoint::parse(note.text()).unwrap(),
        vkey.name(),
        &key,
        cosignature.time(),
    );
    assert_eq!(own.verify(note.text(), &vkey), Ok(()));
}
