//! The index: what can't be found in tiles, in one file of redb.

use std::{
    error::Error,
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, SearchTerm, SubjectMap, SubjectNode, SubjectRoot, TreeSize, UnixMillis};
use redb::{
    Database, ReadOnlyTable, ReadableDatabase as _, ReadableTable as _, ReadableTableMetadata as _,
    StorageBackend, TableDefinition,
};

use super::{
    BatchOrigin, Damage, LogError, LogHead, SequenceRecord,
    memory::Frozen,
    subjects::{Page, node_at, split},
};
use crate::{DataDir, Lock, VfsFile};

const FILE: &str = "index.redb";

/// Memory for pages of the index, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// Name of an entry, which is its leaf hash unless it was refused, to the leaf's index.
const LEAVES: TableDefinition<'_, &[u8; 32], u64> = TableDefinition::new("leaves");
/// Search term and the index of an entry that has it, 33 bytes and 8 in big-endian.
const TERMS: TableDefinition<'_, &[u8; TERM_KEY], ()> = TableDefinition::new("terms");
const TERM_KEY: usize = 33 + 8;
/// Number to nodes of the subject map.
const SUBJECT_PAGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("subject-pages");
/// Size behind a batch that changed the subject map to the map's root and its topmost node's place.
const SUBJECT_MAPS: TableDefinition<'_, u64, (&[u8; 32], u64)> = TableDefinition::new("subject-maps");
/// Sequence to the index of its first leaf, the number of its leaves and its record.
const SEQUENCES: TableDefinition<'_, u64, (u64, u64, &[u8])> = TableDefinition::new("sequences");
/// First leaf of a batch that has leaves to its sequence and its time.
const BATCHES: TableDefinition<'_, u64, (u64, u64)> = TableDefinition::new("batches");
/// Size to the certified checkpoint of that size.
const CHECKPOINTS: TableDefinition<'_, u64, &str> = TableDefinition::new("checkpoints");
/// One row: size, root, last sequence, size at the flush before, the caller's state.
type State = (u64, &'static [u8; 32], Option<u64>, u64, &'static [u8]);
const STATE: TableDefinition<'_, (), State> = TableDefinition::new("state");
/// One row, of its own since it may be long: the caller's snapshot.
const SNAPSHOT: TableDefinition<'_, (), &[u8]> = TableDefinition::new("snapshot");

pub(super) struct Index {
    // Closed before the database, and that before the lock is given up.
    views: RwLock<Views>,
    database: Database,
    _lock: Lock,
    path: PathBuf,
}

/// The tables that each entry is looked up in, as the last commit left them. Beginning a
/// transaction and opening a table for each look-up takes several times as long as the look-up.
struct Views {
    leaves: ReadOnlyTable<&'static [u8; 32], u64>,
    subject_pages: ReadOnlyTable<u64, &'static [u8]>,
}

/// Where the log stood at its last flush.
pub(super) struct Flushed {
    pub(super) head: LogHead,
    /// The size at the flush before it.
    pub(super) previous: TreeSize,
    pub(super) state: Arc<[u8]>,
}

impl Index {
    /// Opens the index, or makes an empty one.
    pub(super) fn open(dir: &DataDir) -> Result<Self, LogError> {
        dir.make_if_missing(FILE, |staging| {
            // The lock goes after the database.
            let opened = open_database(dir, staging)?;
            make_tables(&opened.0).map_err(|error| failed(staging, error))
        })?;
        Self::open_existing(dir)
    }

    /// Opens the index, which must exist.
    pub(super) fn open_existing(dir: &DataDir) -> Result<Self, LogError> {
        let path = dir.join(FILE);
        if dir.vfs().file_len(&path)?.is_none() {
            return Err(LogError::Missing { path });
        }
        let (database, lock) = open_database(dir, &path)?;
        let views = Views::of(&database).map_err(|error| failed(&path, error))?;
        Ok(Self { views: RwLock::new(views), database, _lock: lock, path })
    }

    /// Looks something up in what the last commit left.
    fn look_up<T>(&self, look: impl FnOnce(&Views) -> Result<T, redb::StorageError>) -> Result<T, LogError> {
        let views = self.views.read().unwrap_or_else(PoisonError::into_inner);
        self.done(look(&views).map_err(redb::Error::from))
    }

