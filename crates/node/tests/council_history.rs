//! A council's history: whoever has the genesis can tell which steps hold, and nothing else does.

#![expect(clippy::expect_used, reason = "a test fails by panicking")]

mod support;

use jurat::core::{
    ChangeRefusal, CouncilChange, CouncilHistory, EpochOfError, EpochStep, HistoryError, MembershipChange,
    NewcomerError, StepError,
};
use jurat_crypto::{Digest, KeyUse};
use jurat_log::{BatchStamp, Checkpoint, MAX_COUNCIL_CHANGE_BYTES, SubjectRoot, TreeSize, UnixMillis};
use jurat_pbft::{ChangeError, CouncilError, Epoch, LinkError, ReplicaId};
use proptest::prelude::*;

use support::{genesis, history, join, leave, newcomer, seed, signed, step};

fn founded() -> CouncilHistory {
    CouncilHistory::new(genesis(4)).expect("a history")
}

fn names(history: &CouncilHistory, epoch: u64) -> Vec<String> {
    history.members_of(Epoch(epoch)).map(|seat| seat.member.name.to_string()).collect()
}

fn size(size: u64) -> TreeSize {
    TreeSize::new(size).expect("a size")
}

fn refused(history: &CouncilHistory, change: &CouncilChange) -> ChangeRefusal {
    change.follow(history).expect_err("a change that is refused")
}

#[test]
fn members_keep_their_ids_and_leave_their_names_behind() {
    let history = history();
    assert_eq!(names(&history, 0), ["node-1", "node-2", "node-3", "node-4"]);
    assert_eq!(names(&history, 1), ["node-1", "node-2", "node-3", "node-4", "node-5"]);
    assert_eq!(names(&history, 2), ["node-1", "node-3", "node-4", "node-5"]);
    assert_eq!(names(&history, 3), ["node-1", "node-3", "node-4", "node-5", "node-6"]);
    assert_eq!(names(&history, 4), [""; 0], "nobody knows");
    let left = history.seat(ReplicaId(1)).expect("a seat");
    assert_eq!((left.member.name.as_str(), left.left), ("node-2", Some(Epoch(2))));
    let council: Vec<ReplicaId> = history.council().members().collect();
    assert_eq!(council, [0, 2, 3, 4, 5].map(ReplicaId));
    for seat in history.members_of(Epoch(3)) {
        assert_eq!(history.council().key(seat.id), Some(seat.member.vote.key()));
    }
}

#[test]
fn the_size_tells_the_epoch() {
    let history = history();
    for (log, epoch) in [(0, 0), (9, 0), (10, 0), (11, 1), (20, 1), (21, 2), (30, 2), (31, 3), (1000, 3)] {
        assert_eq!(history.epoch_at(size(log)), Epoch(epoch), "size {log}");
    }
    let checkpoint = |log: u64, epoch, root| {
        let stamp = BatchStamp { epoch, sequence: 1, time: UnixMillis(1), registry: Digest::of(b"registry") };
        Checkpoint::stamped(genesis(4).origin().clone(), size(log), root, stamp, &SubjectRoot::EMPTY)
    };
    let (any, last) = (Digest::of(b"any"), Digest::of(&10_u64.to_be_bytes()));
    assert_eq!(history.epoch_of(&checkpoint(9, 0, any)), Ok(Epoch(0)));
    assert_eq!(history.epoch_of(&checkpoint(10, 0, last)), Ok(Epoch(0)));
    assert_eq!(history.epoch_of(&checkpoint(10, 0, any)), Err(EpochOfError::OtherRoot(size(10))));
    // Members who left can't sign for the log of later by naming their epoch.
    let (stamp, epoch) = (Epoch(0), Epoch(2));
    let late = EpochOfError::OtherEpoch { stamp, size: size(25), epoch };
    assert_eq!(history.epoch_of(&checkpoint(25, 0, any)), Err(late));
    let newer = EpochOfError::Newer { checkpoint: Epoch(4), last: Epoch(3) };
    assert_eq!(history.epoch_of(&checkpoint(50, 4, any)), Err(newer));
}

#[test]
fn each_epoch_has_its_policy() {
    let history = history();
    let policy = |epoch| history.policy_of(Epoch(epoch)).expect("a policy");
    assert_eq!(policy(0), Some(genesis(4).policy(&[]).expect("a policy")));
    let text = policy(2).expect("a policy").to_string();
    assert!(!text.contains("node-2"), "{text}");
    assert!(text.contains("group council 3 node-1 node-3 node-4 node-5\n"), "{text}");
    assert!(text.contains(" http://node-5.example:8100\n"), "{text}");
    assert_eq!(policy(4), None);
}

