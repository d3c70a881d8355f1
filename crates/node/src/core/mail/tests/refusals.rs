//! Letters that are refused, each counted under its reason, before anything is stored.

use data_encoding::{BASE64, HEXLOWER};
use jurat_bulletin::MAX_PAYLOAD_BYTES;
use jurat_crypto::{Domain, SealContext};
use serde_json::{Value, json};

use super::*;

fn key(i: u8) -> SigningKey {
    SigningKey::from_seed(&[i; 32])
}

fn network() -> NetworkId {
    NetworkId(Digest::of(b"network"))
}

/// Signs whatever it is given, as no honest node would.
fn signed(author: &SigningKey, sequence: u64, payload: &[u8]) -> Vec<u8> {
    let (sequence, time) = (sequence.to_be_bytes(), NOW.to_be_bytes());
    let statement = [sequence.as_slice(), &time, payload].concat();
    let signature = Domain::new("jurat/v1/private-event").sign(author, network(), &statement);
    let author = author.verifying_key();
    [author.as_bytes(), sequence.as_slice(), &time, &signature.to_bytes(), payload].concat()
}

fn payload(event: &[u8]) -> Value {
    serde_json::from_slice(&event[EVENT_HEADER..]).unwrap()
}

fn with(event: &[u8], field: &str, value: impl Into<Value>) -> Vec<u8> {
    let mut payload = payload(event);
    payload[field] = value.into();
    signed(&key(0), u64::MAX, payload.to_string().as_bytes())
}

fn count(member: &Member, reason: &str) -> u64 {
    member.mail.counts().refused.get(reason).copied().unwrap_or(0)
}

/// A letter is not taken, for this reason, and leaves nothing behind.
#[track_caller]
fn refused(member: &mut Member, now: u32, letter: &[u8], reason: &str) {
    member.mail.take_changes();
    let kept = |member: &Member| (member.mail.unread(), member.mail.spooled(), member.mail.counts().filed);
    let (before, counted) = (kept(member), count(member, reason));
    assert_eq!(member.mail.arrive(letter, UnixSeconds(now)), Arrival::Refused, "{reason}");
    assert_eq!(count(member, reason), counted + 1, "{reason}: {:?}", member.mail.counts().refused);
    assert_eq!(member.mail.take_changes(), [], "{reason}");
    assert_eq!(kept(member), before, "{reason}");
}

/// A letter to a member is filed away: nobody is told why, and all that stays is that it came.
#[track_caller]
fn filed_away(member: &mut Member, letter: &[u8]) {
    member.mail.take_changes();
    let (id, counted) = (Digest::of(letter), count(member, "sealed"));
    assert_eq!(member.mail.arrive(letter, UnixSeconds(NOW)), Arrival::Filed(id));
    assert_eq!((count(member, "sealed"), member.mail.unread()), (counted + 1, 0));
    let changes = member.mail.take_changes();
    assert!(matches!(changes.as_slice(), [(MailRow::Filed(filed), Some(_))] if *filed == id), "{changes:?}");
}

