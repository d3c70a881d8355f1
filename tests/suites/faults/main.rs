//! Nodes are killed, paused, cut off from their quorum and given damaged files. Nothing that was
//! acknowledged is lost, and what can't be used is refused untouched.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod files;
mod kills;
mod quorum;
mod signals;
