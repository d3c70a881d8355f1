//! A node outside a council that follows its log: mirrors it, serves it as a member would, cosigns
//! what it verified as a witness, and passes submissions on to the council.
//!
//! Nothing that it says of the log rests on a source's word: the mirror verifies what it stores, the
//! copy is indexed from there, and a receipt that the council answers with is checked before it goes on.

mod copy;
mod council_nodes;
mod passing_on;
mod rules;

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use jurat_crypto::{Digest, NetworkId, Seed};
use jurat_log::{Origin, TreeSize};
use jurat_store::{DataDir, LogStore, MirroredLog, StdFs};
use tokio::sync::watch;
use tracing::info;

pub(crate) use council_nodes::CouncilNodes;
pub(crate) use rules::Rules;

use super::{
    Config, Listening, LogShown, MAX_MIRRORS, Outgoing, RunError, Status,
    http::{self, Bodies, HttpStats, LogView},
    listen, local_address,
    mirror::Mirrors,
    reach_proxy,
    receipts::Receipts,
    status::FollowingStatus,
    witness::{NodeWitness, WitnessedLog, follower_witness},
};
use crate::core::Member;
use copy::{Copy, keep_copying};

/// What request handlers of a follower share.
pub(crate) struct Following {
    name: String,
    origin: Origin,
    started: Instant,
    pub(crate) log: LogView,
    pub(crate) receipts: Receipts,
    pub(crate) rules: Rules,
    pub(crate) witness: NodeWitness,
    pub(crate) mirrors: Mirrors,
    pub(crate) council: CouncilNodes,
    pub(crate) bodies: Bodies,
    pub(crate) http_stats: HttpStats,
}

/// Runs a node that follows a log until `stop` changes. `ready` is called once it listens.
pub async fn run_follower(
    config: Config,
    seed: Seed,
    mut stop: watch::Receiver<bool>,
    ready: impl FnOnce(Listening),
) -> Result<(), RunError> {
    let outgoing = Outgoing::new(&config.outgoing, config.mirror.timeout())?;
    reach_proxy(&config.outgoing).await?;
    let mirrors = Mirrors::new(config.mirrors.clone(), &config.mirror, outgoing.clone());
    let log = followed(&config, &mirrors)?;
    let origin = log.origin().clone();
    let dir = open_data(&config, &origin, &seed)?;
    let http_listener = listen("HTTP", config.http.listen, "--http-listen").await?;
    let (store, _) = LogStore::open(&dir)?;
    let reader = store.reader();
    let rules = Rules::new(&log, &mirrors).map_err(RunError::Stopped)?;
    let witness = follower_witness(&origin, &config.name, &seed).map_err(RunError::Stopped)?;
    let witnessed = WitnessedLog::Followed(origin.clone(), rules.first_keys().into());
    let patience = Duration::from_secs(config.http.receipt_timeout.max(1));
    let following = Arc::new(Following {
        name: config.name.to_string(),
        origin,
        started: Instant::now(),
        receipts: Receipts::naming(reader.clone(), rules.cosigners().clone()),
        log: LogView {
            reader,
            minimum_index: TreeSize::new(config.http.minimum_index).unwrap_or(TreeSize::MAX),
            simple_turns: http::simple_turns(),
        },
        rules,
        witness: NodeWitness::new(witness, witnessed, config.witness.clone()),
        mirrors: mirrors.clone(),
        council: CouncilNodes::new(log.sources(), outgoing, patience),
        bodies: Bodies::default(),
        http_stats: HttpStats::default(),
    });
    let listening = Listening { http: local_address(&http_listener)?, peer: None };
    let (stop_tasks, stopped) = watch::channel(false);
    let news = mirrors.news();
    let mirror_task = tokio::spawn(mirrors.run(stopped.clone()));
    let copying = keep_copying(Copy::new(following.clone(), store)?, news, stopped.clone());
    let mut copy_task = tokio::spawn(copying);
    let (router, shared) = (http::follower_router(following.clone()), following.clone());
    let refused = move || {
        shared.http_stats.connections_refused.fetch_add(1, Ordering::Relaxed);
    };
    let max_connections = config.http.max_connections;
    let http_task = tokio::spawn(http::serve(http_listener, router, max_connections, refused, stopped));
    info!(name = %following.name, log = %following.origin, http = %listening.http, "follower runs");
    ready(listening);
    let copied = tokio::select! {
        _ = stop.changed() => None,
        copied = &mut copy_task => Some(copied),
    };
    let _ = stop_tasks.send(true);
    let _ = tokio::join!(mirror_task, http_task);
    let copied = match copied {
        Some(copied) => copied,
        None => copy_task.await,
    };
    info!("follower stopped");
    copied.map_err(|error| RunError::Stopped(error.to_string()))?.map_err(RunError::Stopped)
}

