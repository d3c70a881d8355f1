//! A node's data directory: one node, one process, one format.

use std::{
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use jurat_crypto::{NetworkId, Vkey};

use crate::{
    DiskError, Lock, Vfs,
    vfs::{replace_file, sync_parent},
};

/// The version of the layout that this crate reads and writes.
const VERSION: u32 = 1;

/// A marker has some 250 bytes, with a long name 500; a longer file isn't one.
const MAX_MARKER: u64 = 1024;

const MARKER: &str = "format";
const LOCK: &str = "lock";
const STAGING: &str = "staging";

/// An open data directory. It stays locked until all clones, and all that was opened in it, are
/// dropped.
///
/// ```text
/// format      which version, network and node; written once
/// lock        locked by the process that has the directory open
/// staging/    files being prepared; emptied at each start
/// journal/    see `Journal`
/// log/        the log's tiles, bundles and checkpoint, for any web server: see `LogStore`
/// index.redb  see `LogStore`
/// bulletins.redb  see `BulletinStore`
/// evidence/   against members: see `EvidenceDir`; not there before the first piece
/// ```
#[derive(Clone)]
pub struct DataDir(Arc<Inner>);

struct Inner {
    vfs: Arc<dyn Vfs>,
    root: PathBuf,
    _lock: Lock,
}

impl DataDir {
    /// Opens a node's data directory, or makes one if there is nothing under that name or an
    /// empty directory.
    ///
    /// A directory that is in use, of another network, of a newer version or no data directory at
    /// all is refused, and nothing in it is changed. Whose it is doesn't matter here, and one that
    /// is made belongs to nobody: see [`open_for`](Self::open_for).
    pub fn open(vfs: Arc<dyn Vfs>, root: &Path, network: NetworkId) -> Result<Self, DataDirError> {
        Self::open_as(vfs, root, network, None)
    }

    /// The same for a node with a key of its own: the directory remembers it, and one of another
    /// node is refused. A node that took up another's memory would have lost its own promises.
    pub fn open_for(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        network: NetworkId,
        owner: &Vkey,
    ) -> Result<Self, DataDirError> {
        Self::open_as(vfs, root, network, Some(owner))
    }

    fn open_as(
        vfs: Arc<dyn Vfs>,
        root: &Path,
        network: NetworkId,
        owner: Option<&Vkey>,
    ) -> Result<Self, DataDirError> {
        // Looked at first without the lock, because taking it makes a file.
        check(&*vfs, root, network, owner)?;
        vfs.create_dir_all(root)?;
        let lock = vfs.try_lock(&root.join(LOCK))?;
        let lock = lock.ok_or_else(|| DataDirError::InUse { path: root.to_owned() })?;
        let state = check(&*vfs, root, network, owner)?;
        let dir = Self(Arc::new(Inner { vfs, root: root.to_owned(), _lock: lock }));
        dir.empty_staging()?;
        if state == Found::Nothing {
            dir.initialise(network, owner)?;
        }
        Ok(dir)
    }

    /// Where the directory is.
    pub fn path(&self) -> &Path {
        &self.0.root
    }

    pub(crate) fn vfs(&self) -> &Arc<dyn Vfs> {
        &self.0.vfs
    }

    /// Where the file or directory `name` is.
    pub(crate) fn join(&self, name: &str) -> PathBuf {
        self.0.root.join(name)
    }

    /// Where a file is prepared before it's renamed. Whoever prepares files uses a name of their
    /// own.
    pub(crate) fn staging(&self, name: &str) -> PathBuf {
        self.0.root.join(STAGING).join(name)
    }

    /// Makes a file that is not there yet, as a whole or not at all: `fill` gets an empty one in
    /// staging, and has closed it when it returns.
    pub(crate) fn make_if_missing<E: From<DiskError>>(
        &self,
        name: &str,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        let (vfs, path) = (&**self.vfs(), self.join(name));
        if vfs.file_len(&path)?.is_none() {
            let staging = self.staging(name);
            drop(vfs.create(&staging)?);
            fill(&staging)?;
            vfs.rename(&staging, &path)?;
            sync_parent(vfs, &path)?;
        }
        Ok(())
    }

    /// What is found in staging was interrupted by a crash, and nothing depends on it.
    fn empty_staging(&self) -> Result<(), DiskError> {
        let staging = self.join(STAGING);
        self.0.vfs.create_dir_all(&staging)?;
        for name in self.0.vfs.list(&staging)? {
            self.0.vfs.remove_file(&staging.join(name))?;
        }
        Ok(())
    }

    /// A crash in here leaves a directory that `check` takes for an empty one.
    fn initialise(&self, network: NetworkId, owner: Option<&Vkey>) -> Result<(), DiskError> {
        for dir in self.0.root.ancestors() {
            match sync_parent(&*self.0.vfs, dir) {
                // A directory that may not be opened isn't one that was just made.
                Err(error) if error.source.kind() == io::ErrorKind::PermissionDenied => break,
                result => result?,
            }
        }
        let owner = owner.map_or_else(String::new, |owner| format!("node {owner}\n"));
        let marker = format!("jurat data directory\nversion {VERSION}\nnetwork {network}\n{owner}");
        replace_file(&*self.0.vfs, &self.staging(MARKER), &self.join(MARKER), marker.as_bytes())
    }
}

impl fmt::Debug for DataDir {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DataDir({})", self.0.root.display())
    }
}

