//! Trust is earned: caps, steps, and what establishing it again does not do.

use jurat_trust::{Act, Event, NextLevel, Rejection, Relationship};

use crate::world::{World, fed, score, trust};

fn interact(target: &str, successful: bool) -> Act {
    Act::RecordInteraction { target: fed(target), successful }
}

fn current(world: &World, source: &str, target: &str) -> u16 {
    world.registry.trust(&fed(source), &fed(target)).unwrap().score.basis_points()
}

#[test]
fn nobody_trusts_themselves() {
    let mut world = World::new();
    let refused = Rejection::SelfTrust(fed("a"));
    assert_eq!(world.run("a", trust("a", 1)), Err(refused.clone()));
    assert_eq!(world.run("a", interact("a", true)), Err(refused));
}

#[test]
fn a_relationship_starts_at_half_at_most() {
    let mut world = World::new();
    let above = Rejection::ScoreAboveCap { score: score(5_001), cap: score(5_000) };
    assert_eq!(world.run("a", trust("b", 5_001)), Err(above));
    world.run("a", trust("b", 5_000)).unwrap();
    world.run("b", trust("a", 0)).unwrap();
}

#[test]
fn only_established_trust_changes() {
    let mut world = World::new();
    world.run("b", trust("a", 5_000)).unwrap();
    let none = Rejection::NoTrust { truster: fed("a"), trustee: fed("b") };
    assert_eq!(world.run("a", interact("b", true)), Err(none.clone()));
    let set = Act::SetScore { target: fed("b"), score: score(1) };
    assert_eq!(world.run("a", set), Err(none.clone()), "trust is directed");
    assert_eq!(world.registry.bootstrap_status(&fed("a"), &fed("b")), Err(none));
}

/// The tables of both caps, walked step by step.
#[test]
fn scores_rise_with_age_and_successes_and_no_faster() {
    let mut world = World::new();
    // `a` was there before time began: only successes cap it.
    world.run("e", trust("a", 5_000)).unwrap();
    for count in 1..=110 {
        let before = current(&world, "e", "a");
        world.run("e", interact("a", true)).unwrap();
        let cap = match count {
            0..3 => 5_000,
            3..10 => 6_000,
            10..25 => 7_000,
            25..50 => 8_000,
            50..100 => 9_000,
            _ => 10_000,
        };
        assert_eq!(current(&world, "e", "a"), (before + 500).min(cap), "after {count}");
    }
    // `e` is new: with all the successes its age caps it.
    world.run("a", trust("e", 5_000)).unwrap();
    let mut age = 0;
    for (days, cap) in
        [(0, 5_000), (6, 5_000), (7, 6_000), (30, 7_000), (90, 8_000), (180, 9_000), (365, 10_000)]
    {
        world.pass_days(days - age);
        age = days;
        for _ in 0..100 {
            world.run("a", interact("e", true)).unwrap();
        }
        assert_eq!(current(&world, "a", "e"), cap, "on day {days}");
    }
}

#[test]
fn failures_cost_more_than_successes_give_down_to_the_floor() {
    let mut world = World::new();
    world.run("e", trust("a", 5_000)).unwrap();
    for expected in [4_000, 3_000, 2_000, 1_000, 1_000] {
        world.run("e", interact("a", false)).unwrap();
        assert_eq!(current(&world, "e", "a"), expected);
    }
    world.run("e", interact("a", true)).unwrap();
    assert_eq!(current(&world, "e", "a"), 1_500);
    // Who started below the floor is not lifted to it by a failure.
    world.run("e", trust("b", 300)).unwrap();
    world.run("e", interact("b", false)).unwrap();
    assert_eq!(current(&world, "e", "b"), 300);
}

#[test]
fn establishing_again_changes_two_things_only() {
    let mut world = World::new();
    world.run("a", trust("b", 4_000)).unwrap();
    for _ in 0..2 {
        world.run("a", interact("b", true)).unwrap();
    }
    let before = world.registry.trust(&fed("a"), &fed("b")).unwrap();
    world.pass_days(3);
    let act = Act::EstablishTrust {
        target: fed("b"),
        relationship: Relationship::Allied,
        witness_allowed: false,
        score: score(100),
    };
    let events = world.run("a", act).unwrap();
    assert_eq!(events, [Event::TrustChanged { source: fed("a"), target: fed("b") }]);
    let after = world.registry.trust(&fed("a"), &fed("b")).unwrap();
    let mut expected = before;
    expected.relationship = Relationship::Allied;
    expected.witness_allowed = false;
    assert_eq!(after, expected);
}

#[test]
fn a_score_set_outright_obeys_the_caps() {
    let mut world = World::new();
    world.run("a", trust("b", 1_000)).unwrap();
    let set = |points| Act::SetScore { target: fed("b"), score: score(points) };
    assert_eq!(
        world.run("a", set(5_001)),
        Err(Rejection::ScoreAboveCap { score: score(5_001), cap: score(5_000) })
    );
    world.run("a", set(5_000)).unwrap();
    for _ in 0..3 {
        world.run("a", interact("b", true)).unwrap();
    }
    world.run("a", set(6_000)).unwrap();
    assert!(world.run("a", set(6_001)).is_err());
    world.run("a", set(0)).unwrap();
}

#[test]
fn the_bootstrap_status_says_what_is_missing() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    world.run("a", interact("e", true)).unwrap();
    world.run("a", interact("e", false)).unwrap();
    world.pass_days(5);
    world.registry.advance(world.now).unwrap();
    let status = world.registry.bootstrap_status(&fed("a"), &fed("e")).unwrap();
    assert_eq!((status.score, status.age_days), (score(4_000), 5));
    assert_eq!((status.successful, status.failed), (1, 1));
    assert_eq!((status.caps.by_age, status.caps.by_successes), (score(5_000), score(5_000)));
    assert_eq!(status.effective_cap, score(5_000));
    assert_eq!(status.next, Some(NextLevel { cap: score(6_000), successes_needed: 2, days_needed: 2 }));
    assert!(status.can_rise);
    world.run("a", Act::SetScore { target: fed("e"), score: score(5_000) }).unwrap();
    assert!(!world.registry.bootstrap_status(&fed("a"), &fed("e")).unwrap().can_rise);
    world.pass_days(400);
    for _ in 0..100 {
        world.run("a", interact("e", true)).unwrap();
    }
    let status = world.registry.bootstrap_status(&fed("a"), &fed("e")).unwrap();
    assert_eq!((status.effective_cap, status.next, status.can_rise), (score(10_000), None, false));
}

#[test]
fn mutual_is_what_both_say() {
    let mut world = World::new();
    world.run("a", trust("b", 5_000)).unwrap();
    assert!(!world.registry.trust(&fed("a"), &fed("b")).unwrap().mutual);
    world.run("b", trust("a", 5_000)).unwrap();
    assert!(world.registry.trust(&fed("a"), &fed("b")).unwrap().mutual);
    assert_eq!(world.registry.trust_from(&fed("a")).count(), 1);
    assert_eq!(world.registry.trust_in(&fed("a")).count(), 1);
    assert_eq!(world.registry.trust_in(&fed("c")).count(), 0);
}
