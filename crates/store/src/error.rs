//! What can go wrong between this crate and the disk.

use std::{
    io,
    path::{Path, PathBuf},
};

/// The disk refused an operation. What that leaves behind is said by the function that returns it.
#[derive(Debug, thiserror::Error)]
#[error("can't {action} {path:?}: {source}")]
pub struct DiskError {
    /// What was tried: `read`, `write`, `sync`, ...
    pub action: &'static str,
    /// The file or directory it was tried on.
    pub path: PathBuf,
    /// The operating system's reason.
    pub source: io::Error,
}

impl DiskError {
    /// An error about `path`.
    #[must_use]
    pub fn new(action: &'static str, path: &Path, source: io::Error) -> Self {
        Self { action, path: path.to_owned(), source }
    }

    /// Whether the reason is that the file or directory doesn't exist.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.source.kind() == io::ErrorKind::NotFound
    }
}

impl From<DiskError> for io::Error {
    /// Keeps the kind, and path and action in the text.
    fn from(error: DiskError) -> Self {
        Self::new(error.source.kind(), error)
    }
}
