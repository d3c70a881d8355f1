//! Letters that arrive, once, and those that don't.

mod keeping;
mod messages;
mod refusals;

use jurat_bulletin::MAIL_LIFE;
use jurat_crypto::{NetworkId, SealingKey};
use jurat_log::LeafIndex;
use rand::SeedableRng;

use super::*;
use crate::core::LedgerError;

/// Where a commitment is in a log of these.
fn in_log(
    log: &[PrivateCommitment],
) -> impl Fn(&PrivateCommitment) -> Result<Option<LeafIndex>, LedgerError> {
    |private| {
        let index = log.iter().position(|logged| logged == private);
        Ok(index.map(|index| LeafIndex::new(index as u64).unwrap()))
    }
}

const NOW: u32 = 1_700_000_000;

struct Member {
    mail: MailExchange,
    key: VerifyingKey,
}

/// Members who know each other's prekeys.
fn members<const N: usize>() -> [Member; N] {
    let mut members: [Member; N] = std::array::from_fn(|i| {
        let key = SigningKey::from_seed(&[u8::try_from(i).unwrap(); 32]);
        let rules = Rules::new(NetworkId(Digest::of(b"network")));
        Member { key: key.verifying_key(), mail: MailExchange::new(rules, key) }
    });
    let keys: Vec<VerifyingKey> = members.iter().map(|member| member.key).collect();
    for (i, member) in members.iter_mut().enumerate() {
        member.mail.set_members(true, keys.iter());
        member.mail.publish(SealingKey::from_bytes(&[100 + u8::try_from(i).unwrap(); 32]), UnixSeconds(NOW));
    }
    let prekeys: Vec<Vec<u8>> =
        members.iter().flat_map(|member| member.mail.prekeys().collect::<Vec<_>>()).collect();
    for member in &mut members {
        for prekey in &prekeys {
            member.mail.learn_prekey(prekey, UnixSeconds(NOW)).unwrap();
        }
    }
    members
}

fn send(from: &mut Member, to: &VerifyingKey, content: &str, second: u32) -> Result<Vec<u8>, NotSent> {
    send_as(from, to, content, second, false).map(|sent| sent.event)
}

fn send_as(
    from: &mut Member,
    to: &VerifyingKey,
    content: &str,
    second: u32,
    ordered: bool,
) -> Result<SentLetter, NotSent> {
    let mut entropy = StdRng::seed_from_u64(u64::from(second));
    from.mail.send(to, content.as_bytes(), ordered, u64::from(second) * 1000, &mut entropy)
}

/// What waits, with nothing in the log.
fn inbox(member: &Member) -> Vec<WaitingLetter> {
    member.mail.inbox(in_log(&[])).unwrap()
}

fn read(member: &Member) -> Vec<String> {
    let content =
        |letter: WaitingLetter| String::from_utf8(letter.opened.unwrap().letter.content.to_vec()).unwrap();
    inbox(member).into_iter().map(content).collect()
}

#[test]
fn a_letter_is_spooled_by_all_and_filed_once_by_its_recipient() {
    let [mut ann, mut ben, mut eve] = members();
    let event = send(&mut ann, &ben.key, "meet me", NOW).unwrap();
    assert_eq!(eve.mail.arrive(&event, UnixSeconds(NOW)), Arrival::Spooled);
    assert!(inbox(&eve).is_empty());
    assert_eq!(eve.mail.waiting_for(&ben.key).count(), 1);
    let id = Digest::of(&event);
    for _ in 0..3 {
        assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW + 1)), Arrival::Filed(id));
    }
    assert_eq!(read(&ben), ["meet me"]);
    assert_eq!(inbox(&ben)[0].from, ann.key);
    // Nobody but the recipient ends its waiting.
    eve.mail.filed_by(&ann.key, &id);
    assert_eq!(eve.mail.waiting_for(&ben.key).count(), 1);
    eve.mail.filed_by(&ben.key, &id);
    assert_eq!(eve.mail.waiting_for(&ben.key).count(), 0);
    assert!(ben.mail.forget(&id) && !ben.mail.forget(&id));
    // What was read does not come back.
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW + 2)), Arrival::Filed(id));
    assert!(inbox(&ben).is_empty());
    assert_eq!(ben.mail.counts().filed, 1);
}

#[test]
fn letters_of_one_second_are_read_in_the_order_they_were_written() {
    let [mut ann, mut ben, _] = members();
    let texts: Vec<String> = (0..6).map(|i| i.to_string()).collect();
    for text in &texts {
        let sent = send_as(&mut ann, &ben.key, text, NOW, false).unwrap();
        assert_eq!(ben.mail.arrive(&sent.event, UnixSeconds(NOW)), Arrival::Filed(sent.id));
        ann.mail.filed_by(&ben.key, &sent.id);
    }
    assert_eq!(read(&ben), texts);
}

