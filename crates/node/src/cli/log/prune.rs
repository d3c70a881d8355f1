//! `jurat log prune`

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
};

use clap::Args;
use jurat_log::{TileCoord, TreeSize};
use serde::Serialize;

use super::source::LogArguments;
use crate::cli::{Failure, output::Output};

/// Remove the beginning of a log from a directory of tiles (C2SP tlog-tiles, "Pruning")
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat log prune log-2026 --below 100000\n\
    Entries from there on can still be read and proven, and receipts of all entries stay valid. A node\n\
    needs its own log whole; let it not serve the beginning with http.minimum_index in its node.toml.")]
pub(crate) struct Arguments {
    /// A directory of tiles, such as 'jurat log export' makes
    dir: PathBuf,
    /// The first index that must stay readable
    #[arg(long, value_name = "INDEX")]
    below: u64,
}

/// What was removed, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Pruned {
    dir: PathBuf,
    log_size: u64,
    minimum_index: u64,
    /// Files that were removed.
    removed: u64,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let dir = &arguments.dir;
    let is_node =
        dir.join("node.toml").exists() || dir.parent().is_some_and(|up| up.join("index.redb").exists());
    if is_node {
        let message =
            "this is a node's own log, which it needs whole; set http.minimum_index in its node.toml";
        return Err(Failure::Usage(message.into()));
    }
    // The right edge alone shows that this is a log, and one that is pruned may have no more.
    let log = LogArguments::latest_of(&dir.display().to_string()).open(None)?;
    let minimum = log.size_within(arguments.below)?;
    let mut removed = 0;
    for coord in TileCoord::tree_tiles(log.size()).chain(TileCoord::entry_tiles(log.size())) {
        if coord.may_be_pruned(minimum) {
            removed += u64::from(remove(&dir.join(coord.path()))?);
        }
    }
    let pruned =
        Pruned { dir: dir.clone(), log_size: log.size().value(), minimum_index: minimum.value(), removed };
    output.result(&pruned, || {
        format!(
            "{}: {removed} files removed; entries from {minimum} to {} are kept",
            dir.display(),
            last(log.size())
        )
    });
    Ok(())
}

fn last(size: TreeSize) -> u64 {
    size.value().saturating_sub(1)
}

/// Whether there was something to remove: an earlier run may have been there.
fn remove(path: &Path) -> Result<bool, Failure> {
    match fs::remove_file(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Failure::Unreachable(format!("can't remove {}: {error}", path.display()))),
    }
}
