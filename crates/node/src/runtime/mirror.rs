//! Mirroring other logs: a thread for each, started and stopped as logs are added and removed.

mod council;
mod fetch;
mod peers;
mod state;
mod worker;

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use jurat_crypto::Digest;
use jurat_gossip::SyncTimes;
use jurat_log::{Origin, TileCoord};
use jurat_store::{DiskError, MirrorDir, MirroredLog, StdFs};
use tokio::{runtime::Handle, sync::watch, time::sleep};
use tracing::error;

pub(crate) use council::judge;
pub(crate) use fetch::{Getter, Source, SourceError};
pub(crate) use peers::{Peers, PeersError};
pub use state::SourceShown;
pub(crate) use state::{LogShown, MirrorsShown};
pub(crate) use worker::WorkerError;

use super::{config::MirrorConfig, outgoing::Outgoing};
use worker::{Event, Until, Worker};

/// How often it is looked whether logs were added or removed.
const LOOK: Duration = Duration::from_secs(1);
/// How long a log rests whose copy can't be written.
const REST: Duration = Duration::from_secs(30);
/// Logs that are mirrored at the same time; each has a thread.
pub(crate) const MAX_MIRRORS: usize = 64;

/// The mirrored logs of a process.
#[derive(Clone, Debug)]
pub(crate) struct Mirrors(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    dir: MirrorDir,
    times: SyncTimes,
    getter: Getter,
    shown: Mutex<BTreeMap<String, LogShown>>,
    /// Counts what is shown.
    news: watch::Sender<u64>,
}

/// A log that a thread works on.
struct Running {
    log: MirroredLog,
    stop: mpsc::Sender<Event>,
    thread: JoinHandle<()>,
    started: Instant,
    /// It was told to stop, and will.
    is_stopped: bool,
}

impl Mirrors {
    /// The logs in a directory. `outgoing` gets what is not on this machine.
    pub(crate) fn new(dir: PathBuf, config: &MirrorConfig, outgoing: Outgoing) -> Self {
        let interval = config.interval.max(1);
        let defaults = SyncTimes::default();
        let times = SyncTimes {
            after_success: interval,
            // Who asks often wants to know soon.
            after_failure: defaults.after_failure.min(interval),
            ceiling: defaults.ceiling,
        };
        Self(Arc::new(Inner {
            dir: MirrorDir::new(Arc::new(StdFs), dir),
            times,
            getter: Getter::new(outgoing, config.timeout()),
            shown: Mutex::default(),
            news: watch::Sender::new(0),
        }))
    }

    /// How all logs do, by origin.
    pub(crate) fn shown(&self) -> MirrorsShown {
        MirrorsShown { logs: self.lock().values().cloned().collect() }
    }

    /// How one log does.
    pub(crate) fn log(&self, origin: &str) -> Option<LogShown> {
        self.lock().get(origin).cloned()
    }

    /// Changes whenever there is something new to show.
    pub(crate) fn news(&self) -> watch::Receiver<u64> {
        self.0.news.subscribe()
    }

    /// A log with its policy and sources, as it was added; nothing if it is not mirrored.
    pub(crate) fn added(&self, origin: &Origin) -> Result<Option<MirroredLog>, DiskError> {
        let logs = self.0.dir.logs()?.into_iter().flatten();
        Ok(logs.into_iter().find(|log| log.origin() == origin))
    }

    /// Where submissions for a log go, if peers are named for that.
    pub(crate) fn takers(&self, log: &MirroredLog) -> Vec<String> {
        Peers { dir: &self.0.dir, log }.takers()
    }

    /// The last verified checkpoint of the log whose origin has this SHA-256 digest.
    pub(crate) fn checkpoint(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.0.dir.checkpoint(origin)
    }

    /// The history of the council whose log that is, if it is followed.
    pub(crate) fn council(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.0.dir.council(origin)
    }

    /// A tile or bundle of it.
    pub(crate) fn tile(&self, origin: &Digest, coord: TileCoord) -> Result<Option<Vec<u8>>, DiskError> {
        self.0.dir.tile(origin, coord)
    }

