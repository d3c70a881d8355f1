//! Keys: rotation, revocation with grace, thresholds.

use jurat_trust::{
    Act, DecodeError, Event, KeyBytes, KeyGroup, KeySet, KeyStanding, MAX_GRACE_DAYS, OrderedTime, Rejection,
    Revocation, Rotation,
};

use crate::world::{World, fed, public, team, trust};

fn bytes(label: &str) -> KeyBytes {
    KeyBytes::from(&public(label))
}

fn rotate(old: &str, new: &str, grace_until: OrderedTime) -> Act {
    Act::RotateKey(Rotation { old: public(old), new: public(new), grace_until }.into())
}

#[test]
fn a_rotation_is_signed_by_the_old_key_and_the_new_and_nobody_else() {
    let mut world = World::new();
    let act = rotate("a/admin", "a/new", world.now);
    let missing = |label| Err(Rejection::MissingSignature(bytes(label)));
    assert_eq!(world.run_signed("a", act.clone(), &["a/admin"]), missing("a/new"));
    assert_eq!(world.run_signed("a", act.clone(), &["a/new"]), missing("a/admin"));
    assert_eq!(
        world.run_signed("a", act.clone(), &["a/admin", "a/new", "b/admin"]),
        Err(Rejection::StraySigner(bytes("b/admin")))
    );
    // Not of another federation's key, nor of nobody's.
    for label in ["b/admin", "nobody"] {
        let act = rotate(label, "a/new", world.now);
        let unknown = Rejection::UnknownKey { federation: fed("a"), key: bytes(label) };
        assert_eq!(world.run_signed("a", act, &[label, "a/new"]), Err(unknown));
    }
    let used = rotate("a/admin", "b/admin", world.now);
    assert_eq!(
        world.run_signed("a", used, &["a/admin", "b/admin"]),
        Err(Rejection::KeyInUse(bytes("b/admin")))
    );
    world.run_signed("a", act, &["a/admin", "a/new"]).unwrap();
    assert_eq!(world.registry.federation(&fed("a")).unwrap().admin_keys, [bytes("a/new")]);
}

#[test]
fn within_its_grace_an_old_key_works_and_says_so_and_after_it_no_more() {
    let mut world = World::new();
    let grace_until = world.now.plus_days(2);
    let revocation = Revocation { revoked_at: world.now, grace_until };
    let events = world.run_signed("a", rotate("a/admin", "a/new", grace_until), &["a/admin", "a/new"]);
    assert!(matches!(events.unwrap()[..], [Event::KeyRotated { revocation: of, .. }] if of == revocation));
    world.pass_days(2);
    let events = world.run_signed("a", trust("b", 5_000), &["a/admin"]).unwrap();
    assert_eq!(events[0], Event::SignedInGrace { federation: fed("a"), key: bytes("a/admin") });
    assert_eq!(world.registry.key_standing(&public("a/admin")), KeyStanding::InGrace(revocation));
    world.now.0 += 1;
    let gone = Rejection::RevokedKey { key: bytes("a/admin"), grace_until };
    assert_eq!(world.run_signed("a", trust("c", 5_000), &["a/admin"]), Err(gone.clone()));
    let rotation = rotate("a/admin", "a/newer", world.now);
    assert_eq!(world.run_signed("a", rotation, &["a/admin", "a/newer"]), Err(gone));
    world.run_signed("a", trust("c", 5_000), &["a/new"]).unwrap();
    assert_eq!(world.registry.key_standing(&public("a/admin")), KeyStanding::Revoked(revocation));
    assert_eq!(world.registry.key_standing(&public("a/new")), KeyStanding::InUse);
    assert_eq!(world.registry.key_standing(&public("nobody")), KeyStanding::Unknown);
    // It does not come back.
    let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public("a/admin")], threshold: 1 };
    assert_eq!(world.run_signed("a", act, &["a/admin", "a/new"]), Err(Rejection::KeyInUse(bytes("a/admin"))));
}

#[test]
fn old_key_and_new_are_one_person() {
    let mut world = World::new();
    let act = Act::ChangeKeys { group: KeyGroup::Admin, add: vec![public("a/2")], threshold: 2 };
    world.run_signed("a", act, &["a/admin", "a/2"]).unwrap();
    let grace = world.now.plus_days(9);
    world.run_signed("a", rotate("a/admin", "a/new", grace), &["a/admin", "a/new"]).unwrap();
    world.run_signed("a", rotate("a/new", "a/newer", grace), &["a/new", "a/newer"]).unwrap();
    for pair in [["a/admin", "a/new"], ["a/new", "a/newer"], ["a/admin", "a/newer"]] {
        let refused = world.run_signed("a", trust("b", 5_000), &pair).unwrap_err();
        let (one, other) = (bytes(pair[0]).min(bytes(pair[1])), bytes(pair[0]).max(bytes(pair[1])));
        assert_eq!(refused, Rejection::SamePerson { one, other });
    }
    world.run_signed("a", trust("b", 5_000), &["a/admin", "a/2"]).unwrap();
}

