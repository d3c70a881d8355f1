//! Entries and envelopes: one encoding each, strict, and nothing lost in between.

use jurat_crypto::{Digest, KeyName, Signature, SignatureType, SigningKey, Vkey};
use jurat_log::{
    Attestation, Entry, EntryError, EnvelopeError, JsonProblem, MAX_COUNCIL_CHANGE_BYTES, MAX_ENTRY_BYTES,
    MAX_ENVELOPE_BYTES, MAX_OPERATION_ENTRY_BYTES, OpaqueChange, OpaqueOperation, OrderedTime,
    PrivateCommitment, SearchTerm, UnixMillis, is_refused, leaf_hash, refused_form, submitted_form,
};
use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

fn key() -> SigningKey {
    SigningKey::from_seed(&[7; 32])
}

fn attestation() -> Attestation {
    let name = KeyName::new("lab.example/ana").unwrap();
    Attestation::sign(&key(), name, "application/x", b"payload??>".to_vec()).unwrap()
}

fn decoded(bytes: &[u8]) -> Result<Attestation, EntryError> {
    match Entry::decode(bytes)? {
        Entry::Attestation(attestation) => Ok(attestation),
        other => panic!("not an attestation: {other:?}"),
    }
}

/// Byte by byte, as the module's documentation has it, so that another language can do the same.
#[test]
fn an_entry_has_the_documented_layout() {
    let attestation = attestation();
    let expected = [
        [1_u8, 1, 15].as_slice(),
        b"lab.example/ana",
        &[1],
        key().verifying_key().as_bytes(),
        &key().sign(b"DSSEv1 13 application/x 10 payload??>").to_bytes(),
        &[13],
        b"application/x",
        b"payload??>",
    ]
    .concat();
    let entry = Entry::Attestation(attestation.clone());
    assert_eq!(entry.encode(), expected);
    assert_eq!(entry.leaf_hash(), leaf_hash(&expected));
    assert_eq!(decoded(&expected), Ok(attestation));
}

/// The log takes what it does not understand, as long as it is bounded, and never alters it.
#[test]
fn a_council_change_is_bytes() {
    let change = OpaqueChange::new(b"remove node-2".to_vec()).unwrap();
    let entry = Entry::CouncilChange(change.clone());
    assert_eq!(entry.encode(), b"\x01\x04remove node-2");
    assert_eq!(Entry::decode(&entry.encode()), Ok(entry.clone()));
    assert_eq!(SearchTerm::of_entry(&entry.encode()), []);

    let largest = [&[1, 4], vec![0; MAX_COUNCIL_CHANGE_BYTES].as_slice()].concat();
    assert!(matches!(Entry::decode(&largest), Ok(Entry::CouncilChange(_))));
    let longer = [largest.as_slice(), &[0]].concat();
    assert_eq!(Entry::decode(&longer), Err(EntryError::ChangeLength(MAX_COUNCIL_CHANGE_BYTES + 1)));
    assert_eq!(Entry::decode(&[1, 4]), Err(EntryError::ChangeLength(0)));
}

/// As with a council change: the registry alone understands it.
#[test]
fn a_registry_operation_is_bytes() {
    let operation = OpaqueOperation::new(b"trust node-2".to_vec()).unwrap();
    let entry = Entry::RegistryOperation(operation);
    assert_eq!(entry.encode(), b"\x01\x02trust node-2");
    assert_eq!(Entry::decode(&entry.encode()), Ok(entry.clone()));
    assert_eq!(SearchTerm::of_entry(&entry.encode()), []);

    let largest = [&[1, 2], vec![0; MAX_OPERATION_ENTRY_BYTES].as_slice()].concat();
    assert_eq!(largest.len(), MAX_ENTRY_BYTES);
    assert!(matches!(Entry::decode(&largest), Ok(Entry::RegistryOperation(_))));
    assert_eq!(
        OpaqueOperation::new(vec![0; MAX_OPERATION_ENTRY_BYTES + 1]),
        Err(EntryError::OperationLength(MAX_OPERATION_ENTRY_BYTES + 1))
    );
    assert_eq!(Entry::decode(&[1, 2]), Err(EntryError::OperationLength(0)));
}