#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    DataDir,
}

/// Whether `root` is a data directory that this program may use, and this owner, if there is one.
fn check(
    vfs: &dyn Vfs,
    root: &Path,
    network: NetworkId,
    owner: Option<&Vkey>,
) -> Result<Found, DataDirError> {
    let names = match vfs.list(root) {
        Ok(names) => names,
        Err(error) if error.is_not_found() => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let foreign = || DataDirError::Foreign { path: root.to_owned() };
    if !names.iter().any(|name| name == MARKER) {
        let harmless = [LOCK, STAGING, "lost+found"];
        let empty = names.iter().all(|name| harmless.contains(&name.as_str()));
        return if empty { Ok(Found::Nothing) } else { Err(foreign()) };
    }
    let path = root.join(MARKER);
    if vfs.file_len(&path)?.is_none_or(|len| len > MAX_MARKER) {
        return Err(foreign());
    }
    let marker = vfs.read(&path, MAX_MARKER)?;
    let marker = str::from_utf8(&marker).map_err(|_| foreign())?;
    let lines: Vec<&str> = marker.lines().collect();
    let (version, found) = match lines.as_slice() {
        ["jurat data directory", version, rest @ ..] => {
            let version = version.strip_prefix("version ").and_then(|v| v.parse::<u32>().ok());
            (version.ok_or_else(foreign)?, rest)
        }
        _ => return Err(foreign()),
    };
    if version != VERSION {
        return Err(DataDirError::Version { path: root.to_owned(), found: version });
    }
    let (of_network, of_node) = match found {
        [line] => (line, "nobody"),
        [line, node] => (line, node.strip_prefix("node ").ok_or_else(foreign)?),
        _ => return Err(foreign()),
    };
    let found = of_network.strip_prefix("network ").and_then(|id| id.parse().ok()).map(NetworkId);
    let found = found.ok_or_else(foreign)?;
    if found != network {
        return Err(DataDirError::OtherNetwork { path: root.to_owned(), found, expected: network });
    }
    match owner.map(ToString::to_string) {
        Some(expected) if expected != of_node => {
            Err(DataDirError::OtherNode { path: root.to_owned(), found: of_node.into(), expected })
        }
        _ => Ok(Found::DataDir),
    }
}

/// Why a directory can't be used as a node's data directory. Unless it's a [`DiskError`], nothing
/// was changed.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it open.
    #[error(
        "data directory {path:?} is in use by another process: stop that one, or choose another directory"
    )]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// It holds something else.
    #[error("{path:?} is neither empty nor a Jurat data directory: choose another directory")]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// It was written by another version of this program.
    #[error(
        "data directory {path:?} has format {found}, this program knows format {VERSION}: use the program that wrote it"
    )]
    Version {
        /// The directory.
        path: PathBuf,
        /// The version in its marker.
        found: u32,
    },
    /// It belongs to a node of another network.
    #[error("data directory {path:?} belongs to network {found}, not {expected}: choose another directory")]
    OtherNetwork {
        /// The directory.
        path: PathBuf,
        /// The network in its marker.
        found: NetworkId,
        /// The network it was to be opened for.
        expected: NetworkId,
    },
    /// It belongs to another node of the network.
    #[error(
        "data directory {path:?} belongs to {found}, not to {expected}: each node has its own, which no other can take over"
    )]
    OtherNode {
        /// The directory.
        path: PathBuf,
        /// The node in its marker.
        found: String,
        /// The node it was to be opened for.
        expected: String,
    },
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

