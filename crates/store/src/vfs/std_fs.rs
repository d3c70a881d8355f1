//! The real file system.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Read as _},
    os::unix::fs::FileExt as _,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use super::{Lock, Vfs, VfsFile};
use crate::DiskError;

/// The operating system's files. Unix only: elsewhere `std` can't sync a directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct StdFs;

impl Vfs for StdFs {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        Ok(Box::new(StdFile { file: file.map_err(about("create", path))?, path: path.to_owned() }))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError> {
        let file = OpenOptions::new().read(true).write(true).open(path);
        Ok(Box::new(StdFile { file: file.map_err(about("open", path))?, path: path.to_owned() }))
    }

    fn read(&self, path: &Path, max: u64) -> Result<Vec<u8>, DiskError> {
        let read = || {
            let mut content = Vec::new();
            // One byte more than allowed tells a long file from one that just fits.
            File::open(path)?.take(max.saturating_add(1)).read_to_end(&mut content)?;
            if content.len() as u64 > max { Err(too_long(max)) } else { Ok(content) }
        };
        read().map_err(about("read", path))
    }

    fn file_len(&self, path: &Path) -> Result<Option<u64>, DiskError> {
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => Ok(Some(metadata.len())),
            Ok(_) => Ok(None),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(DiskError::new("look at", path, error)),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        fs::rename(from, to).map_err(about("put a new file in the place of", to))
    }

    fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_file(path).map_err(about("remove", path))
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError> {
        fs::create_dir_all(path).map_err(about("create directory", path))
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        fs::remove_dir(path).map_err(about("remove directory", path))
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let list = || {
            let mut names = Vec::new();
            for entry in fs::read_dir(path)? {
                names.push(entry?.file_name().to_string_lossy().into_owned());
            }
            names.sort_unstable();
            Ok(names)
        };
        list().map_err(about("list", path))
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        // The parent of a relative path of one component.
        let dir = if path.as_os_str().is_empty() { Path::new(".") } else { path };
        File::open(dir).and_then(|dir| dir.sync_all()).map_err(about("sync directory", path))
    }

    fn sync_files(&self, files: &[Box<dyn VfsFile>]) -> Result<(), DiskError> {
        for_each_at_once(files, |file| file.sync())
    }

    fn sync_dirs(&self, dirs: &[&Path]) -> Result<(), DiskError> {
        for_each_at_once(dirs, |dir| self.sync_dir(dir))
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, DiskError> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(about("create", path))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Lock(Box::new(file)))),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(DiskError::new("lock", path, error)),
        }
    }
}

#[derive(Debug)]
struct StdFile {
    file: File,
    path: PathBuf,
}

impl VfsFile for StdFile {
    fn len(&self) -> Result<u64, DiskError> {
        Ok(self.file.metadata().map_err(about("look at", &self.path))?.len())
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        self.file.read_exact_at(buffer, offset).map_err(about("read", &self.path))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.file.write_all_at(data, offset).map_err(about("write", &self.path))
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.file.set_len(len).map_err(about("set the length of", &self.path))
    }

    fn sync(&self) -> Result<(), DiskError> {
        self.file.sync_data().map_err(about("sync", &self.path))
    }
}

/// Syncs that wait for the disk at the same time, in as many threads. The system and the disk answer
/// several together; one after the other they take ten times as long.
const SYNCS_AT_ONCE: usize = 16;

/// Syncs all things, and returns once each was tried or one failed. The threads end before that;
/// where none can be started, the caller's does it all.
fn for_each_at_once<T: Sync>(
    things: &[T],
    sync: impl Fn(&T) -> Result<(), DiskError> + Sync,
) -> Result<(), DiskError> {
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(thing) = things.get(next.fetch_add(1, Ordering::Relaxed)) {
            sync(thing).inspect_err(|_| next.store(things.len(), Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let helpers = (1..things.len().min(SYNCS_AT_ONCE))
            .map_while(|_| thread::Builder::new().name("sync".into()).spawn_scoped(scope, work).ok());
        let helpers: Vec<_> = helpers.collect();
        let result = work();
        helpers.into_iter().fold(result, |result, helper| match helper.join() {
            Ok(found) => result.and(found),
            Err(panic) => resume_unwind(panic),
        })
    })
}

fn about(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
    move |source| DiskError::new(action, path, source)
}

fn too_long(max: u64) -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, format!("longer than the {max} bytes it may have"))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    fn failed(thing: usize) -> DiskError {
        DiskError::new("sync", &PathBuf::from(thing.to_string()), io::Error::other("broken"))
    }

    #[test]
    fn each_of_several_is_synced_once() {
        for count in [0, 1, 2, SYNCS_AT_ONCE, 5 * SYNCS_AT_ONCE + 1] {
            let (things, synced) = ((0..count).collect::<Vec<_>>(), Mutex::new(Vec::new()));
            for_each_at_once(&things, |thing| {
                synced.lock().unwrap().push(*thing);
                Ok(())
            })
            .unwrap();
            let mut synced = synced.into_inner().unwrap();
            synced.sort_unstable();
            assert_eq!(synced, things);
        }
    }

    #[test]
    fn whichever_sync_fails_all_have_failed() {
        let things: Vec<usize> = (0..3 * SYNCS_AT_ONCE).collect();
        for bad in &things {
            let result =
                for_each_at_once(&things, |thing| if thing == bad { Err(failed(*bad)) } else { Ok(()) });
            assert_eq!(result.unwrap_err().to_string(), failed(*bad).to_string());
        }
    }

    #[test]
    fn no_more_are_synced_at_once_than_the_limit() {
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        for_each_at_once(&[(); 10 * SYNCS_AT_ONCE], |()| {
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(())
        })
        .unwrap();
        assert!((1..=SYNCS_AT_ONCE).contains(&most.into_inner()));
    }
}
