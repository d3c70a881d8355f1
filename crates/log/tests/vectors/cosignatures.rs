//! Cosignatures and log signatures of real logs and witnesses (sunlight, torchwood, Go's sum
//! database, transparency-dev/formats).

use jurat_crypto::{SignatureType, Vkey, VkeyError};
use jurat_log::{Checkpoint, Cosignature, Note, UnixSeconds};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    cosignature_v1: Vec<Signed>,
    log_signature: Vec<Signed>,
    timestamp: Timestamp,
    vkeys: Vec<VkeyCase>,
}

#[derive(Deserialize)]
struct Signed {
    vkey: Vkey,
    checkpoint: String,
    valid: bool,
}

#[derive(Deserialize)]
struct Timestamp {
    sig_base64: String,
    unix: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct VkeyCase {
    name: String,
    vkey: String,
    want_err: bool,
}

fn vectors() -> Vectors {
    super::read("cosignature.json")
}

#[test]
fn signatures_have_the_stated_verdict() {
    let vectors = vectors();
    assert_eq!((vectors.cosignature_v1.len(), vectors.log_signature.len()), (2, 1));
    for (case, kind) in vectors
        .cosignature_v1
        .iter()
        .map(|case| (case, SignatureType::CosignatureV1))
        .chain(vectors.log_signature.iter().map(|case| (case, SignatureType::Ed25519)))
    {
        assert_eq!(case.vkey.kind(), kind);
        let note = Note::parse(case.checkpoint.as_bytes()).unwrap();
        assert_eq!(note.to_string(), case.checkpoint);
        assert_eq!(Checkpoint::parse(note.text()).unwrap().to_text(), *note.text());
        let verified = note.verify([&case.vkey]);
        assert_eq!(verified.is_ok(), case.valid);
        let is_timed = verified.unwrap()[0].time.is_some();
        assert_eq!(is_timed, kind == SignatureType::CosignatureV1);

        // The check can fail: another size.
        let other = case.checkpoint.replacen("\n3", "\n4", 1);
        assert_ne!(other, case.checkpoint);
        assert!(Note::parse(other.as_bytes()).unwrap().verify([&case.vkey]).is_err());
    }
}

#[test]
fn the_timestamp_is_read_from_behind_the_key_id() {
    let Timestamp { sig_base64, unix } = vectors().timestamp;
    let bytes = super::base64(&sig_base64);
    let cosignature = Cosignature::from_bytes(&bytes[4..]).unwrap();
    assert_eq!(cosignature.time(), UnixSeconds::new(unix).unwrap());
}

/// ML-DSA-44 (0x06) is the one kind of key that the vectors have and this crate has not yet.
#[test]
fn vkeys_parse_as_stated() {
    let mut later = 0;
    for VkeyCase { name, vkey, want_err } in vectors().vkeys {
        match vkey.parse::<Vkey>() {
            Err(VkeyError::UnknownType(0x06)) => later += 1,
            parsed => assert_eq!(parsed.is_err(), want_err, "{name}"),
        }
    }
    assert_eq!(later, 1);
}
