//! Receipts: each check fails for its own reason, and no bit of a receipt can be changed.

use jurat_crypto::{Digest, KeyName, SigningKey};
use jurat_log::{
    Attestation, Check, Entry, Failed, InclusionProof, LeafIndex, Note, NoteText, Policy, Receipt,
    ReceiptError, STATEMENT_PAYLOAD_TYPE, Statement, Subject, Tree, TreeSize, leaf_hash, verify_leaf,
    verify_receipt,
};
use proptest::prelude::*;

use crate::{
    council::{self, checkpoint, cosigner_vkey, log_vkey, note, policy, stamp, time},
    tree::size,
};

const FILE: &[u8] = b"the file";

fn ana() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

fn name() -> KeyName {
    KeyName::new("lab.example/ana").unwrap()
}

fn attestation() -> Attestation {
    let subjects = [Subject::file("other", &Digest::of(b"other")), Subject::file("file", &Digest::of(FILE))];
    let vkey = jurat_crypto::Vkey::new(name(), jurat_crypto::SignatureType::Ed25519, ana().verifying_key());
    let payload = Statement::compose(&subjects, "https://example.com/v1", Some("{}"), &vkey).unwrap();
    Attestation::sign(&ana(), name(), STATEMENT_PAYLOAD_TYPE, payload).unwrap()
}

/// A log of 13 entries with the attestation at index 6.
struct Log {
    tree: Tree,
    index: LeafIndex,
    size: TreeSize,
}

impl Log {
    fn with(attestation: &Attestation) -> Self {
        let mut tree: Tree = (0..6_u8).map(|i| leaf_hash(&[i])).collect();
        tree.append(Entry::Attestation(attestation.clone()).leaf_hash());
        tree.extend((7..13_u8).map(|i| leaf_hash(&[i])));
        let size = tree.size();
        Self { tree, index: LeafIndex::new(6).unwrap(), size }
    }

    fn note(&self, cosigners: &[u8]) -> Note {
        note(&checkpoint(self.size, self.tree.root()), cosigners.iter().copied())
    }

    fn proof(&self) -> InclusionProof {
        InclusionProof::generate(&self.tree, self.index, self.size).unwrap()
    }
}

fn receipt_of(attestation: &Attestation, cosigners: &[u8]) -> String {
    let log = Log::with(attestation);
    Receipt::new(attestation, log.index, log.proof(), &log.note(cosigners)).to_string()
}

fn receipt() -> String {
    receipt_of(&attestation(), &[0, 1, 2])
}

fn verify(receipt: &str) -> Result<jurat_log::Verified, Failed> {
    verify_receipt(receipt.as_bytes(), &Digest::of(FILE), &policy(4))
}

fn failed(receipt: &str) -> (Check, String) {
    let failed = verify(receipt).unwrap_err();
    (failed.check(), failed.to_string())
}

#[test]
fn a_receipt_tells_who_what_when_and_before_whom() {
    let text = receipt();
    assert_eq!(Receipt::parse(text.as_bytes()).unwrap().to_string(), text);
    let verified = verify(&text).unwrap();
    assert_eq!(verified.attestor, *attestation().attestor());
    assert!(verified.name_is_signed());
    assert_eq!(verified.subject.name(), Some("file"));
    assert_eq!(verified.statement.predicate_type(), "https://example.com/v1");
    assert_eq!(verified.index.value(), 6);
    assert_eq!(verified.leaf_hash, Entry::Attestation(attestation()).leaf_hash());
    assert_eq!(verified.batch, Some(stamp()));
    let endorsement = verified.endorsement;
    assert_eq!(endorsement.checkpoint.size(), size(13));
    assert_eq!(endorsement.checkpoint.origin().as_str(), council::ORIGIN);
    assert_eq!(endorsement.logs, [log_vkey(0)]);
    let cosigners: Vec<_> = endorsement.cosigners.iter().map(|by| (by.vkey.clone(), by.time)).collect();
    assert_eq!(cosigners, [0, 1, 2].map(|member| (cosigner_vkey(member).into(), time(member))));
}

#[test]
fn a_name_that_nobody_signed_is_told_apart() {
    let payload = format!(
        "{{\"_type\":\"https://in-toto.io/Statement/v1\",\"subject\":[{{\"digest\":{{\"sha256\":\"{}\"}}}}],\
         \"predicateType\":\"x:y\"}}",
        Digest::of(FILE)
    );
    let attestation =
        Attestation::sign(&ana(), name(), STATEMENT_PAYLOAD_TYPE, payload.clone().into_bytes()).unwrap();
    assert!(!verify(&receipt_of(&attestation, &[0, 1, 2])).unwrap().name_is_signed());
    // Which is why another name can be put in its place, and the log holds both.
    let renamed = KeyName::new("bank.example").unwrap();
    let renamed = Attestation::sign(&ana(), renamed, STATEMENT_PAYLOAD_TYPE, payload.into_bytes()).unwrap();
    assert_eq!(renamed.signature(), attestation.signature());
    assert!(!verify(&receipt_of(&renamed, &[0, 1, 2])).unwrap().name_is_signed());
}

