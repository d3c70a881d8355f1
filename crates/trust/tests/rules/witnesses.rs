//! Witnesses come from outside and are trusted by the proposer.

use jurat_crypto::Digest;
use jurat_trust::{Act, ProposalStatus, Rejection, Relationship};

use crate::world::{World, fed, score, team, trust};

#[test]
fn a_witness_is_not_affected() {
    let mut world = World::new();
    world.run("a", trust("b", 5_000)).unwrap();
    let id = world.propose("a", &["b"]).unwrap();
    for name in ["a", "b"] {
        let affected = Rejection::AffectedWitness { proposal: id, federation: fed(name) };
        assert_eq!(world.witness(name, id), Err(affected));
    }
}

#[test]
fn a_witness_is_trusted_by_the_proposer_enough_and_for_this() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    let untrusted = |points| Rejection::UntrustedWitness {
        proposer: fed("a"),
        federation: fed("e"),
        score: score(points),
        needed: score(4_000),
    };
    world.run("b", trust("e", 5_000)).unwrap();
    world.run("e", trust("a", 5_000)).unwrap();
    assert_eq!(world.witness("e", id), Err(untrusted(0)), "only the proposer's trust counts");
    world.run("a", trust("e", 3_999)).unwrap();
    assert_eq!(world.witness("e", id), Err(untrusted(3_999)));
    world.run("a", Act::SetScore { target: fed("e"), score: score(4_000) }).unwrap();
    let establish = |relationship, witness_allowed| Act::EstablishTrust {
        target: fed("e"),
        relationship,
        witness_allowed,
        score: score(0),
    };
    world.run("a", establish(Relationship::Trusted, false)).unwrap();
    assert_eq!(world.witness("e", id), Err(untrusted(4_000)));
    world.run("a", establish(Relationship::None, true)).unwrap();
    assert_eq!(world.witness("e", id), Err(untrusted(4_000)));
    world.run("a", establish(Relationship::Peer, true)).unwrap();
    world.witness("e", id).unwrap();
}

#[test]
fn the_same_team_counts_once() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    let id = world.propose("a", &["b"]).unwrap();
    world.witness("e", id).unwrap();
    let again = Rejection::WitnessedAlready { proposal: id, federation: fed("e") };
    assert_eq!(world.witness("e", id), Err(again));
    world.run("e", Act::Witness { proposal: id, team: team(2) }).unwrap();
    let requirements = world.registry.requirements(&id).unwrap();
    assert_eq!(requirements.witnesses, [fed("e")]);
    assert_eq!(world.registry.proposal(&id).unwrap().witnesses.len(), 2);
}

#[test]
fn a_decided_proposal_takes_no_witness() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    let id = world.propose("a", &[]).unwrap();
    world.run("a", Act::Reject { proposal: id }).unwrap();
    let status = ProposalStatus::Rejected;
    assert_eq!(world.witness("e", id), Err(Rejection::NotPending { proposal: id, status }));
}

#[test]
fn a_testimony_stands_though_the_witness_falls() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    let id = world.propose("a", &[]).unwrap();
    world.witness("e", id).unwrap();
    world.registry.quarantine(&fed("e"), Digest::of(b"later"), world.now).unwrap();
    world.approve("a", id).unwrap();
    assert_eq!(world.registry.proposal(&id).unwrap().status, ProposalStatus::Approved);
}

#[test]
fn eligible_witnesses_by_falling_score() {
    let mut world = World::new();
    for (name, points) in [("b", 4_500), ("c", 4_000), ("d", 4_500), ("e", 3_999), ("f", 5_000)] {
        world.run("a", trust(name, points)).unwrap();
    }
    let eligible = |world: &World, excluded: &[&str], least: Option<u16>| -> Vec<String> {
        let excluded: Vec<_> = excluded.iter().map(|name| fed(name)).collect();
        let witnesses = world.registry.eligible_witnesses(&fed("a"), &excluded, least.map(score)).unwrap();
        witnesses.iter().map(|witness| witness.federation.to_string()).collect()
    };
    assert_eq!(eligible(&world, &[], None), ["fed:f", "fed:b", "fed:d", "fed:c"]);
    assert_eq!(eligible(&world, &["f", "d"], None), ["fed:b", "fed:c"]);
    assert_eq!(eligible(&world, &[], Some(4_500)), ["fed:f", "fed:b", "fed:d"]);
    assert_eq!(eligible(&world, &[], Some(0)), ["fed:f", "fed:b", "fed:d", "fed:c", "fed:e"]);
    world.run("f", Act::SetTeam { team: team(1), active: false }).unwrap();
    world.registry.quarantine(&fed("b"), Digest::of(b"e"), world.now).unwrap();
    assert_eq!(eligible(&world, &[], None), ["fed:d", "fed:c"]);
}
