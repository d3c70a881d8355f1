//! Placeholder.
mod data_dir;
mod error;
mod journal;
mod vfs;

pub use data_dir::{DataDir, DataDirError};
pub use error::DiskError;
pub use journal::{
    Journal, JournalError, MAX_RECORD_BYTES, MAX_SEGMENT_BYTES, MAX_UNSYNCED_BYTES, Position, Recovered,
    TornTail,
};
pub use vfs::{Fault, Lock, MemFs, Operation, StdFs, Step, Survivors, Vfs, VfsFile};
