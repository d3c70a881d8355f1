//! What a gate does not take, and what its members can't do.

use crate::circle::{NOW, Person, circle, logged, network};
use jurat_crypto::{Digest, NetworkId};
use jurat_gates::*;

#[test]
fn a_message_that_was_touched_is_refused_wherever_it_was() {
    let (mut people, _) = circle(2);
    let message = people[0].post("whole");
    let commit = people[0].rotate().message;
    for length in (0..message.len()).step_by(7) {
        let refusal = people[1].receive(&message[..length]).unwrap_err();
        assert_eq!(refusal, Refusal::Truncated(length));
    }
    for position in 0..message.len() {
        for message in [&message, &commit[..message.len().min(commit.len())].to_vec()] {
            let mut touched = message.clone();
            touched[position] ^= 1;
            match people[1].receive(&touched) {
                // Of a higher epoch nobody can tell yet.
                Ok(Delivery::Waiting) | Err(Refusal::NoKeys { .. }) => assert!((32..40).contains(&position)),
                Err(Refusal::OtherGate) => assert!(position < 32),
                Err(Refusal::Format(3 | 0)) => assert_eq!(position, 40),
                Err(Refusal::Forged) => assert!(position >= 41),
                Err(Refusal::Truncated(_)) => assert!(message.len() < commit.len()),
                other => panic!("{position}: {other:?}"),
            }
        }
    }
    let long = vec![0; MAX_MESSAGE_BYTES + 1];
    assert_eq!(people[1].receive(&long).unwrap_err(), Refusal::TooLong(long.len()));
    assert_eq!(people[1].reads(&message), "whole");
}

#[test]
fn strangers_and_other_gates_are_not_heard() {
    let (mut people, _) = circle(2);
    let (mut others, _) = circle(2);
    // The same people, the same entropy, even the same gate: only their network is another.
    assert_eq!(others[0].gate().id(), people[0].gate().id());
    let mut third = Person::new(7);
    third.create();
    let message = third.post("hello");
    assert_eq!(people[0].receive(&message).unwrap_err(), Refusal::OtherGate);
    let mut renamed = message.clone();
    renamed[..32].copy_from_slice(people[0].gate().id().0.as_bytes());
    renamed[32..40].copy_from_slice(&1_u64.to_be_bytes());
    assert_eq!(people[0].receive(&renamed).unwrap_err(), Refusal::Forged);
    // Another reference than the sender's own, though the rest is whole.
    let post = people[0].post("mine");
    let mut foreign = post.clone();
    foreign[73..105].copy_from_slice(&message[73..105]);
    assert_eq!(people[1].receive(&foreign).unwrap_err(), Refusal::Forged);
}

#[test]
fn entries_that_are_not_of_the_epoch_decide_nothing() {
    let (mut people, log) = circle(2);
    let proposed = people[0].rotate();
    // Whoever sees the entry before it is ordered can't put another in its place.
    let (tag, commitment) = logged(&proposed);
    let other = Digest::of(b"something else");
    for person in &mut people {
        let gate = person.gate();
        assert!(matches!(gate.decide(1, tag, other), Ok(Decision::Ignored)));
        assert!(matches!(gate.decide(1, CommitTag([0; 32]), commitment), Ok(Decision::Ignored)));
        // Nor does an entry before the one that began the epoch.
        assert!(matches!(gate.decide(0, tag, commitment), Ok(Decision::Ignored)));
        assert!(matches!(gate.decide(0, log[0].0, log[0].1), Ok(Decision::Ignored)));
        assert_eq!(gate.epoch(), 1);
    }
    assert!(matches!(people[1].gate().decide(5, tag, commitment), Ok(Decision::Waiting)));
    assert!(matches!(people[1].gate().decide(6, tag, commitment), Ok(Decision::Ignored)));
    assert!(matches!(people[1].receive(&proposed.message), Ok(Delivery::Advanced(_))));
    assert_eq!(people[1].gate().next_place(), 6);
}

