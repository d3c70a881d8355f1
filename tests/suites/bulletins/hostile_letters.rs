//! Letters that no honest member sends, over a member's own link.

use data_encoding::BASE64;
use jurat::core::{BulletinMessage, EntryBytes};
use jurat_bulletin::{MAX_PAYLOAD_BYTES, Message, Rules, mail_payload};
use jurat_crypto::{Domain, KeyUse, Letter, LetterId, NetworkId, SealingKey, SigningKey, VerifyingKey, seal};
use jurat_tests::{Council, Eavesdropper, unix_seconds as now, until_true};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{
    letters::{inbox, send, sent},
    rules,
};

/// Signs whatever it is given, as no honest node would.
fn signed(author: &SigningKey, network: NetworkId, sequence: u64, time: u32, payload: &[u8]) -> Vec<u8> {
    let (sequence, time) = (sequence.to_be_bytes(), time.to_be_bytes());
    let statement = [sequence.as_slice(), &time, payload].concat();
    let signature = Domain::new("jurat/v1/private-event").sign(author, network, &statement);
    [author.verifying_key().as_bytes(), sequence.as_slice(), &time, &signature.to_bytes(), payload].concat()
}

/// A letter of member 3 to another whose prekey it does not care for.
fn letter_to(rules: &Rules, author: &SigningKey, recipient: &VerifyingKey) -> Vec<u8> {
    let content = b"to whom it may concern".to_vec().into();
    let letter = Letter { id: LetterId([7; 16]), created: now(), expires: now() + 3600, content };
    let context = Message::context(rules, recipient.as_bytes());
    let key = SealingKey::from_bytes(&[7; 32]).public();
    let sealed = seal(&letter, author, &[key], &context, &mut StdRng::seed_from_u64(7)).unwrap();
    mail_payload(recipient, &sealed, None)
}

#[test]
fn a_member_that_passes_on_bad_letters_finds_them_counted_and_nothing_stored() {
    let council = Council::start();
    sent(&council, 0, 1, "so that all know the prekeys");
    until_true("it to be filed", || inbox(&council, 1).len() == 1);
    until_true("it to be dropped", || council.metric(0, "jurat_mail_spooled") == 0);
    council.kill(3);
    council.kill(1);
    let hostile = Eavesdropper::at(&council, 0, 3);
    let (rules, key) = (rules(&council), council.seed(3).signing_key(KeyUse::Link));
    let link_key = |member| council.seed(member).signing_key(KeyUse::Link).verifying_key();
    let good = letter_to(&rules, &key, &link_key(1));
    let with = |field: &str, value: Value| {
        let mut payload: Value = serde_json::from_slice(&good).unwrap();
        payload[field] = value;
        payload.to_string().into_bytes()
    };
    let text = BASE64.encode("meet me under the clock at noon ".repeat(30).as_bytes());
    let sign = |time, payload: &[u8]| signed(&key, rules.network, u64::from(now()) * 1000, time, payload);
    let mut altered = sign(now(), &good);
    altered[60] ^= 1;
    let cases = [
        ("truncated", sign(now(), &good)[..100].to_vec()),
        ("too_long", sign(now(), &vec![b' '; MAX_PAYLOAD_BYTES + 1])),
        ("schema", sign(now(), &with("subject", "hello".into()))),
        ("plaintext", sign(now(), &with("_local_plaintext", "hello".into()))),
        ("readable", sign(now(), &with("ciphertext", text.into()))),
        ("transport_lock", sign(now(), &with("transport_lock", "rns".into()))),
        ("expired", sign(now() - 3700, &good)),
        ("future", sign(now() + 300, &good)),
        ("author", altered),
        ("author", signed(&SigningKey::from_seed(&[99; 32]), rules.network, 1, now(), &good)),
    ];
    let say = |letter: &[u8]| hostile.say(&BulletinMessage::Mail(EntryBytes(letter.into())));
    let count = |reason: &str| {
        let text = council.http(0).get("/metrics").unwrap().text().to_owned();
        let name = format!("jurat_mail_refused_total{{reason=\"{reason}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&name)?.parse::<u64>().ok()).unwrap_or(0)
    };
    let syncs = || council.metric(0, "jurat_bulletin_syncs_total");
    let (before, stored) =
        (["spooled", "unread"].map(|what| council.metric(0, &format!("jurat_mail_{what}"))), syncs());
    for (reason, letter) in cases {
        let counted = count(reason);
        say(&letter);
        until_true(reason, || count(reason) == counted + 1);
    }
    assert_eq!(["spooled", "unread"].map(|what| council.metric(0, &format!("jurat_mail_{what}"))), before);
    assert_eq!(syncs(), stored, "nothing went to the disk");
    // A good one is spooled; the same again and another of the pair are not, nor a third to the same member.
    let sequence = u64::from(now()) * 1000;
    let first = signed(&key, rules.network, sequence, now(), &good);
    say(&first);
    until_true("it to be spooled", || council.metric(0, "jurat_mail_spooled") == 1);
    say(&signed(&key, rules.network, sequence - 1, now(), &good));
    until_true("a replay", || count("replayed") == 1);
    say(&signed(&key, rules.network, sequence + 1, now(), &good));
    until_true("another of the pair", || count("pair_waiting") == 1);
    sent(&council, 2, 1, "the second to this member");
    until_true("it to be spooled", || council.metric(0, "jurat_mail_spooled") == 2);
    let full = send(&council, 0, 1, "the third");
    assert!(full.code == Some(1) && full.stderr.contains("mailbox is full"), "{full:?}");
    // To this node: what does not open is counted, and answered as if it did.
    let sealed_for_another = letter_to(&rules, &key, &link_key(0));
    say(&signed(&key, rules.network, sequence + 2, now(), &sealed_for_another));
    until_true("a letter that does not open", || count("sealed") == 1);
    until_true("the answer", || {
        hostile.bulletins().iter().any(|message| matches!(message, BulletinMessage::Filed(_)))
    });
    assert!(inbox(&council, 0).is_empty());
}
