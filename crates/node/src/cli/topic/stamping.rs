//! Doing the work of a stamp, in sight of who waits for it.

use std::{num::NonZeroUsize, ops::ControlFlow, thread};

use jurat_bulletin::{Effort, EffortRule, StampSubject, WorkRules};

use crate::{
    cli::{Failure, output::Output},
    solving::solve,
};

/// A nonce, and how many attempts it took.
pub(in crate::cli) struct Found {
    pub(in crate::cli) nonce: u32,
    pub(in crate::cli) attempts: u64,
}

/// Searches for the nonce of a stamp on several threads.
pub(in crate::cli) fn stamp(
    subject: &StampSubject,
    rules: &WorkRules,
    threads: Option<NonZeroUsize>,
    output: Output,
) -> Result<Found, Failure> {
    let search = subject.search(rules).map_err(|error| Failure::Usage(error.to_string()))?;
    let threads = threads.or_else(|| thread::available_parallelism().ok()).unwrap_or(NonZeroUsize::MIN);
    let bar = output.progress(expected(subject.effort, rules.rule), "stamping");
    let stamp = solve(&search, u64::MAX, threads, |begun| {
        bar.set_position(begun);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    let stamp = stamp.map_err(|error| Failure::False(error.to_string()))?;
    // The search is over four bytes.
    let nonce = u32::try_from(stamp.nonce).map_err(Failure::unreachable)?;
    Ok(Found { nonce, attempts: stamp.attempt + 1 })
}

/// How many attempts it takes on average.
fn expected(effort: Effort, rule: EffortRule) -> u64 {
    match rule {
        EffortRule::ZeroBits => 1_u64.checked_shl(effort.0).unwrap_or(u64::MAX),
        EffortRule::Linear => effort.0.into(),
    }
}
