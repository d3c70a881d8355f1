//! Which tiles a tree has and how they are called (C2SP tlog-tiles).
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]            hashes
//! tile/entries/<N>[.p/<W>]        entries
//! ```

use alloc::{format, string::String};
use core::{fmt, str::FromStr};

use crate::{TreeSize, text::parse_decimal};

/// How many hashes or entries a full tile has.
pub const TILE_WIDTH: usize = 256;
/// How many levels of the tree a tile spans.
pub(crate) const TILE_HEIGHT: u8 = 8;
/// The levels that trees have: the leaves of the largest one make 2^55 tiles, and so on up.
pub(crate) const LEVELS: u8 = 8;
/// One more than the largest index a path may have, that of the last tile of the largest tree.
const MAX_INDEX: u64 = 1 << 55;

/// What a tile holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TileKind {
    /// Hashes of a level, 0 to 63. At level 0 they are those of leaves, above those of full
    /// tiles. Trees of at most 2^63 - 1 leaves have nothing above level 7.
    Hashes(u8),
    /// Entries, one for each hash of the tile of level 0 with the same index and width.
    Entries,
}

/// The place of one tile: its kind, its index and how much of it there is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TileCoord {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// Why a place or a path is none that a tile can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TileError {
    /// The level exceeds 63.
    #[error("tile level {0} exceeds 63")]
    Level(u64),
    /// The index is beyond the last tile of the largest tree.
    #[error("tile index {0} is beyond the largest tree")]
    Index(u64),
    /// The width is 0 or exceeds 256.
    #[error("a tile is 1 to 256 wide, not {0}")]
    Width(u64),
    /// The path is not spelled as C2SP tlog-tiles has it.
    #[error("not the path of a tile: expected tile/<level>/<index>[.p/<width>] as in tile/0/x001/234.p/17")]
    Path,
}

impl TileCoord {
    /// Checks and takes a place. The width is 1 to 256; 256 is a full tile.
    pub fn new(kind: TileKind, index: u64, width: usize) -> Result<Self, TileError> {
        match (kind, u16::try_from(width)) {
            (TileKind::Hashes(level @ 64..), _) => Err(TileError::Level(u64::from(level))),
            _ if index >= MAX_INDEX => Err(TileError::Index(index)),
            (_, Ok(narrow @ 1..=256)) => Ok(Self { kind, index, width: narrow }),
            _ => Err(TileError::Width(width as u64)),
        }
    }

    /// What the tile holds.
    #[must_use]
    pub const fn kind(self) -> TileKind {
        self.kind
    }

    /// The tile's number within its level, counted from 0.
    #[must_use]
    pub const fn index(self) -> u64 {
        self.index
    }

    /// How many hashes or entries the tile has, 1 to 256.
    #[must_use]
    pub const fn width(self) -> usize {
        self.width as usize
    }

    /// Whether nothing more can be added to the tile.
    #[must_use]
    pub const fn is_full(self) -> bool {
        self.width() == TILE_WIDTH
    }

    /// The same tile when it is full, which clients fall back to when a partial one is gone.
    #[must_use]
    pub const fn full(self) -> Self {
        Self { kind: self.kind, index: self.index, width: 256 }
    }

    /// The tile in the tree of `size` leaves, as wide as it is there; `None` if it is not.
    #[must_use]
    pub fn in_tree(kind: TileKind, index: u64, size: TreeSize) -> Option<Self> {
        let items = items_at(kind, TILE_HEIGHT, size);
        let start = index.checked_mul(TILE_WIDTH as u64)?;
        let width = usize::try_from(items.checked_sub(start)?).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        Self::new(kind, index, width).ok()
    }

    /// The last tile of this kind in the tree of `size` leaves, if it is not full.
    #[must_use]
    pub fn partial(kind: TileKind, size: TreeSize) -> Option<Self> {
        let index = items_at(kind, TILE_HEIGHT, size) / TILE_WIDTH as u64;
        Self::in_tree(kind, index, size)
    }

