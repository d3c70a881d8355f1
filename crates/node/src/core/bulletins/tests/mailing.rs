//! Mail between members, with what passes between them.

use jurat_crypto::SealingKey;

use super::*;
use crate::core::mail::WaitingLetter;

/// Members whose prekeys are published before any of them hears of another.
fn with_prekeys(count: u16) -> Council {
    let mut council = Council::new(count);
    (0..count).for_each(|id| council.set_up(id, false));
    for (i, member) in (0_u8..).zip(&mut council.members) {
        member.publish_prekey(SealingKey::from_bytes(&[100 + i; 32]), council.now);
    }
    council.deliver();
    // Who comes is told the prekeys that others know.
    (0..count).for_each(|id| council.set_up(id, true));
    council.deliver();
    council
}

fn write(council: &mut Council, from: usize, to: u16, ordered: bool) -> crate::core::SentLetter {
    let to = key(to).verifying_key();
    council.members[from].send_letter(&to, b"hello", ordered, council.now).unwrap()
}

fn inbox(council: &Council, member: usize) -> Vec<WaitingLetter> {
    council.members[member].mail().inbox(|_| Ok(None)).unwrap()
}

fn spooled(council: &Council) -> Vec<usize> {
    council.members.iter().map(|member| member.mail().spooled()).collect()
}

#[test]
fn a_letter_is_delivered_at_once_and_everybody_hears_that_it_is() {
    let mut council = with_prekeys(4);
    write(&mut council, 0, 2, false);
    council.deliver();
    assert_eq!(inbox(&council, 2).len(), 1);
    assert_eq!(spooled(&council), [0; 4]);
}

#[test]
fn a_letter_that_got_lost_is_offered_again_and_one_to_who_was_away_when_they_come() {
    let mut council = with_prekeys(3);
    write(&mut council, 0, 2, false);
    // Nothing of it leaves.
    council.members[0].take_effects();
    council.run(50_000);
    assert!(inbox(&council, 2).is_empty());
    council.run(61_000);
    assert_eq!((inbox(&council, 2).len(), spooled(&council)), (1, vec![0; 3]));
    council.set_up(2, false);
    write(&mut council, 1, 2, false);
    council.deliver();
    assert_eq!(spooled(&council), [1, 1, 0]);
    council.set_up(2, true);
    council.deliver();
    assert_eq!((inbox(&council, 2).len(), spooled(&council)), (2, vec![0; 3]));
}

#[test]
fn what_asks_for_it_is_handed_in_by_its_sender_at_once_and_by_all_who_hold_it_later() {
    let mut council = with_prekeys(3);
    council.run(1_000);
    let order = write(&mut council, 0, 2, true).order.unwrap();
    let mut effects = council.members[0].take_effects();
    assert_eq!(effects.order, [order]);
    let mut letters = std::mem::take(&mut effects.send);
    letters.retain(|(_, message)| matches!(message, BulletinMessage::Mail(_)));
    assert_eq!(letters.len(), 2);
    for (to, letter) in letters {
        council.members[usize::from(to.0)].receive(ReplicaId(0), letter, 100, council.now);
    }
    council.now.elapsed += 61_000;
    for member in [1, 2] {
        council.members[member].wake(council.now);
        assert_eq!(council.members[member].take_effects().order, [order], "by member {member}");
    }
}

#[test]
fn letters_and_prekeys_that_are_none_are_answered_by_nothing_and_bad_prekeys_cost_patience() {
    let mut council = with_prekeys(2);
    council.members[0].take_effects();
    let now = council.now;
    let hear = |council: &mut Council, message| {
        council.members[0].receive(ReplicaId(1), message, 100, now);
        council.members[0].take_effects()
    };
    let effects = hear(&mut council, BulletinMessage::Mail(EntryBytes([7; 300].into())));
    assert!(effects.send.is_empty() && effects.mail.is_empty());
    // No more of them are looked at than there can be members.
    let nobodys = EntryBytes([9; 136].into());
    hear(&mut council, BulletinMessage::Prekeys(vec![nobodys; 100]));
    assert_eq!(council.members[0].mail().counts().refused["prekey_of_nobody"], 64);
    assert_eq!(council.members[0].counts().cut_offs, 0);
    let forged = [key(1).verifying_key().as_bytes().as_slice(), &[9; 104]].concat();
    for _ in 0..33 {
        hear(&mut council, BulletinMessage::Prekeys(vec![EntryBytes(forged.clone().into())]));
    }
    assert_eq!(council.members[0].mail().counts().refused["bad_prekey"], 33);
    assert_eq!(council.members[0].counts().cut_offs, 1);
}
