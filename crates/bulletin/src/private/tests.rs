//! Private events that pass, and those that would leak or lie.

use jurat_crypto::{Letter, LetterId, SealContext, SealingKey, seal};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::*;

const NETWORK: NetworkId = NetworkId(Digest::from_bytes([4; 32]));
const NOW: UnixSeconds = UnixSeconds(1_700_000_000);

/// Everyone but those who are revoked.
struct Registry {
    revoked: Vec<VerifyingKey>,
}

impl Authors for Registry {
    fn may_write(&self, author: &VerifyingKey) -> bool {
        !self.revoked.contains(author)
    }
}

fn anyone() -> Registry {
    Registry { revoked: Vec::new() }
}

fn author() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn recipient() -> VerifyingKey {
    SigningKey::from_seed(&[2; 32]).verifying_key()
}

fn letter() -> Vec<u8> {
    let letter = Letter { id: LetterId([1; 16]), created: 1, expires: 2, content: b"hello".to_vec().into() };
    let context = SealContext { network: NETWORK, topic: Digest::of(b"mail"), epoch: 0 };
    let key = SealingKey::from_bytes(&[2; 32]).public();
    seal(&letter, &author(), &[key], &context, &mut StdRng::from_seed([9; 32])).unwrap()
}

fn mail() -> Value {
    serde_json::from_slice(&mail_payload(&recipient(), &letter(), None)).unwrap()
}

fn post(gate: &str) -> Value {
    json!({
        "kind": "post", "gate": Digest::of(gate.as_bytes()).to_string(), "epoch": 3, "format": "mls1",
        "ciphertext": BASE64.encode(&[0x80; 40]), "nonce": "00ff", "sender_ref": "ab".repeat(32),
        "transport_lock": "rns",
    })
}

fn event(sequence: u64, payload: &Value) -> Vec<u8> {
    sign_private(&author(), NETWORK, sequence, NOW, payload.to_string().as_bytes()).unwrap()
}

/// Signed as it is, without asking whether it should be.
fn leaking(payload: &Value) -> Vec<u8> {
    let payload = payload.to_string().into_bytes();
    let signature = PRIVATE_EVENT.sign(&author(), NETWORK, &signed(1, NOW, &payload));
    let author = author().verifying_key();
    let header = [author.as_bytes().as_slice(), &1_u64.to_be_bytes(), &NOW.0.to_be_bytes()].concat();
    [header, signature.to_bytes().to_vec(), payload].concat()
}

fn rules() -> PrivateRules {
    PrivateRules::new(NETWORK, 120)
}

#[test]
fn mail_and_posts_pass_wherever_they_come_from() {
    for payload in [mail(), post("gate")] {
        let bytes = event(1, &payload);
        for freshness in [Freshness::At(NOW), Freshness::Stored] {
            let event = rules().check(&bytes, freshness, &anyone()).unwrap();
            assert_eq!((event.author, event.sequence), (author().verifying_key(), 1));
            assert_eq!(event.commitment, Digest::of(&bytes));
        }
    }
}

