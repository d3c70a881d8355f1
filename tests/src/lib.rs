//! What the suites share: harnesses for real processes, and the bodies of the fuzz targets.
//!
//! The suites themselves lie in `suites/`, the fuzz targets that call the bodies in `fuzz/`.

#![expect(clippy::expect_used, clippy::panic, reason = "a harness fails a test by panicking")]

mod attestor;
mod bulletin;
pub mod chaos;
mod council;
mod eavesdropper;
mod federation;
pub mod fuzzing;
mod http;
mod load;
mod message;
pub mod noise;
mod openmetrics;
mod ports;
mod process;
pub mod rfc6962;
pub mod sim;
mod tiled_log;
mod wait;
pub mod wire;

pub use attestor::{Attestor, leaf_hash};
pub use bulletin::{stamped_posting, topic, unix_seconds};
pub use council::{Council, Member, Place, path};
pub use eavesdropper::Eavesdropper;
pub use federation::Federation;
pub use http::{Answer, Http, json_lines};
pub use load::{Load, Promises};
pub use message::{MessageWriter, message_terms};
pub use openmetrics::{Sample, parse_openmetrics};
pub use ports::Ports;
pub use process::{Finished, Node, Process, binary, command, finish, jurat, jurat_in};
pub use tiled_log::{TILED_ORIGIN, TiledLog, tiled_policy};
pub use wait::{PATIENCE, until, until_true};
