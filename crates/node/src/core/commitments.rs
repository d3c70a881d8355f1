//! What of a private event is ordered: a commitment and a tag, as an entry of the log.
//!
//! Everybody sees the entries and nobody what they are about. Those who have an event make its entry
//! anew from it, and so find where it was ordered.

use jurat_bulletin::PrivateEvent;
use jurat_log::PrivateCommitment;

/// The entry of an event that asks to be ordered.
pub(super) fn entry_of(event: &PrivateEvent) -> Option<PrivateCommitment> {
    let commitment = event.commitment;
    event.payload.order_tag().map(|tag| PrivateCommitment { commitment, tag })
}