#[cfg(test)]
mod tests {
    use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey};

    use super::*;
    use crate::{Fault, MemFs, StdFs, Survivors};

    fn network(name: &str) -> NetworkId {
        NetworkId(Digest::of(name.as_bytes()))
    }

    fn open(fs: &MemFs) -> Result<DataDir, DataDirError> {
        DataDir::open(Arc::new(fs.clone()), Path::new("/srv/jurat"), network("home"))
    }

    fn put(fs: &MemFs, path: &str, content: &str) {
        fs.create_dir_all(Path::new(path).parent().unwrap()).unwrap();
        fs.create(Path::new(path)).unwrap().write_at(0, content.as_bytes()).unwrap();
    }

    #[test]
    fn the_second_opener_is_refused_with_advice() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("new/data");
        let first = DataDir::open(Arc::new(StdFs), &path, network("home")).unwrap();
        let refused = DataDir::open(Arc::new(StdFs), &path, network("home")).unwrap_err();
        assert_eq!(
            refused.to_string(),
            format!(
                "data directory {path:?} is in use by another process: stop that one, or choose another directory"
            )
        );
        drop(first);
        DataDir::open(Arc::new(StdFs), &path, network("home")).unwrap();
    }

    #[test]
    fn foreign_directories_are_refused_untouched() {
        for (name, content, expected) in [
            ("thesis.tex", "", "is neither empty nor a Jurat data directory"),
            ("format", &"x".repeat(2000), "is neither empty nor a Jurat data directory"),
            ("format", "jpeg", "is neither empty nor a Jurat data directory"),
            ("format", "jurat data directory\nversion 1\n", "is neither empty nor a Jurat data directory"),
            ("format", "jurat data directory\nversion 2\nsomething new", "has format 2"),
        ] {
            let fs = MemFs::new();
            put(&fs, &format!("/srv/jurat/{name}"), content);
            let steps = fs.steps();
            let error = open(&fs).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert_eq!(fs.steps(), steps);
        }
    }

    #[test]
    fn a_directory_of_another_network_is_refused_untouched() {
        let fs = MemFs::new();
        open(&fs).unwrap();
        let steps = fs.steps();
        let other = DataDir::open(Arc::new(fs.clone()), Path::new("/srv/jurat"), network("other"));
        assert!(matches!(other.unwrap_err(), DataDirError::OtherNetwork { .. }));
        assert_eq!(fs.steps(), steps);
    }

    #[test]
    fn a_directory_of_another_node_is_refused_untouched() {
        let node = |name: &str| {
            let key = SigningKey::from_seed(Digest::of(name.as_bytes()).as_bytes()).verifying_key();
            Vkey::new(KeyName::new(name).unwrap(), SignatureType::Ed25519, key)
        };
        let fs = MemFs::new();
        let open_for = |name: &str| {
            DataDir::open_for(Arc::new(fs.clone()), Path::new("/srv/jurat"), network("home"), &node(name))
        };
        open_for("node-1").unwrap();
        open_for("node-1").unwrap();
        let steps = fs.steps();
        let refused = open_for("node-2").unwrap_err().to_string();
        assert!(refused.contains("belongs to node-1+"), "{refused}");
        assert_eq!(fs.steps(), steps);
        // For tools, whose it is doesn't matter; for a node, one that is nobody's isn't its own.
        open(&fs).unwrap();
        let fs = MemFs::new();
        open(&fs).unwrap();
        let refused = DataDir::open_for(Arc::new(fs), Path::new("/srv/jurat"), network("home"), &node("a"));
        assert!(matches!(refused, Err(DataDirError::OtherNode { .. })));
    }

    #[test]
    fn creation_survives_a_fault_at_every_step() {
        let whole = MemFs::new();
        open(&whole).unwrap();
        assert!(whole.steps() > 8);
        for at in 0..whole.steps() {
            for fault in [Fault::NoEffect, Fault::Unreported, Fault::DiskFull, Fault::PowerCut] {
                let fs = MemFs::new();
                fs.set_faults(move |step| (step.number == at).then_some(fault));
                let opened = open(&fs).map(drop);
                for survivors in
                    [Survivors::Nothing, Survivors::Everything, Survivors::Scattered { seed: at }]
                {
                    let fs = fs.after_power_cut(survivors);
                    if opened.is_ok() {
                        assert_eq!(fs.file_len(Path::new("/srv/jurat/format")).unwrap(), Some(96));
                    }
                    open(&fs).unwrap();
                }
                open(&fs.after_kill()).unwrap();
            }
        }
    }
}
