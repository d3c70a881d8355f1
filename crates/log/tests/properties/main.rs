//! What must hold for trees, texts and receipts of any shape.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its ground gives way")]

mod council;
mod entries;
mod fork_evidence;
mod inclusion_batches;
#[cfg(feature = "ml-dsa")]
mod ml_dsa;
mod notes;
mod policies;
mod reader;
mod receipts;
mod statements;
mod subject_verification;
mod subjects;
mod subtrees;
mod tiled;
mod tree;
mod witness;
