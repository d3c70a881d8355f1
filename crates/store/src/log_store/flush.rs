//! Flushing: what was appended becomes durable, in an order that no crash can harm.

use std::{fmt, sync::Arc};

use jurat_log::{TILE_WIDTH, TileCoord, TileKind};

use super::{
    LogEntry, LogError, LogHead,
    files::{FileWriter, encode_bundle},
    memory::{Flush, Frozen},
    shared::Shared,
};

/// A flush that was decided on: everything appended up to a moment, to be written by any thread
/// while the log goes on. From [`LogStore::plan_flush`](super::LogStore::plan_flush).
///
/// Dropping it unwritten puts the flush off; the next plan is this one again.
#[must_use = "nothing is durable before it's written"]
pub struct FlushPlan {
    shared: Arc<Shared>,
    frozen: Arc<Frozen>,
    written: bool,
}

impl FlushPlan {
    pub(super) fn new(shared: Arc<Shared>, frozen: Arc<Frozen>) -> Self {
        Self { shared, frozen, written: false }
    }

    /// Where the log stands on the disk once this is written.
    pub fn head(&self) -> LogHead {
        self.frozen.generation.end
    }

    /// Writes it, and returns once all of it is durable.
    ///
    /// On an error it's unknown how much is; the log can't be flushed any more, and the node must
    /// stop. Opening it again finds this flush or the one before.
    pub fn write(mut self) -> Result<LogHead, LogError> {
        let result = self.write_all();
        self.written = true;
        let mut memory = self.shared.memory_mut();
        if result.is_ok() {
            memory.thaw();
            memory.flush = Flush::Idle;
        } else {
            memory.flush = Flush::Failed;
        }
        drop(memory);
        result.map(|()| self.head())
    }

    fn write_all(&self) -> Result<(), LogError> {
        // Tiles and bundles first. A crash from here on leaves files of which the index knows
        // nothing; the next flush puts the same in their places.
        let mut writer = self.shared.files.writer();
        self.write_tiles(&mut writer)?;
        self.write_bundles(&mut writer)?;
        writer.finish()?;
        // This makes the flush valid. A crash behind it leaves an old checkpoint and superfluous
        // partial tiles, which opening the log puts right.
        self.shared.index.commit(&self.frozen)?;
        let generation = &self.frozen.generation;
        self.shared.tidy_up(generation.start.size, generation.end.size)
    }

    fn write_tiles(&self, writer: &mut FileWriter<'_>) -> Result<(), LogError> {
        for tile in self.frozen.generation.full_tiles.values() {
            writer.put(tile.coord(), &tile.to_bytes())?;
        }
        for tile in &self.frozen.partial_tiles {
            for coord in self.partial_versions(tile.coord()) {
                let bytes = tile.hashes().iter().take(coord.width()).flat_map(|hash| *hash.as_bytes());
                writer.put(coord, &bytes.collect::<Vec<u8>>())?;
            }
        }
        Ok(())
    }

    fn write_bundles(&self, writer: &mut FileWriter<'_>) -> Result<(), LogError> {
        let Frozen { generation, open_bundle, .. } = &*self.frozen;
        let first = generation.start.size.value() / TILE_WIDTH as u64;
        let entries: Vec<&LogEntry> = open_bundle.iter().chain(&generation.entries).collect();
        for (index, entries) in (first..).zip(entries.chunks(TILE_WIDTH)) {
            let Some(coord) = TileCoord::in_tree(TileKind::Entries, index, generation.end.size) else {
                continue;
            };
            for coord in self.partial_versions(coord) {
                let entries = entries.iter().take(coord.width()).map(|entry| &**entry.bytes());
                writer.put(coord, &encode_bundle(entries)?)?;
            }
        }
        Ok(())
    }

    /// In which widths a tile is to be written: the one it has now, unless it's on the disk, and
    /// the one that clients ask for who see the checkpoint which this flush publishes.
    fn partial_versions(&self, now: TileCoord) -> impl Iterator<Item = TileCoord> {
        let generation = &self.frozen.generation;
        let is_new = !now.is_within(generation.start.size);
        let checkpoint = generation.checkpoints.keys().next_back();
        let published = checkpoint.and_then(|size| TileCoord::in_tree(now.kind(), now.index(), *size));
        let published = published.filter(|coord| *coord != now && !now.is_full());
        is_new.then_some(now).into_iter().chain(published)
    }
}

impl Drop for FlushPlan {
    fn drop(&mut self) {
        // After writing, the next flush may be under way already.
        if !self.written {
            self.shared.memory_mut().flush = Flush::Idle;
        }
    }
}

impl fmt::Debug for FlushPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FlushPlan({} to {} leaves)", self.frozen.generation.start.size, self.head().size)
    }
}
