//! Attestations a second, and how long until the receipt.
//!
//! Four node processes and one client process share this machine. The limit beside it: how many
//! signature checks all cores do in a second, divided by four, because every member checks every
//! entry.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Attestation, STATEMENT_PAYLOAD_TYPE, Statement, Subject};

use crate::{council::Council, http::Connection, limits, report::Report};

const PATH: &str = "/api/v1/attestations?wait=receipt";
const SPAN: Duration = Duration::from_secs(10);
const LINES: usize = 100;

pub fn run(report: &mut Report) -> Result<(), String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())?;
    let before = limits::signature_checks_per_second();
    let mut council = Council::start()?;
    let disk = limits::syncs_per_second(council.path()).map_err(|error| error.to_string())?;
    let mut envelopes = Envelopes::new();
    let addresses: Vec<String> = council.members.iter().map(|member| member.address().to_owned()).collect();

    let light = runtime.block_on(one_after_the_other(&addresses[1], &envelopes.make(200)))?;
    let batches = runtime.block_on(saturate(&addresses, 16, LINES, envelopes.make(150_000)))?;
    let cpu = council.cpu_seconds();
    let singles = runtime.block_on(saturate(&addresses, 256, 1, envelopes.make(100_000)))?;
    let cpu_singles = council.cpu_seconds() - cpu;
    let half = runtime.block_on(at_rate(&addresses, singles.rate / 2.0, envelopes.make(60_000)))?;
    let after = limits::signature_checks_per_second();

    let checks = report.figure("signature checks, one by one, all cores", f64::midpoint(before, after), "/s");
    let limit = report.figure("the limit: a fourth of that", checks / 4.0, "/s");
    report.figure("fdatasync of 4 KiB, one at a time", disk, "/s");
    report.ratio(
        format!("attestations, {LINES} a request, to the receipt"),
        batches.rate,
        "/s",
        "the limit",
        limit,
    );
    report.ratio("attestations, one a request, to the receipt", singles.rate, "/s", "the limit", limit);
    report.figure("processor time of the nodes for one of these", cpu_singles * 1e6 / singles.done, "µs");
    report.figure("light load, one after the other: median time to receipt", light.percentile(50.0), "ms");
    report.figure("light load: 99th percentile", light.percentile(99.0), "ms");
    report.figure("half load: attestations", half.rate, "/s");
    report.figure("half load: median time to receipt", half.percentile(50.0), "ms");
    report.figure("half load: 99th percentile", half.percentile(99.0), "ms");

    let million = grow_to(&runtime, &mut council, &mut envelopes, 1_000_000)?;
    report.figure("entries in the log", million, "");
    let memory = council.memory();
    report.figure(
        "memory of a node at that size, the largest",
        memory.iter().copied().fold(0.0, f64::max),
        "MiB",
    );
    let started = council.restart(2)?;
    report.figure("start of a node at that size, until it answers", started, "s");
    report.figure("memory of the restarted node", council.memory()[2], "MiB");
    Ok(())
}

/// Fills the log up to `size`, unless told not to: it takes minutes.
fn grow_to(
    runtime: &tokio::runtime::Runtime,
    council: &mut Council,
    envelopes: &mut Envelopes,
    size: usize,
) -> Result<f64, String> {
    let addresses: Vec<String> = council.members.iter().map(|member| member.address().to_owned()).collect();
    loop {
        let have = council.status(0)?["log_size"].as_u64().unwrap_or(0);
        let have = usize::try_from(have).unwrap_or(0);
        if have >= size || std::env::var_os("JURAT_BENCH_SMALL").is_some() {
            return Ok(have as f64);
        }
        let chunk = envelopes.make((size - have).min(50_000));
        runtime.block_on(saturate_all(&addresses, 16, LINES, chunk))?;
    }
}

/// Envelopes of statements of about 256 bytes, each different.
struct Envelopes {
    keys: Vec<(KeyName, SigningKey, Vkey)>,
    next: u64,
}

impl Envelopes {
    fn new() -> Self {
        let keys = (0..64_u8).map(|i| {
            let name = KeyName::new(format!("bench/{i}")).expect("a name");
            let key = SigningKey::from_seed(&[i; 32]);
            let vkey = Vkey::new(name.clone(), SignatureType::Ed25519, key.verifying_key());
            (name, key, vkey)
        });
        Self { keys: keys.collect(), next: 0 }
    }

