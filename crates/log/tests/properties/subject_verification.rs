//! Subject proofs checked offline: each check fails for its own reason, and no bit can be changed.

use jurat_crypto::Digest;
use jurat_log::{
    BatchStamp, Check, Checkpoint, Failed, Note, NoteText, Origin, Policy, SubjectMap, SubjectProof,
    SubjectProofError, SubjectRoot, verify_subject,
};
use proptest::prelude::*;

use crate::{
    council::{self, checkpoint_over, note, policy, stamp},
    subjects::Memory,
    tree::{index, size},
};

fn file(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

/// The map of a log of 9 entries, of which 4 and 7 are about `attested`.
fn map() -> (Memory, SubjectMap) {
    let (mut nodes, mut map) = (Memory::default(), SubjectMap::EMPTY);
    let others = (0..9).map(|at| (file(&format!("other {at}")), index(at)));
    let pairs: Vec<_> = others.chain([4, 7].map(|at| (file("attested"), index(at)))).collect();
    map.extend(&mut nodes, &pairs).unwrap();
    (nodes, map)
}

fn checkpoint(subjects: &SubjectRoot) -> Checkpoint {
    checkpoint_over(size(9), Digest::of(b"the tree"), subjects)
}

fn proof(name: &str, note: &Note) -> String {
    let (mut nodes, map) = map();
    map.prove(&mut nodes, &file(name)).unwrap().with_checkpoint(note).to_string()
}

fn good(name: &str) -> String {
    proof(name, &note(&checkpoint(&map().1.root()), [0, 1, 2]))
}

fn failed(text: &str, name: &str) -> (Check, String) {
    let failed = verify_subject(text.as_bytes(), &file(name), &policy(4)).unwrap_err();
    (failed.check(), failed.to_string())
}

#[test]
fn a_proof_tells_what_the_log_has_when_and_before_whom() {
    let text = good("attested");
    assert_eq!(SubjectProof::parse(text.as_bytes()).unwrap().to_string(), text);
    let verified = verify_subject(text.as_bytes(), &file("attested"), &policy(4)).unwrap();
    let entries = verified.entries.unwrap();
    assert_eq!((entries.first, entries.count), (index(4), 2));
    assert!(entries.are(&[index(4), index(7)]));
    assert_eq!(verified.batch, Some(stamp()));
    assert_eq!(verified.endorsement.checkpoint.size(), size(9));
    assert_eq!(verified.endorsement.cosigners.len(), 3);

    let verified = verify_subject(good("never").as_bytes(), &file("never"), &policy(4)).unwrap();
    assert_eq!(verified.entries, None);
}

#[test]
fn each_check_fails_for_its_own_reason() {
    let text = good("never");
    assert_eq!(failed("", "never").0, Check::Receipt);
    let (bare, checkpoint_text) = text.split_once("\n\n").unwrap();
    let no_checkpoint = Err(Failed::SubjectProof(SubjectProofError::NoCheckpoint));
    for text in [format!("{bare}\n"), format!("{bare}\n\n")] {
        assert_eq!(verify_subject(text.as_bytes(), &file("never"), &policy(4)), no_checkpoint);
    }
    assert_eq!(failed(&text.replace("jurat.batch 3", "jurat.batch x"), "never").0, Check::Receipt);
    assert_eq!(failed(&text, "another").0, Check::Subject);

    // The proof of one file under the name of another.
    let stolen = text.replace(&file("never").to_string(), &file("attested").to_string());
    assert_eq!(failed(&stolen, "attested").0, Check::Inclusion);
    // A checkpoint that commits to another map, and one that commits to none.
    let other = proof("never", &note(&checkpoint(&SubjectRoot::EMPTY), [0, 1, 2]));
    assert_eq!(failed(&other, "never").0, Check::Inclusion);
    let plain = Checkpoint::new(Origin::new(council::ORIGIN).unwrap(), size(9), Digest::of(b"the tree"));
    let reason = failed(&proof("never", &note(&plain, [0, 1, 2])), "never");
    assert_eq!(reason.0, Check::Inclusion);
    assert!(reason.1.contains("does not commit to a subject map"), "{}", reason.1);
    assert_eq!(BatchStamp::of(&plain), Ok(None));

    assert_eq!(
        failed(&proof("never", &note(&checkpoint(&map().1.root()), [0, 1])), "never").0,
        Check::Quorum
    );
    let (text_of_note, signatures) = checkpoint_text.split_once("\n\n").unwrap();
    let text_of_note = NoteText::new(text_of_note.to_owned() + "\n").unwrap();
    assert_eq!(text_of_note, checkpoint(&map().1.root()).to_text());
    let (_, cosignatures) = signatures.split_once('\n').unwrap();
    assert_eq!(failed(&text.replace(signatures, cosignatures), "never").0, Check::LogSignature);
    let lax = Policy::parse(format!("log {}\nquorum none\n", council::log_vkey(0)).as_bytes()).unwrap();
    let failed = verify_subject(text.as_bytes(), &file("never"), &lax).unwrap_err();
    assert_eq!(failed.check(), Check::Policy);
}

proptest! {
    #[test]
    fn no_flipped_bit_passes(present: bool, byte: prop::sample::Index, bit in 0_u8..8) {
        let name = if present { "attested" } else { "never" };
        let mut text = good(name).into_bytes();
        let at = byte.index(text.len());
        text[at] ^= 1 << bit;
        let verified = verify_subject(&text, &file(name), &policy(4));
        // A signature by someone unknown is passed over, so a bit of its name or key id may change
        // as long as the quorum stands without it: three of four are the least.
        prop_assert!(verified.is_err());
    }
}