#[test]
fn a_change_needs_a_quorum_of_the_members_of_its_epoch() {
    let history = founded();
    let change = join(&history, 5);
    assert_eq!(
        refused(&history, &signed(&history, change.clone(), 2)),
        ChangeRefusal::TooFew { have: 2, need: 3, of: 4 }
    );
    assert!(signed(&history, change.clone(), 3).follow(&history).is_ok());
    let (with, without) = signed(&history, change.clone(), 3).support(&history);
    assert_eq!((with, without), (vec![ReplicaId(0), ReplicaId(1), ReplicaId(2)], vec![ReplicaId(3)]));

    // One bad signature spoils it, whatever the others are.
    let mut forged = signed(&history, change.clone(), 4);
    forged.sign(ReplicaId(3), &seed(9).signing_key(KeyUse::Vote), history.genesis().network());
    assert_eq!(refused(&history, &forged), ChangeRefusal::Signature(support::name(4)));
    let mut stranger = signed(&history, change.clone(), 4);
    stranger.sign(ReplicaId(4), &seed(5).signing_key(KeyUse::Vote), history.genesis().network());
    assert_eq!(refused(&history, &stranger), ChangeRefusal::NotAMember(ReplicaId(4), Epoch(0)));
    // The cosigning key of a member does not vote.
    let mut other_use = signed(&history, change.clone(), 2);
    other_use.sign(ReplicaId(2), &seed(3).signing_key(KeyUse::Cosign), history.genesis().network());
    assert_eq!(refused(&history, &other_use), ChangeRefusal::Signature(support::name(3)));
    // Signatures of another network or epoch are none.
    let mut elsewhere = change;
    for id in 0..3 {
        let vote = seed(id + 1).signing_key(KeyUse::Vote);
        elsewhere.sign(ReplicaId(id.into()), &vote, genesis(5).network());
    }
    assert_eq!(refused(&history, &elsewhere), ChangeRefusal::Signature(support::name(1)));
}

#[test]
fn copies_signed_apart_are_merged() {
    let history = founded();
    let (mut one, mut two) = (join(&history, 5), join(&history, 5));
    one.sign(ReplicaId(2), &seed(3).signing_key(KeyUse::Vote), history.genesis().network());
    two.sign(ReplicaId(0), &seed(1).signing_key(KeyUse::Vote), history.genesis().network());
    two.sign(ReplicaId(3), &seed(4).signing_key(KeyUse::Vote), history.genesis().network());
    assert!(one.merge(&two) && one.merge(&two));
    assert_eq!(one.signers().collect::<Vec<_>>(), [0, 2, 3].map(ReplicaId));
    assert!(one.follow(&history).is_ok());
    assert!(!one.merge(&leave(&history, 1)));
}

#[test]
fn a_change_that_makes_no_sense_is_refused_however_many_sign() {
    let all = |history: &CouncilHistory, change| signed(history, change, 5);
    let founded = founded();
    let too_few = CouncilError::InsufficientPeers { needed: 4, actual: 3 };
    assert_eq!(
        refused(&founded, &all(&founded, leave(&founded, 3))),
        ChangeRefusal::Change(ChangeError::Council(too_few))
    );
    let history = history();
    let absent = ChangeRefusal::Change(ChangeError::NoSuchMember(ReplicaId(1)));
    assert_eq!(refused(&history, &all(&history, leave(&history, 1))), absent, "it has left already");
    for taken in [1, 2, 5] {
        let name = support::name(taken);
        assert_eq!(refused(&history, &all(&history, join(&history, taken))), ChangeRefusal::NameTaken(name));
    }
    let old = join(&founded, 7);
    let other = ChangeRefusal::OtherEpoch { change: Epoch(0), council: Epoch(3) };
    assert_eq!(refused(&history, &all(&history, old)), other);

    // Another name does not help who brings the keys of a former member.
    let (peer, http) = (newcomer(&history, 7).peer, newcomer(&history, 7).http);
    let (network, epoch) = (history.genesis().network(), history.epoch());
    let again = jurat::core::Newcomer::of_seed(support::name(7), peer, http, &seed(2), network, epoch);
    let again = CouncilChange::new(epoch, MembershipChange::Add(again));
    let (newcomer, holder) = (support::name(7), support::name(2));
    assert_eq!(refused(&history, &all(&history, again)), ChangeRefusal::KeyTaken { newcomer, holder });

    // A description that was altered after the newcomer signed it.
    let mut moved = support::newcomer(&history, 7);
    moved.http = jurat::core::HttpUrl::new("http://elsewhere.example").expect("a URL");
    let moved = all(&history, CouncilChange::new(epoch, MembershipChange::Add(moved)));
    let unproven = NewcomerError::Unproven(support::name(7), "link");
    assert_eq!(refused(&history, &moved), ChangeRefusal::Newcomer(unproven));
}

