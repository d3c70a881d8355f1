//! Reading a log from its tiles, wherever they are served: nothing is handed on that does not
//! belong under the checkpoint's root.
//!
//! To follow a log: read its checkpoint and check that with a [`Policy`](crate::Policy); open a
//! reader; have it [confirm](LogReader::confirm) what is known already; read the entries from there
//! on, bundle by bundle, and append their hashes to a [`RightEdge`](crate::RightEdge). Each bundle is
//! verified by itself, so bundles can come from several sources at once, one reader each, in any
//! order, and whatever was stored stays when the rest fails.

use alloc::{collections::BTreeMap, string::String, sync::Arc, vec::Vec};
use core::cell::RefCell;

use jurat_crypto::Digest;

use crate::{
    BundleError, Checkpoint, ExpandedTile, MAX_ENTRY_BYTES, Nodes, ResumeError, RightEdge, TILE_WIDTH, Tile,
    TileCoord, TileDataError, TileKind, TiledNodes, TiledNodesError, TreeSize, leaf_hashes, split_bundle,
    tree_root,
};

/// How many full tiles a reader keeps, 16 KiB each.
const CACHED_TILES: usize = 64;
/// The most bytes that a tile of hashes has.
const TILE_BYTES: usize = 32 * TILE_WIDTH;
/// The most bytes that a bundle of entries can have, uncompressed.
const BUNDLE_BYTES: usize = TILE_WIDTH * (2 + MAX_ENTRY_BYTES);

/// Gets the resources of one log from one source: a web server, a directory, a test.
pub trait Fetch {
    /// Why a resource could not be got, deadlines included.
    type Error: core::error::Error + 'static;

