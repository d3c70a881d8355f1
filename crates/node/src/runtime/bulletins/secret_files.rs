//! Secrets of 32 bytes on disk: a file for each, named by a number, erased when its time is over.
//!
//! A file system may keep older copies of a block; what was overwritten here is out of reach of
//! whoever reads files, not of whoever reads the disk.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use zeroize::Zeroizing;

use super::owner::make_private_dir;

/// A directory of secrets, which says nothing but their numbers.
#[derive(Debug)]
pub(super) struct SecretFiles(PathBuf);

impl SecretFiles {
    /// The secrets in a directory that only the owner can enter.
    pub(super) fn open(private: &Path, name: &str) -> io::Result<Self> {
        let dir = private.join(name);
        make_private_dir(&dir)?;
        Ok(Self(dir))
    }

    /// The secrets that are still needed, by number. The others are erased.
    pub(super) fn read(
        &self,
        is_needed: impl Fn(u32) -> bool,
    ) -> io::Result<Vec<(u32, Zeroizing<[u8; 32]>)>> {
        let mut secrets = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let path = entry?.path();
            let number = path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok());
            let bytes = Zeroizing::new(fs::read(&path)?);
            match (number, <[u8; 32]>::try_from(&**bytes)) {
                (Some(number), Ok(secret)) if is_needed(number) => secrets.push((number, secret.into())),
                // Over, or cut short by a crash before it was ever used.
                _ => erase(&path)?,
            }
        }
        secrets.sort_by_key(|(number, _)| *number);
        Ok(secrets)
    }

    /// Keeps a secret, durably.
    pub(super) fn keep(&self, number: u32, secret: &[u8; 32]) -> io::Result<()> {
        let path = self.0.join(number.to_string());
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(secret)?;
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
    fn secrets_are_kept_as_long_as_they_are_needed_and_then_erased() {
        let dir = tempfile::tempdir().unwrap();
        let files = SecretFiles::open(dir.path(), "secrets").unwrap();
        for (number, seed) in [(1_000, 1), (2_000, 2)] {
            files.keep(number, &[seed; 32]).unwrap();
        }
        assert!(files.keep(2_000, &[3; 32]).is_err(), "none is replaced");
        fs::write(dir.path().join("secrets/3000"), [1; 5]).unwrap();
        let read = |from: u32| -> Vec<u32> {
            let secrets = files.read(|number| number >= from).unwrap();
            secrets.iter().map(|(number, _)| *number).collect()
        };
        assert_eq!(read(1_000), [1_000, 2_000]);
        assert_eq!(read(1_001), [2_000]);
        assert_eq!(fs::read_dir(dir.path().join("secrets")).unwrap().count(), 1);
        assert_eq!(*files.read(|_| true).unwrap()[0].1, [2; 32]);
    }
}