    /// Signed on all cores, before anything is measured.
    fn make(&mut self, count: usize) -> Vec<String> {
        let first = self.next;
        self.next += count as u64;
        let numbers: Vec<u64> = (first..self.next).collect();
        let chunk = count.div_ceil(limits::cores()).max(1);
        std::thread::scope(|scope| {
            let threads: Vec<_> = numbers
                .chunks(chunk)
                .map(|numbers| {
                    let keys = &self.keys;
                    scope.spawn(move || {
                        numbers.iter().map(|number| envelope(keys, *number)).collect::<Vec<_>>()
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap_or_default()).collect()
        })
    }
}

fn envelope(keys: &[(KeyName, SigningKey, Vkey)], number: u64) -> String {
    let (name, key, vkey) = &keys[usize::try_from(number).unwrap_or(0) % keys.len()];
    let subject = Subject::file(format!("{number:08}.bin"), &Digest::of(&number.to_be_bytes()));
    let payload = Statement::compose(&[subject], "urn:bench", None, vkey).expect("a statement");
    let attestation =
        Attestation::sign(key, name.clone(), STATEMENT_PAYLOAD_TYPE, payload).expect("an attestation");
    attestation.to_envelope()
}

/// What a load came to.
struct Outcome {
    /// Receipts a second.
    rate: f64,
    /// Receipts.
    done: f64,
    /// Milliseconds until each answer, sorted.
    times: Vec<f64>,
}

impl Outcome {
    fn percentile(&self, percent: f64) -> f64 {
        let last = self.times.len().saturating_sub(1);
        let at = (last as f64 * percent / 100.0).round() as usize;
        self.times.get(at).copied().unwrap_or(f64::NAN)
    }

    fn of(times: Vec<f64>, done: usize, span: Duration) -> Self {
        let mut times = times;
        times.sort_by(f64::total_cmp);
        Self { rate: done as f64 / span.as_secs_f64(), done: done as f64, times }
    }
}

async fn one_after_the_other(address: &str, envelopes: &[String]) -> Result<Outcome, String> {
    let mut connection = Connection::open(address).await?;
    let start = Instant::now();
    let mut times = Vec::new();
    for envelope in envelopes {
        let asked = Instant::now();
        check(connection.post(PATH, "application/json", envelope.as_bytes()).await?, 1)?;
        times.push(asked.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Outcome::of(times, envelopes.len(), start.elapsed()))
}

/// As fast as `connections` that always wait for their answer can, for a while.
async fn saturate(
    addresses: &[String],
    connections: usize,
    lines: usize,
    envelopes: Vec<String>,
) -> Result<Outcome, String> {
    load(addresses, connections, lines, envelopes, Some(SPAN)).await
}

/// The same until all are in.
async fn saturate_all(
    addresses: &[String],
    connections: usize,
    lines: usize,
    envelopes: Vec<String>,
) -> Result<Outcome, String> {
    load(addresses, connections, lines, envelopes, None).await
}

async fn load(
    addresses: &[String],
    connections: usize,
    lines: usize,
    envelopes: Vec<String>,
    span: Option<Duration>,
) -> Result<Outcome, String> {
    let envelopes = Arc::new(envelopes);
    let next = Arc::new(AtomicUsize::new(0));
    let times = Arc::new(Mutex::new(Vec::new()));
    let done = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for i in 0..connections {
        let (envelopes, next, times, done) = (envelopes.clone(), next.clone(), times.clone(), done.clone());
        let address = addresses[i % addresses.len()].clone();
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&address).await?;
            let content_type = if lines == 1 { "application/json" } else { "application/x-ndjson" };
            while span.is_none_or(|span| start.elapsed() < span) {
                let first = next.fetch_add(lines, Ordering::Relaxed);
                let Some(chunk) =
                    envelopes.get(first..envelopes.len().min(first + lines)).filter(|c| !c.is_empty())
                else {
                    break;
                };
                let asked = Instant::now();
                let answer = connection.post(PATH, content_type, chunk.join("\n").as_bytes()).await?;
                check(answer, chunk.len())?;
                done.fetch_add(chunk.len(), Ordering::Relaxed);
                times.lock().expect("no panic").push(asked.elapsed().as_secs_f64() * 1e3);
            }
            Ok::<(), String>(())
        }));
    }
    for task in tasks {
        task.await.map_err(|error| error.to_string())??;
    }
    let span = start.elapsed();
    let times = std::mem::take(&mut *times.lock().expect("no panic"));
    Ok(Outcome::of(times, done.load(Ordering::Relaxed), span))
}

/// Single attestations at a fixed rate, whether earlier ones are answered or not; times count from
/// when each was due.
async fn at_rate(addresses: &[String], rate: f64, envelopes: Vec<String>) -> Result<Outcome, String> {
    let count = envelopes.len().min((rate * SPAN.as_secs_f64()) as usize);
    let connections = 256;
    let (sender, receiver) = tokio::sync::mpsc::channel::<(Instant, String)>(count.max(1));
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = Vec::new();
    for i in 0..connections {
        let (receiver, times) = (receiver.clone(), times.clone());
        let address = addresses[i % addresses.len()].clone();
        tasks.push(tokio::spawn(async move {
            let mut connection = Connection::open(&address).await?;
            loop {
                let next = receiver.lock().await.recv().await;
                let Some((due, envelope)) = next else { return Ok::<(), String>(()) };
                check(connection.post(PATH, "application/json", envelope.as_bytes()).await?, 1)?;
                times.lock().expect("no panic").push(due.elapsed().as_secs_f64() * 1e3);
            }
        }));
    }
    let start = Instant::now();
    for (i, envelope) in envelopes.into_iter().take(count).enumerate() {
        let due = start + Duration::from_secs_f64(i as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        let _ = sender.send((due, envelope)).await;
    }
    drop(sender);
    for task in tasks {
        task.await.map_err(|error| error.to_string())??;
    }
    let span = start.elapsed();
    let times = std::mem::take(&mut *times.lock().expect("no panic"));
    Ok(Outcome::of(times, count, span))
}

/// Every attestation must have come back with a receipt.
fn check((status, body): (u16, Vec<u8>), count: usize) -> Result<(), String> {
    let receipts = body.windows(11).filter(|window| *window == b"\"receipt\":\"").count();
    if status == 200 && receipts == count {
        return Ok(());
    }
    let body = String::from_utf8_lossy(&body);
    Err(format!("{receipts} receipts for {count} attestations, status {status}: {:.300}", body))
}
