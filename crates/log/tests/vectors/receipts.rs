//! Proofs of transparency-dev/formats, whose checkpoints are no notes: they are taken verbatim.

use jurat_crypto::Digest;
use jurat_log::Receipt;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    marshal: Vec<Case>,
    reject: Vec<String>,
}

#[derive(Deserialize)]
struct Case {
    index: u64,
    #[serde(default)]
    extra: String,
    hashes_sha256_of: Vec<String>,
    checkpoint: String,
    want: String,
}

#[test]
fn proofs_are_read_and_written_as_stated() {
    let vectors: Vectors = super::read("tlog_proof.json");
    assert_eq!(vectors.marshal.len(), 3);
    for Case { index, extra, hashes_sha256_of, checkpoint, want } in vectors.marshal {
        let receipt = Receipt::parse(want.as_bytes()).unwrap();
        let hashes: Vec<Digest> = hashes_sha256_of.iter().map(|text| Digest::of(text.as_bytes())).collect();
        assert_eq!(receipt.index().value(), index);
        assert_eq!(receipt.extra(), extra.as_bytes());
        assert_eq!(receipt.proof().hashes(), hashes);
        assert_eq!(receipt.checkpoint(), checkpoint);
        assert_eq!(receipt.to_string(), want);
    }
}

#[test]
fn malformed_proofs_are_refused() {
    let vectors: Vectors = super::read("tlog_proof.json");
    assert_eq!(vectors.reject.len(), 7);
    for text in vectors.reject {
        assert!(Receipt::parse(text.as_bytes()).is_err(), "{text}");
    }
}
