//! Why an entry is refused when it is its turn.

use jurat_trust::{KeyBytes, OrderedTime, Rejection};

/// Why an entry that was ordered counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OrderRefusal {
    /// The registry refuses the operation.
    #[error(transparent)]
    Operation(#[from] Rejection),
    /// The attestor's key was rotated or revoked, and its grace is over.
    #[error("the attestor's key {key} was rotated or revoked; it worked until {grace_until}")]
    RevokedKey {
        /// Which.
        key: KeyBytes,
        /// The last moment at which it worked.
        grace_until: OrderedTime,
    },
}
