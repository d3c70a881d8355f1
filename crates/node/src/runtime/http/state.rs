//! What request handlers share.

use std::{sync::Arc, time::Duration};

use axum::extract::FromRef;
use jurat_log::TreeSize;
use jurat_store::LogReader;
use tokio::sync::{Semaphore, mpsc, watch};

use super::intake::Bodies;
use crate::core::CouncilHistory;
use crate::runtime::{
    bulletins::Bulletins,
    checker::{Checker, CheckerStats},
    driver::Request,
    evidence::EvidenceStats,
    journal_writer::JournalStats,
    link::{LinkCounters, Peers},
    mirror::Mirrors,
    receipts::Receipts,
    registry_view::RegistryView,
    status::Detail,
    waiters::Waiters,
    witness::NodeWitness,
};

/// Handles to the node.
pub(crate) struct Shared {
    pub(crate) reader: LogReader,
    pub(crate) receipts: Receipts,
    pub(crate) witness: NodeWitness,
    pub(crate) mirrors: Mirrors,
    pub(crate) requests: mpsc::Sender<Request>,
    pub(crate) checker: Checker,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) registry: Arc<RegistryView>,
    pub(crate) detail: watch::Receiver<Arc<Detail>>,
    pub(crate) checker_stats: Arc<CheckerStats>,
    pub(crate) journal_stats: Arc<JournalStats>,
    pub(crate) evidence_stats: Arc<EvidenceStats>,
    pub(crate) link_counters: Arc<LinkCounters>,
    pub(crate) peers: Arc<Peers>,
    pub(crate) history: watch::Receiver<Arc<CouncilHistory>>,
    pub(crate) http: HttpLimits,
    pub(crate) registry_turns: Arc<Semaphore>,
    /// Turns of simple peers that read the log.
    pub(crate) simple_turns: Arc<Semaphore>,
    pub(crate) bulletins: Arc<Bulletins>,
    pub(crate) bulletin_turns: Arc<Semaphore>,
    pub(crate) bodies: Bodies,
    pub(crate) http_stats: HttpStats,
}

/// A log as it is read over HTTP, whether the node keeps it or follows it.
#[derive(Clone, Debug)]
pub(crate) struct LogView {
    pub(crate) reader: LogReader,
    /// Where what is published begins.
    pub(crate) minimum_index: TreeSize,
    /// Turns of simple peers that read the log.
    pub(crate) simple_turns: Arc<Semaphore>,
}

impl FromRef<Arc<Shared>> for LogView {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        Self {
            reader: shared.reader.clone(),
            minimum_index: shared.http.minimum_index,
            simple_turns: shared.simple_turns.clone(),
        }
    }
}

impl FromRef<Arc<Shared>> for NodeWitness {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        shared.witness.clone()
    }
}

/// Bounds of the HTTP interface.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HttpLimits {
    /// How long a receipt is waited for.
    pub(crate) receipt_timeout: Duration,
    /// How long it is waited for while the council has no quorum.
    pub(crate) no_quorum_timeout: Duration,
    /// Where what is published begins.
    pub(crate) minimum_index: TreeSize,
}

/// What the HTTP interface did.
#[derive(Debug, Default)]
pub(crate) struct HttpStats {
    pub(crate) accepted: std::sync::atomic::AtomicU64,
    pub(crate) refused: std::sync::atomic::AtomicU64,
    pub(crate) overloaded: std::sync::atomic::AtomicU64,
    pub(crate) timed_out: std::sync::atomic::AtomicU64,
    pub(crate) connections_refused: std::sync::atomic::AtomicU64,
}

impl Shared {
    /// The latest snapshot.
    pub(crate) fn detail(&self) -> Arc<Detail> {
        self.detail.borrow().clone()
    }
}