    /// The resource at `path` below the log's prefix, or `None` if the source doesn't have it. One
    /// that has more than `limit` bytes is an error, without reading further.
    fn fetch(&mut self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, Self::Error>;
}

/// A log at one checkpoint, read from one source that is not trusted.
#[derive(Debug)]
pub struct LogReader<F> {
    size: TreeSize,
    root: Digest,
    /// The tiles that are partial at this size, which together make the root.
    edge: Vec<Arc<ExpandedTile>>,
    source: RefCell<Source<F>>,
}

#[derive(Debug)]
struct Source<F> {
    fetch: F,
    /// By level and index.
    cache: BTreeMap<(u8, u64), Arc<ExpandedTile>>,
}

/// Why a log can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError<E: core::error::Error + 'static> {
    /// The source failed.
    #[error("{path}: {error}")]
    Fetch {
        /// What was asked for.
        path: String,
        /// What went wrong.
        #[source]
        error: E,
    },
    /// The source has neither the tile nor, if it is partial, the full one.
    #[error("the source has no {0}")]
    Missing(TileCoord),
    /// A tile has the wrong length.
    #[error(transparent)]
    Tile(#[from] TileDataError),
    /// A bundle is malformed.
    #[error(transparent)]
    Bundle(#[from] BundleError),
    /// A tile is not the log's: its hashes don't make the one above them.
    #[error("{0} does not belong to the checkpoint's tree")]
    WrongTile(TileCoord),
    /// The partial tiles don't make the checkpoint's root: one of them is not the log's.
    #[error("the partial tiles of the tree of {0} leaves don't make the checkpoint's root")]
    WrongRoot(TreeSize),
    /// An entry is not the one that the tree has there.
    #[error("entry {entry} of {bundle} is not the one in the checkpoint's tree")]
    WrongEntry {
        /// The bundle.
        bundle: TileCoord,
        /// The entry, counted from 0 within the bundle.
        entry: usize,
    },
    /// The tree of this size has no such tile.
    #[error("the tree of {size} leaves has no tile {index} of level {level}")]
    OutsideTree {
        /// The level.
        level: u8,
        /// The tile's index.
        index: u64,
        /// The tree's size.
        size: TreeSize,
    },
    /// The tree that is known is larger than the checkpoint's.
    #[error("the checkpoint has {size} leaves, fewer than the {known} that are known")]
    Older {
        /// The checkpoint's size.
        size: TreeSize,
        /// The size that is known.
        known: TreeSize,
    },
    /// The log has forked: its first leaves are others than those that are known.
    #[error("fork: the first {known} leaves have the root {theirs} there, and {ours} here")]
    Forked {
        /// How many leaves are known.
        known: TreeSize,
        /// Their root, as known.
        ours: Digest,
        /// Their root in the checkpoint's tree.
        theirs: Digest,
    },
}

impl<F: Fetch> LogReader<F> {
    /// Opens a log at a checkpoint that the caller trusts, reading one partial tile a level.
    pub fn open(checkpoint: &Checkpoint, mut fetch: F) -> Result<Self, ReadError<F::Error>> {
        let (size, root) = (checkpoint.size(), *checkpoint.root());
        let mut edge = Vec::new();
        let resumed = RightEdge::resume(size, &root, |coord| {
            let tile = read_tile(&mut fetch, coord)?;
            edge.push(Arc::new(tile.expand()));
            Ok(tile)
        });
        match resumed {
            Ok(_) => {
                Ok(Self { size, root, edge, source: RefCell::new(Source { fetch, cache: BTreeMap::new() }) })
            }
            Err(ResumeError::Read(_, error)) => Err(error),
            Err(_) => Err(ReadError::WrongRoot(size)),
        }
    }

    /// How many leaves the log has.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// Checks that the log still begins with the leaves that are known from before.
    pub fn confirm(&self, known: TreeSize, ours: &Digest) -> Result<(), ReadError<F::Error>> {
        if known > self.size {
            return Err(ReadError::Older { size: self.size, known });
        }
        let theirs = if known == self.size { self.root } else { self.root_at(known)? };
        if theirs == *ours { Ok(()) } else { Err(ReadError::Forked { known, ours: *ours, theirs }) }
    }

    /// The source that the log is read from.
    pub fn source_mut(&mut self) -> &mut F {
        &mut self.source.get_mut().fetch
    }

    fn root_at(&self, size: TreeSize) -> Result<Digest, ReadError<F::Error>> {
        tree_root(self, size).map_err(|error| match error {
            TiledNodesError::Read(_, error) => error,
            TiledNodesError::WrongTile { asked, .. } => ReadError::WrongTile(asked),
            // The roots of a prefix are made of its own nodes.
            TiledNodesError::OutsideTree { size, .. } => ReadError::WrongRoot(size),
        })
    }

    /// The entries of bundle `index`: 256 of them, and in the last bundle what there is.
    pub fn entries(&self, index: u64) -> Result<Vec<Vec<u8>>, ReadError<F::Error>> {
        let hashes = self.tile(0, index)?;
        let bundle = TileCoord::in_tree(TileKind::Entries, index, self.size);
        let bundle = bundle.ok_or(ReadError::OutsideTree { level: 0, index, size: self.size })?;
        let (bytes, found) = read(&mut self.source.borrow_mut().fetch, bundle, BUNDLE_BYTES)?;
        let mut entries = split_bundle(found, &bytes)?;
        entries.truncate(bundle.width());
        for (entry, hash) in leaf_hashes(&entries).into_iter().enumerate() {
            if hashes.node(0, entry) != Some(hash) {
                return Err(ReadError::WrongEntry { bundle, entry });
            }
        }
        Ok(entries.into_iter().map(<[u8]>::to_vec).collect())
    }

    /// The tile of hashes, as wide as it is at this size. A full one is read after those above it,
    /// at most one a level, and checked against them.
    pub fn tile(&self, level: u8, index: u64) -> Result<Arc<ExpandedTile>, ReadError<F::Error>> {
        let outside = ReadError::OutsideTree { level, index, size: self.size };
        let coord = TileCoord::in_tree(TileKind::Hashes(level), index, self.size).ok_or(outside)?;
        if !coord.is_full() {
            let partial = self.edge.iter().find(|tile| tile.coord() == coord);
            return partial.cloned().ok_or(ReadError::WrongRoot(self.size));
        }
        if let Some(tile) = self.source.borrow().cache.get(&(level, index)) {
            return Ok(tile.clone());
        }
        let above = self.tile(level + 1, index / TILE_WIDTH as u64)?;
        let expected = usize::try_from(index % TILE_WIDTH as u64).ok().and_then(|at| above.node(0, at));
        let Source { fetch, cache } = &mut *self.source.borrow_mut();
        let tile = Arc::new(read_tile(fetch, coord)?.expand());
        if expected.is_none() || tile.root() != expected {
            return Err(ReadError::WrongTile(coord));
        }
        if cache.len() == CACHED_TILES {
            // Logs are read upwards: the lowest tile on the left is behind the reader.
            cache.pop_first();
        }
        cache.insert((level, index), tile.clone());
        Ok(tile)
    }
}

/// Proofs in the log, for who wants to check more than that entries are there.
impl<F: Fetch> Nodes for LogReader<F> {
    type Error = TiledNodesError<ReadError<F::Error>>;

    fn node(&self, height: u8, index: u64) -> Result<Digest, Self::Error> {
        let read = |coord: TileCoord| match coord.kind() {
            TileKind::Hashes(level) => self.tile(level, coord.index()),
            TileKind::Entries => Err(ReadError::Missing(coord)),
        };
        TiledNodes::new(self.size, read).node(height, index)
    }
}

/// Reads a tile or, where a partial one is gone, the full one.
fn read<F: Fetch>(
    fetch: &mut F,
    coord: TileCoord,
    limit: usize,
) -> Result<(Vec<u8>, TileCoord), ReadError<F::Error>> {
    let mut get = |coord: TileCoord| {
        let path = coord.path();
        fetch.fetch(&path, limit).map_err(|error| ReadError::Fetch { path, error })
    };
    if let Some(bytes) = get(coord)? {
        return Ok((bytes, coord));
    }
    let full = if coord.is_full() { None } else { get(coord.full())? };
    full.map(|bytes| (bytes, coord.full())).ok_or(ReadError::Missing(coord))
}

fn read_tile<F: Fetch>(fetch: &mut F, coord: TileCoord) -> Result<Tile, ReadError<F::Error>> {
    let (bytes, found) = read(fetch, coord, TILE_BYTES)?;
    let mut tile = Tile::from_bytes(found, &bytes)?;
    tile.narrow(coord);
    Ok(tile)
}
