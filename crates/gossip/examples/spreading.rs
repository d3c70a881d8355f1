//! Prints the figures of spreading, from the simulator: `cargo run --release -p jurat-gossip --example spreading`.

use std::io::{self, Write};

use jurat_gossip::{Simulation, SimulationSetup, ViewSize};

const SEEDS: u64 = 5;

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "bodies received per body needed, 32 nodes, worst of {SEEDS} seeds")?;
    for size in [ViewSize::Partial, ViewSize::FullMesh] {
        let single = worst(|seed| amplification(size, seed, 100, 1));
        let burst = worst(|seed| amplification(size, seed, 1, 100));
        let all = worst(|seed| amplification(size, seed, 10, 100));
        writeln!(out, "{size:?}: one at a time {single:.3}, 100 at once {burst:.3}, 10 times 100 {all:.3}")?;
    }
    writeln!(out, "\nhops and milliseconds over the tree, and the best over the same links")?;
    for nodes in [8, 32, 128, 256] {
        for size in [ViewSize::Partial, ViewSize::FullMesh] {
            if size == ViewSize::Partial || nodes <= 32 {
                distances(&mut out, nodes, size)?;
            }
        }
    }
    writeln!(out, "\ndelivery, worst of {SEEDS} seeds: broadcasts, seconds until the last was everywhere")?;
    for nodes in [32, 128, 256] {
        for fault in [Fault::Burst, Fault::Loss, Fault::Churn, Fault::Partition] {
            deliver(&mut out, nodes, fault)?;
        }
    }
    Ok(())
}

fn worst(measure: impl Fn(u64) -> f64) -> f64 {
    (0..SEEDS).map(measure).fold(0.0, f64::max)
}

fn network(seed: u64, nodes: u32, size: ViewSize, loss: u8) -> Simulation {
    let mut simulation = Simulation::new(SimulationSetup { seed, nodes, size, loss });
    simulation.run(20_000);
    simulation.take_traffic();
    simulation
}

/// The first broadcast, which finds a tree that has never been used, is counted.
fn amplification(size: ViewSize, seed: u64, rounds: u32, at_once: u32) -> f64 {
    let mut simulation = network(seed, 32, size, 0);
    for _ in 0..rounds {
        for _ in 0..at_once {
            let sender = simulation.any();
            simulation.broadcast(sender);
        }
        simulation.run(3_000);
    }
    assert!(simulation.all_reached());
    let needed = simulation.spreads().map(|spread| spread.to.len() as u64).sum();
    ratio(simulation.take_traffic().bodies, needed)
}

fn distances(out: &mut impl Write, nodes: u32, size: ViewSize) -> io::Result<()> {
    let mut simulation = network(1, nodes, size, 0);
    for _ in 0..100 {
        let sender = simulation.any();
        simulation.broadcast(sender);
        simulation.run(3_000);
    }
    let (mut count, mut hops, mut millis) = (0_u64, 0_u64, 0_u64);
    let (mut most_hops, mut most_millis) = (0_u64, 0_u64);
    let (mut best_hops, mut best_millis, mut best_most_hops, mut best_most_millis) = (0, 0, 0, 0);
    for spread in simulation.spreads() {
        for (at, over) in spread.reached.values() {
            count += 1;
            hops += u64::from(*over);
            millis += at - spread.sent;
            most_hops = most_hops.max((*over).into());
            most_millis = most_millis.max(at - spread.sent);
        }
        best_hops += spread.best.hops;
        best_millis += spread.best.millis;
        best_most_hops = best_most_hops.max(spread.best.most_hops);
        best_most_millis = best_most_millis.max(spread.best.most_millis);
    }
    let mean = |sum: u64| ratio(sum, count);
    writeln!(
        out,
        "{nodes} {size:?}: hops mean {:.1} most {most_hops} (best {:.1}, {best_most_hops}), ms mean {:.0} most {most_millis} (best {:.0}, {best_most_millis})",
        mean(hops),
        mean(best_hops),
        mean(millis),
        mean(best_millis),
    )
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Burst,
    Loss,
    Churn,
    Partition,
}

fn deliver(out: &mut impl Write, nodes: u32, fault: Fault) -> io::Result<()> {
    let (mut slowest, mut amplification, mut checks) = (0.0_f64, 0.0_f64, 0.0_f64);
    let mut sent = 0;
    for seed in 0..SEEDS {
        let loss = if matches!(fault, Fault::Loss) { 20 } else { 0 };
        let mut simulation = network(seed, nodes, ViewSize::Partial, loss);
        let before = simulation.checks();
        for second in 0..30 {
            match fault {
                Fault::Burst if second == 0 => (0..200).for_each(|_| any_sends(&mut simulation)),
                Fault::Burst => {}
                Fault::Churn if second % 2 == 0 => {
                    // The anchors stay.
                    let victim = simulation.any();
                    if victim > 2 {
                        simulation.kill(victim);
                        simulation.start();
                    }
                    any_sends(&mut simulation);
                }
                Fault::Partition if second == 0 => {
                    simulation.partition(2);
                    any_sends(&mut simulation);
                }
                _ => any_sends(&mut simulation),
            }
            simulation.run(1_000);
        }
        simulation.partition(1);
        let healed = simulation.now();
        while !simulation.all_reached() {
            simulation.run(100);
            assert!(simulation.now() < healed + 300_000, "{nodes} {fault:?} seed {seed}: not all delivered");
        }
        let last = simulation.spreads().filter_map(|spread| {
            let at = spread.to.iter().filter_map(|node| spread.reached.get(node)).map(|(at, _)| *at).max()?;
            let since = if matches!(fault, Fault::Partition) { healed } else { spread.sent };
            Some(at.saturating_sub(since))
        });
        slowest = slowest.max(ratio(last.max().unwrap_or(0), 1_000));
        let needed = simulation.spreads().map(|spread| spread.reached.len() as u64).sum();
        amplification = amplification.max(ratio(simulation.take_traffic().bodies, needed));
        checks = checks.max(ratio(simulation.checks() - before, needed));
        sent = simulation.spreads().count();
    }
    writeln!(
        out,
        "{nodes} {fault:?}: {sent} broadcasts, 100 % delivered, slowest {slowest:.1} s, bodies per needed {amplification:.2}, checks per message and node {checks:.2}"
    )
}

fn any_sends(simulation: &mut Simulation) {
    let sender = simulation.any();
    simulation.broadcast(sender);
}

#[expect(clippy::cast_precision_loss, reason = "both are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole as f64
}
