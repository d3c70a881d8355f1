//! Reconciliation: what it costs to find out in what two sets of 100 000 items differ, beside
//! `negentropy`.

use std::time::Instant;

use jurat_crypto::Digest;
use jurat_gossip::{Answer, Initiator, Progress, ReconcileSalt, Responder};
use negentropy::{Id, Negentropy, NegentropyStorageVector};
use rand::RngExt as _;

use crate::report::Report;

const ITEMS: u64 = 100_000;
/// 0.1 % and 1 %.
const APART: [u64; 2] = [100, 1_000];
const SESSIONS: usize = 31;

/// An item, and a time by which negentropy orders it.
type Item = (u64, Digest);

/// Lets two sets that are so much apart find it out.
type Session = fn(&[Item], &[Item], u64) -> Result<Cost, String>;

/// Bytes both ways, questions that the first side asked, and seconds of both sides together.
#[derive(Clone, Copy)]
struct Cost {
    bytes: f64,
    questions: f64,
    seconds: f64,
}

pub fn run(report: &mut Report) -> Result<(), String> {
    for apart in APART {
        for (placement, recent) in [("anywhere", false), ("all among the newest", true)] {
            let of = |session: Session, sessions: usize| -> Result<Vec<Cost>, String> {
                let one = |_| {
                    let (ours, theirs) = sets(apart, recent);
                    session(&ours, &theirs, apart)
                };
                (0..sessions).map(one).collect()
            };
            let what = format!("{ITEMS} items, {apart} apart, {placement}");
            let ours = of(symbols, SESSIONS)?;
            let theirs = of(ranges, 3)?;
            let [bytes, seconds] = [|cost: &Cost| cost.bytes, |cost: &Cost| cost.seconds];
            let peer = report.figure(format!("{what}: negentropy, bytes"), median(&theirs, bytes), "bytes");
            report.figure(
                format!("{what}: negentropy, questions"),
                median(&theirs, |cost| cost.questions),
                "",
            );
            report.ratio(format!("{what}: bytes"), median(&ours, bytes), "bytes", "negentropy", peer);
            report.figure(format!("{what}: bytes, most of {SESSIONS}"), most(&ours, bytes), "bytes");
            report.figure(format!("{what}: questions"), median(&ours, |cost| cost.questions), "");
            report.figure(format!("{what}: questions, most"), most(&ours, |cost| cost.questions), "");
            let longer = ours.iter().filter(|cost| cost.questions > 2.0).count();
            report.figure(format!("{what}: sessions with more than two"), longer as f64, "");
            let peer = median(&theirs, seconds);
            report.ratio(
                format!("{what}: time of both sides"),
                median(&ours, seconds) * 1e3,
                "ms",
                "negentropy",
                peer * 1e3,
            );
        }
    }
    Ok(())
}

/// Two sets that are `apart`, half of it on each side.
fn sets(apart: u64, recent: bool) -> (Vec<Item>, Vec<Item>) {
    let mut random = rand::rng();
    let mut item = |time: u64| (time, Digest::from_bytes(random.random()));
    let common: Vec<Item> = (0..ITEMS - apart / 2).map(&mut item).collect();
    let mut own = || {
        let times = (0..apart / 2).map(|i| if recent { ITEMS + i } else { i * (ITEMS / apart) * 2 });
        let own: Vec<Item> = times.map(&mut item).collect();
        [common.clone(), own].concat()
    };
    (own(), own())
}

fn symbols(ours: &[Item], theirs: &[Item], apart: u64) -> Result<Cost, String> {
    let digests = |items: &[Item]| -> Vec<Digest> { items.iter().map(|(_, item)| *item).collect() };
    let (ours, theirs) = (digests(ours), digests(theirs));
    let start = Instant::now();
    let (mut initiator, mut message) =
        Initiator::new(ours, ReconcileSalt(rand::random())).map_err(|error| error.to_string())?;
    let mut responder =
        Responder::new(theirs, ReconcileSalt(rand::random())).map_err(|error| error.to_string())?;
    let (mut bytes, mut questions) = (0, 0);
    loop {
        bytes += message.encode().len();
        questions += 1;
        let answer = responder.receive(message).map_err(|error| error.to_string())?;
        let Answer::Reply(reply) = answer else { return Err("no symbols".into()) };
        bytes += reply.encode().len();
        match initiator.receive(reply).map_err(|error| error.to_string())? {
            Progress::Ask(next) => message = next,
            Progress::Known(difference) => {
                let seconds = start.elapsed().as_secs_f64();
                let found = difference.missing.len() + difference.surplus.len();
                return cost(found, apart, bytes, questions, seconds);
            }
        }
    }
}

fn ranges(ours: &[Item], theirs: &[Item], apart: u64) -> Result<Cost, String> {
    let failed = |error: negentropy::Error| error.to_string();
    let storage = |items: &[Item]| {
        let mut storage = NegentropyStorageVector::with_capacity(items.len());
        for (time, item) in items {
            storage.insert(*time, Id::from_byte_array(*item.as_bytes())).map_err(failed)?;
        }
        storage.seal().map_err(failed)?;
        Negentropy::owned(storage, 0).map_err(failed)
    };
    let start = Instant::now();
    let (mut client, mut relay) = (storage(ours)?, storage(theirs)?);
    let (mut have, mut need) = (Vec::new(), Vec::new());
    let (mut bytes, mut questions) = (0, 0);
    let mut next = Some(client.initiate().map_err(failed)?);
    while let Some(message) = next {
        bytes += message.len();
        questions += 1;
        let reply = relay.reconcile(&message).map_err(failed)?;
        bytes += reply.len();
        next = client.reconcile_with_ids(&reply, &mut have, &mut need).map_err(failed)?;
    }
    cost(have.len() + need.len(), apart, bytes, questions, start.elapsed().as_secs_f64())
}

fn cost(found: usize, apart: u64, bytes: usize, questions: u32, seconds: f64) -> Result<Cost, String> {
    if found as u64 != apart {
        return Err(format!("found {found} of {apart} differences"));
    }
    Ok(Cost { bytes: bytes as f64, questions: f64::from(questions), seconds })
}

fn median(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    let mut figures: Vec<f64> = costs.iter().map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

fn most(costs: &[Cost], figure: impl Fn(&Cost) -> f64) -> f64 {
    costs.iter().map(figure).fold(0.0, f64::max)
}
