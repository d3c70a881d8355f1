#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod federation;
mod registry;

pub use federation::{Federation, FederationId, FederationIdError, Status};
pub use registry::{OrderedTime, Registry, Rejection};
