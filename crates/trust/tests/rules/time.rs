//! Time only goes forward, and passing it ends proposals.

use jurat_trust::{Event, MILLIS_PER_DAY, OrderedTime, ProposalStatus, Rejection};
use proptest::prelude::*;

use crate::world::{START, World, fed, trust};

#[test]
fn times_that_go_backwards_are_refused() {
    let mut world = World::new();
    world.now = OrderedTime(START - 1);
    assert_eq!(
        world.run("a", trust("b", 5_000)),
        Err(Rejection::TimeWentBack { from: OrderedTime(START), to: OrderedTime(START - 1) })
    );
    let digest = world.registry.digest();
    assert!(world.registry.advance(OrderedTime(START - 1)).is_err());
    assert_eq!(world.registry.digest(), digest);
    assert!(world.registry.quarantine(&fed("a"), digest, OrderedTime(START - 1)).is_err());
    assert_eq!(world.registry.digest(), digest);
    assert_eq!(world.registry.advance(OrderedTime(START)), Ok(vec![]), "standing still is fine");
}

#[test]
fn a_proposal_lives_up_to_its_last_moment() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    world.pass_days(10);
    assert!(world.approve("b", id).is_ok(), "at the last moment");
    world.now.0 += 1;
    let expired = Rejection::NotPending { proposal: id, status: ProposalStatus::Expired };
    assert_eq!(world.approve("a", id), Err(expired), "before anything advanced the registry");
    assert_eq!(world.registry.proposal(&id).unwrap().status, ProposalStatus::Pending);
    let events = world.registry.advance(world.now).unwrap();
    assert_eq!(events, [Event::ProposalEnded { proposal: id, status: ProposalStatus::Expired }]);
    assert_eq!(world.registry.proposal(&id).unwrap().status, ProposalStatus::Expired);
}

#[test]
fn a_proposal_must_leave_time_to_decide() {
    let mut world = World::new();
    let mut draft = world.draft(&["b"], "share.data", vec![]);
    draft.expires_at = world.now;
    let now = world.now;
    assert_eq!(world.run_draft("a", draft), Err(Rejection::ExpiresTooEarly { expires_at: now, now }));
}

proptest! {
    // Members advance with every batch, whoever replays a log only where it says so.
    #[test]
    fn many_small_steps_are_one_large_one(
        lives in proptest::collection::vec(1..20_u64, 1..6),
        steps in proptest::collection::btree_set(0..20 * MILLIS_PER_DAY, 0..30),
        end in 0..20 * MILLIS_PER_DAY,
    ) {
        let mut world = World::new();
        for days in lives {
            let mut draft = world.draft(&["b"], "share.data", vec![]);
            draft.expires_at = world.now.plus_days(days);
            // Those that reciprocity refuses are no proposals.
            let _ = world.run_draft("a", draft);
        }
        let mut stepwise = world.registry.clone();
        for step in steps.into_iter().filter(|step| *step <= end) {
            stepwise.advance(OrderedTime(START + step)).unwrap();
            stepwise.settle();
        }
        let end = OrderedTime(START + end);
        stepwise.advance(end).unwrap();
        let operation = world.ready("e", trust("f", 5_000));
        world.registry.advance(end).unwrap();
        prop_assert_eq!(stepwise.digest(), world.registry.digest());
        stepwise.apply(&operation, end).unwrap();
        world.registry.apply(&operation, end).unwrap();
        prop_assert_eq!(stepwise.snapshot(), world.registry.snapshot());
    }
}
