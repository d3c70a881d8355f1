//! What a follower works on, one thing after the other: looking for a smaller checkpoint in our own
//! tree, or taking over what a larger one has more.

use alloc::{
    boxed::Box,
    collections::BTreeSet,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use jurat_log::{Checkpoint, ForkEvidence, TileCoord, TileKind, TreeSize};

use super::{Follower, Turn};
use crate::{
    FollowOutput, MAX_RESOURCES_AT_ONCE, SourceFailure, Supplier,
    followed_source::{FollowedSource, Offer},
    reading::{Prefix, Reading, Stop, Verified},
};

#[derive(Debug)]
pub(super) struct Job {
    /// Whose checkpoint this is about.
    source: usize,
    reading: Reading,
    /// Our tree is the one that is read.
    is_back: bool,
    /// Once the larger tree has shown that ours is part of it.
    copying: Option<Copying>,
    last: Option<Arrival>,
}

/// What came last: if something is wrong now, it is this.
#[derive(Debug)]
struct Arrival {
    from: Supplier,
    path: String,
    is_missing: bool,
}

struct Copying {
    offer: Offer,
    work: Box<dyn Iterator<Item = TileCoord> + Send>,
    active: Vec<TileCoord>,
    /// Paths of those that are not among what is stored.
    not_stored: BTreeSet<String>,
    /// Who does not have the one partial bundle, and must have the full one.
    without_partial: Option<Supplier>,
}

impl fmt::Debug for Copying {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Copying").field("active", &self.active).finish_non_exhaustive()
    }
}

/// How far a job came.
pub(super) enum Run {
    /// It waits for answers.
    Waits,
    /// It is over; the standing of its source, or ours, has changed.
    Over,
}

impl Job {
    /// Smaller checkpoints first, because they cost little; then the largest.
    pub(super) fn next(head: Option<&Checkpoint>, sources: &[FollowedSource]) -> Option<Self> {
        let size = |source: &FollowedSource| Some(source.offer()?.checkpoint.size());
        let offers = || sources.iter().enumerate().filter_map(|(at, source)| Some((at, size(source)?)));
        let job = |source, checkpoint: &Checkpoint, is_back| Self {
            source,
            reading: Reading::new(checkpoint.clone()),
            is_back,
            copying: None,
            last: None,
        };
        if let Some(head) = head
            && let Some((source, _)) = offers().find(|(_, size)| *size < head.size())
        {
            return Some(job(source, head, true));
        }
        let (source, _) = offers().max_by_key(|(_, size)| *size)?;
        Some(job(source, &sources[source].offer()?.checkpoint, false))
    }

    /// Takes a resource, or that the supplier does not have it.
    pub(super) fn take(&mut self, from: Supplier, path: String, content: Option<Vec<u8>>) {
        let is_missing = content.is_none();
        if let Some(copying) = self.copying.as_mut().filter(|_| is_missing) {
            if from == Supplier::Stored {
                copying.not_stored.insert(path);
                return;
            }
            copying.without_partial = Some(from);
        }
        self.last = Some(Arrival { from, path: path.clone(), is_missing });
        self.reading.put(path, content);
    }

    /// A source was given up: others are asked for what it did not have.
    pub(super) fn ask_again(&mut self) {
        self.reading.forget_missing();
    }
}

impl Copying {
    fn new(offer: Offer, old: TreeSize) -> Self {
        let size = offer.checkpoint.size();
        // Those of level 0 come with the entries.
        let upper = TileCoord::new_tree_tiles(old, size).filter(|tile| tile.kind() != TileKind::Hashes(0));
        let work = Box::new(TileCoord::new_entry_tiles(old, size).chain(upper));
        Self { offer, work, active: Vec::new(), not_stored: BTreeSet::new(), without_partial: None }
    }

    fn fill(&mut self) {
        let room = MAX_RESOURCES_AT_ONCE - self.active.len();
        self.active.extend(self.work.by_ref().take(room));
    }
}

