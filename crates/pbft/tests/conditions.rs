//! What must be there before one replica goes a step further.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;

use forge::{EPOCH_MS, at, batch, certificate, commit_proof, council, id, key, request, sign, vote};
use jurat_crypto::Digest;
use jurat_pbft::{
    Batch, Checkpoint, Config, Executed, Halt, Input, Message, Phase, Ready, Recipient, Record, Refusal,
    Replica, Sequence, StateDigest, Status, View,
};

/// A backup that holds no request.
fn backup(config: Config) -> Replica {
    let mut replica = Replica::new(config, council(4), key(2)).unwrap();
    for other in [0, 1, 3] {
        replica.step(at(0), Input::Connected(id(other)));
    }
    let _ = replica.take_ready();
    replica
}

fn step(replica: &mut Replica, input: Input) -> Ready {
    replica.step(at(0), input);
    replica.take_ready()
}

fn proposal(sequence: u64, batch: &Batch) -> Input {
    let vote = sign(&council(4), 0, vote(Phase::PrePrepare, 0, sequence, batch));
    Input::Message(id(0), Message::PrePrepare(vote, batch.clone()))
}

fn held(number: u64) -> Input {
    Input::Requests(vec![(request(number), 8)])
}

fn decided(sequence: u64, batch: &Batch) -> Input {
    let proof = commit_proof(&council(4), &[0, 1, 3], 0, sequence, batch);
    Input::Message(id(1), Message::Decided(batch.clone(), proof))
}

fn prepares(ready: &Ready) -> usize {
    let is_prepare =
        |message: &Message| matches!(message, Message::Vote(vote) if vote.statement.phase == Phase::Prepare);
    ready.sealed.iter().filter(|out| is_prepare(&out.message)).count()
}

/// Each member that is ahead is asked for a range of its own, while the others' are under way.
#[test]
fn decisions_are_asked_of_all_who_are_ahead() {
    let (home, mut replica) = (council(4), backup(Config::default()));
    let mut asked = Vec::new();
    for member in [0, 1, 3] {
        let (epoch, digest) = (home.epoch(), *home.digest());
        let [executed, stable] = [Sequence(100), Sequence(96)];
        let status = Status { epoch, view: View(0), changing: false, executed, stable, council: digest };
        for out in step(&mut replica, Input::Message(id(member), Message::Status(status))).messages {
            if let Message::FetchDecided(from, through) = out.message {
                asked.push((out.to, from.0, through.0));
            }
        }
    }
    let expected = [(0, 1, 16), (1, 17, 32), (3, 33, 48)];
    assert_eq!(asked, expected.map(|(member, from, through)| (Recipient::One(id(member)), from, through)));
}

#[test]
fn a_proposal_is_accepted_when_its_bodies_are_held() {
    let mut replica = backup(Config::default());
    let ready = step(&mut replica, proposal(1, &batch(1, 0)));
    assert_eq!((prepares(&ready), ready.records.len()), (0, 0));
    assert_eq!(ready.wanted.iter().flat_map(|want| &want.requests).collect::<Vec<_>>(), [&request(1)]);
    assert_eq!(prepares(&step(&mut replica, held(1))), 1);
}

#[test]
fn a_decision_is_delivered_when_its_bodies_are_held() {
    let mut replica = backup(Config::default());
    let ready = step(&mut replica, decided(1, &batch(1, 0)));
    assert!(ready.decisions.is_empty() && ready.wanted.len() == 1);
    assert_eq!(step(&mut replica, held(1)).decisions.len(), 1);
}

/// A proposal that waited for the batch before it comes too late once another is proven decided.
#[test]
fn nothing_is_prepared_where_another_batch_is_decided() {
    for other_is_decided in [false, true] {
        let mut replica = backup(Config::default());
        for number in [1, 2] {
            let _ = step(&mut replica, held(number));
        }
        assert_eq!(prepares(&step(&mut replica, proposal(2, &batch(2, 10)))), 0, "waits for sequence 1");
        if other_is_decided {
            let _ = step(&mut replica, decided(2, &batch(3, 10)));
        }
        let ready = step(&mut replica, decided(1, &batch(1, 0)));
        assert_eq!(ready.decisions.len(), 1);
        assert_eq!(prepares(&ready), usize::from(!other_is_decided));
    }
}