#[test]
fn grace_neither_ends_before_it_begins_nor_lasts_for_ever() {
    let mut world = World::new();
    let now = world.now;
    let mut run =
        |grace_until| world.run_signed("a", rotate("a/admin", "a/new", grace_until), &["a/admin", "a/new"]);
    let early = OrderedTime(now.0 - 1);
    assert_eq!(run(early), Err(Rejection::GraceBeforeRevocation { revoked_at: now, grace_until: early }));
    let late = OrderedTime(now.plus_days(MAX_GRACE_DAYS).0 + 1);
    assert_eq!(run(late), Err(Rejection::GraceTooLong { revoked_at: now, grace_until: late }));
    assert_eq!(
        run(OrderedTime(u64::MAX)),
        Err(Rejection::GraceTooLong { revoked_at: now, grace_until: OrderedTime(u64::MAX) })
    );
    run(now.plus_days(MAX_GRACE_DAYS)).unwrap();
}

#[test]
fn a_group_keeps_enough_keys_for_its_threshold() {
    let mut world = World::new();
    let revoke = |label: &str, at| Act::RevokeKey { key: public(label), grace_until: at };
    let admin = |keys, threshold| Rejection::ThresholdOutOfReach { group: KeyGroup::Admin, keys, threshold };
    let act = revoke("a/admin", world.now);
    assert_eq!(world.run_signed("a", act, &["a/admin"]), Err(admin(0, 1)));
    let act = revoke("a/team-1", world.now);
    let group = KeyGroup::Team(team(1));
    assert_eq!(
        world.run_signed("a", act, &["a/admin"]),
        Err(Rejection::ThresholdOutOfReach { group: group.clone(), keys: 0, threshold: 1 })
    );
    let set = |add: Vec<_>, threshold| Act::ChangeKeys { group: KeyGroup::Admin, add, threshold };
    assert_eq!(world.run_signed("a", set(vec![], 0), &["a/admin"]), Err(admin(1, 0)));
    assert_eq!(world.run_signed("a", set(vec![], 2), &["a/admin"]), Err(admin(1, 2)));
    let act = set(vec![public("a/2")], 1);
    assert_eq!(
        world.run_signed("a", act.clone(), &["a/admin"]),
        Err(Rejection::MissingSignature(bytes("a/2")))
    );
    world.run_signed("a", act, &["a/admin", "a/2"]).unwrap();
    let act = revoke("a/admin", world.now);
    world.run_signed("a", act, &["a/2"]).unwrap();
    let act = revoke("a/2", world.now);
    assert_eq!(world.run_signed("a", act, &["a/2"]), Err(admin(0, 1)));
    // A team's keys are the federation's to change.
    let act = Act::ChangeKeys { group, add: vec![public("a/team-1b")], threshold: 2 };
    world.run_signed("a", act, &["a/2", "a/team-1b"]).unwrap();
    let draft = world.draft(&["b"], "share.data", vec![]);
    assert!(matches!(
        world.run_signed("a", Act::Propose(draft.clone()), &["a/2", "a/team-1"]),
        Err(Rejection::TooFewSignatures { needed: 2, present: 1, .. })
    ));
    world.run_signed("a", Act::Propose(draft), &["a/2", "a/team-1", "a/team-1b"]).unwrap();
}

#[test]
fn attestors_are_vouched_for_rotated_and_revoked() {
    let mut world = World::new();
    let add = |label: &str| Act::AddAttestors { keys: vec![public(label)] };
    assert_eq!(
        world.run_signed("a", add("ana"), &["a/admin"]),
        Err(Rejection::MissingSignature(bytes("ana"))),
        "nobody else's key can be claimed"
    );
    world.run_signed("a", add("ana"), &["a/admin", "ana"]).unwrap();
    assert_eq!(world.registry.key_standing(&public("ana")), KeyStanding::InUse);
    assert_eq!(
        world.run_signed("a", trust("b", 5_000), &["a/admin", "ana"]),
        Err(Rejection::StraySigner(bytes("ana"))),
        "attestors attest"
    );
    let grace_until = world.now.plus_days(1);
    world.run_signed("a", rotate("ana", "ana2", grace_until), &["ana", "ana2"]).unwrap();
    let act = Act::RevokeKey { key: public("ana2"), grace_until };
    assert!(world.run_signed("a", act.clone(), &["ana2"]).is_err());
    world.run_signed("a", act, &["a/admin"]).unwrap();
    assert!(matches!(world.registry.key_standing(&public("ana2")), KeyStanding::InGrace(_)));
    world.registry.advance(OrderedTime(grace_until.0 + 1)).unwrap();
    assert!(matches!(world.registry.key_standing(&public("ana2")), KeyStanding::Revoked(_)));
}

#[test]
fn groups_are_bounded() {
    let keys = |count: usize| (0..count).map(|n| public(&format!("many-{n}")));
    assert!(KeySet::new(keys(64), 64).is_ok());
    assert!(matches!(KeySet::new(keys(65), 1), Err(DecodeError::TooMany { count: 65, max: 64, .. })));
    assert!(matches!(KeySet::new(keys(2), 3), Err(DecodeError::Threshold { .. })));
    assert!(matches!(KeySet::new(keys(2), 0), Err(DecodeError::Threshold { .. })));
    assert!(KeySet::new([], 0).is_err());
}