    /// Mirrors until `stop` changes.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        let mut running: BTreeMap<String, Running> = BTreeMap::new();
        loop {
            let (mirrors, tasks) = (self.clone(), Handle::current());
            let look = move || {
                mirrors.look(&mut running, &tasks);
                running
            };
            running = match tokio::task::spawn_blocking(look).await {
                Ok(running) => running,
                Err(error) => {
                    error!(%error, "mirroring ended");
                    return;
                }
            };
            tokio::select! {
                () = sleep(LOOK) => {}
                _ = stop.changed() => break,
            }
        }
        for log in running.values() {
            let _ = log.stop.send(Event::Stop);
        }
        let join = move || running.into_values().for_each(|log| drop(log.thread.join()));
        let _ = tokio::task::spawn_blocking(join).await;
    }

    /// Starts and stops threads, so that they are those of the logs that are mirrored now.
    fn look(&self, running: &mut BTreeMap<String, Running>, tasks: &Handle) {
        let logs = match self.0.dir.logs() {
            Ok(logs) => logs,
            Err(error) => return error!(%error, "the mirrored logs can't be listed"),
        };
        let logs: BTreeMap<String, MirroredLog> = logs
            .into_iter()
            .filter_map(Result::ok)
            .map(|log| (log.origin().to_string(), log))
            .take(MAX_MIRRORS)
            .collect();
        running.retain(|origin, log| {
            if !log.is_stopped && logs.get(origin) != Some(&log.log) {
                log.is_stopped = true;
                let _ = log.stop.send(Event::Stop);
            }
            // One that ended by itself has failed, and rests before it is tried again.
            !log.thread.is_finished() || !log.is_stopped && log.started.elapsed() < REST
        });
        self.lock().retain(|origin, _| logs.contains_key(origin));
        for (origin, log) in logs {
            if running.contains_key(&origin) {
                continue;
            }
            match self.start(log, tasks.clone()) {
                Ok(log) => {
                    running.insert(origin, log);
                }
                Err(error) => error!(%error, "can't start a thread for a mirrored log"),
            }
        }
    }

    fn start(&self, log: MirroredLog, tasks: Handle) -> io::Result<Running> {
        let (send, events) = mpsc::channel();
        let (mirrors, stop, of_thread) = (self.clone(), send.clone(), log.clone());
        let thread = thread::Builder::new()
            .name("mirror".into())
            .spawn(move || drop(mirrors.work(&of_thread, Until::Stopped, tasks, (send, events))))?;
        Ok(Running { log, stop, thread, started: Instant::now(), is_stopped: false })
    }

    /// One round for each log, one after the other; what came of it.
    pub(crate) fn sync_once(&self, tasks: &Handle) -> Result<Vec<LogShown>, DiskError> {
        let mut logs = Vec::new();
        for log in self.0.dir.logs()? {
            match log {
                Ok(log) => {
                    let _ = self.work(&log, Until::Once, tasks.clone(), mpsc::channel());
                    logs.extend(self.lock().get(log.origin().as_str()).cloned());
                }
                Err(error) => error!(%error, "a mirrored log can't be read"),
            }
        }
        Ok(logs)
    }

    fn work(
        &self,
        log: &MirroredLog,
        until: Until,
        tasks: Handle,
        (send, events): (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    ) -> Result<(), WorkerError> {
        let show = |shown: LogShown| {
            self.lock().insert(shown.origin.clone(), shown);
            self.0.news.send_modify(|count| *count += 1);
        };
        let (times, getter) = (self.0.times, self.0.getter.clone());
        let worker = Worker { dir: &self.0.dir, log, times, getter, tasks, send, events, show: &show };
        worker.run(until).inspect_err(|failure| {
            error!(log = %log.origin(), error = %failure, "a log can't be mirrored");
            let mut shown = self.lock();
            let shown = shown.entry(log.origin().to_string()).or_insert_with(|| LogShown::new(log));
            shown.error = Some(failure.to_string());
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, LogShown>> {
        self.0.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
