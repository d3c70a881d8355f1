//! The tiles that were read last, with the nodes that follow from them.

use std::{collections::BTreeMap, sync::Arc};

use jurat_log::{ExpandedTile, TileCoord};

/// How many tiles are kept, at some 17 KB each.
const CAPACITY: usize = 1024;

/// Tiles, of which the least recently used gives way to a new one.
#[derive(Default)]
pub(super) struct TileCache {
    tiles: BTreeMap<TileCoord, (u64, Arc<ExpandedTile>)>,
    /// When each was used last.
    used: BTreeMap<u64, TileCoord>,
    clock: u64,
}

impl TileCache {
    pub(super) fn find(&mut self, coord: TileCoord) -> Option<Arc<ExpandedTile>> {
        let (last, tile) = self.tiles.get_mut(&coord)?;
        self.used.remove(last);
        self.clock += 1;
        *last = self.clock;
        self.used.insert(self.clock, coord);
        Some(Arc::clone(tile))
    }

    pub(super) fn keep(&mut self, tile: &Arc<ExpandedTile>) {
        if self.find(tile.coord()).is_some() {
            return;
        }
        if self.tiles.len() >= CAPACITY
            && let Some((_, oldest)) = self.used.pop_first()
        {
            self.tiles.remove(&oldest);
        }
        self.clock += 1;
        self.used.insert(self.clock, tile.coord());
        self.tiles.insert(tile.coord(), (self.clock, Arc::clone(tile)));
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::Digest;
    use jurat_log::Tile;

    use super::*;

    #[test]
    fn what_was_used_stays_and_the_rest_gives_way() {
        let tile = |index| Arc::new(Tile::new(0, index, vec![Digest::of(b"")]).unwrap().expand());
        let mut cache = TileCache::default();
        for index in 0..3 * CAPACITY as u64 {
            cache.keep(&tile(index));
            assert!(cache.find(tile(0).coord()).is_some());
        }
        assert_eq!(cache.tiles.len(), CAPACITY);
        assert_eq!(cache.used.len(), CAPACITY);
        assert!(cache.find(tile(1).coord()).is_none());
        assert!(cache.find(tile(3 * CAPACITY as u64 - 1).coord()).is_some());
    }
}
