//! SIGKILL at any moment, of any members.

use std::{env, sync::Arc};

use jurat_tests::{Council, Load};
use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};

/// Each place once, and whoever is primary: with one member down the council goes on, and the one that
/// comes back catches up.
#[test]
fn one_member_at_a_time_is_killed_under_load() {
    let council = Arc::new(Council::start());
    let load = Load::start(&council, 4);
    load.until_more(20);
    for place in 0..5 {
        let member = if place < 4 { place } else { council.primary(0) };
        council.kill(member);
        load.until_more(20);
        council.run(member);
        council.until_connected();
        load.until_more(20);
    }
    let promises = load.stop();
    assert!(promises.len() >= 220);
    promises.hold(&council);
}

/// The power goes, for everyone: what was acknowledged is on enough disks.
#[test]
fn all_members_are_killed_at_once_under_load() {
    let council = Arc::new(Council::start());
    let load = Load::start(&council, 6);
    for _ in 0..4 {
        load.until_more(50);
        for member in 0..4 {
            council.kill(member);
        }
        for member in 0..4 {
            council.run(member);
        }
        load.until_more(10);
    }
    let promises = load.stop();
    council.until_connected();
    promises.hold(&council);
}

/// Kills and restarts in an order that a seed gives; the moments are the machine's.
#[test]
#[expect(clippy::print_stdout, reason = "how to repeat a failure")]
fn members_are_killed_and_restarted_at_random() {
    const ROUNDS: usize = 12;
    const SEED: &str = "FAULTS_SEED";
    let seed = env::var(SEED).map_or_else(|_| rand::random(), |seed| seed.parse().unwrap());
    println!("{SEED}={seed} repeats the order");
    let mut rng = StdRng::seed_from_u64(seed);
    let council = Arc::new(Council::start());
    let load = Load::start(&council, 4);
    for _ in 0..ROUNDS {
        load.until_more(rng.random_range(1..60));
        let mut members = [0, 1, 2, 3];
        members.shuffle(&mut rng);
        let killed = &members[..[1, 1, 1, 2, 3][rng.random_range(0..5)]];
        for member in killed {
            council.kill(*member);
        }
        // A quorum goes on meanwhile.
        if killed.len() == 1 {
            load.until_more(rng.random_range(0..40));
        }
        for member in killed {
            council.run(*member);
            // Killed again before it has found the others, sometimes.
            if rng.random_bool(0.3) {
                council.until_answers(*member);
                council.kill(*member);
                council.run(*member);
            }
        }
    }
    load.until_more(1);
    let promises = load.stop();
    council.until_connected();
    promises.hold(&council);
}
