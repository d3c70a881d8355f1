//! The followed log with an index: what the mirror has verified is read from its copy, and appended to
//! the store that answers look-ups and proofs.
//!
//! All of the store follows from the mirror's copy, so a crash anywhere leaves one that goes on.

use std::sync::Arc;

use jurat_crypto::Digest;
use jurat_log::{
    BatchStamp, Checkpoint, LeafIndex, Note, TILE_WIDTH, TileCoord, TileKind, TreeSize, UnixMillis,
    split_bundle,
};
use jurat_store::{Batch, LogEntry, LogError, LogStore};
use tokio::sync::watch;
use tracing::{error, info};

use super::Following;
use crate::runtime::clock::unix_millis;

/// Bytes that wait in memory before they are flushed.
const FLUSH_AT: usize = 64 << 20;

/// Why the copy can't be taken up. The node stops: it must not answer from a disk that it can't trust.
#[derive(Debug, thiserror::Error)]
pub(super) enum CopyError {
    #[error(transparent)]
    Log(#[from] LogError),
    #[error("the copy of the log: {0}")]
    Disk(#[from] jurat_store::DiskError),
    #[error("the copy of the log is damaged: {0}; remove the log's directory in mirrors to mirror it anew")]
    Damaged(String),
    #[error(
        "the index has another root of {0} entries than the copy of the log: remove the node's data directory, which is made anew from the copy"
    )]
    OtherRoot(TreeSize),
}

/// Takes up what the mirror verified.
pub(super) struct Copy {
    following: Arc<Following>,
    origin: Digest,
    store: LogStore,
    /// When the last batch was ordered, at most; times never go back.
    last_time: UnixMillis,
}

/// What the mirror has published.
struct Published {
    note: Note,
    checkpoint: Checkpoint,
}

impl Copy {
    pub(super) fn new(following: Arc<Following>, store: LogStore) -> Result<Self, LogError> {
        let reader = store.reader();
        let last = reader.head().size.value().checked_sub(1).and_then(|last| LeafIndex::new(last).ok());
        let last_time =
            last.map_or(Ok(UnixMillis(0)), |last| reader.batch_of(last).map(|batch| batch.time))?;
        let origin = Digest::of(following.origin.as_str().as_bytes());
        Ok(Self { following, origin, store, last_time })
    }

    /// Takes up all that is published.
    fn catch_up(&mut self) -> Result<(), CopyError> {
        if let Err(reason) = self.following.rules.learn(&self.following.mirrors) {
            error!(reason, "the council's history can't be taken up");
        }
        self.learn_of_nodes()?;
        let mut missed = None;
        while let Some(published) = self.published()? {
            let (size, head) = (published.checkpoint.size(), self.store.reader().head());
            // A copy that was removed is mirrored anew, and gets here again.
            if size < head.size {
                return Ok(());
            }
            let latest = self.store.reader().latest_checkpoint()?;
            if size == head.size && latest.is_some_and(|(latest, _)| latest == size) {
                return if head.root == *published.checkpoint.root() {
                    Ok(())
                } else {
                    Err(CopyError::OtherRoot(size))
                };
            }
            match self.take_entries(&published)? {
                None => self.certify(&published)?,
                // The mirror went on meanwhile, and took partial tiles away.
                Some(_) if missed != Some(size) => missed = Some(size),
                Some(missing) => return Err(CopyError::Damaged(format!("there is no {}", missing.path()))),
            }
        }
        Ok(())
    }

    /// Submissions go where the operator says by now.
    fn learn_of_nodes(&self) -> Result<(), CopyError> {
        let following = &self.following;
        let Some(log) = following.mirrors.added(&following.origin)? else { return Ok(()) };
        let takers = following.mirrors.takers(&log);
        following.council.replace(if takers.is_empty() { log.sources() } else { &takers });
        Ok(())
    }

    fn published(&self) -> Result<Option<Published>, CopyError> {
        let Some(note) = self.following.mirrors.checkpoint(&self.origin)? else { return Ok(None) };
        let damaged = |error: &dyn std::fmt::Display| CopyError::Damaged(error.to_string());
        let note = Note::parse(&note).map_err(|error| damaged(&error))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| damaged(&error))?;
        Ok(Some(Published { note, checkpoint }))
    }

    /// Appends the entries up to a checkpoint; or says which bundle is not there.
    fn take_entries(&mut self, published: &Published) -> Result<Option<TileCoord>, CopyError> {
        let size = published.checkpoint.size();
        let stamp = BatchStamp::of(&published.checkpoint).ok().flatten();
        let time = stamp.map_or(UnixMillis(unix_millis()), |stamp| stamp.time).max(self.last_time);
        loop {
            let head = self.store.reader().head();
            let from = head.size.value();
            let bundle = from / TILE_WIDTH as u64;
            let coord = TileCoord::in_tree(TileKind::Entries, bundle, size).filter(|_| head.size < size);
            let Some(coord) = coord else { return Ok(None) };
            let mirrors = &self.following.mirrors;
            let (stored, bytes) = match mirrors.tile(&self.origin, coord)? {
                Some(bytes) => (coord, bytes),
                None => match mirrors.tile(&self.origin, coord.full())? {
                    Some(bytes) => (coord.full(), bytes),
                    None => return Ok(Some(coord)),
                },
            };
            let damaged =
                |error: &dyn std::fmt::Display| CopyError::Damaged(format!("{}: {error}", stored.path()));
            let entries = split_bundle(stored, &bytes).map_err(|error| damaged(&error))?;
            let known = usize::try_from(from % TILE_WIDTH as u64).unwrap_or(0);
            let entries = entries.into_iter().take(coord.width()).skip(known).map(LogEntry::new);
            let entries = entries.collect::<Result<Vec<_>, _>>()?;
            let sequence = head.sequence.map_or(0, |last| last + 1);
            self.store.append(Batch { sequence, time, record: Arc::from([]), entries })?;
            self.last_time = time;
            if self.store.reader().unflushed_bytes() > FLUSH_AT {
                self.flush()?;
            }
        }
    }

    /// Cosigns the checkpoint of all that is appended, and then shows it.
    fn certify(&mut self, published: &Published) -> Result<(), CopyError> {
        let Published { note, checkpoint } = published;
        let (reader, size) = (self.store.reader(), checkpoint.size());
        if reader.head().root != *checkpoint.root() {
            return Err(CopyError::OtherRoot(size));
        }
        let proof = |old| reader.consistency_proof(old, size).map_err(|error| error.to_string());
        let keys = self.following.rules.keys(checkpoint);
        match self.following.witness.cosign_followed(note, size, keys, proof) {
            Ok(cosigned) => info!(%size, cosigned, "follows the log"),
            Err(reason) => error!(%size, reason, "a checkpoint of the followed log can't be cosigned"),
        }
        reader.put_checkpoint(size, &note.to_string())?;
        Ok(self.flush()?)
    }

    fn flush(&mut self) -> Result<(), LogError> {
        match self.store.plan_flush(Vec::new(), None)? {
            Some(plan) => plan.write().map(drop),
            None => Ok(()),
        }
    }
}

/// Takes up whatever the mirror publishes, until `stop` changes. What fails is told in words.
pub(super) async fn keep_copying(
    mut copy: Copy,
    mut news: watch::Receiver<u64>,
    mut stop: watch::Receiver<bool>,
) -> Result<(), String> {
    loop {
        let caught_up = tokio::task::spawn_blocking(move || copy.catch_up().map(|()| copy));
        copy = caught_up.await.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
        tokio::select! {
            _ = news.changed() => {}
            _ = stop.changed() => return Ok(()),
        }
    }
}
