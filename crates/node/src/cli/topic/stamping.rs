//! Doing the work of a stamp, in sight of who waits for it.

use std::{num::NonZeroUsize, ops::ControlFlow, thread};

use jurat_bulletin::{Effort, EffortRule, StampSubject, WorkDone, WorkRules};
use jurat_crypto::WorkFunction;

use crate::{
    cli::{Failure, output::Output},
    solving::solve,
};

/// Searches for a stamp on several threads.
pub(in crate::cli) fn stamp(
    subject: &StampSubject,
    rules: &WorkRules,
    threads: Option<NonZeroUsize>,
    output: Output,
) -> Result<WorkDone, Failure> {
    let search = subject.search(rules).map_err(|error| Failure::Usage(error.to_string()))?;
    let threads = threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let bar = output.progress(expected(subject.effort, rules), "stamping");
    let stamp = solve(&search, u64::MAX, threads, |begun| {
        bar.set_position(begun);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    stamp.map_err(|error| Failure::False(error.to_string()))
}

/// How many attempts it takes on average.
fn expected(effort: Effort, rules: &WorkRules) -> u64 {
    let digests = match rules.rule {
        EffortRule::ZeroBits => 1_u64.checked_shl(effort.amount()).unwrap_or(u64::MAX),
        EffortRule::Linear => effort.amount().into(),
    };
    match rules.function {
        WorkFunction::Tape(_) => digests,
        // An attempt finds two solutions.
        WorkFunction::Equihash => digests.div_ceil(2),
    }
}