#[test]
fn a_step_needs_the_councils_certificate_over_just_this_change_and_log() {
    let mut history = founded();
    let good = step(&history, signed(&history, join(&history, 5), 3), 10, 5);
    let push = |step: EpochStep| history.clone().push(step).expect_err("a step that is refused");

    let other = EpochStep { change: signed(&history, join(&history, 6), 3), ..good.clone() };
    assert_eq!(push(other), StepError::OtherChange);
    let unsigned = EpochStep { change: signed(&history, join(&history, 5), 2), ..good.clone() };
    assert!(matches!(push(unsigned), StepError::Change(ChangeRefusal::TooFew { .. })));
    for altered in [
        EpochStep { size: size(11), ..good.clone() },
        EpochStep { root: Digest::of(b"root"), ..good.clone() },
        EpochStep { registry: Digest::of(b"other"), ..good.clone() },
    ] {
        assert_eq!(push(altered.clone()), StepError::State(altered.size));
    }
    let mut minority = good.clone();
    minority.link.certificate.signatures.pop();
    assert!(matches!(push(minority), StepError::Link(LinkError::Certificate(_))));
    let empty = step(&history, signed(&history, join(&history, 5), 3), 0, 5);
    assert_eq!(push(empty), StepError::Size(size(0)), "the log must hold the change");

    history.push(good.clone()).expect("it holds");
    let before = history.clone();
    assert!(matches!(history.push(good), Err(StepError::Change(ChangeRefusal::OtherEpoch { .. }))));
    assert_eq!(history, before, "a refused step leaves no trace");
}

#[test]
fn dropped_doubled_and_reordered_steps_are_refused() {
    let steps = history().steps().to_vec();
    let verify =
        |order: &[usize]| CouncilHistory::verify(genesis(4), order.iter().map(|i| steps[*i].clone()));
    assert_eq!(verify(&[0, 1, 2]).expect("it holds"), history());
    for order in [&[1][..], &[1, 2], &[0, 2], &[0, 0, 1, 2], &[1, 0, 2], &[0, 2, 1], &[0, 1, 2, 2]] {
        assert!(matches!(verify(order), Err(HistoryError::Step(..))), "{order:?}");
    }
    assert!(CouncilHistory::verify(genesis(5), steps).is_err(), "of another network");
}

#[test]
fn what_is_stored_and_sent_comes_back() {
    let history = history();
    assert_eq!(CouncilHistory::decode(genesis(4), &history.encode()).expect("it holds"), history);
    let json = history.to_json();
    assert_eq!(CouncilHistory::from_json(json.as_bytes()).expect("it holds"), history);
    assert_eq!(CouncilHistory::from_json(founded().to_json().as_bytes()).expect("it holds"), founded());
    // A label that lies beside a step that holds.
    for (said, lie) in
        [("\"after_size\": 20", "\"after_size\": 2000"), ("\"name\": \"node-2\"", "\"name\": \"node-3\"")]
    {
        let altered = json.replacen(said, lie, if said.contains("name") { 2 } else { 1 });
        assert_ne!(altered, json);
        assert!(CouncilHistory::from_json(altered.as_bytes()).is_err(), "{lie}");
    }
    let lie = json.replace("\"after_size\": 20", "\"after_size\": 21");
    assert!(matches!(CouncilHistory::from_json(lie.as_bytes()), Err(HistoryError::Altered)));
}

#[test]
fn the_largest_change_fits_into_an_entry() {
    let history = CouncilHistory::new(genesis(99)).expect("a history");
    let change = signed(&history, join(&history, 100), 99);
    let entry = change.to_entry().expect("it fits");
    assert!(change.encode().len() + 3 * 255 < MAX_COUNCIL_CHANGE_BYTES);
    assert!(change.follow(&history).is_ok());
    assert_eq!(CouncilChange::decode(&entry.encode()[2..]), Ok(change));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_altered_bit_of_a_history_is_noticed(at: prop::sample::Index, bit in 0_u8..8) {
        let mut bytes = history().encode();
        *at.get_mut(&mut bytes) ^= 1 << bit;
        prop_assert!(CouncilHistory::decode(genesis(4), &bytes).is_err());
    }

    #[test]
    fn a_history_cut_off_is_refused_or_ends_with_a_whole_step(at: prop::sample::Index) {
        let bytes = history().encode();
        let cut = at.index(bytes.len());
        if let Ok(shorter) = CouncilHistory::decode(genesis(4), &bytes[..cut]) {
            prop_assert_eq!(shorter.encode(), &bytes[..cut]);
            prop_assert!(shorter.steps().len() < 3);
        }
    }

    #[test]
    fn a_change_has_one_spelling(at: prop::sample::Index, byte: u8, signers in 0_usize..5) {
        let history = founded();
        let mut bytes = signed(&history, join(&history, 5), signers).encode();
        *at.get_mut(&mut bytes) = byte;
        if let Ok(change) = CouncilChange::decode(&bytes) {
            prop_assert_eq!(change.encode(), bytes);
        }
    }
}
