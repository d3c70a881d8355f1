//! A tile of hashes and the part of the tree that follows from it.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{TileCoord, TileError, TileKind, hash::push_parents, tile_coord::TILE_HEIGHT};

const HASH_BYTES: usize = 32;

/// A tile of hashes, full or partial.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Tile {
    pub(crate) coord: TileCoord,
    /// As many as the place is wide.
    pub(crate) hashes: Vec<Digest>,
}

/// Why bytes are not the tile of hashes that they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileDataError {
    /// The length is not the one that the tile's width needs.
    #[error("{coord} has {needed} bytes, not {actual}")]
    Length {
        /// The tile.
        coord: TileCoord,
        /// Bytes that its width needs.
        needed: usize,
        /// Bytes found.
        actual: usize,
    },
    /// The place is one of entries.
    #[error("{0} is a tile of entries, not of hashes")]
    Entries(TileCoord),
}

impl Tile {
    /// A tile from its hashes, 1 to 256 of them.
    pub fn new(level: u8, index: u64, hashes: Vec<Digest>) -> Result<Self, TileError> {
        let coord = TileCoord::new(TileKind::Hashes(level), index, hashes.len())?;
        Ok(Self { coord, hashes })
    }

    /// Reads a tile as it is served: its hashes one after the other.
    ///
    /// Only the length is checked. That the hashes belong to a log shows when a root made from
    /// them is compared with a signed one.
    pub fn from_bytes(coord: TileCoord, bytes: &[u8]) -> Result<Self, TileDataError> {
        if coord.kind() == TileKind::Entries {
            return Err(TileDataError::Entries(coord));
        }
        let (hashes, rest) = bytes.as_chunks::<HASH_BYTES>();
        if hashes.len() != coord.width() || !rest.is_empty() {
            let needed = coord.width() * HASH_BYTES;
            return Err(TileDataError::Length { coord, needed, actual: bytes.len() });
        }
        Ok(Self { coord, hashes: hashes.iter().copied().map(Digest::from_bytes).collect() })
    }

    /// The tile as it is served.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        self.hashes.iter().flat_map(|hash| *hash.as_bytes()).collect()
    }

    /// Where the tile belongs.
    #[must_use]
    pub const fn coord(&self) -> TileCoord {
        self.coord
    }

    /// The hashes, 1 to 256.
    #[must_use]
    pub fn hashes(&self) -> &[Digest] {
        &self.hashes
    }

    /// Leaves the first of a tile's hashes, as many as the same tile was wide before.
    pub(crate) fn narrow(&mut self, coord: TileCoord) {
        self.hashes.truncate(coord.width());
        self.coord = coord;
    }

    /// Computes the nodes between the tile's hashes and its root, at most 255 hashes' work.
    #[must_use]
    pub fn expand(&self) -> ExpandedTile {
        let mut levels = Vec::with_capacity(usize::from(TILE_HEIGHT) + 1);
        let mut level = self.hashes.clone();
        while !level.is_empty() {
            let mut upper = Vec::with_capacity(level.len() / 2);
            push_parents(&level, &mut upper);
            levels.push(core::mem::replace(&mut level, upper));
        }
        ExpandedTile { coord: self.coord, levels }
    }
}

/// A tile with all the nodes that follow from it, up to 511, for making many proofs quickly.
#[derive(Clone, Debug)]
pub struct ExpandedTile {
    coord: TileCoord,
    levels: Vec<Vec<Digest>>,
}

impl ExpandedTile {
    /// Where the tile belongs.
    #[must_use]
    pub const fn coord(&self) -> TileCoord {
        self.coord
    }

    /// The root over all of a full tile, one hash of the level above; `None` for a partial one.
    #[must_use]
    pub fn root(&self) -> Option<Digest> {
        self.node(TILE_HEIGHT, 0)
    }

    /// The root of a perfect subtree over the tile's hashes: number `index`, counted within the
    /// tile, of those over 2^`height` hashes. `None` if the tile is too narrow for it.
    #[must_use]
    pub fn node(&self, height: u8, index: usize) -> Option<Digest> {
        self.levels.get(usize::from(height))?.get(index).copied()
    }
}
