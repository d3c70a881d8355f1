//! A file system in memory that remembers what was synced, and can lose the rest.

mod inode;
mod names;
mod steps;
mod survivors;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use self::{
    inode::{FileChange, Inode, byte_range},
    names::{InodeId, Names, Node},
    steps::{Effect, Steps},
    survivors::Chance,
};
pub use self::{
    steps::{Fault, Operation, Step},
    survivors::Survivors,
};
use super::{Lock, Vfs, VfsFile};
use crate::DiskError;

/// A file system in memory, for simulators and tests.
///
/// Like a real one it shows processes every write at once, but keeps for certain only what was
/// synced; [`after_power_cut`](Self::after_power_cut) shows what a machine could find afterwards.
/// Operations that change something are *steps*, and a caller's function may make any of them
/// fail. Clones are the same file system.
///
/// A sync that fails without effect loses the writes it should have made durable: processes go on
/// seeing them, but no later sync saves them. That is how Linux behaves.
#[derive(Clone, Debug, Default)]
pub struct MemFs {
    state: Arc<Mutex<State>>,
}

impl MemFs {
    /// An empty file system.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many steps were tried so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        lock(&self.state).steps.count
    }

    /// Asks `decide` before each step from now on whether to disturb it. It must not use this
    /// file system itself.
    pub fn set_faults(&self, decide: impl FnMut(&Step) -> Option<Fault> + Send + 'static) {
        lock(&self.state).steps.faults = Some(Box::new(decide));
    }

    /// The file system as the next process sees it when this one dies and the machine runs on:
    /// all writes are there, those not synced still may be lost, all locks are free.
    #[must_use]
    pub fn after_kill(&self) -> Self {
        self.fork(|_| {})
    }

    /// The file system as it is found after a power cut at this moment. This one isn't changed,
    /// so that several outcomes can be looked at.
    #[must_use]
    pub fn after_power_cut(&self, survivors: Survivors) -> Self {
        self.fork(|state| {
            let mut chance = Chance::new(survivors);
            for inode in state.inodes.values_mut() {
                inode.lose(survivors, &mut chance);
            }
            state.names.lose(survivors, &mut chance);
        })
    }

    /// Overwrites part of a file, durably and unnoticed, as a failing disk would. `false` when the
    /// file doesn't reach that far.
    #[must_use]
    pub fn damage(&self, path: &Path, offset: u64, data: &[u8]) -> bool {
        let mut state = lock(&self.state);
        let Ok(id) = state.names.file(path) else { return false };
        state.inodes.get_mut(&id).is_some_and(|inode| inode.damage(offset, data))
    }

    fn fork(&self, lose: impl FnOnce(&mut State)) -> Self {
        let state = lock(&self.state);
        let mut next = State {
            inodes: state.inodes.clone(),
            next_inode: state.next_inode,
            names: state.names.clone(),
            ..State::default()
        };
        drop(state);
        for inode in next.inodes.values_mut() {
            inode.handles = 0;
        }
        lose(&mut next);
        next.sweep();
        Self { state: Arc::new(Mutex::new(next)) }
    }

    fn handle(&self, state: &mut State, inode: InodeId, path: &Path) -> Box<dyn VfsFile> {
        if let Some(inode) = state.inodes.get_mut(&inode) {
            inode.handles += 1;
        }
        Box::new(MemFile { state: Arc::clone(&self.state), inode, path: path.to_owned() })
    }
}

