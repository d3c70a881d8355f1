//! The thread that makes records durable, many in one sync, and lets go what waited for them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
};

use jurat_store::{FlushPlan, Journal};
use tokio::sync::oneshot;
use tracing::{debug, error};

use crate::{
    codec,
    core::{Record, Sealed},
};

/// Work for the journal, in order. An `A` tells a client that its entries are durable.
#[derive(Debug)]
pub enum Job<A = oneshot::Sender<()>> {
    /// Append records; once durable, release what they sealed.
    Write {
        /// What to append.
        records: Vec<Record>,
        /// What may not happen before.
        sealed: Vec<Sealed>,
        /// Who waits for it.
        acks: Vec<A>,
    },
    /// Once everything before is durable, hand on a flush of the log: it must not store what the
    /// journal could still lose.
    Flush(FlushPlan),
    /// Begin anew with these records, and forget everything before.
    Rotate(Vec<Record>),
}

/// What is free to go, since all that was to be durable before it is.
#[derive(Debug)]
pub enum Released<A = oneshot::Sender<()>> {
    /// Effects and answers that waited for their records.
    Sealed(Vec<Sealed>, Vec<A>),
    /// A flush of the log.
    Flush(FlushPlan),
}

/// Bytes of the journal after which it is worth shortening.
const ROTATE_BYTES: u64 = 64 << 20;

/// Bytes that are appended before a sync at most, well within what the journal takes.
const MAX_UNSYNCED: usize = 32 << 20;

/// What the journal thread tells the rest of the node.
pub(crate) struct JournalHooks {
    /// Takes what became free to go.
    pub(crate) release: Box<dyn Fn(Sealed) + Send>,
    /// Takes a flush whose journal is durable.
    pub(crate) flush: Box<dyn Fn(FlushPlan) + Send>,
    /// Called once when a write fails; nothing is released after that.
    pub(crate) failed: Box<dyn Fn(String) + Send>,
    /// Counts syncs and bytes.
    pub(crate) stats: Arc<JournalStats>,
}

/// What the journal did.
#[derive(Debug, Default)]
pub struct JournalStats {
    /// Syncs.
    pub syncs: AtomicU64,
    /// Records.
    pub records: AtomicU64,
    /// Bytes since the journal was last shortened.
    pub bytes: AtomicU64,
}

impl JournalStats {
    /// Whether the journal has grown enough to be shortened.
    pub(crate) fn should_rotate(&self) -> bool {
        self.bytes.load(Relaxed) > ROTATE_BYTES
    }
}

/// Starts the thread. It ends when the sender is dropped, after what was sent is done.
pub(crate) fn spawn(
    mut journal: Journal,
    hooks: JournalHooks,
) -> std::io::Result<(mpsc::Sender<Job>, thread::JoinHandle<()>)> {
    let (sender, receiver) = mpsc::channel();
    let thread = thread::Builder::new().name("journal".into()).spawn(move || {
        while let Ok(job) = receiver.recv() {
            // Everything that queued up during the last sync shares the next one.
            let jobs = std::iter::once(job).chain(receiver.try_iter()).collect();
            match write_jobs(&mut journal, &hooks.stats, jobs) {
                Ok(released) => released.into_iter().for_each(|released| hooks.let_go(released)),
                Err(message) => {
                    error!(error = message, "the journal can't be written: this node stops");
                    (hooks.failed)(message);
                    return;
                }
            }
        }
        debug!("journal closed");
    })?;
    Ok((sender, thread))
}

impl JournalHooks {
    fn let_go(&self, released: Released) {
        match released {
            Released::Sealed(sealed, acks) => {
                sealed.into_iter().for_each(&self.release);
                for ack in acks {
                    // The client may have gone.
                    let _ = ack.send(());
                }
            }
            Released::Flush(plan) => (self.flush)(plan),
        }
    }
}

/// Does some jobs with as few syncs as can be, and gives back what they waited for, in order. On an
/// error nothing may be released, and the node must stop: what the disk holds is unknown.
pub fn write_jobs<A>(
    journal: &mut Journal,
    stats: &JournalStats,
    jobs: Vec<Job<A>>,
) -> Result<Vec<Released<A>>, String> {
    let mut released = Vec::new();
    let mut unsynced = 0;
    let sync = |journal: &mut Journal| {
        stats.syncs.fetch_add(1, Relaxed);
        journal.sync().map(|_| ()).map_err(|error| error.to_string())
    };
    for job in jobs {
        match job {
            Job::Write { records, sealed, acks } => {
                for record in &records {
                    let bytes = codec::encode(record);
                    stats.records.fetch_add(1, Relaxed);
                    stats.bytes.fetch_add(bytes.len() as u64, Relaxed);
                    unsynced += bytes.len();
                    if unsynced > MAX_UNSYNCED {
                        sync(journal)?;
                        unsynced = bytes.len();
                    }
                    journal.append(&bytes).map_err(|error| error.to_string())?;
                }
                released.push(Released::Sealed(sealed, acks));
            }
            Job::Flush(plan) => released.push(Released::Flush(plan)),
            Job::Rotate(records) => {
                // A rotation is durable by itself, and so is all it stands for.
                let records: Vec<Vec<u8>> = records.iter().map(codec::encode).collect();
                let bytes: usize = records.iter().map(Vec::len).sum();
                journal.rotate(records.iter().map(Vec::as_slice)).map_err(|error| error.to_string())?;
                stats.bytes.store(bytes as u64, Relaxed);
                unsynced = 0;
            }
        }
    }
    if unsynced > 0 {
        sync(journal)?;
    }
    Ok(released)
}
