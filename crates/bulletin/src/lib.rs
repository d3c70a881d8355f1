#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod bulletin;
mod topic;

pub use bulletin::{Bulletin, BulletinError, ContentId, HEADER_BYTES, MAX_CONTENT_BYTES, UnixSeconds};
pub use topic::{Topic, TopicId};
