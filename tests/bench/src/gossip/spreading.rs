//! Spreading, in the simulator: counted, not timed, so the same on each machine.

use jurat_gossip::{Outcome, Situation, ViewSize};

use crate::report::Report;

/// The worst of so many networks is told.
const SEEDS: u64 = 5;

pub fn run(report: &mut Report) -> Result<(), String> {
    for size in [ViewSize::FullMesh, ViewSize::Partial] {
        for (situation, what) in [(Situation::OneByOne, "one at a time"), (Situation::AtOnce, "100 at once")]
        {
            let outcomes = outcomes(situation, 32, size)?;
            let received = most(&outcomes, |outcome| ratio(outcome.received, outcome.needed));
            report.figure(
                format!("bodies received per body needed, 32 nodes, {size:?}, {what}"),
                received,
                "",
            );
        }
    }
    for (nodes, size) in [
        (8, ViewSize::FullMesh),
        (32, ViewSize::FullMesh),
        (32, ViewSize::Partial),
        (128, ViewSize::Partial),
        (256, ViewSize::Partial),
    ] {
        let outcome = Situation::OneByOne.run(1, nodes, size).map_err(|error| error.to_string())?;
        let (taken, best, needed) = (outcome.taken, outcome.best, outcome.needed);
        let what = |of| format!("{nodes} nodes, {size:?}: {of}");
        let mean = |sum| ratio(sum, needed);
        report.ratio(what("hops, mean"), mean(taken.hops), "", "the shortest", mean(best.hops));
        report.ratio(
            what("hops, most"),
            ratio(taken.most_hops, 1),
            "",
            "the shortest",
            ratio(best.most_hops, 1),
        );
        report.ratio(what("time, mean"), mean(taken.millis), "ms", "the shortest", mean(best.millis));
        let (most, least) = (ratio(taken.most_millis, 1), ratio(best.most_millis, 1));
        report.ratio(what("time, most"), most, "ms", "the shortest", least);
    }
    for (situation, what) in [
        (Situation::AtOnce, "100 at once"),
        (Situation::Loss, "20 % loss"),
        (Situation::Churn, "a node dies and one starts every 2 s"),
        (Situation::Partition, "30 s in two halves"),
        (Situation::Absence, "5 min in two halves"),
    ] {
        for nodes in [32, 64, 128, 256] {
            let outcomes = outcomes(situation, nodes, ViewSize::of(nodes as usize))?;
            let mut figure = |of, unit, figure: fn(&Outcome) -> f64| {
                report.figure(format!("{nodes} nodes, {what}: {of}"), most(&outcomes, figure), unit)
            };
            figure("all delivered, slowest", "s", |outcome| ratio(outcome.slowest, 1_000));
            figure("bodies per needed", "", |outcome| ratio(outcome.received, outcome.needed));
            figure("of these reconciled", "", |outcome| ratio(outcome.fetched, outcome.needed));
            figure("checks per needed", "", |outcome| ratio(outcome.checks, outcome.needed));
        }
    }
    Ok(())
}

fn outcomes(situation: Situation, nodes: u32, size: ViewSize) -> Result<Vec<Outcome>, String> {
    (0..SEEDS).map(|seed| situation.run(seed, nodes, size).map_err(|error| error.to_string())).collect()
}

fn most(outcomes: &[Outcome], figure: impl Fn(&Outcome) -> f64) -> f64 {
    outcomes.iter().map(figure).fold(0.0, f64::max)
}

fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
