//! Proposals: approved exactly when everyone affected approved and a witness stands.

use jurat_trust::{
    Act, ActionError, ActionType, DecodeError, Description, Draft, Event, Name, Outcome, ProposalId,
    ProposalStatus, Proposals, Rejection, Settings, SignedOperation, TextError,
};

use crate::world::{World, fed, public, team, trust};

fn status(world: &World, id: &ProposalId) -> ProposalStatus {
    world.registry.proposal(id).unwrap().status
}

#[test]
fn the_proposer_is_affected_and_duplicates_collapse() {
    let mut world = World::new();
    let id = world.propose("b", &["c", "a", "c", "c"]).unwrap();
    let view = world.registry.proposal(&id).unwrap();
    assert_eq!(view.affected, [fed("a"), fed("b"), fed("c")]);
    assert_eq!((view.proposer, view.team, view.payload), (fed("b"), team(1), b"anything".to_vec()));
    let alone = world.propose("b", &[]).unwrap();
    assert_eq!(world.registry.proposal(&alone).unwrap().affected, [fed("b")]);
}

#[test]
fn nothing_less_than_everyone_and_a_witness_approves() {
    let parts = ["a", "b", "c", "witness"];
    // Every order of the four parts: approved after the last, whichever it is.
    for order in 0..24 {
        let mut world = World::new();
        world.run("a", trust("e", 5_000)).unwrap();
        let id = world.propose("a", &["b", "c"]).unwrap();
        let (mut left, mut order) = (parts.to_vec(), order);
        while !left.is_empty() {
            assert_eq!(status(&world, &id), ProposalStatus::Pending);
            let part = left.remove(order % left.len());
            order /= left.len() + 1;
            match part {
                "witness" => world.witness("e", id).unwrap(),
                name => world.approve(name, id).unwrap(),
            };
            let requirements = world.registry.requirements(&id).unwrap();
            assert_eq!(requirements.external_witness_present, !left.contains(&"witness"));
            assert_eq!(requirements.all_met, left.is_empty());
            let missing: Vec<_> = ["a", "b", "c"].into_iter().filter(|name| left.contains(name)).collect();
            assert_eq!(requirements.missing, missing.iter().map(|name| fed(name)).collect::<Vec<_>>());
        }
        assert_eq!(status(&world, &id), ProposalStatus::Approved);
        assert_eq!(world.registry.proposal(&id).unwrap().outcome, Outcome::None);
    }
}

#[test]
fn a_witness_is_needed_unless_nobody_affected_wants_one() {
    let mut world = World::new();
    let lax = |name: &str| {
        let mut settings = Settings::new(Name::new(name).unwrap());
        settings.requires_external_witness = false;
        Act::Configure(settings)
    };
    world.run("a", lax("a")).unwrap();
    let strict = world.propose("a", &["b"]).unwrap();
    assert!(world.registry.requirements(&strict).unwrap().external_witness_needed);
    world.run("b", lax("b")).unwrap();
    assert!(world.registry.requirements(&strict).unwrap().external_witness_needed, "as it was made");
    let id = world.propose("a", &["b"]).unwrap();
    world.approve("a", id).unwrap();
    let events = world.approve("b", id).unwrap();
    let ended = Event::ProposalEnded { proposal: id, status: ProposalStatus::Approved };
    assert!(events.contains(&ended));
}

#[test]
fn one_rejection_ends_it() {
    let mut world = World::new();
    let id = world.propose("a", &["b", "c"]).unwrap();
    world.approve("a", id).unwrap();
    world.run("b", Act::Reject { proposal: id }).unwrap();
    let refused = Rejection::NotPending { proposal: id, status: ProposalStatus::Rejected };
    assert_eq!(world.approve("c", id), Err(refused.clone()));
    assert_eq!(world.run("a", Act::Withdraw { proposal: id }), Err(refused));
    let rejection = world.registry.proposal(&id).unwrap().rejection.unwrap();
    assert_eq!((rejection.federation, rejection.at), (fed("b"), world.now));
}

#[test]
fn only_who_is_affected_decides_and_only_once() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    let stranger = Rejection::NotAffected { proposal: id, federation: fed("c") };
    assert_eq!(world.approve("c", id), Err(stranger.clone()));
    assert_eq!(world.run("c", Act::Reject { proposal: id }), Err(stranger));
    world.approve("b", id).unwrap();
    let decided = Rejection::DecidedAlready { proposal: id, federation: fed("b") };
    assert_eq!(world.approve("b", id), Err(decided.clone()));
    assert_eq!(world.run("b", Act::Approve { proposal: id, teams: vec![team(2)] }), Err(decided.clone()));
    assert_eq!(world.run("b", Act::Reject { proposal: id }), Err(decided));
    let none = ProposalId(jurat_crypto::Digest::of(b"none"));
    assert_eq!(world.approve("b", none), Err(Rejection::UnknownProposal(none)));
}

#[test]
fn only_the_proposer_takes_it_back() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    let stranger = Rejection::NotTheProposer { proposal: id, federation: fed("b") };
    assert_eq!(world.run("b", Act::Withdraw { proposal: id }), Err(stranger));
    world.run("a", Act::Withdraw { proposal: id }).unwrap();
    assert_eq!(
        world.approve("a", id),
        Err(Rejection::NotPending { proposal: id, status: ProposalStatus::Withdrawn })
    );
}

