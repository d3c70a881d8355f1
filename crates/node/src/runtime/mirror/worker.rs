//! The thread that keeps one mirrored log: carries out what its follower says, in order, and waits.

use std::{
    collections::VecDeque,
    sync::{Arc, mpsc},
    time::Duration,
};

use jurat_gossip::{
    FollowOutput, Follower, GetFailure, RequestId, StoredCheckpointError, Supplier, SyncTimes,
};
use jurat_log::{TileCoord, UnixMillis};
use jurat_store::{DiskError, MirrorDir, MirrorDirError, MirrorWriter, MirroredLog};
use tokio::runtime::Handle;
use tracing::{error, info, warn};

use super::{
    fetch::{Getter, Source, SourceError},
    state::LogShown,
};
use crate::runtime::clock::unix_millis;

/// The longest that a worker sleeps, so that a clock that is set forward is noticed.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// What wakes a worker.
#[derive(Debug)]
pub(super) enum Event {
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
        let mut follower = Follower::new(origin, policy, self.times, sources.len(), head)?;
        self.show(&follower)?;
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
                    Ok(Event::Stop) | Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(()),
                    Err(mpsc::RecvTimeoutError::Timeout) => continue,
                }
            };
            let mut outputs = VecDeque::from(outputs);
            let mut is_news = !follower.is_busy();
            while let Some(output) = outputs.pop_front() {
                is_news |= !matches!(output, FollowOutput::Get { .. } | FollowOutput::Store { .. });
                if let Some((request, content)) = self.carry_out(output, &sources, &mut writer)? {
                    let now = UnixMillis(unix_millis());
                    outputs.extend(follower.answered(request, Ok(content), now, rand::random()));
                    is_news |= !follower.is_busy();
                }
            }
            if is_news {
                self.show(&follower)?;
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
                self.tasks.spawn(async move {
                    let content = match sources.get(source) {
                        Some(source) => getter.get(source, &path, limit).await,
                        None => Ok(None),
                    };
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

    fn show(&self, follower: &Follower) -> Result<(), DiskError> {
        let mut shown = LogShown::new(self.log);
        shown.take(self.log, follower);
        shown.forks = self.dir.forks(self.log.origin())?.len();
        (self.show)(shown);
        Ok(())
    }
}