#[test]
fn a_private_commitment_is_two_digests() {
    let [commitment, tag] = [[7; 32], [9; 32]].map(Digest::from_bytes);
    let entry = Entry::PrivateCommitment(PrivateCommitment { commitment, tag });
    let bytes = entry.encode();
    assert_eq!(bytes, [&[1, 3][..], &[7; 32], &[9; 32]].concat());
    assert_eq!(Entry::decode(&bytes), Ok(entry));
    assert_eq!(SearchTerm::of_entry(&bytes), []);
    assert_eq!(Entry::decode(&bytes[..33]), Err(EntryError::Truncated("commitment")));
    assert_eq!(Entry::decode(&bytes[..65]), Err(EntryError::Truncated("tag")));
    assert_eq!(Entry::decode(&[&*bytes, &[0]].concat()), Err(EntryError::AfterCommitment(1)));
    // Nobody refuses it when it is its turn: there is nothing to judge.
    assert_eq!(refused_form(bytes.clone()), bytes);
}

#[test]
fn an_ordered_time_is_a_sequence_and_a_time() {
    let entry = Entry::OrderedTime(OrderedTime { sequence: 0x0102, time: UnixMillis(0x0304) });
    let bytes = entry.encode();
    assert_eq!(bytes, [1, 5, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 3, 4]);
    assert_eq!(Entry::decode(&bytes), Ok(entry));
    assert_eq!(Entry::decode(&bytes[..9]), Err(EntryError::Truncated("sequence")));
    assert_eq!(Entry::decode(&bytes[..17]), Err(EntryError::Truncated("time")));
    assert_eq!(Entry::decode(&[&*bytes, &[0]].concat()), Err(EntryError::AfterTime(1)));
}

/// The mark changes the leaf and nothing else, and can be taken off again.
#[test]
fn an_entry_that_was_refused_keeps_its_body_and_its_name() {
    let operation = Entry::RegistryOperation(OpaqueOperation::new(b"trust node-2".to_vec()).unwrap());
    for (entry, kind) in [(Entry::Attestation(attestation()), 0x81), (operation, 0x82)] {
        let bytes = entry.encode();
        assert!(!is_refused(&bytes));
        assert_eq!(submitted_form(&bytes), bytes);
        let marked = refused_form(bytes.clone());
        assert_eq!((marked[0], marked[1], &marked[2..]), (1, kind, &bytes[2..]));
        assert!(is_refused(&marked));
        assert_eq!(submitted_form(&marked), bytes);
        let Ok(Entry::Refused(refused)) = Entry::decode(&marked) else { panic!("{kind}") };
        assert_eq!(Entry::Refused(refused.clone()).encode(), marked);
        assert_eq!(refused.submitted(), entry);
        assert_ne!(leaf_hash(&marked), entry.leaf_hash());
        assert_eq!(SearchTerm::of_entry(&marked), [], "it attests nothing");
    }
    for kind in [0x80, 0x83, 0x84, 0x85] {
        assert_eq!(Entry::decode(&[1, kind, 0]), Err(EntryError::Kind(kind)));
    }
    for other in [vec![1], vec![1, 4, 7], vec![2, 1, 7]] {
        assert_eq!(refused_form(other.clone()), other);
    }
}

#[test]
fn each_part_of_an_entry_is_checked() {
    let good = Entry::Attestation(attestation()).encode();
    let with = |at: usize, byte: u8| {
        let mut changed = good.clone();
        changed[at] = byte;
        decoded(&changed).unwrap_err()
    };
    assert_eq!(with(0, 2), EntryError::Version(2));
    assert_eq!(with(1, 0x83), EntryError::Kind(0x83));
    assert_eq!(with(1, 0), EntryError::Kind(0));
    assert_eq!(with(1, 6), EntryError::Kind(6));
    assert!(matches!(with(2, 0), EntryError::Name(_)));
    assert!(matches!(with(3, b'+'), EntryError::Name(_)));
    assert_eq!(with(3, 0xff), EntryError::NotUtf8("attestor's name"));
    assert_eq!(with(18, 4), EntryError::KeyType(4));
    assert_eq!(with(2, 255), EntryError::Truncated("attestor's name"));
    assert!(matches!(with(19 + 32 + 64, 0), EntryError::Attestation(_)));
    assert_eq!(with(19 + 32 + 64 + 1, 0xff), EntryError::NotUtf8("payload type"));
    let mut identity = good.clone();
    identity[19..51].fill(0);
    identity[19] = 1;
    assert!(matches!(decoded(&identity), Err(EntryError::Key(_))), "a key of small order");
    let header = 19 + 32 + 64 + 1 + 13;
    for length in 0..header {
        assert!(matches!(decoded(&good[..length]), Err(EntryError::Truncated(_))), "{length}");
    }
    assert!(decoded(&good[..header]).is_ok(), "the payload may be empty");
    let long = vec![1; MAX_ENTRY_BYTES + 1];
    assert_eq!(decoded(&long), Err(EntryError::TooLong(MAX_ENTRY_BYTES + 1)));
}

