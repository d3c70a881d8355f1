//! A follower with its sources and its disk, in virtual time and in an order drawn from a seed.

use std::{collections::BTreeMap, convert::Infallible};

use jurat_gossip::{FollowOutput, Follower, GetFailure, RequestId, Supplier, SyncTimes};
use jurat_log::{Checkpoint, Fetch, ForkEvidence, Note, Origin, TileCoord, TileKind, UnixMillis};

use crate::{
    LATER,
    site::{Lie, ORIGIN, Site, policy, size},
};

#[derive(Clone, Debug, Default)]
pub(crate) struct Stored {
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    checkpoint: Option<Note>,
}

impl Fetch for Stored {
    type Error = Infallible;

    fn fetch(&mut self, path: &str, _: usize) -> Result<Option<Vec<u8>>, Infallible> {
        Ok(self.files.get(path).cloned())
    }
}

type Get = (RequestId, Supplier, String, usize);

pub(crate) struct World {
    pub(crate) sites: Vec<Site>,
    pub(crate) follower: Follower,
    pub(crate) stored: Stored,
    pub(crate) now: u64,
    /// Requests by source.
    pub(crate) gets: Vec<usize>,
    pub(crate) forks: Vec<(usize, ForkEvidence)>,
    pub(crate) damaged: usize,
    /// Requests that were open until their deadline, with nothing else left to do.
    pub(crate) deadlines: usize,
    open: Vec<Get>,
    dice: u64,
}

impl World {
    pub(crate) fn new(seed: u64, sites: Vec<Site>) -> Self {
        let gets = vec![0; sites.len()];
        let follower = follower(&sites, &Stored::default());
        let stored = Stored::default();
        Self {
            sites,
            follower,
            stored,
            now: LATER,
            gets,
            forks: Vec::new(),
            damaged: 0,
            deadlines: 0,
            open: Vec::new(),
            dice: seed | 1,
        }
    }

    pub(crate) fn later(&mut self) {
        self.now += LATER;
    }

    pub(crate) fn head(&self) -> Option<u64> {
        self.follower.head().map(|head| head.size().value())
    }

    /// One round, with answers in any order.
    pub(crate) fn round(&mut self) {
        self.begin();
        while !self.open.is_empty() {
            let in_time: Vec<usize> = (0..self.open.len()).filter(|at| !self.drips(*at)).collect();
            let next = if in_time.is_empty() {
                self.deadlines += 1;
                0
            } else {
                in_time[self.draw(in_time.len())]
            };
            self.answer(next);
        }
        assert!(!self.follower.is_busy());
    }

    /// One round, with answers in the order of the requests.
    pub(crate) fn round_in_order(&mut self) {
        self.begin();
        while !self.open.is_empty() {
            self.answer(0);
        }
    }

    /// A round that ends after so many answers, with the process.
    pub(crate) fn crash_after(&mut self, answers: usize) {
        self.later();
        self.begin();
        for _ in 0..answers {
            if !self.open.is_empty() {
                let next = self.draw(self.open.len());
                self.answer(next);
            }
        }
        self.open.clear();
        self.follower = follower(&self.sites, &self.stored);
    }

    /// The answer to this request comes at its deadline, when all else has come.
    fn drips(&self, at: usize) -> bool {
        let (_, from, path, _) = &self.open[at];
        matches!(from, Supplier::Source(source) if self.sites[*source].lie == Some(Lie::Drips))
            && path != "checkpoint"
    }

    fn begin(&mut self) {
        let outputs = self.follower.wake(UnixMillis(self.now), 0);
        self.carry_out(outputs);
    }

    fn answer(&mut self, at: usize) {
        let (request, from, path, limit) = self.open.swap_remove(at);
        let content = match from {
            Supplier::Stored => Ok(self.stored.files.get(&path).cloned()),
            Supplier::Source(source) => {
                self.gets[source] += 1;
                let site = &self.sites[source];
                match site.answer(&path) {
                    Ok(Some(bytes)) if bytes.len() > limit => Err("more than asked for".into()),
                    content => content,
                }
                .map_err(|error| GetFailure { error, retry_after: site.retry_after })
            }
        };
        let outputs = self.follower.answered(request, content, UnixMillis(self.now), 0);
        self.carry_out(outputs);
    }

    fn carry_out(&mut self, outputs: Vec<FollowOutput>) {
        for output in outputs {
            match output {
                FollowOutput::Get { request, from, path, limit } => {
                    self.open.push((request, from, path, limit));
                }
                FollowOutput::Store { coord, bytes } => {
                    self.stored.files.insert(coord.path(), bytes);
                }
                FollowOutput::Publish { note, old, new } => {
                    assert!(old < new || self.stored.checkpoint.is_none());
                    self.stored.checkpoint = Some(note);
                    self.assert_copied();
                }
                FollowOutput::Fork { source, evidence } => self.forks.push((source, *evidence)),
                FollowOutput::SourceFailed { .. } => {}
                FollowOutput::Damaged { .. } => self.damaged += 1,
            }
        }
        assert!(self.open.len() <= self.sites.len() + 16, "too many requests: {:?}", self.open);
    }

    /// All that the published checkpoint covers is there, and it is the log's.
    pub(crate) fn assert_copied(&self) {
        let note = self.stored.checkpoint.as_ref().unwrap();
        let checkpoint = Checkpoint::parse(note.text()).unwrap();
        policy().check(note).unwrap();
        for coord in TileCoord::tree_tiles(checkpoint.size()).chain(TileCoord::entry_tiles(checkpoint.size()))
        {
            assert!(self.stored.files.contains_key(&coord.path()), "no {coord}");
        }
        self.assert_stored_is_true();
    }

    /// No file holds anything but what the log has there, and none is shorter than its name says.
    pub(crate) fn assert_stored_is_true(&self) {
        let most = self.sites.iter().map(|site| site.served).max().unwrap();
        let mut truth = Site::new(0, "");
        truth.publish(most);
        for (path, bytes) in &self.stored.files {
            let coord: TileCoord = path.parse().unwrap();
            let full = truth.files.get(path).cloned().or_else(|| {
                let there = TileCoord::in_tree(coord.kind(), coord.index(), size(most))?;
                truth.files.get(&there.path()).cloned()
            });
            let full = full.unwrap();
            assert!(full.starts_with(bytes), "{path} is not the log's");
            if coord.kind() != TileKind::Entries {
                assert_eq!(bytes.len(), 32 * coord.width(), "{path}");
            }
        }
    }

    fn draw(&mut self, below: usize) -> usize {
        // xorshift: all that is needed is another order for another seed.
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        usize::try_from(self.dice % below as u64).unwrap()
    }
}

fn follower(sites: &[Site], stored: &Stored) -> Follower {
    let origin = Origin::new(ORIGIN).unwrap();
    Follower::new(origin, policy(), SyncTimes::default(), sites.len(), stored.checkpoint.clone()).unwrap()
}
