//! Appending to a tiled log: the rightmost tiles, which are all that grows.

use alloc::vec::Vec;
use core::mem;

use jurat_crypto::Digest;

use crate::{
    Frontier, FrontierError, TILE_WIDTH, Tile, TileCoord, TileKind, TreeSize,
    tile_coord::{LEVELS, TILE_HEIGHT},
};

/// The partial tile of each level and the frontier: what a log of any size needs in memory to be
/// appended to. At most 8 levels of 255 hashes, 64 KiB.
#[derive(Clone, Debug, Default)]
pub struct RightEdge {
    frontier: Frontier,
    /// The hashes of each level's partial tile, none where the last tile is full.
    levels: [Vec<Digest>; LEVELS as usize],
}

/// Why a log could not be taken up from its stored tiles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ResumeError<E: core::error::Error + 'static> {
    /// A tile could not be read.
    #[error("{0}: {1}")]
    Read(TileCoord, #[source] E),
    /// The caller's function answered with another tile.
    #[error("asked for {asked}, got {got}")]
    WrongTile {
        /// The tile that was asked for.
        asked: TileCoord,
        /// The tile that came.
        got: TileCoord,
    },
    /// The tiles make another root than the stated one: one of them, or the state, is damaged.
    #[error("the stored tiles of the tree of {size} leaves make the root {computed}, not {stated}")]
    WrongRoot {
        /// The stated size.
        size: TreeSize,
        /// The stated root.
        stated: Digest,
        /// The root that the tiles make.
        computed: Digest,
    },
    /// The size is none that can be appended to.
    #[error(transparent)]
    Frontier(#[from] FrontierError),
}

impl RightEdge {
    /// The right edge of the empty tree.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes up a log from its partial tiles, of which `read` is asked for one per level at most,
    /// and checks that they make the stated root.
    pub fn resume<E: core::error::Error + 'static>(
        size: TreeSize,
        root: &Digest,
        mut read: impl FnMut(TileCoord) -> Result<Tile, E>,
    ) -> Result<Self, ResumeError<E>> {
        let mut levels = <[Vec<Digest>; LEVELS as usize]>::default();
        let mut roots = Vec::new();
        for level in (0..LEVELS).rev() {
            let Some(asked) = TileCoord::partial(TileKind::Hashes(level), size) else { continue };
            let tile = read(asked).map_err(|error| ResumeError::Read(asked, error))?;
            if tile.coord() != asked {
                return Err(ResumeError::WrongTile { asked, got: tile.coord() });
            }
            // The set bits of the width are those of the size that belong to this level.
            let expanded = tile.expand();
            let mut start = 0;
            for height in (0..TILE_HEIGHT).rev().filter(|height| asked.width() >> height & 1 == 1) {
                roots.extend(expanded.node(height, start >> height));
                start += 1 << height;
            }
            levels[usize::from(level)] = tile.hashes;
        }
        let frontier = Frontier::from_roots(size, roots)?;
        let computed = frontier.root();
        if computed == *root {
            Ok(Self { frontier, levels })
        } else {
            Err(ResumeError::WrongRoot { size, stated: *root, computed })
        }
    }

    /// How many leaves were appended.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.frontier.size()
    }

    /// The root of the tree.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.frontier.root()
    }

    /// Appends leaves, given by their hashes, and returns the tiles that became full, each after
    /// the full ones below it.
    pub fn extend(&mut self, leaf_hashes: impl IntoIterator<Item = Digest>) -> Vec<Tile> {
        let mut full = Vec::new();
        let levels = &mut self.levels;
        self.frontier.extend_with(leaf_hashes, |height, first, mut roots| {
            // A subtree that fills a tile one level down is one hash of this level.
            let level = height / TILE_HEIGHT;
            let hashes = &mut levels[usize::from(level)];
            let mut index = first;
            while !roots.is_empty() {
                let (fitting, rest) = roots.split_at(roots.len().min(TILE_WIDTH - hashes.len()));
                hashes.extend_from_slice(fitting);
                if hashes.len() == TILE_WIDTH {
                    let hashes = mem::replace(hashes, Vec::with_capacity(TILE_WIDTH));
                    full.push(Tile { coord: TileCoord::holding(level, index), hashes });
                }
                index += fitting.len() as u64;
                roots = rest;
            }
        });
        full
    }

    /// The tiles that are not full yet, at most one per level, the lowest level first.
    pub fn partial_tiles(&self) -> impl Iterator<Item = Tile> {
        (0..LEVELS).filter_map(|level| {
            let coord = TileCoord::partial(TileKind::Hashes(level), self.size())?;
            Some(Tile { coord, hashes: self.levels[usize::from(level)].clone() })
        })
    }
}
