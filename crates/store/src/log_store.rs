//! The log on disk: appended to in memory, written behind.

mod error;
mod files;
mod flush;
mod fsck;
mod index;
mod memory;
mod new_leaves;
mod reader;
mod shared;
mod subjects;
mod tile_cache;

pub(crate) use index::RedbFile;

use std::{fmt, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{
    EMPTY_ROOT, EntryTooLong, LeafIndex, MAX_ENTRY_BYTES, RightEdge, SearchTerm, SubjectRoot, TILE_WIDTH,
    Tile, TileCoord, TileKind, TreeSize, UnixMillis, is_refused, leaf_hash, split_bundle, submitted_form,
};

use self::{
    error::from_resume,
    files::{LogFiles, too_long},
    index::Index,
    memory::{Flush, Memory},
    shared::Shared,
    subjects::{Subjects, subjects_of},
};
pub use self::{
    error::{Damage, LogError},
    flush::FlushPlan,
    fsck::{Finding, FsckReport, MAX_FINDINGS, fsck},
    reader::{LogReader, MAX_ENTRIES_READ, MAX_ENTRY_BYTES_READ, MAX_FOUND},
};
use crate::DataDir;

/// The longest record of a sequence, in bytes: as much as a frame between members holds.
pub const MAX_SEQUENCE_RECORD_BYTES: usize = 16 << 20;

/// The longest checkpoint note, in bytes: room for a hundred signatures of the longest kind.
pub const MAX_CHECKPOINT_BYTES: usize = 1 << 20;

/// The longest state that a caller may keep with a flush, in bytes.
pub const MAX_STATE_BYTES: usize = 64 << 20;

/// The longest snapshot that a caller may keep with a flush, in bytes.
pub const MAX_SNAPSHOT_BYTES: usize = 1 << 30;

/// The most entries, records and checkpoints that may wait to be flushed, in bytes.
pub const MAX_UNFLUSHED_BYTES: usize = 1 << 30;

/// The log of a node: one writer, to whom this belongs, and any number of [`LogReader`]s.
///
/// [`append`](Self::append) is done in memory, at once. [`plan_flush`](Self::plan_flush) marks
/// what was appended so far, and writing that plan, on any thread, makes it durable; until then
/// it's the journal that keeps the batches.
///
/// On disk, `log/` holds tiles, entry bundles and the latest checkpoint as plain files, as C2SP
/// tlog-tiles has them, so that a web server can serve that directory. `index.redb` holds the
/// rest: the index of each leaf hash, the indices for each search term, the subject map, the record
/// of each sequence, the time of each batch, the certified checkpoints, and what was flushed last.
/// The index is written last; what it says was flushed is there.
///
/// Memory: the entries, hashes and records not flushed yet, at most [`MAX_UNFLUSHED_BYTES`] besides
/// the hashes; up to 255 entries of the last bundle; a right edge of at most 64 KiB; at most 1024
/// tiles (17 MB); at most 16 MiB of the subject map; and 64 MiB of pages of the index. It doesn't grow with the log.
pub struct LogStore {
    shared: Arc<Shared>,
    subjects: Subjects,
}

/// What one sequence of the consensus adds to the log.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Its number. The next batch has the next one.
    pub sequence: u64,
    /// When it was ordered. Times never go back.
    pub time: UnixMillis,
    /// What is kept with it, for others to catch up; the log doesn't look into it.
    pub record: Arc<[u8]>,
    /// The entries, none of which the log has already. There may be none.
    pub entries: Vec<LogEntry>,
}

/// An entry, its leaf hash, and by what it can be looked up.
#[derive(Clone)]
pub struct LogEntry {
    leaf_hash: Digest,
    name: Digest,
    bytes: Arc<[u8]>,
    terms: Arc<[SearchTerm]>,
}

impl LogEntry {
    /// Reads and hashes an entry of at most 65 535 bytes. What is not an entry that
    /// [`jurat_log`] can read is found by its leaf hash and index only.
    pub fn new(bytes: impl Into<Arc<[u8]>>) -> Result<Self, LogError> {
        let bytes = bytes.into();
        let terms = SearchTerm::of_entry(&bytes).into();
        Self::with_terms(bytes, terms)
    }

