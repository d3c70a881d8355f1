//! The log's files, as any web server may serve them (C2SP tlog-tiles).

use std::{
    collections::BTreeSet,
    mem,
    path::{Path, PathBuf},
};

use jurat_log::{
    BundleError, EntryTooLong, MAX_ENTRY_BYTES, TILE_WIDTH, Tile, TileCoord, TileDataError, TileKind,
    TreeSize, push_entry,
};

use super::{Damage, LogError, MAX_CHECKPOINT_BYTES};
use crate::{DataDir, DiskError, VfsFile, vfs::replace_file};

/// The longest bundle: 256 of the longest entries, each after two bytes of length.
const MAX_BUNDLE_BYTES: u64 = (TILE_WIDTH * (MAX_ENTRY_BYTES + 2)) as u64;

/// The directory `log` of a data directory.
#[derive(Clone, Debug)]
pub(super) struct LogFiles {
    dir: DataDir,
}

impl LogFiles {
    pub(super) fn new(dir: &DataDir) -> Self {
        Self { dir: dir.clone() }
    }

    pub(super) fn root(&self) -> PathBuf {
        self.dir.join("log")
    }

    pub(super) fn path(&self, coord: TileCoord) -> PathBuf {
        self.root().join(coord.path())
    }

    /// Whether there is any tile.
    pub(super) fn has_tiles(&self) -> Result<bool, DiskError> {
        match self.dir.vfs().list(&self.root().join("tile")) {
            Err(error) if error.is_not_found() => Ok(false),
            names => Ok(!names?.is_empty()),
        }
    }

    /// Reads the tile or bundle at exactly this place.
    pub(super) fn read(&self, coord: TileCoord) -> Result<Vec<u8>, LogError> {
        let path = self.path(coord);
        match self.dir.vfs().read(&path, MAX_BUNDLE_BYTES) {
            Err(error) if error.is_not_found() => Err(LogError::Missing { path }),
            bytes => Ok(bytes?),
        }
    }

    pub(super) fn read_tile(&self, coord: TileCoord) -> Result<Tile, LogError> {
        let bytes = self.read(coord)?;
        Tile::from_bytes(coord, &bytes).map_err(|error| {
            let damage = match error {
                TileDataError::Length { needed, actual, .. } => {
                    Damage::Length { needed: needed as u64, found: actual as u64 }
                }
                error @ TileDataError::Entries(_) => Damage::Bundle(error.to_string()),
            };
            self.damaged(coord, damage)
        })
    }

    pub(super) fn damaged(&self, coord: TileCoord, damage: Damage) -> LogError {
        LogError::Damaged { path: self.path(coord), damage }
    }

    pub(super) fn bad_bundle(&self, coord: TileCoord, error: BundleError) -> LogError {
        self.damaged(coord, Damage::Bundle(error.to_string()))
    }

    /// Checks that every full tile and bundle of the tree of this size is there, without reading
    /// them. Tiles must have their length; of bundles only the least length is known.
    pub(super) fn check_present(&self, size: TreeSize) -> Result<(), LogError> {
        let full = TileCoord::tree_tiles(size).chain(TileCoord::entry_tiles(size)).filter(|c| c.is_full());
        for coord in full {
            let path = self.path(coord);
            let Some(found) = self.dir.vfs().file_len(&path)? else {
                return Err(LogError::Missing { path });
            };
            let (least, most) = match coord.kind() {
                TileKind::Hashes(_) => (32 * TILE_WIDTH as u64, 32 * TILE_WIDTH as u64),
                TileKind::Entries => (2 * TILE_WIDTH as u64, MAX_BUNDLE_BYTES),
            };
            if !(least..=most).contains(&found) {
                return Err(self.damaged(coord, Damage::Length { needed: least, found }));
            }
        }
        Ok(())
    }

