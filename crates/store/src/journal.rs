//! The journal: records that must be durable before something else may happen.

mod segment;

use std::{fmt, path::PathBuf};

use crate::{DataDir, DiskError, Lock, VfsFile, vfs::sync_parent};

/// The longest record, in bytes.
pub const MAX_RECORD_BYTES: usize = 16 << 20;

/// The most that may wait for one sync, in bytes, so that a disk that doesn't keep up is noticed.
pub const MAX_UNSYNCED_BYTES: usize = 64 << 20;

/// The longest segment, in bytes: how far the journal may grow before it's rotated.
pub const MAX_SEGMENT_BYTES: u64 = 1 << 30;

const FOLDER: &str = "journal";

/// Space is filled with zeros in steps of this many bytes, because a sync that needn't record new
/// blocks and a new length is quicker: 1.8 times at 4 KiB a group on ext4. Larger steps gain
/// nothing more and cost large groups something.
const PREALLOCATED: usize = 1 << 20;

/// A durable log of records that replaces itself.
///
/// Records are appended in memory; [`sync`](Self::sync) writes all of them as one group and
/// makes them durable, at the cost of one. [`rotate`](Self::rotate) begins anew with the records
/// that are still needed. On the disk there is one file at a time, a *segment*.
///
/// **A failed write or sync ends the journal.** What the disk holds is unknown from then on, and
/// a second sync that succeeds proves nothing, so every later call fails with
/// [`JournalError::Stopped`]; the replica must stop, and find out by opening the journal anew.
///
/// Memory: the records not yet synced.
pub struct Journal {
    dir: DataDir,
    _lock: Lock,
    /// Of the segment in force.
    id: u64,
    file: Option<Box<dyn VfsFile>>,
    /// Of the next group.
    number: u64,
    /// Where the next group goes.
    end: u64,
    /// The length of the file.
    allocated: u64,
    /// The payload of the next group.
    unsynced: Vec<u8>,
    appended: Position,
}

/// The place of a record among those appended to a journal since it was opened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Position(u64);

/// What [`Journal::open`] found.
#[derive(Debug)]
pub struct Recovered {
    /// The journal, ready to go on.
    pub journal: Journal,
    /// The records in it, oldest first: all that were acknowledged, and perhaps the ones that were
    /// being synced at the end. All of them are durable now.
    pub records: Vec<Vec<u8>>,
    /// Whether a sync was cut short, which means no more than that.
    pub torn_tail: Option<TornTail>,
}

/// The end of a journal that was being written when the power failed. It was never acknowledged
/// and has been dropped.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TornTail {
    /// The segment.
    pub path: PathBuf,
    /// Where in it the torn part begins, in bytes.
    pub offset: u64,
}

impl Journal {
    /// Opens the journal of a data directory, or begins one, and reads all its records.
    ///
    /// The records are then written to a segment of their own. So whatever this returns is
    /// durable, even where it was only in the operating system's cache and an earlier process died
    /// of a failed sync. On an error the old segment is as it was.
    pub fn open(dir: &DataDir) -> Result<Recovered, JournalError> {
        let folder = dir.join(FOLDER);
        dir.vfs().create_dir_all(&folder)?;
        sync_parent(&**dir.vfs(), &folder)?;
        let lock = dir.vfs().try_lock(&folder.join("lock"))?.ok_or(JournalError::InUse)?;
        let names = dir.vfs().list(&folder)?;
        let newest = names.iter().filter_map(|name| parse_name(name)).max();

        let mut journal = Self {
            dir: dir.clone(),
            _lock: lock,
            id: newest.unwrap_or(0),
            file: None,
            number: 0,
            end: 0,
            allocated: 0,
            unsynced: Vec::new(),
            appended: Position(0),
        };
        let mut records = Vec::new();
        let mut torn_tail = None;
        if newest.is_some() {
            let path = journal.path(journal.id);
            let bytes = dir.vfs().read(&path, MAX_SEGMENT_BYTES + PREALLOCATED as u64)?;
            let content = segment::decode(journal.id, &bytes)
                .map_err(|damage| JournalError::Damaged { path: path.clone(), offset: damage.offset })?;
            torn_tail = content.torn_at.map(|offset| TornTail { path, offset });
            records = content.records;
        }
        journal.install(&Segment::new(journal.id + 1, records.iter().map(Vec::as_slice))?)?;
        Ok(Recovered { journal, records, torn_tail })
    }