#[test]
fn an_approval_names_active_teams_and_carries_their_signatures() {
    let mut world = World::new();
    let id = world.propose("a", &["b"]).unwrap();
    let approve =
        |teams: Vec<usize>| Act::Approve { proposal: id, teams: teams.into_iter().map(team).collect() };
    let unknown = Rejection::UnknownTeam { federation: fed("b"), team: team(9) };
    assert_eq!(world.run_signed("b", approve(vec![9]), &["b/admin"]), Err(unknown));
    world
        .run(
            "b",
            Act::AddTeam(jurat_trust::NewTeam {
                id: team(4),
                keys: jurat_trust::KeySet::new([public("b/team-4")], 1).unwrap(),
            }),
        )
        .unwrap();
    world.run("b", Act::SetTeam { team: team(2), active: false }).unwrap();
    let inactive = Rejection::InactiveTeam { federation: fed("b"), team: team(2) };
    assert_eq!(world.run("b", approve(vec![1, 2])), Err(inactive));
    assert!(matches!(
        world.run_signed("b", approve(vec![1, 3]), &["b/admin", "b/team-1"]),
        Err(Rejection::TooFewSignatures { .. })
    ));
    // Another federation's team is no team of this one.
    assert!(world.run_signed("b", approve(vec![1]), &["b/admin", "a/team-1"]).is_err());
    world.run("b", approve(vec![1, 3, 4])).unwrap();
    let approval = &world.registry.proposal(&id).unwrap().approvals[0];
    assert_eq!(approval.teams, [team(1), team(3), team(4)]);
    // None, or not in order, has no bytes.
    for teams in [vec![], vec![2, 1], vec![1, 1]] {
        assert!(SignedOperation::new(world.operation("a", approve(teams))).is_err());
    }
}

#[test]
fn oversize_parts_are_refused_when_they_are_made() {
    let draft = |affected: usize, payload: usize| {
        Draft::new(
            team(1),
            (0..affected).map(|n| fed(&n.to_string())).collect(),
            ActionType::new("x").unwrap(),
            Description::new("").unwrap(),
            vec![0; payload],
            jurat_trust::OrderedTime(0),
        )
    };
    assert!(draft(64, 65_536).is_ok());
    assert!(matches!(draft(65, 0), Err(DecodeError::TooMany { count: 65, .. })));
    assert_eq!(draft(0, 65_537), Err(DecodeError::Action(ActionError::PayloadTooLong(65_537))));
    let long = Description::new("x".repeat(4_097)).unwrap_err();
    assert_eq!(long, TextError::TooLong { what: "description", length: 4_097, max: 4_096 });
    assert!(Name::new("x".repeat(129)).is_err());
}

#[test]
fn at_most_64_are_affected_the_proposer_included() {
    let mut world = World::new();
    let names: Vec<_> = (0..64).map(|n| format!("n{n}")).collect();
    for name in &names {
        world.run(name, Act::Register(crate::world::registration(name))).unwrap();
    }
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    assert_eq!(world.propose("a", &names), Err(Rejection::TooManyAffected(65)));
    world.propose("a", &names[1..]).unwrap();
}

#[test]
fn lists_are_the_newest_first_and_awaiting_ones_go_when_decided() {
    let mut world = World::new();
    let ids = ["b", "c", "b"].map(|other| world.propose("a", &[other]).unwrap());
    let (a, b) = (fed("a"), fed("b"));
    let list = |world: &World, which: Proposals<'_>| -> Vec<ProposalId> {
        world.registry.list_proposals(which, 0, 10).into_iter().map(|view| view.id).collect()
    };
    assert_eq!(list(&world, Proposals::All), [ids[2], ids[1], ids[0]]);
    assert_eq!(list(&world, Proposals::By(&b)), []);
    assert_eq!(list(&world, Proposals::Awaiting(&b)), [ids[2], ids[0]]);
    world.run("b", Act::Reject { proposal: ids[2] }).unwrap();
    assert_eq!(list(&world, Proposals::Awaiting(&b)), [ids[0]]);
    assert_eq!(list(&world, Proposals::Awaiting(&a)), [ids[1], ids[0]]);
    let page = world.registry.list_proposals(Proposals::By(&a), 1, 1);
    assert_eq!(page[0].id, ids[1]);
    let view = world.registry.federation(&fed("a")).unwrap();
    assert_eq!((view.proposal_count, view.success_rate.basis_points()), (3, 0));
}

#[test]
fn the_success_rate_is_of_what_was_decided() {
    let mut world = World::new();
    world.run("a", trust("e", 5_000)).unwrap();
    let rate = |world: &World| world.registry.federation(&fed("a")).unwrap().success_rate.basis_points();
    assert_eq!(rate(&world), 5_000);
    let approved = world.propose("a", &[]).unwrap();
    world.approve("a", approved).unwrap();
    world.witness("e", approved).unwrap();
    assert_eq!(rate(&world), 10_000);
    let withdrawn = world.propose("a", &[]).unwrap();
    world.run("a", Act::Withdraw { proposal: withdrawn }).unwrap();
    assert_eq!(rate(&world), 10_000);
    world.propose("a", &[]).unwrap();
    let rejected = world.propose("a", &["b"]).unwrap();
    world.run("b", Act::Reject { proposal: rejected }).unwrap();
    assert_eq!(rate(&world), 5_000);
    world.pass_days(11);
    world.registry.advance(world.now).unwrap();
    assert_eq!(rate(&world), 3_333, "expired is decided");
}
