//! Collusion: counted over 30 days, by exact ids.

use jurat_trust::{Act, Action, Event, Health, Parameter, PolicyChange, ProposalId, Rejection, Risk};

use crate::world::{World, fed, registration, score};

/// Without the proposal check, so that histories can be built freely.
fn lenient() -> World {
    let mut world = World::new();
    let change = PolicyChange::new([(Parameter::REFUSE, 0)]).unwrap();
    world.pass(&Action::SetPolicy(change), &["b", "c", "d"]);
    world.pass_days(40);
    world
}

/// So many proposals of the first that the second approves.
fn approvals(world: &mut World, proposer: &str, approver: &str, count: usize) {
    for _ in 0..count {
        let id = world.propose(proposer, &[approver]).unwrap();
        world.approve(approver, id).unwrap();
    }
}

#[test]
fn three_mutual_proposals_in_30_days_are_enough() {
    let mut world = World::new();
    // Many proposals that affect nobody else keep the share below 70 %.
    for _ in 0..6 {
        world.propose("e", &[]).unwrap();
    }
    world.propose("e", &["f"]).unwrap();
    world.propose("f", &["e"]).unwrap();
    world.propose("e", &["f", "a"]).unwrap();
    let refused = Rejection::Reciprocity { partner: fed("f"), mutual: 3, all: 9, share: score(3_333) };
    assert_eq!(world.propose("e", &["a", "f"]), Err(refused.clone()));
    assert!(world.propose("f", &["e"]).is_err(), "from either side");
    world.propose("e", &["a"]).unwrap();
    // To the last millisecond of the window.
    world.pass_days(30);
    assert!(world.propose("e", &["f"]).is_err());
    world.now.0 += 1;
    world.propose("e", &["f"]).unwrap();
}

#[test]
fn a_mutual_share_of_70_percent_from_two_proposals_on() {
    let mut world = World::new();
    world.propose("e", &["f"]).unwrap();
    world.propose("e", &["f"]).unwrap();
    assert!(matches!(world.propose("e", &["f"]), Err(Rejection::Reciprocity { mutual: 2, all: 2, .. })));
    // 2 of 3 is below 70 %.
    world.propose("e", &[]).unwrap();
    world.propose("e", &["f"]).unwrap();
}

#[test]
fn ids_that_are_prefixes_of_each_other_count_apart() {
    let mut world = World::new();
    for name in ["ab", "abc"] {
        world.run(name, Act::Register(registration(name))).unwrap();
    }
    for _ in 0..2 {
        world.propose("e", &["ab"]).unwrap();
    }
    assert!(world.propose("e", &["ab"]).is_err());
    world.propose("e", &["abc"]).unwrap();
    let report = world.registry.reciprocity_of(&fed("abc")).unwrap();
    assert_eq!(report.len(), 1);
    assert_eq!(report[0].figures.mutual_proposals, 1);
}

#[test]
fn policy_turns_refusal_into_a_flag() {
    let mut world = lenient();
    for _ in 0..2 {
        world.propose("e", &["f"]).unwrap();
    }
    let draft = world.draft(&["f"], "share.data", vec![]);
    let operation = world.ready("e", Act::Propose(draft));
    let events = world.apply(&operation).unwrap();
    let proposal = ProposalId(operation.id());
    assert_eq!(
        events,
        [Event::Proposed(proposal), Event::ReciprocityFlagged { proposal, partner: fed("f") }]
    );
}

#[test]
fn approvals_are_judged_from_five_on_and_above_70_percent() {
    let mut world = lenient();
    approvals(&mut world, "e", "f", 2);
    approvals(&mut world, "f", "e", 2);
    let flagged = |world: &World| world.registry.reciprocity_of(&fed("e")).unwrap()[0].approvals_flagged;
    assert!(!flagged(&world), "four are too few");
    approvals(&mut world, "e", "f", 1);
    assert!(!flagged(&world), "2 of 3 is 66 %");
    approvals(&mut world, "f", "e", 1);
    assert!(flagged(&world), "3 of 3");
    let report = world.registry.reciprocity_of(&fed("f")).unwrap();
    let figures = report[0].figures;
    assert_eq!((figures.approvals_given, figures.approvals_received), (3, 3));
    assert_eq!(report[0].approval_ratio, score(10_000));
}

#[test]
fn exactly_70_percent_of_approvals_is_not_above() {
    let mut world = lenient();
    approvals(&mut world, "e", "f", 10);
    approvals(&mut world, "f", "e", 7);
    assert!(!world.registry.reciprocity_of(&fed("e")).unwrap()[0].approvals_flagged);
    approvals(&mut world, "f", "e", 1);
    assert!(world.registry.reciprocity_of(&fed("e")).unwrap()[0].approvals_flagged);
}

#[test]
fn the_system_report_lists_rings_once() {
    let mut world = World::new();
    let report = world.registry.collusion_report();
    assert_eq!((report.federations, report.health), (6, Health::Healthy));
    for _ in 0..2 {
        world.propose("f", &["e"]).unwrap();
    }
    let report = world.registry.collusion_report();
    assert_eq!(report.rings, [(fed("e"), fed("f"))]);
    assert_eq!(report.health, Health::Warning);
    world.pass_days(31);
    world.registry.advance(world.now).unwrap();
    let report = world.registry.collusion_report();
    assert_eq!((report.rings, report.health), (vec![], Health::Healthy));
    assert_eq!(world.registry.reciprocity_of(&fed("e")), Ok(vec![]));
    world.run("e", Act::Dissolve).unwrap();
    assert_eq!(world.registry.collusion_report().federations, 5);
}

#[test]
fn the_risk_of_an_approval() {
    let mut world = lenient();
    let pending = world.propose("e", &["f", "a"]).unwrap();
    let risk = |world: &World, name| world.registry.approval_risk(&fed(name), &pending).unwrap();
    assert_eq!(risk(&world, "e"), Risk::None);
    assert_eq!(risk(&world, "f"), Risk::LowNotEnoughHistory);
    // 4 received, 0 given.
    approvals(&mut world, "f", "e", 4);
    assert_eq!(risk(&world, "f"), Risk::LowNotEnoughHistory);
    approvals(&mut world, "f", "e", 1);
    assert_eq!(risk(&world, "f"), Risk::Low { ratio: score(2_000) });
    approvals(&mut world, "e", "f", 2);
    assert_eq!(risk(&world, "f"), Risk::Low { ratio: score(6_000) }, "60 % is not above 60 %");
    approvals(&mut world, "f", "e", 1);
    approvals(&mut world, "e", "f", 1);
    assert_eq!(risk(&world, "f"), Risk::Medium { ratio: score(6_666) });
    approvals(&mut world, "e", "f", 1);
    assert_eq!(risk(&world, "f"), Risk::High { ratio: score(8_333) });
    assert_eq!(risk(&world, "a"), Risk::LowNotEnoughHistory);
    let unknown = ProposalId(jurat_crypto::Digest::of(b"none"));
    assert!(world.registry.approval_risk(&fed("a"), &unknown).is_err());
}
