//! Checking entries on worker threads, as many at once as wait.
//!
//! One signature check costs more than all else that happens to an entry, and a batch of them half
//! as much each. So whoever comes while the workers are busy is checked together with the others
//! who came.

use std::sync::{
    Arc,
    atomic::{AtomicU64, AtomicUsize, Ordering},
};

use jurat_crypto::NetworkId;
use jurat_pbft::ReplicaId;
use rand::{SeedableRng, rngs::StdRng};
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::link::Peers;
use crate::core::{CheckedEntry, EntryBytes, EntryRefusal, Event, check_entries};

/// Entries in one batch check. More would only make the first wait longer.
const BATCH: usize = 256;
/// Jobs that may wait.
const QUEUE: usize = 4096;
/// Bytes of entries of one member that may wait; what comes beyond is dropped and counted.
const MEMBER_BYTES: usize = 16 << 20;

/// The verdicts on one job's entries, in their order.
pub(crate) type Verdicts = Vec<Result<CheckedEntry, EntryRefusal>>;

struct Job {
    entries: Vec<EntryBytes>,
    asker: Asker,
}

enum Asker {
    Client(oneshot::Sender<Verdicts>),
    /// The bytes count among those of the member that wait.
    Member(ReplicaId, Arc<AtomicUsize>, usize),
}

/// Takes entries to be checked.
#[derive(Clone)]
pub(crate) struct Checker {
    clients: mpsc::Sender<Job>,
    members: mpsc::Sender<Job>,
    peers: Arc<Peers>,
    stats: Arc<CheckerStats>,
}

/// What was checked.
#[derive(Debug, Default)]
pub(crate) struct CheckerStats {
    /// Entries checked.
    pub(crate) checked: AtomicU64,
    /// Batches in which they were.
    pub(crate) batches: AtomicU64,
    /// Entries of members dropped because too many waited.
    pub(crate) dropped: AtomicU64,
}

impl Checker {
    /// Starts checking on `workers` threads; members' verdicts go to `events`.
    pub(crate) fn start(
        workers: usize,
        network: NetworkId,
        peers: Arc<Peers>,
        events: mpsc::Sender<Event>,
    ) -> (Self, Arc<CheckerStats>) {
        let (clients, client_jobs) = mpsc::channel(QUEUE);
        let (member_jobs, queue) = mpsc::channel(QUEUE);
        let stats = Arc::new(CheckerStats::default());
        let checker = Self { clients, members: member_jobs, peers, stats: stats.clone() };
        let queues = Queues { clients: client_jobs, members: queue };
        tokio::spawn(dispatch(queues, workers, network, events, stats.clone()));
        (checker, stats)
    }

    /// Checks a client's entries. None if the node stops.
    pub(crate) async fn check(&self, entries: Vec<EntryBytes>) -> Option<Verdicts> {
        let (asker, verdicts) = oneshot::channel();
        self.clients.send(Job { entries, asker: Asker::Client(asker) }).await.ok()?;
        verdicts.await.ok()
    }

    /// Has a member's entries checked, unless too many of them wait.
    pub(crate) fn check_for(&self, member: ReplicaId, entries: Vec<EntryBytes>) {
        let Some(waiting) = self.peers.peer(member).map(|peer| peer.unchecked.clone()) else { return };
        let (count, bytes) = (entries.len() as u64, entries.iter().map(|entry| entry.0.len()).sum());
        let before = waiting.fetch_add(bytes, Ordering::Relaxed);
        let job = Job { entries, asker: Asker::Member(member, waiting.clone(), bytes) };
        if before + bytes > MEMBER_BYTES || self.members.try_send(job).is_err() {
            waiting.fetch_sub(bytes, Ordering::Relaxed);
            self.stats.dropped.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// Both queues, so that a member that floods does not keep clients waiting, nor the other way round.
struct Queues {
    clients: mpsc::Receiver<Job>,
    members: mpsc::Receiver<Job>,
}

impl Queues {
    /// The next batch of jobs: each queue may fill half of it, and what the other leaves.
    async fn next(&mut self) -> Option<Vec<Job>> {
        let first = tokio::select! {
            Some(job) = self.clients.recv() => job,
            Some(job) = self.members.recv() => job,
            else => return None,
        };
        let mut jobs = vec![first];
        for limit in [BATCH / 2, BATCH] {
            Self::fill(&mut jobs, &mut self.clients, limit);
            Self::fill(&mut jobs, &mut self.members, BATCH);
        }
        Some(jobs)
    }

    fn fill(jobs: &mut Vec<Job>, queue: &mut mpsc::Receiver<Job>, limit: usize) {
        let mut count: usize = jobs.iter().map(|job| job.entries.len()).sum();
        while count < limit
            && let Ok(job) = queue.try_recv()
        {
            count += job.entries.len();
            jobs.push(job);
        }
    }
}

async fn dispatch(
    mut queues: Queues,
    workers: usize,
    network: NetworkId,
    events: mpsc::Sender<Event>,
    stats: Arc<CheckerStats>,
) {
    let free = Arc::new(Semaphore::new(workers));
    loop {
        // A worker first, then whatever has come by then.
        let Ok(worker) = free.clone().acquire_owned().await else { return };
        let Some(jobs) = queues.next().await else { return };
        let count: usize = jobs.iter().map(|job| job.entries.len()).sum();
        stats.checked.fetch_add(count as u64, Ordering::Relaxed);
        stats.batches.fetch_add(1, Ordering::Relaxed);
        let events = events.clone();
        tokio::task::spawn_blocking(move || {
            for event in check(jobs, network) {
                if events.blocking_send(event).is_err() {
                    return;
                }
            }
            drop(worker);
        });
    }
}

/// Checks all entries of some jobs, answers the clients and returns what members' jobs came to.
fn check(jobs: Vec<Job>, network: NetworkId) -> Vec<Event> {
    let mut entries = Vec::new();
    let mut askers = Vec::new();
    for job in jobs {
        askers.push((job.asker, job.entries.len()));
        entries.extend(job.entries);
    }
    let mut verdicts = entries
        .chunks(BATCH)
        .flat_map(|chunk| check_entries(chunk.to_vec(), network, StdRng::from_rng(&mut rand::rng())))
        .collect::<Vec<_>>()
        .into_iter();
    let mut events = Vec::new();
    for (asker, count) in askers {
        let verdicts: Verdicts = verdicts.by_ref().take(count).collect();
        match asker {
            Asker::Client(client) => {
                // The client may have gone.
                let _ = client.send(verdicts);
            }
            Asker::Member(from, waiting, bytes) => {
                waiting.fetch_sub(bytes, Ordering::Relaxed);
                let entries: Vec<CheckedEntry> = verdicts.into_iter().flatten().collect();
                let refused = count - entries.len();
                events.push(Event::Checked { from, entries, refused });
            }
        }
    }
    events
}
