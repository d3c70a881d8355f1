#![doc = include_str!("../README.md")]
#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod bundle;
mod consistency;
mod frontier;
mod hash;
mod inclusion;
mod nodes;
mod proof;
mod right_edge;
mod size;
mod text;
mod tile;
mod tile_coord;
mod tiled_nodes;
mod tree;

pub use bundle::{BundleError, EntryTooLong, MAX_ENTRY_BYTES, push_entry, split_bundle};
pub use consistency::ConsistencyProof;
pub use frontier::{Frontier, FrontierError};
pub use hash::{EMPTY_ROOT, leaf_hash, node_hash};
pub use inclusion::InclusionProof;
pub use nodes::{Nodes, tree_root};
pub use proof::{ProofError, ProveError};
pub use right_edge::{ResumeError, RightEdge};
pub use size::{LeafIndex, SizeError, TreeSize};
pub use tile::{ExpandedTile, Tile, TileDataError};
pub use tile_coord::{TILE_WIDTH, TileCoord, TileError, TileKind};
pub use tiled_nodes::{TiledNodes, TiledNodesError};
pub use tree::{MissingNode, Tree};