    pub(super) fn flushed(&self) -> Result<Flushed, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(STATE)?;
            let Some(row) = table.get(())? else {
                return Ok(None);
            };
            let (size, root, sequence, previous, state) = row.value();
            Ok(Some((size, Digest::from_bytes(*root), sequence, previous, Arc::from(state))))
        };
        let Some((size, root, sequence, previous, state)) = self.done(read())? else {
            return Ok(Flushed { head: LogHead::EMPTY, previous: TreeSize::EMPTY, state: Arc::from([]) });
        };
        let size = self.size(size)?;
        let subjects = self.subject_map(size)?.root();
        let head = LogHead { size, root, subjects, sequence };
        Ok(Flushed { head, previous: self.size(previous)?, state })
    }

    pub(super) fn snapshot(&self) -> Result<Option<Arc<[u8]>>, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(SNAPSHOT)?;
            Ok(table.get(())?.map(|row| Arc::from(row.value())))
        };
        self.done(read())
    }

    /// Makes a flush durable, as a whole or not at all.
    pub(super) fn commit(&self, frozen: &Frozen) -> Result<(), LogError> {
        let Frozen { generation, state, snapshot, .. } = frozen;
        self.write(|transaction| {
            let mut table = transaction.open_table(LEAVES)?;
            // In the table's order, so that each of its pages is come to once.
            for (hash, index) in generation.leaves.in_order() {
                table.insert(hash.as_bytes(), index.value())?;
            }
            let mut table = transaction.open_table(TERMS)?;
            for (term, index) in &generation.terms {
                table.insert(&term_key(*term, index.value()), ())?;
            }
            let mut table = transaction.open_table(SUBJECT_PAGES)?;
            for (number, page) in &generation.subject_pages {
                table.insert(number, &**page)?;
            }
            let mut table = transaction.open_table(SUBJECT_MAPS)?;
            for (size, map) in &generation.subject_maps {
                table.insert(size.value(), (map.root().digest().as_bytes(), map.top()))?;
            }
            let mut table = transaction.open_table(SEQUENCES)?;
            for (sequence, record) in &generation.sequences {
                table.insert(sequence, (record.first.value(), record.count, &*record.record))?;
            }
            let mut table = transaction.open_table(BATCHES)?;
            for (first, (sequence, time)) in &generation.batches {
                table.insert(first.value(), (*sequence, time.0))?;
            }
            let mut table = transaction.open_table(CHECKPOINTS)?;
            for (size, note) in &generation.checkpoints {
                table.insert(size.value(), &**note)?;
            }
            let (previous, end) = (generation.start.size, generation.end);
            let row = (end.size.value(), end.root.as_bytes(), end.sequence, previous.value(), &**state);
            transaction.open_table(STATE)?.insert((), row)?;
            if let Some(snapshot) = snapshot {
                transaction.open_table(SNAPSHOT)?.insert((), &**snapshot)?;
            }
            Ok(())
        })?;
        let views = self.done(Views::of(&self.database))?;
        *self.views.write().unwrap_or_else(PoisonError::into_inner) = views;
        Ok(())
    }

    pub(super) fn index_of(&self, name: &Digest) -> Result<Option<LeafIndex>, LogError> {
        let index =
            self.look_up(|views| Ok(views.leaves.get(name.as_bytes())?.map(|index| index.value())))?;
        index.map(|index| LeafIndex::new(index).map_err(|error| failed(&self.path, error))).transpose()
    }

    /// The first entries at or behind an index that have a term.
    pub(super) fn find(
        &self,
        term: SearchTerm,
        from: LeafIndex,
        limit: usize,
    ) -> Result<Vec<LeafIndex>, LogError> {
        let keys = term_key(term, from.value())..=term_key(term, u64::MAX);
        let read = || {
            let table = self.database.begin_read()?.open_table(TERMS)?;
            let rows = table.range::<&[u8; TERM_KEY]>(&keys.start()..=&keys.end())?;
            rows.take(limit).map(|row| Ok(term_key_index(row?.0.value()))).collect()
        };
        let indices: Vec<u64> = self.done(read())?;
        let index = |index| LeafIndex::new(index).map_err(|error| failed(&self.path, error));
        indices.into_iter().map(index).collect()
    }

    /// How many pairs of a term and an entry there are.
    pub(super) fn term_count(&self) -> Result<u64, LogError> {
        self.done((|| Ok(self.database.begin_read()?.open_table(TERMS)?.len()?))())
    }

    pub(super) fn subject_page(&self, number: u64) -> Result<Option<Page>, LogError> {
        self.look_up(|views| Ok(views.subject_pages.get(number)?.map(|page| Arc::from(page.value()))))
    }

    /// The node of the subject map at a place.
    pub(super) fn subject_node(&self, place: u64) -> Result<Option<SubjectNode>, LogError> {
        let (number, at) = split(place);
        self.look_up(|views| Ok(views.subject_pages.get(number)?.and_then(|page| node_at(page.value(), at))))
    }

    /// The number of the next page.
    pub(super) fn subject_page_end(&self) -> Result<u64, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(SUBJECT_PAGES)?;
            Ok(table.last()?.map_or(0, |(number, _)| number.value() + 1))
        };
        self.done(read())
    }

    /// The subject map of the last batch that ends at a size or before.
    pub(super) fn subject_map(&self, size: TreeSize) -> Result<SubjectMap, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(SUBJECT_MAPS)?;
            let row = table.range(..=size.value())?.next_back().transpose()?;
            Ok(row.map_or(SubjectMap::EMPTY, |(_, row)| {
                let (root, top) = row.value();
                SubjectMap::new(SubjectRoot::from_digest(Digest::from_bytes(*root)), top)
            }))
        };
        self.done(read())
    }

    /// How many batches changed the subject map.
    pub(super) fn subject_map_count(&self) -> Result<u64, LogError> {
        self.done((|| Ok(self.database.begin_read()?.open_table(SUBJECT_MAPS)?.len()?))())
    }

    /// Nodes of the subject map aren't what they were.
    pub(super) fn damaged_subjects(&self) -> LogError {
        LogError::Damaged { path: self.path.clone(), damage: Damage::SubjectMap }
    }

    pub(super) fn sequence(&self, sequence: u64) -> Result<Option<SequenceRecord>, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(SEQUENCES)?;
            Ok(table.get(sequence)?.map(|row| {
                let (first, count, record) = row.value();
                (first, count, Arc::from(record))
            }))
        };
        let Some((first, count, record)) = self.done(read())? else { return Ok(None) };
        Ok(Some(SequenceRecord { first: self.size(first)?, count, record }))
    }

    /// The batch that appended a leaf.
    pub(super) fn batch_of(&self, leaf: LeafIndex) -> Result<Option<BatchOrigin>, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(BATCHES)?;
            let row = table.range(..=leaf.value())?.next_back().transpose()?;
            Ok(row.map(|(first, row)| (first.value(), row.value())))
        };
        let Some((first, (sequence, time))) = self.done(read())? else { return Ok(None) };
        let first = LeafIndex::new(first).map_err(|error| failed(&self.path, error))?;
        Ok(Some(BatchOrigin { sequence, time: UnixMillis(time), first }))
    }

    /// How many batches have leaves.
    pub(super) fn batch_count(&self) -> Result<u64, LogError> {
        self.done((|| Ok(self.database.begin_read()?.open_table(BATCHES)?.len()?))())
    }

    /// The checkpoint of the smallest size from `size` on.
    pub(super) fn checkpoint_from(&self, size: TreeSize) -> Result<Option<(TreeSize, Arc<str>)>, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(CHECKPOINTS)?;
            let row = table.range(size.value()..)?.next().transpose()?;
            Ok(row.map(|(size, note)| (size.value(), Arc::from(note.value()))))
        };
        let Some((size, note)) = self.done(read())? else { return Ok(None) };
        Ok(Some((self.size(size)?, note)))
    }

    pub(super) fn latest_checkpoint(&self) -> Result<Option<(TreeSize, Arc<str>)>, LogError> {
        let read = || {
            let table = self.database.begin_read()?.open_table(CHECKPOINTS)?;
            Ok(table.last()?.map(|(size, note)| (size.value(), Arc::from(note.value()))))
        };
        let Some((size, note)) = self.done(read())? else { return Ok(None) };
        Ok(Some((self.size(size)?, note)))
    }

    /// How many leaf hashes there are.
    pub(super) fn leaf_count(&self) -> Result<u64, LogError> {
        self.done((|| Ok(self.database.begin_read()?.open_table(LEAVES)?.len()?))())
    }

    /// Shows each sequence, in order.
    pub(super) fn for_each_sequence(&self, mut show: impl FnMut(u64, u64, u64)) -> Result<(), LogError> {
        let mut read = || {
            for row in self.database.begin_read()?.open_table(SEQUENCES)?.iter()? {
                let (sequence, row) = row?;
                let (first, count, _) = row.value();
                show(sequence.value(), first, count);
            }
            Ok(())
        };
        self.done(read())
    }

    fn write(
        &self,
        act: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
    ) -> Result<(), LogError> {
        self.done(write(&self.database, act))
    }

    fn done<T>(&self, result: Result<T, redb::Error>) -> Result<T, LogError> {
        result.map_err(|error| failed(&self.path, error))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn size(&self, leaves: u64) -> Result<TreeSize, LogError> {
        TreeSize::new(leaves).map_err(|error| failed(&self.path, error))
    }
}

