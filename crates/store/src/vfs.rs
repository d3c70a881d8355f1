//! The few things this crate needs from a file system, so that a simulator can be one.

mod mem_fs;
mod std_fs;

use std::{any::Any, fmt, path::Path};

pub use self::{
    mem_fs::{Fault, MemFs, Operation, Step, Survivors},
    std_fs::StdFs,
};
use crate::DiskError;

/// A file system with the promises of POSIX, and no more than those.
///
/// Nothing survives a power cut for certain but what was synced: a file's bytes by
/// [`VfsFile::sync`], its name by [`Vfs::sync_dir`] on the directory that holds it. A sync that
/// failed has lost what it was to make durable, even if a later one succeeds.
pub trait Vfs: fmt::Debug + Send + Sync {
    /// Makes a new file, empty; it's an error when the name is taken.
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError>;

    /// Opens an existing file for reading and writing.
    fn open(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError>;

    /// Reads a whole file; it's an error when it has more than `max` bytes.
    fn read(&self, path: &Path, max: u64) -> Result<Vec<u8>, DiskError>;

    /// The length of a file in bytes, or `None` if there is no such file.
    fn file_len(&self, path: &Path) -> Result<Option<u64>, DiskError>;

    /// Renames a file, taking the place of a file that has the new name, in one step.
    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError>;

    /// Removes a file.
    fn remove_file(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes a directory and those above it, as far as they don't exist.
    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError>;

    /// Removes an empty directory.
    fn remove_dir(&self, path: &Path) -> Result<(), DiskError>;

    /// The names in a directory, sorted.
    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError>;

    /// Makes the names in a directory durable: what was created, renamed into it and removed.
    fn sync_dir(&self, path: &Path) -> Result<(), DiskError>;

    /// Makes the contents of several files durable, as [`VfsFile::sync`] does with each; in which order
    /// is not said. On an error some may be.
    fn sync_files(&self, files: &[Box<dyn VfsFile>]) -> Result<(), DiskError> {
        files.iter().try_for_each(|file| file.sync())
    }

    /// Makes the names in several directories durable, as [`sync_dir`](Self::sync_dir) does in each; in
    /// which order is not said. On an error some may be.
    fn sync_dirs(&self, dirs: &[&Path]) -> Result<(), DiskError> {
        dirs.iter().try_for_each(|dir| self.sync_dir(dir))
    }

    /// Takes the exclusive lock on a file, making the file if need be; `None` if another holder
    /// has it. The lock lasts until the value is dropped or its process ends, however it ends.
    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, DiskError>;
}

/// An open file. Many threads may use it at once, each at its own offset.
pub trait VfsFile: fmt::Debug + Send + Sync {
    /// The length in bytes.
    fn len(&self) -> Result<u64, DiskError>;

    /// Fills `buffer` from `offset` on; an error when the file ends before.
    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError>;

    /// Writes all of `data` at `offset`, extending the file as needed.
    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DiskError>;

    /// Cuts or extends the file; what is added reads as zeros.
    fn set_len(&self, len: u64) -> Result<(), DiskError>;

    /// Makes the content durable, and the length with it (`fdatasync`).
    fn sync(&self) -> Result<(), DiskError>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> Result<bool, DiskError> {
        Ok(self.len()? == 0)
    }
}

/// An exclusive lock, released when dropped. See [`Vfs::try_lock`].
pub struct Lock(#[expect(dead_code, reason = "held for its drop")] Box<dyn Any + Send + Sync>);

impl fmt::Debug for Lock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Lock")
    }
}

/// Makes a file with the given content appear under `path` in one step, durably, replacing what
/// is there.
///
/// `staging` is the name under which the file is prepared, in a directory of the same file
/// system. A crash leaves the old file or the new one, and perhaps one under `staging`, which
/// must not exist when this is called.
pub(crate) fn replace_file(
    vfs: &dyn Vfs,
    staging: &Path,
    path: &Path,
    content: &[u8],
) -> Result<(), DiskError> {
    let file = vfs.create(staging)?;
    file.write_at(0, content)?;
    file.sync()?;
    vfs.rename(staging, path)?;
    sync_parent(vfs, path)
}

/// Makes the name `path` durable.
pub(crate) fn sync_parent(vfs: &dyn Vfs, path: &Path) -> Result<(), DiskError> {
    path.parent().map_or(Ok(()), |parent| vfs.sync_dir(parent))
}
