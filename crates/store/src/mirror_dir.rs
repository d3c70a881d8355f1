//! Copies of other logs: a directory for each, which any web server can serve (C2SP tlog-tiles).
//!
//! ```text
//! <hex SHA-256 of the origin>/policy       whose checkpoints are accepted
//! <hex SHA-256 of the origin>/sources      where the log is read, a URL or an absolute path a line
//! <hex SHA-256 of the origin>/peers        how the sources have fared, and other peers
//! <hex SHA-256 of the origin>/peers.damaged-..   one that could not be read, set aside
//! <hex SHA-256 of the origin>/api/v1/council   of a council's log: the history of its members, if
//!                                          that says whose checkpoints are accepted
//! <hex SHA-256 of the origin>/checkpoint   the last one that was verified
//! <hex SHA-256 of the origin>/tile/..      what it covers, and perhaps more
//! <hex SHA-256 of the origin>/forks/<hex SHA-256 of the evidence>.evidence
//! ```
//!
//! Policy and sources are written by whoever runs the mirror, and the first history of a council; all
//! else by the one process that holds the log's lock. The history lies where a node serves it, so that
//! a copy can be followed as a node can. A file appears whole or not at all, whatever crashes, and the checkpoint
//! after all that it covers.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use jurat_crypto::Digest;
use jurat_log::{
    CheckpointError, MAX_ENTRY_BYTES, MAX_NOTE_BYTES, MAX_POLICY_BYTES, Note, NoteError, Origin, Policy,
    PolicyTextError, TILE_WIDTH, TileCoord, TileKind, TreeSize,
};

use crate::{
    DiskError, Lock, Vfs,
    evidence_files::{self, forks, replace},
    vfs::{replace_file, sync_parent},
};

/// The most sources that a log may have.
pub const MAX_SOURCES: usize = 32;
/// The longest URL or path of a source, in bytes.
pub const MAX_SOURCE_BYTES: usize = 2048;
/// A bundle of 256 of the largest entries; tiles of hashes are smaller.
const MAX_TILE_BYTES: usize = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

const POLICY: &str = "policy";
const COUNCIL: &str = "api/v1/council";
/// A council's history may have so many bytes.
const MAX_COUNCIL_BYTES: usize = 16 << 20;
const SOURCES: &str = "sources";
const CHECKPOINT: &str = "checkpoint";
const PEERS: &str = "peers";
const PEERS_LOCK: &str = "peers.lock";
const DAMAGED_PEERS: &str = "peers.damaged-";
/// As the peers' own layout has it.
const MAX_PEERS_BYTES: usize = 32 << 20;
const LOCK: &str = "lock";
const STAGING: &str = "staging";

/// Why a directory of mirrors can't be used.
#[derive(Debug, thiserror::Error)]
pub enum MirrorDirError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A stored policy can't be read.
    #[error("{path:?}: {error}; add the log again with its policy")]
    Policy {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: PolicyTextError,
    },
    /// A policy has no log.
    #[error("the policy lists no log")]
    NoLog,
    /// A policy has several logs; a mirror is of one.
    #[error("the policy lists the logs {first} and {other}; a mirror needs a policy for one log")]
    SeveralLogs {
        /// One.
        first: String,
        /// Another.
        other: String,
    },
    /// The log's name is no origin.
    #[error("a log can't be called {name}: {error}")]
    NotAnOrigin {
        /// The name.
        name: String,
        /// Why not.
        error: CheckpointError,
    },
    /// There are no sources, or too many.
    #[error("a mirrored log has 1 to {MAX_SOURCES} sources, not {0}")]
    Sources(usize),
    /// A source can't be kept.
    #[error("a source is a line of at most {MAX_SOURCE_BYTES} bytes: {0:?}")]
    Source(String),
    /// Another process writes the copy.
    #[error("{path:?} is written by another process: stop that one first")]
    InUse {
        /// The log's directory.
        path: PathBuf,
    },
    /// The stored checkpoint is damaged.
    #[error("{path:?}: {error}; put back the file, or remove the log's directory and mirror it anew")]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: NoteError,
    },
}

/// A log that is mirrored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MirroredLog {
    origin: Origin,
    policy: Policy,
    follows_council: bool,
    sources: Vec<String>,
}

/// The directory of all mirrored logs.
#[derive(Clone, Debug)]
pub struct MirrorDir {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
}

/// The copy of one log, which nobody else writes while this is held.
#[derive(Debug)]
pub struct MirrorWriter {
    vfs: Arc<dyn Vfs>,
    log: PathBuf,
    /// Directories whose names are not durable yet.
    unsynced: BTreeSet<PathBuf>,
    _lock: Lock,
}

