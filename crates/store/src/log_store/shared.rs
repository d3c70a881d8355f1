//! What the store, its readers and its flushes share: the disk, the memory and the cache.

use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use jurat_log::{ExpandedTile, SubjectNode, TILE_WIDTH, TileCoord, TileKind, TreeSize};

use super::{
    Damage, LogError,
    files::LogFiles,
    index::Index,
    memory::Memory,
    subjects::{node_at, split},
    tile_cache::TileCache,
};

/// The height of a tile's root over its hashes.
const TILE_HEIGHT: u8 = 8;

pub(super) struct Shared {
    pub(super) files: LogFiles,
    pub(super) index: Index,
    memory: RwLock<Memory>,
    cache: Mutex<TileCache>,
}

impl Shared {
    pub(super) fn new(files: LogFiles, index: Index, memory: Memory) -> Self {
        Self { files, index, memory: RwLock::new(memory), cache: Mutex::default() }
    }

    pub(super) fn memory(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn memory_mut(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is left to do after a flush from one size to another became valid; opening the log
    /// does it again, in case of a crash in between.
    pub(super) fn tidy_up(&self, old: TreeSize, new: TreeSize) -> Result<(), LogError> {
        if let Some((_, note)) = self.index.latest_checkpoint()? {
            self.files.publish_checkpoint(&note)?;
        }
        Ok(self.files.remove_partials(old, new)?)
    }

    /// The node of the subject map at a place.
    pub(super) fn subject_node(&self, place: u64) -> Result<Option<SubjectNode>, LogError> {
        let (number, at) = split(place);
        let in_memory = self.memory().generations().find_map(|g| g.subject_pages.get(&number).cloned());
        match in_memory {
            Some(page) => Ok(node_at(&page, at)),
            None => self.index.subject_node(place),
        }
    }

    /// A tile of hashes, as wide as it is by now, with the nodes that follow from it.
    ///
    /// A tile from the disk is believed only if it makes the hash that the tile above has for it.
    /// So each one is checked, by way of those above, against the right edge in memory, whose root
    /// was checked when the log was opened.
    pub(super) fn expanded(&self, asked: TileCoord) -> Result<Arc<ExpandedTile>, LogError> {
        let (coord, in_memory) = {
            let memory = self.memory();
            let size = memory.head().size;
            let coord = TileCoord::in_tree(asked.kind(), asked.index(), size)
                .filter(|coord| asked.width() <= coord.width())
                .ok_or(LogError::NoSuchTile { asked, size })?;
            if let Some(tile) = self.cached(|cache| cache.find(coord)) {
                return Ok(tile);
            }
            (coord, memory.tile(coord))
        };
        let expanded = match in_memory {
            Some(tile) => tile.expand(),
            None => self.load(coord)?,
        };
        let expanded = Arc::new(expanded);
        self.cached(|cache| cache.keep(&expanded));
        Ok(expanded)
    }

    fn load(&self, coord: TileCoord) -> Result<ExpandedTile, LogError> {
        let tile = self.files.read_tile(coord)?.expand();
        let TileKind::Hashes(level) = coord.kind() else { return Ok(tile) };
        let within = usize::try_from(coord.index() % TILE_WIDTH as u64).unwrap_or(0);
        let above =
            TileCoord::new(TileKind::Hashes(level + 1), coord.index() / TILE_WIDTH as u64, within + 1)
                .map_err(|error| self.files.damaged(coord, Damage::Bundle(error.to_string())))?;
        let parent = self.expanded(above)?;
        if tile.node(TILE_HEIGHT, 0) != parent.node(0, within) {
            return Err(self.files.damaged(coord, Damage::NotInTile(parent.coord())));
        }
        Ok(tile)
    }

    fn cached<T>(&self, use_cache: impl FnOnce(&mut TileCache) -> T) -> T {
        use_cache(&mut self.cache.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
