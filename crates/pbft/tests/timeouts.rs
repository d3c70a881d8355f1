//! When a replica gives up on its primary, and when it must not.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use jurat_crypto::{Digest, NetworkId, SigningKey};
use jurat_pbft::{BatchTime, Config, Council, Epoch, Input, Message, Now, Replica, ReplicaId, RequestDigest};

/// A backup with links to all others and a request that its primary never proposes, since time 0.
fn waiting_backup() -> Replica {
    let keys: Vec<SigningKey> = (1..=4).map(|seed| SigningKey::from_seed(&[seed; 32])).collect();
    let network = NetworkId(Digest::of(b"timeouts"));
    let members = keys.iter().map(SigningKey::verifying_key).collect();
    let council = Council::new(network, Epoch(0), members).unwrap();
    let mut replica = Replica::new(Config::default(), council, keys[2].clone()).unwrap();
    for other in [0, 1, 3] {
        replica.step(at(0), Input::Connected(ReplicaId(other)));
    }
    // Idle, with its next status far away, when the request comes.
    replica.step(at(1), Input::Tick);
    replica.step(at(1), Input::Requests(vec![(RequestDigest(Digest::of(b"request")), 1)]));
    let _ = replica.take_ready();
    replica
}

fn at(elapsed: u64) -> Now {
    Now { elapsed, wall: BatchTime(1_700_000_000_000 + elapsed) }
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