#[test]
fn invitations_are_for_whom_they_name_once_and_after_the_log() {
    let (mut people, mut log) = circle(2);
    let (mut guest, mut other) = (Person::new(8), Person::new(9));
    let proposed = people[0].invite(&[&guest]);
    log.push(logged(&proposed));
    let invitation = people[0].follow(&log).remove(0).invitation.unwrap();
    let from = people[0].id();
    let entry = Some(log[1]);

    assert_eq!(other.packages.join(&invitation, &from, entry).unwrap_err(), JoinError::Welcome);
    assert_eq!(guest.packages.join(&invitation, &from, None).unwrap_err(), JoinError::NotInLog);
    assert_eq!(guest.packages.join(&invitation, &from, Some(log[0])).unwrap_err(), JoinError::NotInLog);
    assert_eq!(guest.packages.join(&invitation, &other.id(), entry).unwrap_err(), JoinError::Stranger);

    let encoded = invitation.encode();
    assert_eq!(Invitation::decode(&encoded).unwrap(), invitation);
    let mut wrong_gate = encoded.clone();
    wrong_gate[0] ^= 1;
    let wrong_gate = Invitation::decode(&wrong_gate).unwrap();
    assert_eq!(guest.packages.join(&wrong_gate, &from, entry).unwrap_err(), JoinError::NotAGate);
    let welcome = encoded.len() - 600;
    for position in (welcome..encoded.len()).step_by(13) {
        let mut touched = encoded.clone();
        touched[position] ^= 1;
        let touched = Invitation::decode(&touched).unwrap();
        assert_eq!(guest.packages.join(&touched, &from, entry).unwrap_err(), JoinError::Welcome);
    }
    assert!(Invitation::decode(&encoded[..100]).is_err());
    assert!(Invitation::decode(&vec![0; MAX_INVITATION_BYTES + 1]).is_err());

    guest.join(&invitation, &people[0], &log);
    assert_eq!(guest.packages.join(&invitation, &from, entry).unwrap_err(), JoinError::Welcome);
}

#[test]
fn packages_are_their_owners_and_whole() {
    let owner = Person::new(4);
    let bytes = owner.packages.offered(NOW).next().unwrap().encode();
    assert_eq!(SignedPackage::decode(&bytes, network()).unwrap().encode(), bytes);
    let elsewhere = NetworkId(Digest::of(b"another"));
    assert_eq!(SignedPackage::decode(&bytes, elsewhere), Err(PackageError::Signature));
    for position in 0..bytes.len() {
        let mut touched = bytes.clone();
        touched[position] ^= 1;
        assert!(SignedPackage::decode(&touched, network()).is_err(), "{position}");
        assert!(SignedPackage::decode(&bytes[..position], network()).is_err(), "{position}");
    }
    let longer = [bytes.as_slice(), b"x"].concat();
    assert_eq!(SignedPackage::decode(&longer, network()), Err(PackageError::Signature));
    let huge = vec![0; MAX_PACKAGE_BYTES + 1];
    assert_eq!(SignedPackage::decode(&huge, network()), Err(PackageError::Shape(huge.len())));
}

#[test]
fn members_are_told_what_they_cannot_do() {
    let (mut people, _) = circle(2);
    let guest = Person::new(8);
    let package = guest.packages.offered(NOW).next().unwrap().clone();
    let member = people[1].packages.offered(NOW).next().unwrap().clone();
    let (one, two) = (people[0].id(), guest.id());
    let Person { key, gate, entropy, .. } = &mut people[0];
    let gate = gate.as_mut().unwrap();
    assert_eq!(gate.invite(&[], NOW, key, entropy), Err(GateError::Nobody));
    let now = package.until() + 1;
    let expired = GateError::Expired { until: package.until(), now };
    assert_eq!(gate.invite(std::slice::from_ref(&package), now, key, entropy), Err(expired));
    assert_eq!(gate.invite(&[member], NOW, key, entropy), Err(GateError::Member));
    assert_eq!(gate.invite(&[package.clone(), package.clone()], NOW, key, entropy), Err(GateError::Member));
    let crowd = vec![package.clone(); MAX_MEMBERS - 1];
    assert_eq!(gate.invite(&crowd, NOW, key, entropy), Err(GateError::TooMany));
    assert_eq!(gate.remove(&[], key, entropy), Err(GateError::Nobody));
    assert_eq!(gate.remove(&[two], key, entropy), Err(GateError::NoMember));
    assert_eq!(gate.remove(&[one], key, entropy), Err(GateError::Oneself));
    let long = vec![b'x'; MAX_POST_BYTES + 1];
    assert_eq!(gate.post(&long, key, entropy), Err(GateError::TooLong(long.len())));
    assert!(gate.post(&long[1..], key, entropy).is_ok());
    assert_eq!(gate.post(b"x", &guest.key, entropy), Err(GateError::Signer));
    assert!(gate.proposed().is_none());
}

