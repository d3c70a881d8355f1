//! Who is in a gate, who reads what, and that all agree about it.

use std::{collections::BTreeMap, convert::Infallible};

use proptest::prelude::*;

use super::*;

#[test]
fn those_who_are_invited_read_from_then_on_and_nobody_else_does() {
    let mut council = Council::new(4);
    let id = council.create(0);
    council.post(0, &id, "to myself").unwrap();
    council.invite(0, &id, &[1, 2]).unwrap();
    council.run();
    council.post(0, &id, "hello").unwrap();
    council.run();
    council.invite(1, &id, &[3]).unwrap();
    council.run();
    council.post(3, &id, "I am in").unwrap();
    council.run();
    assert_eq!(council.posts(0, &id), ["I am in"]);
    for i in [1, 2] {
        assert_eq!(council.posts(i, &id), ["hello", "I am in"], "{i}");
    }
    assert!(council.posts(3, &id).is_empty());
    let Said::Joined = council.notes(3, &id)[0].said else { panic!() };
    assert_eq!(council.notes(3, &id)[0].by, public(1));
    assert_eq!(council.open(3, &id).unwrap(), (2, sorted(&[0, 1, 2, 3])));
}

#[test]
fn of_two_changes_at_once_the_log_takes_one_and_the_other_may_be_tried_again() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1, 2]);
    let one = council.rotate(1, &id).unwrap();
    let two = council.invite(2, &id, &[3]).unwrap();
    assert_eq!(council.rotate(1, &id), Err(NotDone::Gate(GateError::Pending)));
    assert_eq!(council.nodes[1].gates.outcome(&id, &one), Ok(Outcome::Waits));
    council.run();
    assert_eq!(council.nodes[1].gates.outcome(&id, &one), Ok(Outcome::Counts));
    assert_eq!(council.nodes[2].gates.outcome(&id, &two), Ok(Outcome::Lost));
    assert!(council.nodes[3].gates.view(&id).is_none(), "the welcome of a change that lost lets nobody in");
    council.invite(2, &id, &[3]).unwrap();
    council.run();
    for i in 0..4 {
        assert_eq!(council.open(i, &id).unwrap(), (3, sorted(&[0, 1, 2, 3])), "{i}");
    }
}

#[test]
fn who_was_away_during_several_epochs_reads_all_of_it_once() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1, 2]);
    council.nodes[2].is_up = false;
    let mut said = Vec::new();
    for i in 0..10 {
        let text = format!("number {i}");
        council.post(i % 2, &id, &text).unwrap();
        said.push(text);
        council.run();
        council.rotate(i % 2, &id).unwrap();
        council.run();
    }
    // Those who are there never met the one who is away again.
    council.nodes[2].is_up = true;
    council.restart(2);
    council.run();
    assert_eq!(council.posts(2, &id), said);
    assert_eq!(council.open(2, &id), council.open(0, &id));
    assert_eq!(council.open(2, &id).unwrap().0, 11);
}

#[test]
fn who_is_removed_reads_nothing_after_and_is_let_in_again_by_an_invitation() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1, 2]);
    council.post(0, &id, "before").unwrap();
    council.run();
    council.remove(0, &id, &[2]).unwrap();
    council.run();
    council.post(1, &id, "after").unwrap();
    council.run();
    assert_eq!(council.posts(2, &id), ["before"]);
    assert_eq!(council.nodes[2].gates.view(&id).unwrap().state, GateState::Removed);
    assert_eq!(council.post(2, &id, "x"), Err(NotDone::Gate(GateError::Closed)));
    // The secrets are gone from its disk too.
    let row = &council.nodes[2].disk.rows[&GateRow::Gate(id)];
    assert!(row.len() < 512, "{} bytes", row.len());
    council.meet(2);
    council.invite(1, &id, &[2]).unwrap();
    council.run();
    council.post(0, &id, "again").unwrap();
    council.run();
    assert_eq!(council.posts(2, &id), ["before", "again"]);
}