    /// The full tile of hashes that has hash number `index` of its level.
    pub(crate) const fn holding(level: u8, index: u64) -> Self {
        Self { kind: TileKind::Hashes(level), index: index >> TILE_HEIGHT, width: 256 }
    }

    /// Whether the tree of `size` leaves holds all of this tile: what it has today is at least as
    /// wide.
    #[must_use]
    pub fn is_within(self, size: TreeSize) -> bool {
        Self::in_tree(self.kind, self.index, size).is_some_and(|there| self.width <= there.width)
    }

    /// Whether a log that publishes entries from `minimum` on may be without this tile (C2SP
    /// tlog-tiles, "Pruning"): it is full, and all in it comes before.
    #[must_use]
    pub fn may_be_pruned(self, minimum: TreeSize) -> bool {
        self.is_full() && self.is_within(minimum)
    }

    /// All tiles of hashes of the tree of `size` leaves, level by level.
    pub fn tree_tiles(size: TreeSize) -> impl Iterator<Item = Self> {
        Self::new_tree_tiles(TreeSize::EMPTY, size)
    }

    /// The tiles of hashes that the tree of `new` leaves has and the one of `old` has not, or has
    /// narrower. Per level at most one is partial, the last.
    pub fn new_tree_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = Self> {
        (0..LEVELS).flat_map(move |level| Self::new_tiles(TileKind::Hashes(level), old, new))
    }

    /// All tiles of entries of the tree of `size` leaves.
    pub fn entry_tiles(size: TreeSize) -> impl Iterator<Item = Self> {
        Self::new_entry_tiles(TreeSize::EMPTY, size)
    }

    /// The tiles of entries that the tree of `new` leaves has and the one of `old` has not, or has
    /// narrower.
    pub fn new_entry_tiles(old: TreeSize, new: TreeSize) -> impl Iterator<Item = Self> {
        Self::new_tiles(TileKind::Entries, old, new)
    }

    fn new_tiles(kind: TileKind, old: TreeSize, new: TreeSize) -> impl Iterator<Item = Self> {
        let places = new_places(kind, TILE_HEIGHT, old, new);
        places.map(move |(index, width)| Self { kind, index, width })
    }

    /// The path under the log's prefix, without a leading slash.
    #[must_use]
    pub fn path(self) -> String {
        // Groups of three digits, the last one without an x.
        let mut number = format!("{:03}", self.index % 1000);
        let mut rest = self.index / 1000;
        while rest > 0 {
            number = format!("x{:03}/{number}", rest % 1000);
            rest /= 1000;
        }
        let kind = match self.kind {
            TileKind::Hashes(level) => format!("{level}"),
            TileKind::Entries => "entries".into(),
        };
        if self.is_full() {
            format!("tile/{kind}/{number}")
        } else {
            format!("tile/{kind}/{number}.p/{}", self.width)
        }
    }
}

/// How many hashes the level has in the tree, or how many entries, for tiles of this height.
fn items_at(kind: TileKind, tile_height: u8, size: TreeSize) -> u64 {
    match kind {
        TileKind::Hashes(level) => {
            size.value().checked_shr(u32::from(level) * u32::from(tile_height)).unwrap_or(0)
        }
        TileKind::Entries => size.value(),
    }
}

/// Index and width of the tiles of one level that the newer tree has and the older has not, or
/// has narrower. The height is a parameter because foreign test vectors use another one.
fn new_places(
    kind: TileKind,
    tile_height: u8,
    old: TreeSize,
    new: TreeSize,
) -> impl Iterator<Item = (u64, u16)> {
    let (before, after) = (items_at(kind, tile_height, old), items_at(kind, tile_height, new));
    let full_width = 1 << tile_height;
    let (first, full) = (before / full_width, after / full_width);
    let last_width = if after > before { after % full_width } else { 0 };
    let narrow = move |width: u64| u16::try_from(width).unwrap_or(u16::MAX);
    let partial = (last_width > 0).then(|| (full, narrow(last_width)));
    (first..full).map(move |index| (index, narrow(full_width))).chain(partial)
}

impl fmt::Display for TileCoord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.path())
    }
}

