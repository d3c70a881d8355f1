//! What is kept of letters, in memory and on disk, and until when exactly.

use std::collections::BTreeMap;

use jurat_bulletin::MAX_WAITING;
use jurat_crypto::Prekey;

use super::*;

/// A disk on which changes are carried out.
#[derive(Default)]
pub(super) struct Disk(pub(super) BTreeMap<MailRow, Vec<u8>>);

impl Disk {
    pub(super) fn store(&mut self, member: &mut Member) -> usize {
        for (row, value) in member.mail.take_changes() {
            match value {
                Some(value) => self.0.insert(row, value),
                None => self.0.remove(&row),
            };
        }
        self.letters()
    }

    fn letters(&self) -> usize {
        self.0.keys().filter(|row| matches!(row, MailRow::Letter(_))).count()
    }

    fn filed(&self) -> usize {
        self.0.keys().filter(|row| matches!(row, MailRow::Filed(_))).count()
    }
}

/// The same member after a start at this second, and its disk after that.
pub(super) fn restarted(member: &mut Member, at: u32, rows: Vec<(MailRow, Vec<u8>)>) -> Disk {
    let mut mail = MailExchange::new(member.mail.rules, member.mail.key.clone());
    mail.members = member.mail.members.clone();
    std::mem::swap(&mut mail.ring, &mut member.mail.ring);
    let mut disk = Disk(rows.iter().cloned().collect());
    mail.restore(UnixSeconds(at), rows);
    member.mail = mail;
    disk.store(member);
    disk
}

#[test]
fn a_letter_that_its_recipient_has_already_is_not_spooled_after_all() {
    let [mut ann, mut ben, mut eve] = members();
    let event = send(&mut ann, &ben.key, "hello", NOW).unwrap();
    let id = Digest::of(&event);
    // Who is not the recipient says nothing of a letter.
    eve.mail.filed_by(&ann.key, &id);
    for _ in 0..2 {
        eve.mail.filed_by(&ben.key, &id);
    }
    assert_eq!(eve.mail.arrive(&event, UnixSeconds(NOW)), Arrival::Refused);
    assert_eq!(eve.mail.arrive(&event, UnixSeconds(NOW)), Arrival::Refused);
    let refused: Vec<_> = eve.mail.counts().refused.iter().map(|(reason, n)| (*reason, *n)).collect();
    assert_eq!((refused, eve.mail.spooled()), (vec![("delivered", 1), ("replayed", 1)], 0));
    let next = send(&mut ann, &eve.key, "to another", NOW + 1).unwrap();
    ben.mail.filed_by(&ann.key, &Digest::of(&next));
    assert_eq!(ben.mail.arrive(&next, UnixSeconds(NOW + 1)), Arrival::Spooled);
    // Of one recipient the latest are remembered: those that are on their way.
    for i in 0..100_u8 {
        ben.mail.filed_by(&eve.key, &Digest::of(&[i]));
    }
    assert_eq!(ben.mail.filed_elsewhere[eve.key.as_bytes()].len(), 64);
    assert_eq!(ben.mail.filed_elsewhere[eve.key.as_bytes()][0], Digest::of(&[99]));
    ben.mail.set_members(true, [ann.key].iter());
    assert_eq!(ben.mail.filed_elsewhere.len(), 1);
}

#[test]
fn a_delivered_and_a_read_letter_are_gone_from_the_disk() {
    let [mut ann, mut ben, mut eve] = members();
    let (mut of_ben, mut of_eve) = (Disk::default(), Disk::default());
    let event = send(&mut ann, &ben.key, "hello", NOW).unwrap();
    let id = Digest::of(&event);
    for _ in 0..2 {
        assert_eq!(eve.mail.arrive(&event, UnixSeconds(NOW)), Arrival::Spooled);
    }
    assert!(eve.mail.counts().refused.is_empty(), "it is no replay while it waits");
    assert_eq!((eve.mail.waiting_for(&ben.key).count(), eve.mail.waiting_for(&ann.key).count()), (1, 0));
    ben.mail.arrive(&event, UnixSeconds(NOW));
    assert_eq!((of_eve.store(&mut eve), of_ben.store(&mut ben), of_ben.filed()), (1, 1, 1));
    eve.mail.filed_by(&ben.key, &id);
    ben.mail.forget(&id);
    assert_eq!((of_eve.store(&mut eve), of_ben.store(&mut ben), of_ben.filed()), (0, 0, 1));
    // That it was filed is known as long as the event could come again.
    ben.mail.wake(UnixSeconds(NOW + MAIL_LIFE));
    assert_eq!(ben.mail.arrive(&event, UnixSeconds(NOW + MAIL_LIFE)), Arrival::Filed(id));
    ben.mail.wake(UnixSeconds(NOW + MAIL_LIFE + EARLY));
    of_ben.store(&mut ben);
    assert_eq!(of_ben.filed(), 1);
    ben.mail.wake(UnixSeconds(NOW + MAIL_LIFE + EARLY + 1));
    of_ben.store(&mut ben);
    assert_eq!((of_ben.filed(), ben.mail.filed.len(), ben.mail.counts().filed), (0, 0, 1));
}