#[test]
fn who_is_invited_while_it_is_away_joins_when_it_is_back() {
    let mut council = Council::new(4);
    council.nodes[3].is_up = false;
    let id = council.create(0);
    council.invite(0, &id, &[3]).unwrap();
    council.run();
    council.post(0, &id, "for when you are back").unwrap();
    council.run();
    council.nodes[0].is_up = false;
    council.nodes[3].is_up = true;
    council.restart(3);
    council.run();
    assert_eq!(council.posts(3, &id), ["for when you are back"]);
    assert_eq!(council.nodes[3].gates.counts().joined, 1);
    // Each tries an invitation once, whoever passes it on and however often it starts.
    let (tried, counts) = (council.nodes[3].disk.clone(), council.nodes[2].gates.counts().clone());
    council.restart(3);
    council.run();
    assert_eq!(council.nodes[3].gates.counts().joined, 0);
    assert_eq!(council.nodes[3].disk.rows.len(), tried.rows.len());
    assert!(counts.refused.is_empty(), "{counts:?}: what is for another is no fault");
}

#[test]
fn invitations_to_epochs_that_are_over_lead_nowhere() {
    let mut council = Council::new(4);
    let id = council.create(0);
    council.nodes[3].is_up = false;
    // Invited, removed and invited again, all while it is away: three invitations wait.
    for _ in 0..2 {
        council.invite(0, &id, &[3]).unwrap();
        council.run();
        council.remove(0, &id, &[3]).unwrap();
        council.run();
    }
    council.invite(0, &id, &[3]).unwrap();
    council.run();
    council.post(0, &id, "at last").unwrap();
    council.run();
    // The last one comes first.
    let gates = &council.nodes[0].gates;
    let mut items: Vec<_> = gates.items().filter_map(|id| gates.item(&id)).collect();
    items.sort();
    for node in &mut council.nodes {
        node.is_up = !node.is_up;
    }
    for item in items.iter().rev() {
        council.nodes[3].gates.arrive(item, &public(1), council.now).unwrap();
        council.run();
    }
    let joined = |council: &Council| council.nodes[3].gates.counts().joined;
    assert_eq!(council.open(3, &id), council.open(0, &id));
    assert_eq!(council.posts(3, &id), ["at last"]);
    assert_eq!((joined(&council), council.nodes[3].gates.counts().refused["invitation_over"]), (1, 2));
    // When it is removed, none of the older ones leads back, nor when it has forgotten all.
    for node in &mut council.nodes {
        node.is_up = true;
    }
    council.remove(0, &id, &[3]).unwrap();
    council.run();
    assert_eq!(council.nodes[3].gates.view(&id).unwrap().state, GateState::Removed);
    council.nodes[3].gates.forget(&id).unwrap();
    council.run();
    assert!(council.nodes[3].gates.view(&id).is_none());
    assert_eq!(joined(&council), 1);
}

/// Draws what it was given first.
struct Chosen(Option<[u8; 32]>, StdRng);

impl rand_core::TryRng for Chosen {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        self.1.try_next_u32()
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        self.1.try_next_u64()
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        match self.0.take() {
            Some(chosen) => bytes.copy_from_slice(&chosen),
            None => self.1.try_fill_bytes(bytes)?,
        }
        Ok(())
    }
}

impl rand_core::TryCryptoRng for Chosen {}

