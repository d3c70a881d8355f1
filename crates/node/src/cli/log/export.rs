//! `jurat log export`

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use jurat_log::{RightEdge, TileCoord, TileKind, leaf_hash, push_entry};
use serde::Serialize;

use super::source::LogArguments;
use crate::cli::{Failure, files, output::Output};

/// Copy a log, every entry checked, into a directory of tiles that any web server can serve
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat log export log-2026 --log http://127.0.0.1:8100 --policy council.policy\n\
    With --checkpoint FILE, the log as it was then: a signed checkpoint, or any receipt, restores its size."
)]
pub(crate) struct Arguments {
    /// The directory to make
    out: PathBuf,
    #[command(flatten)]
    log: LogArguments,
    /// Who must have signed the checkpoint
    #[arg(long, value_name = "FILE")]
    policy: PathBuf,
}

/// What was copied, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Exported {
    dir: PathBuf,
    origin: String,
    log_size: u64,
    root: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let out = &arguments.out;
    let log = arguments.log.open(Some(&arguments.policy))?;
    fs::create_dir(out)
        .map_err(|error| Failure::Unreachable(format!("can't make {}: {error}", out.display())))?;
    let bar = output.progress(log.bundles(), "copying");
    let mut edge = RightEdge::new();
    for index in 0..log.bundles() {
        let entries = log.bundle(index)?;
        let mut bundle = Vec::new();
        for entry in &entries {
            push_entry(&mut bundle, entry).map_err(|error| Failure::False(error.to_string()))?;
        }
        if let Some(coord) = TileCoord::in_tree(TileKind::Entries, index, log.size()) {
            write(out, &coord.path(), &bundle)?;
        }
        for tile in edge.extend(entries.iter().map(|entry| leaf_hash(entry))) {
            write(out, &tile.coord().path(), &tile.to_bytes())?;
        }
        bar.inc(1);
    }
    for tile in edge.partial_tiles() {
        write(out, &tile.coord().path(), &tile.to_bytes())?;
    }
    bar.finish_and_clear();
    if edge.root() != *log.checkpoint.root() {
        // Each entry was checked against the checkpoint's tree.
        return Err(Failure::False("the entries don't make the checkpoint's root".into()));
    }
    // Last: a directory without it is no log.
    write(out, "checkpoint", log.note.to_string().as_bytes())?;
    let exported = Exported {
        dir: out.clone(),
        origin: log.checkpoint.origin().to_string(),
        log_size: log.size().value(),
        root: edge.root().to_string(),
    };
    output.result(&exported, || {
        format!(
            "{}: {} entries of {}, root {}",
            out.display(),
            exported.log_size,
            exported.origin,
            exported.root
        )
    });
    Ok(())
}

fn write(dir: &Path, path: &str, bytes: &[u8]) -> Result<(), Failure> {
    let path = dir.join(path);
    let unwritable =
        |error: std::io::Error| Failure::Unreachable(format!("can't write {}: {error}", path.display()));
    fs::create_dir_all(path.parent().unwrap_or(dir)).map_err(unwritable)?;
    files::write_whole(&path, bytes)
}