/// Reads a path as [`TileCoord::path`] writes it, and no other spelling.
impl FromStr for TileCoord {
    type Err = TileError;

    fn from_str(path: &str) -> Result<Self, TileError> {
        let (kind, rest) =
            path.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(TileError::Path)?;
        let kind = match kind {
            "entries" => TileKind::Entries,
            level => {
                let level = parse_decimal(level).ok_or(TileError::Path)?;
                TileKind::Hashes(u8::try_from(level).map_err(|_| TileError::Level(level))?)
            }
        };
        let (number, width) = match rest.split_once(".p/") {
            None => (rest, TILE_WIDTH as u64),
            Some((number, width)) => match parse_decimal(width).ok_or(TileError::Path)? {
                width @ 1..256 => (number, width),
                width => return Err(TileError::Width(width)),
            },
        };
        let index = parse_index(number).ok_or(TileError::Path)?;
        Self::new(kind, index, usize::try_from(width).map_err(|_| TileError::Width(width))?)
    }
}

/// Reads an index in groups of three digits, all but the last with an `x` in front.
fn parse_index(number: &str) -> Option<u64> {
    let (groups, last) = match number.rsplit_once('/') {
        None => (None, number),
        Some((groups, last)) => (Some(groups), last),
    };
    // A leading group of zeros would be a second spelling.
    if groups.is_some_and(|groups| groups.starts_with("x000")) {
        return None;
    }
    let mut index = 0_u64;
    for group in groups.into_iter().flat_map(|groups| groups.split('/')) {
        index = index.checked_mul(1000)?.checked_add(three_digits(group.strip_prefix('x')?)?)?;
    }
    index.checked_mul(1000)?.checked_add(three_digits(last)?)
}

fn three_digits(group: &str) -> Option<u64> {
    if group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()) {
        group.parse().ok()
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        new_tiles_height10: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        old: u64,
        new: u64,
        count: usize,
    }

    /// Counts of Go's `tlog.NewTiles`, made with tiles of height 10.
    #[test]
    fn new_tiles_are_counted_as_in_go() {
        let text = include_str!("../../../tests/vectors/merkle/tiles.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.new_tiles_height10.len(), 7);
        for Case { old, new, count } in vectors.new_tiles_height10 {
            let [before, after] = [old, new].map(|leaves| TreeSize::new(leaves).unwrap());
            let places = (0..6).flat_map(|level| new_places(TileKind::Hashes(level), 10, before, after));
            assert_eq!(places.count(), count, "{old} to {new}");
        }
    }

    #[test]
    fn other_spellings_and_places_are_refused() {
        let bad = "|tile|tile/|tile/0|tile/0/|/tile/0/000|tile/0/0|tile/0/0000|tile/0/1e3|tile/0/x000/001|tile/0/x001\
            |tile/0/001/002|tile/0/x001/x002|tile/0/X001/002|tile/00/000|tile/+1/000|tile/Entries/000|tile/data/000\
            |tile/0/000/|tile/0/000.p|tile/0/000.p/|tile/0/000.p/01|tile/0/000.p/+1|tile/0/000.p/1/\
            |tile/0/000.p/1.p/1|tile/0/\u{661}00|tile/0/000 |tile//000|tile/0//000|tile/0/x001//000";
        for path in bad.split('|') {
            assert_eq!(path.parse::<TileCoord>(), Err(TileError::Path), "{path}");
        }
        for (path, error) in [
            ("tile/64/000", TileError::Level(64)),
            ("tile/256/000", TileError::Level(256)),
            ("tile/0/000.p/0", TileError::Width(0)),
            ("tile/0/000.p/256", TileError::Width(256)),
            ("tile/0/x036/x028/x797/x018/x963/968", TileError::Index(1 << 55)),
        ] {
            assert_eq!(path.parse::<TileCoord>(), Err(error), "{path}");
        }
        assert_eq!(TileCoord::new(TileKind::Entries, 0, 257), Err(TileError::Width(257)));
        assert!("tile/0/x036/x028/x797/x018/x963/967".parse::<TileCoord>().is_ok());
    }
}
