//! Following a log from several sources that are not trusted: nothing is stored that a checkpoint
//! accepted by the policy does not cover, and no checkpoint that does not extend the last one.
//!
//! A round asks each source that is due for its checkpoint. One as large as ours must have our root.
//! A smaller one must be part of our tree, which is read from what is stored. The largest one is
//! followed: first its tiles must show that our tree is part of it, then tiles and entries are got
//! from whoever has them, several at once, each verified by itself and stored; the checkpoint comes
//! last. A source that fails is left out for the rest of the round, and the others go on. Tiles that
//! a round which was cut off has left are read before any source is asked, and verified again.

mod job;

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec::Vec,
};

use jurat_log::{Checkpoint, EMPTY_ROOT, ForkEvidence, MAX_NOTE_BYTES, Note, Origin, TreeSize, UnixMillis};

use crate::{
    FollowCounts, FollowOutput, GetFailure, Judge, MAX_FOLLOWED_SOURCES, Peer, RequestId, SourceFailure,
    SourceState, Supplier, SyncTimes,
    followed_source::{FollowedSource, Offer, Standing},
};
use job::{Job, Run};

const CHECKPOINT: &str = "checkpoint";

/// Follows one log. Wake it when it says so, carry out what it says in order, and answer its
/// requests.
#[derive(Debug)]
pub struct Follower {
    origin: Origin,
    judge: Box<dyn Judge>,
    times: SyncTimes,
    /// What was published last.
    head: Option<Offer>,
    sources: Vec<FollowedSource>,
    job: Option<Job>,
    requests: BTreeMap<RequestId, Request>,
    next_request: u64,
    counts: FollowCounts,
}

/// The stored checkpoint is not one of the log that is to be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoredCheckpointError {
    /// It can't be read.
    #[error("the stored checkpoint can't be read: {0}")]
    Unreadable(String),
    /// It is of another log.
    #[error("the stored checkpoint is of the log {0}")]
    Origin(Origin),
}

#[derive(Debug)]
struct Request {
    from: Supplier,
    /// Nothing for the source's checkpoint.
    path: Option<String>,
}

/// One call: the time, and what it leads to.
struct Turn {
    now: UnixMillis,
    jitter: u16,
    outputs: Vec<FollowOutput>,
}

impl Follower {
    /// Follows the log of this name from so many sources. `judge` says which checkpoints count, and is
    /// a policy as a rule. `head` is what was published last.
    pub fn new(
        origin: Origin,
        judge: impl Judge + 'static,
        times: SyncTimes,
        sources: usize,
        head: Option<Note>,
    ) -> Result<Self, StoredCheckpointError> {
        let unreadable =
            |error: jurat_log::CheckpointError| StoredCheckpointError::Unreadable(error.to_string());
        let head = match head {
            None => None,
            Some(note) => {
                let checkpoint = Checkpoint::parse(note.text()).map_err(unreadable)?;
                if *checkpoint.origin() != origin {
                    return Err(StoredCheckpointError::Origin(checkpoint.origin().clone()));
                }
                Some(Offer { note, checkpoint })
            }
        };
        Ok(Self {
            origin,
            judge: Box::new(judge),
            times,
            head,
            sources: (0..sources.min(MAX_FOLLOWED_SOURCES)).map(|_| FollowedSource::new()).collect(),
            job: None,
            requests: BTreeMap::new(),
            next_request: 0,
            counts: FollowCounts::default(),
        })
    }

    /// Takes up what is known of a source from before: one that was turned off is not asked, and one
    /// that rests has its rest, of an hour at most beyond the times of this follower.
    pub fn remember(&mut self, source: usize, peer: &Peer, now: UnixMillis) {
        if let Some(source) = self.sources.get_mut(source) {
            source.remember(peer, self.times, now);
        }
    }

    /// The checkpoint that was published last.
    #[must_use]
    pub fn head(&self) -> Option<&Checkpoint> {
        self.head.as_ref().map(|head| &head.checkpoint)
    }

