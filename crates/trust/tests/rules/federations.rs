//! Federations: who there is, and who may do something.

use jurat_crypto::Digest;
use jurat_trust::{
    Act, Event, KeySet, MAX_TEAMS, Name, NewTeam, Rejection, Rotation, Settings, Status, TeamId,
};

use crate::world::{World, admin_key, fed, public, registration, team, team_key, trust};

fn not_active<T>(name: &str, status: Status) -> Result<T, Rejection> {
    Err(Rejection::NotActive { federation: fed(name), status })
}

#[test]
fn an_id_is_taken_once_and_compared_exactly() {
    let mut world = World::new();
    let again = world.run("e", Act::Register(registration("e")));
    assert_eq!(again, Err(Rejection::FederationExists(fed("e"))));
    // `fed:a` exists; `fed:ab` is somebody else.
    assert_eq!(world.run("b", trust("ab", 5_000)), Err(Rejection::UnknownFederation(fed("ab"))));
    world.run("ab", Act::Register(registration("ab"))).unwrap();
    world.run("b", trust("ab", 5_000)).unwrap();
    assert!(world.registry.trust(&fed("b"), &fed("a")).is_none());
}

#[test]
fn an_unknown_federation_can_neither_ask_nor_be_asked_for() {
    let mut world = World::new();
    let unknown = |name| Rejection::UnknownFederation(fed(name));
    assert_eq!(world.run("x", trust("a", 5_000)), Err(unknown("x")));
    assert_eq!(world.run("a", trust("x", 5_000)), Err(unknown("x")));
    assert_eq!(world.propose("a", &["b", "x"]), Err(unknown("x")));
    assert_eq!(world.registry.eligible_witnesses(&fed("x"), &[], None), Err(unknown("x")));
    assert_eq!(world.registry.quarantine(&fed("x"), Digest::of(b"e"), world.now), Err(unknown("x")));
}

#[test]
fn a_stopped_federation_only_looks_after_its_keys_or_goes() {
    let mut world = World::new();
    world.run("a", trust("b", 5_000)).unwrap();
    let id = world.propose("a", &["b"]).unwrap();
    world.registry.quarantine(&fed("b"), Digest::of(b"evidence"), world.now).unwrap();
    let quarantined = Status::Quarantined;
    assert_eq!(world.run("b", trust("a", 5_000)), not_active("b", quarantined));
    assert_eq!(world.propose("b", &["a"]), not_active("b", quarantined).map(|(): ()| id));
    assert_eq!(world.approve("b", id), not_active("b", quarantined));
    assert_eq!(world.run("b", Act::Reject { proposal: id }), not_active("b", quarantined));
    assert_eq!(world.witness("b", id), not_active("b", quarantined));
    assert_eq!(world.run("c", trust("b", 5_000)), not_active("b", quarantined));
    let interaction = Act::RecordInteraction { target: fed("b"), successful: false };
    assert_eq!(world.run("a", interaction), not_active("b", quarantined));
    assert_eq!(world.propose("a", &["b"]), not_active("b", quarantined).map(|(): ()| id));
    let grace_until = world.now;
    let rotation =
        Act::RotateKey(Rotation { old: public("b/admin"), new: public("b/new"), grace_until }.into());
    world.run_signed("b", rotation, &["b/admin", "b/new"]).unwrap();
    world.run_signed("b", Act::Dissolve, &["b/new"]).unwrap();
}

#[test]
fn dissolved_is_final() {
    let mut world = World::new();
    let events = world.run("e", Act::Dissolve).unwrap();
    assert_eq!(events, [Event::FederationDissolved(fed("e"))]);
    assert_eq!(world.run("e", Act::Dissolve), not_active("e", Status::Dissolved));
    assert_eq!(world.run("e", trust("a", 1)), not_active("e", Status::Dissolved));
    assert_eq!(world.run("a", trust("e", 1)), not_active("e", Status::Dissolved));
    let rotation = Act::RotateKey(
        Rotation { old: public("e/admin"), new: public("e/new"), grace_until: world.now }.into(),
    );
    assert_eq!(world.run_signed("e", rotation, &["e/admin", "e/new"]), not_active("e", Status::Dissolved));
    let again = world.run("e", Act::Register(registration("e")));
    assert_eq!(again, Err(Rejection::FederationExists(fed("e"))));
    let quarantine = world.registry.quarantine(&fed("e"), Digest::of(b"late"), world.now);
    assert_eq!(quarantine, not_active("e", Status::Dissolved));
}

