//! Changing a gate: proposing, and waiting until the council has ordered it.

use std::{
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use clap::Args;

use super::{ask_gates, gates, other_answer, shown};
use crate::{
    cli::{Failure, output::Output},
    runtime::{GateAnswer, GateRequest, OutcomeJson},
};

/// How often the node is asked whether the change counts.
const POLL: Duration = Duration::from_millis(200);
/// How often a change is proposed again when another one came first.
const ATTEMPTS: usize = 5;

/// Which gate, and how long to wait.
#[derive(Debug, Args)]
pub(super) struct ChangeArguments {
    /// The directory of the own node, which must run
    pub(super) dir: PathBuf,
    /// The gate: its name, or the first digits of its id
    pub(super) gate: String,
    /// How long to wait until the council has ordered the change, in seconds; 0 does not wait
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    wait: u64,
}

/// Proposes a change, again if another member's came first, and waits until it counts.
pub(super) fn propose(
    arguments: &ChangeArguments,
    request: impl Fn() -> GateRequest,
    output: Output,
) -> Result<(), Failure> {
    let deadline = Instant::now() + Duration::from_secs(arguments.wait);
    for _ in 0..ATTEMPTS {
        let GateAnswer::Proposed(change) = ask_gates(&arguments.dir, request())? else {
            return Err(other_answer());
        };
        loop {
            let question = GateRequest::Outcome { gate: arguments.gate.clone(), change: change.clone() };
            let GateAnswer::Outcome(outcome) = ask_gates(&arguments.dir, question)? else {
                return Err(other_answer());
            };
            match outcome {
                OutcomeJson::Counts => return show(arguments, output),
                OutcomeJson::Lost => break,
                OutcomeJson::Waits if arguments.wait == 0 => return show(arguments, output),
                OutcomeJson::Waits if Instant::now() >= deadline => {
                    return Err(Failure::Unreachable(format!(
                        "the council has not ordered the change within {} s; it stays proposed, and \
                         `jurat gate list` shows what became of it",
                        arguments.wait
                    )));
                }
                OutcomeJson::Waits => sleep(POLL),
            }
        }
    }
    Err(Failure::False("changes by other members came first each time; try again".into()))
}

fn show(arguments: &ChangeArguments, output: Output) -> Result<(), Failure> {
    for gate in gates(&arguments.dir, Some(&arguments.gate))? {
        output.result(&gate, || shown(&gate));
    }
    Ok(())
}
