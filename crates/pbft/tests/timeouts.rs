//! When a replica gives up on its primary, and when it must not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod forge;

use forge::{at, batch, council, id, key, request, sign, vote};
use jurat_pbft::{Config, Input, Message, NewView, Phase, Replica, Sequence, StateDigest, View, ViewChange};

/// A backup with links to all others and a request that its primary never proposes, since time 1.
fn waiting_backup() -> Replica {
    let mut replica = Replica::new(Config::default(), council(4), key(2)).unwrap();
    for other in [0, 1, 3] {
        replica.step(at(0), Input::Connected(id(other)));
    }
    // Idle, with its next status far away, when the request comes.
    replica.step(at(1), Input::Tick);
    replica.step(at(1), Input::Requests(vec![(request(1), 1)]));
    let _ = replica.take_ready();
    replica
}

/// Steps the replica when it asks to be, until it calls for a view; says when.
fn gives_up(replica: &mut Replica) -> u64 {
    loop {
        let now = replica.next_deadline();
        replica.step(at(now), Input::Tick);
        if replica.take_ready().sealed.iter().any(|sent| matches!(sent.message, Message::ViewChange(_))) {
            return now;
        }
    }
}

#[test]
fn a_request_without_progress_makes_a_replica_call_for_a_view_in_time() {
    assert_eq!(gives_up(&mut waiting_backup()), 1 + Config::default().view_change_timeout);
}

/// Leads a backup that gave up on its primary through view 1 to a batch that takes so long from its
/// proposal to its execution; says how long it waits for the next.
fn patience_after_a_batch_of(took: u64) -> u64 {
    let council = council(4);
    let mut replica = waiting_backup();
    let begin = gives_up(&mut replica);
    let change =
        |member| sign(&council, member, ViewChange { view: View(1), stable: None, prepared: Vec::new() });
    let new_view =
        NewView { view: View(1), view_changes: [0, 1, 3].map(change).to_vec(), pre_prepares: Vec::new() };
    let mut hear = |from, now, message| replica.step(at(now), Input::Message(id(from), message));
    hear(1, begin, Message::NewView(sign(&council, 1, new_view)));
    let batch = batch(1, begin);
    // That the primary lets it wait says nothing of the network.
    let (proposed, end) = (begin + 900, begin + 900 + took);
    let proposal = sign(&council, 1, vote(Phase::PrePrepare, 1, 1, &batch));
    hear(1, proposed, Message::PrePrepare(proposal, batch.clone()));
    for (phase, from) in [(Phase::Prepare, 0), (Phase::Prepare, 3), (Phase::Commit, 0), (Phase::Commit, 3)] {
        hear(from, end, Message::Vote(sign(&council, from, vote(phase, 1, 1, &batch))));
    }
    let state = StateDigest(jurat_crypto::Digest::of(b"state"));
    replica.step(at(end), Input::Executed(Sequence(1), state));
    assert_eq!(replica.executed(), Sequence(1));
    replica.step(at(end), Input::Requests(vec![(request(2), 1)]));
    let _ = replica.take_ready();
    gives_up(&mut replica) - end
}

#[test]
fn a_timeout_goes_back_as_far_as_the_batches_allow() {
    let base = Config::default().view_change_timeout;
    for (took, patience) in [(0, base), (base / 2, base), (base / 2 + 1, 2 * base), (base, 2 * base)] {
        assert_eq!(patience_after_a_batch_of(took), patience, "after a batch that took {took} ms");
    }
}

/// The process was stopped, say: for all it knows the others went on, and their messages wait.
#[test]
fn a_replica_does_not_blame_the_primary_for_its_own_absence() {
    for absence in [2_000, 60_000] {
        let mut replica = waiting_backup();
        replica.step(at(100), Input::Tick);
        let back = 100 + absence;
        replica.step(at(back), Input::Tick);
        assert!(!replica.is_changing_view());
        let patience = gives_up(&mut replica) - back;
        assert!((500..=Config::default().view_change_timeout).contains(&patience), "{patience}");
    }
}
