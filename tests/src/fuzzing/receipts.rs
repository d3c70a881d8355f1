//! Receipts: reading them, and what they prove.

use jurat_crypto::Digest;
use jurat_log::{Attestation, Entry, Note, Receipt, verify_leaf, verify_receipt};

use super::{Seed, fixtures, notes::is_signed_by_fixtures, seed};

pub(super) fn receipt(input: &[u8]) -> Option<()> {
    let receipt = Receipt::parse(input).ok()?;
    assert_eq!(receipt.to_string().as_bytes(), input);
    Some(())
}

/// Only one receipt of this file was ever made. Whatever passes must say the same.
pub(super) fn verification(input: &[u8]) -> Option<()> {
    let verified = verify_receipt(input, &Digest::of(fixtures::FILE), fixtures::policy()).ok()?;
    let honest = fixtures::receipt();
    let attestation = Attestation::from_envelope(honest.extra()).expect("the fixture has an envelope");
    assert_eq!(verified.attestor, *attestation.attestor());
    assert!(verified.name_is_signed());
    assert_eq!(verified.index, honest.index());
    let leaf = Entry::Attestation(attestation).leaf_hash();
    assert_eq!(verify_leaf(input, &leaf, fixtures::policy()).map(|leaf| leaf.index), Ok(verified.index));
    let received = Receipt::parse(input).expect("verified receipts can be read");
    assert_eq!((received.extra(), received.proof()), (honest.extra(), honest.proof()));
    let note = Note::parse(received.checkpoint().as_bytes()).expect("verified checkpoints can be read");
    assert!(is_signed_by_fixtures(note.text()), "forged: {note}");
    assert!(verified.endorsement.cosigners.len() >= 3);
    Some(())
}

pub(super) fn receipt_seeds() -> Vec<Seed> {
    let text = fixtures::receipt().to_string();
    let without_extra: Vec<&str> =
        text.split_inclusive('\n').filter(|line| !line.starts_with("extra ")).collect();
    vec![seed("whole", &text), seed("without_extra", without_extra.concat())]
}

pub(super) fn verification_seeds() -> Vec<Seed> {
    let text = fixtures::receipt().to_string();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let three_of_four = lines[..lines.len() - 1].concat();
    vec![seed("four_of_four", text), seed("three_of_four", three_of_four)]
}