    /// Begins to write tiles and bundles. They are durable once [`FileWriter::finish`] returns.
    pub(super) fn writer(&self) -> FileWriter<'_> {
        FileWriter { files: self, staged: Staged::default(), dirs: BTreeSet::new() }
    }

    /// Removes the partial versions of the tiles and bundles that became full between two sizes,
    /// once those are durable.
    pub(super) fn remove_partials(&self, old: TreeSize, new: TreeSize) -> Result<(), DiskError> {
        let tiles = TileCoord::new_tree_tiles(old, new).chain(TileCoord::new_entry_tiles(old, new));
        for coord in tiles.filter(|coord| coord.is_full()) {
            let mut dir = self.path(coord).into_os_string();
            dir.push(".p");
            let dir = PathBuf::from(dir);
            let names = match self.dir.vfs().list(&dir) {
                Err(error) if error.is_not_found() => continue,
                names => names?,
            };
            for name in names {
                self.dir.vfs().remove_file(&dir.join(name))?;
            }
            self.dir.vfs().remove_dir(&dir)?;
        }
        Ok(())
    }

    /// Puts the checkpoint where web servers find it, unless it's there.
    pub(super) fn publish_checkpoint(&self, note: &str) -> Result<(), DiskError> {
        let path = self.root().join("checkpoint");
        let published = self.dir.vfs().read(&path, MAX_CHECKPOINT_BYTES as u64);
        if published.is_ok_and(|published| published == note.as_bytes()) {
            return Ok(());
        }
        self.dir.vfs().create_dir_all(&self.root())?;
        replace_file(&**self.dir.vfs(), &self.dir.staging("checkpoint"), &path, note.as_bytes())
    }
}

/// Writes tiles and bundles. A crash leaves some of them, each whole.
pub(super) struct FileWriter<'a> {
    files: &'a LogFiles,
    /// Those that were written and not put in their places yet, at most [`STAGED`].
    staged: Staged,
    /// Those whose names must be made durable.
    dirs: BTreeSet<PathBuf>,
}

/// Files in staging, and where each is and belongs.
#[derive(Default)]
struct Staged {
    files: Vec<Box<dyn VfsFile>>,
    places: Vec<(PathBuf, PathBuf)>,
}

/// How many files are synced together; as many are open at once.
const STAGED: usize = 64;

impl FileWriter<'_> {
    pub(super) fn put(&mut self, coord: TileCoord, content: &[u8]) -> Result<(), DiskError> {
        let dir = &self.files.dir;
        let staging = dir.staging(&format!("tile-{}", self.staged.files.len()));
        let file = dir.vfs().create(&staging)?;
        file.write_at(0, content)?;
        self.staged.files.push(file);
        self.staged.places.push((staging, self.files.path(coord)));
        if self.staged.files.len() == STAGED { self.put_in_place() } else { Ok(()) }
    }

    pub(super) fn finish(mut self) -> Result<(), DiskError> {
        self.put_in_place()?;
        let dirs: Vec<&Path> = self.dirs.iter().map(PathBuf::as_path).collect();
        self.files.dir.vfs().sync_dirs(&dirs)
    }

    /// Makes what's in staging durable, all together, and only then gives any of it its name: a
    /// crash between two of these leaves files in staging, which the next start removes.
    fn put_in_place(&mut self) -> Result<(), DiskError> {
        let dir = &self.files.dir;
        let Staged { files, places } = mem::take(&mut self.staged);
        dir.vfs().sync_files(&files)?;
        for (staging, path) in places {
            // Which of these directories are new, and durable already, an earlier process may have
            // known; so all of them are synced.
            let above = path.ancestors().skip(1).take_while(|above| above.starts_with(dir.path()));
            self.dirs.extend(above.map(PathBuf::from));
            if let Some(parent) = path.parent() {
                dir.vfs().create_dir_all(parent)?;
            }
            dir.vfs().rename(&staging, &path)?;
        }
        Ok(())
    }
}

/// The bundle of these entries.
pub(super) fn encode_bundle<'a>(entries: impl Iterator<Item = &'a [u8]>) -> Result<Vec<u8>, LogError> {
    let mut bundle = Vec::new();
    for entry in entries {
        push_entry(&mut bundle, entry).map_err(too_long)?;
    }
    Ok(bundle)
}

pub(super) fn too_long(error: EntryTooLong) -> LogError {
    LogError::TooLong { what: "an entry", len: error.0, max: MAX_ENTRY_BYTES }
}