    /// Opens the journal of a data directory that must have one: beginning anew would be to forget
    /// what was promised.
    pub fn open_existing(dir: &DataDir) -> Result<Recovered, JournalError> {
        let path = dir.join(FOLDER);
        match dir.vfs().list(&path) {
            Ok(names) if names.iter().any(|name| parse_name(name).is_some()) => Self::open(dir),
            Err(error) if !error.is_not_found() => Err(error.into()),
            _ => Err(JournalError::Missing { path }),
        }
    }

    /// Adds a record. It's not durable before the next [`sync`](Self::sync).
    pub fn append(&mut self, record: &[u8]) -> Result<Position, JournalError> {
        if self.file.is_none() {
            return Err(JournalError::Stopped);
        }
        if record.len() > MAX_RECORD_BYTES {
            return Err(JournalError::RecordTooLong { len: record.len() });
        }
        let payload = self.unsynced.len() + record.len() + 4;
        if payload > MAX_UNSYNCED_BYTES {
            return Err(JournalError::NotSynced);
        }
        if self.end + segment::group_len(payload) as u64 > MAX_SEGMENT_BYTES {
            return Err(JournalError::NotRotated);
        }
        segment::push_record(&mut self.unsynced, record)?;
        let position = self.appended;
        self.appended.0 += 1;
        Ok(position)
    }

    /// Makes everything appended durable. Returns the position behind it: whatever
    /// [`append`](Self::append) gave a smaller one is safe now.
    pub fn sync(&mut self) -> Result<Position, JournalError> {
        // Put back at the end: a journal whose disk failed has no file.
        let file = self.file.take().ok_or(JournalError::Stopped)?;
        if !self.unsynced.is_empty() {
            let mut group = Vec::with_capacity(segment::group_len(self.unsynced.len()));
            segment::push_group(&mut group, self.id, self.number, &self.unsynced);
            let end = self.end + group.len() as u64;
            if end > self.allocated {
                group.resize(group.len() + PREALLOCATED, 0);
                self.allocated = end + PREALLOCATED as u64;
            }
            file.write_at(self.end, &group)?;
            file.sync()?;
            self.number += 1;
            self.end = end;
            self.unsynced.clear();
        }
        self.file = Some(file);
        Ok(self.appended)
    }

    /// Begins a new segment with `records`, durably, and drops the old one.
    ///
    /// They stand for everything that was appended before, synced or not. A crash leaves either
    /// the old segment in force, with what was synced, or the new one.
    pub fn rotate<'a>(&mut self, records: impl IntoIterator<Item = &'a [u8]>) -> Result<(), JournalError> {
        if self.file.is_none() {
            return Err(JournalError::Stopped);
        }
        self.install(&Segment::new(self.id + 1, records)?)?;
        self.unsynced.clear();
        Ok(())
    }

    fn install(&mut self, segment: &Segment) -> Result<(), JournalError> {
        // Put back at the end, as in `sync`.
        self.file = None;
        let vfs = &**self.dir.vfs();
        let (staging, path) = (self.dir.staging("journal"), self.path(segment.id));
        let file = vfs.create(&staging)?;
        file.write_at(0, &segment.bytes)?;
        file.sync()?;
        vfs.rename(&staging, &path)?;
        // A crash before this is done may leave the old segment only, one behind it both; the
        // newer one is in force, and the next start removes the other.
        sync_parent(vfs, &path)?;
        for name in vfs.list(&self.dir.join(FOLDER))? {
            if parse_name(&name).is_some_and(|older| older < segment.id) {
                vfs.remove_file(&self.dir.join(FOLDER).join(name))?;
            }
        }
        (self.id, self.number) = (segment.id, segment.groups);
        self.end = segment.bytes.len() as u64;
        self.allocated = self.end;
        self.file = Some(file);
        Ok(())
    }

    fn path(&self, id: u64) -> PathBuf {
        self.dir.join(FOLDER).join(format!("{id:020}"))
    }
}

