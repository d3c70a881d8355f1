//! Reputation: a weighted mean of what active and unsuspicious federations think.

use jurat_crypto::Digest;
use jurat_trust::{Act, Rejection, Relationship};

use crate::world::{World, fed, score, trust};

fn reputation(world: &World, name: &str) -> u16 {
    world.registry.reputation(&fed(name)).unwrap().basis_points()
}

#[test]
fn where_nobody_speaks_it_is_a_half() {
    let world = World::new();
    assert_eq!(reputation(&world, "a"), 5_000);
    let unknown = Rejection::UnknownFederation(fed("x"));
    assert_eq!(world.registry.reputation(&fed("x")), Err(unknown));
}

#[test]
fn scores_weigh_with_successes() {
    let mut world = World::new();
    world.run("b", trust("a", 1_000)).unwrap();
    world.run("c", trust("a", 4_000)).unwrap();
    assert_eq!(reputation(&world, "a"), 2_500);
    for _ in 0..2 {
        world.run("c", Act::RecordInteraction { target: fed("a"), successful: true }).unwrap();
    }
    assert_eq!(reputation(&world, "a"), (1_000 + 3 * 5_000) / 4);
    for _ in 0..120 {
        world.run("c", Act::RecordInteraction { target: fed("a"), successful: true }).unwrap();
    }
    assert_eq!(reputation(&world, "a"), u16::try_from((1_000 + 101 * 10_000_u32) / 102).unwrap());
}

#[test]
fn stopped_ended_and_colluding_sources_do_not_count() {
    let mut world = World::new();
    for (name, points) in [("b", 1_000), ("c", 2_000), ("d", 3_000), ("e", 4_000)] {
        world.run(name, trust("a", points)).unwrap();
    }
    assert_eq!(reputation(&world, "a"), 2_500);
    world.registry.quarantine(&fed("b"), Digest::of(b"e"), world.now).unwrap();
    assert_eq!(reputation(&world, "a"), 3_000);
    let end = Act::EstablishTrust {
        target: fed("a"),
        relationship: Relationship::None,
        witness_allowed: true,
        score: score(0),
    };
    world.run("c", end).unwrap();
    assert_eq!(reputation(&world, "a"), 3_500);
    for _ in 0..2 {
        world.propose("e", &["a"]).unwrap();
    }
    assert_eq!(reputation(&world, "a"), 3_000, "e is in a flagged pair with a");
    world.pass_days(31);
    world.registry.advance(world.now).unwrap();
    assert_eq!(reputation(&world, "a"), 3_500, "and no longer");
}
