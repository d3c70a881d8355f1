//! The thread that keeps one mirrored log: carries out what its follower says, in order, and waits.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    time::Duration,
};

use jurat_gossip::{
    Bucket, FollowOutput, Follower, GetFailure, PeerKey, PeerStore, RequestId, StoredCheckpointError,
    Supplier, SyncTimes,
};
use jurat_log::{TileCoord, UnixMillis};
use jurat_store::{DiskError, MirrorDir, MirrorDirError, MirrorWriter, MirroredLog};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::{
    council::FollowedCouncil,
    fetch::{Getter, Source, SourceError},
    peers::{Peers, Written},
    state::LogShown,
};
use crate::{
    core::{CouncilHistory, HistoryError},
    runtime::clock::unix_millis,
};

/// The longest that a worker sleeps, so that a clock that is set forward is noticed.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// Where a source shows its checkpoint.
const CHECKPOINT: &str = "checkpoint";

/// What wakes a worker.
#[derive(Debug)]
pub(super) enum Event {
    /// A verified history of the council that is longer than the known one.
    Council(Box<CouncilHistory>),
    Answer(RequestId, Result<Option<Vec<u8>>, GetFailure>),
    Stop,
}

/// Why a log is not mirrored at the moment.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error(transparent)]
    Dir(#[from] MirrorDirError),
    #[error("{0}; remove the log's directory to mirror it anew")]
    Checkpoint(#[from] StoredCheckpointError),
    #[error(transparent)]
    Source(#[from] SourceError),
    #[error("the stored history of the council does not hold: {0}; add the log again with --council")]
    Council(#[from] HistoryError),
    #[error("the history of the council is gone; add the log again with --council")]
    NoCouncil,
}

impl From<DiskError> for WorkerError {
    fn from(error: DiskError) -> Self {
        Self::Dir(error.into())
    }
}

/// How long a worker goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Until {
    Stopped,
    /// The end of the first round.
    Once,
}

/// The answer to a request for what is stored here.
type Stored = (RequestId, Option<Vec<u8>>);

pub(super) struct Worker<'a> {
    pub(super) dir: &'a MirrorDir,
    pub(super) log: &'a MirroredLog,
    pub(super) times: SyncTimes,
    pub(super) getter: Getter,
    pub(super) tasks: Handle,
    pub(super) send: mpsc::Sender<Event>,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) show: &'a dyn Fn(LogShown),
}