#[test]
fn each_defect_of_a_letter_has_its_reason_at_its_recipient_and_at_who_would_spool_it() {
    let [mut ann, mut ben, mut eve] = members();
    let good = send(&mut ann, &ben.key, "good", NOW).unwrap();
    let long = [&good[..EVENT_HEADER], &vec![b' '; MAX_PAYLOAD_BYTES + 1]].concat();
    let without_lock = {
        let mut payload = payload(&good);
        payload.as_object_mut().unwrap().remove("transport_lock");
        signed(&key(0), u64::MAX, payload.to_string().as_bytes())
    };
    let text = BASE64.encode("under the clock, at noon ".repeat(40).as_bytes());
    let unsealed = BASE64.encode(&[0x80; 600]);
    let post = json!({
        "kind": "post", "gate": "ab".repeat(32), "epoch": 3, "format": "mls1", "ciphertext": unsealed,
        "nonce": "00", "sender_ref": "ab".repeat(32), "transport_lock": "rns",
    });
    let altered = |at: usize| {
        let mut altered = good.clone();
        altered[at] ^= 1;
        altered
    };
    let mut small_order = good.clone();
    small_order[..32].fill(0);
    small_order[0] = 1;
    let readdressed = {
        let mut payload = payload(&good);
        payload["recipient"] = HEXLOWER.encode(eve.key.as_bytes()).into();
        [&good[..EVENT_HEADER], payload.to_string().as_bytes()].concat()
    };
    let mut cases = vec![
        (good[..EVENT_HEADER - 1].to_vec(), "truncated"),
        (Vec::new(), "truncated"),
        (good[..EVENT_HEADER].to_vec(), "schema"),
        (long, "too_long"),
        (with(&good, "subject", "hi"), "schema"),
        (with(&good, "recipient", "ab"), "schema"),
        (signed(&key(0), u64::MAX, b"good morning"), "schema"),
        (signed(&key(0), u64::MAX, post.to_string().as_bytes()), "schema"),
        (with(&good, "ciphertext", text), "readable"),
        (with(&good, "ciphertext", unsealed), "readable"),
        (with(&good, "ciphertext", "no base64!"), "readable"),
        (without_lock, "transport_lock"),
        (with(&good, "transport_lock", Value::Null), "transport_lock"),
        (with(&good, "transport_lock", "onion"), "transport_lock"),
        // The author, the sequence, the time (a captured letter with a new one), the signature.
        (altered(0), "author"),
        (altered(39), "author"),
        (altered(43), "author"),
        (altered(44), "author"),
        (readdressed, "author"),
        (small_order, "author"),
        (signed(&key(77), 1, &good[EVENT_HEADER..]), "author"),
    ];
    for field in ["message", "plaintext", "_local_plaintext", "_local_reply_to"] {
        cases.push((with(&good, field, "good morning"), "plaintext"));
    }
    for member in [&mut ben, &mut eve] {
        for (letter, reason) in &cases {
            refused(member, NOW, letter, reason);
        }
        refused(member, NOW + 3601, &good, "expired");
        refused(member, NOW - 121, &good, "future");
        assert_eq!(member.mail.counts().refused.values().sum::<u64>(), cases.len() as u64 + 2);
    }
    // None of it stands in the way of the good one; what is older than that is replayed.
    assert!(matches!(ben.mail.arrive(&good, UnixSeconds(NOW)), Arrival::Filed(_)));
    assert_eq!(eve.mail.arrive(&good, UnixSeconds(NOW)), Arrival::Spooled);
    for member in [&mut ben, &mut eve] {
        refused(member, NOW, &signed(&key(0), 1, &good[EVENT_HEADER..]), "replayed");
    }
    assert_eq!(read(&ben), ["good"]);
}

#[test]
fn what_does_not_open_is_filed_away_alike() {
    let [mut ann, mut ben, eve, mut dan] = members();
    let good = send(&mut ann, &ben.key, "good", NOW).unwrap();
    let PrivatePayload::Mail { ciphertext, .. } = PrivatePayload::parse(&good[EVENT_HEADER..]).unwrap()
    else {
        panic!("mail")
    };
    let letter = Letter { id: LetterId([1; 16]), created: NOW, expires: NOW + 60, content: vec![1].into() };
    let sealed = |author: &SigningKey, secret: [u8; 32], context: &SealContext| {
        let key = SealingKey::from_bytes(&secret).public();
        seal(&letter, author, &[key], context, &mut StdRng::seed_from_u64(1)).unwrap()
    };
    let home = Message::context(&ben.mail.rules, ben.key.as_bytes());
    let mut shaped = b"only in the shape of what is sealed ".repeat(20);
    shaped.truncate(ciphertext.len());
    shaped[..2].copy_from_slice(&ciphertext[..2]);
    let cases = [
        // Signed again by another; with only the shape of what is sealed.
        (2, ciphertext.clone()),
        (2, shaped),
        // Sealed for another's prekey, and for another place: recipient, network.
        (2, sealed(&key(2), [102; 32], &home)),
        (2, sealed(&key(2), [101; 32], &Message::context(&ben.mail.rules, dan.key.as_bytes()))),
        (2, sealed(&key(2), [101; 32], &SealContext { network: NetworkId(Digest::of(b"other")), ..home })),
    ];
    for (sequence, (author, ciphertext)) in (1..).zip(cases) {
        let payload = mail_payload(&ben.key, &ciphertext, None);
        filed_away(&mut ben, &signed(&key(author), sequence, &payload));
    }
    // The same to the one for whom it opens, by who wrote it.
    let own = mail_payload(&ben.key, &sealed(&key(2), [101; 32], &home), None);
    assert!(matches!(ben.mail.arrive(&signed(&key(2), 9, &own), UnixSeconds(NOW)), Arrival::Filed(_)));
    assert_eq!((ben.mail.unread(), inbox(&ben)[0].from), (1, eve.key));
    // Ann's letter to Ben, signed by Ann and by Eve as one to Dan.
    let payload = mail_payload(&dan.key, &ciphertext, None);
    for author in [0, 2] {
        filed_away(&mut dan, &signed(&key(author), u64::MAX, &payload));
    }
}