#[test]
fn nobody_draws_a_member_into_another_gate_of_the_same_id() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    // Every member of the council sees the id in what it passes on.
    let mut entropy = Chosen(Some(*id.0.as_bytes()), StdRng::seed_from_u64(9));
    let fake = Gate::create(network(), GateName::new("snow").unwrap(), &key(3), &mut entropy).unwrap();
    assert_eq!(fake.id(), id);
    let size = council.log.len() as u64;
    council.nodes[3].gates.gates.insert(id, HeldGate::new(fake, size));
    // Node 2 has the invitation before its log has the entry.
    let log = council.log.clone();
    council.nodes[1].is_up = false;
    council.invite(3, &id, &[1]).unwrap();
    council.run();
    assert_eq!(council.open(3, &id).unwrap().1, sorted(&[1, 3]), "there is such an invitation");
    let log = std::mem::replace(&mut council.log, log);
    council.nodes[1].is_up = true;
    for _ in 0..3 {
        council.step();
    }
    assert!(council.nodes[1].gates.is_waiting());
    council.log = log;
    council.run();
    assert_eq!(council.nodes[1].gates.counts().refused["invitation_over"], 1);
    assert_eq!(council.open(1, &id), council.open(0, &id));
    council.post(1, &id, "among us").unwrap();
    council.run();
    assert_eq!(council.posts(0, &id), ["among us"]);
    assert!(council.posts(3, &id).is_empty());
}

#[test]
fn what_came_for_a_later_membership_while_the_former_still_stood_is_read_in_it() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 3]);
    // It hears of all but the change that removes it.
    council.nodes[3].is_up = false;
    council.remove(0, &id, &[3]).unwrap();
    council.run();
    council.meet(3);
    council.invite(0, &id, &[3]).unwrap();
    council.run();
    council.post(0, &id, "welcome back").unwrap();
    council.rotate(0, &id).unwrap();
    council.run();
    let gates = &council.nodes[0].gates;
    let epoch = |item: &[u8]| jurat_gates::MessageHead::of(spool::body(item)).map(|head| head.epoch);
    let items: Vec<_> = gates.items().filter_map(|id| gates.item(&id)).collect();
    let (late, soon): (Vec<_>, Vec<_>) = items.into_iter().partition(|item| epoch(item) == Ok(1));
    council.nodes[0].is_up = false;
    for i in [1, 2] {
        council.nodes[i].is_up = false;
    }
    council.nodes[3].is_up = true;
    for items in [soon, late] {
        for item in items {
            let _ = council.nodes[3].gates.arrive(&item, &public(1), council.now);
        }
        council.run();
    }
    assert_eq!(council.posts(3, &id), ["welcome back"]);
    assert_eq!(council.open(3, &id).map(|open| open.0), Some(4));
}

#[test]
fn a_membership_that_ends_as_the_next_begins_leaves_what_waited() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 3]);
    // Node 4 has all that is sent, and a log that has nothing of it yet.
    let log = council.log.clone();
    council.nodes[3].is_up = false;
    council.remove(0, &id, &[3]).unwrap();
    council.run();
    council.meet(3);
    council.invite(0, &id, &[3]).unwrap();
    council.run();
    let log = std::mem::replace(&mut council.log, log);
    let gates = &council.nodes[0].gates;
    let items: Vec<_> = gates.items().filter_map(|id| gates.item(&id)).collect();
    for item in items {
        let _ = council.nodes[3].gates.arrive(&item, &public(1), council.now);
    }
    council.wake(3);
    council.log = log;
    council.wake(3);
    let said: Vec<_> = council.notes(3, &id).into_iter().map(|note| format!("{:?}", note.said)).collect();
    assert_eq!(said, ["Joined", "Change", "Joined"]);
    council.restart(3);
    assert_eq!(council.notes(3, &id).len(), 3);
}