impl MirroredLog {
    /// Checks and takes a policy for one log, and where to read that.
    pub fn new(policy: Policy, sources: Vec<String>) -> Result<Self, MirrorDirError> {
        let mut names = policy.logs().iter().map(|log| log.vkey.name().as_str());
        let name = names.next().ok_or(MirrorDirError::NoLog)?;
        if let Some(other) = names.find(|other| *other != name) {
            return Err(MirrorDirError::SeveralLogs { first: name.into(), other: other.into() });
        }
        let origin =
            Origin::new(name).map_err(|error| MirrorDirError::NotAnOrigin { name: name.into(), error })?;
        if !(1..=MAX_SOURCES).contains(&sources.len()) {
            return Err(MirrorDirError::Sources(sources.len()));
        }
        let is_bad = |source: &&String| {
            source.is_empty() || source.len() > MAX_SOURCE_BYTES || source.contains(['\n', '\r'])
        };
        match sources.iter().find(is_bad) {
            Some(bad) => Err(MirrorDirError::Source(bad.clone())),
            None => Ok(Self { origin, policy, follows_council: false, sources }),
        }
    }

    /// The same, of a council whose history says whose checkpoints are accepted.
    #[must_use]
    pub fn of_council(self) -> Self {
        Self { follows_council: true, ..self }
    }

    /// Whether a council's history says whose checkpoints are accepted, rather than the policy.
    #[must_use]
    pub const fn follows_council(&self) -> bool {
        self.follows_council
    }

    /// The log's name.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whose checkpoints are accepted; of a log that follows a council, whose were when it was added.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The same log, read elsewhere.
    pub fn read_from(self, sources: Vec<String>) -> Result<Self, MirrorDirError> {
        let follows_council = self.follows_council;
        Ok(Self { follows_council, ..Self::new(self.policy, sources)? })
    }

    /// Where the log is read: URLs and paths.
    #[must_use]
    pub fn sources(&self) -> &[String] {
        &self.sources
    }
}

impl MirrorDir {
    /// A directory, which need not exist before the first log is added.
    #[must_use]
    pub fn new(vfs: Arc<dyn Vfs>, root: impl Into<PathBuf>) -> Self {
        Self { vfs, root: root.into() }
    }

    /// Mirrors a log from now on, or changes its policy and sources. What was copied before stays.
    /// `council` is the history of a log that [follows a council](MirroredLog::follows_council).
    pub fn add(&self, log: &MirroredLog, council: &[u8]) -> Result<(), DiskError> {
        let dir = self.dir_of(&log.origin);
        self.vfs.create_dir_all(&dir)?;
        sync_parent(&*self.vfs, &dir)?;
        sync_parent(&*self.vfs, &self.root)?;
        let history = dir.join(COUNCIL);
        if log.follows_council {
            put_council(&*self.vfs, &dir, council)?;
        } else if self.vfs.file_len(&history)?.is_some() {
            self.vfs.remove_file(&history)?;
            sync_parent(&*self.vfs, &history)?;
        }
        self.put_sources(log)?;
        // The policy is what makes the log a mirrored one, so it comes last.
        replace(&*self.vfs, &dir.join(POLICY), log.policy.to_string().as_bytes())
    }

    /// Changes where a log is read.
    pub fn put_sources(&self, log: &MirroredLog) -> Result<(), DiskError> {
        let sources: String = log.sources.iter().map(|source| format!("{source}\n")).collect();
        replace(&*self.vfs, &self.dir_of(&log.origin).join(SOURCES), sources.as_bytes())
    }

    /// The file of a log's peers, if there is one.
    pub fn peers(&self, origin: &Origin) -> Result<Option<Vec<u8>>, DiskError> {
        read(&*self.vfs, &self.dir_of(origin).join(PEERS), MAX_PEERS_BYTES)
    }

    /// Held while the file of a log's peers is read and replaced; nothing while somebody else does.
    pub fn lock_peers(&self, origin: &Origin) -> Result<Option<Lock>, DiskError> {
        self.vfs.try_lock(&self.dir_of(origin).join(PEERS_LOCK))
    }

    /// Replaces the file of a log's peers, durably.
    pub fn put_peers(&self, origin: &Origin, bytes: &[u8]) -> Result<(), DiskError> {
        replace(&*self.vfs, &self.dir_of(origin).join(PEERS), bytes)
    }

    /// Sets the file of a log's peers aside, and says under which name; `mark` tells several apart.
    pub fn set_peers_aside(&self, origin: &Origin, mark: u64) -> Result<PathBuf, DiskError> {
        let dir = self.dir_of(origin);
        let aside = dir.join(format!("{DAMAGED_PEERS}{mark}"));
        self.vfs.rename(&dir.join(PEERS), &aside)?;
        sync_parent(&*self.vfs, &aside)?;
        Ok(aside)
    }

