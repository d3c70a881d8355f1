//! What a witness remembers of the logs it follows: a directory for each log.
//!
//! ```text
//! <hex SHA-256 of the origin>/keys         the log's keys, a vkey a line
//! <hex SHA-256 of the origin>/checkpoint   the last checkpoint that the witness cosigned
//! <hex SHA-256 of the origin>/forks/<hex SHA-256 of the evidence>.evidence
//! ```
//!
//! Keys are written by whoever runs the witness and read for each request, so a log can be added
//! to a running witness. The checkpoint is replaced in one step, so a crash leaves the old one or
//! the new one.

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jurat_crypto::{Digest, Vkey, VkeyError};
use jurat_log::{CheckpointError, Origin};

use crate::{
    DiskError, MAX_CHECKPOINT_BYTES, Vfs,
    evidence_files::{keep_fork, replace},
    vfs::sync_parent,
};

/// The most keys that one log may have.
pub const MAX_LOG_KEYS: usize = 100;

/// The longest vkey string of a log: a name of 255 bytes, and what follows it.
const MAX_KEY_LINE: usize = 400;

const KEYS: &str = "keys";
const CHECKPOINT: &str = "checkpoint";

/// Why a witness's directory can't be used.
#[derive(Debug, thiserror::Error)]
pub enum WitnessDirError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A key of a log can't be read.
    #[error("{path:?}: {error}; put back the file, or name the log's keys anew")]
    Key {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: VkeyError,
    },
    /// The keys of one log have different names.
    #[error("{path:?} has keys of {first} and {other}; a log's keys have its origin as their name")]
    Origins {
        /// The file.
        path: PathBuf,
        /// One name.
        first: String,
        /// Another.
        other: String,
    },
    /// A key's name is no origin.
    #[error("a log can't be called {name}: {error}")]
    NotAnOrigin {
        /// The name.
        name: String,
        /// Why not.
        error: CheckpointError,
    },
    /// A log has too many keys.
    #[error("a log has at most {MAX_LOG_KEYS} keys, {0} has that many")]
    TooManyKeys(Origin),
}

/// The directory. One process writes checkpoints to it; any may add keys.
#[derive(Debug)]
pub struct WitnessDir {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    /// Held while a checkpoint is looked at and replaced.
    replacing: Mutex<()>,
}

/// A log that the witness follows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FollowedLog {
    /// Its origin.
    pub origin: Origin,
    /// Its keys, one at least.
    pub keys: Vec<Vkey>,
}

/// The record of one log, which nobody else can replace while this is held.
#[derive(Debug)]
pub struct LogRecord<'d> {
    dir: &'d WitnessDir,
    path: PathBuf,
    _replacing: MutexGuard<'d, ()>,
}

impl WitnessDir {
    /// A directory, which need not exist before the first log is added.
    #[must_use]
    pub fn new(vfs: Arc<dyn Vfs>, root: impl Into<PathBuf>) -> Self {
        Self { vfs, root: root.into(), replacing: Mutex::default() }
    }

    /// Follows a log: takes one of its keys. Its name is the log's origin.
    pub fn trust(&self, key: &Vkey) -> Result<FollowedLog, WitnessDirError> {
        let name = key.name().as_str();
        let origin =
            Origin::new(name).map_err(|error| WitnessDirError::NotAnOrigin { name: name.into(), error })?;
        let mut keys = self.keys(&origin)?;
        if !keys.contains(key) {
            if keys.len() == MAX_LOG_KEYS {
                return Err(WitnessDirError::TooManyKeys(origin));
            }
            keys.push(key.clone());
            let text: String = keys.iter().map(|key| format!("{key}\n")).collect();
            self.replace(&self.dir_of(&origin).join(KEYS), text.as_bytes())?;
        }
        Ok(FollowedLog { origin, keys })
    }

    /// Stops following a log. What was cosigned last stays: followed again, the log goes on there.
    pub fn forget(&self, origin: &Origin) -> Result<bool, WitnessDirError> {
        let path = self.dir_of(origin).join(KEYS);
        if self.vfs.file_len(&path)?.is_none() {
            return Ok(false);
        }
        self.vfs.remove_file(&path)?;
        sync_parent(&*self.vfs, &path)?;
        Ok(true)
    }

