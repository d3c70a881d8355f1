//! Sequences: nothing counts twice, and no domain blocks another.

use jurat_trust::{MAX_SEQUENCE_STEP, Operation, Rejection, SequenceDomain};

use crate::world::{World, admin_key, fed, signed, trust};

#[test]
fn a_replay_is_stale() {
    let mut world = World::new();
    let operation = world.ready("a", trust("b", 5_000));
    world.apply(&operation).unwrap();
    let (federation, domain) = (fed("a"), SequenceDomain::Trust);
    let stale = Rejection::StaleSequence { federation, domain, last: 1, given: 1 };
    assert_eq!(world.apply(&operation), Err(stale));
}

#[test]
fn sequences_may_skip_but_not_exhaust_a_domain() {
    let mut world = World::new();
    let mut run = |sequence| {
        let operation = Operation { sequence, ..world.operation("a", trust("b", 5_000)) };
        let operation = signed(operation, &[admin_key("a")]);
        world.apply(&operation)
    };
    assert!(matches!(run(0), Err(Rejection::StaleSequence { .. })));
    assert!(matches!(run(MAX_SEQUENCE_STEP + 1), Err(Rejection::SequenceTooFar { .. })));
    assert!(matches!(run(u64::MAX), Err(Rejection::SequenceTooFar { .. })));
    run(MAX_SEQUENCE_STEP).unwrap();
    assert!(matches!(run(9), Err(Rejection::StaleSequence { .. })));
    run(MAX_SEQUENCE_STEP + 7).unwrap();
}

#[test]
fn domains_and_federations_count_apart() {
    let mut world = World::new();
    let operation = Operation { sequence: 1 << 40, ..world.operation("a", trust("b", 5_000)) };
    let operation = signed(operation, &[admin_key("a")]);
    world.apply(&operation).unwrap();
    assert_eq!(world.next("a", SequenceDomain::Proposals), 1);
    world.propose("a", &["b"]).unwrap();
    world.run("b", trust("a", 5_000)).unwrap();
}
