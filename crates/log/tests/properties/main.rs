//! What must hold for trees, texts and receipts of any shape.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its ground gives way")]

mod council;
mod entries;
mod notes;
mod policies;
mod receipts;
mod statements;
mod tiled;
mod tree;
