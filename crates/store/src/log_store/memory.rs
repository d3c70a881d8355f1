//! What the log store holds in memory: the right edge, and what no flush has written yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jurat_log::{
    LeafIndex, RightEdge, SearchTerm, SubjectMap, TILE_WIDTH, Tile, TileCoord, TreeSize, UnixMillis,
};

use super::{
    Batch, LogEntry, LogError, LogHead, MAX_UNFLUSHED_BYTES, SequenceRecord,
    new_leaves::NewLeaves,
    subjects::{Grown, Page},
};

/// Locked for moments only, never while the disk is used.
pub(super) struct Memory {
    pub(super) edge: RightEdge,
    /// Where the log stands on the disk.
    pub(super) flushed: LogHead,
    /// The entries on the disk of the last bundle, if that isn't full: it will be written again.
    pub(super) open_bundle: Vec<LogEntry>,
    /// What is being flushed, between `flushed` and `growing`.
    pub(super) frozen: Option<Arc<Frozen>>,
    /// What was appended since.
    pub(super) growing: Generation,
    pub(super) flush: Flush,
}

/// What was appended between two flushes.
pub(super) struct Generation {
    pub(super) start: LogHead,
    pub(super) end: LogHead,
    pub(super) entries: Vec<LogEntry>,
    pub(super) leaves: NewLeaves,
    pub(super) terms: BTreeSet<(SearchTerm, LeafIndex)>,
    /// By their numbers.
    pub(super) subject_pages: BTreeMap<u64, Page>,
    /// The maps of the batches that changed it, by the size of the log behind them.
    pub(super) subject_maps: BTreeMap<TreeSize, SubjectMap>,
    pub(super) full_tiles: BTreeMap<TileCoord, Arc<Tile>>,
    pub(super) sequences: BTreeMap<u64, SequenceRecord>,
    /// First leaf to sequence and time, of the batches that have leaves.
    pub(super) batches: BTreeMap<LeafIndex, (u64, UnixMillis)>,
    /// Those put meanwhile, whatever their size.
    pub(super) checkpoints: BTreeMap<TreeSize, Arc<str>>,
    /// Of entries, their terms, pages of the subject map, records and checkpoints.
    bytes: usize,
}

/// A generation that doesn't grow any more, and what else its flush needs.
pub(super) struct Frozen {
    pub(super) generation: Generation,
    /// `open_bundle` at the time.
    pub(super) open_bundle: Vec<LogEntry>,
    pub(super) partial_tiles: Vec<Tile>,
    /// The caller's.
    pub(super) state: Arc<[u8]>,
    /// The caller's, if it is to be another.
    pub(super) snapshot: Option<Arc<[u8]>>,
}

/// Whether the log can be flushed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Flush {
    Idle,
    UnderWay,
    /// One failed, and nobody knows what the disk holds.
    Failed,
}

impl Generation {
    fn new(start: LogHead) -> Self {
        Self {
            start,
            end: start,
            entries: Vec::new(),
            leaves: NewLeaves::default(),
            terms: BTreeSet::new(),
            subject_pages: BTreeMap::new(),
            subject_maps: BTreeMap::new(),
            full_tiles: BTreeMap::new(),
            sequences: BTreeMap::new(),
            batches: BTreeMap::new(),
            checkpoints: BTreeMap::new(),
            bytes: 0,
        }
    }
}

impl Memory {
    /// After opening: everything is on the disk.
    pub(super) fn new(flushed: LogHead, edge: RightEdge, open_bundle: Vec<LogEntry>) -> Self {
        let growing = Generation::new(flushed);
        Self { edge, flushed, open_bundle, frozen: None, growing, flush: Flush::Idle }
    }

    pub(super) fn head(&self) -> LogHead {
        self.growing.end
    }

