#![doc = include_str!("../README.md")]

pub mod bulletin_json;
pub mod cli;
pub mod codec;
pub mod core;
pub mod key_file;
pub mod message_json;
pub mod registry_json;
pub mod runtime;
mod solving;
pub mod stamp_json;
pub mod time;
mod url;