#[test]
fn letters_go_from_memory_and_disk_right_after_their_last_second() {
    let [mut ann, mut ben, mut eve] = members();
    let (mut of_ben, mut of_eve) = (Disk::default(), Disk::default());
    let event = send(&mut ann, &ben.key, "hello", NOW).unwrap();
    eve.mail.arrive(&event, UnixSeconds(NOW));
    ben.mail.arrive(&event, UnixSeconds(NOW));
    eve.mail.wake(UnixSeconds(NOW + MAIL_LIFE));
    assert_eq!((eve.mail.spooled(), of_eve.store(&mut eve)), (1, 1));
    eve.mail.wake(UnixSeconds(NOW + MAIL_LIFE + 1));
    assert_eq!((eve.mail.spooled(), of_eve.store(&mut eve)), (0, 0));
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE));
    assert_eq!((ben.mail.unread(), of_ben.store(&mut ben)), (1, 1));
    // Its prekey is long out of use; the secret is kept until the last letter to it may be read.
    assert_eq!(read(&ben), ["hello"]);
    assert_eq!(inbox(&ben)[0].opened.as_ref().unwrap().letter.expires, NOW + INBOX_LIFE);
    ben.mail.wake(UnixSeconds(NOW + INBOX_LIFE + 1));
    assert_eq!((ben.mail.unread(), of_ben.store(&mut ben)), (0, 0));
    ben.mail.wake(UnixSeconds(NOW + PREKEY_LIFE + INBOX_LIFE + 1));
    assert_eq!(ben.mail.ring.keys().count(), 0, "the secret outlives what it opens by nothing");
}

#[test]
fn a_restart_keeps_what_is_not_over_and_removes_what_is() {
    let [mut ann, mut ben, mut eve] = members();
    let (mut of_ben, mut of_eve) = (Disk::default(), Disk::default());
    for second in [NOW, NOW + 1] {
        let sent = send_as(&mut ann, &ben.key, "hello", second, false).unwrap();
        ann.mail.filed_by(&ben.key, &sent.id);
        ben.mail.arrive(&sent.event, UnixSeconds(second));
    }
    let waiting = send(&mut ben, &ann.key, "wait", NOW).unwrap();
    eve.mail.arrive(&waiting, UnixSeconds(NOW));
    of_ben.store(&mut ben);
    of_eve.store(&mut eve);
    let rows: Vec<_> = of_ben.0.clone().into_iter().collect();
    // In whatever order the disk has them, and long after they would be taken as new.
    for rows in [rows.clone(), rows.iter().rev().cloned().collect()] {
        restarted(&mut ben, NOW + 2 * MAIL_LIFE, rows);
        assert_eq!(read(&ben).len(), 2);
    }
    let disk = restarted(&mut ben, NOW + INBOX_LIFE + 1, rows);
    assert_eq!((ben.mail.unread(), disk.letters(), disk.filed()), (1, 1, 0));
    for (at, left) in [(NOW + MAIL_LIFE, 1), (NOW + MAIL_LIFE + 1, 0)] {
        let disk = restarted(&mut eve, at, of_eve.0.clone().into_iter().collect());
        assert_eq!((eve.mail.spooled(), disk.letters()), (left, left));
    }
}