    /// Appends a batch, whose sequence is the next one, and what it adds to the subject map.
    pub(super) fn append(&mut self, batch: Batch, grown: &Grown) -> Result<(), LogError> {
        let Batch { sequence, time, record, entries } = batch;
        let terms = |entry: &LogEntry| size_of_val(entry.terms());
        let bytes = entries.iter().map(|entry| entry.bytes().len() + terms(entry)).sum::<usize>();
        let pages = grown.pages.iter().map(|page| page.len()).sum::<usize>();
        self.reserve(record.len() + bytes + pages)?;
        let growing = &mut self.growing;
        let first = growing.end.size;
        if let (Ok(leaf), false) = (LeafIndex::new(first.value()), entries.is_empty()) {
            growing.batches.insert(leaf, (sequence, time));
        }
        for (index, entry) in (first.value()..).map_while(|index| LeafIndex::new(index).ok()).zip(&entries) {
            growing.leaves.insert(entry.name(), index);
            growing.terms.extend(entry.terms().iter().map(|term| (*term, index)));
        }
        let full = self.edge.extend(entries.iter().map(LogEntry::leaf_hash));
        growing.full_tiles.extend(full.into_iter().map(|tile| (tile.coord(), Arc::new(tile))));
        growing.sequences.insert(sequence, SequenceRecord { first, count: entries.len() as u64, record });
        growing.entries.extend(entries);
        let (size, subjects) = (self.edge.size(), grown.map.root());
        if subjects != growing.end.subjects {
            growing.subject_pages.extend((grown.first..).zip(grown.pages.iter().cloned()));
            growing.subject_maps.insert(size, grown.map);
        }
        growing.end = LogHead { size, root: self.edge.root(), subjects, sequence: Some(sequence) };
        Ok(())
    }

    pub(super) fn put_checkpoint(&mut self, size: TreeSize, note: &str) -> Result<(), LogError> {
        self.reserve(note.len())?;
        self.growing.checkpoints.insert(size, Arc::from(note));
        Ok(())
    }

    /// How many bytes wait for a flush.
    pub(super) fn unflushed_bytes(&self) -> usize {
        self.generations().map(|generation| generation.bytes).sum()
    }

    /// Counts bytes that wait for a flush, if there may be so many.
    fn reserve(&mut self, bytes: usize) -> Result<(), LogError> {
        if self.unflushed_bytes() + bytes > MAX_UNFLUSHED_BYTES {
            return Err(LogError::NotFlushed);
        }
        self.growing.bytes += bytes;
        Ok(())
    }

    /// Begins a new generation and returns the one before for flushing, or the one whose flush was
    /// given up. `None` if there is nothing to flush.
    pub(super) fn freeze(&mut self, state: Arc<[u8]>, snapshot: Option<Arc<[u8]>>) -> Option<Arc<Frozen>> {
        if self.frozen.is_none() {
            if self.growing.sequences.is_empty() && self.growing.checkpoints.is_empty() {
                return None;
            }
            let next = Generation::new(self.growing.end);
            self.frozen = Some(Arc::new(Frozen {
                generation: std::mem::replace(&mut self.growing, next),
                open_bundle: self.open_bundle.clone(),
                partial_tiles: self.edge.partial_tiles().collect(),
                state,
                snapshot,
            }));
        }
        self.frozen.clone()
    }

    /// Drops the frozen generation, which is on the disk now. Readers look into memory first and
    /// at the disk then, so they never miss it.
    pub(super) fn thaw(&mut self) {
        if let Some(frozen) = self.frozen.take() {
            self.flushed = frozen.generation.end;
            let entries = self.open_bundle.iter().chain(&frozen.generation.entries);
            let full = (self.open_bundle.len() + frozen.generation.entries.len()) / TILE_WIDTH * TILE_WIDTH;
            self.open_bundle = entries.skip(full).cloned().collect();
        }
    }

    /// The generations in memory, the newer one first.
    pub(super) fn generations(&self) -> impl Iterator<Item = &Generation> {
        [&self.growing].into_iter().chain(self.frozen.iter().map(|frozen| &frozen.generation))
    }

    /// An entry, unless it's only on the disk.
    pub(super) fn entry(&self, index: u64) -> Option<&LogEntry> {
        let generations = self.generations().map(|g| (g.start.size.value(), &g.entries));
        let open_start = self.flushed.size.value() - self.open_bundle.len() as u64;
        generations
            .chain([(open_start, &self.open_bundle)])
            .find_map(|(start, entries)| entries.get(usize::try_from(index.checked_sub(start)?).ok()?))
    }

    /// The entries of a bundle, as far as its place is wide, unless some are only on the disk.
    pub(super) fn bundle(&self, coord: TileCoord) -> Option<Vec<LogEntry>> {
        let start = coord.index().checked_mul(TILE_WIDTH as u64)?;
        (start..).take(coord.width()).map(|index| self.entry(index).cloned()).collect()
    }

    /// A tile of hashes at its present width, unless it's only on the disk.
    pub(super) fn tile(&self, coord: TileCoord) -> Option<Arc<Tile>> {
        if coord.is_full() {
            return self.generations().find_map(|generation| generation.full_tiles.get(&coord).cloned());
        }
        self.edge.partial_tiles().find(|tile| tile.coord() == coord).map(Arc::new)
    }
}
