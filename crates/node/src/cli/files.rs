//! Reading and writing the files that commands are given.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use jurat_crypto::Digest;
use jurat_log::Policy;
use sha2::{Digest as _, Sha256};

use super::Failure;

/// The receipt of a file lies beside it: `NAME.jurat`.
pub(super) const RECEIPT_SUFFIX: &str = "jurat";

/// Where the receipt of a file is kept.
pub(super) fn receipt_path(file: &Path) -> PathBuf {
    let mut name = file.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(RECEIPT_SUFFIX);
    file.with_file_name(name)
}

/// SHA-256 of a file's content, however large.
pub(super) fn digest(path: &Path) -> Result<Digest, Failure> {
    let unreadable =
        |error: io::Error| Failure::Unreachable(format!("can't read {}: {error}", path.display()));
    let mut file = File::open(path).map_err(unreadable)?;
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match file.read(&mut buffer).map_err(unreadable)? {
            0 => return Ok(Digest::from_bytes(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}

/// The digest that is written out, or that of the file's content.
pub(super) fn digest_or_hex(what: &str) -> Result<Digest, Failure> {
    match what.parse() {
        Ok(digest) => Ok(digest),
        Err(_) if Path::new(what).exists() => digest(Path::new(what)),
        Err(_) => Err(Failure::Usage(format!(
            "{what:?} is no file and no SHA-256 digest of 64 lower-case hex digits"
        ))),
    }
}

/// Reads the first `limit` bytes of a file.
pub(super) fn read_up_to(path: &Path, limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let unreadable =
        |error: io::Error| Failure::Unreachable(format!("can't read {what} {}: {error}", path.display()));
    let mut content = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(limit as u64).read_to_end(&mut content).map_err(unreadable)?;
    Ok(content)
}

/// Reads a file of at most `limit` bytes; one with more is not what it should be.
pub(super) fn read_bounded(path: &Path, limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let content = read_up_to(path, limit + 1, what)?;
    if content.len() > limit {
        return Err(Failure::False(format!("{} is no {what}: more than {limit} bytes", path.display())));
    }
    Ok(content)
}

/// Reads standard input, of which there may be at most `limit` bytes.
pub(super) fn read_standard_input(limit: usize, what: &str) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    io::stdin().take(limit as u64 + 1).read_to_end(&mut bytes).map_err(|error| {
        Failure::Unreachable(format!("can't read the {what} from standard input: {error}"))
    })?;
    if bytes.len() > limit {
        return Err(Failure::False(format!("the {what} has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// Reads a policy file.
pub(super) fn read_policy(path: &Path) -> Result<Policy, Failure> {
    let content = read_bounded(path, jurat_log::MAX_POLICY_BYTES, "policy")?;
    Policy::parse(&content)
        .map_err(|error| Failure::False(format!("{} is not a policy: {error}", path.display())))
}

/// Makes a directory; one that is there must be empty.
pub(super) fn make_empty_dir(dir: &Path) -> Result<(), Failure> {
    let shown = dir.display();
    let failed = |error: io::Error| Failure::Unreachable(format!("can't make {shown}: {error}"));
    if dir.exists() && std::fs::read_dir(dir).map_err(failed)?.next().is_some() {
        let message = format!("{shown} is there already and not empty: choose another directory");
        return Err(Failure::Unreachable(message));
    }
    std::fs::create_dir_all(dir).map_err(failed)
}

/// Writes a file whole or not at all: into a temporary one beside it, then renamed.
pub(super) fn write_whole(path: &Path, content: &[u8]) -> Result<(), Failure> {
    let unwritable = |error: &dyn std::fmt::Display| {
        Failure::Unreachable(format!("can't write {}: {error}", path.display()))
    };
    let dir = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .prefix(".jurat-")
        .permissions(default_permissions())
        .tempfile_in(dir)
        .map_err(|error| unwritable(&error))?;
    file.write_all(content).map_err(|error| unwritable(&error))?;
    file.as_file().sync_all().map_err(|error| unwritable(&error))?;
    file.persist(path).map_err(|error| unwritable(&error.error))?;
    Ok(())
}

/// What a plainly created file would get, before the umask.
#[cfg(unix)]
fn default_permissions() -> std::fs::Permissions {
    std::os::unix::fs::PermissionsExt::from_mode(0o666)
}
