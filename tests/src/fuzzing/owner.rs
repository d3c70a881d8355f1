//! What the node's owner asks over its socket.

use jurat::{
    core::{BulletinExchange, NotDone, NotSent},
    runtime::{GateRequest, OwnerRequest},
};
use jurat_bulletin::{BoardLimits, Rules};
use jurat_crypto::{Digest, KeyUse, MAX_LETTER_BYTES, SealError, SealingKey};
use jurat_gates::{GateName, MAX_POST_BYTES};
use jurat_pbft::{BatchTime, Now, ReplicaId};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, fixtures, seed};

/// A line that is a request is written again as one that asks the same. Letters of any content are taken up
/// to their limit.
pub(super) fn request(input: &[u8]) -> Option<()> {
    let line = std::str::from_utf8(input).ok()?;
    let request: OwnerRequest = serde_json::from_str(line).ok()?;
    let written = serde_json::to_string(&request).expect("it is written");
    let again: OwnerRequest = serde_json::from_str(&written).expect("what was written can be read");
    assert_eq!(serde_json::to_string(&again).expect("it is written"), written);
    match request {
        OwnerRequest::Send { content, ordered, .. } => {
            if let Ok(content) = data_encoding::BASE64.decode(content.as_bytes()) {
                send(&content, ordered);
            }
        }
        OwnerRequest::Forget { id } => drop(id.parse::<Digest>()),
        OwnerRequest::Inbox => {}
        OwnerRequest::Gate { request } => about_gates(request),
    }
    Some(())
}

/// A node that has just been started, alone in its council.
fn started(now: Now) -> BulletinExchange {
    let key = fixtures::key_seeds()[0].signing_key(KeyUse::Link);
    let rules = Rules::new(fixtures::genesis().network());
    let entropy = StdRng::seed_from_u64(0);
    let mut exchange = BulletinExchange::new(rules, BoardLimits::default(), key, entropy);
    exchange.set_council(Some(ReplicaId(0)), &[].into(), now);
    exchange.publish_prekey(SealingKey::from_bytes(&[7; 32]), now);
    exchange
}

/// A gate of any name is found by it; a post of any content is taken up to its limit.
fn about_gates(request: GateRequest) {
    let now = Now { elapsed: 0, wall: BatchTime(fixtures::TIME) };
    let mut exchange = started(now);
    match request {
        GateRequest::Create { name } => match exchange.create_gate(&name, 0) {
            Ok(id) => assert_eq!(exchange.gates().find(&name), Ok(id)),
            Err(error) => assert!(error == NotDone::Name && GateName::new(&name).is_none()),
        },
        GateRequest::Post { gate, content } => {
            let Ok(content) = data_encoding::BASE64.decode(content.as_bytes()) else { return };
            let id = exchange.create_gate("snow", 0).expect("a gate");
            let named = exchange.gates().find(&gate);
            assert!(named == Ok(id) || named == Err(NotDone::NoSuchGate));
            let posted = exchange.post_to_gate(&id, &content, now);
            assert_eq!(posted.is_err(), content.len() > MAX_POST_BYTES);
        }
        GateRequest::Outcome { change, .. } => drop(change.parse::<Digest>()),
        _ => {}
    }
}

/// A letter to the node itself, which has just been started.
fn send(content: &[u8], ordered: bool) {
    let now = Now { elapsed: 0, wall: BatchTime(fixtures::TIME) };
    let key = fixtures::key_seeds()[0].signing_key(KeyUse::Link);
    let mut exchange = started(now);
    let sent = exchange.send_letter(&key.verifying_key(), content, ordered, now);
    if content.len() > MAX_LETTER_BYTES {
        assert!(matches!(sent, Err(NotSent::Seal(SealError::TooLong(length))) if length == content.len()));
        return;
    }
    assert_eq!(sent.expect("a letter").order.is_some(), ordered);
    assert_eq!(exchange.mail().unread(), 1);
}

pub(super) fn request_seeds() -> Vec<Seed> {
    let lines = [
        ("send", r#"{"do":"send","to":"node-2","content":"aGVsbG8=","ordered":true}"#),
        ("inbox", r#"{"do":"inbox"}"#),
        ("gate_create", r#"{"do":"gate","request":{"do":"create","name":"snow on the pass"}}"#),
        ("gate_post", r#"{"do":"gate","request":{"do":"post","gate":"snow","content":"aGVsbG8="}}"#),
        ("gate_invite", r#"{"do":"gate","request":{"do":"invite","gate":"snow","members":["node-2"]}}"#),
        ("gate_read", r#"{"do":"gate","request":{"do":"read","gate":"snow","after":0}}"#),
        (
            "forget",
            r#"{"do":"forget","id":"abababababababababababababababababababababababababababababababab"}"#,
        ),
    ];
    lines.map(|(name, line)| seed(name, line)).into()
}