#[test]
fn packages_are_used_once_and_taken_from_their_owners_only() {
    let mut council = Council::new(4);
    let id = council.create(0);
    let other = council.nodes[1].gates.create("other", 0, &mut council.entropy).unwrap();
    // At the same time, with packages that are not the same.
    council.invite(0, &id, &[2]).unwrap();
    council.invite(1, &other, &[2]).unwrap();
    council.run();
    assert!(council.open(2, &id).is_some() && council.open(2, &other).is_some());
    let own = council.nodes[2].gates.published(council.now);
    let taken = council.nodes[0].gates.learn_packages(&public(3), &own);
    assert_eq!(taken, Err("bad_package"));
    let stranger = SigningKey::from_seed(&[99; 32]).verifying_key();
    assert_eq!(council.nodes[0].gates.learn_packages(&stranger, &own), Err("package_of_nobody"));
    // Used up, and told again before its owner has joined: not used twice.
    council.nodes[2].is_up = false;
    let before = council.nodes[2].gates.published(council.now);
    council.remove(0, &id, &[2]).unwrap();
    council.run();
    let gates: Vec<_> = (0..9)
        .map(|i| {
            let node = &mut council.nodes[0];
            node.gates.create(&format!("gate {i}"), 0, &mut council.entropy).unwrap()
        })
        .collect();
    for gate in &gates {
        council.invite(0, gate, &[2]).unwrap();
        council.run();
        council.nodes[0].gates.learn_packages(&public(2), &before).unwrap();
    }
    council.nodes[2].is_up = true;
    council.run();
    for gate in &gates {
        assert!(council.open(2, gate).is_some(), "eight for one use, then that of last resort");
    }
}

#[test]
fn what_can_not_be_done_is_said() {
    let mut council = Council::new(4);
    let id = council.gate_of(&[0, 1]);
    let gates = &mut council.nodes[0].gates;
    assert_eq!(gates.create("snow", 0, &mut council.entropy), Err(NotDone::NameInUse));
    assert_eq!(gates.create("a\nb", 0, &mut council.entropy), Err(NotDone::Name));
    assert_eq!(gates.find("nothing"), Err(NotDone::NoSuchGate));
    assert_eq!(gates.find("snow"), Ok(id));
    assert_eq!(gates.find(&id.0.to_string()[..8]), Ok(id));
    assert_eq!(gates.find(&id.0.to_string()[..7]), Err(NotDone::NoSuchGate));
    assert_eq!(council.invite(0, &id, &[1]), Err(NotDone::Gate(GateError::Member)));
    assert_eq!(council.invite(0, &id, &[2, 0]), Err(NotDone::Gate(GateError::Member)));
    assert_eq!(council.remove(0, &id, &[2]), Err(NotDone::Gate(GateError::NoMember)));
    assert_eq!(council.remove(0, &id, &[0]), Err(NotDone::Gate(GateError::Oneself)));
    let stranger = SigningKey::from_seed(&[99; 32]).verifying_key();
    let node = &mut council.nodes[0];
    let invited = node.gates.invite(&id, &[stranger], &node.mail, council.now, &mut council.entropy);
    assert_eq!(invited, Err(NotDone::Nobody));
    for i in 1..MAX_GATES {
        node.gates.create(&format!("gate {i}"), 0, &mut council.entropy).unwrap();
    }
    assert_eq!(node.gates.create("one more", 0, &mut council.entropy), Err(NotDone::TooManyGates));
    let more = council.nodes[2].gates.create("one more", 0, &mut council.entropy).unwrap();
    council.invite(2, &more, &[0]).unwrap();
    council.run();
    assert_eq!(council.nodes[0].gates.views().count(), MAX_GATES);
    assert_eq!(council.nodes[0].gates.counts().refused["too_many_gates"], 1);
    let node = &mut council.nodes[0];
    node.gates.set_members(false, [public(1)].iter());
    assert_eq!(council.post(0, &id, "x"), Err(NotDone::NoMember));
}

#[derive(Debug, Clone, Copy)]
enum Act {
    Post(usize),
    Invite(usize, usize),
    Remove(usize, usize),
    Rotate(usize),
    Down(usize),
    Up(usize),
    Restart(usize),
    Step,
}

