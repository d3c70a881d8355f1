//! What is kept for all: how much, how long, and in what order it is used.

use jurat_gates::{MAX_MESSAGE_BYTES, Refusal};

use super::*;

/// An item that a member of a gate made.
fn item(council: &mut Council, i: usize, id: &GateId, text: &str) -> Vec<u8> {
    council.post(i, id, text).unwrap();
    let node = &mut council.nodes[i];
    let fresh = node.gates.take_fresh();
    node.gates.item(fresh.last().unwrap()).unwrap().to_vec()
}

#[test]
fn items_are_kept_a_week_and_nobody_can_make_it_longer() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let bytes = item(&mut council, 0, &id, "hello");
    let now = council.now;
    let later = |seconds| UnixSeconds(now.0 + seconds);
    let gates = &mut council.nodes[2].gates;
    let mut arrive = |bytes: &[u8], at| gates.arrive(bytes, &public(0), at).map(drop);
    assert_eq!(arrive(&bytes, later(ITEM_LIFE + 1)), Err(ItemRefusal::Expired));
    let mut long = bytes.clone();
    long[..4].copy_from_slice(&(now.0 + ITEM_LIFE + 121).to_be_bytes());
    assert_eq!(arrive(&long, now), Err(ItemRefusal::TooLong));
    assert_eq!(arrive(&bytes, later(ITEM_LIFE)), Ok(()));
    assert_eq!(arrive(&bytes, now), Err(ItemRefusal::Again));
    for length in [0, 3, 4, 5, 100, bytes.len() - 1] {
        assert_eq!(arrive(&bytes[..length], now), Err(ItemRefusal::Shape), "{length}");
    }
    let mut unknown = bytes.clone();
    unknown[4] = 3;
    assert_eq!(arrive(&unknown, now), Err(ItemRefusal::Shape));
    let huge = [&bytes[..5], &vec![0; MAX_MESSAGE_BYTES + 1]].concat();
    assert_eq!(arrive(&huge, now), Err(ItemRefusal::Shape));
    let node = &mut council.nodes[2];
    let kept = node.gates.kept();
    node.gates.wake(&node.mail, later(ITEM_LIFE - 100), &mut council.entropy);
    assert_eq!(node.gates.kept(), kept);
    node.gates.wake(&node.mail, later(ITEM_LIFE + 1), &mut council.entropy);
    assert_eq!(node.gates.kept(), 0);
    assert_eq!(node.gates.take_gone().len(), kept);
}

#[test]
fn who_passes_on_too_much_leaves_room_for_others() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let bytes = item(&mut council, 0, &id, "hello");
    let now = council.now;
    let gates = &mut council.nodes[3].gates;
    let mut flood = (0_u64..).map(|i| {
        // The nonce of the message, which anybody can make up.
        let mut other = bytes.clone();
        other[5 + 32 + 8 + 1..][..8].copy_from_slice(&i.to_be_bytes());
        other
    });
    let before = gates.kept();
    let mut taken = 0;
    while gates.arrive(&flood.next().unwrap(), &public(1), now).is_ok() {
        taken += 1;
    }
    assert!(taken <= MAX_ITEMS_OF_ONE && taken * bytes.len() <= MAX_ITEM_BYTES_OF_ONE);
    assert!(taken + 8 >= MAX_ITEMS_OF_ONE.min(MAX_ITEM_BYTES_OF_ONE / bytes.len()), "{taken}");
    assert_eq!(gates.arrive(&flood.next().unwrap(), &public(1), now), Err(ItemRefusal::Full));
    assert_eq!(gates.counts().refused["spool_full"], 2);
    assert_eq!(gates.kept(), before + taken);
    gates.arrive(&flood.next().unwrap(), &public(2), now).unwrap();
    // What was kept for others before does not go for it, and it all goes with its time.
    let node = &mut council.nodes[3];
    node.gates.wake(&node.mail, UnixSeconds(now.0 + ITEM_LIFE + 1), &mut council.entropy);
    assert_eq!(node.gates.kept(), 0);
    let later = UnixSeconds(now.0 + 200);
    node.gates.arrive(&bytes, &public(1), later).unwrap();
}

#[test]
fn who_says_too_much_waits_and_is_told() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let text = "x".repeat(jurat_gates::MAX_POST_BYTES);
    let posted = (0..MAX_ITEM_BYTES_OF_ONE / text.len()).take_while(|_| council.post(0, &id, &text).is_ok());
    assert!(posted.count() > 100);
    assert_eq!(council.post(0, &id, "x"), Err(NotDone::Full));
    assert_eq!(council.rotate(0, &id), Err(NotDone::Full));
    council.rotate(1, &id).unwrap();
}

