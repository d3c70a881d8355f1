//! A running node: sockets, disk, clocks and threads around the core.

mod bulletins;
mod checker;
mod clock;
mod commitments;
mod config;
mod driver;
mod evidence;
mod follower;
mod http;
mod journal_writer;
mod ledger;
mod link;
mod mirror;
mod mirror_server;
mod outgoing;
mod receipts;
mod registry_view;
mod search;
mod status;
mod subjects;
mod waiters;
mod witness;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, atomic::Ordering, mpsc as std_mpsc},
    time::Duration,
};

use jurat_crypto::KeyUse;
use jurat_store::{
    BulletinStoreError, DataDir, DataDirError, Journal, JournalError, LogError, LogStore, StdFs,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
};
use tracing::{info, warn};

pub(crate) use bulletins::{
    GateAnswer, GateJson, NoteJson, OutcomeJson, OwnerAnswer, socket as owner_socket,
};
pub use bulletins::{GateRequest, OwnerRequest};
pub(crate) use clock::unix_millis;
pub use config::{
    BulletinConfig, Config, ConfigError, HttpConfig, LogConfig, LogFormat, MailConfig, MirrorConfig,
    NodeFiles, OutgoingConfig, PeerConfig,
};
pub use follower::{check_follower, run_follower};
pub use journal_writer::{Job, JournalStats, Released, write_jobs};
pub use ledger::StoredLedger;
pub use mirror::SourceShown;
pub(crate) use mirror::{Getter, LogShown, MAX_MIRRORS, Peers as LogPeers, PeersError, Source, SourceError};
pub(crate) use mirror_server::{serve_mirrors, sync_mirrors};
pub(crate) use outgoing::{Dialer, Outgoing, TlsError, root_cause};
pub use receipts::{NoReceipt, ReceiptAnswer, Receipts};
pub use search::{Found, FoundAttestation, FoundSubject, MAX_SEARCH_RESULTS, Search, search};
pub use status::{FollowingStatus, MemberStatus, Status};
pub use subjects::{NoProof, ProvenSubject, prove};
pub(crate) use witness::{follower_witness, witness_named};

