//! Measures the journal and the log store on a real disk, beside a bare `fdatasync` loop.
//!
//! `cargo run --release -p jurat-store --example figures -- DIRECTORY` uses a new directory under
//! the given one and removes it.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "it measures and prints")]

use std::{
    error::Error,
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use jurat_crypto::{Digest, NetworkId};
use jurat_log::{LeafIndex, SearchTerm, UnixMillis};
use jurat_store::{Batch, DataDir, FlushPlan, Journal, LogEntry, LogStore, StdFs};

type Act<'a> = Box<dyn FnMut() -> Result<()> + 'a>;
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ENTRY_BYTES: usize = 300;
const TOTAL: u64 = 1_000_000;
const ROUNDS: u32 = 20;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let parent = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    if args.next_if_eq("read").is_some() {
        return read(&parent);
    }
    let root = parent.join(format!("jurat-figures-{}", std::process::id()));
    fs::create_dir(&root)?;
    let result = match args.next().as_deref() {
        Some("subjects") => subjects(&root),
        _ => journal(&root).and_then(|()| log(&root.join("log"))).and_then(|()| subjects(&root)),
    };
    fs::remove_dir_all(&root)?;
    result
}

fn open(root: &Path) -> Result<DataDir> {
    Ok(DataDir::open(Arc::new(StdFs), root, NetworkId(Digest::of(b"figures")))?)
}

/// Repeats `act` for a while and says how often a second it was done.
fn rate(time: Duration, mut act: impl FnMut() -> Result<()>) -> Result<f64> {
    let (mut count, start) = (0_u32, Instant::now());
    while start.elapsed() < time {
        act()?;
        count += 1;
    }
    Ok(f64::from(count) / start.elapsed().as_secs_f64())
}

/// Writes a group at a time to a bare file and syncs it.
fn bare(path: &Path, bytes: usize, preallocated: u64) -> Result<impl FnMut() -> Result<()> + use<>> {
    let file = File::create(path)?;
    if preallocated > 0 {
        file.write_all_at(&vec![0; usize::try_from(preallocated)?], 0)?;
        file.sync_all()?;
    }
    let (group, mut offset) = (vec![1; bytes], 0);
    Ok(move || {
        file.write_all_at(&group, offset)?;
        offset += bytes as u64;
        if preallocated > 0 && offset + bytes as u64 > preallocated {
            offset = 0;
        }
        Ok(file.sync_data()?)
    })
}

/// Appends a group of records at a time to a journal and syncs it.
fn grouped(root: &Path, records: u32) -> Result<impl FnMut() -> Result<()> + use<>> {
    let mut journal = Journal::open(&open(root)?)?.journal;
    Ok(move || {
        for _ in 0..records {
            journal.append(&[7; ENTRY_BYTES])?;
        }
        match journal.sync() {
            Ok(_) => Ok(()),
            Err(error) => Err(error.into()),
        }
    })
}

fn journal(root: &Path) -> Result<()> {
    let mut rotating = Journal::open(&open(&root.join("rotating"))?)?.journal;
    let mut candidates: [(&str, f64, Act<'_>); 7] = [
        ("4 KiB to a growing file", 0.0, Box::new(bare(&root.join("a"), 4 << 10, 0)?)),
        ("4 KiB, preallocated", 0.0, Box::new(bare(&root.join("b"), 4 << 10, 64 << 20)?)),
        ("32 KiB to a growing file", 0.0, Box::new(bare(&root.join("c"), 32 << 10, 0)?)),
        ("32 KiB, preallocated", 0.0, Box::new(bare(&root.join("d"), 32 << 10, 64 << 20)?)),
        ("journal, 1 record", 1.0, Box::new(grouped(&root.join("one"), 1)?)),
        ("journal, 100 records", 100.0, Box::new(grouped(&root.join("hundred"), 100)?)),
        ("journal, rotation", 0.0, Box::new(|| Ok(rotating.rotate([&[7; ENTRY_BYTES][..]])?))),
    ];
    // In turns, so that whatever else the disk has to do is the same for all.
    let mut rates = [0.0; 7];
    for _ in 0..ROUNDS {
        for (rate_so_far, (_, _, act)) in rates.iter_mut().zip(&mut candidates) {
            *rate_so_far += rate(Duration::from_millis(100), act)? / f64::from(ROUNDS);
        }
    }
    println!("write and fdatasync            per second   records/s   to a bare 4 KiB");
    for ((name, records, _), rate) in candidates.iter().zip(rates) {
        println!("{name:30} {rate:10.0} {:11.0} {:10.2}", rate * records, rate / rates[0]);
    }
    Ok(())
}

fn entries(first: u64, count: u64) -> Result<Vec<LogEntry>> {
    let entry =
        |i: u64| Ok(LogEntry::new(i.to_be_bytes().repeat(ENTRY_BYTES.div_ceil(8))[..ENTRY_BYTES].to_vec())?);
    (first..first + count).map(entry).collect()
}

fn log(root: &Path) -> Result<()> {
    println!("\nentries of 300 bytes, per second: hashed and appended, flushed, both");
    let (mut size, mut sequence) = (0, 0);
    for (batch, goal) in [(1_000, 10_000), (10_000, 100_000), (100_000, TOTAL)] {
        let (mut store, _) = LogStore::open(&open(root)?)?;
        let (mut appending, mut flushing) = (Duration::ZERO, Duration::ZERO);
        let before = size;
        while size < goal {
            let start = Instant::now();
            let entries = entries(size, batch.min(goal - size))?;
            size += entries.len() as u64;
            sequence += 1;
            store.append(Batch {
                sequence,
                time: UnixMillis(sequence),
                record: Arc::from(vec![0; 100]),
                entries,
            })?;
            appending += start.elapsed();
            let start = Instant::now();
            store.plan_flush(*b"state", None)?.map(FlushPlan::write).transpose()?;
            flushing += start.elapsed();
        }
        #[expect(clippy::cast_precision_loss, reason = "a million")]
        let per_second = |time: Duration| (size - before) as f64 / time.as_secs_f64();
        let both = per_second(appending + flushing);
        let (appended, flushed) = (per_second(appending), per_second(flushing));
        println!("flushed every {batch:7} {appended:10.0} {flushed:10.0} {both:10.0}");
    }
    // In a process of its own, whose memory is that of an opened log.
    Command::new(std::env::current_exe()?).arg(root).arg("read").status()?;
    Ok(())
}

fn read(root: &Path) -> Result<()> {
    let dir = open(root)?;
    let before = resident();
    let start = Instant::now();
    let (store, _) = LogStore::open(&dir)?;
    let opened = start.elapsed();
    println!(
        "\n{TOTAL} entries: opened in {opened:?}, resident memory {before} before, {} after",
        resident()
    );
    let reader = store.reader();
    let size = reader.head().size;
    let mut random = 1_u64;
    let mut anywhere = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        LeafIndex::new((random >> 20) % TOTAL)
    };
    let second = Duration::from_secs(1);
    let known = LogEntry::new(entries(TOTAL / 2, 1)?[0].bytes().clone())?.leaf_hash();
    let look_ups = rate(second, || Ok(reader.index_of(&known).map(drop)?))?;
    let last = LeafIndex::new(TOTAL - 1)?;
    let near = rate(second, || Ok(reader.inclusion_proof(last, size).map(drop)?))?;
    let proofs = rate(second, || Ok(reader.inclusion_proof(anywhere()?, size).map(drop)?))?;
    let reads = rate(second, || Ok(reader.entry(anywhere()?).map(drop)?))?;
    println!(
        "per second: {look_ups:.0} look-ups, {near:.0} proofs of the last leaf, of any leaf {proofs:.0} proofs and {reads:.0} entries"
    );
    println!("resident memory {} afterwards", resident());
    drop((store, reader));
    let start = Instant::now();
    let findings = jurat_store::fsck(&dir)?.findings.len();
    println!("fsck: {:?}, {findings} findings", start.elapsed());
    Ok(())
}

