//! Evidence of forks, kept beside what is known of a log: `forks/<hex SHA-256>.evidence`.

use std::path::{Path, PathBuf};

use jurat_crypto::Digest;

use crate::{
    DiskError, Vfs,
    vfs::{replace_file, sync_parent},
};

/// The most pieces of evidence that are kept of one log; one would do.
const MAX_FORKS: usize = 16;

const FORKS: &str = "forks";

/// Keeps evidence durably in the directory of a log, and says where. One that is kept already is not
/// written again, and of one log no more than a few are kept: nothing, then.
pub(crate) fn keep_fork(vfs: &dyn Vfs, log: &Path, evidence: &[u8]) -> Result<Option<PathBuf>, DiskError> {
    let dir = log.join(FORKS);
    let path = dir.join(format!("{}.evidence", Digest::of(evidence)));
    if vfs.file_len(&path)?.is_some() {
        return Ok(Some(path));
    }
    if forks(vfs, log)?.len() >= MAX_FORKS {
        return Ok(None);
    }
    vfs.create_dir_all(&dir)?;
    sync_parent(vfs, &dir)?;
    sync_parent(vfs, log)?;
    replace(vfs, &path, evidence)?;
    Ok(Some(path))
}

/// What is kept of a log.
pub(crate) fn forks(vfs: &dyn Vfs, log: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let dir = log.join(FORKS);
    match vfs.list(&dir) {
        Err(error) if error.is_not_found() => Ok(Vec::new()),
        names => {
            let evidence = names?.into_iter().filter(|name| name.ends_with(".evidence"));
            Ok(evidence.map(|name| dir.join(name)).collect())
        }
    }
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