#[test]
fn what_is_stored_is_there_after_a_restart_and_nothing_of_it_is_readable() {
    let [mut ann, mut ben, mut eve] = members();
    let event = send(&mut ann, &ben.key, "a secret that nobody else reads", NOW).unwrap();
    eve.mail.arrive(&event, UnixSeconds(NOW));
    ben.mail.arrive(&event, UnixSeconds(NOW));
    let [ann_key, ben_key, eve_key] = [&ann, &ben, &eve].map(|member| member.key);
    for member in [&mut ann, &mut ben, &mut eve] {
        let rows: Vec<_> =
            member.mail.take_changes().into_iter().filter_map(|(row, value)| Some((row, value?))).collect();
        assert!(rows.iter().all(|(_, value)| !value.windows(6).any(|part| part == b"secret")));
        let mut again = MailExchange::new(member.mail.rules, member.mail.key.clone());
        again.set_members(true, [&ann_key, &ben_key, &eve_key].into_iter());
        std::mem::swap(&mut again.ring, &mut member.mail.ring);
        again.restore(UnixSeconds(NOW + 60), rows);
        assert_eq!(again.take_changes(), [], "nothing is over");
        member.mail = again;
    }
    assert_eq!(read(&ben), ["a secret that nobody else reads"]);
    assert_eq!(ann.mail.waiting_for(&ben.key).count() + eve.mail.waiting_for(&ben.key).count(), 2);
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW + 61)), Arrival::Filed(Digest::of(&event)));
    assert_eq!(read(&ben).len(), 1);
    // An hour later it waits nowhere; its reader has a week.
    for member in [&mut ann, &mut ben, &mut eve] {
        member.mail.wake(UnixSeconds(NOW + MAIL_LIFE + 1));
    }
    assert_eq!(ann.mail.waiting_for(&ben.key).count() + eve.mail.waiting_for(&ben.key).count(), 0);
    assert_eq!(read(&ben).len(), 1);
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE + 1));
    assert!(inbox(&ben).is_empty());
}

#[test]
fn one_letter_of_a_pair_waits_and_two_for_a_recipient() {
    let [mut ann, mut ben, mut eve, dan] = members();
    for (from, second) in [(&mut ann, NOW), (&mut ben, NOW + 1)] {
        let event = send(from, &dan.key, "hello", second).unwrap();
        assert_eq!(eve.mail.arrive(&event, UnixSeconds(NOW + 1)), Arrival::Spooled);
    }
    assert!(matches!(
        send(&mut ann, &dan.key, "again", NOW + 2),
        Err(NotSent::Mail(MailRefusal::PairWaiting { .. }))
    ));
    assert!(matches!(
        send(&mut eve, &dan.key, "third", NOW + 2),
        Err(NotSent::Mail(MailRefusal::Full { .. }))
    ));
    // To another it can be sent, and after an hour to the same.
    send(&mut ann, &eve.key, "elsewhere", NOW + 3).unwrap();
    ann.mail.wake(UnixSeconds(NOW + MAIL_LIFE + 2));
    send(&mut ann, &dan.key, "again", NOW + MAIL_LIFE + 3).unwrap();
}

#[test]
fn letters_that_are_forged_stale_or_for_other_keys_are_not_filed() {
    let [mut ann, mut ben, mut eve] = members();
    let event = send(&mut ann, &ben.key, "good", NOW).unwrap();
    for bit in (0..event.len() * 8).step_by(97) {
        let mut altered = event.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(ben.mail.arrive(&altered, UnixSeconds(NOW)), Arrival::Refused);
        assert_eq!(ben.mail.arrive(&event[..bit / 8], UnixSeconds(NOW)), Arrival::Refused);
    }
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW + 3601)), Arrival::Refused);
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW - 121)), Arrival::Refused);
    // Eve signs Ann's ciphertext: it is filed away unread, and Eve is told what she would be told anyway.
    let PrivatePayload::Mail { ciphertext, .. } = PrivatePayload::parse(&event[EVENT_HEADER..]).unwrap()
    else {
        panic!("mail")
    };
    let payload = mail_payload(&ben.key, &ciphertext, None);
    let network = eve.mail.rules.network;
    let stolen = sign_private(&eve.mail.key, network, 1, UnixSeconds(NOW), &payload).unwrap();
    assert!(matches!(ben.mail.arrive(&stolen, UnixSeconds(NOW)), Arrival::Filed(_)));
    assert!(inbox(&ben).is_empty());
    assert_eq!(ben.mail.counts().refused["sealed"], 1);
    // A stranger's is not taken at all.
    let stranger = SigningKey::from_seed(&[77; 32]);
    let strange = sign_private(&stranger, network, 1, UnixSeconds(NOW), &payload).unwrap();
    assert_eq!(ben.mail.arrive(&strange, UnixSeconds(NOW)), Arrival::Refused);
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW)), Arrival::Filed(Digest::of(&event)));
    assert_eq!(read(&ben), ["good"]);
    assert!(matches!(send(&mut eve, &stranger.verifying_key(), "x", NOW), Err(NotSent::Nobody)));
}

