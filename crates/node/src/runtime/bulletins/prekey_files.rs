//! The secrets of prekeys on disk: a file for each, gone when its time is over.
//!
//! A file system may keep older copies of a block; what was overwritten here is out of reach of
//! whoever reads files, not of whoever reads the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use jurat_crypto::SealingKey;

use super::owner::make_private_dir;
use crate::core::INBOX_LIFE;

/// The directory, named after nothing but times.
#[derive(Debug)]
pub(super) struct PrekeyFiles(PathBuf);

impl PrekeyFiles {
    /// The secrets in a directory that only the owner can enter.
    pub(super) fn open(private: &Path) -> io::Result<Self> {
        let dir = private.join("prekeys");
        make_private_dir(&dir)?;
        Ok(Self(dir))
    }

    /// The secrets that are still needed, with the last second in which each prekey is used. The
    /// others are erased.
    pub(super) fn read(&self, now: u32) -> io::Result<Vec<(u32, SealingKey)>> {
        let mut secrets = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let until = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            let bytes = fs::read(&path)?;
            match (until, <[u8; 32]>::try_from(&*bytes)) {
                (Some(until), Ok(secret)) if until.saturating_add(INBOX_LIFE) >= now => {
                    secrets.push((until, SealingKey::from_bytes(&secret)));
                }
                // Over, or cut short by a crash before it was ever published.
                _ => erase(&path)?,
            }
        }
        secrets.sort_by_key(|(until, _)| *until);
        Ok(secrets)
    }

    /// Keeps a secret, durably.
    pub(super) fn keep(&self, secret: &SealingKey, until: u32) -> io::Result<()> {
        let path = self.0.join(until.to_string());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(&*secret.to_bytes())?;
        file.sync_all()?;
        File::open(&self.0)?.sync_all()
    }
}

/// Overwrites a file before it goes.
fn erase(path: &Path) -> io::Result<()> {
    let length = usize::try_from(fs::metadata(path)?.len()).unwrap_or(0);
    let mut file = OpenOptions::new().write(true).open(path)?;
    file.write_all(&vec![0; length])?;
    file.sync_all()?;
    fs::remove_file(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_kept_as_long_as_they_open_anything_and_then_erased() {
        let dir = tempfile::tempdir().unwrap();
        let files = PrekeyFiles::open(dir.path()).unwrap();
        for (until, seed) in [(1_000, 1), (2_000, 2)] {
            files.keep(&SealingKey::from_bytes(&[seed; 32]), until).unwrap();
        }
        assert!(files.keep(&SealingKey::from_bytes(&[3; 32]), 2_000).is_err(), "none is replaced");
        fs::write(dir.path().join("prekeys/3000"), [1; 5]).unwrap();
        let read =
            |now: u32| -> Vec<u32> { files.read(now).unwrap().iter().map(|(until, _)| *until).collect() };
        assert_eq!(read(1_000 + INBOX_LIFE), [1_000, 2_000]);
        assert_eq!(read(1_001 + INBOX_LIFE), [2_000]);
        assert_eq!(fs::read_dir(dir.path().join("prekeys")).unwrap().count(), 1);
        let public = SealingKey::from_bytes(&[2; 32]).public();
        assert_eq!(files.read(0).unwrap()[0].1.public(), public);
    }
}
