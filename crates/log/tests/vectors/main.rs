//! Foreign test vectors (`tests/vectors/merkle` at the root of the repository): where one
//! disagrees with this crate, the crate is wrong.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test stops where its ground gives way")]

mod checkpoints;
mod consistency;
mod cosignatures;
mod inclusion;
#[cfg(feature = "ml-dsa")]
mod ml_dsa;
mod notes;
mod receipts;
mod reference_trees;
mod subtrees;
mod tiles;
mod witness;

use std::{
    fs,
    path::{Path, PathBuf},
};

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::Digest;
use serde::de::DeserializeOwned;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/vectors/merkle")
}

/// Reads one file of vectors.
fn read<T: DeserializeOwned>(path: impl AsRef<Path>) -> T {
    let path = folder().join(path);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The files below a folder of vectors, in a fixed order.
fn files_below(name: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![folder().join(name)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// A hash of exactly 32 bytes; anything else can't be represented and is refused with that.
fn hash(text: &str) -> Option<Digest> {
    base64(text).try_into().ok().map(Digest::from_bytes)
}

fn base64(text: &str) -> Vec<u8> {
    BASE64.decode(text.as_bytes()).unwrap()
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}
