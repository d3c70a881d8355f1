//! What members of a gate can do, and what they see.

use crate::circle::{NOW, Person, circle, logged, network};
use jurat_gates::*;

#[test]
fn those_who_are_invited_read_and_write() {
    let (mut people, _) = circle(3);
    let members = people[0].gate().members();
    assert_eq!(members.len(), 3);
    for author in 0..3 {
        let message = people[author].post("all clear");
        for reader in 0..3 {
            let refusal = people[reader].receive(&message);
            if reader == author {
                assert_eq!(refusal.unwrap_err(), Refusal::Own);
                continue;
            }
            let Ok(Delivery::Post(post)) = refusal else { panic!("{refusal:?}") };
            assert_eq!(
                (post.author, post.epoch, &post.content[..]),
                (people[author].id(), 1, &b"all clear"[..])
            );
            assert_eq!(people[reader].receive(&message).unwrap_err(), Refusal::Doubled);
        }
    }
    assert!(people.iter_mut().all(|person| person.gate().members() == members));
    assert_eq!(people[2].gate().name().as_str(), "the pass");
}

#[test]
fn the_first_commit_in_the_log_ends_the_epoch_whoever_made_it() {
    let (mut people, mut log) = circle(3);
    let proposals: Vec<_> = people.iter_mut().map(Person::rotate).collect();
    log.extend([1, 0, 2].map(|who: usize| logged(&proposals[who])));

    // 0 has all commits beforehand, 1 none, 2 gets the winner's after the log.
    for proposed in &proposals[1..] {
        assert!(matches!(people[0].receive(&proposed.message), Ok(Delivery::Waiting)));
    }
    assert_eq!(people[0].follow(&log).len(), 1);
    assert_eq!(people[1].follow(&log).len(), 1);
    assert!(people[2].follow(&log).is_empty());
    assert_eq!(people[2].receive(&proposals[0].message).unwrap_err(), Refusal::Decided(1));
    let Ok(Delivery::Advanced(advance)) = people[2].receive(&proposals[1].message) else { panic!() };
    assert_eq!((advance.epoch, advance.by), (2, people[1].id()));
    assert_eq!(people[2].receive(&proposals[1].message).unwrap_err(), Refusal::Decided(1));

    // Whoever lost tries again.
    assert!(people.iter_mut().all(|person| person.epoch() == 2 && person.gate().proposed().is_none()));
    let again = people[2].rotate();
    log.push(logged(&again));
    for reader in [0, 1] {
        people[reader].receive(&again.message).unwrap();
    }
    for person in &mut people {
        assert_eq!(person.follow(&log).len(), 1);
        assert!(person.follow(&log).is_empty());
    }
    let message = people[0].post("together");
    assert_eq!(people[1].reads(&message), "together");
}

#[test]
fn whoever_was_away_for_epochs_comes_back_and_reads_everything() {
    let (mut people, mut log) = circle(3);
    let (mut commits, mut posts) = (Vec::new(), Vec::new());
    for round in 0..5 {
        posts.push(people[0].post(&format!("round {round}")));
        let proposed = people[1].rotate();
        people[0].receive(&proposed.message).unwrap();
        log.push(logged(&proposed));
        for person in &mut people[..2] {
            person.follow(&log);
        }
        commits.push(proposed.message);
    }
    posts.push(people[0].post("now"));

    let away = &mut people[2];
    // The newest first: the worst order.
    for message in posts.iter().rev().chain(commits.iter().rev()) {
        away.receive(message).unwrap();
        away.restart();
    }
    assert_eq!(away.follow(&log).len(), 5);
    let mut read: Vec<_> =
        away.read.iter().map(|post| String::from_utf8(post.content.to_vec()).unwrap()).collect();
    read.sort();
    assert_eq!(read, ["now", "round 0", "round 1", "round 2", "round 3", "round 4"]);
    for message in &posts {
        assert_eq!(away.receive(message).unwrap_err(), Refusal::Doubled);
    }
}

