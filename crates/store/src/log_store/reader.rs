//! Reading the log: entries, tiles, proofs, look-ups.

use std::{cell::RefCell, collections::BTreeMap, fmt, ops::Range, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{
    ConsistencyProof, ExpandedTile, InclusionProof, LeafIndex, Nodes as _, SearchTerm, SubjectMap,
    SubjectProof, TILE_WIDTH, Tile, TileCoord, TileKind, TiledNodes, TreeSize, UnixMillis, leaf_hash,
    split_bundle, tree_root,
};

use super::{
    BatchOrigin, Damage, LogError, LogHead, MAX_CHECKPOINT_BYTES, SequenceRecord,
    error::{from_nodes, from_prover},
    files::encode_bundle,
    shared::Shared,
    subjects::StoredNodes,
};

/// The most entries that [`LogReader::entries`] returns at once.
pub const MAX_ENTRIES_READ: usize = 4096;

/// The most bytes that [`LogReader::entries`] returns at once, if there is more than one entry.
pub const MAX_ENTRY_BYTES_READ: usize = 16 << 20;

/// The most entries that [`LogReader::find`] returns at once.
pub const MAX_FOUND: usize = 1000;

/// A handle for reading the log from any thread, while it's appended to and flushed. Cheap to
/// clone.
///
/// It sees every batch from the moment it's appended. What it returns was checked: hashes and
/// proofs against the root, entries against their hashes. Damage on the disk comes out as an error
/// that names the file.
#[derive(Clone)]
pub struct LogReader(pub(super) Arc<Shared>);

impl LogReader {
    /// Where the log stands: size, root and last sequence.
    pub fn head(&self) -> LogHead {
        self.0.memory().head()
    }

    /// Where the log stands on the disk: what a crash can't take back.
    pub fn flushed(&self) -> LogHead {
        self.0.memory().flushed
    }

    /// The index of the entry that had this leaf hash when it was submitted, if the log has it, be it
    /// as one that was refused.
    pub fn index_of(&self, name: &Digest) -> Result<Option<LeafIndex>, LogError> {
        let in_memory = self.0.memory().generations().find_map(|g| g.leaves.find(name));
        match in_memory {
            Some(index) => Ok(Some(index)),
            None => self.0.index.index_of(name),
        }
    }

    /// The first entries at or behind an index that have a search term, in order: as many as
    /// there are, at most `limit` and [`MAX_FOUND`].
    pub fn find(&self, term: SearchTerm, from: LeafIndex, limit: usize) -> Result<Vec<LeafIndex>, LogError> {
        let limit = limit.min(MAX_FOUND);
        let last = (term, LeafIndex::MAX);
        // Memory first: what a flush moves to the disk meanwhile is found twice, but never missed.
        let mut found: Vec<LeafIndex> = self
            .0
            .memory()
            .generations()
            .flat_map(|g| g.terms.range((term, from)..=last).take(limit).map(|(_, index)| *index))
            .collect();
        found.extend(self.0.index.find(term, from, limit)?);
        found.sort_unstable();
        found.dedup();
        found.truncate(limit);
        Ok(found)
    }

    /// The batch that appended a leaf of the log.
    pub fn batch_of(&self, leaf: LeafIndex) -> Result<BatchOrigin, LogError> {
        let size = self.head().size;
        if !size.contains(leaf) {
            return Err(LogError::NoSuchLeaf { index: leaf, size });
        }
        let in_memory = self.0.memory().generations().find_map(|g| {
            let (first, (sequence, time)) = g.batches.range(..=leaf).next_back()?;
            Some(BatchOrigin { sequence: *sequence, time: *time, first: *first })
        });
        let found = match in_memory {
            Some(origin) => Some(origin),
            None => self.0.index.batch_of(leaf)?,
        };
        found.ok_or(LogError::NoSuchLeaf { index: leaf, size })
    }

    /// How many leaves were appended before a time: those of batches ordered earlier.
    pub fn size_before(&self, time: UnixMillis) -> Result<TreeSize, LogError> {
        // Times never go back, so the leaves can be halved.
        let (mut before, mut size) = (0, self.head().size.value());
        while before < size {
            let leaf = before.midpoint(size - 1);
            let Ok(index) = LeafIndex::new(leaf) else { break };
            let origin = self.batch_of(index)?;
            if origin.time < time {
                before = leaf + 1;
            } else {
                size = origin.first.value();
            }
        }
        TreeSize::new(before)
            .map_err(|_| LogError::NoSuchSize { asked: TreeSize::MAX, size: self.head().size })
    }

    /// The hash of a leaf.
    pub fn leaf_hash(&self, index: LeafIndex) -> Result<Digest, LogError> {
        let size = self.head().size;
        if !size.contains(index) {
            return Err(LogError::NoSuchLeaf { index, size });
        }
        self.nodes(size).node(0, index.value()).map_err(|error| from_nodes(size, error))
    }

    /// One entry.
    pub fn entry(&self, index: LeafIndex) -> Result<Arc<[u8]>, LogError> {
        let entries = self.entries(index.value()..index.value() + 1)?;
        let size = self.head().size;
        entries.into_iter().next().ok_or(LogError::NoSuchLeaf { index, size })
    }

    /// The entries from the start of a range on: as many as the log has, not beyond the range's
    /// end, and no more than [`MAX_ENTRIES_READ`] or, from the second entry on,
    /// [`MAX_ENTRY_BYTES_READ`].
    pub fn entries(&self, range: Range<u64>) -> Result<Vec<Arc<[u8]>>, LogError> {
        let end =
            range.end.min(self.head().size.value()).min(range.start.saturating_add(MAX_ENTRIES_READ as u64));
        let mut entries: Vec<Arc<[u8]>> = Vec::new();
        let mut bytes = 0;
        let mut index = range.start;
        while index < end {
            let found = self.0.memory().entry(index).map(|entry| Arc::clone(entry.bytes()));
            let found = match found {
                Some(entry) => vec![entry],
                None => self.entries_on_disk(index..end)?,
            };
            if found.is_empty() {
                break;
            }
            index += found.len() as u64;
            for entry in found {
                bytes += entry.len();
                if bytes > MAX_ENTRY_BYTES_READ && !entries.is_empty() {
                    return Ok(entries);
                }
                entries.push(entry);
            }
        }
        Ok(entries)
    }

    /// The entries of a range that are in the bundle of the first one, which is on the disk and
    /// therefore full.
    fn entries_on_disk(&self, range: Range<u64>) -> Result<Vec<Arc<[u8]>>, LogError> {
        let size = self.head().size;
        let Some(coord) = TileCoord::in_tree(TileKind::Entries, range.start / TILE_WIDTH as u64, size) else {
            return Ok(Vec::new());
        };
        let bundle = self.0.files.read(coord)?;
        let all = split_bundle(coord, &bundle).map_err(|error| self.0.files.bad_bundle(coord, error))?;
        let first = coord.index() * TILE_WIDTH as u64;
        let indices = (first..).map_while(|index| LeafIndex::new(index).ok());
        let mut entries = Vec::new();
        for (index, entry) in indices.zip(all).filter(|(index, _)| range.contains(&index.value())) {
            if leaf_hash(entry) != self.leaf_hash(index)? {
                return Err(self.0.files.damaged(coord, Damage::Entry(index)));
            }
            entries.push(Arc::from(entry));
        }
        Ok(entries)
    }

    /// A tile of hashes, full or of any width up to what the log has.
    pub fn tile(&self, coord: TileCoord) -> Result<Tile, LogError> {
        let no_such_tile = || LogError::NoSuchTile { asked: coord, size: self.head().size };
        let TileKind::Hashes(level) = coord.kind() else { return Err(no_such_tile()) };
        let expanded = self.0.expanded(coord)?;
        let hashes: Option<Vec<Digest>> = (0..coord.width()).map(|i| expanded.node(0, i)).collect();
        Tile::new(level, coord.index(), hashes.ok_or_else(no_such_tile)?).map_err(|_| no_such_tile())
    }

    /// A bundle of entries, full or of any width up to what the log has, as it's served.
    pub fn bundle(&self, coord: TileCoord) -> Result<Vec<u8>, LogError> {
        let memory = self.0.memory();
        let size = memory.head().size;
        if coord.kind() != TileKind::Entries || !coord.is_within(size) {
            return Err(LogError::NoSuchTile { asked: coord, size });
        }
        let in_memory = memory.bundle(coord);
        drop(memory);
        let first = coord.index() * TILE_WIDTH as u64;
        let entries = match in_memory {
            Some(entries) => entries.iter().map(|entry| Arc::clone(entry.bytes())).collect(),
            None => self.entries_on_disk(first..first + coord.width() as u64)?,
        };
        encode_bundle(entries.iter().map(|entry| &**entry))
    }

    /// The root of the tree of the log's first `size` leaves.
    pub fn root_at(&self, size: TreeSize) -> Result<Digest, LogError> {
        let head = self.head();
        if size == head.size {
            return Ok(head.root);
        }
        self.check_size(size)?;
        tree_root(&self.nodes(size), size).map_err(|error| from_nodes(size, error))
    }

    /// The proof that leaf `index` is in the tree of `size` leaves.
    pub fn inclusion_proof(&self, index: LeafIndex, size: TreeSize) -> Result<InclusionProof, LogError> {
        self.check_size(size)?;
        let proof = InclusionProof::generate(&self.nodes(size), index, size)
            .map_err(|error| from_prover(size, error))?;
        proof
            .verify(index, size, &self.leaf_hash(index)?, &self.root_at(size)?)
            .map_err(|error| LogError::WrongProof { size, reason: error.to_string() })?;
        Ok(proof)
    }

    /// The proof that the tree of `old` leaves is a prefix of the one of `new`.
    pub fn consistency_proof(&self, old: TreeSize, new: TreeSize) -> Result<ConsistencyProof, LogError> {
        self.check_size(new)?;
        let proof = ConsistencyProof::generate(&self.nodes(new), old, new)
            .map_err(|error| from_prover(new, error))?;
        proof
            .verify(old, new, &self.root_at(old)?, &self.root_at(new)?)
            .map_err(|error| LogError::WrongProof { size: new, reason: error.to_string() })?;
        Ok(proof)
    }

    /// The proof of what the log has about a subject, or that it has nothing, from the subject map
    /// after the batch that made the log's size `size`.
    pub fn subject_proof(&self, subject: &Digest, size: TreeSize) -> Result<SubjectProof, LogError> {
        self.check_size(size)?;
        // The next leaf begins another batch, unless there is none yet.
        if let Ok(next) = LeafIndex::new(size.value())
            && size != self.head().size
            && self.batch_of(next)?.first != next
        {
            return Err(LogError::NoSubjectMap { asked: size });
        }
        let last =
            |maps: &BTreeMap<TreeSize, SubjectMap>| maps.range(..=size).next_back().map(|(_, map)| *map);
        let in_memory = self.0.memory().generations().find_map(|g| last(&g.subject_maps));
        let map = match in_memory {
            Some(map) => map,
            None => self.0.index.subject_map(size)?,
        };
        let load = |place| self.0.subject_node(place);
        let mut nodes = StoredNodes { load, damaged: || self.0.index.damaged_subjects() };
        let proof = map.prove(&mut nodes, subject)?;
        proof
            .verify(&map.root())
            .map_err(|error| LogError::WrongProof { size, reason: error.to_string() })?;
        Ok(proof)
    }

    /// How many bytes wait to be flushed, at most [`MAX_UNFLUSHED_BYTES`](crate::MAX_UNFLUSHED_BYTES).
    pub fn unflushed_bytes(&self) -> usize {
        self.0.memory().unflushed_bytes()
    }

    /// The record of a sequence, and which leaves it appended.
    pub fn sequence_record(&self, sequence: u64) -> Result<Option<SequenceRecord>, LogError> {
        let in_memory = self.0.memory().generations().find_map(|g| g.sequences.get(&sequence).cloned());
        match in_memory {
            Some(record) => Ok(Some(record)),
            None => self.0.index.sequence(sequence),
        }
    }

    /// Keeps a certified checkpoint of the log. The next flush makes it durable and puts the
    /// latest one where web servers find it. Another one of the same size takes its place.
    pub fn put_checkpoint(&self, size: TreeSize, note: &str) -> Result<(), LogError> {
        if note.len() > MAX_CHECKPOINT_BYTES {
            return Err(LogError::TooLong {
                what: "a checkpoint",
                len: note.len(),
                max: MAX_CHECKPOINT_BYTES,
            });
        }
        self.check_size(size)?;
        self.0.memory_mut().put_checkpoint(size, note)
    }

    /// The certified checkpoint of the smallest size that has leaf `index`.
    pub fn checkpoint_covering(&self, index: LeafIndex) -> Result<Option<(TreeSize, Arc<str>)>, LogError> {
        let from = index.size_through();
        let first = |(size, note): (&TreeSize, &Arc<str>)| (*size, Arc::clone(note));
        let in_memory: Vec<_> = self
            .0
            .memory()
            .generations()
            .filter_map(|g| g.checkpoints.range(from..).next().map(first))
            .collect();
        let on_disk = self.0.index.checkpoint_from(from)?;
        // Of the same size the newer one, which comes first.
        Ok(in_memory.into_iter().chain(on_disk).min_by_key(|(size, _)| *size))
    }

    /// The certified checkpoint of the largest size.
    pub fn latest_checkpoint(&self) -> Result<Option<(TreeSize, Arc<str>)>, LogError> {
        let last = |(size, note): (&TreeSize, &Arc<str>)| (*size, Arc::clone(note));
        let in_memory: Vec<_> =
            self.0.memory().generations().filter_map(|g| g.checkpoints.last_key_value().map(last)).collect();
        let on_disk = self.0.index.latest_checkpoint()?;
        // Of the same size the newer one: of equal ones `max_by_key` takes the last.
        Ok(on_disk.into_iter().chain(in_memory.into_iter().rev()).max_by_key(|(size, _)| *size))
    }

    fn check_size(&self, asked: TreeSize) -> Result<(), LogError> {
        let size = self.head().size;
        if asked > size { Err(LogError::NoSuchSize { asked, size }) } else { Ok(()) }
    }

    /// The nodes of the tree of `size` leaves, for one walk: on its way up it needs up to eight nodes
    /// of a tile, which is looked up once.
    fn nodes(&self, size: TreeSize) -> TiledNodes<impl Fn(TileCoord) -> Result<Arc<ExpandedTile>, LogError>> {
        let last: RefCell<Option<Arc<ExpandedTile>>> = RefCell::default();
        TiledNodes::new(size, move |asked: TileCoord| {
            let covers = |tile: &&Arc<ExpandedTile>| {
                tile.coord().full() == asked.full() && tile.coord().width() >= asked.width()
            };
            if let Some(tile) = last.borrow().as_ref().filter(covers) {
                return Ok(Arc::clone(tile));
            }
            let tile = self.0.expanded(asked)?;
            last.replace(Some(Arc::clone(&tile)));
            Ok(tile)
        })
    }
}

impl fmt::Debug for LogReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LogReader({} leaves)", self.head().size)
    }
}