    /// Files of a log's peers that were set aside.
    pub fn damaged_peers(&self, origin: &Origin) -> Result<Vec<PathBuf>, DiskError> {
        let dir = self.dir_of(origin);
        let names = self.vfs.list(&dir)?.into_iter();
        Ok(names.filter(|name| name.starts_with(DAMAGED_PEERS)).map(|name| dir.join(name)).collect())
    }

    /// Stops mirroring a log. What was copied stays where this says, so that the log goes on there if
    /// it is added again; nothing if the log is not mirrored.
    pub fn remove(&self, origin: &Origin) -> Result<Option<PathBuf>, DiskError> {
        let dir = self.dir_of(origin);
        let path = dir.join(POLICY);
        if self.vfs.file_len(&path)?.is_none() {
            return Ok(None);
        }
        self.vfs.remove_file(&path)?;
        sync_parent(&*self.vfs, &path)?;
        Ok(Some(dir))
    }

    /// All logs that are mirrored; one whose files are damaged does not keep the others.
    pub fn logs(&self) -> Result<Vec<Result<MirroredLog, MirrorDirError>>, DiskError> {
        let names = match self.vfs.list(&self.root) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            names => names?,
        };
        Ok(names.iter().filter_map(|name| self.read_log(&self.root.join(name)).transpose()).collect())
    }

    /// A log as it was added, with its sources of now; none if it was not.
    pub fn log(&self, origin: &Origin) -> Result<Option<MirroredLog>, MirrorDirError> {
        self.read_log(&self.dir_of(origin))
    }

    /// Takes up the copy of a log, to write to it.
    pub fn open(&self, origin: &Origin) -> Result<MirrorWriter, MirrorDirError> {
        let log = self.dir_of(origin);
        let lock = self.vfs.try_lock(&log.join(LOCK))?;
        let lock = lock.ok_or_else(|| MirrorDirError::InUse { path: log.clone() })?;
        let staging = log.join(STAGING);
        self.vfs.create_dir_all(&staging)?;
        for name in self.vfs.list(&staging)? {
            self.vfs.remove_file(&staging.join(name))?;
        }
        Ok(MirrorWriter { vfs: self.vfs.clone(), log, unsynced: BTreeSet::new(), _lock: lock })
    }

    /// The last checkpoint that was verified of the log whose origin has this SHA-256 digest.
    pub fn checkpoint(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.served(origin, CHECKPOINT, MAX_NOTE_BYTES)
    }

    /// The history of the council whose log that is, if it is followed.
    pub fn council(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.served(origin, COUNCIL, MAX_COUNCIL_BYTES)
    }

    /// A tile or bundle of that log.
    pub fn tile(&self, origin: &Digest, coord: TileCoord) -> Result<Option<Vec<u8>>, DiskError> {
        self.served(origin, &coord.path(), MAX_TILE_BYTES)
    }

    /// Evidence that the log has forked.
    pub fn forks(&self, origin: &Origin) -> Result<Vec<PathBuf>, DiskError> {
        forks(&*self.vfs, &self.dir_of(origin))
    }

    fn served(&self, origin: &Digest, path: &str, max: usize) -> Result<Option<Vec<u8>>, DiskError> {
        let log = self.root.join(origin.to_string());
        if self.vfs.file_len(&log.join(POLICY))?.is_none() {
            return Ok(None);
        }
        read(&*self.vfs, &log.join(path), max)
    }

    fn dir_of(&self, origin: &Origin) -> PathBuf {
        self.root.join(Digest::of(origin.as_str().as_bytes()).to_string())
    }

    fn read_log(&self, dir: &Path) -> Result<Option<MirroredLog>, MirrorDirError> {
        let path = dir.join(POLICY);
        let Some(policy) = read(&*self.vfs, &path, MAX_POLICY_BYTES)? else { return Ok(None) };
        let policy = Policy::parse(&policy).map_err(|error| MirrorDirError::Policy { path, error })?;
        let sources = self.vfs.read(&dir.join(SOURCES), (MAX_SOURCES * (MAX_SOURCE_BYTES + 1)) as u64)?;
        let sources = String::from_utf8_lossy(&sources).lines().map(ToOwned::to_owned).collect();
        let follows_council = self.vfs.file_len(&dir.join(COUNCIL))?.is_some();
        Ok(Some(MirroredLog { follows_council, ..MirroredLog::new(policy, sources)? }))
    }
}

impl MirrorWriter {
    /// The last checkpoint that was published, if one was.
    pub fn checkpoint(&self) -> Result<Option<Note>, MirrorDirError> {
        let path = self.log.join(CHECKPOINT);
        let Some(note) = read(&*self.vfs, &path, MAX_NOTE_BYTES)? else { return Ok(None) };
        Note::parse(&note).map(Some).map_err(|error| MirrorDirError::Checkpoint { path, error })
    }