#[test]
fn an_envelope_is_written_in_one_way_and_read_in_many() {
    let attestation = attestation();
    let sig = data_encoding::BASE64.encode(&attestation.signature().to_bytes());
    let keyid = attestation.attestor().to_string();
    let canonical = format!(
        "{{\"payload\":\"cGF5bG9hZD8/Pg==\",\"payloadType\":\"application/x\",\
         \"signatures\":[{{\"keyid\":\"{keyid}\",\"sig\":\"{sig}\"}}]}}"
    );
    assert_eq!(attestation.to_envelope(), canonical);
    let url_sig = data_encoding::BASE64URL.encode(&attestation.signature().to_bytes());
    for other in [
        canonical.clone(),
        canonical.replace("cGF5bG9hZD8/Pg==", "cGF5bG9hZD8_Pg=="),
        canonical.replace(&sig, &url_sig),
        canonical.replace("\":", "\" :\n"),
        canonical.replace("payloadType", "payload\\u0054ype"),
        canonical.replacen('{', "{\"more\":{\"payload\":[1e9999,null]},", 1),
        format!(
            "{{\"signatures\":[{{\"sig\":\"{sig}\",\"cert\":null,\"keyid\":\"{keyid}\"}}],\
             \"payloadType\":\"application/x\",\"payload\":\"cGF5bG9hZD8/Pg==\"}}"
        ),
    ] {
        assert_eq!(Attestation::from_envelope(other.as_bytes()), Ok(attestation.clone()), "{other}");
    }
}

#[test]
fn a_wrong_envelope_is_refused_with_the_field_in_question() {
    let good: Value = serde_json::from_str(&attestation().to_envelope()).unwrap();
    let with = |pointer: &str, value: Value| {
        let mut changed = good.clone();
        *changed.pointer_mut(pointer).unwrap() = value;
        Attestation::from_envelope(changed.to_string().as_bytes()).unwrap_err()
    };
    let cosigner = Vkey::new(KeyName::new("a").unwrap(), SignatureType::CosignatureV1, key().verifying_key());
    for (pointer, value, error) in [
        ("/payload", json!(7), "payload is not a string"),
        ("/payload", json!("!"), "payload is not base64, standard or URL-safe, with padding"),
        ("/payload", json!("cGF5bG9hZD8/Pg"), "payload is not base64, standard or URL-safe, with padding"),
        ("/payload", json!("cGF5bG9hZD8_Pg/="), "payload is not base64, standard or URL-safe, with padding"),
        ("/payloadType", json!(null), "payloadType is not a string"),
        ("/payloadType", json!(""), "a payload type has 1 to 255 bytes, this one has 0"),
        ("/signatures", json!({}), "signatures is not an array"),
        ("/signatures", json!([]), "signatures has 0 elements; an attestation has one signature"),
        ("/signatures", json!([{}, {}]), "signatures has 2 elements; an attestation has one signature"),
        ("/signatures", json!([7]), "signatures[0] is not a JSON object"),
        ("/signatures/0", json!({}), "signatures[0].keyid is missing"),
        ("/signatures/0/keyid", json!(1), "signatures[0].keyid is not a string"),
        ("/signatures/0/sig", json!([]), "signatures[0].sig is not a string"),
        ("/signatures/0/sig", json!("AA=="), "signatures[0].sig has 1 bytes, a signature has 64"),
    ] {
        assert_eq!(with(pointer, value).to_string(), error);
    }
    assert!(matches!(with("/signatures/0/keyid", json!("ana")), EnvelopeError::KeyId(_)));
    assert!(matches!(
        with("/signatures/0/keyid", json!(cosigner.to_string())),
        EnvelopeError::Attestation(jurat_log::AttestationError::KeyType(_))
    ));
    let refused = |text: &str| Attestation::from_envelope(text.as_bytes()).unwrap_err().to_string();
    assert_eq!(refused("[]"), "the envelope is not a JSON object");
    assert_eq!(refused("{} {}"), "the envelope is not a JSON object");
    assert_eq!(refused("{}"), "payload is missing");
    assert_eq!(
        refused("{\"payload\":\"\",\"payload\":\"\"}"),
        "the envelope has the member \"payload\" twice"
    );
    let twice = attestation().to_envelope().replace("\"sig\"", "\"sig\":\"\",\"\\u0073ig\"");
    assert_eq!(refused(&twice), "signatures[0] has the member \"sig\" twice");
    assert_eq!(Attestation::from_envelope(b"\xff"), Err(EnvelopeError::NotUtf8));
    let large = vec![b' '; MAX_ENVELOPE_BYTES + 1];
    assert_eq!(Attestation::from_envelope(&large), Err(EnvelopeError::TooLarge(large.len())));
    // As deep as it fits: no stack is spent on what nobody reads.
    let deep = format!("{{\"x\":{}", "[".repeat(MAX_ENVELOPE_BYTES - 5));
    let Err(EnvelopeError::Json(error)) = Attestation::from_envelope(deep.as_bytes()) else {
        panic!("taken")
    };
    assert_eq!(error.problem, JsonProblem::NotA("a JSON object"));
}

