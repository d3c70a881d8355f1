//! Disasters for councils of real processes: `cargo xtask chaos`.
//!
//! A run lives in namespaces of its own ([`enter`]), gives each node a network of its own, keeps
//! clients busy, and lets one disaster follow the other in an order that a seed gives.

mod disasters;
mod disk;
mod figures;
mod network;
mod run;
mod sandbox;

pub use run::Options;
pub use sandbox::{GUARD, INSIDE, enter, guard, inside};
