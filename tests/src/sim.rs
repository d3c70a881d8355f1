//! Whole councils in virtual time: one thread, one seed, one history.
//!
//! The nodes are the shipped ones, from the core down to the journal and the log on a simulated
//! disk; links, clocks, clients and traitors are played. First comes trouble, then calm: as long as
//! there is trouble nothing may go wrong, and once it is over everything must be done in time.
//! `cargo xtask sim` runs it.

mod clients;
mod dice;
mod invariants;
mod links;
mod mail;
mod operations;
mod operators;
mod plan;
mod plant;
mod process;
mod receipts;
mod seen;
mod shrink;
mod trace;
mod treason;
mod trouble;
mod world;

pub use invariants::Violation;
pub use plan::{Plan, Scenario};
pub use plant::Plant;
pub use seen::Seen;
pub use shrink::shrink;
pub use world::Outcome;

/// Plays a plan; `trace` asks for something to read.
#[must_use]
pub fn play(plan: Plan, trace: bool) -> Outcome {
    world::World::play(plan, trace)
}