    /// The keys of a log; none if it is not followed.
    pub fn keys(&self, origin: &Origin) -> Result<Vec<Vkey>, WitnessDirError> {
        Ok(self.read_keys(&self.dir_of(origin))?.map_or_else(Vec::new, |log| log.keys))
    }

    /// All logs that are followed.
    pub fn logs(&self) -> Result<Vec<FollowedLog>, WitnessDirError> {
        let names = match self.vfs.list(&self.root) {
            Err(error) if error.is_not_found() => return Ok(Vec::new()),
            names => names?,
        };
        let logs = names.iter().map(|name| self.read_keys(&self.root.join(name)));
        logs.filter_map(Result::transpose).collect()
    }

    /// The record of a log, to be read and replaced in one step.
    pub fn record(&self, origin: &Origin) -> LogRecord<'_> {
        let path = self.dir_of(origin).join(CHECKPOINT);
        let replacing = self.replacing.lock().unwrap_or_else(PoisonError::into_inner);
        LogRecord { dir: self, path, _replacing: replacing }
    }

    /// Keeps evidence that a log has forked, durably, and says where. One that is kept already is
    /// not written again, and of one log no more than a few are kept: nothing, then.
    pub fn keep_fork(&self, origin: &Origin, evidence: &[u8]) -> Result<Option<PathBuf>, DiskError> {
        keep_fork(&*self.vfs, &self.dir_of(origin), evidence)
    }

    /// The record of the log with this SHA-256 digest of its origin, as monitors ask for it.
    pub fn record_by_digest(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.read(&self.root.join(origin.to_string()).join(CHECKPOINT))
    }

    fn dir_of(&self, origin: &Origin) -> PathBuf {
        self.root.join(Digest::of(origin.as_str().as_bytes()).to_string())
    }

    fn read_keys(&self, dir: &Path) -> Result<Option<FollowedLog>, WitnessDirError> {
        let path = dir.join(KEYS);
        let text = match self.vfs.read(&path, (MAX_LOG_KEYS * MAX_KEY_LINE) as u64) {
            Err(error) if error.is_not_found() => return Ok(None),
            text => String::from_utf8_lossy(&text?).into_owned(),
        };
        let keys: Result<Vec<Vkey>, VkeyError> = text.lines().map(str::parse).collect();
        let keys = keys.map_err(|error| WitnessDirError::Key { path: path.clone(), error })?;
        let Some(name) = keys.first().map(|key| key.name().as_str().to_owned()) else { return Ok(None) };
        if let Some(other) = keys.iter().find(|key| key.name().as_str() != name) {
            let other = other.name().as_str().into();
            return Err(WitnessDirError::Origins { path, first: name, other });
        }
        let origin = Origin::new(&*name).map_err(|error| WitnessDirError::NotAnOrigin { name, error })?;
        Ok(Some(FollowedLog { origin, keys }))
    }

    fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
        match self.vfs.read(path, MAX_CHECKPOINT_BYTES as u64) {
            Err(error) if error.is_not_found() => Ok(None),
            bytes => bytes.map(Some),
        }
    }

    fn replace(&self, path: &Path, content: &[u8]) -> Result<(), DiskError> {
        if let Some(dir) = path.parent()
            && self.vfs.file_len(path)?.is_none()
        {
            self.vfs.create_dir_all(dir)?;
            sync_parent(&*self.vfs, dir)?;
            sync_parent(&*self.vfs, &self.root)?;
        }
        replace(&*self.vfs, path, content)
    }
}

impl LogRecord<'_> {
    /// What was stored last; nothing if nothing ever was.
    pub fn read(&self) -> Result<Option<Vec<u8>>, DiskError> {
        self.dir.read(&self.path)
    }

    /// Puts another record in its place. Durable once this returns; on an error the old one or the
    /// new one is there.
    pub fn replace(&self, record: &[u8]) -> Result<(), DiskError> {
        self.dir.replace(&self.path, record)
    }
}
