//! Bulletins, messages and private events.

use jurat_bulletin::{
    Authors, Board, BoardLimits, Bulletin, Effort, Freshness, HEADER_BYTES, Inbox, Message, MessageRefusal,
    Origin, Posting, PrivatePayload, PrivateRules, Refusal, Rules, Topic, UnixSeconds, mail_payload,
    sign_private,
};
use jurat_crypto::{Digest, Letter, LetterId, NetworkId, SealingKey, VerifyingKey, WorkFunction, seal};
use rand::{SeedableRng, rngs::StdRng};

use super::{Seed, fixtures, seed};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const STRANGER: Origin = Origin::Sender { trust: 0 };

/// Work costs nothing, so that the fuzzer gets past it.
fn rules() -> Rules {
    let mut rules = Rules::new(NetworkId(Digest::of(b"network")));
    rules.work.bulletins = Effort::new(0);
    rules.work.messages = Effort::new(0);
    rules
}

/// The same with Equihash: its solutions must hold, and any is enough.
fn equihash() -> Rules {
    let mut rules = rules();
    rules.work.function = WorkFunction::Equihash;
    rules
}

pub(super) fn bulletin(input: &[u8]) -> Option<()> {
    let bulletin = Bulletin::decode(input).ok()?;
    assert_eq!(bulletin.encode(), input);
    assert_eq!((&bulletin.header().encode()[..], bulletin.content()), input.split_at(HEADER_BYTES));
    Some(())
}

fn written(content: &[u8]) -> Bulletin {
    Bulletin::new(Topic::beacon().id(), NOW, 7, content.to_vec()).expect("a bulletin")
}

pub(super) fn bulletin_seeds() -> Vec<Seed> {
    vec![seed("empty", written(b"").encode()), seed("short", written(b"hello").encode())]
}

/// Whatever a board takes it keeps as it came, once; and what one network's takes the other's does not.
pub(super) fn posting(input: &[u8]) -> Option<()> {
    let decoded = Posting::decode(input);
    if let Ok(posting) = &decoded {
        assert_eq!(posting.encode(), input);
        assert_eq!(Posting::header_of(input).as_ref(), Ok(posting.bulletin.header()));
    }
    let [tape, equihash] = [rules(), equihash()].map(|rules| taken(rules, input));
    assert!(tape.is_none() || equihash.is_none());
    assert!(decoded.is_ok() || tape.or(equihash).is_none());
    tape.or(equihash)
}

fn taken(rules: Rules, input: &[u8]) -> Option<()> {
    let mut board = Board::new(rules, BoardLimits::default());
    let accepted = board.receive(NOW, input, STRANGER).ok()?;
    assert_eq!(board.retrieve(&accepted.key).map(Posting::encode).as_deref(), Some(input));
    assert_eq!(board.receive(NOW, input, STRANGER), Err(Refusal::Duplicate));
    Some(())
}

pub(super) fn posting_seeds() -> Vec<Seed> {
    let posting = Posting::new(Effort::new(0), written(b"hello"));
    let search = posting.subject(&equihash()).search(&equihash().work).expect("a search");
    let stamp = { search }.try_attempts(0..100).expect("a solution");
    vec![seed("hello", posting.encode()), seed("solved", posting.stamped(&stamp).encode())]
}

fn receiver() -> VerifyingKey {
    *fixtures::attestor().key()
}

fn letter() -> Letter {
    let content = b"for your eyes".to_vec().into();
    Letter { id: LetterId([5; 16]), created: NOW.0, expires: NOW.0 + 600, content }
}

fn sealed() -> Vec<u8> {
    let context = Message::context(&rules(), receiver().as_bytes());
    let key = SealingKey::from_bytes(&[1; 32]).public();
    seal(&letter(), &fixtures::attestor_key(), &[key], &context, &mut StdRng::seed_from_u64(0))
        .expect("a letter")
}

/// Only one message was ever written. Whatever arrives must be it, and only once.
pub(super) fn message(input: &[u8]) -> Option<()> {
    received(rules(), input).or_else(|| received(equihash(), input))
}

fn received(rules: Rules, input: &[u8]) -> Option<()> {
    let mut inbox = Inbox::new(rules, &receiver(), 4);
    let keys = [SealingKey::from_bytes(&[1; 32])];
    let opened = inbox.receive(NOW, input, Effort::new(0), keys.iter()).ok()?.opened;
    assert!(opened.letter == letter() && opened.author == fixtures::attestor_key().verifying_key());
    let again = inbox.receive(NOW, input, Effort::new(0), keys.iter());
    assert_eq!(again, Err(MessageRefusal::Replayed));
    // Stored, it is the same after a restart.
    let restored = Inbox::new(rules, &receiver(), 4).restore(NOW, input, keys.iter());
    assert_eq!(restored.map(|received| received.opened), Ok(opened));
    Some(())
}

pub(super) fn message_seeds() -> Vec<Seed> {
    let message = Message::sign(&fixtures::attestor_key(), *receiver().as_bytes(), NOW, sealed(), &rules());
    let effort = Effort::new(0);
    let search = message.subject(effort, &equihash()).search(&equihash().work).expect("a search");
    let stamp = { search }.try_attempts(0..100).expect("a solution");
    vec![seed("sealed", message.encode(effort)), seed("solved", message.stamped(&stamp).encode(effort))]
}

struct Anyone;

impl Authors for Anyone {
    fn may_write(&self, _: &VerifyingKey) -> bool {
        true
    }
}

/// Whatever passes says nothing in the open, and has the author who signed it.
pub(super) fn private_event(input: &[u8]) -> Option<()> {
    if let Ok(payload) = PrivatePayload::parse(input) {
        let ciphertext = match payload {
            PrivatePayload::Mail { ciphertext, .. } | PrivatePayload::Post { ciphertext, .. } => ciphertext,
        };
        assert!(ciphertext.len() >= 16);
        return Some(());
    }
    let rules_at = |network| PrivateRules::new(network, 120);
    let mut rules = rules_at(rules().network);
    let event = rules.check(input, Freshness::At(NOW), &Anyone).ok()?;
    assert_eq!(event.commitment, Digest::of(input));
    assert_eq!(event.author, fixtures::attestor_key().verifying_key());
    let elsewhere = rules_at(NetworkId(Digest::of(b"another")));
    assert!(elsewhere.check(input, Freshness::Stored, &Anyone).is_err());
    rules.note(&event);
    assert!(rules.check(input, Freshness::Stored, &Anyone).is_err());
    Some(())
}

pub(super) fn private_event_seeds() -> Vec<Seed> {
    let payload = mail_payload(&receiver(), &sealed(), None);
    let ordered = mail_payload(&receiver(), &sealed(), Some(&Digest::of(b"salt")));
    let event = sign_private(&fixtures::attestor_key(), rules().network, 1, NOW, &payload).expect("an event");
    vec![seed("mail", event), seed("payload", payload), seed("ordered", ordered)]
}