#[test]
fn too_few_active_teams_is_not_operational() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    world.run("a", trust("e", 5_000)).unwrap();
    for name in ["b", "e"] {
        world.run(name, Act::SetTeam { team: team(3), active: false }).unwrap();
    }
    let idle = |name| Rejection::NotOperational { federation: fed(name), teams: 2, needed: 3 };
    assert_eq!(world.approve("b", id), Err(idle("b")));
    assert_eq!(world.propose("b", &["a"]), Err(idle("b")));
    assert_eq!(world.propose("a", &["b"]), Err(idle("b")));
    assert_eq!(world.witness("e", id), Err(idle("e")));
    assert!(!world.registry.federation(&fed("e")).unwrap().operational);
    assert_eq!(world.registry.eligible_witnesses(&fed("a"), &[], None), Ok(vec![]));
    // It can be trusted and looked up, and can trust and reject.
    world.run("c", trust("b", 5_000)).unwrap();
    world.run("b", trust("c", 5_000)).unwrap();
    // Its own number is what counts.
    let settings = Settings::new(Name::new("b").unwrap()).with_min_team_count(2).unwrap();
    world.run("b", Act::Configure(settings)).unwrap();
    world.approve("b", id).unwrap();
}

#[test]
fn teams_have_ids_of_their_own_and_a_limit() {
    let mut world = World::new();
    let new_team = |number| NewTeam {
        id: team(number),
        keys: KeySet::new([public(&team_key("a", number))], 1).unwrap(),
    };
    let mut same = new_team(4);
    same.id = team(1);
    assert_eq!(
        world.run_signed("a", Act::AddTeam(same), &["a/admin", "a/team-4"]),
        Err(Rejection::TeamExists { federation: fed("a"), team: team(1) })
    );
    let unknown = TeamId::new("team").unwrap();
    assert_eq!(
        world.run("a", Act::SetTeam { team: unknown.clone(), active: false }),
        Err(Rejection::UnknownTeam { federation: fed("a"), team: unknown })
    );
    let mut twice = registration("x");
    twice.teams[1].id = team(1);
    let keys = ["x/admin", "x/team-1", "x/team-2", "x/team-3"];
    assert_eq!(
        world.run_signed("x", Act::Register(twice), &keys),
        Err(Rejection::TeamExists { federation: fed("x"), team: team(1) })
    );
    for number in 4..=MAX_TEAMS {
        world.run("a", Act::AddTeam(new_team(number))).unwrap();
    }
    let full = world.run("a", Act::AddTeam(new_team(MAX_TEAMS + 1)));
    assert_eq!(full, Err(Rejection::Full("teams of the federation")));
    assert!(Settings::new(Name::new("a").unwrap()).with_min_team_count(0).is_err());
    assert!(Settings::new(Name::new("a").unwrap()).with_min_team_count(65).is_err());
}

#[test]
fn the_same_evidence_counts_once() {
    let mut world = World::new();
    let evidence = Digest::of(b"two votes");
    let (now, registry) = (world.now, &mut world.registry);
    let events = registry.quarantine(&fed("b"), evidence, now).unwrap();
    assert_eq!(events, [Event::FederationQuarantined { federation: fed("b"), evidence }]);
    let again = registry.quarantine(&fed("b"), Digest::of(b"more"), now);
    assert_eq!(again, not_active("b", Status::Quarantined));
    world.pass(&jurat_trust::Action::Reinstate(fed("b")), &["c", "d"]);
    let (now, registry) = (world.now, &mut world.registry);
    assert_eq!(registry.federation(&fed("b")).unwrap().status, Status::Active);
    let used = Rejection::EvidenceUsed { federation: fed("b"), evidence };
    assert_eq!(registry.quarantine(&fed("b"), evidence, now), Err(used));
    registry.quarantine(&fed("b"), Digest::of(b"more"), now).unwrap();
}

#[test]
fn founders_have_their_key_and_no_teams() {
    let founders = ["b", "a"].map(|name| (fed(name), public(&admin_key(name))));
    let registry = jurat_trust::Registry::founded_by(crate::world::network(), founders.clone()).unwrap();
    let view = registry.federation(&fed("a")).unwrap();
    assert!(view.on_council && !view.operational && view.teams.is_empty());
    let ids: Vec<_> = registry.federations_after(None).map(|view| view.id).collect();
    assert_eq!(ids, [fed("a"), fed("b")]);
    let ids: Vec<_> = registry.federations_after(Some(&fed("a"))).map(|view| view.id).collect();
    assert_eq!(ids, [fed("b")]);
    let found = |founders: [_; 2]| jurat_trust::Registry::founded_by(crate::world::network(), founders);
    assert_eq!(
        found(["a", "a"].map(|name| (fed(name), public(name)))).unwrap_err(),
        Rejection::FederationExists(fed("a"))
    );
    assert!(matches!(found(["a", "b"].map(|name| (fed(name), public("one")))), Err(Rejection::KeyInUse(_))));
}
