//! An honest member stops only for what was done to its machine, and starts from whatever its disk
//! holds.
//!
//! `craft.md`, "Proof", 12; the store's promise that a power cut at any write leaves a directory
//! that opens.

use jurat::core::Halt;
use jurat_pbft::ReplicaId;

use super::{Facts, Violation};
use crate::sim::plan::Trouble;

/// How long after a clock was set right members may still believe that theirs is wrong, in
/// milliseconds.
const CLOCKS_COMPARED: u64 = 5_000;

/// A clock beyond what members accept of each other.
const BEYOND: u64 = 30_000;

pub(in crate::sim) fn stopped(facts: &Facts<'_>, member: ReplicaId, halt: &Halt) -> Result<(), Violation> {
    let plan = &facts.setting.plan;
    let excused = matches!(halt, Halt::Clock { .. })
        && plan.troubles.iter().any(|planned| match planned.trouble {
            Trouble::Clock { by, lasts, .. } => {
                let ends = (planned.at + lasts).min(plan.calm_from) + CLOCKS_COMPARED;
                by.unsigned_abs() > BEYOND && (planned.at..=ends).contains(&facts.now)
            }
            _ => false,
        });
    if excused {
        Ok(())
    } else {
        Err(Violation { invariant: "sound", what: format!("member {member} stops: {halt}") })
    }
}

pub(in crate::sim) fn refused_to_start(member: ReplicaId, why: &str) -> Violation {
    Violation { invariant: "sound", what: format!("member {member} does not start: {why}") }
}