    /// The same for a caller who knows the terms, which are those of [`SearchTerm::of_entry`].
    pub fn with_terms(bytes: Arc<[u8]>, terms: Arc<[SearchTerm]>) -> Result<Self, LogError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(too_long(EntryTooLong(bytes.len())));
        }
        let leaf_hash = leaf_hash(&bytes);
        let name = name_of(&bytes, leaf_hash);
        Ok(Self { leaf_hash, name, bytes, terms })
    }

    /// The hash of the entry as a leaf.
    pub fn leaf_hash(&self) -> Digest {
        self.leaf_hash
    }

    /// The hash by which it's found: that of the entry as it was submitted. Only one that was
    /// refused has another as a leaf.
    pub fn name(&self) -> Digest {
        self.name
    }

    /// The entry.
    pub fn bytes(&self) -> &Arc<[u8]> {
        &self.bytes
    }

    /// By what it can be looked up, besides leaf hash and index.
    pub fn terms(&self) -> &[SearchTerm] {
        &self.terms
    }
}

impl fmt::Debug for LogEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogEntry({:?}, {} bytes)", self.leaf_hash, self.bytes.len())
    }
}

/// The hash by which an entry with this leaf hash is found.
fn name_of(entry: &[u8], leaf_hash: Digest) -> Digest {
    if is_refused(entry) { jurat_log::leaf_hash(&submitted_form(entry)) } else { leaf_hash }
}

/// Where a log stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogHead {
    /// How many leaves it has.
    pub size: TreeSize,
    /// Its root.
    pub root: Digest,
    /// The root of the subject map over its entries.
    pub subjects: SubjectRoot,
    /// The last sequence appended, if any was.
    pub sequence: Option<u64>,
}

impl LogHead {
    /// Where every log begins.
    pub const EMPTY: Self =
        Self { size: TreeSize::EMPTY, root: EMPTY_ROOT, subjects: SubjectRoot::EMPTY, sequence: None };
}

/// Which batch appended a leaf, and when.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchOrigin {
    /// The batch's sequence.
    pub sequence: u64,
    /// When it was ordered.
    pub time: UnixMillis,
    /// Its first leaf.
    pub first: LeafIndex,
}

/// The record of one sequence, and which leaves it appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SequenceRecord {
    /// The size of the log before it, which is the index of its first leaf.
    pub first: TreeSize,
    /// How many leaves it appended.
    pub count: u64,
    /// What was kept with it.
    pub record: Arc<[u8]>,
}

impl LogStore {
    /// Opens the log of a data directory, or begins one. Returns with it the state that the caller
    /// kept with the last flush, empty if there was none.
    ///
    /// The right edge is read and its root compared with the recorded one; of everything else it's
    /// checked that the files are there. Nothing that is damaged is repaired by dropping it: the
    /// error names the file, and the log is left as it was.
    pub fn open(dir: &DataDir) -> Result<(Self, Arc<[u8]>), LogError> {
        let files = LogFiles::new(dir);
        // An index that went missing must not turn a log into an empty one.
        let index = if files.has_tiles()? { Index::open_existing(dir)? } else { Index::open(dir)? };
        let flushed = index.flushed()?;
        let size = flushed.head.size;
        files.check_present(size)?;
        let edge = RightEdge::resume(size, &flushed.head.root, |coord| files.read_tile(coord))
            .map_err(|error| from_resume(files.root(), size, error))?;
        let open_bundle = read_open_bundle(&files, &edge)?;
        let shared = Arc::new(Shared::new(files, index, Memory::new(flushed.head, edge, open_bundle)));
        shared.tidy_up(flushed.previous, size)?;
        let subjects = Subjects::new(shared.index.subject_map(size)?, shared.index.subject_page_end()?);
        Ok((Self { shared, subjects }, flushed.state))
    }

    /// The snapshot that was flushed last, if there is one.
    pub fn snapshot(&self) -> Result<Option<Arc<[u8]>>, LogError> {
        self.shared.index.snapshot()
    }

