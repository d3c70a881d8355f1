//! Peers: what spreading, reconciling and following cost.

mod following;
mod reconciling;
mod spreading;

use crate::report::Report;

pub fn run(report: &mut Report) -> Result<(), String> {
    spreading::run(report)?;
    reconciling::run(report)?;
    following::run(report)
}