#[test]
fn a_full_mailbox_and_another_letter_of_a_pair_are_refused_before_anything_is_stored() {
    let [mut ann, mut ben, mut cem, dan, mut eve] = members();
    let letters = [&mut ann, &mut ben, &mut cem].map(|from| send(from, &dan.key, "hello", NOW).unwrap());
    assert_eq!(eve.mail.arrive(&letters[0], UnixSeconds(NOW)), Arrival::Spooled);
    for _ in 0..2 {
        let another = signed(&key(0), u64::MAX, &letters[0][EVENT_HEADER..]);
        refused(&mut eve, NOW, &another, "pair_waiting");
    }
    assert_eq!(eve.mail.arrive(&letters[1], UnixSeconds(NOW)), Arrival::Spooled);
    refused(&mut eve, NOW, &letters[2], "mailbox_full");
    assert_eq!(eve.mail.waiting_for(&dan.key).count(), 2);
    // There is room as soon as one is delivered.
    eve.mail.filed_by(&dan.key, &Digest::of(&letters[0]));
    assert_eq!(eve.mail.arrive(&letters[2], UnixSeconds(NOW)), Arrival::Spooled);
}

#[test]
fn a_full_inbox_takes_no_letter_until_one_is_read() {
    let [mut ann, mut ben, mut eve] = members();
    let mut written = Vec::new();
    for i in 0..=MAX_INBOX_OF_ONE {
        let sent = send_as(&mut ann, &ben.key, "hello", NOW + u32::try_from(i).unwrap(), false).unwrap();
        ann.mail.filed_by(&ben.key, &sent.id);
        written.push(sent.event);
    }
    let now = NOW + 100;
    let last = written.pop().unwrap();
    for letter in &written {
        assert!(matches!(ben.mail.arrive(letter, UnixSeconds(now)), Arrival::Filed(_)));
    }
    refused(&mut ben, now, &last, "inbox_full");
    // That is between the two; others reach it.
    let other = send(&mut eve, &ben.key, "hello", now).unwrap();
    assert!(matches!(ben.mail.arrive(&other, UnixSeconds(now)), Arrival::Filed(_)));
    assert!(ben.mail.forget(&Digest::of(&written[5])));
    assert!(matches!(ben.mail.arrive(&last, UnixSeconds(now)), Arrival::Filed(_)));
    assert_eq!(ben.mail.unread(), MAX_INBOX_OF_ONE + 1);
}

#[test]
fn prekeys_that_anybody_could_open_are_not_taken_from_their_owner_either() {
    let [mut ann, ben] = members();
    let known: Vec<_> = ann.mail.prekeys().collect();
    ann.mail.take_changes();
    for weak in [0, 1] {
        let mut body = [0; 40];
        body[0] = weak;
        body[32..36].copy_from_slice(&NOW.to_be_bytes());
        body[36..].copy_from_slice(&(NOW + PREKEY_LIFE).to_be_bytes());
        let signature = Domain::new("jurat/v1/prekey").sign(&key(1), network(), &body);
        let prekey = [ben.key.as_bytes(), body.as_slice(), &signature.to_bytes()].concat();
        assert_eq!(ann.mail.learn_prekey(&prekey, UnixSeconds(NOW)), Err("bad_prekey"));
    }
    assert_eq!(count(&ann, "bad_prekey"), 2);
    assert_eq!((ann.mail.prekeys().collect::<Vec<_>>(), ann.mail.take_changes()), (known, vec![]));
}
