//! The eleven weaknesses that were observed in the Python node that these layouts follow, each tried
//! on Jurat's own formats.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jurat_bulletin::{
    Board, BoardLimits, Bulletin, BulletinError, Effort, Inbox, Message, MessageRefusal, Origin, Posting,
    Refusal, Rules, Topic, UnixSeconds, WorkRules,
};
use jurat_crypto::{Digest, Letter, LetterId, NetworkId, Opened, SealingKey, SigningKey, TapeHash, seal};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

const NOW: u32 = 1_700_000_000;
const EFFORT: Effort = Effort::new(3);
const STRANGER: Origin = Origin::Sender { trust: 0 };

fn rules() -> Rules {
    let work = WorkRules {
        function: TapeHash::DEFAULT_V1.into(),
        bulletins: EFFORT,
        messages: EFFORT,
        ..WorkRules::default()
    };
    Rules { work, ..Rules::new(NetworkId(Digest::of(b"network"))) }
}

fn alice() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn bob() -> SigningKey {
    SigningKey::from_seed(&[2; 32])
}

fn stranger() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn sealed() -> Vec<u8> {
    let letter =
        Letter { id: LetterId([1; 16]), created: NOW, expires: NOW + 600, content: b"hello".to_vec().into() };
    let context = Message::context(&rules(), bob().verifying_key().as_bytes());
    let key = SealingKey::from_bytes(&[2; 32]).public();
    seal(&letter, &alice(), &[key], &context, &mut StdRng::from_seed([9; 32])).unwrap()
}

fn message_by(author: &SigningKey, body: Vec<u8>) -> Message {
    Message::sign(author, *bob().verifying_key().as_bytes(), UnixSeconds(NOW), body, &rules())
}

/// Does the work, so that only what a test is about can be the reason of a refusal.
fn stamped(message: Message, effort: Effort) -> Vec<u8> {
    let mut search = message.subject(effort, &rules()).search(&rules().work).unwrap();
    let stamp = search.try_attempts(0..1 << 24).unwrap();
    message.stamped(&stamp).encode(effort)
}

fn captured() -> Message {
    message_by(&alice(), sealed())
}

fn inbox() -> Inbox {
    Inbox::new(rules(), &bob().verifying_key(), 16)
}

fn receive(inbox: &mut Inbox, now: u32, bytes: &[u8]) -> Result<Opened, MessageRefusal> {
    let received = inbox.receive(UnixSeconds(now), bytes, EFFORT, [SealingKey::from_bytes(&[2; 32])].iter());
    received.map(|received| received.opened)
}

fn posting(time: u32, first_nonce: u64) -> Posting {
    let bulletin = Bulletin::new(Topic::beacon().id(), UnixSeconds(time), 0, b"hello".to_vec()).unwrap();
    let posting = Posting::new(EFFORT, bulletin);
    let search = posting.subject(&rules()).search(&rules().work).unwrap();
    let stamp = search.starting_at(first_nonce).try_attempts(0..1 << 24).unwrap();
    posting.stamped(&stamp)
}

fn board() -> Board {
    Board::new(rules(), BoardLimits::default())
}

#[test]
fn there_are_eleven() {
    let text = include_str!("../../../tests/vectors/hashcash/gossip.json");
    let vectors: Value = serde_json::from_str(text).unwrap();
    assert_eq!(vectors["observed_weaknesses"].as_object().unwrap().len(), 11);
}

/// 1. What the other node does right: old times are dropped. So they are here.
#[test]
fn an_old_message_is_dropped() {
    let bytes = stamped(captured(), EFFORT);
    assert_eq!(receive(&mut inbox(), NOW + 301, &bytes), Err(MessageRefusal::Expired { time: NOW }));
    assert!(receive(&mut inbox(), NOW + 300, &bytes).is_ok());
}

/// 2. A captured message with a new time and new work, under the old signature.
#[test]
fn a_captured_message_is_not_replayed_with_a_new_time() {
    let restamped = stamped(Message { time: UnixSeconds(NOW + 1000), ..captured() }, EFFORT);
    assert_eq!(receive(&mut inbox(), NOW + 1000, &restamped), Err(MessageRefusal::Signature));
}

/// 3. A time in the far future.
#[test]
fn a_time_far_ahead_is_refused() {
    let bytes = stamped(captured(), EFFORT);
    assert_eq!(receive(&mut inbox(), NOW - 121, &bytes), Err(MessageRefusal::Future { time: NOW }));
    let bulletin = posting(NOW + 121, 0).encode();
    assert_eq!(
        board().receive(UnixSeconds(NOW), &bulletin, STRANGER),
        Err(Refusal::Future { time: NOW + 121 })
    );
}