impl fmt::Debug for Journal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Journal(segment {}, {} bytes)", self.id, self.end)
    }
}

/// A segment to begin with: all its groups are sealed.
struct Segment {
    id: u64,
    /// How many groups it has, the header being one.
    groups: u64,
    bytes: Vec<u8>,
}

impl Segment {
    fn new<'a>(id: u64, records: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, JournalError> {
        let (mut groups, mut bytes) = (1, Vec::new());
        let mut payload = Vec::new();
        for record in records {
            if record.len() > MAX_RECORD_BYTES {
                return Err(JournalError::RecordTooLong { len: record.len() });
            }
            if payload.len() + record.len() + 4 > MAX_UNSYNCED_BYTES {
                segment::push_group(&mut bytes, id, groups, &payload);
                groups += 1;
                payload.clear();
            }
            segment::push_record(&mut payload, record)?;
        }
        if !payload.is_empty() {
            segment::push_group(&mut bytes, id, groups, &payload);
            groups += 1;
        }
        let sealed = (segment::BLOCK + bytes.len()) as u64;
        if sealed > MAX_SEGMENT_BYTES {
            return Err(JournalError::NotRotated);
        }
        let mut whole = Vec::with_capacity(segment::BLOCK + bytes.len());
        segment::push_header(&mut whole, id, sealed);
        whole.append(&mut bytes);
        Ok(Self { id, groups, bytes: whole })
    }
}

fn parse_name(name: &str) -> Option<u64> {
    (name.len() == 20 && name.bytes().all(|byte| byte.is_ascii_digit())).then(|| name.parse().ok())?
}

/// Why the journal can't go on, or couldn't be opened.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The disk failed. The journal has stopped; what was appended since the last sync may or
    /// may not be found when it's opened again.
    #[error("the journal failed and has stopped: {0}")]
    Disk(#[from] DiskError),
    /// The journal is open already, in this process.
    #[error("the journal is open already: a data directory has one journal")]
    InUse,
    /// It stopped at an earlier error. Nothing was changed.
    #[error(
        "the journal has stopped at an earlier error: stop the node, and start it again once the disk is well"
    )]
    Stopped,
    /// A record is too long. Nothing was changed.
    #[error("a journal record has {len} bytes, at most {MAX_RECORD_BYTES} are allowed")]
    RecordTooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// Too much is waiting. Nothing was changed.
    #[error("more than {MAX_UNSYNCED_BYTES} bytes wait to be written to the journal: sync first")]
    NotSynced,
    /// The segment is full. Nothing was changed.
    #[error("the journal would have more than {MAX_SEGMENT_BYTES} bytes: rotate it first")]
    NotRotated,
    /// There is no segment, and there must be one. Nothing was changed.
    #[error(
        "the journal in {path:?} is missing, and with it what this node promised the others: restore it; if it is \
         lost, docs/operating.md, \"A lost or an old data directory\", says when this key may start again"
    )]
    Missing {
        /// The journal's directory.
        path: PathBuf,
    },
    /// Records that were acknowledged can't be read. Nothing was changed.
    #[error(
        "journal segment {path:?} is damaged at byte {offset}: restore the file; if that can't be done, docs/operating.md, \
         \"A lost or an old data directory\", says when this key may start again"
    )]
    Damaged {
        /// The segment.
        path: PathBuf,
        /// Where the damage begins, in bytes.
        offset: u64,
    },
}