impl Vfs for MemFs {
    fn create(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError> {
        let mut state = lock(&self.state);
        let id = InodeId(state.next_inode);
        state.next_inode += 1;
        state.step(Operation::Create, path, |state, effect| {
            state.names.is_free(path)?;
            if effect.is_visible() {
                state.inodes.insert(id, Inode::default());
                state.names.link(path, Node::File(id));
            }
            Ok(())
        })?;
        Ok(self.handle(&mut state, id, path))
    }

    fn open(&self, path: &Path) -> Result<Box<dyn VfsFile>, DiskError> {
        let mut state = lock(&self.state);
        let id = state.names.file(path).map_err(|error| DiskError::new("open", path, error))?;
        Ok(self.handle(&mut state, id, path))
    }

    fn read(&self, path: &Path, max: u64) -> Result<Vec<u8>, DiskError> {
        let state = lock(&self.state);
        let content = state.names.file(path).and_then(|id| state.content(id));
        match content {
            Ok(content) if content.len() as u64 <= max => Ok(content.to_vec()),
            Ok(_) => Err(DiskError::new("read", path, io::ErrorKind::FileTooLarge.into())),
            Err(error) => Err(DiskError::new("read", path, error)),
        }
    }

    fn file_len(&self, path: &Path) -> Result<Option<u64>, DiskError> {
        let state = lock(&self.state);
        let len = |id| state.content(id).ok().map(|content| content.len() as u64);
        Ok(state.names.file(path).ok().and_then(len))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), DiskError> {
        lock(&self.state).step(Operation::Rename, to, |state, effect| {
            let id = state.names.file(from)?;
            state.names.is_replaceable(to)?;
            if effect.is_visible() {
                state.names.rename(from, to, Node::File(id));
            }
            Ok(())
        })
    }

    fn remove_file(&self, path: &Path) -> Result<(), DiskError> {
        lock(&self.state).step(Operation::RemoveFile, path, |state, effect| {
            let id = state.names.file(path)?;
            if effect.is_visible() {
                state.names.unlink(path, Node::File(id));
            }
            Ok(())
        })
    }

    fn create_dir_all(&self, path: &Path) -> Result<(), DiskError> {
        let mut state = lock(&self.state);
        let missing: Vec<&Path> = path.ancestors().take_while(|dir| state.names.dir(dir).is_err()).collect();
        for dir in missing.into_iter().rev() {
            state.step(Operation::CreateDir, dir, |state, effect| {
                state.names.is_free(dir)?;
                if effect.is_visible() {
                    state.names.link(dir, Node::Dir);
                }
                Ok(())
            })?;
        }
        Ok(())
    }

    fn remove_dir(&self, path: &Path) -> Result<(), DiskError> {
        lock(&self.state).step(Operation::RemoveDir, path, |state, effect| {
            state.names.dir(path)?;
            if state.names.children(path).next().is_some() {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            if effect.is_visible() {
                state.names.unlink(path, Node::Dir);
            }
            Ok(())
        })
    }

    fn list(&self, path: &Path) -> Result<Vec<String>, DiskError> {
        let state = lock(&self.state);
        state.names.dir(path).map_err(|error| DiskError::new("list", path, error))?;
        let name = |path: &Path| path.file_name().map(|name| name.to_string_lossy().into_owned());
        Ok(state.names.children(path).filter_map(name).collect())
    }

    fn sync_dir(&self, path: &Path) -> Result<(), DiskError> {
        lock(&self.state).step(Operation::SyncDir, path, |state, effect| {
            state.names.dir(path)?;
            if effect == Effect::Whole {
                state.names.sync(path);
                state.sweep();
            }
            Ok(())
        })
    }

    fn try_lock(&self, path: &Path) -> Result<Option<Lock>, DiskError> {
        if self.file_len(path)?.is_none() {
            self.create(path)?;
        }
        if lock(&self.state).locks.insert(path.to_owned()) {
            let guard = MemLock { state: Arc::clone(&self.state), path: path.to_owned() };
            return Ok(Some(Lock(Box::new(guard))));
        }
        Ok(None)
    }
}

#[derive(Debug)]
struct MemFile {
    state: Arc<Mutex<State>>,
    inode: InodeId,
    path: PathBuf,
}

impl MemFile {
    fn change(&self, operation: Operation, change: FileChange) -> Result<(), DiskError> {
        lock(&self.state).step(operation, &self.path, |state, effect| {
            let inode = state.inode(self.inode)?;
            match effect {
                Effect::Whole | Effect::Cut => inode.change(change),
                Effect::Half => change.half().map_or(Ok(()), |half| inode.change(half)),
                Effect::None => Ok(()),
            }
        })
    }
}

impl VfsFile for MemFile {
    fn len(&self) -> Result<u64, DiskError> {
        match lock(&self.state).content(self.inode) {
            Ok(content) => Ok(content.len() as u64),
            Err(error) => Err(DiskError::new("look at", &self.path, error)),
        }
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> Result<(), DiskError> {
        let state = lock(&self.state);
        let mut read = || {
            let range = byte_range(offset, buffer.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
            let content = state.content(self.inode)?.get(range).ok_or(io::ErrorKind::UnexpectedEof)?;
            buffer.copy_from_slice(content);
            Ok(())
        };
        read().map_err(|error| DiskError::new("read", &self.path, error))
    }

    fn write_at(&self, offset: u64, data: &[u8]) -> Result<(), DiskError> {
        self.change(Operation::Write, FileChange::Write { offset, data: data.to_vec() })
    }

    fn set_len(&self, len: u64) -> Result<(), DiskError> {
        self.change(Operation::SetLen, FileChange::SetLen(len))
    }

    fn sync(&self) -> Result<(), DiskError> {
        lock(&self.state).step(Operation::Sync, &self.path, |state, effect| {
            let inode = state.inode(self.inode)?;
            match effect {
                Effect::Whole => inode.sync(),
                Effect::None | Effect::Half => inode.fail_to_sync(),
                Effect::Cut => {}
            }
            Ok(())
        })
    }
}

impl Drop for MemFile {
    fn drop(&mut self) {
        if let Ok(inode) = lock(&self.state).inode(self.inode) {
            inode.handles = inode.handles.saturating_sub(1);
        }
    }
}

struct MemLock {
    state: Arc<Mutex<State>>,
    path: PathBuf,
}

impl Drop for MemLock {
    fn drop(&mut self) {
        lock(&self.state).locks.remove(&self.path);
    }
}

#[derive(Debug, Default)]
struct State {
    inodes: BTreeMap<InodeId, Inode>,
    next_inode: u64,
    names: Names,
    locks: BTreeSet<PathBuf>,
    steps: Steps,
}

impl State {
    /// Counts a step and carries it out as far as its fault allows. A step that would have failed
    /// anyway fails for its own reason.
    fn step(
        &mut self,
        operation: Operation,
        path: &Path,
        act: impl FnOnce(&mut Self, Effect) -> io::Result<()>,
    ) -> Result<(), DiskError> {
        let (effect, outcome) = self.steps.next(operation, path);
        act(self, effect).and(outcome).map_err(|error| DiskError::new(operation.verb(), path, error))
    }

    fn inode(&mut self, id: InodeId) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn content(&self, id: InodeId) -> io::Result<&[u8]> {
        let inode = self.inodes.get(&id).ok_or(io::ErrorKind::NotFound)?;
        Ok(&inode.visible)
    }

    /// Forgets the files that neither a name nor a handle leads to.
    fn sweep(&mut self) {
        let live: BTreeSet<InodeId> = self.names.files().collect();
        self.inodes.retain(|id, inode| inode.handles > 0 || live.contains(id));
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "/d/file";

    fn fs_with_synced(content: &[u8]) -> (MemFs, Box<dyn VfsFile>) {
        let fs = MemFs::new();
        fs.create_dir_all(Path::new("/d")).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        let file = fs.create(Path::new(FILE)).unwrap();
        file.write_at(0, content).unwrap();
        file.sync().unwrap();
        fs.sync_dir(Path::new("/d")).unwrap();
        (fs, file)
    }

    fn content(fs: &MemFs, path: &str) -> Option<Vec<u8>> {
        fs.read(Path::new(path), 1 << 20).ok()
    }

    #[test]
    fn a_power_cut_takes_what_was_not_synced() {
        let (fs, file) = fs_with_synced(b"kept");
        file.write_at(4, b" and lost").unwrap();
        assert_eq!(content(&fs, FILE).unwrap(), b"kept and lost");
        assert_eq!(content(&fs.after_kill(), FILE).unwrap(), b"kept and lost");
        assert_eq!(content(&fs.after_power_cut(Survivors::Nothing), FILE).unwrap(), b"kept");
        assert_eq!(content(&fs.after_power_cut(Survivors::Everything), FILE).unwrap(), b"kept and lost");
        let torn = |seed| content(&fs.after_power_cut(Survivors::Prefix { seed }), FILE).unwrap();
        assert!((0..100).map(torn).any(|torn| torn == b"kept and"));
    }

    #[test]
    fn a_name_is_kept_once_its_directory_was_synced() {
        let (fs, file) = fs_with_synced(b"old");
        fs.create(Path::new("/d/new")).unwrap().sync().unwrap();
        file.write_at(0, b"new").unwrap();
        file.sync().unwrap();
        let cut = |survivors| fs.after_power_cut(survivors);
        assert_eq!(content(&cut(Survivors::Nothing), "/d/new"), None);
        fs.rename(Path::new(FILE), Path::new("/d/new")).unwrap();
        assert_eq!(content(&cut(Survivors::Nothing), FILE).unwrap(), b"new");
        fs.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(content(&cut(Survivors::Nothing), FILE), None);
        assert_eq!(content(&cut(Survivors::Nothing), "/d/new").unwrap(), b"new");
    }

    #[test]
    fn a_file_in_a_lost_directory_is_lost() {
        let fs = MemFs::new();
        fs.create_dir_all(Path::new("/d")).unwrap();
        fs.create(Path::new(FILE)).unwrap().sync().unwrap();
        fs.sync_dir(Path::new("/d")).unwrap();
        assert_eq!(content(&fs.after_power_cut(Survivors::Nothing), FILE), None);
        assert!(content(&fs.after_power_cut(Survivors::Everything), FILE).is_some());
    }

    #[test]
    fn scattered_writes_survive_in_sectors() {
        let (fs, file) = fs_with_synced(&[0; 2048]);
        file.write_at(100, &[1; 1500]).unwrap();
        let outcome = |seed| content(&fs.after_power_cut(Survivors::Scattered { seed }), FILE).unwrap();
        let mut seen = BTreeSet::new();
        for seed in 0..200 {
            let content = outcome(seed);
            assert_eq!(content, outcome(seed));
            let sectors = [100..512, 512..1024, 1024..1536, 1536..1600];
            let kept = sectors.map(|sector| content[sector.start] == 1);
            for (sector, kept) in [100..512, 512..1024, 1024..1536, 1536..1600].into_iter().zip(kept) {
                assert!(content[sector].iter().all(|byte| *byte == u8::from(kept)));
            }
            seen.insert(kept);
        }
        assert_eq!(seen.len(), 16);
    }

    #[test]
    fn faults_strike_the_step_they_are_meant_for() {
        for (fault, expected) in [
            (Fault::NoEffect, &b"0123"[..]),
            (Fault::DiskFull, b"ab23"),
            (Fault::Unreported, b"abcd"),
            (Fault::PowerCut, b"abcd"),
        ] {
            let (fs, file) = fs_with_synced(b"0123");
            let at = fs.steps();
            fs.set_faults(move |step| (step.number == at).then_some(fault));
            let error = file.write_at(0, b"abcd").unwrap_err();
            assert!(error.to_string().starts_with("can't write \"/d/file\""), "{error}");
            assert_eq!(content(&fs, FILE).unwrap(), expected);
            assert_eq!(file.sync().is_ok(), fault != Fault::PowerCut);
        }
    }

    #[test]
    fn a_failed_sync_has_lost_the_writes() {
        let (fs, file) = fs_with_synced(b"old");
        let at = fs.steps() + 1;
        fs.set_faults(move |step| (step.number == at).then_some(Fault::NoEffect));
        file.write_at(0, b"new").unwrap();
        assert!(file.sync().is_err());
        assert!(file.sync().is_ok());
        assert_eq!(content(&fs, FILE).unwrap(), b"new");
        assert_eq!(content(&fs.after_power_cut(Survivors::Everything), FILE).unwrap(), b"old");
    }

    #[test]
    fn a_lock_has_one_holder() {
        let fs = MemFs::new();
        let lock = fs.try_lock(Path::new("/lock")).unwrap();
        assert!(lock.is_some());
        assert!(fs.try_lock(Path::new("/lock")).unwrap().is_none());
        assert!(fs.after_kill().try_lock(Path::new("/lock")).unwrap().is_some());
        drop(lock);
        assert!(fs.try_lock(Path::new("/lock")).unwrap().is_some());
    }

    #[test]
    fn forgotten_files_take_no_memory() {
        let (fs, file) = fs_with_synced(b"content");
        fs.remove_file(Path::new(FILE)).unwrap();
        assert_eq!(file.len().unwrap(), 7);
        drop(file);
        fs.sync_dir(Path::new("/d")).unwrap();
        assert!(lock(&fs.state).inodes.is_empty());
    }
}
