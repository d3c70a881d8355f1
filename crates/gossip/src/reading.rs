//! A log at one checkpoint, read piece by piece: says what it needs next, and goes on once that
//! has come. All checking is [`LogReader`]'s.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use jurat_crypto::Digest;
use jurat_log::{
    Checkpoint, ConsistencyProof, ExpandedTile, Fetch, LogReader, ProveError, ReadError, TileCoord, TileKind,
    TiledNodesError, TreeSize, push_entry,
};

/// What has come and was not read yet, by path; nothing for what its source does not have.
#[derive(Clone, Debug, Default)]
struct Held(BTreeMap<String, Option<Vec<u8>>>);

/// The resource has not come; it may have so many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not there yet")]
struct NotYet(usize);

impl Fetch for Held {
    type Error = NotYet;

    /// Gives each resource once: the reader keeps what it can use, and the rest is not worth memory.
    /// That one is missing stays, because its reader asks for the full tile next.
    fn fetch(&mut self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, NotYet> {
        match self.0.get(path) {
            None => Err(NotYet(limit)),
            Some(None) => Ok(None),
            Some(Some(_)) => Ok(self.0.remove(path).flatten()),
        }
    }
}

/// Why reading stops.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Stop {
    /// This has to come first.
    Needs {
        /// The resource.
        path: String,
        /// How many bytes it may have.
        limit: usize,
    },
    /// What came last is not the log's, in words.
    Wrong(String),
}

/// A file of the log, verified.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Verified {
    pub(crate) coord: TileCoord,
    pub(crate) bytes: Vec<u8>,
}

/// How two checkpoints of one log belong together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Prefix {
    /// The smaller tree is a part of the larger one.
    Same,
    /// It is not, which these hashes show (see [`ConsistencyProof::generate_prefix`]).
    Forked(ConsistencyProof),
}

/// The log, as far as it has been read.
#[derive(Debug)]
pub(crate) struct Reading {
    checkpoint: Checkpoint,
    /// Until there is a reader: opening one needs all of these at the same time.
    held: Held,
    reader: Option<LogReader<Held>>,
}

impl Reading {
    pub(crate) fn new(checkpoint: Checkpoint) -> Self {
        Self { checkpoint, held: Held::default(), reader: None }
    }

    /// Takes what came, or that it is missing.
    pub(crate) fn put(&mut self, path: String, content: Option<Vec<u8>>) {
        self.held().0.insert(path, content);
    }

    /// Forgets that anything is missing, so that another source can be asked.
    pub(crate) fn forget_missing(&mut self) {
        self.held().0.retain(|_, content| content.is_some());
    }

    fn held(&mut self) -> &mut Held {
        self.reader.as_mut().map_or(&mut self.held, LogReader::source_mut)
    }

    /// Reads the tree's right edge, which makes the checkpoint's root.
    pub(crate) fn open(&mut self) -> Result<(), Stop> {
        self.reader().map(drop)
    }

    fn reader(&mut self) -> Result<&LogReader<Held>, Stop> {
        if self.reader.is_none() {
            let reader = LogReader::open(&self.checkpoint, self.held.clone()).map_err(stop)?;
            self.held = Held::default();
            self.reader = Some(reader);
        }
        self.reader.as_ref().ok_or_else(|| Stop::Wrong("the log is not open".into()))
    }

    /// Whether the log's first `size` leaves have this root; with evidence if not.
    pub(crate) fn prefix(&mut self, size: TreeSize, root: &Digest) -> Result<Prefix, Stop> {
        let whole = self.checkpoint.size();
        let reader = self.reader()?;
        match reader.confirm(size, root) {
            Ok(()) => Ok(Prefix::Same),
            Err(ReadError::Forked { .. }) => match ConsistencyProof::generate_prefix(reader, size, whole) {
                Ok(proof) => Ok(Prefix::Forked(proof)),
                Err(ProveError::Nodes(TiledNodesError::Read(_, error))) => Err(stop(error)),
                Err(error) => Err(Stop::Wrong(error.to_string())),
            },
            Err(error) => Err(stop(error)),
        }
    }

    /// One tile as wide as it is in this tree; with a bundle of entries comes the tile of their
    /// hashes.
    pub(crate) fn read(&mut self, coord: TileCoord) -> Result<Vec<Verified>, Stop> {
        let reader = self.reader()?;
        let hashes = |level| {
            let tile = reader.tile(level, coord.index()).map_err(stop)?;
            Ok(Verified { coord: tile.coord(), bytes: bytes(&tile) })
        };
        match coord.kind() {
            TileKind::Hashes(level) => Ok([hashes(level)?].into()),
            TileKind::Entries => {
                let mut bundle = Vec::new();
                for entry in reader.entries(coord.index()).map_err(stop)? {
                    push_entry(&mut bundle, &entry).map_err(|error| Stop::Wrong(error.to_string()))?;
                }
                Ok([hashes(0)?, Verified { coord, bytes: bundle }].into())
            }
        }
    }
}

fn stop(error: ReadError<NotYet>) -> Stop {
    match error {
        ReadError::Fetch { path, error: NotYet(limit) } => Stop::Needs { path, limit },
        wrong => Stop::Wrong(wrong.to_string()),
    }
}

/// The tile as it is served.
fn bytes(tile: &ExpandedTile) -> Vec<u8> {
    let hashes = (0..tile.coord().width()).filter_map(|index| tile.node(0, index));
    hashes.flat_map(|hash| *hash.as_bytes()).collect()
}
