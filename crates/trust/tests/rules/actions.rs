//! Actions that the network obeys, and who must be behind them.

use jurat_crypto::{Digest, KeyName};
use jurat_trust::{
    Act, Action, ActionError, CouncilSeat, DecodeError, Event, KeyBytes, MAX_ACCUSATION_BYTES, NewMember,
    Operation, Outcome, Parameter, PolicyChange, PolicyError, Rejection, Status,
};

use crate::world::{World, admin_key, fed, public, trust};

fn add(name: &str) -> Action {
    Action::CouncilAdd(
        NewMember {
            federation: fed(name),
            name: KeyName::new(name).unwrap(),
            link: public("link"),
            vote: public("vote"),
            log: public("log"),
            cosign: public("cosign"),
        }
        .into(),
    )
}

fn refused(world: &mut World, affected: &[&str], action: &Action) -> Rejection {
    world.propose_action("a", affected, action).unwrap_err()
}

#[test]
fn a_quorum_of_the_council_must_be_affected_the_subject_not_counted() {
    let mut world = World::new();
    let quorum = |action, present| Rejection::CouncilQuorum { action, present, needed: 3 };
    let suspend = Action::Suspend(fed("b"));
    // `e` and `f` are not on the council, `b` is the one it is about.
    for affected in [&["c"][..], &["c", "b"], &["c", "e", "f"], &["c", "c"]] {
        assert_eq!(refused(&mut world, affected, &suspend), quorum("federation.suspend", 2));
    }
    world.propose_action("a", &["c", "d"], &suspend).unwrap();
    assert_eq!(refused(&mut world, &["c"], &add("e")), quorum("council.add", 2));
    let policy = Action::SetPolicy(PolicyChange::new([(Parameter::REFUSE, 0)]).unwrap());
    assert_eq!(refused(&mut world, &[], &policy), quorum("policy.set", 1));
    // Recorded only: nobody else need agree.
    world.propose("a", &[]).unwrap();
}

#[test]
fn suspend_and_reinstate() {
    let mut world = World::new();
    let (suspend, reinstate) = (Action::Suspend(fed("b")), Action::Reinstate(fed("b")));
    let wrong =
        |action, status| Rejection::Action(ActionError::Status { action, federation: fed("b"), status });
    let not_suspended = refused(&mut world, &["c", "d"], &reinstate);
    assert_eq!(not_suspended, wrong("federation.reinstate", Status::Active));
    let events = world.pass(&suspend, &["c", "d"]);
    assert!(matches!(events.last(), Some(Event::ActionCarriedOut { action, .. }) if *action == suspend));
    assert_eq!(world.registry.federation(&fed("b")).unwrap().status, Status::Suspended);
    assert!(world.run("b", trust("a", 1)).is_err());
    world.pass_days(40);
    let again = refused(&mut world, &["c", "d"], &suspend);
    assert_eq!(again, wrong("federation.suspend", Status::Suspended));
    world.pass(&reinstate, &["c", "d"]);
    assert_eq!(world.registry.federation(&fed("b")).unwrap().status, Status::Active);
}

#[test]
fn the_council_grows_and_shrinks_but_not_below_four() {
    let mut world = World::new();
    let remove = Action::CouncilRemove(fed("d"));
    assert_eq!(refused(&mut world, &["b", "c"], &remove), Rejection::Action(ActionError::CouncilSize(3)));
    assert_eq!(
        refused(&mut world, &["b", "c"], &add("b")),
        Rejection::Action(ActionError::Membership { federation: fed("b"), member: true })
    );
    assert_eq!(
        refused(&mut world, &["b", "c"], &Action::CouncilRemove(fed("e"))),
        Rejection::Action(ActionError::Membership { federation: fed("e"), member: false })
    );
    let events = world.pass(&add("f"), &["b", "c"]);
    assert!(matches!(events.last(), Some(Event::ActionCarriedOut { .. })));
    let council: Vec<_> = world.registry.council().cloned().collect();
    assert_eq!(council, ["a", "b", "c", "d", "f"].map(fed));
    let link = public("link");
    let seat =
        |world: &World| world.registry.council_seat(&link).map(|(id, seat)| (id.clone(), seat.clone()));
    let (holder, CouncilSeat { added_by, removed_by, .. }) = seat(&world).unwrap();
    assert_eq!((holder, removed_by), (fed("f"), None));
    assert_eq!(world.registry.carried_out(&added_by.unwrap()), Some(add("f")));
    assert_eq!(
        refused(&mut world, &["b", "c", "d"], &add("e")),
        Rejection::Action(ActionError::LinkTaken(KeyBytes::from(&link)))
    );
    world.pass_days(40);
    // Five members need four.
    assert!(matches!(
        refused(&mut world, &["b", "c"], &remove),
        Rejection::CouncilQuorum { present: 3, needed: 4, .. }
    ));
    world.pass(&remove, &["b", "c", "f"]);
    let council: Vec<_> = world.registry.council().cloned().collect();
    assert_eq!(council, ["a", "b", "c", "f"].map(fed));
}