#[test]
fn the_largest_attestation_fits_into_an_envelope() {
    let name = KeyName::new("\\".repeat(255)).unwrap();
    let overhead =
        Entry::Attestation(Attestation::sign(&key(), name.clone(), "t", Vec::new()).unwrap()).encode().len();
    let largest = Attestation::sign(&key(), name, "t", vec![0xff; MAX_ENTRY_BYTES - overhead]).unwrap();
    assert_eq!(Entry::Attestation(largest.clone()).encode().len(), MAX_ENTRY_BYTES);
    assert_eq!(Attestation::from_envelope(largest.to_envelope().as_bytes()), Ok(largest));
}

prop_compose! {
    /// Attestations of any content; most signatures don't hold, which decoding doesn't ask.
    fn attestations()(
        seed: [u8; 32], name in "[^\\s+\\p{C}]{1,60}", payload_type in "\\PC{1,60}",
        payload in vec(any::<u8>(), 0..200), signature: [u8; 32],
    ) -> Attestation {
        let name = KeyName::new(name).unwrap();
        let attestor = Vkey::new(name, SignatureType::Ed25519, SigningKey::from_seed(&seed).verifying_key());
        let signature = Signature::from_bytes([signature, signature].concat().try_into().unwrap());
        Attestation::new(attestor, payload_type, payload, signature).unwrap()
    }
}

proptest! {
    #[test]
    fn entries_and_envelopes_round_trip(attestation in attestations()) {
        let bytes = Entry::Attestation(attestation.clone()).encode();
        prop_assert_eq!(decoded(&bytes), Ok(attestation.clone()));
        prop_assert_eq!(Attestation::from_envelope(attestation.to_envelope().as_bytes()), Ok(attestation));
    }

    #[test]
    fn whatever_decodes_encodes_to_the_same_bytes(
        attestation in attestations(),
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let mut bytes = Entry::Attestation(attestation).encode();
        for (at, byte) in changes {
            *at.get_mut(&mut bytes) = byte;
        }
        bytes.truncate(cut.map_or(usize::MAX, |at| at.index(bytes.len())));
        if let Ok(entry) = Entry::decode(&bytes) {
            prop_assert_eq!(entry.encode(), bytes);
        }
    }

    #[test]
    fn a_signature_covers_type_and_payload(
        attestation in attestations(), byte: prop::sample::Index, bit in 0_u8..8,
    ) {
        let signed = Attestation::sign(
            &key(), attestation.attestor().name().clone(), attestation.payload_type(), attestation.payload().to_vec(),
        ).unwrap();
        prop_assert!(signed.verify_signature().is_ok());
        // The name is the one part that no signature covers; statements carry it for that reason.
        let unsigned = 3 + signed.attestor().name().as_str().len();
        let mut bytes = Entry::Attestation(signed).encode();
        let at = unsigned + byte.index(bytes.len() - unsigned);
        bytes[at] ^= 1 << bit;
        prop_assert!(decoded(&bytes).map_or(true, |changed| changed.verify_signature().is_err()));
    }
}