impl Worker<'_> {
    /// Mirrors the log. An error is the own disk's; everything that sources do is told of and goes on.
    pub(super) fn run(&self, until: Until) -> Result<(), WorkerError> {
        let sources = self.log.sources().iter().map(|source| Source::new(source));
        let sources: Arc<[Source]> = sources.collect::<Result<_, _>>()?;
        let mut writer = self.dir.open(self.log.origin())?;
        let (origin, policy) = (self.log.origin().clone(), self.log.policy().clone());
        let head = writer.checkpoint()?;
        let (times, count) = (self.times, sources.len());
        let council = self.council(&writer)?;
        let mut follower = match &council {
            Some(council) => Follower::new(origin, council.clone(), times, count, head)?,
            None => Follower::new(origin, policy, times, count, head)?,
        };
        let peers = Peers { dir: self.dir, log: self.log };
        match peers.read() {
            Ok(known) => self.remember(&known, &mut follower),
            Err(failure) => {
                error!(log = %self.log.origin(), error = %failure, "the peers of a log can't be read");
            }
        }
        let mut written = Written::before(follower.sources());
        self.show(&follower, council.as_ref())?;
        loop {
            let now = UnixMillis(unix_millis());
            let due = follower.next_wakeup();
            let outputs = if due.is_some_and(|due| due <= now) {
                follower.wake(now, rand::random())
            } else {
                let wait = due.map_or(LONGEST_SLEEP, |due| Duration::from_millis(due.0 - now.0));
                match self.events.recv_timeout(wait.min(LONGEST_SLEEP)) {
                    Ok(Event::Answer(request, content)) => {
                        follower.answered(request, content, UnixMillis(unix_millis()), rand::random())
                    }
                    Ok(Event::Council(history)) => {
                        let (Some(council), epoch) = (&council, history.epoch()) else { continue };
                        writer.put_council(history.to_json().as_bytes())?;
                        council.take(*history);
                        info!(log = %self.log.origin(), epoch = epoch.0, "the council of a mirrored log has changed");
                        continue;
                    }
                    Ok(Event::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(mpsc::RecvTimeoutError::Timeout) => continue,
                }
            };
            let mut outputs = VecDeque::from(outputs);
            let mut is_news = !follower.is_busy();
            while let Some(output) = outputs.pop_front() {
                is_news |= !matches!(output, FollowOutput::Get { .. } | FollowOutput::Store { .. });
                if let Some((request, content)) =
                    self.carry_out(output, &sources, council.as_ref(), &mut writer)?
                {
                    let now = UnixMillis(unix_millis());
                    outputs.extend(follower.answered(request, Ok(content), now, rand::random()));
                    is_news |= !follower.is_busy();
                }
            }
            if is_news {
                self.show(&follower, council.as_ref())?;
                // What can't be written now is written with the next news.
                if let Err(failure) = written.update(peers, follower.sources()) {
                    warn!(log = %self.log.origin(), error = %failure, "how the sources fare can't be written");
                }
            }
            if until == Until::Once && !follower.is_busy() {
                return Ok(());
            }
        }
    }

    fn carry_out(
        &self,
        output: FollowOutput,
        sources: &Arc<[Source]>,
        council: Option<&FollowedCouncil>,
        writer: &mut MirrorWriter,
    ) -> Result<Option<Stored>, DiskError> {
        let log = self.log.origin();
        let named = |source: usize| self.log.sources().get(source).map_or("", String::as_str);
        match output {
            FollowOutput::Get { request, from: Supplier::Stored, path, .. } => {
                let stored = path.parse::<TileCoord>().ok().map(|coord| writer.tile(coord)).transpose()?;
                return Ok(Some((request, stored.flatten())));
            }
            FollowOutput::Get { request, from: Supplier::Source(source), path, limit } => {
                let (getter, sources, send) = (self.getter.clone(), sources.clone(), self.send.clone());
                let council = council.filter(|_| path == CHECKPOINT).cloned();
                self.tasks.spawn(async move {
                    let mut content = match sources.get(source) {
                        Some(source) => getter.get(source, &path, limit).await,
                        None => Ok(None),
                    };
                    if let (Some(council), Some(source), Ok(Some(checkpoint))) =
                        (council, sources.get(source), &content)
                    {
                        match council.ask(&getter, source, checkpoint).await {
                            Ok(None) => {}
                            // Before the checkpoint that needs it.
                            Ok(Some(history)) => drop(send.send(Event::Council(Box::new(history)))),
                            Err(error) => content = Err(GetFailure { error, retry_after: 0 }),
                        }
                    }
                    // A worker that has stopped does not need it.
                    let _ = send.send(Event::Answer(request, content));
                });
            }
            FollowOutput::Store { coord, bytes } => writer.put(coord, &bytes)?,
            FollowOutput::Publish { note, old, new } => {
                writer.publish(&note, old, new)?;
                info!(%log, %old, %new, "mirrored");
            }
            FollowOutput::Fork { source, evidence } => {
                let path = writer.keep_fork(evidence.to_string().as_bytes())?;
                let source = named(source);
                error!(%log, source, ?path, "a mirrored log has forked: 'jurat evidence verify' shows who signed both histories");
            }
            FollowOutput::SourceFailed { source, failure, error } => {
                warn!(%log, source = named(source), failure = failure.word(), error, "a source of a mirrored log failed");
            }
            FollowOutput::Damaged { error } => {
                error!(%log, error, "the copy of a log is damaged: remove its directory to mirror it anew");
            }
        }
        Ok(None)
    }

    /// How the sources fared before the start: who rests goes on resting, and who was turned off is not
    /// asked.
    fn remember(&self, known: &PeerStore, follower: &mut Follower) {
        for (place, source) in self.log.sources().iter().enumerate() {
            let key = source.parse().ok().map(|address| PeerKey { bucket: Bucket::Sync, address });
            if let Some(peer) = key.and_then(|key| known.peer(&key)) {
                follower.remember(place, peer, UnixMillis(unix_millis()));
            }
        }
    }

    /// The council that is followed, if one is.
    fn council(&self, writer: &MirrorWriter) -> Result<Option<FollowedCouncil>, WorkerError> {
        if !self.log.follows_council() {
            return Ok(None);
        }
        let history = writer.council()?.ok_or(WorkerError::NoCouncil)?;
        Ok(Some(FollowedCouncil::new(CouncilHistory::from_json(&history)?)))
    }

    fn show(&self, follower: &Follower, council: Option<&FollowedCouncil>) -> Result<(), DiskError> {
        let mut shown = LogShown::new(self.log);
        shown.epoch = council.map(|council| council.known().epoch().0);
        shown.take(self.log, follower);
        shown.forks = self.dir.forks(self.log.origin())?.len();
        shown.damaged_peers = self.dir.damaged_peers(self.log.origin())?.len();
        (self.show)(shown);
        Ok(())
    }
}