/// 4. The same bytes twice.
#[test]
fn an_exact_duplicate_is_refused() {
    let (mut inbox, bytes) = (inbox(), stamped(captured(), EFFORT));
    assert!(receive(&mut inbox, NOW, &bytes).is_ok());
    assert_eq!(receive(&mut inbox, NOW, &bytes), Err(MessageRefusal::Replayed));
    let (mut board, bytes) = (board(), posting(NOW, 0).encode());
    assert!(board.receive(UnixSeconds(NOW), &bytes, STRANGER).is_ok());
    assert_eq!(board.receive(UnixSeconds(NOW), &bytes, STRANGER), Err(Refusal::Duplicate));
}

/// 5. A third party strips the signature and signs the same ciphertext.
#[test]
fn a_ciphertext_is_not_signed_by_another() {
    let taken = stamped(message_by(&stranger(), sealed()), EFFORT);
    assert_eq!(receive(&mut inbox(), NOW, &taken), Err(MessageRefusal::Author));
}

/// 6. Garbage, well signed.
#[test]
fn garbage_with_a_good_signature_is_a_typed_refusal() {
    for body in [Vec::new(), b"garbage".to_vec(), vec![0xff; 1000]] {
        let bytes = stamped(message_by(&alice(), body), EFFORT);
        assert_eq!(receive(&mut inbox(), NOW, &bytes), Err(MessageRefusal::NotSealed));
    }
    let mut garbled = sealed();
    let end = garbled.len();
    garbled[2..end].fill(0x5a);
    let bytes = stamped(message_by(&alice(), garbled), EFFORT);
    assert_eq!(receive(&mut inbox(), NOW, &bytes), Err(MessageRefusal::Sealed));
}

/// 7. Another content under a header that has done its work.
#[test]
fn content_is_not_substituted() {
    let mut bytes = posting(NOW, 0).encode();
    let content = bytes.len() - 5;
    bytes[content..].copy_from_slice(b"HELLO");
    let refusal = Refusal::Bulletin(BulletinError::WrongContent);
    assert_eq!(board().receive(UnixSeconds(NOW), &bytes, STRANGER), Err(refusal));
}

/// 8. Nonce 0 is a nonce.
#[test]
fn a_nonce_of_zero_stays_zero() {
    let bulletin = Bulletin::new(Topic::beacon().id(), UnixSeconds(NOW), 0, b"hello".to_vec()).unwrap();
    assert_eq!(Bulletin::decode(&bulletin.encode()).unwrap().nonce(), 0);
    let work = WorkRules { bulletins: Effort::new(0), ..rules().work };
    let mut board = Board::new(Rules { work, ..rules() }, BoardLimits::default());
    let posting = Posting::new(Effort::new(0), bulletin);
    let accepted = board.receive(UnixSeconds(NOW), &posting.encode(), STRANGER).unwrap();
    assert_eq!(board.retrieve(&accepted.key).unwrap().bulletin.nonce(), 0);
}

/// 9. Nonces above 2^31, up to the last one.
#[test]
fn nonces_are_unsigned() {
    for first in [1 << 31, 0xffff_fff0] {
        let posting = posting(NOW, first);
        assert!(board().receive(UnixSeconds(NOW), &posting.encode(), STRANGER).is_ok());
    }
    for nonce in [0x7fff_ffff, 0x8000_0000, u32::MAX] {
        let bulletin = posting(NOW, 0).bulletin.with_nonce(nonce);
        assert_eq!(Bulletin::decode(&bulletin.encode()).unwrap().nonce(), nonce);
        // One content in eight has its work done by just this nonce; no other content is taken with it.
        let mut taken = 0;
        for content in 0..64_u8 {
            let bulletin =
                Bulletin::new(Topic::beacon().id(), UnixSeconds(NOW), nonce, vec![content]).unwrap();
            let posting = Posting::new(EFFORT, bulletin);
            let is_stamped = posting.is_stamped(&rules());
            let received = board().receive(UnixSeconds(NOW), &posting.encode(), STRANGER).map(|_| ());
            assert_eq!(received, if is_stamped { Ok(()) } else { Err(Refusal::NoWork) });
            taken += u32::from(is_stamped);
        }
        assert!(taken > 0, "nonce {nonce:#x}");
    }
}

/// 10. Good work does not revive what has expired.
#[test]
fn an_expired_bulletin_is_refused() {
    let bytes = posting(NOW, 0).encode();
    let expired = Err(Refusal::Expired { time: NOW });
    assert_eq!(board().receive(UnixSeconds(NOW + 3601), &bytes, STRANGER), expired);
}

/// 11. What a connection asks for is asked of what comes in.
#[test]
fn a_connections_difficulty_is_enforced() {
    let bytes = stamped(captured(), EFFORT);
    let key = [SealingKey::from_bytes(&[2; 32])];
    let received = inbox().receive(UnixSeconds(NOW), &bytes, Effort::new(12), key.iter());
    assert_eq!(received, Err(MessageRefusal::Cheap { promised: 3, asked: 12 }));
    // To promise more is to do more: the effort is part of what the work is over.
    let mut boasting = bytes;
    boasting[3] = 12;
    let received = inbox().receive(UnixSeconds(NOW), &boasting, Effort::new(12), key.iter());
    assert_eq!(received, Err(MessageRefusal::NoWork));
}
