//! Councils under bad weather: whatever is lost, cut, crashed or lied about, honest members execute
//! one order, and once the weather clears they execute everything.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cluster;
mod forge;

use cluster::{Cluster, Lie, Weather};
use jurat_pbft::{Config, RequestDigest};
use rand::RngExt;

fn config() -> Config {
    Config {
        checkpoint_interval: 4,
        window: 16,
        max_in_flight: 4,
        max_batch_requests: 3,
        ..Config::default()
    }
}

fn submit_some(cluster: &mut Cluster, requests: &mut Vec<RequestDigest>, count: usize) {
    for _ in 0..count {
        let honest = cluster.honest();
        let up: Vec<usize> = honest.into_iter().filter(|i| cluster.nodes[*i].replica.is_some()).collect();
        if up.is_empty() {
            return;
        }
        let to = up[cluster.rng().random_range(0..up.len())];
        let number = requests.len() as u64;
        let request = cluster.submit(to, number);
        requests.push(request);
    }
}

fn check(cluster: &mut Cluster, requests: &[RequestDigest], seed: u64) {
    let outcome = cluster.run_until_executed(requests, 120_000);
    assert_eq!(cluster.violation, None, "seed {seed}");
    assert_eq!(cluster.halted, [], "seed {seed}");
    outcome.unwrap_or_else(|report| panic!("seed {seed}: {report}"));
    let honest = cluster.honest();
    let first = &cluster.nodes[honest[0]].app.executed;
    for i in &honest {
        let executed = &cluster.nodes[*i].app.executed;
        let shared = first.len().min(executed.len());
        assert_eq!(executed[..shared], first[..shared], "seed {seed}: member {i}");
    }
}

