//! Topics, contents and bulletins of the Python project that this layout follows.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use data_encoding::HEXLOWER;
use jurat_bulletin::{Bulletin, Topic};
use jurat_crypto::Digest;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vectors {
    topics: Vec<TopicCase>,
    contents: Vec<ContentCase>,
    bulletins: Vec<BulletinCase>,
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
    topic_id: String,
    content: String,
    content_id: String,
    ts: u32,
    nonce: u32,
    header: String,
    packed: String,
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

#[test]
fn foreign_topics_contents_and_bulletins() {
    let text = include_str!("../../../tests/vectors/hashcash/gossip.json");
    let vectors: Vectors = serde_json::from_str(text).unwrap();
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
        assert_eq!(bulletin.header().as_slice(), hex(&case.header));
        assert_eq!(bulletin.encode(), hex(&case.packed));
    }
    assert!(vectors.topics.len() > 10 && vectors.contents.len() > 5 && vectors.bulletins.len() > 50);
}