#[test]
fn each_batch_is_dated_later_than_the_one_before() {
    for (time, accepted) in [(4, 0), (5, 0), (6, 1)] {
        let mut replica = backup(Config::default());
        for number in [1, 2] {
            let _ = step(&mut replica, held(number));
        }
        assert_eq!(prepares(&step(&mut replica, proposal(1, &batch(1, 5)))), 1);
        let ready = step(&mut replica, proposal(2, &batch(2, time)));
        assert_eq!(prepares(&ready), accepted, "at {time} after 5");
        assert_eq!(replica.refused().contains_key(&Refusal::BadTime), accepted == 0);
    }
}

#[test]
fn a_replica_whose_state_is_not_the_certified_one_stops() {
    let own = StateDigest(Digest::of(b"own"));
    for certified in [own, StateDigest(Digest::of(b"another"))] {
        let mut replica = backup(Config { checkpoint_interval: 1, ..Config::default() });
        let _ = step(&mut replica, held(1));
        assert_eq!(step(&mut replica, decided(1, &batch(1, 0))).decisions.len(), 1);
        let _ = step(&mut replica, Input::Executed(Sequence(1), own));
        let checkpoint = Checkpoint { sequence: Sequence(1), state: certified, next: None };
        let stable = Message::Stable(certificate(&council(4), &[0, 1, 3], checkpoint));
        let halt = step(&mut replica, Input::Message(id(1), stable)).halt;
        let diverged = Halt::Diverged { sequence: Sequence(1), certified, own };
        assert_eq!(halt, (certified != own).then_some(diverged));
    }
}

/// Decisions learned from proofs may be dated as a later view chose; the order's time never steps
/// back.
#[test]
fn time_goes_forward_whatever_batches_say() {
    let mut replica = backup(Config::default());
    let mut times = Vec::new();
    for (sequence, time) in [(1, 10), (2, 5), (3, 12)] {
        let _ = step(&mut replica, held(sequence));
        let ready = step(&mut replica, decided(sequence, &batch(sequence, time)));
        times.extend(ready.decisions.iter().map(|decision| decision.time.0 - EPOCH_MS));
        let _ = step(&mut replica, Input::Executed(Sequence(sequence), StateDigest(Digest::of(b"own"))));
    }
    assert_eq!(times, [10, 11, 12]);
}

#[test]
fn what_was_not_delivered_is_not_executed() {
    let mut replica = backup(Config::default());
    let own = StateDigest(Digest::of(b"own"));
    for sequence in [1, 2] {
        let _ = step(&mut replica, Input::Executed(Sequence(sequence), own));
        assert_eq!(replica.executed(), Sequence(0));
    }
    let _ = step(&mut replica, held(1));
    let _ = step(&mut replica, decided(1, &batch(1, 0)));
    let _ = step(&mut replica, Input::Executed(Sequence(2), own));
    assert_eq!(replica.executed(), Sequence(0));
    let _ = step(&mut replica, Input::Executed(Sequence(1), own));
    assert_eq!(replica.executed(), Sequence(1));
}

#[test]
fn only_equal_checkpoints_make_one_stable() {
    let mut replica = backup(Config { checkpoint_interval: 1, ..Config::default() });
    let _ = step(&mut replica, held(1));
    let _ = step(&mut replica, decided(1, &batch(1, 0)));
    let [own, other] = [&b"own"[..], b"other"].map(|state| StateDigest(Digest::of(state)));
    let _ = step(&mut replica, Input::Executed(Sequence(1), own));
    let mut stable = |signer, state| {
        let checkpoint = Checkpoint { sequence: Sequence(1), state, next: None };
        let message = Message::Checkpoint(sign(&council(4), signer, checkpoint));
        let records = step(&mut replica, Input::Message(id(signer), message)).records;
        records.iter().any(|record| matches!(record, Record::Stable(_)))
    };
    assert_eq!([stable(0, other), stable(1, own), stable(3, own)], [false, false, true]);
}

#[test]
fn a_replica_never_has_another_state_at_a_checkpoint_it_reached() {
    let [own, other] = [&b"own"[..], b"other"].map(|state| StateDigest(Digest::of(state)));
    let config = Config { checkpoint_interval: 1, ..Config::default() };
    let mut replica = backup(config);
    let mut journal = step(&mut replica, held(1)).records;
    journal.extend(step(&mut replica, decided(1, &batch(1, 0))).records);
    journal.extend(step(&mut replica, Input::Executed(Sequence(1), own)).records);
    for (state, halts) in [(own, false), (other, true)] {
        let executed = Executed::default();
        let mut again = Replica::recover(config, council(4), key(2), executed, journal.clone()).unwrap();
        assert_eq!(again.take_ready().decisions.len(), 1);
        assert_eq!(step(&mut again, Input::Executed(Sequence(1), state)).halt.is_some(), halts);
    }
}
