//! Key files on disk: readable by their owner only, and refused otherwise.

use std::{
    fs::{File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jurat_crypto::{KeyFileError, PassphraseCost, SecretKey};
use zeroize::Zeroizing;

/// A key file is one line; more is something else.
const MAX_BYTES: u64 = 4096;

/// Why a key file can't be read or written.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileIoError {
    /// The file can't be read.
    #[error("can't read key file {path}: {error}; if it is elsewhere, say so with --key", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// The file can't be written.
    #[error("can't write key file {path}: {error}; choose another with -o", path = path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// Others than the owner can read the file.
    #[error("key file {path} can be read by others (mode {mode:o}): run 'chmod 600 {path}'", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The content is not a key.
    #[error("{path}: {error}", path = path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyFileError,
    },
}

impl From<KeyFileError> for KeyFileIoError {
    fn from(error: KeyFileError) -> Self {
        Self::Content { path: PathBuf::new(), error }
    }
}

/// Reads a key file, unsealing it if a passphrase is needed and given.
pub fn read(path: &Path, passphrase: Option<&[u8]>) -> Result<SecretKey, KeyFileIoError> {
    let read_error = |error| KeyFileIoError::Read { path: path.into(), error };
    let file = File::open(path).map_err(read_error)?;
    refuse_open_permissions(path, &file)?;
    let mut text = Zeroizing::new(String::new());
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(read_error)?;
    SecretKey::parse(&text, passphrase).map_err(|error| KeyFileIoError::Content { path: path.into(), error })
}

#[cfg(unix)]
fn refuse_open_permissions(path: &Path, file: &File) -> Result<(), KeyFileIoError> {
    use std::os::unix::fs::PermissionsExt;
    let metadata = file.metadata().map_err(|error| KeyFileIoError::Read { path: path.into(), error })?;
    match metadata.permissions().mode() & 0o777 {
        mode if mode & 0o077 != 0 => Err(KeyFileIoError::Open { path: path.into(), mode }),
        _ => Ok(()),
    }
}

#[cfg(not(unix))]
fn refuse_open_permissions(_: &Path, _: &File) -> Result<(), KeyFileIoError> {
    Ok(())
}

/// Writes a new key file, sealed if a passphrase is given. An existing file is never overwritten:
/// it may be the only copy of a key.
pub fn write(path: &Path, secret: &SecretKey, passphrase: Option<&[u8]>) -> Result<(), KeyFileIoError> {
    let write_error = |error| KeyFileIoError::Write { path: path.into(), error };
    let text = match passphrase {
        None => secret.to_text(),
        Some(passphrase) => {
            let (mut salt, mut nonce) = ([0; 16], [0; 12]);
            fill(&mut salt).map_err(write_error)?;
            fill(&mut nonce).map_err(write_error)?;
            let sealed = secret.seal(passphrase, PassphraseCost::default(), salt, nonce);
            Zeroizing::new(sealed.map_err(|error| KeyFileIoError::Content { path: path.into(), error })?)
        }
    };
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(write_error)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(write_error)
}

/// Entropy from the operating system.
pub(crate) fn fill(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(io::Error::other)
}
