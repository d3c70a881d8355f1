//! Digest and snapshot: all of the state and nothing else, strictly.

use jurat_crypto::Digest;
use jurat_trust::{Act, DecodeError, KeyGroup, Registry, Rotation, SnapshotError};

use crate::world::{World, fed, public, registration, team, trust};

/// A world with one of everything.
fn full() -> World {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    world.run("a", Act::RecordInteraction { target: fed("e"), successful: true }).unwrap();
    let id = world.propose("a", &["b"]).unwrap();
    world.witness("e", id).unwrap();
    world.approve("b", id).unwrap();
    let rejected = world.propose("b", &[]).unwrap();
    world.run("b", Act::Reject { proposal: rejected }).unwrap();
    let grace_until = world.now.plus_days(1);
    let act = Act::RotateKey(Rotation { old: public("c/admin"), new: public("c/new"), grace_until }.into());
    world.run_signed("c", act, &["c/admin", "c/new"]).unwrap();
    world.registry.quarantine(&fed("d"), Digest::of(b"evidence"), world.now).unwrap();
    world
}

#[test]
fn a_restored_registry_is_the_same_and_goes_on_alike() {
    let mut world = full();
    let digest = world.registry.settle();
    let snapshot = world.registry.snapshot();
    let restored = Registry::restore(&snapshot, &digest).unwrap();
    assert_eq!(restored, world.registry);
    assert_eq!(restored.snapshot(), snapshot);
    let mut other = World { registry: restored, now: world.now };
    for name in ["a", "b"] {
        for world in [&mut world, &mut other] {
            world.pass_days(1);
            world.propose(name, &["e"]).unwrap();
        }
    }
    assert_eq!(other.registry.digest(), world.registry.digest());
    assert_eq!(other.registry.reciprocity_of(&fed("a")), world.registry.reciprocity_of(&fed("a")));
}

#[test]
fn no_changed_bit_of_a_snapshot_is_taken() {
    let mut world = full();
    let (digest, mut snapshot) = (world.registry.settle(), world.registry.snapshot());
    for at in 0..snapshot.len() {
        let bit = 1 << (at % 8);
        snapshot[at] ^= bit;
        let restored = Registry::restore(&snapshot, &digest);
        assert!(restored.is_err(), "byte {at}: {restored:?}");
        snapshot[at] ^= bit;
    }
    for end in 0..snapshot.len() {
        assert!(Registry::restore(&snapshot[..end], &digest).is_err(), "cut at {end}");
    }
    snapshot.push(0);
    let longer = Registry::restore(&snapshot, &digest);
    assert_eq!(longer, Err(SnapshotError::Decode(DecodeError::Trailing(1))));
}

#[test]
fn a_snapshot_of_another_state_is_not_what_was_certified() {
    let world = full();
    let certified = Digest::of(b"another");
    let actual = world.registry.digest();
    assert_eq!(
        Registry::restore(&world.registry.snapshot(), &certified),
        Err(SnapshotError::Digest { expected: certified, actual })
    );
}

type Change = Box<dyn Fn(&mut World)>;

/// One change of each kind of record, and what it does to the digest.
#[test]
fn the_digest_tells_every_part_of_the_state_apart() {
    let change =
        |name: &'static str, act: Act| move |world: &mut World| assert!(world.run(name, act.clone()).is_ok());
    let key = |world: &mut World| {
        let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public("a/2")], threshold: 1 };
        world.run_signed("a", act, &["a/admin", "a/2"]).unwrap();
    };
    let grace = |days| {
        move |world: &mut World| {
            let grace_until = world.now.plus_days(days);
            let act =
                Act::RotateKey(Rotation { old: public("a/admin"), new: public("a/2"), grace_until }.into());
            world.run_signed("a", act, &["a/admin", "a/2"]).unwrap();
        }
    };
    let evidence = |text: &'static [u8]| {
        move |world: &mut World| {
            world.registry.quarantine(&fed("a"), Digest::of(text), world.now).unwrap();
        }
    };
    let changes: Vec<Change> = vec![
        Box::new(|_| {}),
        Box::new(|world| assert!(world.registry.advance(world.now.plus_days(1)).is_ok())),
        Box::new(change("a", trust("b", 5_000))),
        Box::new(change("a", trust("b", 4_999))),
        Box::new(change("a", trust("c", 5_000))),
        Box::new(change("b", trust("a", 5_000))),
        Box::new(change("a", Act::SetTeam { team: team(1), active: false })),
        Box::new(change("a", Act::SetTeam { team: team(2), active: false })),
        Box::new(change("a", Act::Configure(registration("z").settings))),
        Box::new(change("a", Act::Dissolve)),
        Box::new(change("g", Act::Register(registration("g")))),
        Box::new(key),
        Box::new(grace(0)),
        Box::new(grace(1)),
        Box::new(evidence(b"one")),
        Box::new(evidence(b"other")),
        Box::new(|world| assert!(world.propose("a", &["b"]).is_ok())),
        Box::new(|world| assert!(world.propose("a", &["c"]).is_ok())),
        Box::new(|world| {
            let id = world.propose("a", &["b"]).unwrap();
            world.run("b", Act::Reject { proposal: id }).unwrap();
        }),
        Box::new(|world| {
            let id = world.propose("a", &["b"]).unwrap();
            world.approve("b", id).unwrap();
        }),
        Box::new(|world| {
            let id = world.propose("a", &["b"]).unwrap();
            world.run("b", Act::Approve { proposal: id, teams: vec![team(2)] }).unwrap();
        }),
    ];
    let mut digests: Vec<_> = changes
        .iter()
        .map(|change| {
            let mut world = World::new();
            change(&mut world);
            world.registry.digest()
        })
        .collect();
    digests.sort_unstable();
    let different = digests.len();
    digests.dedup();
    assert_eq!(digests.len(), different);
}

#[test]
fn a_registry_survives_its_codec() {
    let world = full();
    let json = serde_json::to_string(&world.registry).unwrap();
    let read: Registry = serde_json::from_str(&json).unwrap();
    assert_eq!(read, world.registry);
    assert!(serde_json::from_str::<Registry>(&json.replacen(",1,", ",2,", 1)).is_err());
}