#[test]
fn what_would_leak_is_refused_in_each_of_the_three_places() {
    let with = |mut payload: Value, field: &str, value: Value| {
        payload[field] = value;
        payload
    };
    let without = |mut payload: Value, field: &str| {
        payload.as_object_mut().unwrap().remove(field);
        payload
    };
    let text = BASE64.encode(b"meet me at noon, under the clock");
    let utf8 = BASE64.encode("встретимся в полдень".as_bytes());
    let mut cases = vec![
        (with(mail(), "ciphertext", text.clone().into()), PrivateRefusal::Readable),
        (with(post("g"), "ciphertext", text.into()), PrivateRefusal::Readable),
        (with(post("g"), "ciphertext", utf8.into()), PrivateRefusal::Readable),
        (with(post("g"), "ciphertext", "".into()), PrivateRefusal::Readable),
        (with(post("g"), "ciphertext", "not base64!".into()), PrivateRefusal::Readable),
        (with(mail(), "ciphertext", BASE64.encode(&[0x80; 40]).into()), PrivateRefusal::Readable),
        (without(mail(), "transport_lock"), PrivateRefusal::TransportLock),
        (without(post("g"), "transport_lock"), PrivateRefusal::TransportLock),
        (with(mail(), "transport_lock", "private".into()), PrivateRefusal::TransportLock),
        (with(mail(), "transport_lock", "onion".into()), PrivateRefusal::TransportLock),
        (with(post("g"), "transport_lock", "public".into()), PrivateRefusal::TransportLock),
        (with(mail(), "subject", "hi".into()), PrivateRefusal::Schema),
        (with(mail(), "epoch", 1.into()), PrivateRefusal::Schema),
        (without(post("g"), "sender_ref"), PrivateRefusal::Schema),
        (with(post("g"), "format", "see you at noon".into()), PrivateRefusal::Schema),
        (with(post("g"), "nonce", "00".repeat(33).into()), PrivateRefusal::Schema),
        (with(mail(), "salt", "meet me at noon".into()), PrivateRefusal::Schema),
        (with(post("g"), "salt", "ab".repeat(32).into()), PrivateRefusal::Schema),
        (json!([]), PrivateRefusal::Schema),
    ];
    for field in PLAINTEXT_FIELDS {
        cases.push((with(mail(), field, "hello".into()), PrivateRefusal::Plaintext(field)));
        cases.push((with(post("g"), field, Value::Null), PrivateRefusal::Plaintext(field)));
    }
    for (payload, refusal) in cases {
        let text = payload.to_string();
        let made = sign_private(&author(), NETWORK, 1, NOW, text.as_bytes()).map(|bytes| bytes.len());
        assert_eq!(made, Err(refusal), "append of {text}");
        for freshness in [Freshness::At(NOW), Freshness::Stored] {
            assert_eq!(rules().check(&leaking(&payload), freshness, &anyone()), Err(refusal), "{text}");
        }
    }
    let twice = mail().to_string().replacen('{', r#"{"kind":"mail","#, 1);
    assert_eq!(PrivatePayload::parse(twice.as_bytes()), Err(PrivateRefusal::Schema));
    let long = vec![b' '; MAX_PAYLOAD_BYTES + 1];
    assert_eq!(PrivatePayload::parse(&long), Err(PrivateRefusal::TooLong(long.len())));
}

#[test]
fn times_authors_and_signatures_are_checked() {
    let bytes = event(1, &mail());
    let at =
        |now: u32| rules().check(&bytes, Freshness::At(UnixSeconds(now)), &anyone()).map(|event| event.time);
    assert_eq!(at(NOW.0 + 3600), Ok(NOW));
    assert_eq!(at(NOW.0 + 3601), Err(PrivateRefusal::Expired { time: NOW.0 }));
    assert_eq!(at(NOW.0 - 121), Err(PrivateRefusal::Future { time: NOW.0 }));
    let revoked = Registry { revoked: vec![author().verifying_key()] };
    assert_eq!(rules().check(&bytes, Freshness::At(NOW), &revoked), Err(PrivateRefusal::Author));
    // Another's key on the same event.
    let mut stolen = bytes.clone();
    stolen[..32].copy_from_slice(recipient().as_bytes());
    assert_eq!(rules().check(&stolen, Freshness::At(NOW), &anyone()), Err(PrivateRefusal::Author));
    let elsewhere = PrivateRules::new(NetworkId(Digest::of(b"other")), 120);
    assert_eq!(elsewhere.check(&bytes, Freshness::At(NOW), &anyone()), Err(PrivateRefusal::Author));
    assert_eq!(
        rules().check(&bytes[..107], Freshness::At(NOW), &anyone()),
        Err(PrivateRefusal::Truncated(107))
    );
}

#[test]
fn mail_that_asks_to_be_ordered_has_a_tag_that_its_salt_decides() {
    let tag = |salt: Option<&Digest>| {
        let bytes = event(1, &serde_json::from_slice(&mail_payload(&recipient(), &letter(), salt)).unwrap());
        rules().check(&bytes, Freshness::At(NOW), &anyone()).unwrap().payload.order_tag()
    };
    let salts = [Digest::of(b"one"), Digest::of(b"two")];
    assert_eq!(tag(None), None);
    assert_eq!(tag(Some(&salts[0])), Some(Digest::of_parts(&[b"jurat/v1/order-tag\n", salts[0].as_bytes()])));
    assert_ne!(tag(Some(&salts[0])), tag(Some(&salts[1])));
    assert_eq!(PrivatePayload::parse(post("g").to_string().as_bytes()).unwrap().order_tag(), None);
}

#[test]
fn mail_and_each_gate_have_sequences_of_their_own() {
    let mut rules = rules();
    let mut take = |bytes: &[u8]| {
        let event = rules.check(bytes, Freshness::At(NOW), &anyone())?;
        rules.note(&event);
        Ok(())
    };
    assert_eq!(take(&event(5, &mail())), Ok(()));
    assert_eq!(take(&event(5, &mail())), Err(PrivateRefusal::Replayed { sequence: 5, last: 5 }));
    assert_eq!(take(&event(4, &mail())), Err(PrivateRefusal::Replayed { sequence: 4, last: 5 }));
    assert_eq!(take(&event(1, &post("a"))), Ok(()));
    assert_eq!(take(&event(1, &post("b"))), Ok(()));
    assert_eq!(take(&event(6, &mail())), Ok(()));
}

#[test]
fn an_event_is_what_its_description_says() {
    let payload = mail().to_string();
    let bytes = sign_private(&author(), NETWORK, 7, NOW, payload.as_bytes()).unwrap();
    let (sequence, time) = (7_u64.to_be_bytes(), NOW.0.to_be_bytes());
    let (signature, rest) = bytes[44..].split_first_chunk::<64>().unwrap();
    let head = [author().verifying_key().as_bytes(), sequence.as_slice(), &time].concat();
    assert_eq!((&bytes[..44], rest), (head.as_slice(), payload.as_bytes()));
    let statement = [sequence.as_slice(), &time, payload.as_bytes()].concat();
    let signature = Signature::from_bytes(*signature);
    Domain::new("jurat/v1/private-event")
        .verify(&author().verifying_key(), NETWORK, &statement, &signature)
        .unwrap();
}

#[test]
fn ciphertexts_have_sixteen_bytes_and_are_no_text_of_several_lines_either() {
    let parse = |ciphertext: &[u8]| {
        let mut payload = post("g");
        payload["ciphertext"] = BASE64.encode(ciphertext).into();
        PrivatePayload::parse(payload.to_string().as_bytes()).map(|_| ())
    };
    assert_eq!(parse(&[0x80; 16]), Ok(()));
    assert_eq!(parse(&[0x80; 15]), Err(PrivateRefusal::Readable));
    assert_eq!(parse(b"meet me at noon,\n\tunder the clock\r\n"), Err(PrivateRefusal::Readable));
}

#[test]
fn sequences_are_bounded_and_never_go_back() {
    let mut rules = rules();
    let noted = |sequence, payload: &Value| {
        let author = author().verifying_key();
        let payload = PrivatePayload::parse(payload.to_string().as_bytes()).unwrap();
        PrivateEvent { author, sequence, time: NOW, payload, commitment: Digest::of(b"x") }
    };
    rules.note(&noted(9, &mail()));
    rules.note(&noted(3, &mail()));
    let five = rules.check(&event(5, &mail()), Freshness::At(NOW), &anyone());
    assert_eq!(five, Err(PrivateRefusal::Replayed { sequence: 5, last: 9 }));
    // As many gates as can be remembered, the mail above among them: of these more is taken, of others nothing.
    let mut event_of_gate = noted(1, &post("g"));
    for gate in 1..MAX_SEQUENCES as u64 {
        let PrivatePayload::Post { gate: place, .. } = &mut event_of_gate.payload else { panic!("a post") };
        *place = Digest::of(&gate.to_be_bytes());
        rules.note(&event_of_gate);
    }
    assert_eq!(rules.check(&event(1, &post("g")), Freshness::At(NOW), &anyone()), Err(PrivateRefusal::Full));
    assert!(rules.check(&event(10, &mail()), Freshness::At(NOW), &anyone()).is_ok());
}

proptest! {
    #[test]
    fn every_flipped_bit_is_noticed(bit: prop::sample::Index, mail_or_post: bool) {
        let mut bytes = event(1, &if mail_or_post { mail() } else { post("g") });
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(rules().check(&bytes, Freshness::At(NOW), &anyone()).is_err());
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, text in "[\\x20-\\x7e]{0,60}") {
        let _ = PrivatePayload::parse(text.as_bytes());
        prop_assert!(rules().check(&bytes, Freshness::Stored, &anyone()).is_err());
    }
}
