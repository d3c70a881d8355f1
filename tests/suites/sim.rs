//! Histories of whole councils in virtual time, some hundreds of them, and proof that they would
//! notice what they look for.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use jurat_tests::sim::{Outcome, Plan, Plant, Scenario, Seen, play, shrink};

/// Histories that each change is tried on. `cargo xtask sim` plays more.
const SEEDS: u64 = 200;

/// How many histories a planted bug has to be noticed.
const SEEDS_FOR_A_PLANT: u64 = 40;

/// Plays plans on all processors; gives the outcomes in the order of the plans.
fn play_all(plans: &[Plan]) -> Vec<Outcome> {
    let next = AtomicUsize::new(0);
    let outcomes = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let i = next.fetch_add(1, Ordering::Relaxed)
                    && let Some(plan) = plans.get(i)
                {
                    let outcome = play(plan.clone(), false);
                    outcomes.lock().unwrap().push((i, outcome));
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap();
    outcomes.sort_unstable_by_key(|(i, _)| *i);
    outcomes.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Gives all that came up in them.
fn assert_that_all_hold(plans: &[Plan]) -> Seen {
    let outcomes = play_all(plans);
    let violated = plans
        .iter()
        .zip(&outcomes)
        .filter_map(|(plan, outcome)| Some(format!("{}\n  {}", outcome.violation.as_ref()?, plan.command())));
    let failures: Vec<String> = violated.collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    let mut seen = Seen::default();
    for outcome in &outcomes {
        seen.add(&outcome.seen);
    }
    seen
}

#[test]
fn some_hundred_histories_hold() {
    let plans: Vec<Plan> = (0..SEEDS).map(|seed| Plan::draw(seed, Scenario::of_seed(seed))).collect();
    let seen = assert_that_all_hold(&plans);
    assert_eq!(seen.missing(), Vec::<&str>::new(), "{seen}");
}

/// Each line of the file is a scenario and a seed that once failed, and why.
#[test]
fn histories_that_once_failed_hold_for_ever() {
    let kept = include_str!("../sim/kept_seeds.txt").lines().filter(|line| !line.starts_with('#'));
    let plans: Vec<Plan> = kept
        .map(|line| {
            let mut words = line.split_whitespace();
            let scenario = words.next().and_then(Scenario::named);
            let seed = words.next().and_then(|word| word.parse().ok());
            match (scenario, seed) {
                (Some(scenario), Some(seed)) => Plan::draw(seed, scenario),
                _ => panic!("neither a scenario nor a seed: {line:?}"),
            }
        })
        .collect();
    assert_that_all_hold(&plans);
}

#[test]
fn the_same_seed_gives_the_same_history() {
    for scenario in Scenario::ALL {
        let plan = Plan::draw(7, scenario);
        let [first, second] = [play(plan.clone(), true), play(plan, true)];
        assert_eq!(first, second, "{scenario}");
        assert_ne!(first.history, play(Plan::draw(8, scenario), false).history, "{scenario}");
    }
}

/// Where a planted bug shows, and as what at the latest. Each invariant is there at least once.
fn symptom(plant: Plant) -> (Scenario, &'static str) {
    match plant {
        Plant::LyingDisk | Plant::EmptyRotation => (Scenario::Crashes, "sound"),
        Plant::ForgottenJournal | Plant::HastyVotes => (Scenario::Crashes, "votes"),
        Plant::ForgottenEntries => (Scenario::Calm, "once"),
        Plant::OtherOrder | Plant::UnmarkedRefusals => (Scenario::Calm, "consistency"),
        Plant::StrippedCheckpoint => (Scenario::Calm, "certified"),
        Plant::ForgottenRegistry => (Scenario::Crashes, "registry"),
        Plant::SecondRoot => (Scenario::Calm, "cosigned"),
        Plant::StolenKey => (Scenario::Calm, "evidence"),
        Plant::MovedReceipts => (Scenario::Calm, "receipts"),
        Plant::LostViewChanges => (Scenario::Traitors, "liveness"),
        Plant::TooManyTraitors => (Scenario::Calm, "agreement"),
        Plant::ForgottenCouncil => (Scenario::Membership, "sound"),
        Plant::FormerCosigner => (Scenario::Membership, "certified"),
    }
}

/// Without this, nobody knows whether the invariants look at anything.
#[test]
fn every_planted_bug_is_noticed() {
    for plant in Plant::ALL {
        let (scenario, symptom) = symptom(plant);
        let mut seen = BTreeSet::new();
        let noticed = (0..SEEDS_FOR_A_PLANT).any(|seed| {
            let violation = play(plant.in_plan(Plan::draw(seed, scenario)), false).violation;
            seen.extend(violation.map(|violation| violation.invariant));
            seen.contains(symptom)
        });
        assert!(
            noticed,
            "{plant:?} does not show as {symptom} in {SEEDS_FOR_A_PLANT} histories, only as {seen:?}"
        );
    }
}

#[test]
fn a_failing_history_shrinks_to_one_that_a_person_can_read() {
    let plan = Plant::SecondRoot.in_plan(Plan::draw(3, Scenario::Links));
    let violation = play(plan.clone(), false).violation.unwrap_or_else(|| panic!("nobody notices"));
    let (_, outcome) = shrink(&plan, violation.invariant);
    assert_eq!(outcome.violation.map(|violation| violation.invariant), Some(violation.invariant));
    assert!(outcome.trace.len() < 100, "{} lines", outcome.trace.len());
    assert!(outcome.trace.last().is_some_and(|line| line.contains("VIOLATED")));
}
