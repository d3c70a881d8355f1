//! What a node tells about the logs that it mirrors.

use jurat_crypto::Digest;
use jurat_gossip::{FollowCounts, Follower};
use jurat_store::MirroredLog;
use serde::{Deserialize, Serialize};

use crate::time::rfc3339;

/// The answer to `GET /logs`.
#[derive(Debug, Serialize)]
pub(crate) struct MirrorsShown {
    /// The logs, by origin.
    pub(crate) logs: Vec<LogShown>,
}

/// A mirrored log.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LogShown {
    /// Its origin.
    pub(crate) origin: String,
    /// Where its copy is served.
    pub(crate) path: String,
    /// Size of the last checkpoint that was verified.
    pub(crate) log_size: Option<u64>,
    /// Its root, in hex.
    pub(crate) root: Option<String>,
    /// The epoch of the council that is followed, if one is.
    pub(crate) epoch: Option<u64>,
    /// Evidence of forks that is kept.
    pub(crate) forks: usize,
    /// What keeps the copy from being written, if anything does.
    pub(crate) error: Option<String>,
    /// Where it is read.
    pub(crate) sources: Vec<SourceShown>,
    /// Files of its peers that could not be read.
    #[serde(skip)]
    pub(crate) damaged_peers: usize,
    #[serde(skip)]
    pub(crate) counts: FollowCounts,
    /// When any source was last in step, in milliseconds.
    #[serde(skip)]
    pub(crate) last_success: Option<u64>,
}

/// A source of a mirrored log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SourceShown {
    /// The URL or path.
    pub source: String,
    /// How large the log was there.
    pub log_size: Option<u64>,
    /// When it was last in step with the copy.
    pub last_success: Option<String>,
    /// What went wrong since.
    pub last_error: Option<String>,
    /// Rounds in a row that failed.
    pub failures: u32,
    /// It has shown another history, and is not asked any more.
    pub forked: bool,
}

impl LogShown {
    /// A log that nothing is known of yet.
    pub(crate) fn new(log: &MirroredLog) -> Self {
        let origin = log.origin().to_string();
        Self {
            path: format!("/logs/{}", Digest::of(origin.as_bytes())),
            origin,
            log_size: None,
            root: None,
            epoch: None,
            forks: 0,
            error: None,
            sources: Vec::new(),
            damaged_peers: 0,
            counts: FollowCounts::default(),
            last_success: None,
        }
    }

    /// What a follower knows.
    pub(crate) fn take(&mut self, log: &MirroredLog, follower: &Follower) {
        self.log_size = follower.head().map(|head| head.size().value());
        self.root = follower.head().map(|head| head.root().to_string());
        self.counts = *follower.counts();
        self.last_success =
            follower.sources().filter_map(|source| source.last_success).map(|time| time.0).max();
        let shown = log.sources().iter().zip(follower.sources()).map(|(source, state)| SourceShown {
            source: source.clone(),
            log_size: state.size.map(jurat_log::TreeSize::value),
            last_success: state.last_success.map(|time| rfc3339(time.0)),
            last_error: state.last_error.clone(),
            failures: state.failures,
            forked: state.forked,
        });
        self.sources = shown.collect();
    }
}
