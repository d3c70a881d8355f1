#![doc = include_str!("../README.md")]

mod bulletin_store;
mod data_dir;
mod error;
mod evidence_dir;
mod evidence_files;
mod journal;
mod log_store;
mod mirror_dir;
mod vfs;
mod witness_dir;

pub use bulletin_store::{BulletinChanges, BulletinStore, BulletinStoreError, MailName, PostingName};
pub use data_dir::{DataDir, DataDirError};
pub use error::DiskError;
pub use evidence_dir::EvidenceDir;
pub use evidence_files::Kept;
pub use journal::{
    Journal, JournalError, MAX_RECORD_BYTES, MAX_SEGMENT_BYTES, MAX_UNSYNCED_BYTES, Position, Recovered,
    TornTail,
};
pub use log_store::{
    Batch, BatchOrigin, Damage, Finding, FlushPlan, FsckReport, LogEntry, LogError, LogHead, LogReader,
    LogStore, MAX_CHECKPOINT_BYTES, MAX_ENTRIES_READ, MAX_ENTRY_BYTES_READ, MAX_FINDINGS, MAX_FOUND,
    MAX_SEQUENCE_RECORD_BYTES, MAX_SNAPSHOT_BYTES, MAX_STATE_BYTES, MAX_UNFLUSHED_BYTES, SequenceRecord,
    fsck,
};
pub use mirror_dir::{MAX_SOURCE_BYTES, MAX_SOURCES, MirrorDir, MirrorDirError, MirrorWriter, MirroredLog};
pub use vfs::{Fault, Lock, MemFs, Operation, StdFs, Step, Survivors, Vfs, VfsFile};
pub use witness_dir::{FollowedLog, LogRecord, MAX_LOG_KEYS, WitnessDir, WitnessDirError};
