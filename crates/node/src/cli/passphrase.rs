//! Where a passphrase comes from: a file or the environment, never an argument that others can see.

use std::path::PathBuf;

use clap::Args;
use zeroize::Zeroizing;

use super::Failure;

/// How a command is given a passphrase.
#[derive(Debug, Args)]
pub(super) struct PassphraseArguments {
    /// A file whose first line is the key file's passphrase; or set JURAT_PASSPHRASE
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl PassphraseArguments {
    pub(super) fn read(&self) -> Result<Option<Zeroizing<Vec<u8>>>, Failure> {
        let text = match &self.passphrase_file {
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                Failure::Unreachable(format!("can't read passphrase file {}: {error}", path.display()))
            })?,
            None => match std::env::var("JURAT_PASSPHRASE") {
                Ok(text) => text,
                Err(_) => return Ok(None),
            },
        };
        let text = Zeroizing::new(text);
        match text.lines().next() {
            Some(line) if !line.is_empty() => Ok(Some(Zeroizing::new(line.as_bytes().to_vec()))),
            _ => Err(Failure::Usage("the passphrase is empty".into())),
        }
    }
}
