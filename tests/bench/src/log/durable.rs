//! Entries appended durably through the store in this process, each acknowledged with a checkpoint
//! and a proof, beside what the disk allows and with and without looking for duplicates.

use std::{
    collections::BTreeSet,
    error::Error,
    fs::File,
    os::unix::fs::FileExt,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use jurat_crypto::{Digest, KeyName, NetworkId, SigningKey};
use jurat_log::{Checkpoint, LeafIndex, Note, Origin, UnixMillis};
use jurat_store::{Batch, DataDir, FlushPlan, Journal, LogEntry, LogStore, StdFs};

use crate::{limits, report::Report};

const ENTRY_BYTES: usize = 300;
/// Entries that share a sync, a root and a checkpoint.
const BATCH: usize = 1000;
const BATCHES: usize = 100;
/// How often the log is stored behind the journal, which begins anew then; in a node that is once
/// a second.
const BATCHES_A_FLUSH: u64 = 25;
/// Rounds in which both contenders take turns; the best of each counts. What they wrote is removed at
/// the end: where ext4 has no journal, each new file passes by those removed in the last seconds.
const ROUNDS: usize = 4;

pub(super) fn run(report: &mut Report) -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let entries: Vec<Arc<[u8]>> = (0..BATCH * BATCHES).map(entry).collect();
    let syncs = limits::syncs_per_second(dir.path())?;
    let mut limit = 0.0_f64;
    let (mut with, mut without) = (Cost::WORST, Cost::WORST);
    for round in 0..ROUNDS {
        limit = limit.max(bare(&dir.path().join("bare"))?);
        for (name, look, best) in [("with", true, &mut with), ("without", false, &mut without)] {
            let path = dir.path().join(format!("{name}-{round}"));
            let cost = append(&path, &entries, look)?;
            *best = Cost { took: cost.took.min(best.took), busy: cost.busy.min(best.busy) };
        }
    }
    let bare = "bare writes";
    report.figure("write of 4 KiB and fdatasync", syncs, "/s");
    report.figure(
        format!("300-byte entries, {BATCH} at a time: write and fdatasync, nothing else ({bare})"),
        limit,
        "/s",
    );
    let count = entries.len() as f64;
    let durable = "300-byte entries, durable, acknowledged with checkpoint and proof";
    let (plain, look) = ("duplicates not looked for", "exactly deduplicated");
    let per_second = |cost: Cost| count / cost.took.as_secs_f64();
    report.ratio(format!("{durable}: {plain}"), per_second(without), "/s", bare, limit);
    report.ratio(format!("{durable}: {look}"), per_second(with), "/s", plain, per_second(without));
    // Busy disks and cores delay an append, and don't make it busier.
    let busy = |cost: Cost| cost.busy.as_secs_f64() * 1e6 / count;
    report.figure(format!("processor time of one: {plain}"), busy(without), "µs");
    report.ratio(format!("processor time of one: {look}"), busy(with), "µs", plain, busy(without));
    Ok(())
}

/// What it took to append all entries.
#[derive(Clone, Copy)]
struct Cost {
    took: Duration,
    /// Of the processor, in this thread and in the kernel on its behalf.
    busy: Duration,
}

impl Cost {
    const WORST: Self = Self { took: Duration::MAX, busy: Duration::MAX };
}

/// Processor time of this thread so far; 0 where the system doesn't say.
fn busy() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|time| time.parse().ok()).unwrap_or(0))
}

fn entry(i: usize) -> Arc<[u8]> {
    let mut entry = [7; ENTRY_BYTES];
    entry[..8].copy_from_slice(&i.to_be_bytes());
    Arc::from(entry)
}

/// Entries a second that could be written and synced, if nothing else were done.
fn bare(path: &Path) -> Result<f64, Box<dyn Error>> {
    let file = File::create(path)?;
    let batch = vec![7; BATCH * ENTRY_BYTES];
    let start = Instant::now();
    for i in 0..BATCHES {
        file.write_all_at(&batch, (i * batch.len()) as u64)?;
        file.sync_data()?;
    }
    Ok((BATCH * BATCHES) as f64 / start.elapsed().as_secs_f64())
}

/// Appends all entries to a new log.
fn append(path: &Path, entries: &[Arc<[u8]>], look: bool) -> Result<Cost, Box<dyn Error>> {
    let dir = DataDir::open(Arc::new(StdFs), path, NetworkId(Digest::of(b"bench")))?;
    let mut journal = Journal::open(&dir)?.journal;
    let (mut store, _) = LogStore::open(&dir)?;
    let reader = store.reader();
    let key = SigningKey::from_seed(&[1; 32]);
    let mut acknowledged = 0;
    let (start, busy_before) = (Instant::now(), busy());
    for (batch, sequence) in entries.chunks(BATCH).zip(1..) {
        let mut new = batch.iter().cloned().map(LogEntry::new).collect::<Result<Vec<_>, _>>()?;
        if look {
            new = unknown(new, |hash| Ok(reader.index_of(hash)?.is_some()))?;
        }
        for entry in &new {
            journal.append(entry.bytes())?;
        }
        journal.sync()?;
        let first = reader.head().size.value();
        let record = Arc::from([0; 100]);
        let head = store.append(Batch { sequence, time: UnixMillis(sequence), record, entries: new })?;
        let text = Checkpoint::new(Origin::new("log.example")?, head.size, head.root).to_text();
        let note = Note::new(text.clone(), text.sign(KeyName::new("log.example")?, &key));
        reader.put_checkpoint(head.size, &note.to_string())?;
        for index in first..head.size.value() {
            std::hint::black_box(reader.inclusion_proof(LeafIndex::new(index)?, head.size)?);
            acknowledged += 1;
        }
        if sequence % BATCHES_A_FLUSH == 0 {
            store.plan_flush(*b"state", None)?.map(FlushPlan::write).transpose()?;
            journal.rotate([])?;
        }
    }
    let cost = Cost { took: start.elapsed(), busy: busy().saturating_sub(busy_before) };
    assert_eq!(acknowledged, entries.len());
    let middle = LogEntry::new(entries[entries.len() / 2].clone())?;
    assert_eq!(reader.index_of(&middle.leaf_hash())?, LeafIndex::new(entries.len() as u64 / 2).ok());
    Ok(cost)
}

/// The entries that are not in the log, each once.
fn unknown(
    entries: Vec<LogEntry>,
    is_known: impl Fn(&Digest) -> Result<bool, Box<dyn Error>>,
) -> Result<Vec<LogEntry>, Box<dyn Error>> {
    let mut seen = BTreeSet::new();
    let mut new = Vec::with_capacity(entries.len());
    for entry in entries {
        if seen.insert(entry.leaf_hash()) && !is_known(&entry.leaf_hash())? {
            new.push(entry);
        }
    }
    Ok(new)
}