fn act() -> impl Strategy<Value = Act> {
    let node = 0..4_usize;
    prop_oneof![
        4 => node.clone().prop_map(Act::Post),
        2 => (node.clone(), node.clone()).prop_map(|(i, j)| Act::Invite(i, j)),
        1 => (node.clone(), node.clone()).prop_map(|(i, j)| Act::Remove(i, j)),
        1 => node.clone().prop_map(Act::Rotate),
        1 => node.clone().prop_map(Act::Down),
        2 => node.clone().prop_map(Act::Up),
        1 => node.prop_map(Act::Restart),
        6 => Just(Act::Step),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is done at the same time, whoever is away and whoever begins again: in the end members
    /// agree, each post is with each member of its epoch once, and with nobody else.
    #[test]
    fn members_agree_and_read_what_is_theirs_once(acts in prop::collection::vec(act(), 1..40)) {
        let mut council = Council::new(4);
        let id = council.gate_of(&[0, 1]);
        let mut members: BTreeMap<u64, Vec<VerifyingKey>> = BTreeMap::new();
        let mut said: Vec<(usize, u64, String)> = Vec::new();
        for (number, act) in acts.into_iter().enumerate() {
            let is_up = |council: &Council, i: usize| council.nodes[i].is_up;
            match act {
                Act::Post(i) if is_up(&council, i) => {
                    let text = format!("post {number}");
                    if let Some((epoch, _)) = council.open(i, &id) && council.post(i, &id, &text).is_ok() {
                        said.push((i, epoch, text));
                    }
                }
                Act::Invite(i, j) if is_up(&council, i) => drop(council.invite(i, &id, &[j])),
                Act::Remove(i, j) if is_up(&council, i) => drop(council.remove(i, &id, &[j])),
                Act::Rotate(i) if is_up(&council, i) => drop(council.rotate(i, &id)),
                // One may be away; what it was about to tell is lost with it until it is back.
                Act::Down(i) if council.nodes.iter().all(|node| node.is_up) => {
                    council.wake(i);
                    council.nodes[i].is_up = false;
                }
                Act::Up(i) => council.nodes[i].is_up = true,
                Act::Restart(i) if is_up(&council, i) => {
                    council.wake(i);
                    council.restart(i);
                }
                _ => council.step(),
            }
            for i in 0..4 {
                if let Some((epoch, inside)) = council.open(i, &id) {
                    let known = members.entry(epoch).or_insert_with(|| inside.clone());
                    prop_assert_eq!(&*known, &inside, "members disagree about epoch {}", epoch);
                }
            }
        }
        for i in 0..4 {
            council.nodes[i].is_up = true;
            council.meet(i);
        }
        council.run();
        for i in 0..4 {
            if let Some((epoch, inside)) = council.open(i, &id) {
                let known = members.entry(epoch).or_insert_with(|| inside.clone());
                prop_assert_eq!(&*known, &inside);
            }
        }
        let (last, inside) = members.last_key_value().unwrap();
        let never_out = |i: usize, from: u64| members.range(from..).all(|(_, inside)| inside.contains(&public(i)));
        for i in 0..4 {
            let is_in = council.open(i, &id).is_some_and(|open| open.0 == *last);
            prop_assert_eq!(is_in, inside.contains(&public(i)), "node {}", i);
            let posts = council.posts(i, &id);
            for (author, epoch, text) in &said {
                let count = posts.iter().filter(|post| *post == text).count();
                let Some(inside) = members.get(epoch) else { continue };
                if *author == i || !inside.contains(&public(i)) {
                    prop_assert_eq!(count, 0, "node {} reads {} of epoch {}", i, text, epoch);
                } else if never_out(i, *epoch) {
                    prop_assert_eq!(count, 1, "node {} lacks {} of epoch {}", i, text, epoch);
                } else {
                    prop_assert!(count <= 1);
                }
            }
            let before = council.notes(i, &id).len();
            council.restart(i);
            prop_assert_eq!(council.notes(i, &id).len(), before, "node {} lost what waited", i);
        }
    }
}
