//! Receipts as nodes answer with them.

use jurat_crypto::Digest;
use jurat_log::{Checkpoint, Note, Policy, Receipt};
use serde::Deserialize;

/// A receipt with what the node says of it.
#[derive(Debug, Deserialize)]
pub(super) struct ReceiptLine {
    pub(super) index: u64,
    pub(super) leaf_hash: String,
    pub(super) log_size: u64,
    pub(super) batch_time: Option<String>,
    pub(super) cosigners: Vec<String>,
    pub(super) receipt: String,
}

impl ReceiptLine {
    /// Whatever the node says: the receipt must be about the very entry that was sent, and lead to
    /// the root it names. Who signed that root only a policy can tell.
    pub(super) fn check(&self, leaf: &Digest, policy: Option<&Policy>) -> Result<(), String> {
        let wrong = |error: &dyn std::fmt::Display| format!("the node's receipt is wrong: {error}");
        let receipt = Receipt::parse(self.receipt.as_bytes()).map_err(|error| wrong(&error))?;
        if self.leaf_hash != leaf.to_string() || receipt.index().value() != self.index {
            return Err(wrong(&"it is about another entry"));
        }
        let note = Note::parse(receipt.checkpoint().as_bytes()).map_err(|error| wrong(&error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| wrong(&error))?;
        receipt
            .proof()
            .verify(receipt.index(), checkpoint.size(), leaf, checkpoint.root())
            .map_err(|error| wrong(&error))?;
        if let Some(policy) = policy {
            policy.check(&note).map_err(|error| wrong(&error))?;
        }
        Ok(())
    }
}
