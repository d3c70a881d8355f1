//! Files of evidence, few in a directory: of forks, kept beside what is known of a log as
//! `forks/<hex SHA-256>.evidence`, and against members (see [`EvidenceDir`](crate::EvidenceDir)).

use std::path::{Path, PathBuf};

use jurat_crypto::Digest;

use crate::{
    DiskError, Vfs,
    vfs::{replace_file, sync_parent},
};

/// The most pieces of evidence that a directory holds; one would do.
const MAX_FILES: usize = 16;

const FORKS: &str = "forks";

/// What became of evidence that was to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It is durable, in this file.
    New(PathBuf),
    /// This file of the same name was there before, and stays as it is.
    Before(PathBuf),
    /// Of this log or member as much is kept as there may be.
    NoRoom,
}

impl Kept {
    /// The file that holds it, if one does.
    #[must_use]
    pub fn path(self) -> Option<PathBuf> {
        match self {
            Self::New(path) | Self::Before(path) => Some(path),
            Self::NoRoom => None,
        }
    }
}

/// Keeps evidence durably as `<name>.evidence` in a directory, which is made with the one above it
/// if need be. A crash leaves the file whole, or none.
pub(crate) fn keep(vfs: &dyn Vfs, dir: &Path, name: &str, evidence: &[u8]) -> Result<Kept, DiskError> {
    let path = dir.join(format!("{name}.evidence"));
    if vfs.file_len(&path)?.is_some() {
        return Ok(Kept::Before(path));
    }
    if files(vfs, dir)?.len() >= MAX_FILES {
        return Ok(Kept::NoRoom);
    }
    vfs.create_dir_all(dir)?;
    for made in dir.ancestors().take(2) {
        sync_parent(vfs, made)?;
    }
    replace(vfs, &path, evidence)?;
    Ok(Kept::New(path))
}

/// The evidence in a directory.
pub(crate) fn files(vfs: &dyn Vfs, dir: &Path) -> Result<Vec<PathBuf>, DiskError> {
    match vfs.list(dir) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        names => {
            let evidence = names?.into_iter().filter(|name| name.ends_with(".evidence"));
            Ok(evidence.map(|name| dir.join(name)).collect())
        }
    }
}

/// Keeps evidence of a fork in the directory of a log, and says where, or nothing if enough is kept.
pub(crate) fn keep_fork(vfs: &dyn Vfs, log: &Path, evidence: &[u8]) -> Result<Option<PathBuf>, DiskError> {
    keep(vfs, &log.join(FORKS), &Digest::of(evidence).to_string(), evidence).map(Kept::path)
}

/// The forks of a log that are kept.
pub(crate) fn forks(vfs: &dyn Vfs, log: &Path) -> Result<Vec<PathBuf>, DiskError> {
    files(vfs, &log.join(FORKS))
}

/// Replaces a file of which there is one writer; a crash leaves the old one or the new one.
pub(crate) fn replace(vfs: &dyn Vfs, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let staging = path.with_extension("new");
    // What a crash left there.
    if vfs.file_len(&staging)?.is_some() {
        vfs.remove_file(&staging)?;
    }
    replace_file(vfs, &staging, path, content)
}
