//! Proofs from tiles: finds the tile that holds a node and has it read.

use alloc::sync::Arc;

use jurat_crypto::Digest;

use crate::{ExpandedTile, Nodes, TILE_WIDTH, TileCoord, TileKind, TreeSize, tile_coord::TILE_HEIGHT};

/// The nodes of a tree of known size, read from its tiles by a function of the caller's, which
/// may keep those it has read.
///
/// The function is asked for tiles as wide as they are in a tree of this size. It may answer with
/// a wider one, such as the full tile after the partial one is gone.
#[derive(Clone, Debug)]
pub struct TiledNodes<F> {
    size: TreeSize,
    read: F,
}

/// Why a node could not be found in tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TiledNodesError<E: core::error::Error + 'static> {
    /// The tree of this size does not hold the subtree.
    #[error("the tree of {size} leaves has no perfect subtree {index} of height {height}")]
    OutsideTree {
        /// The height asked for.
        height: u8,
        /// The subtree's number at this height.
        index: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// The caller's function could not read a tile.
    #[error("{0}: {1}")]
    Read(TileCoord, #[source] E),
    /// The caller's function answered with another tile or a narrower one.
    #[error("asked for {asked}, got {got}")]
    WrongTile {
        /// The tile that was asked for.
        asked: TileCoord,
        /// The tile that came.
        got: TileCoord,
    },
}

impl<F> TiledNodes<F> {
    /// The nodes of the tree of `size` leaves, with `read` to get its tiles.
    pub const fn new(size: TreeSize, read: F) -> Self {
        Self { size, read }
    }
}

impl<F, E> Nodes for TiledNodes<F>
where
    F: Fn(TileCoord) -> Result<Arc<ExpandedTile>, E>,
    E: core::error::Error + 'static,
{
    type Error = TiledNodesError<E>;

    #[expect(clippy::cast_possible_truncation, reason = "a remainder of at most 255")]
    fn node(&self, height: u8, index: u64) -> Result<Digest, Self::Error> {
        let outside = || TiledNodesError::OutsideTree { height, index, size: self.size };
        let (level, height_within) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
        let per_tile = TILE_WIDTH as u64 >> height_within;
        let (tile_index, index_within) = (index / per_tile, (index % per_tile) as usize);
        let asked = TileCoord::in_tree(TileKind::Hashes(level), tile_index, self.size).ok_or_else(outside)?;
        // Also where a wider tile would come back: the node is not in the tree of this size.
        if (index_within + 1) << height_within > asked.width() {
            return Err(outside());
        }
        let tile = (self.read)(asked).map_err(|error| TiledNodesError::Read(asked, error))?;
        let got = tile.coord();
        if got.full() != asked.full() {
            return Err(TiledNodesError::WrongTile { asked, got });
        }
        tile.node(height_within, index_within).ok_or(TiledNodesError::WrongTile { asked, got })
    }
}
