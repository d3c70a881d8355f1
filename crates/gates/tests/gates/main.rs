//! Gates from outside, as their members use them.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says what failed")]

mod agreement;
mod circle;
mod journeys;
mod refusals;
