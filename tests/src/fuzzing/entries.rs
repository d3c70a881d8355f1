//! What attestors hand in: envelopes, the statements in them, and the entries made of them.

use data_encoding::BASE64URL;
use jurat::core::{CheckedEntry, EntryBytes, EntryRefusal, check_entries};
use jurat_crypto::{Digest, Signature};
use jurat_log::{
    Attestation, Entry, MAX_COUNCIL_CHANGE_BYTES, MAX_ENTRY_BYTES, MAX_OPERATION_ENTRY_BYTES, OpaqueChange,
    OpaqueOperation, OrderedTime, PrivateCommitment, STATEMENT_PAYLOAD_TYPE, Statement, Subject, UnixMillis,
    is_refused, leaf_hash, refused_form, submitted_form, validate_attestation,
};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, fixtures, seed};

pub(super) fn entry(input: &[u8]) -> Option<()> {
    let entry = Entry::decode(input).ok()?;
    assert_eq!(entry.encode(), input);
    assert_eq!(entry.leaf_hash(), leaf_hash(input));
    match entry {
        Entry::Attestation(attestation) => round_trip(&attestation),
        Entry::CouncilChange(change) => assert!(change.as_bytes().len() <= MAX_COUNCIL_CHANGE_BYTES),
        Entry::RegistryOperation(operation) => {
            assert!(operation.as_bytes().len() <= MAX_OPERATION_ENTRY_BYTES);
        }
        Entry::PrivateCommitment(_) => assert_eq!(input.len(), 66),
        Entry::OrderedTime(_) => assert_eq!(input.len(), 18),
        Entry::Refused(refused) => {
            assert!(is_refused(input));
            let submitted = refused.submitted().encode();
            assert_eq!(submitted_form(input), submitted);
            assert_eq!(refused_form(submitted), input);
        }
    }
    Some(())
}

pub(super) fn entry_seeds() -> Vec<Seed> {
    let short = Attestation::new(fixtures::attestor(), "t", Vec::new(), Signature::from_bytes([0; 64]));
    let change = OpaqueChange::new(b"only members understand it".to_vec());
    let operation = OpaqueOperation::new(b"only the registry understands it".to_vec());
    vec![
        seed("attestation", fixtures::entry(0).encode()),
        seed("short", Entry::Attestation(short.expect("an attestation")).encode()),
        seed("change", Entry::CouncilChange(change.expect("a change")).encode()),
        seed("operation", Entry::RegistryOperation(operation.expect("an operation")).encode()),
        seed(
            "private",
            Entry::PrivateCommitment(PrivateCommitment {
                commitment: Digest::of(b"a sealed event"),
                tag: Digest::of(b"a tag"),
            })
            .encode(),
        ),
        seed("refused_attestation", refused_form(fixtures::entry(0).encode())),
        seed("refused_operation", refused_form(b"\x01\x02only the registry understands it".to_vec())),
        seed(
            "time",
            Entry::OrderedTime(OrderedTime { sequence: 7, time: UnixMillis(1_700_000_000_000) }).encode(),
        ),
    ]
}

pub(super) fn envelope(input: &[u8]) -> Option<()> {
    round_trip(&Attestation::from_envelope(input).ok()?);
    Some(())
}

/// Both forms of an attestation say all of it, each in one spelling.
fn round_trip(attestation: &Attestation) {
    let envelope = attestation.to_envelope();
    let again = Attestation::from_envelope(envelope.as_bytes()).expect("what was written can be read");
    assert_eq!(again, *attestation);
    let entry = Entry::Attestation(again);
    let bytes = entry.encode();
    assert!(bytes.len() <= MAX_ENTRY_BYTES);
    assert_eq!(Entry::decode(&bytes).as_ref(), Ok(&entry));
}

