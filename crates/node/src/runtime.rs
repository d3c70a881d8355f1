//! A running node: sockets, disk, clocks and threads around the core.

mod checker;
mod clock;
mod config;
mod driver;
mod http;
mod journal_writer;
mod ledger;
mod link;
mod receipts;
mod status;
mod waiters;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, mpsc as std_mpsc},
    time::Duration,
};

use jurat_pbft::ReplicaId;
use jurat_store::{DataDir, DataDirError, Journal, JournalError, LogError, LogStore, StdFs};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tracing::{info, warn};

pub use config::{Config, ConfigError, HttpConfig, LogConfig, LogFormat, NodeFiles, PeerConfig};
pub use status::{MemberStatus, Status};

use crate::{
    codec,
    core::{Core, Keys, Limits, Record, RecoverError, State},
};
use driver::{Back, Driver, Postman, Stopped};
use http::Shared;
use link::{LinkCounters, Links, LinksConfig, Outbox};

/// Events that may wait for the driver. Beyond that, links are not read and clients wait.
const EVENT_QUEUE: usize = 4096;

/// Why a node did not start, or stopped by itself.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The journal.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record of the journal passes its checksum, yet says nothing that this program wrote.
    #[error("the journal holds a record that this version can't read: {0}; start the version that wrote it")]
    Record(codec::DecodeError),
    /// The state beside the log likewise.
    #[error("the stored state can't be read: {0}; start the version that wrote it")]
    State(codec::DecodeError),
    /// What is on disk contradicts itself, or the key is not a member's.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// An address can't be listened on.
    #[error("can't listen for {what} on {address}: {error}; free the port, or set {flag}")]
    Listen {
        /// For what.
        what: &'static str,
        /// Where.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
        /// The flag that changes it.
        flag: &'static str,
    },
    /// The clock is behind what was ordered.
    #[error(
        "this machine's clock is {seconds} s behind the last batch in the log: set it (for example with NTP) and start again"
    )]
    ClockBehindLog {
        /// By how much.
        seconds: u64,
    },
    /// A thread can't be started.
    #[error("can't start a thread: {0}")]
    Thread(#[from] std::io::Error),
    /// The node stopped itself.
    #[error("{0}")]
    Stopped(String),
}

/// Where a running node listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// HTTP.
    pub http: SocketAddr,
    /// Links.
    pub peer: SocketAddr,
}