/// Checks a follower's files without starting it. Gives the followed log's origin.
pub fn check_follower(config: &Config) -> Result<String, RunError> {
    let outgoing = Outgoing::new(&config.outgoing, config.mirror.timeout())?;
    let mirrors = Mirrors::new(config.mirrors.clone(), &config.mirror, outgoing);
    let log = followed(config, &mirrors)?;
    Rules::new(&log, &mirrors).map_err(RunError::Stopped)?;
    Ok(log.origin().to_string())
}

/// The followed log, as it is mirrored.
fn followed(config: &Config, mirrors: &Mirrors) -> Result<MirroredLog, RunError> {
    let origin = config.followed()?.ok_or_else(|| RunError::Stopped("follow is not set".into()))?;
    let log = mirrors.added(&origin).map_err(|error| RunError::Stopped(error.to_string()))?;
    log.ok_or_else(|| {
        RunError::Stopped(format!(
            "the log {origin} is not among the {MAX_MIRRORS} that are mirrored at most: add it with 'jurat mirror add'"
        ))
    })
}

/// The index of the copy, which belongs to this node alone.
fn open_data(config: &Config, origin: &Origin, seed: &Seed) -> Result<DataDir, RunError> {
    // A follower of a log by a policy alone knows no genesis: the log's name stands for its network.
    let network = NetworkId(Digest::of(origin.as_str().as_bytes()));
    let own = Member::of_seed(config.name.clone(), origin, seed)
        .map_err(|error| RunError::Stopped(error.to_string()))?;
    Ok(DataDir::open_for(Arc::new(StdFs), &config.data, network, &own.link)?)
}

impl Following {
    /// How the followed log does.
    pub(crate) fn shown(&self) -> Option<LogShown> {
        self.mirrors.log(self.origin.as_str())
    }

    /// What must not be overlooked.
    pub(crate) fn alarms(&self) -> Vec<String> {
        let mut alarms = http::fork_alarms(&self.mirrors, &self.witness);
        alarms.extend(
            self.shown().and_then(|log| log.error).map(|error| format!("the log is not mirrored: {error}")),
        );
        alarms
    }

    /// The answer to `GET /status`. What only members have is 0 or empty.
    pub(crate) fn status(&self) -> Status {
        let head = self.log.reader.head();
        let shown = self.shown();
        let largest = shown.iter().flat_map(|log| &log.sources).filter_map(|source| source.log_size).max();
        let certified = self.log.reader.latest_checkpoint().ok().flatten();
        let following = FollowingStatus {
            lag: largest.map(|largest| largest.saturating_sub(head.size.value())),
            last_success: shown.as_ref().and_then(|log| log.last_success).map(crate::time::rfc3339),
            sources: shown.as_ref().map(|log| log.sources.clone()).unwrap_or_default(),
        };
        Status {
            name: self.name.clone(),
            origin: self.origin.to_string(),
            role: "follower".into(),
            log_size: head.size.value(),
            root: head.root.to_string(),
            certified_size: certified.map_or(0, |(size, _)| size.value()),
            epoch: shown.and_then(|log| log.epoch).unwrap_or(0),
            view: 0,
            changing_view: false,
            sequence: 0,
            stable_sequence: 0,
            high_watermark: 0,
            primary: String::new(),
            has_quorum: false,
            quorum: 0,
            waiting_entries: 0,
            waiting_for: Vec::new(),
            view_changes: 0,
            last_view_change: None,
            alarms: self.alarms(),
            following: Some(following),
            members: Vec::new(),
            uptime: self.started.elapsed().as_secs(),
            version: env!("CARGO_PKG_VERSION").into(),
        }
    }
}
