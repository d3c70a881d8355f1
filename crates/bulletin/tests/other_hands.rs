//! Messages in hands that they were not meant for: addressed, signed or sealed anew.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jurat_bulletin::{Effort, Inbox, Load, Message, MessageRefusal, Rules, UnixSeconds, WorkRules};
use jurat_crypto::{
    Digest, Letter, LetterId, NetworkId, SealContext, SealingKey, SigningKey, TapeHash, VerifyingKey, seal,
};
use rand::{SeedableRng, rngs::StdRng};

const NOW: u32 = 1_700_000_000;
const EFFORT: Effort = Effort::new(1);

fn rules() -> Rules {
    let work = WorkRules { function: TapeHash::DEFAULT_V1.into(), messages: EFFORT, ..WorkRules::default() };
    Rules { work, ..Rules::new(NetworkId(Digest::of(b"network"))) }
}

/// Somebody with a key that signs and one that opens.
fn person(i: u8) -> (SigningKey, SealingKey) {
    (SigningKey::from_seed(&[i; 32]), SealingKey::from_bytes(&[i; 32]))
}

fn address(i: u8) -> VerifyingKey {
    person(i).0.verifying_key()
}

fn sealed(author: u8, recipient: u8, context: &SealContext) -> Vec<u8> {
    let letter =
        Letter { id: LetterId([1; 16]), created: NOW, expires: NOW + 600, content: b"hello".to_vec().into() };
    let key = person(recipient).1.public();
    seal(&letter, &person(author).0, &[key], context, &mut StdRng::from_seed([9; 32])).unwrap()
}

fn context(recipient: u8) -> SealContext {
    Message::context(&rules(), address(recipient).as_bytes())
}

/// Does the work, so that only what a test is about can be the reason of a refusal.
fn stamped(message: Message) -> Vec<u8> {
    let mut search = message.subject(EFFORT, &rules()).search(&rules().work).unwrap();
    let stamp = search.try_attempts(0..1 << 24).unwrap();
    message.stamped(&stamp).encode(EFFORT)
}

fn signed(author: u8, to: u8, body: Vec<u8>) -> Message {
    Message::sign(&person(author).0, *address(to).as_bytes(), UnixSeconds(NOW), body, &rules())
}

/// What becomes of a message in the inbox of person `i`, how often that was counted, and whether it is
/// remembered.
fn received(i: u8, bytes: &[u8]) -> Result<(), MessageRefusal> {
    let mut inbox = Inbox::new(rules(), &address(i), 1);
    let opened = inbox.receive(UnixSeconds(NOW), bytes, EFFORT, [person(i).1].iter()).map(|_| ());
    if let Err(refusal) = opened {
        assert_eq!(inbox.refused().iter().collect::<Vec<_>>(), [(&refusal.reason(), &1)]);
        let remembered = inbox.price(Load { used: 0, quota: 1 }, 0) > rules().work.messages;
        let opened_in_vain = matches!(refusal, MessageRefusal::Sealed | MessageRefusal::Author);
        assert_eq!(remembered, opened_in_vain, "only work that made this node work is spent: {refusal:?}");
    }
    opened
}

#[test]
fn a_message_is_good_where_it_was_sent_and_nowhere_else() {
    let captured = signed(1, 2, sealed(1, 2, &context(2)));
    assert_eq!(received(2, &stamped(captured.clone())), Ok(()));
    assert_eq!(received(3, &stamped(captured.clone())), Err(MessageRefusal::NotForUs));
    // Addressed to another, with new work: the signature covers the address.
    let readdressed = Message { dst: *address(3).as_bytes(), ..captured.clone() };
    assert_eq!(received(3, &stamped(readdressed)), Err(MessageRefusal::Signature));
    // Even its own author can't pass the same letter on: it is sealed for one.
    let passed_on = signed(1, 3, captured.body.clone());
    assert_eq!(received(3, &stamped(passed_on)), Err(MessageRefusal::Sealed));
    // Signed again by another.
    assert_eq!(received(2, &stamped(signed(4, 2, captured.body))), Err(MessageRefusal::Author));
}

#[test]
fn a_letter_for_another_key_or_another_place_does_not_open() {
    let elsewhere = SealContext { network: NetworkId(Digest::of(b"elsewhere")), ..context(2) };
    let bodies = [
        sealed(1, 3, &context(2)),
        sealed(1, 2, &context(3)),
        sealed(1, 2, &elsewhere),
        sealed(1, 2, &SealContext { epoch: 1, ..context(2) }),
    ];
    for body in bodies {
        assert_eq!(received(2, &stamped(signed(1, 2, body))), Err(MessageRefusal::Sealed));
    }
}

#[test]
fn a_sender_whose_key_has_small_order_is_refused() {
    let honest = signed(1, 2, sealed(1, 2, &context(2)));
    // The neutral element signs anything with itself and zero; and -1, of order 2.
    let neutral = {
        let mut key = [0; 32];
        key[0] = 1;
        key
    };
    let mut minus_one = [0xff; 32];
    (minus_one[0], minus_one[31]) = (0xec, 0x7f);
    for src in [neutral, minus_one] {
        let mut signature = [0; 64];
        signature[..32].copy_from_slice(&neutral);
        let signature = jurat_crypto::Signature::from_bytes(signature);
        let weak = Message { src, signature, ..honest.clone() };
        assert_eq!(received(2, &stamped(weak)), Err(MessageRefusal::Signature));
    }
}