#[test]
fn in_calm_weather_requests_execute_in_a_few_round_trips() {
    for n in [1, 4, 5, 6, 7, 10] {
        let mut cluster = Cluster::new(n, 1, Weather::calm(), config());
        let mut requests = Vec::new();
        submit_some(&mut cluster, &mut requests, 20);
        let took = cluster.run_until_executed(&requests, 10_000).unwrap();
        assert!(took <= 200, "n = {n}: {took} ms of virtual time");
        check(&mut cluster, &requests, 1);
        for i in cluster.honest() {
            let replica = cluster.nodes[i].replica.as_ref().unwrap();
            assert_eq!(replica.view().0, 0, "no view change in calm weather");
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let run = |seed| {
        let weather = Weather { loss: 0.1, repeat: 0.1, latency: 1..40, sync: 1..20, skew: 100 };
        let mut cluster = Cluster::new(4, seed, weather, config());
        let mut requests = Vec::new();
        submit_some(&mut cluster, &mut requests, 30);
        cluster.run_until(5_000);
        (cluster.messages, cluster.nodes[0].app.executed.clone())
    };
    assert_eq!(run(7), run(7));
    assert_ne!(run(7).0, run(8).0);
}

#[test]
fn loss_repetition_and_reordering_cost_time_but_nothing_else() {
    for seed in 0..40 {
        let weather = Weather { loss: 0.15, repeat: 0.1, latency: 1..80, sync: 1..30, skew: 5_000 };
        let mut cluster = Cluster::new(4 + usize::try_from(seed % 4).unwrap(), seed, weather, config());
        let mut requests = Vec::new();
        for _ in 0..10 {
            submit_some(&mut cluster, &mut requests, 6);
            cluster.run_until(cluster.now + 300);
        }
        cluster.weather = Weather::calm();
        check(&mut cluster, &requests, seed);
    }
}

#[test]
fn crashes_lose_nothing_that_was_promised() {
    for seed in 100..160 {
        let weather = Weather { loss: 0.02, repeat: 0.02, latency: 1..20, sync: 1..40, skew: 1_000 };
        let mut cluster = Cluster::new(4, seed, weather, config());
        let mut requests = Vec::new();
        for _ in 0..25 {
            submit_some(&mut cluster, &mut requests, 4);
            let pause = cluster.rng().random_range(1..400);
            cluster.run_until(cluster.now + pause);
            let victim = cluster.rng().random_range(0..4);
            if cluster.nodes[victim].replica.is_some() {
                if cluster.rng().random() {
                    cluster.save(victim);
                } else {
                    cluster.kill(victim);
                }
            } else {
                cluster.start(victim);
            }
        }
        for i in 0..4 {
            if cluster.nodes[i].replica.is_none() {
                cluster.start(i);
            }
        }
        cluster.weather = Weather::calm();
        check(&mut cluster, &requests, seed);
    }
}

#[test]
fn partitions_heal() {
    for seed in 200..240 {
        let weather = Weather { loss: 0.01, repeat: 0.0, latency: 1..20, sync: 1..10, skew: 1_000 };
        let mut cluster = Cluster::new(7, seed, weather, config());
        let mut requests = Vec::new();
        for _ in 0..8 {
            submit_some(&mut cluster, &mut requests, 5);
            let split = cluster.rng().random_range(1..7);
            for a in 0..split {
                for b in split..7 {
                    cluster.cut(a, b);
                }
            }
            let pause = cluster.rng().random_range(100..4_000);
            cluster.run_until(cluster.now + pause);
            cluster.heal();
            let pause = cluster.rng().random_range(0..500);
            cluster.run_until(cluster.now + pause);
        }
        check(&mut cluster, &requests, seed);
    }
}

#[test]
fn a_dead_primary_is_replaced_within_two_timeouts() {
    let mut cluster = Cluster::new(4, 3, Weather::calm(), config());
    let mut requests = Vec::new();
    submit_some(&mut cluster, &mut requests, 10);
    cluster.run_until_executed(&requests, 10_000).unwrap();
    cluster.kill(0);
    cluster.nodes[0].lie = Some(Lie::Silence);
    submit_some(&mut cluster, &mut requests, 1);
    let took = cluster.run_until_executed(&requests, 10_000).unwrap();
    assert!(took <= 2 * cluster.config.view_change_timeout, "{took} ms");
}

/// Messages take as long as the timeout, so that no batch is agreed on within it.
#[test]
fn a_network_slower_than_the_timeout_costs_few_view_changes() {
    let config = Config { view_change_timeout: 200, ..config() };
    let slow = Weather { loss: 0.0, repeat: 0.0, latency: 120..200, sync: 1..20, skew: 0 };
    let views = |cluster: &Cluster| cluster.nodes[1].replica.as_ref().unwrap().view().0;
    for seed in 500..510 {
        let mut cluster = Cluster::new(4, seed, slow.clone(), config);
        let mut requests = Vec::new();
        for _ in 0..30 {
            submit_some(&mut cluster, &mut requests, 1);
            cluster.run_until_executed(&requests, 20_000).unwrap();
        }
        let slow_views = views(&cluster);
        assert!((1..=8).contains(&slow_views), "seed {seed}: {slow_views} view changes for 30 batches");

        // Once messages are fast, one batch brings the timeout back to where it began.
        cluster.weather = Weather::calm();
        cluster.run_until(cluster.now + 1_000);
        submit_some(&mut cluster, &mut requests, 1);
        cluster.run_until_executed(&requests, 10_000).unwrap();
        let primary = usize::from(cluster.nodes[1].replica.as_ref().unwrap().primary().0);
        cluster.kill(primary);
        cluster.nodes[primary].lie = Some(Lie::Silence);
        submit_some(&mut cluster, &mut requests, 1);
        let took = cluster.run_until_executed(&requests, 10_000).unwrap();
        assert!(took <= 2 * config.view_change_timeout, "seed {seed}: {took} ms");
    }
}

/// Cuts off member 3 of 4 while the others decide some hundred batches; says how long it then takes to
/// catch up, and what each of them sent.
fn catch_up(lie: Option<Lie>, link: std::ops::Range<u64>) -> (u64, Vec<usize>) {
    let mut cluster =
        Cluster::new(4, 11, Weather::calm(), Config { max_batch_requests: 1, ..Config::default() });
    for other in 0..3 {
        cluster.cut(3, other);
    }
    let mut requests = Vec::new();
    for _ in 0..60 {
        submit_some(&mut cluster, &mut requests, 10);
        cluster.run_until(cluster.now + 500);
    }
    let bodies: Vec<_> = requests.clone();
    cluster.nodes[0].lie = lie;
    cluster.weather = Weather { latency: link, ..Weather::calm() };
    cluster.served.fill(0);
    cluster.heal();
    let took = cluster.run_until_executed(&bodies, 100_000).unwrap();
    assert_eq!(cluster.installed, 0, "caught up decision by decision");
    (took, cluster.served[..3].to_vec())
}

#[test]
fn what_is_fetched_comes_from_several_members_and_hardly_twice() {
    let (_, served) = catch_up(None, 20..30);
    let most = served.iter().max().unwrap();
    let all: usize = served.iter().sum();
    assert!(*most <= all / 2 && all <= 800, "{served:?}");
}

#[test]
fn who_drips_decisions_holds_nobody_up() {
    let (honest, _) = catch_up(None, 20..30);
    let (dripping, served) = catch_up(Some(Lie::Drip), 20..30);
    assert!(served[0] > 0, "it was asked");
    assert!(dripping <= 3 * honest + 2_000, "{dripping} ms instead of {honest} ms");
}

#[test]
fn f_liars_divide_nobody_and_stop_nobody() {
    for seed in 300..360 {
        let weather = Weather { loss: 0.02, repeat: 0.02, latency: 1..20, sync: 1..10, skew: 1_000 };
        let n = if seed % 2 == 0 { 4 } else { 7 };
        let mut cluster = Cluster::new(n, seed, weather, config());
        for liar in 0..cluster.council.max_faulty() {
            let lies = [Lie::Silence, Lie::Equivocation, Lie::Noise];
            cluster.nodes[liar].lie = Some(lies[usize::try_from(seed).unwrap() / 2 % 3]);
        }
        let mut requests = Vec::new();
        for _ in 0..8 {
            submit_some(&mut cluster, &mut requests, 6);
            cluster.run_until(cluster.now + 400);
        }
        cluster.weather = Weather::calm();
        check(&mut cluster, &requests, seed);
    }
}

#[test]
fn equivocation_leaves_evidence() {
    let mut cluster = Cluster::new(4, 5, Weather::calm(), config());
    cluster.nodes[0].lie = Some(Lie::Noise);
    let mut requests = Vec::new();
    for _ in 0..20 {
        submit_some(&mut cluster, &mut requests, 3);
        cluster.run_until(cluster.now + 500);
    }
    assert!(!cluster.evidence.is_empty());
    assert!(cluster.evidence.iter().all(|evidence| evidence.culprit() == forge::id(0)));
}

/// With f + 1 liars the invariant must break, or it does not check anything.
#[test]
fn with_more_liars_than_f_agreement_breaks() {
    let broken = (400..460).any(|seed| {
        let mut cluster = Cluster::new(4, seed, Weather::calm(), config());
        cluster.nodes[0].lie = Some(Lie::Equivocation);
        cluster.nodes[2].lie = Some(Lie::Equivocation);
        let mut requests = Vec::new();
        for _ in 0..10 {
            // Several at once, so that a batch has another order to show.
            submit_some(&mut cluster, &mut requests, 6);
            cluster.run_until(cluster.now + 200);
        }
        cluster.violation.is_some() || !cluster.halted.is_empty()
    });
    assert!(broken);
}
