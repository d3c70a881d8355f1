//! Random histories against a model written from the rules alone: same verdicts, same state.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../world/mod.rs"]
mod world;

mod bytes;
mod compare;
mod moves;
mod reference;

use std::collections::{BTreeMap, BTreeSet};

use jurat_trust::Registry;
use proptest::{prelude::*, strategy::ValueTree};

use crate::{
    moves::{Move, any_move},
    reference::{Do, Stand},
    world::World,
};

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn the_registry_does_what_the_model_does(
        moves in prop::collection::vec(any_move(), 1..120),
        restore_at in any::<prop::sample::Index>(),
    ) {
        let restore_at = restore_at.index(moves.len());
        let (mut world, mut model) = moves::beginning();
        compare::everything(&world.registry, &model)?;
        for (step, wanted) in moves.iter().enumerate() {
            let ask = wanted.interpret(&model);
            let operation = ask.operation();
            let expected = model.apply(&ask);
            world.now = jurat_trust::OrderedTime(ask.at);
            let result = world.apply(&operation);
            prop_assert_eq!(result.is_ok(), expected.is_ok(), "{:?}: {:?}, {:?}", ask, result, expected);
            compare::records(&world.registry, &model)?;
            if step % 16 == 0 {
                compare::queries(&world.registry, &model)?;
            }
            if step == restore_at {
                let digest = world.registry.settle();
                world.registry = Registry::restore(&world.registry.snapshot(), &digest).unwrap();
            }
        }
        compare::everything(&world.registry, &model)?;
        let replayed = replay(&moves);
        prop_assert_eq!(replayed.digest(), world.registry.digest(), "the same history, the same state");
    }
}

const HISTORIES: usize = 100;

/// The same history without pauses: nothing settled, restored or asked in between.
fn replay(moves: &[Move]) -> Registry {
    let (World { mut registry, .. }, mut model) = moves::beginning();
    for wanted in moves {
        let ask = wanted.interpret(&model);
        let _ = model.apply(&ask);
        let _ = registry.apply(&ask.operation(), jurat_trust::OrderedTime(ask.at));
    }
    registry
}

/// A model that is wrong in one number is found out, so the comparison can fail.
#[test]
fn a_wrong_model_is_noticed() {
    let wanted = [Move::success(0), Move::success(0), Move::success(0), Move::success(0)];
    for (step, same) in [(500, true), (499, false)] {
        let (mut world, mut model) = moves::beginning();
        model.success_step = step;
        for wanted in &wanted {
            let ask = wanted.interpret(&model);
            let _ = model.apply(&ask);
            let _ = world.apply(&ask.operation());
        }
        assert_eq!(compare::everything(&world.registry, &model).is_ok(), same);
    }
}

/// The histories get somewhere: each kind of operation is accepted at times and refused at times,
/// and proposals end in every way.
#[test]
fn histories_reach_every_verdict_and_every_end() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut verdicts = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for _ in 0..HISTORIES {
        let histories = prop::collection::vec(any_move(), 120);
        let moves = histories.new_tree(&mut runner).unwrap().current();
        let (mut world, mut model) = moves::beginning();
        moves::name_proposals(&model);
        for wanted in &moves {
            let ask = wanted.interpret(&model);
            let kind = format!("{:?}", ask.what);
            let kind = kind.split([' ', '(']).next().unwrap_or_default().to_owned();
            let verdict = model.apply(&ask);
            *verdicts.entry((kind, verdict.err())).or_insert(0) += 1;
            let _ = world.registry.apply(&ask.operation(), jurat_trust::OrderedTime(ask.at));
            moves::name_proposals(&model);
        }
        for proposal in &model.proposals {
            let obeyed = proposal.action != Do::Nothing;
            *ends.entry((proposal.stand, obeyed, proposal.void)).or_insert(0) += 1;
        }
    }
    for (kind, _) in verdicts.keys() {
        assert!(verdicts.contains_key(&(kind.clone(), None)), "{kind} was never accepted: {verdicts:?}");
    }
    let kinds: BTreeSet<_> = verdicts.keys().map(|(kind, _)| kind).collect();
    assert_eq!(kinds.len(), 14, "{kinds:?}");
    for why in
        ["stale", "time", "same person", "revoked key", "reciprocity", "quorum", "untrusted", "decided"]
    {
        assert!(
            verdicts.keys().any(|(_, verdict)| *verdict == Some(why)),
            "{why} never came up: {verdicts:?}"
        );
    }
    for stand in [Stand::Pending, Stand::Approved, Stand::Rejected, Stand::Expired, Stand::Withdrawn] {
        for obeyed in [false, true] {
            assert!(ends.contains_key(&(stand, obeyed, false)), "{stand:?}, {obeyed}: {ends:?}");
        }
    }
}
