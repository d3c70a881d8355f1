//! A log to look into: on a server, or in a directory of tiles. Nothing in it is trusted; what is read
//! is checked against the checkpoint, and that against a policy.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use clap::Args;
use jurat_crypto::Digest;
use jurat_log::{
    Checkpoint, Fetch, LogReader, MAX_NOTE_BYTES, MAX_RECEIPT_BYTES, Note, ReadError, Receipt, TILE_WIDTH,
    TileCoord, TileKind, TiledNodesError, TreeSize, leaf_hash,
};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::{
    cli::{self, Failure, files},
    runtime::{self, Config, Getter, Outgoing, OutgoingConfig},
};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Which log, and how much of it.
#[derive(Debug, Args)]
pub(in crate::cli) struct LogArguments {
    /// Where the log is: the URL of a node or of any server with C2SP tiles, a directory of tiles, or
    /// a node's directory
    #[arg(long, alias = "node", value_name = "URL|DIR")]
    pub(super) log: String,
    /// The log as of this signed checkpoint, or of the one in this receipt, and not of its latest
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

/// A log, and whose signatures its checkpoint must have, if that is asked.
#[derive(Debug, Args)]
pub(super) struct CheckedLogArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Refuse a checkpoint that this policy does not accept
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

impl CheckedLogArguments {
    pub(super) fn open(&self) -> Result<OpenedLog, Failure> {
        self.log.open(self.policy.as_deref())
    }
}

/// A log at a checkpoint.
pub(in crate::cli) struct OpenedLog {
    pub(in crate::cli) note: Note,
    pub(in crate::cli) checkpoint: Checkpoint,
    /// At the latest checkpoint of the source, of which the other is a part.
    pub(in crate::cli) reader: LogReader<Source>,
}

/// Where a log is read from, as mirrors read it: with a deadline and a least speed.
#[derive(Debug, Clone)]
pub(in crate::cli) struct Source {
    place: runtime::Source,
    getter: Getter,
    runtime: Arc<Runtime>,
}

/// A source failed.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(in crate::cli) struct SourceError(String);

impl LogArguments {
    /// A log as of its latest checkpoint.
    pub(in crate::cli) fn latest_of(log: &str) -> Self {
        Self { log: log.into(), checkpoint: None }
    }

    /// A log as of the checkpoint in a file, or its latest.
    pub(in crate::cli) fn of(log: &str, checkpoint: Option<PathBuf>) -> Self {
        Self { log: log.into(), checkpoint }
    }

    /// Opens the log as of a size of which the node that serves it has a checkpoint.
    pub(in crate::cli) fn open_at(&self, size: u64, policy: Option<&Path>) -> Result<OpenedLog, Failure> {
        let mut log = self.open(policy)?;
        if log.checkpoint.size().value() == size {
            return Ok(log);
        }
        let last =
            size.checked_sub(1).ok_or_else(|| Failure::Usage("a log of size 0 has no checkpoint".into()))?;
        let note = Source::new(&self.log)?.first_covering(&leaf_hash(&log.entry(last)?))?;
        let checkpoint = parse(&note)?;
        if checkpoint.size().value() != size {
            return Err(Failure::False(format!(
                "there is no checkpoint of size {size}; the first that covers its entries is of size {}",
                checkpoint.size()
            )));
        }
        if let Some(policy) = policy {
            let checked = files::read_policy(policy)?.check(&note);
            checked.map_err(|error| Failure::False(format!("the checkpoint: {error}")))?;
        }
        log.confirm(&checkpoint)?;
        (log.note, log.checkpoint) = (note, checkpoint);
        Ok(log)
    }

    /// Opens the log. With a policy, the checkpoint must be one that it accepts.
    pub(in crate::cli) fn open(&self, policy: Option<&Path>) -> Result<OpenedLog, Failure> {
        let policy = policy.map(files::read_policy).transpose()?;
        let mut source = Source::new(&self.log)?;
        let latest = source.latest()?;
        let note = match &self.checkpoint {
            Some(file) => read_checkpoint(file)?,
            None => latest.clone(),
        };
        if let Some(policy) = &policy {
            policy.check(&note).map_err(|error| Failure::False(format!("the checkpoint: {error}")))?;
        }
        let (latest, checkpoint) = (parse(&latest)?, parse(&note)?);
        // A source needs to have the partial tiles of its latest size only.
        let reader = LogReader::open(&latest, source).map_err(|error| read_failure(&error))?;
        let log = OpenedLog { note, checkpoint, reader };
        log.confirm(&log.checkpoint)?;
        Ok(log)
    }
}

fn parse(note: &Note) -> Result<Checkpoint, Failure> {
    Checkpoint::parse(note.text()).map_err(|error| Failure::False(format!("the checkpoint: {error}")))
}

impl OpenedLog {
    /// Checks that a checkpoint is one of this log, of its latest size or a smaller one.
    pub(in crate::cli) fn confirm(&self, checkpoint: &Checkpoint) -> Result<(), Failure> {
        let confirmed = self.reader.confirm(checkpoint.size(), checkpoint.root());
        confirmed.map_err(|error| read_failure(&error))
    }

    pub(super) const fn size(&self) -> TreeSize {
        self.checkpoint.size()
    }

    /// How many bundles of entries there are.
    pub(in crate::cli) const fn bundles(&self) -> u64 {
        self.size().value().div_ceil(TILE_WIDTH as u64)
    }