#[test]
fn prekeys_are_used_and_kept_in_their_time_only() {
    let [mut ann, ben, eve] = members();
    let own: Vec<u8> = ben.mail.prekeys().find(|prekey| prekey[..32] == *ben.key.as_bytes()).unwrap();
    let late = NOW + PREKEY_LIFE + 1;
    assert!(matches!(send(&mut ann, &ben.key, "late", late), Err(NotSent::NoPrekey)));
    assert!(send(&mut ann, &ben.key, "in time", late - 1).is_ok());
    // One with the same beginning is no later one.
    let begins = NOW - EARLY;
    let same = Prekey { key: SealingKey::from_bytes(&[9; 32]).public(), from: begins, until: late };
    let same = same.sign(&ben.mail.key, ben.mail.rules.network).unwrap().encode();
    assert_eq!(ann.mail.learn_prekey(&same, UnixSeconds(NOW)), Err("old_prekey"));
    // Who hears of one when it is over does not take it.
    let mut dan = Member { mail: MailExchange::new(ann.mail.rules, ann.mail.key.clone()), key: ann.key };
    dan.mail.set_members(true, [&ben.key].into_iter());
    assert_eq!(dan.mail.learn_prekey(&own, UnixSeconds(late)), Err("old_prekey"));
    dan.mail.learn_prekey(&own, UnixSeconds(NOW)).unwrap();
    let stored = dan.mail.take_changes();
    assert_eq!(stored, [(MailRow::Prekey(*ben.key.as_bytes()), Some(own.clone()))]);
    // Read back under its owner's name, while that is a member.
    let rows = |owner: &VerifyingKey| vec![(MailRow::Prekey(*owner.as_bytes()), own.clone())];
    for (owner, kept) in [(&ben.key, 1), (&ann.key, 0), (&eve.key, 0)] {
        let disk = restarted(&mut dan, NOW, rows(owner));
        assert_eq!((dan.mail.prekeys().count(), disk.0.len()), (kept, kept));
    }
    dan.mail.set_members(true, [].into_iter());
    let disk = restarted(&mut dan, NOW, rows(&ben.key));
    assert_eq!((dan.mail.prekeys().count(), disk.0.len()), (0, 0));
    // Nobody seals to who has left.
    ann.mail.set_members(true, [&eve.key].into_iter());
    assert!(ann.mail.prekeys().all(|prekey| prekey[..32] != *ben.key.as_bytes()));
}

#[test]
fn who_is_no_member_writes_to_nobody() {
    let [mut ann, ben] = members();
    ann.mail.set_members(false, [&ben.key].into_iter());
    let own = ann.key;
    assert!(matches!(send(&mut ann, &own, "to myself", NOW), Err(NotSent::Nobody)));
}

#[test]
fn letters_have_ids_of_their_own_and_mailboxes_few_of_them() {
    let [mut ann, mut ben] = members();
    for second in [NOW, NOW + 1] {
        let event = send(&mut ann, &ben.key, "hello", second).unwrap();
        ben.mail.arrive(&event, UnixSeconds(second));
        ann.mail.filed_by(&ben.key, &Digest::of(&event));
    }
    let ids: Vec<_> = inbox(&ben).into_iter().map(|letter| letter.opened.unwrap().letter.id).collect();
    assert!(ids[0] != ids[1] && ids.len() == MAX_WAITING);
}

#[test]
fn what_is_remembered_as_filed_is_bounded() {
    let [mut ann, mut ben, eve] = members();
    let good = send(&mut ann, &ben.key, "good", NOW).unwrap();
    let PrivatePayload::Mail { ciphertext, .. } = PrivatePayload::parse(&good[EVENT_HEADER..]).unwrap()
    else {
        panic!("mail")
    };
    // Signed again by Eve it opens for nobody; that it came is noted all the same.
    let payload = mail_payload(&ben.key, &ciphertext, None);
    let network = ben.mail.rules.network;
    let junk =
        |sequence: u64| sign_private(&eve.mail.key, network, sequence, UnixSeconds(NOW), &payload).unwrap();
    for sequence in 1..=MAX_FILED_OF_ONE as u64 {
        assert!(matches!(ben.mail.arrive(&junk(sequence), UnixSeconds(NOW)), Arrival::Filed(_)));
    }
    // Also after a start.
    let rows = ben.mail.take_changes().into_iter().filter_map(|(row, value)| Some((row, value?)));
    let rows = rows.filter(|(row, _)| matches!(row, MailRow::Filed(_)));
    ben.mail.filed.clear();
    ben.mail.restore(UnixSeconds(NOW), rows.collect());
    let more = junk(MAX_FILED_OF_ONE as u64 + 1);
    assert_eq!(ben.mail.arrive(&more, UnixSeconds(NOW)), Arrival::Refused);
    assert_eq!((ben.mail.counts().refused["inbox_full"], ben.mail.take_changes()), (1, vec![]));
    // Nobody else is kept out by it.
    assert!(matches!(ben.mail.arrive(&good, UnixSeconds(NOW)), Arrival::Filed(_)));
    // After its hour there is room again.
    let later = NOW + MAIL_LIFE + EARLY + 1;
    ben.mail.wake(UnixSeconds(later));
    ann.mail.wake(UnixSeconds(later));
    let again = send(&mut ann, &ben.key, "again", later).unwrap();
    assert!(matches!(ben.mail.arrive(&again, UnixSeconds(later)), Arrival::Filed(_)));
}
