//! A disk that is full, and one that is gone.

use std::{fs, path::PathBuf};

use rustix::{
    fs::statvfs,
    process::{Resource, Rlimit, prlimit},
};

use super::network::{tool, try_tool};
use crate::council::{Council, Place};

/// What the disk holds when it is not full. Memory is used for what is written only.
const ROOM: &str = "4g";
/// How much more can be written to a full disk: less than a second's load, in bytes.
const SLACK: u64 = 64 * 1024;
/// Where writes fail instead, in bytes from the beginning of a file.
const LONGEST_FILE: u64 = 4096;

/// The disk of one member.
#[derive(Debug)]
pub(super) enum Disk {
    /// A file system in memory, at the member's data directory.
    Small(PathBuf),
    /// The one that all share, where a running process can be kept from writing long files.
    Shared,
}

impl Disk {
    /// Mounts a small disk for a member that has not run yet; only in a mount namespace of the
    /// run's own.
    pub(super) fn mount(data: PathBuf) -> Self {
        fs::create_dir(&data).expect("a directory");
        tool("mount", &format!("-t tmpfs -o size={ROOM},mode=700 tmpfs {}", data.display()));
        Self::Small(data)
    }

    /// Makes writes fail, soon, for the running node of a member.
    pub(super) fn fill(&self, council: &Council, member: usize) {
        match self {
            Self::Small(data) => {
                let mut slack = SLACK;
                // A disk can't become smaller than what is on it, and the node goes on writing.
                while self.resize(&(used(data) + slack).to_string()).is_err() {
                    slack += SLACK;
                }
            }
            Self::Shared => {
                let limit = Rlimit { current: Some(LONGEST_FILE), maximum: Some(LONGEST_FILE) };
                prlimit(Some(council.pid(member)), Resource::Fsize, limit).expect("a limit is set");
            }
        }
    }

    /// Makes room again. A new process has no limit.
    pub(super) fn make_room(&self) {
        self.resize(ROOM).expect("the disk grows");
    }

    fn resize(&self, size: &str) -> Result<(), String> {
        match self {
            Self::Small(data) => try_tool("mount", &format!("-o remount,size={size} {}", data.display())),
            Self::Shared => Ok(()),
        }
    }

    /// Where a node must run so that a write beyond its limit is an error for it and not its death.
    pub(super) fn place_without_namespaces() -> Place {
        let words = ["sh", "-c", "trap '' XFSZ; exec \"$@\"", "sh"];
        Place { under: words.map(Into::into).to_vec(), ..Place::default() }
    }
}

/// Bytes on the disk.
fn used(data: &PathBuf) -> u64 {
    let found = statvfs(data).expect("the disk is there");
    (found.f_blocks - found.f_bfree) * found.f_frsize
}

/// Removes all that a stopped member had stored. The directory itself may be a mount, and stays.
pub(super) fn wipe(data: &PathBuf) {
    for entry in fs::read_dir(data).expect("a directory") {
        let at = entry.expect("an entry").path();
        let removed = if at.is_dir() { fs::remove_dir_all(&at) } else { fs::remove_file(&at) };
        removed.expect("it is removed");
    }
}
