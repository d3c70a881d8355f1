//! Topics, contents, bulletins and messages of the Python project that these layouts follow.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use data_encoding::HEXLOWER;
use jurat_bulletin::{
    Bulletin, Topic, UnixSeconds,
    compat::{GossipMessage, bulletin_search, bulletin_work},
};
use jurat_crypto::{Digest, SigningKey, ZeroBits, leading_zero_bits};
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    topics: Vec<TopicCase>,
    contents: Vec<ContentCase>,
    bulletins: Vec<BulletinCase>,
    messages: Vec<MessageCase>,
}

#[derive(Deserialize)]
struct TopicCase {
    descriptor: String,
    id: String,
}

#[derive(Deserialize)]
struct ContentCase {
    content: String,
    id: String,
}

#[derive(Deserialize)]
struct BulletinCase {
    difficulty_bits: u16,
    start_nonce: u64,
    leading_zero_bits: u16,
    topic_id: String,
    content: String,
    content_id: String,
    ts: u32,
    nonce: u32,
    header: String,
    packed: String,
}

#[derive(Deserialize)]
struct MessageCase {
    difficulty_bits: u16,
    src_seed: String,
    src: String,
    dst: String,
    ciphertext: String,
    sig: String,
    ts: u32,
    start_nonce: u64,
    nonce: u32,
    header: String,
    tapehash1_64_digest: String,
    leading_zero_bits: u16,
    packed: String,
}

fn vectors() -> Vectors {
    serde_json::from_str(include_str!("../../../tests/vectors/hashcash/gossip.json")).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn foreign_topics_contents_and_bulletins() {
    let vectors = vectors();
    for case in &vectors.topics {
        assert_eq!(Topic::new(hex(&case.descriptor)).id().0.to_string(), case.id);
    }
    for case in &vectors.contents {
        assert_eq!(Digest::of(&hex(&case.content)).to_string(), case.id);
    }
    for case in &vectors.bulletins {
        let bulletin = Bulletin::decode(&hex(&case.packed)).unwrap();
        assert_eq!(bulletin.topic().0.to_string(), case.topic_id);
        assert_eq!(bulletin.content_id().0.to_string(), case.content_id);
        assert_eq!(bulletin.content(), hex(&case.content));
        assert_eq!((bulletin.time().0, bulletin.nonce()), (case.ts, case.nonce));
        assert_eq!(bulletin.header().encode().as_slice(), hex(&case.header));
        assert_eq!(bulletin.encode(), hex(&case.packed));
        assert_eq!(bulletin_work(&bulletin).value(), case.leading_zero_bits);
        let search = bulletin_search(&bulletin, ZeroBits::new(case.difficulty_bits).unwrap()).unwrap();
        let stamp = search.starting_at(case.start_nonce).try_attempts(0..1 << 32).unwrap();
        assert_eq!(stamp.nonce, u64::from(case.nonce));
    }
    assert!(vectors.topics.len() > 10 && vectors.contents.len() > 5 && vectors.bulletins.len() > 50);
}

#[test]
fn foreign_messages() {
    let messages = vectors().messages;
    assert!(messages.len() > 40);
    for case in &messages {
        let message = GossipMessage::decode(&hex(&case.packed)).unwrap();
        assert_eq!(message.src.as_slice(), hex(&case.src));
        assert_eq!((message.time.0, message.nonce), (case.ts, case.nonce));
        assert_eq!(message.header().as_slice(), hex(&case.header));
        assert_eq!(message.encode(), hex(&case.packed));
        assert_eq!(message.verify(), Ok(()));
        assert_eq!(message.work().to_string(), case.tapehash1_64_digest);
        assert_eq!(leading_zero_bits(&message.work()).value(), case.leading_zero_bits);

        let key = SigningKey::from_seed(&hex(&case.src_seed).try_into().unwrap());
        let dst = hex(&case.dst).try_into().unwrap();
        let made = GossipMessage::sign(&key, dst, UnixSeconds(case.ts), hex(&case.ciphertext));
        assert_eq!(made.signature.to_bytes().as_slice(), hex(&case.sig));
        let search = made.search(ZeroBits::new(case.difficulty_bits).unwrap()).unwrap();
        let stamp = search.starting_at(case.start_nonce).try_attempts(0..1 << 32).unwrap();
        assert_eq!(stamp.nonce, u64::from(case.nonce));

        let mut altered = message;
        altered.ciphertext[0] ^= 1;
        assert!(altered.verify().is_err());
    }
}