    /// The entries of a bundle, checked against the checkpoint.
    pub(in crate::cli) fn bundle(&self, index: u64) -> Result<Vec<Vec<u8>>, Failure> {
        let mut entries = self.reader.entries(index).map_err(|error| read_failure(&error))?;
        let width = TileCoord::in_tree(TileKind::Entries, index, self.size()).map_or(0, TileCoord::width);
        entries.truncate(width);
        Ok(entries)
    }

    /// Checks that the log has so many entries.
    pub(super) fn size_within(&self, size: u64) -> Result<TreeSize, Failure> {
        TreeSize::new(size)
            .ok()
            .filter(|size| *size <= self.size())
            .ok_or_else(|| Failure::False(format!("the log has {} entries at this checkpoint", self.size())))
    }

    /// An entry, checked against the checkpoint.
    pub(super) fn entry(&self, index: u64) -> Result<Vec<u8>, Failure> {
        self.size_within(index.saturating_add(1))?;
        let width = TILE_WIDTH as u64;
        let mut entries = self.bundle(index / width)?;
        let place = usize::try_from(index % width).unwrap_or(usize::MAX);
        if place >= entries.len() {
            return Err(Failure::Unreachable(format!("the log has no entry {index}")));
        }
        Ok(entries.swap_remove(place))
    }
}

/// A checkpoint from a file of its own, or from a receipt.
fn read_checkpoint(path: &Path) -> Result<Note, Failure> {
    let bytes = files::read_bounded(path, MAX_RECEIPT_BYTES.max(MAX_NOTE_BYTES), "checkpoint")?;
    let no_checkpoint = |error: &dyn std::fmt::Display| {
        Failure::False(format!("{} is neither a checkpoint nor a receipt: {error}", path.display()))
    };
    match Receipt::parse(&bytes) {
        Ok(receipt) => Note::parse(receipt.checkpoint().as_bytes()),
        Err(_) => Note::parse(&bytes),
    }
    .map_err(|error| no_checkpoint(&error))
}

impl Source {
    /// A URL, or else a directory.
    fn new(log: &str) -> Result<Self, Failure> {
        let mut place = runtime::Source::new(log).map_err(|error| Failure::Usage(error.to_string()))?;
        if let runtime::Source::Directory(dir) = &mut place
            && dir.join("node.toml").exists()
        {
            *dir = Config::read(dir).map_err(Failure::unreachable)?.data.join("log");
        }
        let outgoing = Outgoing::new(&OutgoingConfig::default(), TIMEOUT).map_err(Failure::unreachable)?;
        Ok(Self { place, getter: Getter::new(outgoing, TIMEOUT), runtime: Arc::new(cli::runtime()?) })
    }

    /// The checkpoint that the source shows.
    fn latest(&mut self) -> Result<Note, Failure> {
        let bytes = self.fetch("checkpoint", MAX_NOTE_BYTES).map_err(Failure::unreachable)?;
        let bytes = bytes.ok_or_else(|| {
            Failure::Unreachable(
                "there is no checkpoint: this is no log, or nothing in it is certified yet".into(),
            )
        })?;
        Note::parse(&bytes).map_err(|error| Failure::False(format!("the checkpoint: {error}")))
    }

    /// The first checkpoint that covers an entry: the one in its receipt.
    fn first_covering(&mut self, leaf: &Digest) -> Result<Note, Failure> {
        #[derive(Deserialize)]
        struct Answer {
            receipt: String,
        }
        let answer = self.fetch(&format!("api/v1/receipts/{leaf}"), 2 * MAX_RECEIPT_BYTES);
        let answer = answer.map_err(Failure::unreachable)?.ok_or_else(|| {
            Failure::Unreachable(
                "only a node can be asked for the checkpoint of a size; of other logs give one with --checkpoint".into(),
            )
        })?;
        let nonsense = |error: &dyn std::fmt::Display| {
            Failure::Unreachable(format!("the node's receipt makes no sense: {error}"))
        };
        let answer: Answer = serde_json::from_slice(&answer).map_err(|error| nonsense(&error))?;
        let receipt = Receipt::parse(answer.receipt.as_bytes()).map_err(|error| nonsense(&error))?;
        Note::parse(receipt.checkpoint().as_bytes()).map_err(|error| nonsense(&error))
    }
}

impl Fetch for Source {
    type Error = SourceError;

    fn fetch(&mut self, path: &str, limit: usize) -> Result<Option<Vec<u8>>, SourceError> {
        let got = self.runtime.block_on(self.getter.get(&self.place, path, limit));
        got.map_err(|failure| SourceError(format!("can't read the log at {}: {}", self.place, failure.error)))
    }
}

/// What can't be read is exit code 3, what is not the checkpoint's log 1.
fn read_failure(error: &ReadError<SourceError>) -> Failure {
    match error {
        ReadError::Fetch { .. } | ReadError::Missing(_) => Failure::Unreachable(error.to_string()),
        _ => Failure::False(error.to_string()),
    }
}

/// The same, where a proof was asked for.
pub(super) fn proof_failure(error: TiledNodesError<ReadError<SourceError>>) -> Failure {
    match error {
        TiledNodesError::Read(_, error) => read_failure(&error),
        error => Failure::False(error.to_string()),
    }
}