impl Views {
    fn of(database: &Database) -> Result<Self, redb::Error> {
        let transaction = database.begin_read()?;
        let leaves = transaction.open_table(LEAVES)?;
        Ok(Self { leaves, subject_pages: transaction.open_table(SUBJECT_PAGES)? })
    }
}

fn open_database(dir: &DataDir, path: &Path) -> Result<(Database, Lock), LogError> {
    let Some(lock) = dir.vfs().try_lock(path)? else { return Err(LogError::InUse) };
    let file = RedbFile::new(dir.vfs().open(path)?);
    let database = Database::builder().set_cache_size(CACHE_BYTES).create_with_backend(file);
    Ok((database.map_err(|error| failed(path, error))?, lock))
}

fn make_tables(database: &Database) -> Result<(), redb::Error> {
    write(database, |transaction| {
        transaction.open_table(LEAVES)?;
        transaction.open_table(TERMS)?;
        transaction.open_table(SUBJECT_PAGES)?;
        transaction.open_table(SUBJECT_MAPS)?;
        transaction.open_table(SEQUENCES)?;
        transaction.open_table(BATCHES)?;
        transaction.open_table(CHECKPOINTS)?;
        transaction.open_table(STATE)?;
        transaction.open_table(SNAPSHOT)?;
        Ok(())
    })
}

