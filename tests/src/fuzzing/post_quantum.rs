//! ML-DSA-44: keys as they are written down, and cosignatures of type 0x06.

use std::sync::LazyLock;

use jurat_crypto::{Digest, MlDsaSignature, MlDsaSigningKey, MlDsaVkey};
use jurat_log::{Checkpoint, MlDsaCosignature, NoteKey, TreeSize, UnixSeconds};

use super::{Seed, fixtures, seed};

struct Cosigner {
    vkey: MlDsaVkey,
    checkpoint: Checkpoint,
    cosignature: MlDsaCosignature,
}

/// It has made one cosignature only.
fn cosigner() -> &'static Cosigner {
    static COSIGNER: LazyLock<Cosigner> = LazyLock::new(|| {
        let key = MlDsaSigningKey::from_seed(&[7; 32]);
        let name = fixtures::attestor().name().clone();
        let size = TreeSize::new(7).expect("a size");
        let checkpoint = Checkpoint::new(fixtures::origin(), size, Digest::of(b"root"));
        let time = UnixSeconds::new(fixtures::TIME / 1000).expect("a time");
        let cosignature = MlDsaCosignature::sign(&checkpoint, &name, &key, time);
        Cosigner { vkey: MlDsaVkey::new(name, key.verifying_key().clone()), checkpoint, cosignature }
    });
    &COSIGNER
}

pub(super) fn note_key(input: &[u8]) -> Option<()> {
    let text = str::from_utf8(input).ok()?;
    let key = text.parse::<NoteKey>().ok()?;
    assert_eq!(key.to_string(), text);
    let vkey = text.parse::<MlDsaVkey>().map(|vkey| {
        assert_eq!(vkey.to_string(), text);
        NoteKey::from(vkey)
    });
    assert_eq!(vkey.ok(), Some(key).filter(|key| matches!(key, NoteKey::MlDsa44(_))));
    Some(())
}

pub(super) fn note_key_seeds() -> Vec<Seed> {
    vec![
        seed("ml_dsa", cosigner().vkey.to_string()),
        seed("ed25519", fixtures::genesis().members()[0].cosign.to_string()),
    ]
}

pub(super) fn ml_dsa_cosignature(input: &[u8]) -> Option<()> {
    let Cosigner { vkey, checkpoint, cosignature: honest } = cosigner();
    let cosignature = MlDsaCosignature::from_bytes(input)?;
    assert_eq!(cosignature.to_line(vkey).bytes(), input);
    let (time, signature) = input.split_at(8);
    assert_eq!(cosignature.time().value().to_be_bytes(), time);
    assert_eq!(MlDsaSignature::from_bytes(signature)?.as_bytes(), signature);
    assert_eq!(cosignature.verify(&checkpoint.to_text(), vkey).is_ok(), cosignature == *honest);
    Some(())
}

pub(super) fn ml_dsa_cosignature_seeds() -> Vec<Seed> {
    let Cosigner { vkey, cosignature, .. } = cosigner();
    vec![seed("signed", cosignature.to_line(vkey).bytes())]
}