#[test]
fn keys_of_epochs_long_past_are_erased() {
    let (mut people, mut log) = circle(2);
    let late = [people[0].post("first"), people[0].post("second")];
    for epochs in 1..=PAST_EPOCHS + 1 {
        let proposed = people[0].rotate();
        log.push(logged(&proposed));
        people[1].receive(&proposed.message).unwrap();
        for person in &mut people {
            person.follow(&log);
        }
        people[1].restart();
        if epochs == PAST_EPOCHS {
            assert_eq!(people[1].reads(&late[0]), "first");
        }
    }
    let oldest = people[1].epoch() - PAST_EPOCHS as u64;
    assert_eq!(people[1].receive(&late[1]).unwrap_err(), Refusal::NoKeys { epoch: 1, oldest });
}

#[test]
fn who_joins_reads_nothing_before_and_who_leaves_nothing_after() {
    let (mut people, mut log) = circle(3);
    let before = people[0].post("before");
    let mut guest = Person::new(9);

    let proposed = people[0].invite(&[&guest]);
    log.push(logged(&proposed));
    let advance = people[0].follow(&log).remove(0);
    assert_eq!(advance.added, [guest.id()]);
    guest.join(&advance.invitation.unwrap(), &people[0], &log);
    assert_eq!(guest.receive(&before).unwrap_err(), Refusal::NoKeys { epoch: 1, oldest: 2 });
    assert!(guest.follow(&log).is_empty());
    let message = people[0].post("welcome");
    assert_eq!(guest.reads(&message), "welcome");

    // 1 gets the commit by which the guest came only now, and reads what waited for it.
    assert!(matches!(people[1].receive(&message), Ok(Delivery::Waiting)));
    people[1].receive(&proposed.message).unwrap();
    let advance = people[1].follow(&log).remove(0);
    assert_eq!(advance.posts.len(), 1);
    assert_eq!(&advance.posts[0].content[..], b"welcome");

    let removal = people[0].remove(&[&guest]);
    log.push(logged(&removal));
    for person in [&mut people[1], &mut guest] {
        person.receive(&removal.message).unwrap();
    }
    let advance = guest.follow(&log).remove(0);
    assert_eq!(advance.removed, [guest.id()]);
    assert!(guest.gate().is_closed());
    for person in &mut people[..2] {
        assert_eq!(person.follow(&log)[0].removed, [guest.id()]);
    }
    let after = people[0].post("after");
    assert_eq!(people[1].reads(&after), "after");
    assert_eq!(guest.receive(&after).unwrap_err(), Refusal::Closed);
    assert!(matches!(Gate::from_bytes(&guest.gate().to_bytes()), Err(StateError::Closed)));
    let post = guest.gate.as_mut().unwrap().post(b"still here", &guest.key, &mut guest.entropy);
    assert_eq!(post.unwrap_err(), GateError::Closed);

    // Who joins again, and keeps its state when it is removed, opens nothing that comes then.
    let proposed = people[0].invite(&[&guest]);
    log.push(logged(&proposed));
    let invitation = people[0].follow(&log).remove(0).invitation.unwrap();
    guest.join(&invitation, &people[0], &log);
    let removal = people[0].remove(&[&guest]);
    log.push(logged(&removal));
    people[0].follow(&log);
    let message = people[0].post("not for you");
    assert!(matches!(guest.receive(&message), Ok(Delivery::Waiting)));
    assert!(guest.follow(&log).is_empty());
    assert!(guest.read.iter().all(|post| &post.content[..] == b"welcome"));
}

#[test]
fn posts_come_in_any_order_once_each_and_across_restarts() {
    let (mut people, _) = circle(2);
    let posts: Vec<_> = (0..20).map(|i| people[0].post(&i.to_string())).collect();
    for i in (0..20).rev() {
        people[0].restart();
        people[1].restart();
        assert_eq!(people[1].reads(&posts[i]), i.to_string());
    }
    people[1].restart();
    assert!(posts.iter().all(|post| people[1].receive(post).unwrap_err() == Refusal::Doubled));
}

