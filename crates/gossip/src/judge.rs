//! Whose checkpoints a follower accepts.

use alloc::string::{String, ToString};
use core::fmt;

use jurat_log::{Checkpoint, Note, Policy};

/// Decides which checkpoints of a log count. A [`Policy`] does; so does whatever knows which policy
/// belongs to which checkpoint, where a log's keys change over time.
pub trait Judge: fmt::Debug + Send {
    /// The checkpoint in a note that is accepted; or why it is not, in words for the operator.
    fn judge(&self, note: &Note) -> Result<Checkpoint, String>;
}

impl Judge for Policy {
    fn judge(&self, note: &Note) -> Result<Checkpoint, String> {
        self.check(note).map(|accepted| accepted.checkpoint).map_err(|error| error.to_string())
    }
}