pub(super) fn envelope_seeds() -> Vec<Seed> {
    let attestation = fixtures::attestation(fixtures::FILE);
    let envelope = attestation.to_envelope();
    let spaced = envelope.replace(',', " ,\n\t").replacen('{', r#"{ "unknown" : [ {}, null, -1.5e3 ], "#, 1);
    let url_safe = serde_json::json!({
        "payloadType": attestation.payload_type(),
        "payload": BASE64URL.encode(attestation.payload()),
        "signatures": [{
            "sig": BASE64URL.encode(&attestation.signature().to_bytes()),
            "keyid": attestation.attestor().to_string(),
        }],
    });
    vec![seed("canonical", envelope), seed("spaced", spaced), seed("url_safe", url_safe.to_string())]
}

pub(super) fn statement(input: &[u8]) -> Option<()> {
    let attestor = fixtures::attestor();
    let unsigned = |payload| {
        let signature = Signature::from_bytes([0; 64]);
        Attestation::new(attestor.clone(), STATEMENT_PAYLOAD_TYPE, payload, signature)
    };
    let statement = validate_attestation(&unsigned(input.to_vec()).ok()?).ok()?;
    assert!(!statement.subjects().is_empty());
    for subject in statement.subjects() {
        assert!(!subject.digests().is_empty());
        if let Some(sha256) = subject.sha256() {
            assert_eq!(statement.subject(&sha256).and_then(Subject::sha256), Some(sha256));
        }
    }
    // What was read can be said again, and then says who attests.
    let payload = Statement::compose(
        statement.subjects(),
        statement.predicate_type(),
        statement.predicate(),
        &attestor,
    )
    .expect("what was read can be written");
    let again = validate_attestation(&unsigned(payload).ok()?).expect("a statement");
    assert_eq!(again.attestor(), Some(&attestor));
    assert_eq!(
        (again.subjects(), again.predicate_type(), again.predicate()),
        (statement.subjects(), statement.predicate_type(), statement.predicate())
    );
    Some(())
}

pub(super) fn statement_seeds() -> Vec<Seed> {
    let several = r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha512":"00"}},
        {"digest":{"sha256":"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"}}],
        "predicateType":"t","predicate":{"a":[1,[2,{"b":null}]],"a":"\ud83d\ude00"},"further":true}"#;
    vec![seed("composed", fixtures::payload(fixtures::FILE)), seed("several", several)]
}

/// The body of `POST /api/v1/attestations` with many lines, each on its way to being held.
pub(super) fn submission(input: &[u8]) -> Option<()> {
    let lines = input.split(|byte| *byte == b'\n');
    let attestations: Vec<Attestation> =
        lines.filter_map(|line| Attestation::from_envelope(line).ok()).collect();
    let encode =
        |attestation: &Attestation| EntryBytes(Entry::Attestation(attestation.clone()).encode().into());
    let entries: Vec<EntryBytes> = attestations.iter().map(encode).collect();
    let verdicts = check_entries(entries.clone(), fixtures::genesis().network(), StdRng::seed_from_u64(0));
    assert_eq!(verdicts.len(), entries.len());
    for ((attestation, entry), verdict) in attestations.iter().zip(&entries).zip(verdicts) {
        // Checked together, each must be judged as it is alone.
        match validate_attestation(attestation) {
            Err(error) => assert_eq!(verdict, Err(EntryRefusal::Statement(error))),
            Ok(_) if attestation.verify_signature().is_err() => {
                assert_eq!(verdict, Err(EntryRefusal::Signature));
            }
            Ok(_) => {
                let checked: Option<CheckedEntry> = verdict.ok();
                assert_eq!(checked.map(|checked| *checked.leaf()), Some(leaf_hash(&entry.0)));
            }
        }
    }
    (!attestations.is_empty()).then_some(())
}

pub(super) fn submission_seeds() -> Vec<Seed> {
    let good = |i: u8| fixtures::attestation(&[i]).to_envelope();
    let payload = fixtures::payload(b"signed by someone else");
    let forged = Attestation::new(
        fixtures::attestor(),
        STATEMENT_PAYLOAD_TYPE,
        payload,
        Signature::from_bytes([1; 64]),
    );
    let forged = forged.expect("an attestation").to_envelope();
    vec![
        seed("one", good(0)),
        seed("three", [good(0), good(1), good(2)].join("\n")),
        seed("mixed", [good(0), forged, "{}".into(), good(1)].join("\n")),
    ]
}