#[test]
fn a_commit_survives_restarts_of_its_maker() {
    let (mut people, mut log) = circle(2);
    let proposed = people[0].rotate();
    people[0].restart();
    assert_eq!(people[0].gate().proposed(), Some(proposed.clone()));
    let Person { key, gate, entropy, .. } = &mut people[0];
    assert_eq!(gate.as_mut().unwrap().rotate(key, entropy), Err(GateError::Pending));
    assert_eq!(people[0].receive(&proposed.message).unwrap_err(), Refusal::Own);
    // Posts go on meanwhile.
    let message = people[0].post("meanwhile");
    assert_eq!(people[1].reads(&message), "meanwhile");
    log.push(logged(&proposed));
    people[1].follow(&log);
    people[1].restart();
    people[1].receive(&proposed.message).unwrap();
    people[0].follow(&log);
    let message = people[1].post("after");
    assert_eq!(people[0].reads(&message), "after");
}

#[test]
fn packages_are_used_once_but_for_the_last_resort() {
    let mut node = Person::new(5);
    let total = node.packages.offered(NOW).count();
    assert_eq!(total, MAX_PACKAGES + 1);
    let last = node.packages.offered(NOW).find(|package| package.last_resort()).unwrap().clone();
    let once = node.packages.offered(NOW).find(|package| !package.last_resort()).unwrap().clone();
    for (package, left) in [(&once, total - 1), (&last, total - 1)] {
        let last_resort = package.last_resort();
        let mut host = Person::new(1);
        host.create();
        let gate = host.gate.as_mut().unwrap();
        let package = SignedPackage::decode(&package.encode(), network()).unwrap();
        let proposed = gate.invite(&[package], NOW, &host.key, &mut host.entropy).unwrap();
        let log = [logged(&proposed)];
        let invitation = host.follow(&log).remove(0).invitation.unwrap();
        node.join(&invitation, &host, &log);
        node.restart();
        assert_eq!(node.packages.offered(NOW).count(), left);
        let message = host.post("in");
        assert_eq!(node.reads(&message), "in");
        // The same invitation again: the one-use package's keys are gone.
        let again = node.packages.join(&invitation, &host.id(), Some(log[0]));
        assert_eq!(again.is_ok(), last_resort, "{again:?}");
    }
    // Refilled, and renewed in time; what is long over is erased.
    assert!(node.packages.refill(NOW, &node.key, &mut node.entropy).unwrap());
    assert!(!node.packages.refill(NOW, &node.key, &mut node.entropy).unwrap());
    assert_eq!(node.packages.offered(NOW).count(), total);
    let later = NOW + PACKAGE_LIFE;
    assert!(node.packages.refill(later, &node.key, &mut node.entropy).unwrap());
    assert!(node.packages.refill(later + PACKAGE_LIFE + 1, &node.key, &mut node.entropy).unwrap());
    assert!(node.packages.offered(0).all(|package| package.until() >= later + PACKAGE_LIFE));
}

#[test]
fn the_same_entropy_gives_the_same_messages() {
    let run = || {
        let (mut people, _) = circle(9);
        (people[4].rotate(), people[4].post("same"), people[0].packages.offered(NOW).next().unwrap().encode())
    };
    assert_eq!(run(), run());
}

#[test]
fn lengths_show_little_and_nothing_is_readable() {
    let (mut people, _) = circle(4);
    let short = people[0].post("");
    let long = people[0].post("a secret word of forty characters or so.");
    assert_eq!(short.len(), long.len());
    assert!(!long.windows(6).any(|window| window == b"secret"));
    // Header: gate, epoch, format, nonce, sender reference. Nothing of it names or links senders.
    assert_eq!(short[..41], long[..41]);
    assert_ne!(short[41..73], long[41..73]);
    assert_ne!(short[73..105], long[73..105]);
    let name = people[0].id();
    assert!(!long.windows(32).any(|window| window == name.as_bytes()));
}

#[test]
fn gates_can_be_handed_to_another_thread() {
    fn movable<T: Send>(_: &T) {}
    let (people, _) = circle(1);
    movable(&people[0].gate);
    movable(&people[0].packages);
}