use crate::{
    codec,
    core::{Core, CouncilHistory, Keys, Limits, Record, RecoverError, Standing, State, StateError},
};
use commitments::Commitments;
use driver::{Back, Driver, Postman, Stopped, StoreJob};
use evidence::EvidenceKeeper;
use http::Shared;
use link::{LinkCounters, Links, Peers};

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
    /// The bulletins.
    #[error(transparent)]
    Bulletins(#[from] BulletinStoreError),
    /// The log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// A record of the journal passes its checksum, yet says nothing that this program wrote.
    #[error("the journal holds a record that this version can't read: {0}; start the version that wrote it")]
    Record(codec::DecodeError),
    /// The state beside the log likewise.
    #[error("the stored state can't be read: {0}; start the version that wrote it")]
    State(StateError),
    /// What is on disk contradicts itself.
    #[error(transparent)]
    Recover(#[from] RecoverError),
    /// The configuration does not fit the council.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Other servers can't be reached as the configuration says.
    #[error("{0}")]
    Outgoing(String),
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

impl From<TlsError> for RunError {
    fn from(error: TlsError) -> Self {
        Self::Outgoing(error.to_string())
    }
}

/// Where a running node listens.
#[derive(Debug, Clone, Copy)]
pub struct Listening {
    /// HTTP.
    pub http: SocketAddr,
    /// Links; a follower has none.
    pub peer: Option<SocketAddr>,
}

/// Runs a node until `stop` changes. `ready` is called once it listens.
pub async fn run(
    config: Config,
    files: NodeFiles,
    stop: watch::Receiver<bool>,
    ready: impl FnOnce(Listening),
) -> Result<(), RunError> {
    let clock = clock::Clock::start();
    let outgoing = Outgoing::new(&config.outgoing, config.mirror.timeout())?;
    let dialer = reach_proxy(&config.outgoing).await?;
    // Before anything on disk is touched: is it ours, and can we be reached at all?
    let dir = open_data(&config, &files)?;
    let links = config.links()?.clone();
    let peer_listener = listen("links", links.listen, "--peer-listen").await?;
    let http_listener = listen("HTTP", config.http.listen, "--http-listen").await?;
    let (core, journal) = recover(&dir, &config, &files, &clock)?;
    let NodeFiles { genesis, council: given, seed, member: own } = files;
    let own_key = seed.signing_key(KeyUse::Link).verifying_key();
    let peers = Arc::new(Peers::new(own_key, links.addresses, given, core.history()));
    let (events, event_queue) = mpsc::channel(EVENT_QUEUE);
    let (requests, request_queue) = mpsc::channel(EVENT_QUEUE);
    let (back, back_queue) = mpsc::unbounded_channel();
    let workers = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let (checker, checker_stats) =
        checker::Checker::start(workers, genesis.network(), peers.clone(), events.clone());
    let waiters = Arc::new(waiters::Waiters::default());
    let registry = Arc::new(registry_view::RegistryView::new(&core));
    let journal_stats = Arc::new(journal_writer::JournalStats::default());
    let postman = Postman { peers: peers.clone() };
    let owner = (own.name.to_string(), seed.signing_key(KeyUse::Link));
    let board = (genesis.rules(), config.bulletins.limits(), config.mail.from_anybody);
    let commitments = Commitments::new(core.ledger().reader().clone(), requests.clone());
    let (bulletins, bulletins_thread) =
        bulletins::Bulletins::start(&dir, board, owner, clock, peers.clone(), commitments, back.clone())?;
    // Such a path may have about a hundred bytes; a log is kept under a longer one all the same.
    let owner_listener = bulletins::listen(dir.path()).inspect_err(|error| {
        let path = owner_socket(dir.path());
        warn!(%error, path = %path.display(), "no socket for the node's owner, so no `jurat dm` and `jurat gate`");
    });
    let keeper = EvidenceKeeper::new(&dir);
    let evidence_stats = keeper.stats().clone();
    let DiskThreads { jobs, stored_later, journal_thread, store_thread } =
        start_disk_threads(journal, keeper, &postman, &back, journal_stats.clone())?;
    let (detail_sender, detail) = watch::channel(Arc::new(status::Detail::of(&core, &own.name, 0)));

    let (history_sender, history) = watch::channel(core.history().clone());
    let link_counters = Arc::new(LinkCounters::default());
    let reader = core.ledger().reader().clone();
    let mirrors = mirror::Mirrors::new(config.mirrors.clone(), &config.mirror, outgoing);
    let shared = Arc::new(Shared {
        witness: witness::NodeWitness::new(
            witness_named(own.cosign.name().clone(), &seed),
            witness::WitnessedLog::Own(genesis.origin().clone(), reader.clone()),
            config.witness.clone(),
        ),
        mirrors: mirrors.clone(),
        receipts: receipts::Receipts::new(reader.clone(), history.clone()),
        history,
        reader,
        requests,
        checker: checker.clone(),
        waiters: waiters.clone(),
        registry: registry.clone(),
        detail,
        checker_stats,
        journal_stats: journal_stats.clone(),
        evidence_stats,
        link_counters: link_counters.clone(),
        peers: peers.clone(),
        http: http::HttpLimits {
            receipt_timeout: Duration::from_secs(config.http.receipt_timeout),
            no_quorum_timeout: Duration::from_secs(config.http.no_quorum_timeout),
            minimum_index: jurat_log::TreeSize::new(config.http.minimum_index)
                .unwrap_or(jurat_log::TreeSize::MAX),
        },
        registry_turns: http::registry_turns(),
        simple_turns: http::simple_turns(),
        bulletins: bulletins.clone(),
        bulletin_turns: http::bulletin_turns(),
        bodies: http::Bodies::default(),
        http_stats: http::HttpStats::default(),
    });
    let links = Links::new(dialer, genesis.network(), seed, peers, link_counters, events, bulletins.clone());
    say_where_it_stands(&core);
    let driver = Driver {
        name: own.name.clone(),
        core,
        clock,
        events: event_queue,
        requests: request_queue,
        back: back_queue,
        journal: jobs,
        stored_later,
        journal_stats,
        postman,
        checker,
        waiters,
        registry,
        detail: detail_sender,
        history: history_sender,
    };

    let peer = local_address(&peer_listener)?;
    let listening = Listening { http: local_address(&http_listener)?, peer: Some(peer) };
    // The other tasks stop when the driver does, whatever the reason.
    let (stop_tasks, stopped) = watch::channel(false);
    let links_task = tokio::spawn(links.run(peer_listener, stopped.clone()));
    let (for_owner, owner_stop) = (bulletins.clone(), stopped.clone());
    let owner_task = tokio::spawn(async move {
        if let Ok(listener) = owner_listener {
            bulletins::serve(listener, for_owner, owner_stop).await;
        }
    });
    let mirror_task = tokio::spawn(mirrors.run(stopped.clone()));
    let (router, max_connections) = (http::router(shared.clone()), config.http.max_connections);
    let refused = move || {
        shared.http_stats.connections_refused.fetch_add(1, Ordering::Relaxed);
    };
    let http_task = tokio::spawn(http::serve(http_listener, router, max_connections, refused, stopped));
    info!(name = %own.name, http = %listening.http, %peer, "node runs");
    ready(listening);
    let outcome = Box::pin(driver.run(stop)).await;
    let _ = stop_tasks.send(true);
    // Ends the streams, too, for which connections would stay open.
    bulletins.stop();
    let _ = tokio::join!(links_task, http_task, mirror_task, owner_task);
    drop(back);
    for thread in [journal_thread, store_thread, bulletins_thread] {
        let _ = tokio::task::spawn_blocking(move || thread.join()).await;
    }
    info!("node stopped");
    outcome.map_err(|stopped| match stopped {
        Stopped::Halt(halt) => RunError::Stopped(halt.to_string()),
        Stopped::Disk(message) => RunError::Stopped(message),
    })
}

/// How long the proxy may take to answer at the start.
const PROXY_PATIENCE: Duration = Duration::from_secs(5);

/// How to reach others. A node that is to use a proxy and has none does not start.
async fn reach_proxy(config: &OutgoingConfig) -> Result<Dialer, RunError> {
    let dialer = Dialer::new(config.proxy);
    let checked = tokio::time::timeout(PROXY_PATIENCE, dialer.check()).await;
    let failed = |reason: String| {
        RunError::Outgoing(format!(
            "{reason}; start the proxy, or remove outgoing.proxy to connect without it"
        ))
    };
    match checked {
        Ok(checked) => checked.map_err(|error| failed(error.to_string()))?,
        Err(_) => {
            return Err(failed(format!("the proxy has not answered in {} s", PROXY_PATIENCE.as_secs())));
        }
    }
    Ok(dialer)
}

/// What a data directory holds when a node starts.
#[derive(Debug)]
pub struct OnDisk {
    /// The log.
    pub ledger: StoredLedger,
    /// What was stored with it, if anything was.
    pub state: Option<State>,
    /// The journal, ready to go on.
    pub journal: Journal,
    /// What is in it, oldest first.
    pub records: Vec<Record>,
}

impl OnDisk {
    /// Opens the log and the journal, and reads what [`Core::recover`] takes.
    pub fn read(dir: &DataDir) -> Result<Self, RunError> {
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
            bytes => Some(State::decode(bytes, store.snapshot()?.as_deref()).map_err(RunError::State)?),
        };
        Ok(Self { ledger: StoredLedger::new(store)?, state, journal: recovered.journal, records })
    }
}

/// Opens the data directory, which belongs to this node alone.
fn open_data(config: &Config, files: &NodeFiles) -> Result<DataDir, RunError> {
    let network = files.genesis.network();
    Ok(DataDir::open_for(Arc::new(StdFs), &config.data, network, &files.member.link)?)
}

/// What an operator should know of a node that is no member.
pub(crate) fn say_where_it_stands(core: &Core<StoredLedger>) {
    let epoch = core.history().council().epoch().0;
    match core.standing() {
        Standing::Member => info!(epoch, "member of the council"),
        Standing::Newcomer => info!(
            epoch,
            "not a member yet: waits for the council to execute the change that adds this node, and for a member to call"
        ),
        Standing::Former => warn!(epoch, "removed from the council: this node only serves what it has"),
    }
}

/// Brings the core to where it was.
fn recover(
    dir: &DataDir,
    config: &Config,
    files: &NodeFiles,
    clock: &clock::Clock,
) -> Result<(Core<StoredLedger>, Journal), RunError> {
    let OnDisk { ledger, state, journal, records } = OnDisk::read(dir)?;
    let limits = Limits::default();
    let last_batch = state.as_ref().map_or(0, |state| state.position.time);
    let behind = last_batch.saturating_sub(clock.now().wall.0);
    if behind > limits.max_clock_offset {
        return Err(RunError::ClockBehindLog { seconds: behind / 1000 });
    }
    let replayed = records.len();
    let keys = Keys { seed: files.seed.clone() };
    let genesis = files.genesis.clone();
    let core = Core::recover(genesis, limits, &keys, ledger, state, records, clock.now())?;
    let further = |given: &&CouncilHistory| given.steps().len() > core.history().steps().len();
    config.check_addresses(files.council.as_ref().filter(further).unwrap_or(core.history()))?;
    let size = core.view().head.0.value();
    info!(log_size = size, replayed, sequence = core.replica().executed().0, "recovered");
    Ok((core, journal))
}

/// The threads that write, and how to give them work.
struct DiskThreads {
    jobs: std_mpsc::Sender<journal_writer::Job>,
    stored_later: std_mpsc::Sender<StoreJob>,
    journal_thread: std::thread::JoinHandle<()>,
    store_thread: std::thread::JoinHandle<()>,
}

/// Starts the thread that writes the journal, and the one that stores the log and evidence behind it.
fn start_disk_threads(
    journal: Journal,
    keeper: EvidenceKeeper,
    postman: &Postman,
    back: &mpsc::UnboundedSender<Back>,
    stats: Arc<journal_writer::JournalStats>,
) -> Result<DiskThreads, RunError> {
    let (stored_later, queue) = std_mpsc::channel();
    let stored = back.clone();
    let store_thread = std::thread::Builder::new().name("store".into()).spawn(move || {
        while let Ok(job) = queue.recv() {
            match job {
                StoreJob::Flush(plan) => driver::write_flush(&stored, plan),
                StoreJob::Keep(accusation) => keeper.keep(&accusation),
            }
        }
    })?;
    let plans = stored_later.clone();
    let (release_back, failed_back, postman) = (back.clone(), back.clone(), postman.clone());
    let hooks = journal_writer::JournalHooks {
        release: Box::new(move |sealed| driver::release(&postman, &release_back, sealed)),
        flush: Box::new(move |plan| {
            let _ = plans.send(StoreJob::Flush(plan));
        }),
        failed: Box::new(move |message| {
            let _ = failed_back.send(Back::Failed(message));
        }),
        stats,
    };
    let (jobs, journal_thread) = journal_writer::spawn(journal, hooks)?;
    Ok(DiskThreads { jobs, stored_later, journal_thread, store_thread })
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

/// Checks a node's files without starting it: everything that `run` would read. Makes nothing; before
/// the first start there is no data to check.
pub fn check(config: &Config, files: &NodeFiles) -> Result<Option<PathBuf>, RunError> {
    let clock = clock::Clock::start();
    Outgoing::new(&config.outgoing, config.mirror.timeout())?;
    if !config.data.exists() {
        let first = CouncilHistory::new(files.genesis.clone()).map_err(RecoverError::from)?;
        config.check_addresses(files.council.as_ref().unwrap_or(&first))?;
        return Ok(None);
    }
    let dir = open_data(config, files)?;
    recover(&dir, config, files, &clock)?;
    Ok(Some(config.data.clone()))
}