/// What the subject map costs: entries with two search terms each, once with a subject among them,
/// once with none. Flushed every 20 batches, as a node does about once a second.
fn subjects(root: &Path) -> Result<()> {
    println!(
        "\nentries with a new subject each, without the map and with it: per second, bytes of index an entry"
    );
    for batch in [1_000, 100] {
        let mut stores = ["without", "with"].map(|name| root.join(format!("{name}-{batch}")));
        let mut stores = stores.each_mut().map(|path| open(path).and_then(|dir| Ok(LogStore::open(&dir)?.0)));
        let mut size = 0;
        for goal in [10_000, 100_000, 200_000] {
            let (mut times, before) = ([Duration::ZERO; 2], size);
            while size < goal {
                for (store, (time, with)) in stores.iter_mut().zip(times.iter_mut().zip([false, true])) {
                    let store = store.as_mut().map_err(|error| error.to_string())?;
                    let batch = subject_batch(size, batch, with)?;
                    let start = Instant::now();
                    let flush = batch.sequence.is_multiple_of(20);
                    store.append(batch)?;
                    if flush {
                        store.plan_flush(*b"state", None)?.map(FlushPlan::write).transpose()?;
                    }
                    *time += start.elapsed();
                }
                size += batch;
            }
            #[expect(clippy::cast_precision_loss, reason = "far below")]
            let [without, with] = times.map(|time| (size - before) as f64 / time.as_secs_f64());
            let bytes = ["without", "with"].map(|name| {
                fs::metadata(root.join(format!("{name}-{batch}/index.redb")))
                    .map_or(0, |file| file.len() / size)
            });
            println!("batches of {batch:5}, {size:7} entries {without:10.0} {with:10.0} {bytes:?}");
        }
        let store = stores[1].as_ref().map_err(ToString::to_string)?;
        let reader = store.reader();
        let (mut number, head) = (0, reader.head().size);
        let mut any = |known: u64| {
            number += 7919;
            Digest::of(&(number % size + known).to_be_bytes())
        };
        let second = Duration::from_secs(1);
        let present = rate(second, || Ok(reader.subject_proof(&any(0), head).map(drop)?))?;
        let absent = rate(second, || Ok(reader.subject_proof(&any(size), head).map(drop)?))?;
        println!("proofs of presence {present:.0} and of absence {absent:.0} per second");
    }
    Ok(())
}

fn subject_batch(first: u64, count: u64, with: bool) -> Result<Batch> {
    let entry = |i: u64| {
        let digest = Digest::of(&i.to_be_bytes());
        let term = if with { SearchTerm::Subject(digest) } else { SearchTerm::Attestor(digest) };
        let terms = [term, SearchTerm::Attestor(Digest::of(b"ana"))];
        let bytes = i.to_be_bytes().repeat(ENTRY_BYTES.div_ceil(8))[..ENTRY_BYTES].to_vec();
        Ok(LogEntry::with_terms(bytes.into(), Arc::from(terms))?)
    };
    let entries = (first..first + count).map(entry).collect::<Result<_>>()?;
    let sequence = first / count + 1;
    Ok(Batch { sequence, time: UnixMillis(sequence), record: Arc::from(vec![0; 100]), entries })
}

/// This process's resident memory, where Linux says so.
fn resident() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("unknown").trim().to_owned()
}
