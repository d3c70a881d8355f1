//! Messages that arrive, and the many that must not.

use jurat_crypto::{EquihashSolution, Letter, LetterId, NetworkId, TapeHash, WorkFunction, seal};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};

use super::*;

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const EFFORT: Effort = Effort::new(4);

fn rules() -> Rules {
    let mut rules = Rules::new(NetworkId(Digest::of(b"network")));
    rules.work.function = TapeHash::DEFAULT_V1.into();
    rules
}

fn alice() -> SigningKey {
    SigningKey::from_seed(&[1; 32])
}

fn mallory() -> SigningKey {
    SigningKey::from_seed(&[3; 32])
}

fn bob() -> ([u8; 32], SealingKey) {
    (*SigningKey::from_seed(&[2; 32]).verifying_key().as_bytes(), SealingKey::from_bytes(&[2; 32]))
}

fn inbox() -> Inbox {
    Inbox::new(rules(), &VerifyingKey::from_bytes(bob().0).unwrap(), 4)
}

fn sealed(author: &SigningKey, expires: u32, content: &[u8]) -> Vec<u8> {
    let letter = Letter { id: LetterId([1; 16]), created: NOW.0, expires, content: content.to_vec().into() };
    let (dst, key) = bob();
    let context = Message::context(&rules(), &dst);
    seal(&letter, author, &[key.public()], &context, &mut StdRng::from_seed([9; 32])).unwrap()
}

fn stamped(message: Message) -> Message {
    stamped_under(&rules(), message)
}

fn stamped_under(rules: &Rules, message: Message) -> Message {
    let search = message.subject(EFFORT, rules).search(&rules.work);
    let stamp = search.unwrap().try_attempts(0..1 << 20).unwrap();
    message.stamped(&stamp)
}

fn message() -> Message {
    let body = sealed(&alice(), NOW.0 + 600, b"hello");
    stamped(Message::sign(&alice(), bob().0, NOW, body, &rules()))
}

fn receive(inbox: &mut Inbox, now: u32, message: &Message) -> Result<Opened, MessageRefusal> {
    let received = inbox.receive(UnixSeconds(now), &message.encode(EFFORT), EFFORT, [bob().1].iter());
    received.map(|received| received.opened)
}

#[test]
fn a_message_arrives_once() {
    let mut inbox = inbox();
    let opened = receive(&mut inbox, NOW.0, &message()).unwrap();
    assert_eq!((opened.author, opened.letter.content.as_slice()), (alice().verifying_key(), &b"hello"[..]));
    assert_eq!(receive(&mut inbox, NOW.0 + 300, &message()), Err(MessageRefusal::Replayed));
    assert_eq!(receive(&mut inbox, NOW.0 + 301, &message()), Err(MessageRefusal::Expired { time: NOW.0 }));
    assert_eq!(receive(&mut inbox, NOW.0 - 121, &message()), Err(MessageRefusal::Future { time: NOW.0 }));
    assert_eq!(inbox.refused()["replayed"], 1);
}

#[test]
fn each_defect_has_its_refusal() {
    let good = message();
    let bytes = good.encode(EFFORT);
    let mut cases = vec![
        (bytes[..139].to_vec(), MessageRefusal::Truncated(139)),
        (Message { dst: [9; 32], ..good.clone() }.encode(EFFORT), MessageRefusal::NotForUs),
        (good.encode(Effort::new(3)), MessageRefusal::Cheap { promised: 3, asked: 4 }),
        (Message { body: b"hi Bob".to_vec(), ..good.clone() }.encode(EFFORT), MessageRefusal::NotSealed),
        (
            Message { body: vec![0; MAX_SEALED_BYTES + 1], ..good.clone() }.encode(EFFORT),
            MessageRefusal::TooLong(MAX_SEALED_BYTES + 1),
        ),
    ];
    let no_work = (0..u32::MAX)
        .map(|nonce| Message { nonce, ..good.clone() })
        .find(|message| !message.subject(EFFORT, &rules()).is_stamped(message.nonce, None, &rules().work));
    cases.push((no_work.unwrap().encode(EFFORT), MessageRefusal::NoWork));
    let forged = Message { signature: mallory().sign(b"something else"), ..good.clone() };
    cases.push((stamped(forged).encode(EFFORT), MessageRefusal::Signature));
    // A new time, with new work for it: the signature covers the time.
    let restamped = Message { time: UnixSeconds(NOW.0 + 100), ..good.clone() };
    cases.push((stamped(restamped).encode(EFFORT), MessageRefusal::Signature));
    let no_key = Message { src: [0xff; 32], ..good };
    cases.push((stamped(no_key).encode(EFFORT), MessageRefusal::Signature));
    // A third party puts their own name on a captured letter.
    let taken = Message::sign(&mallory(), bob().0, NOW, sealed(&alice(), NOW.0 + 600, b"hello"), &rules());
    cases.push((stamped(taken).encode(EFFORT), MessageRefusal::Author));
    // Well signed, but the letter is damaged, or over by its own word.
    let mut damaged = sealed(&alice(), NOW.0 + 600, b"hello");
    damaged[300] ^= 1;
    let damaged = Message::sign(&alice(), bob().0, NOW, damaged, &rules());
    cases.push((stamped(damaged).encode(EFFORT), MessageRefusal::Sealed));
    let over = Message::sign(&alice(), bob().0, NOW, sealed(&alice(), NOW.0, b"hello"), &rules());
    let mut inbox = inbox();
    for (bytes, refusal) in cases {
        assert_eq!(inbox.receive(NOW, &bytes, EFFORT, [bob().1].iter()), Err(refusal));
    }
    assert_eq!(receive(&mut inbox, NOW.0 + 1, &stamped(over)), Err(MessageRefusal::Sealed));
    // Of the three that made it open a letter the stamps are spent.
    assert_eq!(inbox.seen.len(), 3);
}