    fn size(&self) -> TreeSize {
        self.head().map_or(TreeSize::EMPTY, Checkpoint::size)
    }

    /// The sources, in their order.
    pub fn sources(&self) -> impl Iterator<Item = &SourceState> {
        self.sources.iter().map(|source| &source.state)
    }

    /// What has happened.
    #[must_use]
    pub const fn counts(&self) -> &FollowCounts {
        &self.counts
    }

    /// Whether a round is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        let waits =
            |source: &FollowedSource| matches!(source.standing, Standing::Asked | Standing::Offers(_));
        self.job.is_some() || self.sources.iter().any(waits)
    }

    /// When to [wake](Self::wake) it. `None` while a round is under way, which answers carry on, and
    /// when no source is left to be asked.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixMillis> {
        let usable = self.sources.iter().filter(|source| !source.state.forked && !self.is_busy());
        usable.map(|source| source.state.due.unwrap_or(UnixMillis(0))).min()
    }

    /// Begins a round if a source is due. Sources that did well the last time join in a little
    /// before their time, so that they can share the work. `jitter` is drawn evenly from 0 to 65 535.
    #[must_use = "these are carried out by the caller"]
    pub fn wake(&mut self, now: UnixMillis, jitter: u16) -> Vec<FollowOutput> {
        let mut turn = Turn { now, jitter, outputs: Vec::new() };
        if self.next_wakeup().is_some_and(|due| due <= now) {
            for index in 0..self.sources.len() {
                let source = &mut self.sources[index];
                if !source.state.forked
                    && (source.state.failures == 0 || source.state.due.is_none_or(|due| due <= now))
                {
                    source.standing = Standing::Asked;
                    self.get(Supplier::Source(index), None, MAX_NOTE_BYTES, &mut turn);
                }
            }
        }
        turn.outputs
    }

    /// Takes the answer to a request: the resource, or nothing if the supplier does not have it.
    /// Answers to requests that nobody waits for any more change nothing.
    #[must_use = "these are carried out by the caller"]
    pub fn answered(
        &mut self,
        request: RequestId,
        content: Result<Option<Vec<u8>>, GetFailure>,
        now: UnixMillis,
        jitter: u16,
    ) -> Vec<FollowOutput> {
        let mut turn = Turn { now, jitter, outputs: Vec::new() };
        let Some(Request { from, path }) = self.requests.remove(&request) else { return turn.outputs };
        if let (Supplier::Source(_), Ok(Some(bytes))) = (from, &content) {
            self.counts.bytes += bytes.len() as u64;
        }
        match (from, path, content) {
            (Supplier::Source(source), _, Err(GetFailure { error, retry_after })) => {
                self.fail(source, SourceFailure::Unreachable, error, retry_after, &mut turn);
                if let Some(job) = &mut self.job {
                    job.ask_again();
                }
            }
            (Supplier::Source(source), None, Ok(content)) => match self.read_checkpoint(content.as_deref()) {
                Ok(offer) => self.offered(source, offer, &mut turn),
                Err(error) => self.fail(source, SourceFailure::Checkpoint, error, 0, &mut turn),
            },
            (from, Some(path), content) => {
                if let Some(job) = &mut self.job {
                    job.take(from, path, content.ok().flatten());
                }
            }
            (Supplier::Stored, None, _) => {}
        }
        self.go_on(&mut turn);
        turn.outputs
    }

    fn get(&mut self, from: Supplier, path: Option<String>, limit: usize, turn: &mut Turn) {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        let name = path.clone().unwrap_or_else(|| CHECKPOINT.into());
        turn.outputs.push(FollowOutput::Get { request, from, path: name, limit });
        self.requests.insert(request, Request { from, path });
    }

    fn read_checkpoint(&self, bytes: Option<&[u8]>) -> Result<Offer, String> {
        let bytes = bytes.ok_or("there is no checkpoint")?;
        let note = Note::parse(bytes).map_err(|error| error.to_string())?;
        let checkpoint = self.judge.judge(&note)?;
        if *checkpoint.origin() != self.origin {
            return Err(format!("the checkpoint is of the log {}", checkpoint.origin()));
        }
        if checkpoint.size() == TreeSize::EMPTY && *checkpoint.root() != EMPTY_ROOT {
            return Err("the root of an empty log is the hash of the empty string".into());
        }
        Ok(Offer { note, checkpoint })
    }

    /// Two sources whose checkpoints contradict each other: which is right can't be told, so neither
    /// is followed.
    fn offered(&mut self, source: usize, offer: Offer, turn: &mut Turn) {
        let (size, root) = (offer.checkpoint.size(), *offer.checkpoint.root());
        let contradicts = |other: &FollowedSource| {
            let theirs = other.offer()?;
            let is_other = theirs.checkpoint.size() == size && *theirs.checkpoint.root() != root;
            is_other.then(|| theirs.note.clone())
        };
        let other = self.sources.iter().enumerate().find_map(|(at, other)| Some((at, contradicts(other)?)));
        self.sources[source].state.size = Some(size);
        let note = offer.note.clone();
        self.sources[source].standing = Standing::Offers(offer);
        if let Some((at, theirs)) = other {
            let evidence = ForkEvidence::same_size(note, theirs).map_err(|error| error.to_string());
            self.forked(source, evidence.clone(), turn);
            self.forked(at, evidence, turn);
        }
    }

    /// Works on whatever can be worked on, and ends the round when nothing is left.
    fn go_on(&mut self, turn: &mut Turn) {
        loop {
            self.compare_equals(turn);
            let current = self.job.take();
            let Some(mut job) = current.or_else(|| Job::next(self.head(), &self.sources)) else { break };
            match self.run(&mut job, turn) {
                Run::Waits => {
                    self.job = Some(job);
                    break;
                }
                Run::Over => self.requests.retain(|_, request| request.path.is_none()),
            }
        }
        if !self.is_busy() {
            for source in &mut self.sources {
                source.standing = Standing::Done;
            }
            self.counts.rounds += 1;
        }
    }

    /// Checkpoints as large as ours, which need no proof.
    fn compare_equals(&mut self, turn: &mut Turn) {
        let Some(head) = self.head.clone() else { return };
        for index in 0..self.sources.len() {
            let Some(offer) = self.sources[index].offer() else { continue };
            if offer.checkpoint.size() != head.checkpoint.size() {
                continue;
            }
            if offer.checkpoint.root() == head.checkpoint.root() {
                self.in_step(index, turn);
            } else {
                let evidence = ForkEvidence::same_size(head.note.clone(), offer.note.clone());
                self.forked(index, evidence.map_err(|error| error.to_string()), turn);
            }
        }
    }

    fn in_step(&mut self, source: usize, turn: &Turn) {
        let size = self.sources[source].has().unwrap_or_default();
        self.sources[source].succeeded(size, self.times, turn.now, turn.jitter);
    }

    fn fail(
        &mut self,
        source: usize,
        failure: SourceFailure,
        error: String,
        retry_after: u64,
        turn: &mut Turn,
    ) {
        // Of several requests that fail, one counts.
        if self.sources[source].standing == Standing::Done {
            return;
        }
        self.counts.failures[failure as usize] += 1;
        self.sources[source].failed(error.clone(), retry_after, self.times, turn.now, turn.jitter);
        turn.outputs.push(FollowOutput::SourceFailed { source, failure, error });
    }

    fn forked(&mut self, source: usize, evidence: Result<ForkEvidence, String>, turn: &mut Turn) {
        match evidence {
            Ok(evidence) => {
                self.sources[source].state.forked = true;
                let error = "the log has another history there".to_string();
                self.fail(source, SourceFailure::Fork, error, 0, turn);
                turn.outputs.push(FollowOutput::Fork { source, evidence: Box::new(evidence) });
            }
            Err(error) => self.fail(source, SourceFailure::Wrong, error, 0, turn),
        }
    }
}