fn write(
    database: &Database,
    act: impl FnOnce(&redb::WriteTransaction) -> Result<(), redb::Error>,
) -> Result<(), redb::Error> {
    let mut transaction = database.begin_write()?;
    // So that opening after a crash takes no longer than after a clean end.
    transaction.set_quick_repair(true);
    act(&transaction)?;
    Ok(transaction.commit()?)
}

fn term_key(term: SearchTerm, index: u64) -> [u8; TERM_KEY] {
    let mut key = [0; TERM_KEY];
    key[..33].copy_from_slice(&term.to_bytes());
    key[33..].copy_from_slice(&index.to_be_bytes());
    key
}

fn term_key_index(key: &[u8; TERM_KEY]) -> u64 {
    let mut index = [0; 8];
    index.copy_from_slice(&key[33..]);
    u64::from_be_bytes(index)
}

fn failed(path: &Path, error: impl Error + Send + Sync + 'static) -> LogError {
    LogError::Index { path: path.to_owned(), source: Box::new(error) }
}

/// Lets redb keep its file wherever ours are. The lock is taken by who opens it.
#[derive(Debug)]
pub(crate) struct RedbFile(Box<dyn VfsFile>);

impl RedbFile {
    pub(crate) fn new(file: Box<dyn VfsFile>) -> Self {
        Self(file)
    }
}

impl StorageBackend for RedbFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.len()?)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        Ok(self.0.read_at(offset, out)?)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Ok(self.0.set_len(len)?)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(self.0.sync()?)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        Ok(self.0.write_at(offset, data)?)
    }
}
