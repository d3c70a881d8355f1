//! Messages of anybody: taken once, kept, paid for, and apart from what members write.

use jurat_bulletin::{Effort, MessageRefusal};

use super::{
    keeping::{Disk, restarted},
    *,
};

fn stranger() -> SigningKey {
    SigningKey::from_seed(&[77; 32])
}

/// A message to a member as anybody makes it of the member's terms.
fn written(to: &Member, key: &SigningKey, text: &str, second: u32, effort: Effort) -> Vec<u8> {
    let (prekey, _) = to.mail.message_terms(UnixSeconds(second)).unwrap();
    let sealed_to = prekey.key_at(second).unwrap().clone();
    let letter = Letter {
        id: LetterId([1; 16]),
        created: second,
        expires: second + INBOX_LIFE,
        content: text.as_bytes().to_vec().into(),
    };
    let rules = to.mail.rules;
    let context = Message::context(&rules, to.key.as_bytes());
    let mut entropy = StdRng::seed_from_u64(u64::from(second) + text.len() as u64);
    let body = seal(&letter, key, &[sealed_to], &context, &mut entropy).unwrap();
    let message = Message::sign(key, *to.key.as_bytes(), UnixSeconds(second), body, &rules);
    let search = message.subject(effort, &rules).search(&rules.work);
    let stamp = search.unwrap().try_attempts(0..1 << 20).unwrap();
    message.stamped(&stamp).encode(effort)
}

fn price(member: &Member, second: u32) -> Effort {
    member.mail.message_terms(UnixSeconds(second)).unwrap().1
}

fn take(member: &mut Member, bytes: &[u8], second: u32) -> Result<Digest, NotReceived> {
    member.mail.receive_message(bytes, UnixSeconds(second))
}

/// What the disk has of messages.
fn rows(disk: &Disk) -> Vec<&MailRow> {
    disk.0.keys().filter(|row| matches!(row, MailRow::Message(_) | MailRow::Received(_))).collect()
}

const REPLAYED: NotReceived = NotReceived::Refused(MessageRefusal::Replayed);

#[test]
fn a_message_is_read_beside_letters_and_its_writer_is_no_member() {
    let [mut ann, mut ben] = members();
    let letter = send(&mut ann, &ben.key, "from ann", NOW).unwrap();
    ben.mail.arrive(&letter, UnixSeconds(NOW));
    let message = written(&ben, &stranger(), "from outside", NOW + 1, price(&ben, NOW + 1));
    let id = take(&mut ben, &message, NOW + 1).unwrap();
    assert_eq!(read(&ben), ["from ann", "from outside"]);
    let [of_ann, of_stranger] = &inbox(&ben)[..] else { panic!("two letters") };
    assert_eq!((of_ann.writer, of_ann.from), (Writer::Member, ann.key));
    assert_eq!((of_stranger.writer, of_stranger.from), (Writer::Anybody, stranger().verifying_key()));
    assert_eq!((of_stranger.id, of_stranger.time, &of_stranger.ordered), (id, NOW + 1, &None));
    assert_eq!((ben.mail.counts().messages, ben.mail.counts().filed), (1, 1));
    // Nobody else hears of it: nothing of it waits for another member, and nothing is to be ordered.
    assert_eq!((ben.mail.spooled(), ben.mail.orders().count()), (0, 0));
    assert!(ben.mail.forget(&id) && !ben.mail.forget(&id));
    assert_eq!(read(&ben), ["from ann"]);
}

#[test]
fn a_message_is_taken_once_read_or_not_and_after_every_restart() {
    let [_, mut ben] = members::<2>();
    let message = written(&ben, &stranger(), "once", NOW, price(&ben, NOW));
    let mut disk = Disk::default();
    let id = take(&mut ben, &message, NOW).unwrap();
    disk.store(&mut ben);
    for second in [NOW, NOW + 299] {
        assert_eq!(take(&mut ben, &message, second), Err(REPLAYED));
    }
    // In whatever order the rows come back.
    let mut disk = restarted(&mut ben, NOW + 10, disk.0.into_iter().rev().collect());
    assert_eq!(read(&ben), ["once"]);
    assert_eq!(take(&mut ben, &message, NOW + 10), Err(REPLAYED));
    assert!(ben.mail.forget(&id));
    disk.store(&mut ben);
    assert_eq!(rows(&disk), [&MailRow::Received(id)], "what was read is gone");
    let mut disk = restarted(&mut ben, NOW + 20, disk.0.into_iter().collect());
    assert_eq!(take(&mut ben, &message, NOW + 300), Err(REPLAYED));
    assert!(inbox(&ben).is_empty());
    // Once its time is over nothing is remembered, and it is refused for that.
    ben.mail.wake(UnixSeconds(NOW + 300));
    disk.store(&mut ben);
    assert_eq!(rows(&disk).len(), 1);
    ben.mail.wake(UnixSeconds(NOW + 301));
    disk.store(&mut ben);
    assert!(rows(&disk).is_empty());
    let expired = NotReceived::Refused(MessageRefusal::Expired { time: NOW });
    assert_eq!(take(&mut ben, &message, NOW + 301), Err(expired));
    let again =
        restarted(&mut ben, NOW + 301, vec![(MailRow::Received(id), (NOW + 300).to_be_bytes().to_vec())]);
    assert!(again.0.is_empty());
}