/// Runs jobs.
impl Follower {
    pub(super) fn run(&mut self, job: &mut Job, turn: &mut Turn) -> Run {
        if job.copying.is_some() {
            return self.copy(job, turn);
        }
        // The source may have failed meanwhile.
        let Some(offer) = self.sources[job.source].offer().cloned() else { return Run::Over };
        let known = if job.is_back { Some(&offer.checkpoint) } else { self.head() };
        let prefix = match known {
            Some(known) => job.reading.prefix(known.size(), known.root()),
            None => job.reading.open().map(|()| Prefix::Same),
        };
        match prefix {
            Ok(Prefix::Same) if job.is_back => {
                self.in_step(job.source, turn);
                Run::Over
            }
            Ok(Prefix::Same) => {
                job.copying = Some(Copying::new(offer, self.size()));
                self.copy(job, turn)
            }
            Ok(Prefix::Forked(proof)) => {
                // Without a head there is nothing to contradict.
                let Some(head) = self.head.as_ref().map(|head| head.note.clone()) else { return Run::Over };
                let (smaller, larger) = if job.is_back { (offer.note, head) } else { (head, offer.note) };
                let evidence = ForkEvidence::different_sizes(smaller, larger, proof);
                self.forked(job.source, evidence.map_err(|error| error.to_string()), turn);
                Run::Over
            }
            Err(Stop::Needs { path, limit }) => {
                let from = if job.is_back { Supplier::Stored } else { Supplier::Source(job.source) };
                self.ask(from, path, limit, turn);
                Run::Waits
            }
            Err(Stop::Wrong(error)) if job.is_back => {
                let text = format!("what is stored here can't be compared with it: {error}");
                self.counts.damaged += 1;
                turn.outputs.push(FollowOutput::Damaged { error });
                self.sources[job.source].failed(text, 0, self.times, turn.now, turn.jitter);
                Run::Over
            }
            // All tiles so far are this source's.
            Err(Stop::Wrong(error)) => {
                self.fail(job.source, failure(job.last.as_ref()), error, 0, turn);
                Run::Over
            }
        }
    }

    /// Gets what the followed checkpoint has more than ours.
    fn copy(&mut self, job: &mut Job, turn: &mut Turn) -> Run {
        let Job { source, reading, copying: Some(copying), last, .. } = job else { return Run::Over };
        let mut at = 0;
        loop {
            copying.fill();
            let Some(coord) = copying.active.get(at) else { break };
            match reading.read(*coord) {
                Ok(files) => {
                    for Verified { coord, bytes } in files {
                        copying.not_stored.remove(&coord.path());
                        turn.outputs.push(FollowOutput::Store { coord, bytes });
                    }
                    copying.active.swap_remove(at);
                }
                Err(Stop::Needs { path, limit }) => {
                    let Some(from) = self.supplier(&path, copying) else { return Run::Over };
                    self.ask(from, path, limit, turn);
                    at += 1;
                }
                Err(Stop::Wrong(error)) => {
                    reading.forget_missing();
                    at = 0;
                    let failure = failure(last.as_ref());
                    match last.take() {
                        Some(Arrival { from: Supplier::Stored, path, .. }) => {
                            copying.not_stored.insert(path);
                        }
                        Some(Arrival { from: Supplier::Source(from), .. }) => {
                            self.fail(from, failure, error, 0, turn);
                        }
                        None => {
                            self.fail(*source, failure, error, 0, turn);
                            return Run::Over;
                        }
                    }
                }
            }
        }
        if !copying.active.is_empty() {
            return Run::Waits;
        }
        let (old, offer) = (self.size(), copying.offer.clone());
        let new = offer.checkpoint.size();
        self.counts.entries += new.value() - old.value();
        turn.outputs.push(FollowOutput::Publish { note: offer.note.clone(), old, new });
        self.head = Some(offer);
        Run::Over
    }

    fn ask(&mut self, from: Supplier, path: String, limit: usize, turn: &mut Turn) {
        let is_asked = self.requests.values().any(|request| request.path.as_ref() == Some(&path));
        if !is_asked {
            self.get(from, Some(path), limit, turn);
        }
    }

    /// Who is asked for a resource: our own disk first, then whichever source that should have it is
    /// asked for the least.
    fn supplier(&self, path: &str, copying: &Copying) -> Option<Supplier> {
        let coord: TileCoord = path.parse().ok()?;
        if !coord.is_within(copying.offer.checkpoint.size()) {
            return copying.without_partial;
        }
        if coord.is_full() && !copying.not_stored.contains(path) {
            return Some(Supplier::Stored);
        }
        let has = |source: &FollowedSource| source.has().is_some_and(|size| coord.is_within(size));
        let able = (0..self.sources.len()).filter(|source| has(&self.sources[*source]));
        let asked = |source: &usize| {
            self.requests.values().filter(|request| request.from == Supplier::Source(*source)).count()
        };
        able.min_by_key(asked).map(Supplier::Source)
    }
}

fn failure(last: Option<&Arrival>) -> SourceFailure {
    if last.is_some_and(|last| last.is_missing) { SourceFailure::Missing } else { SourceFailure::Wrong }
}