#[test]
fn messages_of_an_equihash_network_carry_their_solution() {
    let work = crate::WorkRules { function: WorkFunction::Equihash, ..rules().work };
    let rules = Rules { work, ..rules() };
    let inbox = || Inbox::new(rules, &VerifyingKey::from_bytes(bob().0).unwrap(), 4);
    let take = |inbox: &mut Inbox, bytes: &[u8]| {
        let received = inbox.receive(NOW, bytes, EFFORT, [bob().1].iter());
        received.map(|received| received.opened.letter.content.to_vec())
    };
    let good = stamped_under(&rules, Message { nonce: 0, ..message() });
    let (mut taking, bytes) = (inbox(), good.encode(EFFORT));
    assert_eq!(take(&mut taking, &bytes), Ok(b"hello".to_vec()));
    assert_eq!(take(&mut taking, &bytes), Err(MessageRefusal::Replayed));
    let mut refusing = inbox();
    let none = Message { solution: None, ..good.clone() };
    let missing = MessageRefusal::Solution(SolutionError::Missing);
    assert_eq!(take(&mut refusing, &none.encode(EFFORT)), Err(missing));
    let zeros = EquihashSolution::from_bytes(&[0; EquihashSolution::BYTES]).ok();
    let wrong = Message { solution: zeros, ..good.clone() };
    assert_eq!(take(&mut refusing, &wrong.encode(EFFORT)), Err(MessageRefusal::NoWork));
    let mut longer = bytes.clone();
    longer[4] = 18;
    let length = MessageRefusal::SolutionLength(EquihashLengthError { actual: 18 });
    assert_eq!(take(&mut refusing, &longer), Err(length));
    assert_eq!(take(&mut refusing, &bytes[..22]), Err(MessageRefusal::Truncated(22)));
    // In another network a solution is one thing too many.
    let needless = MessageRefusal::Solution(SolutionError::Needless);
    assert_eq!(take(&mut super::tests::inbox(), &bytes), Err(needless));
    let reasons: Vec<_> = refusing.refused().keys().copied().collect();
    assert_eq!(reasons, ["no_solution", "no_work", "solution_length", "truncated"]);
}

#[test]
fn a_message_is_what_its_description_says() {
    let message = message();
    let (src, time) = (alice().verifying_key(), NOW.0.to_be_bytes());
    let statement = [src.as_bytes().as_slice(), &message.dst, &time, &message.body].concat();
    Domain::new("jurat/v1/message").verify(&src, rules().network, &statement, &message.signature).unwrap();
    let signature = message.signature.to_bytes();
    let subject = StampSubject {
        network: rules().network,
        audience: bob().0,
        content: Digest::of(&[src.as_bytes().as_slice(), &signature, &message.body].concat()),
        time: NOW,
        effort: EFFORT,
    };
    assert_eq!(message.subject(EFFORT, &rules()), subject);
}

#[test]
fn a_letter_counts_in_its_last_second() {
    let last = Message::sign(&alice(), bob().0, NOW, sealed(&alice(), NOW.0, b"hello"), &rules());
    assert!(receive(&mut inbox(), NOW.0, &stamped(last)).is_ok());
}

#[test]
fn refusals_that_depend_on_secrets_read_alike() {
    let [signature, sealed, author] =
        [MessageRefusal::Signature, MessageRefusal::Sealed, MessageRefusal::Author].map(|r| r.to_string());
    assert!(signature == sealed && sealed == author);
}

const NO_LOAD: Load = Load { used: 0, quota: 1 };

#[test]
fn the_price_rises_with_what_waits_to_be_read_as_with_what_is_remembered() {
    let waiting = |used| inbox().price(Load { used, quota: 100 }, 0).amount();
    assert_eq!([0, 50, 75, 100].map(waiting), [1, 1, 1 + 4, 1 + crate::MAX_RISE]);
    assert_eq!(inbox().price(NO_LOAD, crate::TRUSTED), Effort::new(0));
}