#[test]
fn policy_changes_keep_their_bounds_and_take_effect() {
    let mut world = World::new();
    let change = |parameter, value| Action::SetPolicy(PolicyChange::new([(parameter, value)]).unwrap());
    let (parameter, value) = (Parameter::SUCCESS_STEP, 10_001);
    assert_eq!(
        refused(&mut world, &["b", "c"], &change(parameter, value)),
        Rejection::Action(ActionError::Policy(PolicyError::OutOfBounds { parameter, value }))
    );
    world.pass(&change(Parameter::INITIAL_MOST, 100), &["b", "c", "d"]);
    assert_eq!(world.registry.policy().value(Parameter::INITIAL_MOST), 100);
    assert!(matches!(world.run("a", trust("f", 101)), Err(Rejection::ScoreAboveCap { .. })));
    world.run("a", trust("f", 100)).unwrap();
}

#[test]
fn payloads_must_have_their_layout() {
    let mut world = World::new();
    for action in
        ["council.add", "council.remove", "federation.suspend", "federation.reinstate", "policy.set"]
    {
        for payload in [vec![], vec![0], vec![255; 40]] {
            let draft = world.draft(&["b", "c", "d"], action, payload);
            let refused = world.run_draft("a", draft).unwrap_err();
            assert!(matches!(refused, Rejection::Action(ActionError::Payload { .. })), "{refused}");
        }
    }
    let draft = world.draft(
        &["b", "c"],
        "federation.suspend",
        [Action::Suspend(fed("d")).payload(), vec![0]].concat(),
    );
    assert_eq!(
        world.run_draft("a", draft),
        Err(Rejection::Action(ActionError::Payload {
            action: "federation.suspend",
            problem: DecodeError::Trailing(1).into()
        }))
    );
    let unknown = Action::Suspend(fed("x"));
    assert_eq!(
        refused(&mut world, &["b", "c"], &unknown),
        Rejection::Action(ActionError::Unknown { action: "federation.suspend", federation: fed("x") })
    );
}

#[test]
fn an_action_that_came_too_late_is_void() {
    let mut world = World::new();
    world.run("a", trust("f", 5_000)).unwrap();
    let id = world.propose_action("a", &["b", "c"], &Action::Suspend(fed("e"))).unwrap();
    world.witness("f", id).unwrap();
    world.run("e", Act::Dissolve).unwrap();
    world.approve("a", id).unwrap();
    world.approve("b", id).unwrap();
    let events = world.approve("c", id).unwrap();
    let reason =
        ActionError::Status { action: "federation.suspend", federation: fed("e"), status: Status::Dissolved };
    assert_eq!(events.last(), Some(&Event::ActionVoid { proposal: id, reason }));
    assert_eq!(world.registry.proposal(&id).unwrap().outcome, Outcome::Void);
    assert_eq!(world.registry.federation(&fed("e")).unwrap().status, Status::Dissolved);
}

#[test]
fn an_accusation_takes_evidence_that_was_verified_against_a_known_member() {
    let mut world = World::new();
    let accuse = Act::Accuse { evidence: b"signed twice".to_vec() };
    assert_eq!(world.run("e", accuse.clone()), Err(Rejection::UnverifiedEvidence));
    let stranger = public("nobody");
    let operation = world.ready("e", accuse.clone()).accusing(&stranger);
    assert_eq!(world.apply(&operation), Err(Rejection::UnknownMember(KeyBytes::from(&stranger))));
    // Who has no right to speak for a federation can't accuse in its name.
    let unsigned = world.run_signed("e", accuse.clone(), &[]);
    assert!(matches!(unsigned, Err(Rejection::TooFewSignatures { .. })), "{unsigned:?}");

    let (liar, evidence) = (public(&admin_key("b")), Digest::of(b"signed twice"));
    let operation = world.ready("e", accuse.clone()).accusing(&liar);
    let quarantined = Event::FederationQuarantined { federation: fed("b"), evidence };
    assert_eq!(world.apply(&operation).unwrap(), [quarantined]);
    let again = world.ready("e", accuse.clone()).accusing(&liar);
    let not_active = Rejection::NotActive { federation: fed("b"), status: Status::Quarantined };
    assert_eq!(world.apply(&again), Err(not_active));
    world.pass(&Action::Reinstate(fed("b")), &["c", "d"]);
    let again = world.ready("e", accuse).accusing(&liar);
    assert_eq!(world.apply(&again), Err(Rejection::EvidenceUsed { federation: fed("b"), evidence }));
    let more = world.ready("e", Act::Accuse { evidence: b"and again".to_vec() }).accusing(&liar);
    world.apply(&more).unwrap();
}

#[test]
fn evidence_has_a_length() {
    let encoded = |length| {
        let act = Act::Accuse { evidence: vec![7; length] };
        Operation { federation: fed("a"), sequence: 1, act }.encode()
    };
    for length in [1, MAX_ACCUSATION_BYTES] {
        assert!(Operation::decode(&encoded(length)).is_ok(), "{length}");
    }
    assert_eq!(Operation::decode(&encoded(0)), Err(DecodeError::None("byte of evidence")));
    let (length, max) = (MAX_ACCUSATION_BYTES + 1, MAX_ACCUSATION_BYTES);
    assert_eq!(Operation::decode(&encoded(length)), Err(DecodeError::TooLong { length, max }));
}
