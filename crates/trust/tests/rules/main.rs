//! Each rule of the registry with what breaks it: a typed rejection, and not a byte changed.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../world/mod.rs"]
mod world;

mod actions;
mod authority;
mod collusion;
mod federations;
mod graph;
mod keys;
mod proposals;
mod reputation;
mod sequences;
mod snapshots;
mod time;
mod trust;
mod witnesses;