    /// A handle for reading.
    pub fn reader(&self) -> LogReader {
        LogReader(Arc::clone(&self.shared))
    }

    /// Appends a batch, in memory, and returns where the log stands now. On an error nothing was
    /// appended.
    ///
    /// The first batch of a log may have any number; each other one follows the one before.
    pub fn append(&mut self, batch: Batch) -> Result<LogHead, LogError> {
        if batch.record.len() > MAX_SEQUENCE_RECORD_BYTES {
            let (what, len) = ("the record of a sequence", batch.record.len());
            return Err(LogError::TooLong { what, len, max: MAX_SEQUENCE_RECORD_BYTES });
        }
        let head = self.shared.memory().head();
        if let Some(last) = head.sequence
            && last.checked_add(1) != Some(batch.sequence)
        {
            return Err(LogError::Sequence { last, got: batch.sequence });
        }
        // Reads the disk, so it's done before the memory is locked.
        let pairs = subjects_of(head.size.value(), &batch.entries);
        let load = |place| self.shared.subject_node(place);
        let grown = self.subjects.grow(&pairs, load, || self.shared.index.damaged_subjects())?;
        let mut memory = self.shared.memory_mut();
        memory.append(batch, &grown)?;
        self.subjects.take(grown);
        Ok(memory.head())
    }

    /// Plans to flush everything appended and all checkpoints put so far. `state` is kept with it
    /// and returned by [`open`](Self::open): whatever the caller needs to go on from this point. What
    /// of that is long and changes seldom goes into `snapshot`; without one, that of an earlier flush
    /// stays.
    ///
    /// `None` if there is nothing to flush, or while another flush is under way. If an earlier plan
    /// was dropped unwritten it's returned again, so look at [`FlushPlan::head`].
    pub fn plan_flush(
        &mut self,
        state: impl Into<Arc<[u8]>>,
        snapshot: Option<Arc<[u8]>>,
    ) -> Result<Option<FlushPlan>, LogError> {
        let state = state.into();
        let snapshot_len = snapshot.as_ref().map_or(0, |snapshot| snapshot.len());
        for (what, len, max) in
            [("the state", state.len(), MAX_STATE_BYTES), ("the snapshot", snapshot_len, MAX_SNAPSHOT_BYTES)]
        {
            if len > max {
                return Err(LogError::TooLong { what, len, max });
            }
        }
        let mut memory = self.shared.memory_mut();
        match memory.flush {
            Flush::Failed => return Err(LogError::Stopped),
            Flush::UnderWay => return Ok(None),
            Flush::Idle => {}
        }
        let Some(frozen) = memory.freeze(state, snapshot) else { return Ok(None) };
        memory.flush = Flush::UnderWay;
        Ok(Some(FlushPlan::new(Arc::clone(&self.shared), frozen)))
    }
}

/// The entries of the last bundle, if it isn't full, checked against their hashes.
fn read_open_bundle(files: &LogFiles, edge: &RightEdge) -> Result<Vec<LogEntry>, LogError> {
    let Some(coord) = TileCoord::partial(TileKind::Entries, edge.size()) else { return Ok(Vec::new()) };
    let bundle = files.read(coord)?;
    let tile = edge.partial_tiles().find(|tile| tile.coord().kind() == TileKind::Hashes(0));
    let hashes = tile.iter().flat_map(Tile::hashes);
    let first = coord.index() * TILE_WIDTH as u64;
    let indices = (first..).map_while(|index| LeafIndex::new(index).ok());
    let entries = split_bundle(coord, &bundle).map_err(|error| files.bad_bundle(coord, error))?;
    let mut open_bundle = Vec::with_capacity(entries.len());
    for ((entry, hash), index) in entries.into_iter().zip(hashes).zip(indices) {
        let entry = LogEntry::new(entry)?;
        if entry.leaf_hash() != *hash {
            return Err(files.damaged(coord, Damage::Entry(index)));
        }
        open_bundle.push(entry);
    }
    Ok(open_bundle)
}

impl fmt::Debug for LogStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogStore({} leaves)", self.reader().head().size)
    }
}
