#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

mod backoff;
mod budget;

pub use backoff::Backoff;
pub use budget::{Budget, Verdict};