    /// The history of the council that is followed, if one is.
    pub fn council(&self) -> Result<Option<Vec<u8>>, DiskError> {
        read(&*self.vfs, &self.log.join(COUNCIL), MAX_COUNCIL_BYTES)
    }

    /// Replaces the council's history, durably.
    pub fn put_council(&mut self, history: &[u8]) -> Result<(), DiskError> {
        put_council(&*self.vfs, &self.log, history)
    }

    /// A tile or bundle that is stored.
    pub fn tile(&self, coord: TileCoord) -> Result<Option<Vec<u8>>, DiskError> {
        read(&*self.vfs, &self.log.join(coord.path()), MAX_TILE_BYTES)
    }

    /// Stores a tile or bundle. It is there whole or not at all, and durable once the checkpoint is
    /// [published](Self::publish).
    pub fn put(&mut self, coord: TileCoord, bytes: &[u8]) -> Result<(), DiskError> {
        let path = self.log.join(coord.path());
        let above = path.ancestors().skip(1).take_while(|dir| dir.starts_with(&self.log));
        self.unsynced.extend(above.map(Path::to_owned));
        // What a sync that was cut off has left; its name may not be durable yet.
        let is_there = self.vfs.file_len(&path)? == Some(bytes.len() as u64);
        if is_there && self.tile(coord)?.as_deref() == Some(bytes) {
            return Ok(());
        }
        if let Some(dir) = path.parent() {
            self.vfs.create_dir_all(dir)?;
        }
        let staging = self.log.join(STAGING).join("tile");
        if self.vfs.file_len(&staging)?.is_some() {
            self.vfs.remove_file(&staging)?;
        }
        // Written in full before it has its name: nobody ever sees a part of it.
        let file = self.vfs.create(&staging)?;
        file.write_at(0, bytes)?;
        file.sync()?;
        self.vfs.rename(&staging, &path)
    }

    /// Makes what was stored durable, then replaces the checkpoint, then takes away the partial tiles
    /// of the `old` size that are full at the `new` one. A crash leaves the old checkpoint or the new
    /// one, with all that it covers, and perhaps a partial tile too many.
    pub fn publish(&mut self, note: &Note, old: TreeSize, new: TreeSize) -> Result<(), DiskError> {
        self.vfs.sync_dirs(&self.unsynced.iter().map(PathBuf::as_path).collect::<Vec<_>>())?;
        self.unsynced.clear();
        let (staging, path) = (self.log.join(STAGING).join(CHECKPOINT), self.log.join(CHECKPOINT));
        if self.vfs.file_len(&staging)?.is_some() {
            self.vfs.remove_file(&staging)?;
        }
        replace_file(&*self.vfs, &staging, &path, note.to_string().as_bytes())?;
        let levels = (0..64).map(TileKind::Hashes).chain([TileKind::Entries]);
        let partial = levels.filter_map(|kind| TileCoord::partial(kind, old));
        for coord in partial.filter(|coord| coord.full().is_within(new)) {
            self.remove_partial(coord)?;
        }
        Ok(())
    }

    fn remove_partial(&self, coord: TileCoord) -> Result<(), DiskError> {
        let path = self.log.join(coord.path());
        let Some(dir) = path.parent() else { return Ok(()) };
        let names = match self.vfs.list(dir) {
            Err(error) if error.is_not_found() => return Ok(()),
            names => names?,
        };
        for name in names {
            self.vfs.remove_file(&dir.join(name))?;
        }
        self.vfs.remove_dir(dir)
    }

    /// Keeps evidence that the log has forked, durably, and says where. One that is kept already is
    /// not written again, and of one log no more than a few are kept: nothing, then.
    pub fn keep_fork(&self, evidence: &[u8]) -> Result<Option<PathBuf>, DiskError> {
        evidence_files::keep_fork(&*self.vfs, &self.log, evidence)
    }
}

fn put_council(vfs: &dyn Vfs, log: &Path, history: &[u8]) -> Result<(), DiskError> {
    let path = log.join(COUNCIL);
    for dir in path.ancestors().skip(1).take_while(|dir| *dir != log) {
        vfs.create_dir_all(dir)?;
        sync_parent(vfs, dir)?;
    }
    replace(vfs, &path, history)
}

fn read(vfs: &dyn Vfs, path: &Path, max: usize) -> Result<Option<Vec<u8>>, DiskError> {
    match vfs.read(path, max as u64) {
        Err(error) if error.is_not_found() => Ok(None),
        bytes => bytes.map(Some),
    }
}