#[test]
fn a_letter_does_not_show_how_long_it_is() {
    let [mut ann, ben] = members();
    let lengths = [(0, 1), (1, 20), (2, 150)].map(|(hours, length)| {
        let second = NOW + hours * (MAIL_LIFE + 1);
        ann.mail.wake(UnixSeconds(second));
        send(&mut ann, &ben.key, &"x".repeat(length), second).unwrap().len()
    });
    assert_eq!(lengths[0], lengths[1]);
    assert_eq!(lengths[1], lengths[2]);
}

#[test]
fn prekeys_are_replaced_by_later_ones_of_members_only() {
    let [mut ann, mut ben] = members();
    let old: Vec<u8> = ben.mail.prekeys().find(|prekey| prekey[..32] == *ben.key.as_bytes()).unwrap();
    let later = UnixSeconds(NOW + PREKEY_LIFE / 2 + 200);
    assert!(ben.mail.wants_prekey(UnixSeconds(NOW + 1)).is_none() && ben.mail.wants_prekey(later).is_some());
    ben.mail.publish(SealingKey::from_bytes(&[200; 32]), later);
    let new: Vec<u8> = ben.mail.prekeys().find(|prekey| prekey[..32] == *ben.key.as_bytes()).unwrap();
    assert_ne!(old, new);
    ann.mail.learn_prekey(&new, later).unwrap();
    assert_eq!(ann.mail.learn_prekey(&old, later), Err("old_prekey"));
    let mut forged = new.clone();
    forged[40] ^= 1;
    assert_eq!(ann.mail.learn_prekey(&forged, later), Err("bad_prekey"));
    forged[..32].fill(9);
    assert_eq!(ann.mail.learn_prekey(&forged, later), Err("prekey_of_nobody"));
    let event = send(&mut ann, &ben.key, "to the new key", later.0).unwrap();
    ben.mail.arrive(&event, later);
    assert_eq!(read(&ben), ["to the new key"]);
}

#[test]
fn a_letter_that_asks_for_it_is_shown_once_its_own_commitment_is_in_the_log() {
    let [mut ann, mut ben, mut eve] = members();
    let sent = send_as(&mut ann, &ben.key, "first come, first served", NOW, true).unwrap();
    let order = sent.order.unwrap();
    assert_eq!(order.commitment, Digest::of(&sent.event));
    assert_eq!(ben.mail.arrive(&sent.event, UnixSeconds(NOW)), Arrival::Filed(sent.id));
    assert_eq!(eve.mail.arrive(&sent.event, UnixSeconds(NOW)), Arrival::Spooled);
    // Whoever holds it knows what is to be ordered, though its sender may be gone.
    for holder in [&ann, &ben, &eve] {
        assert_eq!(holder.mail.orders().collect::<Vec<_>>(), [order]);
    }
    let PrivateCommitment { commitment, tag } = order;
    let other = Digest::of(b"other");
    let others = [PrivateCommitment { commitment: other, tag }, PrivateCommitment { commitment, tag: other }];
    assert!(ben.mail.inbox(in_log(&others)).unwrap().is_empty(), "another's commitment is none to it");
    let log = [others[0], order];
    let letters = ben.mail.inbox(in_log(&log)).unwrap();
    assert_eq!(letters[0].ordered, Some((order, LeafIndex::new(1).unwrap())));
    // Two that are alike have nothing in common.
    ann.mail.filed_by(&ben.key, &sent.id);
    let again =
        send_as(&mut ann, &ben.key, "first come, first served", NOW + 1, true).unwrap().order.unwrap();
    assert!(again.commitment != commitment && again.tag != tag);
    // It is restored as what it was, and expires like others; the log stays as it is.
    let rows: Vec<_> =
        eve.mail.take_changes().into_iter().filter_map(|(row, value)| Some((row, value?))).collect();
    let mut restored = MailExchange::new(eve.mail.rules, eve.mail.key.clone());
    restored.set_members(true, [&ann.key, &ben.key, &eve.key].into_iter());
    restored.restore(UnixSeconds(NOW + 60), rows);
    assert_eq!(restored.orders().collect::<Vec<_>>(), [order]);
    restored.wake(UnixSeconds(NOW + MAIL_LIFE + 1));
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE + 1));
    assert_eq!(restored.orders().chain(ben.mail.orders()).count(), 0);
    assert!(ben.mail.inbox(in_log(&log)).unwrap().is_empty());
}
