//! Doing the work of a stamp, in sight of who waits for it, and handing in what was stamped.

use std::{num::NonZeroUsize, ops::ControlFlow, thread};

use hyper::body::Bytes;
use jurat_bulletin::{Effort, EffortRule, StampSubject, UnixSeconds, WorkDone, WorkRules};
use jurat_crypto::WorkFunction;

use super::{Failure, client::Client, output::Output};
use crate::{runtime::unix_millis, solving::solve};

/// How often a price that rose in the meantime is paid.
const MOST_STAMPS: usize = 3;

/// Searches for a stamp on several threads.
pub(super) fn stamp(
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

/// Refuses to do more work than `most`, or than 16 times what the node calls the least.
pub(super) fn affordable(
    what: &str,
    effort: u32,
    (least, rule): (Effort, EffortRule),
    most: Option<u32>,
) -> Result<(), Failure> {
    let most = most.unwrap_or_else(|| least.doubled(rule, 4).amount());
    if effort > most {
        return Err(Failure::False(format!(
            "a {what} costs effort {effort} now, more than {most}; wait, or allow it with --max-effort"
        )));
    }
    Ok(())
}

/// A node that asks for something else.
pub(super) fn unknown() -> Failure {
    Failure::Unreachable("the node asks for work of a kind that this version can't do".into())
}

/// Hands in what `stamped` makes of an effort, and again if it costs more by then. Gives the answer and
/// what `stamped` gave besides the path and the body.
pub(super) fn hand_in<T>(
    client: &Client,
    mut effort: u32,
    stamped: impl Fn(u32) -> Result<(String, Vec<u8>, T), Failure>,
) -> Result<(Bytes, T), Failure> {
    let runtime = crate::cli::runtime()?;
    for _ in 0..MOST_STAMPS {
        let (path, body, made) = stamped(effort)?;
        let answer = runtime.block_on(client.post(&path, "application/octet-stream", body))?;
        // It may have become crowded while the stamp was made.
        if let Some(price) = answer.price().filter(|price| *price > effort) {
            effort = price;
            continue;
        }
        return Ok((answer.success()?, made));
    }
    Err(Failure::Unreachable(format!("the price rises faster than stamps are made, now {effort}; try again")))
}

/// The second of a stamp that is made now.
pub(super) fn stamp_time() -> UnixSeconds {
    UnixSeconds(u32::try_from(unix_millis() / 1000).unwrap_or(u32::MAX))
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
