//! Counting the operations that change something, and disturbing some of them.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

/// What changes something: see [`Step`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Operation {
    /// [`Vfs::create`](crate::Vfs::create)
    Create,
    /// [`VfsFile::write_at`](crate::VfsFile::write_at)
    Write,
    /// [`VfsFile::set_len`](crate::VfsFile::set_len)
    SetLen,
    /// [`VfsFile::sync`](crate::VfsFile::sync)
    Sync,
    /// [`Vfs::rename`](crate::Vfs::rename); the step's path is the new name.
    Rename,
    /// [`Vfs::remove_file`](crate::Vfs::remove_file)
    RemoveFile,
    /// [`Vfs::create_dir_all`](crate::Vfs::create_dir_all), one for each directory made
    CreateDir,
    /// [`Vfs::remove_dir`](crate::Vfs::remove_dir)
    RemoveDir,
    /// [`Vfs::sync_dir`](crate::Vfs::sync_dir)
    SyncDir,
}

/// One operation that changes something, about to happen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// How many steps came before this one.
    pub number: u64,
    /// What is done.
    pub operation: Operation,
    /// To which file or directory.
    pub path: PathBuf,
}

/// What goes wrong with a step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// Nothing happens, and an error is returned.
    NoEffect,
    /// It happens, and an error is returned all the same.
    Unreported,
    /// The disk is full: a write stops half-way, everything else has no effect.
    DiskFull,
    /// The power is cut during the step. Every later step fails as well.
    PowerCut,
    /// A sync returns success and makes nothing durable; other operations aren't affected. Disks
    /// that do this break every promise, and a test that doesn't notice proves nothing.
    SyncLost,
}

/// How much of a step takes place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Effect {
    Whole,
    Half,
    None,
    /// Visible, but the power fails before a sync can have helped.
    Cut,
}

impl Effect {
    pub(super) fn is_visible(self) -> bool {
        matches!(self, Self::Whole | Self::Cut)
    }
}

type Decide = Box<dyn FnMut(&Step) -> Option<Fault> + Send>;

#[derive(Default)]
pub(super) struct Steps {
    pub(super) count: u64,
    pub(super) faults: Option<Decide>,
    power_is_out: bool,
}

impl Steps {
    /// Counts a step and decides how much of it takes place and what is reported.
    pub(super) fn next(&mut self, operation: Operation, path: &Path) -> (Effect, io::Result<()>) {
        let step = Step { number: self.count, operation, path: path.to_owned() };
        self.count += 1;
        if self.power_is_out {
            return (Effect::None, Err(io::Error::other("the power is out")));
        }
        let injected = |kind| Err(io::Error::new(kind, "injected fault"));
        match self.faults.as_mut().and_then(|decide| decide(&step)) {
            None => (Effect::Whole, Ok(())),
            Some(Fault::NoEffect) => (Effect::None, injected(io::ErrorKind::Other)),
            Some(Fault::Unreported) => (Effect::Whole, injected(io::ErrorKind::Other)),
            Some(Fault::DiskFull) => (Effect::Half, injected(io::ErrorKind::StorageFull)),
            Some(Fault::PowerCut) => {
                self.power_is_out = true;
                (Effect::Cut, injected(io::ErrorKind::Other))
            }
            Some(Fault::SyncLost) => match operation {
                Operation::Sync | Operation::SyncDir => (Effect::Cut, Ok(())),
                _ => (Effect::Whole, Ok(())),
            },
        }
    }
}

impl fmt::Debug for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} steps", self.count)
    }
}

impl Operation {
    pub(super) fn verb(self) -> &'static str {
        match self {
            Self::Create => "create",
            Self::Write => "write",
            Self::SetLen => "set the length of",
            Self::Sync => "sync",
            Self::Rename => "put a new file in the place of",
            Self::RemoveFile => "remove",
            Self::CreateDir => "create directory",
            Self::RemoveDir => "remove directory",
            Self::SyncDir => "sync directory",
        }
    }
}