#[test]
fn each_check_fails_for_its_own_reason() {
    assert_eq!(failed("").0, Check::Receipt);
    let text = receipt();
    assert_eq!(failed(&text.replace("jurat.batch 3", "jurat.batch x")).0, Check::Receipt);
    assert_eq!(failed(&text[..text.len() - 1]).0, Check::Receipt);

    // Another spelling of the same attestation, and none at all.
    let envelope = attestation().to_envelope();
    let extra = |bytes: &[u8]| format!("extra {}\n", data_encoding::BASE64.encode(bytes));
    let spaced = text.replace(&extra(envelope.as_bytes()), &extra(envelope.replace(',', ", ").as_bytes()));
    assert_eq!(verify(&spaced), Err(Failed::NotCanonical));
    assert_eq!(Failed::NotCanonical.check(), Check::Attestation);
    assert_eq!(failed(&text.replace(&extra(envelope.as_bytes()), "")).0, Check::Attestation);
    let plain = Attestation::sign(&ana(), name(), "text/plain", b"hello".to_vec()).unwrap();
    assert_eq!(failed(&receipt_of(&plain, &[0, 1, 2])).0, Check::Attestation);

    let good = attestation();
    let forged = SigningKey::from_seed(&[78; 32]).sign(&good.signed_message());
    let forged =
        Attestation::new(good.attestor().clone(), STATEMENT_PAYLOAD_TYPE, good.payload().to_vec(), forged)
            .unwrap();
    assert_eq!(failed(&receipt_of(&forged, &[0, 1, 2])).0, Check::AttestorSignature);

    let other = verify_receipt(text.as_bytes(), &Digest::of(b"another file"), &policy(4)).unwrap_err();
    assert_eq!(other.check(), Check::Subject);

    let log = Log::with(&good);
    let elsewhere = Receipt::new(&good, LeafIndex::new(7).unwrap(), log.proof(), &log.note(&[0, 1, 2]));
    assert_eq!(failed(&elsewhere.to_string()).0, Check::Inclusion);

    let foreign = log.note(&[0, 1, 2]).to_string().replace(council::ORIGIN, "other.example");
    let foreign = Note::parse(foreign.as_bytes()).unwrap();
    let (check, reason) = failed(&Receipt::new(&good, log.index, log.proof(), &foreign).to_string());
    assert_eq!((check, reason.as_str()), (Check::LogSignature, "the policy lists no log other.example"));
    let altered = log.note(&[0, 1, 2]).to_string().replace("jurat.batch 3 ", "jurat.batch 4 ");
    let altered = Note::parse(altered.as_bytes()).unwrap();
    assert_eq!(
        failed(&Receipt::new(&good, log.index, log.proof(), &altered).to_string()).0,
        Check::LogSignature
    );

    let (check, reason) = failed(&receipt_of(&good, &[0, 1]));
    assert_eq!((check, reason.as_str()), (Check::Quorum, "2 of the 3 needed cosignatures"));
    let (check, reason) = failed(&receipt_of(&good, &[0, 1, 50, 51]));
    assert_eq!((check, reason.as_str()), (Check::Quorum, "2 of the 3 needed cosignatures"));
    let mut spoiled = log.note(&[0, 1, 2]);
    let lifted = council::checkpoint(log.size, Digest::of(b"another root"));
    spoiled.add(council::cosignature(&lifted, 3)).unwrap();
    assert_eq!(failed(&Receipt::new(&good, log.index, log.proof(), &spoiled).to_string()).0, Check::Quorum);

    let verify_with = |policy: &str| {
        let text = receipt();
        let policy = policy.replace("<log>", &log_vkey(0).to_string());
        let policy = policy.replace("<log 1>", &log_vkey(1).to_string());
        let policy = policy.replace("<witness>", &cosigner_vkey(0).to_string());
        verify_receipt(text.as_bytes(), &Digest::of(FILE), &Policy::parse(policy.as_bytes()).unwrap())
    };
    assert_eq!(verify_with("log <log>\nquorum none\n"), Err(Failed::NoQuorumRule));
    assert_eq!(Failed::NoQuorumRule.check(), Check::Policy);
    let weak = verify_with("log <log>\nlog <log 1>\nwitness w <witness>\nquorum w\n").unwrap_err();
    assert_eq!(weak.check(), Check::Policy);
    assert!(verify_with("log <log>\nwitness w <witness>\nquorum w\n").is_ok());

    let names = [
        Check::Receipt,
        Check::Attestation,
        Check::AttestorSignature,
        Check::Subject,
        Check::Inclusion,
        Check::LogSignature,
        Check::Quorum,
        Check::Policy,
    ];
    assert_eq!(
        names.map(Check::as_str),
        [
            "receipt",
            "attestation",
            "attestor-signature",
            "subject",
            "inclusion",
            "log-signature",
            "quorum",
            "policy"
        ]
    );
}

