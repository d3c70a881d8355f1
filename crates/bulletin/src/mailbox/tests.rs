//! What waits, for how long, and what does not.

use jurat_crypto::SigningKey;
use proptest::prelude::*;

use super::*;

const NETWORK: NetworkId = NetworkId(Digest::from_bytes([4; 32]));

fn key(name: u8) -> VerifyingKey {
    SigningKey::from_seed(&[name; 32]).verifying_key()
}

fn mail(from: u8, to: u8, number: u64) -> PrivateEvent {
    PrivateEvent {
        author: key(from),
        sequence: number,
        time: UnixSeconds(0),
        payload: PrivatePayload::Mail {
            recipient: *key(to).as_bytes(),
            ciphertext: vec![from, to],
            salt: None,
        },
        commitment: Digest::of(&[from, to, number.to_le_bytes()[0]]),
    }
}

#[test]
fn two_wait_for_a_recipient_and_one_of_a_pair() {
    let mut mailboxes = Mailboxes::new(NETWORK, 100);
    let at = UnixSeconds(1000);
    assert_eq!(mailboxes.deliver(&mail(1, 9, 1), at), Ok(Delivery::Spooled));
    assert_eq!(mailboxes.deliver(&mail(1, 9, 2), at), Err(MailRefusal::PairWaiting { until: 4600 }));
    assert_eq!(mailboxes.deliver(&mail(2, 9, 1), at), Ok(Delivery::Spooled));
    assert_eq!(mailboxes.deliver(&mail(3, 9, 1), at), Err(MailRefusal::Full { until: 4600 }));
    assert_eq!(mailboxes.deliver(&mail(1, 8, 1), at), Ok(Delivery::Spooled));
    assert_eq!(mailboxes.waiting(&key(9)).len(), 2);
    let hour = UnixSeconds(4601);
    assert_eq!(mailboxes.deliver(&mail(3, 9, 1), hour), Ok(Delivery::Spooled));
    assert_eq!(mailboxes.waiting(&key(9)).len(), 1);
}

#[test]
fn the_same_event_is_one_letter_also_after_it_was_fetched() {
    let mut mailboxes = Mailboxes::new(NETWORK, 100);
    let (event, at) = (mail(1, 9, 1), UnixSeconds(1000));
    assert_eq!(mailboxes.deliver(&event, at), Ok(Delivery::Spooled));
    assert_eq!(mailboxes.deliver(&event, UnixSeconds(1500)), Ok(Delivery::Again));
    let waiting = mailboxes.waiting(&key(9)).to_vec();
    assert_eq!((waiting.len(), waiting[0].until), (1, UnixSeconds(4600)));
    mailboxes.acknowledge(&key(9), &waiting[0].id);
    assert_eq!(mailboxes.deliver(&event, UnixSeconds(2000)), Ok(Delivery::Again));
    assert!(mailboxes.waiting(&key(9)).is_empty());
    // Only then there is room for another of the pair.
    assert_eq!(mailboxes.deliver(&mail(1, 9, 2), UnixSeconds(2000)), Ok(Delivery::Spooled));
}

#[test]
fn each_letter_waits_its_own_hour_and_is_fetched_by_itself() {
    let mut mailboxes = Mailboxes::new(NETWORK, 100);
    mailboxes.deliver(&mail(1, 9, 1), UnixSeconds(1000)).unwrap();
    mailboxes.deliver(&mail(2, 9, 1), UnixSeconds(1500)).unwrap();
    // There is room when the first of them goes.
    assert_eq!(mailboxes.deliver(&mail(3, 9, 1), UnixSeconds(1600)), Err(MailRefusal::Full { until: 4600 }));
    mailboxes.advance(UnixSeconds(4600));
    assert_eq!(mailboxes.waiting(&key(9)).len(), 2);
    mailboxes.advance(UnixSeconds(4601));
    let waiting = mailboxes.waiting(&key(9)).to_vec();
    assert_eq!(waiting.len(), 1);
    mailboxes.deliver(&mail(3, 9, 1), UnixSeconds(4601)).unwrap();
    mailboxes.acknowledge(&key(9), &waiting[0].id);
    let left = mailboxes.waiting(&key(9)).to_vec();
    assert_eq!(left.iter().map(|mail| mail.id).collect::<Vec<_>>(), [mail(3, 9, 1).commitment]);
    mailboxes.acknowledge(&key(9), &left[0].id);
    assert!(mailboxes.waiting.is_empty(), "nothing is kept of who has no mail");
}

#[test]
fn a_restart_resets_nothing() {
    let events = [(mail(1, 9, 1), 1000), (mail(1, 9, 2), 1001), (mail(2, 9, 1), 1100), (mail(3, 9, 1), 4601)];
    let replay = |mailboxes: &mut Mailboxes| {
        for (event, at) in &events {
            let _ = mailboxes.deliver(event, UnixSeconds(*at));
        }
        mailboxes.waiting(&key(9)).to_vec()
    };
    let (mut first, mut second) = (Mailboxes::new(NETWORK, 100), Mailboxes::new(NETWORK, 100));
    let waiting = replay(&mut first);
    assert_eq!(replay(&mut second), waiting);
    // And once more over the same state, as after a sync from another peer.
    assert_eq!(replay(&mut second), waiting);
}

#[test]
fn old_mail_and_posts_are_not_spooled() {
    let mut mailboxes = Mailboxes::new(NETWORK, 100);
    mailboxes.advance(UnixSeconds(10_000));
    assert_eq!(
        mailboxes.deliver(&mail(1, 9, 1), UnixSeconds(6_399)),
        Err(MailRefusal::Expired { time: 6_399 })
    );
    let payload = PrivatePayload::Post {
        gate: Digest::of(b"g"),
        epoch: 0,
        format: "mls1".into(),
        ciphertext: Vec::new(),
        nonce: Vec::new(),
        sender_ref: Digest::of(b"s"),
    };
    let post = PrivateEvent { payload, ..mail(1, 9, 1) };
    assert_eq!(mailboxes.deliver(&post, UnixSeconds(10_000)), Err(MailRefusal::NotMail));
}

#[test]
fn a_token_belongs_to_network_sender_and_recipient() {
    let token = |network, from: u8, to: u8| SenderToken::derive(network, &key(from), key(to).as_bytes());
    let home = token(NETWORK, 1, 2);
    assert_eq!(home, token(NETWORK, 1, 2));
    let others = [token(NETWORK, 2, 1), token(NETWORK, 1, 3), token(NetworkId(Digest::of(b"o")), 1, 2)];
    assert!(!others.contains(&home));
}

proptest! {
    #[test]
    fn the_bounds_hold_in_any_order(
        events in prop::collection::vec((1_u8..5, 6_u8..9, 0_u64..4, 0_u32..9_000), 0..80),
    ) {
        let mut mailboxes = Mailboxes::new(NETWORK, 10);
        for (from, to, number, at) in events {
            let _ = mailboxes.deliver(&mail(from, to, number), UnixSeconds(at));
            let total: usize = mailboxes.waiting.values().map(Vec::len).sum();
            prop_assert!(total <= 10 && mailboxes.delivered.len() <= 10);
            for waiting in mailboxes.waiting.values() {
                prop_assert!((1..=MAX_WAITING).contains(&waiting.len()));
                prop_assert!(waiting.iter().all(|mail| mail.until >= mailboxes.time));
                let mut tokens: Vec<_> = waiting.iter().map(|mail| mail.token).collect();
                tokens.dedup();
                prop_assert_eq!(tokens.len(), waiting.len());
            }
        }
    }
}