#[test]
fn nothing_readable_is_stored_and_a_week_later_nothing_at_all() {
    let [_, mut ben] = members::<2>();
    let message = written(&ben, &stranger(), "a secret from outside", NOW, price(&ben, NOW));
    let mut disk = Disk::default();
    take(&mut ben, &message, NOW).unwrap();
    disk.store(&mut ben);
    assert!(disk.0.values().all(|value| !value.windows(6).any(|part| part == b"secret")));
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE));
    assert_eq!(ben.mail.unread(), 1);
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE + 1));
    disk.store(&mut ben);
    assert_eq!((ben.mail.unread(), rows(&disk).len()), (0, 0));
    // Nor does one come back that was stored too long, or of which the secret is erased.
    let stored = |id: Digest| vec![(MailRow::Message(id), message.clone())];
    let id = Digest::of(b"any");
    assert!(restarted(&mut ben, NOW + INBOX_LIFE + 1, stored(id)).0.is_empty());
    ben.mail.ring = PrekeyRing::default();
    assert!(restarted(&mut ben, NOW, stored(id)).0.is_empty());
}

#[test]
fn the_price_rises_with_what_waits_and_a_full_inbox_takes_nothing_of_anybody_but_letters() {
    let [mut ann, mut ben] = members();
    ben.mail.limit_messages(8);
    let first = price(&ben, NOW);
    let mut taken = Vec::new();
    for i in 0..8 {
        let message = written(&ben, &stranger(), &"x".repeat(i), NOW, price(&ben, NOW));
        taken.push(take(&mut ben, &message, NOW).unwrap());
    }
    assert!(price(&ben, NOW) > first);
    let cheap = written(&ben, &stranger(), "one too many", NOW, first);
    assert_eq!(take(&mut ben, &cheap, NOW), Err(NotReceived::InboxFull));
    let letter = send(&mut ann, &ben.key, "from ann", NOW).unwrap();
    assert!(matches!(ben.mail.arrive(&letter, UnixSeconds(NOW)), Arrival::Filed(_)));
    // With one read there is room, for who pays what that costs.
    ben.mail.forget(&taken[0]);
    let asked = price(&ben, NOW).amount();
    let refusal = MessageRefusal::Cheap { promised: first.amount(), asked };
    assert_eq!(take(&mut ben, &cheap, NOW), Err(NotReceived::Refused(refusal)));
    let paid = written(&ben, &stranger(), "one too many", NOW, price(&ben, NOW));
    assert!(take(&mut ben, &paid, NOW).is_ok());
    let refused: Vec<_> = ben.mail.messages_refused().collect();
    assert_eq!(refused, [("cheap", 1), ("inbox_full", 1)]);
    for id in &taken {
        ben.mail.forget(id);
    }
    assert_eq!(price(&ben, NOW), first);
}

#[test]
fn messages_of_a_members_key_take_no_room_of_its_letters() {
    let [mut ann, mut ben] = members();
    for i in 0..MAX_INBOX_OF_ONE {
        let message = written(&ben, &ann.mail.key, &"x".repeat(i), NOW, price(&ben, NOW));
        take(&mut ben, &message, NOW).unwrap();
    }
    let letter = send(&mut ann, &ben.key, "a letter", NOW).unwrap();
    assert!(matches!(ben.mail.arrive(&letter, UnixSeconds(NOW)), Arrival::Filed(_)));
}

#[test]
fn a_node_that_wants_none_or_is_no_member_takes_none() {
    let [_, mut ben] = members::<2>();
    let message = written(&ben, &stranger(), "hello", NOW, price(&ben, NOW));
    ben.mail.limit_messages(0);
    assert!(ben.mail.message_terms(UnixSeconds(NOW)).is_none());
    assert_eq!(take(&mut ben, &message, NOW), Err(NotReceived::Closed));
    assert_eq!(ben.mail.messages_refused().collect::<Vec<_>>(), [("closed", 1)]);
    ben.mail.limit_messages(1);
    assert!(ben.mail.message_terms(UnixSeconds(NOW + PREKEY_LIFE + 1)).is_none(), "its prekey is over");
    ben.mail.set_members(false, std::iter::empty());
    assert_eq!(take(&mut ben, &message, NOW), Err(NotReceived::Closed));
}