#[test]
fn the_receipt_of_an_entry_of_any_kind_holds_against_its_leaf_hash_only() {
    let log = Log::with(&attestation());
    let leaf = Entry::Attestation(attestation()).leaf_hash();
    let text =
        |cosigners: &[u8]| Receipt::without_extra(log.index, log.proof(), &log.note(cosigners)).to_string();
    let checked = |text: &str, leaf: &Digest| verify_leaf(text.as_bytes(), leaf, &policy(4));
    // With an attestation's envelope or without.
    for text in [text(&[0, 1, 2]), receipt()] {
        let verified = checked(&text, &leaf).unwrap();
        assert_eq!((verified.index.value(), verified.batch), (6, Some(stamp())));
        assert_eq!(verified.endorsement.cosigners.len(), 3);
        let other = checked(&text, &leaf_hash(&[7])).unwrap_err();
        assert_eq!(other.check(), Check::Inclusion);
    }
    assert_eq!(checked("", &leaf).unwrap_err().check(), Check::Receipt);
    assert_eq!(checked(&text(&[0, 1]), &leaf).unwrap_err().check(), Check::Quorum);
    let lenient = Policy::parse(format!("log {}\nquorum none\n", log_vkey(0)).as_bytes()).unwrap();
    assert_eq!(verify_leaf(text(&[0]).as_bytes(), &leaf, &lenient), Err(Failed::NoQuorumRule));
}

#[test]
fn a_receipt_is_strict_and_bounded() {
    let text = receipt();
    let refused = |text: &str| Receipt::parse(text.as_bytes()).unwrap_err();
    assert_eq!(refused(&text.replace("tlog-proof@v1", "tlog-proof@v2")), ReceiptError::Header);
    assert_eq!(
        refused(&text.replace("index 6", "index 06")),
        ReceiptError::Index(jurat_log::SizeError::Syntax)
    );
    assert!(matches!(refused(&text.replace("index 6", "index 9223372036854775807")), ReceiptError::Index(_)));
    assert_eq!(refused(&text.replace("index 6", "Index 6")), ReceiptError::NoIndex);
    assert_eq!(refused("c2sp.org/tlog-proof@v1\nextra \nindex 0\n\nx\n"), ReceiptError::Extra);
    assert_eq!(refused("c2sp.org/tlog-proof@v1\nindex 0\n\n"), ReceiptError::NoCheckpoint);
    assert_eq!(refused("c2sp.org/tlog-proof@v1\nindex 0\n"), ReceiptError::NoCheckpoint);
    let hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n";
    let with = |count| format!("c2sp.org/tlog-proof@v1\nindex 0\n{}\nx\n", hash.repeat(count));
    assert_eq!(Receipt::parse(with(63).as_bytes()).unwrap().proof().hashes().len(), 63);
    assert!(matches!(refused(&with(64)), ReceiptError::Proof(_)));
    assert_eq!(refused(&with(2).replacen("FU=", "FV=", 1)), ReceiptError::Hash(0));
    let long = text + &"x".repeat(jurat_log::MAX_RECEIPT_BYTES);
    assert_eq!(refused(&long), ReceiptError::TooLarge(long.len()));
}

/// With exactly a quorum of cosigners, every bit of a receipt counts. (Beyond a quorum, and in
/// lines of strangers, a bit more or less leaves enough: C2SP has unknown lines ignored.)
#[test]
fn no_bit_of_a_receipt_can_be_flipped() {
    let good = receipt().into_bytes();
    for at in 0..good.len() {
        for bit in 0..8 {
            let mut changed = good.clone();
            changed[at] ^= 1 << bit;
            let verdict = verify_receipt(&changed, &Digest::of(FILE), &policy_of_four());
            assert!(verdict.is_err(), "bit {bit} of byte {at}");
        }
    }
}

fn policy_of_four() -> Policy {
    thread_local!(static POLICY: Policy = policy(4));
    POLICY.with(Clone::clone)
}

proptest! {
    #[test]
    fn whatever_parses_is_written_the_same(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = receipt().into_bytes();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.map_or(usize::MAX, |at| at.index(bytes.len())));
        if let Ok(receipt) = Receipt::parse(&bytes) {
            prop_assert_eq!(receipt.to_string().into_bytes(), bytes);
        }
    }

    /// Texts without a note in place of the checkpoint: read, written, and refused when verified.
    #[test]
    fn no_other_checkpoint_verifies(checkpoint in "[a-z\n]{1,40}") {
        let receipt = receipt();
        let end = receipt.find("\n\n").unwrap() + 2;
        let changed = format!("{}{checkpoint}", &receipt[..end]);
        prop_assert_eq!(verify(&changed).map(|_| ()).map_err(|failed| failed.check()), Err(Check::Receipt));
        prop_assert!(NoteText::new(checkpoint + "\n").is_ok());
    }
}