/// Runs a node until `stop` changes. `ready` is called once it listens.
pub async fn run(
    config: Config,
    files: NodeFiles,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(Listening),
) -> Result<(), RunError> {
    let clock = clock::Clock::start();
    let NodeFiles { genesis, seed } = files;
    // Before anything on disk is touched: is it ours, and can we be reached at all?
    let dir = DataDir::open(Arc::new(StdFs), &config.data, genesis.network())?;
    let peer_listener = listen("links", config.peer.listen, "--peer-listen").await?;
    let http_listener = listen("HTTP", config.http.listen, "--http-listen").await?;
    let (core, journal) = recover(&dir, &genesis, &seed, &clock)?;
    let me = core.replica().id();

    let peers: Vec<ReplicaId> = core.replica().council().members().filter(|id| *id != me).collect();
    let outboxes: BTreeMap<ReplicaId, Arc<Outbox>> = peers.iter().map(|id| (*id, Arc::default())).collect();
    let (events, event_queue) = mpsc::channel(EVENT_QUEUE);
    let (requests, request_queue) = mpsc::channel(EVENT_QUEUE);
    let (back, back_queue) = mpsc::unbounded_channel();
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (checker, checker_stats) = checker::Checker::start(workers, peers.iter().copied(), events.clone());
    let waiters = Arc::new(waiters::Waiters::default());
    let journal_stats = Arc::new(journal_writer::JournalStats::default());
    let postman = Postman { outboxes: Arc::new(outboxes.clone()) };
    let (jobs, journal_thread, store_thread) =
        start_disk_threads(journal, &postman, &back, journal_stats.clone())?;
    let (detail_sender, detail) = watch::channel(Arc::new(status::Detail::of(&core, 0)));

    let name = |id: ReplicaId| genesis.member(id).map_or_else(String::new, |member| member.name.to_string());
    let link_counters = Arc::new(LinkCounters::default());
    let reader = core.ledger().reader().clone();
    let shared = Arc::new(Shared {
        receipts: receipts::Receipts::new(reader.clone(), genesis.clone()),
        reader,
        requests,
        checker: checker.clone(),
        waiters: waiters.clone(),
        detail,
        checker_stats,
        journal_stats: journal_stats.clone(),
        link_counters: link_counters.clone(),
        outboxes: outboxes.iter().map(|(id, outbox)| (name(*id), outbox.clone())).collect(),
        http: http::HttpLimits {
            max_connections: config.http.max_connections,
            receipt_timeout: Duration::from_secs(config.http.receipt_timeout),
            no_quorum_timeout: Duration::from_secs(config.http.no_quorum_timeout),
        },
        body_room: http::body_room(),
        http_stats: http::HttpStats::default(),
    });
    let addresses = peers.iter().filter_map(|id| Some((*id, config.peer.addresses.get(&name(*id))?.clone())));
    let links_config = LinksConfig { addresses: addresses.collect(), genesis: genesis.clone(), me, seed };
    let links = Links::new(links_config, link_counters, outboxes, events);
    let driver = Driver {
        core,
        clock,
        events: event_queue,
        requests: request_queue,
        back: back_queue,
        journal: jobs,
        journal_stats,
        postman,
        checker,
        waiters,
        detail: detail_sender,
    };

    let listening = Listening { http: local_address(&http_listener)?, peer: local_address(&peer_listener)? };
    // The other tasks stop when the driver does, whatever the reason.
    let (stop_tasks, stopped) = watch::channel(false);
    let links_task = tokio::spawn(links.run(peer_listener, stopped.clone()));
    let http_task = tokio::spawn(http::serve(http_listener, shared, stopped));
    info!(name = name(me), http = %listening.http, peer = %listening.peer, "node runs");
    ready(listening);
    let outcome = driver.run(stop).await;
    let _ = stop_tasks.send(true);
    let _ = tokio::join!(links_task, http_task);
    drop(back);
    for thread in [journal_thread, store_thread] {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    info!("node stopped");
    outcome.map_err(|stopped| match stopped {
        Stopped::Halt(halt) => RunError::Stopped(halt.to_string()),
        Stopped::Disk(message) => RunError::Stopped(message),
    })
}

/// Brings the core to where it was.
fn recover(
    dir: &DataDir,
    genesis: &crate::core::Genesis,
    seed: &jurat_crypto::Seed,
    clock: &clock::Clock,
) -> Result<(Core<ledger::StoredLedger>, Journal), RunError> {
    let (store, state) = LogStore::open(dir)?;
    // What is stored was in a journal first.
    let recovered = if state.is_empty() { Journal::open(dir) } else { Journal::open_existing(dir) }?;
    if let Some(torn) = &recovered.torn_tail {
        // Never synced, so nobody was told of it.
        warn!(path = %torn.path.display(), offset = torn.offset, "dropped an unfinished write at the journal's end");
    }
    let records = recovered.records.iter().map(|bytes| codec::decode::<Record>(bytes));
    let records = records.collect::<Result<Vec<_>, _>>().map_err(RunError::Record)?;
    let state: Option<State> = match &*state {
        [] => None,
        bytes => Some(codec::decode(bytes).map_err(RunError::State)?),
    };
    let limits = Limits::default();
    let last_batch = state.as_ref().map_or(0, |state| state.time);
    let behind = last_batch.saturating_sub(clock.now().wall.0);
    if behind > limits.max_clock_offset {
        return Err(RunError::ClockBehindLog { seconds: behind / 1000 });
    }
    let ledger = ledger::StoredLedger::new(store)?;
    let replayed = records.len();
    let core = Core::recover(genesis.clone(), limits, &Keys { seed: seed.clone() }, ledger, state, records)?;
    let size = core.view().head.0.value();
    info!(log_size = size, replayed, sequence = core.replica().executed().0, "recovered");
    Ok((core, recovered.journal))
}

type Threads =
    (std_mpsc::Sender<journal_writer::Job>, std::thread::JoinHandle<()>, std::thread::JoinHandle<()>);

/// Starts the thread that writes the journal and the one that stores the log behind it.
fn start_disk_threads(
    journal: Journal,
    postman: &Postman,
    back: &mpsc::UnboundedSender<Back>,
    stats: Arc<journal_writer::JournalStats>,
) -> Result<Threads, RunError> {
    let (plans, plan_queue) = std_mpsc::channel();
    let stored = back.clone();
    let store_thread = std::thread::Builder::new().name("store".into()).spawn(move || {
        while let Ok(plan) = plan_queue.recv() {
            driver::write_flush(&stored, plan);
        }
    })?;
    let (release_back, failed_back, postman) = (back.clone(), back.clone(), postman.clone());
    let hooks = journal_writer::JournalHooks {
        release: Box::new(move |sealed| driver::release(&postman, &release_back, sealed)),
        flush: Box::new(move |plan| {
            let _ = plans.send(plan);
        }),
        failed: Box::new(move |message| {
            let _ = failed_back.send(Back::Failed(message));
        }),
        stats,
    };
    let (jobs, journal_thread) = journal_writer::spawn(journal, hooks)?;
    Ok((jobs, journal_thread, store_thread))
}

async fn listen(
    what: &'static str,
    address: SocketAddr,
    flag: &'static str,
) -> Result<TcpListener, RunError> {
    TcpListener::bind(address).await.map_err(|error| RunError::Listen { what, address, error, flag })
}

fn local_address(listener: &TcpListener) -> Result<SocketAddr, RunError> {
    Ok(listener.local_addr()?)
}

/// Checks a node's files without starting it: everything that `run` would read.
pub fn check(config: &Config, files: &NodeFiles) -> Result<PathBuf, RunError> {
    let clock = clock::Clock::start();
    let dir = DataDir::open(Arc::new(StdFs), &config.data, files.genesis.network())?;
    recover(&dir, &files.genesis, &files.seed, &clock)?;
    Ok(config.data.clone())
}