#[test]
fn what_finds_the_reader_full_waits_sealed_and_comes_after() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    for i in 0..MAX_UNREAD + 20 {
        // Within a second they come in any order, and a gate keeps the keys of so many only.
        council.now.0 += u32::from(i % 200 == 0 || i >= MAX_UNREAD);
        council.post(0, &id, &format!("{i:05}")).unwrap();
    }
    council.run();
    assert_eq!(council.notes(1, &id).len(), MAX_UNREAD);
    council.restart(1);
    council.run();
    assert_eq!(council.notes(1, &id).len(), MAX_UNREAD);
    let mut posts = council.posts(1, &id);
    let all = council.nodes[1].gates.read(&id, 0, usize::MAX).unwrap();
    council.nodes[1].gates.has_read(&id, all.last().unwrap().0, council.now).unwrap();
    council.run();
    let rest = council.posts(1, &id);
    assert!(rest.is_sorted(), "{rest:?}");
    posts.extend(rest);
    posts.sort();
    let said: Vec<_> = (0..MAX_UNREAD + 20).map(|i| format!("{i:05}")).collect();
    assert!(posts == said, "{} of {}", posts.len(), said.len());
    // What nobody reads goes after a week.
    let node = &mut council.nodes[1];
    assert!(!node.gates.read(&id, 0, usize::MAX).unwrap().is_empty());
    node.gates.wake(&node.mail, UnixSeconds(council.now.0 + ITEM_LIFE + 1), &mut council.entropy);
    assert!(node.gates.read(&id, 0, usize::MAX).unwrap().is_empty());
}

#[test]
fn so_many_bytes_wait_for_a_reader_and_more_when_they_are_read() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let text = "x".repeat(jurat_gates::MAX_POST_BYTES);
    let count = MAX_UNREAD_BYTES / text.len() + 10;
    for i in 0..count {
        council.post(0, &id, &format!("{i:03}{}", &text[3..])).unwrap();
    }
    council.run();
    let waits = council.notes(1, &id).len();
    assert!(waits < count && (waits + 1) * text.len() >= MAX_UNREAD_BYTES, "{waits} of {count}");
    let last = council.nodes[1].gates.read(&id, 0, usize::MAX).unwrap().last().unwrap().0;
    council.nodes[1].gates.has_read(&id, last, council.now).unwrap();
    council.run();
    assert_eq!(council.notes(1, &id).len() + waits, count + 1, "and that it joined");
}

#[test]
fn what_came_in_any_order_is_given_to_the_gate_in_that_of_its_times() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    council.nodes[1].is_up = false;
    let mut items = Vec::new();
    for i in 0..20 {
        council.now.0 += 1;
        items.push(item(&mut council, 0, &id, &format!("{i:02}")));
    }
    let now = council.now;
    for item in items.iter().rev() {
        council.nodes[1].gates.arrive(item, &public(2), now).unwrap();
    }
    assert!(council.nodes[1].gates.has_unfed());
    council.nodes[1].gates.feed_new(now);
    assert!(!council.nodes[1].gates.has_unfed());
    let posts = council.posts(1, &id);
    assert!(posts.is_sorted() && posts.len() == 20, "{posts:?}");
}

#[test]
fn what_no_member_made_is_kept_for_others_and_refused_by_members() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let mut bytes = item(&mut council, 0, &id, "hello");
    *bytes.last_mut().unwrap() ^= 1;
    let now = council.now;
    for i in [1, 2] {
        council.nodes[i].gates.arrive(&bytes, &public(3), now).unwrap();
        council.nodes[i].gates.feed_new(now);
    }
    assert_eq!(council.nodes[1].gates.counts().refused[Refusal::Forged.reason()], 1);
    assert!(council.nodes[2].gates.counts().refused.is_empty(), "it can't tell");
    assert!(council.posts(1, &id).is_empty());
}

#[test]
fn an_invitation_is_over_after_its_week_though_somebody_keeps_it_longer() {
    for (later, lets_in) in [(ITEM_LIFE - 60, true), (ITEM_LIFE + 60, false)] {
        let mut council = Council::new(4);
        council.nodes[3].is_up = false;
        let id = council.create(0);
        council.invite(0, &id, &[3]).unwrap();
        council.run();
        let gates = &council.nodes[0].gates;
        let mut items = gates.items().filter_map(|id| gates.item(&id));
        let invitation = items.find(|item| item[4] == spool::INVITATION).unwrap();
        drop(items);
        let now = UnixSeconds(council.now.0 + later);
        let again = spool::encode(now, spool::INVITATION, spool::body(&invitation));
        for i in 0..3 {
            council.nodes[i].is_up = false;
        }
        council.now = now;
        council.nodes[3].is_up = true;
        council.nodes[3].gates.arrive(&again, &public(1), now).unwrap();
        council.run();
        assert_eq!(council.nodes[3].gates.counts().joined, u64::from(lets_in), "{later}");
    }
}
