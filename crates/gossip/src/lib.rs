#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod address;
mod backoff;
mod budget;
mod follow;
mod followed_source;
mod follower;
mod judge;
mod manifest;
mod peer;
mod peer_file;
mod peer_store;
mod quota;
mod reading;
mod reconcile;
mod retry_after;
mod simulator;
mod spread;
mod sync_schedule;

pub use address::{Address, AddressError, MAX_ADDRESS_BYTES, Transport};
pub use backoff::Backoff;
pub use budget::{Budget, Verdict};
pub use follow::{
    FollowCounts, FollowOutput, GetFailure, MAX_FOLLOWED_SOURCES, MAX_RESOURCES_AT_ONCE, RequestId, Supplier,
};
pub use followed_source::{SourceFailure, SourceState};
pub use follower::{Follower, StoredCheckpointError};
pub use judge::Judge;
pub use manifest::{
    BootstrapManifest, MANIFEST_CLOCK_SKEW_SECONDS, MAX_MANIFEST_PEERS, MAX_MANIFEST_SECONDS, ManifestError,
};
pub use peer::{
    Bucket, Failure, MAX_PEER_ERROR_BYTES, Peer, PeerKey, Role, Source, Success, UNHEALTHY_FAILURES,
};
pub use peer_file::{MAX_PEER_FILE_BYTES, PeerFileError};
pub use peer_store::{Added, MAX_PEERS, MAX_RUNTIME_PEERS, PeerStore, PeersFull, Reach};
pub use quota::{OverQuota, Quota, QuotaLimits};
pub use reconcile::{
    Answer, Difference, Initiator, MAX_RECONCILED, MAX_SYMBOLS_SENT, MAX_WANTED, Progress, ReconcileError,
    ReconcileMessage, ReconcileSalt, Responder, SYMBOL_BYTES, ShortId, SketchBytes, SymbolBytes,
};
pub use retry_after::{MAX_RETRY_AFTER_SECONDS, retry_after};
pub use simulator::{NotDelivered, Outcome, Simulation, SimulationSetup, Situation, Spread, Traffic, Ways};
pub use spread::{
    BEAT_MILLIS, BodyTooLarge, HELD_MILLIS, MAX_ANNOUNCED, MAX_HELD, MAX_HELD_BYTES, MAX_MISSING,
    MAX_MISSING_OF_ONE, MAX_SEEN, MAX_SHUFFLED, MAX_SPREAD_BYTES, MAX_UNCHECKED, MAX_UNCHECKED_OF_ONE,
    SILENT_MILLIS, SUMMARY_PARTS, SpreadCounts, SpreadId, SpreadMessage, SpreadOutput, Spreader, ViewSize,
};
pub use sync_schedule::{
    MAX_PEERS_IN_RUN, PeerSync, RunId, STALE_RUN_SECONDS, Start, SyncOutcome, SyncState, SyncTimes,
    SyncWorker,
};