#[test]
fn a_full_gate_can_be_made_at_once_and_goes_on() {
    let (mut people, mut log) = circle(u8::try_from(MAX_MEMBERS).unwrap());
    let message = people[MAX_MEMBERS - 1].post("crowded");
    assert_eq!(people[1].reads(&message), "crowded");
    let proposed = people[7].rotate();
    log.push(logged(&proposed));
    people[40].receive(&proposed.message).unwrap();
    assert_eq!(people[40].follow(&log).len(), 1);
    let state = people[40].gate().to_bytes();
    assert!(state.len() < MAX_STATE_BYTES / 4, "{}", state.len());
}

#[test]
fn what_waits_is_bounded() {
    let (mut people, _) = circle(2);
    let post = people[0].post("far");
    let ahead = |epoch: u64, mark: u8| {
        let mut message = post.clone();
        message[32..40].copy_from_slice(&epoch.to_be_bytes());
        message[50] = mark;
        message
    };
    for i in 0..MAX_WAITING {
        assert!(people[1].receive(&ahead(9, u8::try_from(i).unwrap())).is_ok());
    }
    assert!(people[1].receive(&ahead(9, 0)).is_ok(), "the same again takes no place");
    assert_eq!(people[1].receive(&ahead(9, 255)).unwrap_err(), Refusal::Full);
    assert_eq!(people[1].receive(&ahead(10, 0)).unwrap_err(), Refusal::Full);
    // What is nearer comes first.
    assert!(people[1].receive(&ahead(8, 0)).is_ok());
    people[1].restart();

    // Commits: one member can't fill the memory of another.
    let mut waiting = Vec::new();
    for _ in 0..=MAX_CANDIDATES {
        people[0].restart();
        let state = people[0].gate().to_bytes();
        waiting.push(people[0].rotate().message);
        people[0].gate = Some(Gate::from_bytes(&state).unwrap());
    }
    let last = waiting.pop().unwrap();
    for message in &waiting {
        assert!(matches!(people[1].receive(message), Ok(Delivery::Waiting)));
    }
    assert_eq!(people[1].receive(&last).unwrap_err(), Refusal::Full);
    assert!(matches!(people[1].receive(&waiting[0]), Ok(Delivery::Waiting)));
}

#[test]
fn a_damaged_state_is_noticed() {
    let (mut people, _) = circle(2);
    let state = people[0].gate().to_bytes();
    for position in (0..state.len()).step_by(101) {
        let mut touched = state.to_vec();
        touched[position] ^= 1;
        assert!(Gate::from_bytes(&touched).is_err());
        assert!(Gate::from_bytes(&state[..position]).is_err());
    }
    assert!(matches!(Gate::from_bytes(&[2]), Err(StateError::Version(2))));
    let packages = people[0].packages.to_bytes();
    assert!(matches!(Gate::from_bytes(&packages), Err(StateError::Damaged)));
    assert!(Packages::from_bytes(&state).is_err());
}

#[test]
fn nothing_secret_is_printed() {
    let (mut people, _) = circle(2);
    let message = people[0].post("secret word");
    let delivery = people[1].receive(&message).unwrap();
    let printed = format!("{delivery:?} {:?} {:?}", people[0].gate, people[1].packages);
    assert!(!printed.contains("115, 101, 99"), "{printed}");
    assert!(!printed.contains("secret"), "{printed}");
    assert!(printed.len() < 1000, "{printed}");
}