#[test]
fn who_makes_a_node_open_letters_in_vain_has_spent_a_stamp() {
    let key = VerifyingKey::from_bytes(bob().0).unwrap();
    let remembered = |refused: &Message| {
        let mut inbox = Inbox::new(rules(), &key, 1);
        let refusal = receive(&mut inbox, NOW.0, refused).unwrap_err();
        (refusal, inbox.price(NO_LOAD, 0) > rules().work.messages)
    };
    let mut damaged = sealed(&alice(), NOW.0 + 600, b"hello");
    damaged[300] ^= 1;
    let damaged = stamped(Message::sign(&alice(), bob().0, NOW, damaged, &rules()));
    assert_eq!(remembered(&damaged), (MessageRefusal::Sealed, true));
    let of_another = sealed(&SigningKey::from_seed(&[9; 32]), NOW.0 + 600, b"not mine");
    let of_another = stamped(Message::sign(&alice(), bob().0, NOW, of_another, &rules()));
    assert_eq!(remembered(&of_another), (MessageRefusal::Author, true));
    let unsigned = stamped(Message { signature: Signature::from_bytes([7; 64]), ..message() });
    assert_eq!(remembered(&unsigned), (MessageRefusal::Signature, false));
}

#[test]
fn a_message_is_sealed_to_one_key_or_opening_it_would_cost_its_receiver_many_times_the_stamp() {
    let letter =
        Letter { id: LetterId([1; 16]), created: NOW.0, expires: NOW.0 + 600, content: vec![].into() };
    let (dst, key) = bob();
    let context = Message::context(&rules(), &dst);
    let to = [key.public(), SealingKey::from_bytes(&[3; 32]).public()];
    let body = seal(&letter, &alice(), &to, &context, &mut StdRng::from_seed([9; 32])).unwrap();
    let message = stamped(Message::sign(&alice(), dst, NOW, body, &rules()));
    assert_eq!(receive(&mut inbox(), NOW.0, &message), Err(MessageRefusal::NotSealed));
}

#[test]
fn what_was_stored_opens_again_and_is_not_taken_twice() {
    let bytes = message().encode(EFFORT);
    let received = inbox().receive(NOW, &bytes, EFFORT, [bob().1].iter()).unwrap();
    let (mut inbox, later) = (inbox(), UnixSeconds(NOW.0 + 250));
    assert_eq!(inbox.restore(later, &bytes, [bob().1].iter()), Ok(received.clone()));
    assert_eq!(receive(&mut inbox, later.0, &message()), Err(MessageRefusal::Replayed));
    // Neither the time nor the price of today is asked of it.
    let mut much_later = self::inbox();
    assert_eq!(much_later.restore(UnixSeconds(NOW.0 + 500), &bytes, [bob().1].iter()), Ok(received.clone()));
    // Once it is read there is only its name.
    let mut after = self::inbox();
    assert_eq!(after.end_of(NOW), UnixSeconds(NOW.0 + 300));
    after.remember(later, received.id, after.end_of(received.time));
    assert_eq!(receive(&mut after, NOW.0 + 300, &message()), Err(MessageRefusal::Replayed));
}

#[test]
fn a_full_memory_takes_nothing_rather_than_forget() {
    let mut inbox = Inbox::new(rules(), &VerifyingKey::from_bytes(bob().0).unwrap(), 1);
    assert_eq!(inbox.price(NO_LOAD, 0), Effort::new(1));
    receive(&mut inbox, NOW.0, &message()).unwrap();
    assert_eq!(inbox.price(NO_LOAD, 0), Effort::new(1 + crate::MAX_RISE));
    let other = Message::sign(&alice(), bob().0, NOW, sealed(&alice(), NOW.0 + 600, b"other"), &rules());
    assert_eq!(receive(&mut inbox, NOW.0, &stamped(other)), Err(MessageRefusal::Full { retry_after: 301 }));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_flipped_bit_is_noticed(bit: prop::sample::Index) {
        let mut bytes = message().encode(EFFORT);
        let bit = bit.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let received = inbox().receive(NOW, &bytes, EFFORT, [bob().1].iter());
        // Neither effort nor nonce is signed: another pair with good work is the same message.
        let stamp = bit < 32 || (4 + 68..4 + 72).contains(&(bit / 8));
        prop_assert!(received.is_err() || stamp);
    }

    #[test]
    fn nothing_panics(bytes: Vec<u8>, length in 0_usize..400) {
        prop_assert!(inbox().receive(NOW, &bytes, EFFORT, [bob().1].iter()).is_err());
        let addressed = [&[0xff; 4], bob().0.as_slice(), &vec![bytes.len().to_le_bytes()[0]; length]].concat();
        prop_assert!(inbox().receive(NOW, &addressed, EFFORT, [bob().1].iter()).is_err());
    }
}
