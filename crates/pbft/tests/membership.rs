//! Councils that change while they work: members join and leave under load, whatever the weather.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod cluster;
mod forge;

use cluster::{Cluster, Lie, Weather};
use jurat_pbft::{Change, Config, RequestDigest};
use rand::RngExt;

/// More seeds than CI runs: `PBFT_SEEDS=2000 cargo test -p jurat-pbft --test membership`.
const SEEDS: Option<&str> = option_env!("PBFT_SEEDS");

fn seeds(usual: u64) -> std::ops::Range<u64> {
    0..SEEDS.map_or(usual, |seeds| seeds.parse().unwrap())
}

fn config() -> Config {
    Config {
        checkpoint_interval: 4,
        window: 16,
        max_in_flight: 4,
        max_batch_requests: 3,
        ..Config::default()
    }
}

/// A council, what it was asked to do, and the numbers that are used up.
struct Story {
    cluster: Cluster,
    requests: Vec<RequestDigest>,
    seed: u64,
}

impl Story {
    fn new(n: usize, seed: u64, weather: Weather) -> Self {
        Self { cluster: Cluster::new(n, seed, weather, config()), requests: Vec::new(), seed }
    }

    fn someone_up(&mut self) -> Option<usize> {
        let honest = self.cluster.honest().into_iter();
        let up: Vec<usize> = honest
            .filter(|i| self.cluster.nodes[*i].replica.is_some() && !self.cluster.nodes[*i].is_retired())
            .collect();
        (!up.is_empty()).then(|| up[self.cluster.rng().random_range(0..up.len())])
    }

    fn submit(&mut self, count: usize) {
        for _ in 0..count {
            if let Some(to) = self.someone_up() {
                self.requests.push(self.cluster.submit(to, self.requests.len() as u64));
            }
        }
    }

    fn change(&mut self, change: Change) {
        if let Some(to) = self.someone_up() {
            self.requests.push(self.cluster.submit_change(to, self.requests.len() as u64, change));
        }
    }

    /// Asks for the next member to be added, or for one of the honest to leave.
    fn change_something(&mut self) {
        let council = self.cluster.chain().last().clone();
        let grow = council.size() < 5 || (council.size() < 8 && self.cluster.rng().random());
        if grow {
            // The id that it gets, and with it its key, follows from how many were there before.
            let next =
                self.cluster.chain().councils().flat_map(jurat_pbft::Council::members).max().unwrap().0 + 1;
            self.change(Change::Add(forge::key(usize::from(next)).verifying_key()));
        } else {
            let honest: Vec<_> = council
                .members()
                .filter(|id| self.cluster.nodes.get(usize::from(id.0)).is_some_and(|node| node.lie.is_none()))
                .collect();
            let leaver = honest[self.cluster.rng().random_range(0..honest.len())];
            self.change(Change::Remove(leaver));
        }
    }

    fn run(&mut self, time: u64) {
        self.cluster.run_until(self.cluster.now + time);
    }

    fn end(mut self) -> Cluster {
        let seed = self.seed;
        self.cluster.heal();
        self.cluster.weather = Weather::calm();
        for i in 0..self.cluster.nodes.len() {
            if self.cluster.nodes[i].replica.is_none() && self.cluster.nodes[i].lie != Some(Lie::Silence) {
                self.cluster.start(i);
            }
        }
        self.run(100);
        let outcome = self.cluster.run_until_executed(&self.requests, 180_000);
        assert_eq!(self.cluster.violation, None, "seed {seed}");
        assert_eq!(self.cluster.halted, [], "seed {seed}");
        outcome.unwrap_or_else(|report| panic!("seed {seed}: {report}"));
        let longest =
            self.cluster.honest().into_iter().max_by_key(|i| self.cluster.nodes[*i].app.executed.len());
        let longest = self.cluster.nodes[longest.unwrap()].app.executed.clone();
        for i in self.cluster.honest() {
            let executed = &self.cluster.nodes[i].app.executed;
            assert!(longest.starts_with(executed), "seed {seed}: member {i}");
        }
        let mut once = longest.clone();
        once.sort_unstable();
        once.dedup();
        assert_eq!(once.len(), longest.len(), "seed {seed}: executed twice");
        self.cluster
    }
}

#[test]
fn a_member_joins_and_another_leaves_without_a_view_change() {
    let mut story = Story::new(4, 1, Weather::calm());
    story.submit(20);
    story.change(Change::Add(forge::key(4).verifying_key()));
    story.submit(20);
    story.run(200);
    assert_eq!(story.cluster.chain().last().size(), 5);
    assert_eq!(story.cluster.welcome(), Some(4));
    story.submit(20);
    story.run(1_000);
    story.change(Change::Remove(forge::id(0)));
    story.submit(20);
    story.run(1_000);
    assert!(story.cluster.nodes[0].is_retired());
    let cluster = story.end();
    let last = cluster.chain().last().clone();
    assert_eq!((last.epoch().0, last.size()), (2, 4));
    for i in [1, 2, 3, 4] {
        let replica = cluster.nodes[i].replica.as_ref().unwrap();
        assert_eq!(replica.council(), &last);
        assert_eq!(replica.view_changes().0, 0, "member {i}");
    }
}

#[test]
fn an_epoch_begins_in_view_0_whatever_the_one_before_ended_in() {
    let mut story = Story::new(4, 1, Weather::calm());
    story.cluster.kill(0);
    story.submit(5);
    story.run(3_000);
    story.cluster.start(0);
    story.run(1_000);
    let views = |story: &Story| -> Vec<u64> {
        (0..4).map(|i| story.cluster.nodes[i].replica.as_ref().unwrap().view().0).collect()
    };
    assert_eq!(views(&story), [1; 4]);
    story.change(Change::Add(forge::key(4).verifying_key()));
    story.run(200);
    assert_eq!(story.cluster.chain().last().epoch().0, 1);
    assert_eq!(views(&story), [0; 4]);
    story.end();
}

#[test]
fn councils_change_under_load_with_loss_crashes_and_a_liar() {
    for seed in seeds(40) {
        let weather = Weather { loss: 0.03, repeat: 0.03, latency: 1..30, sync: 1..20, skew: 1_000 };
        let n = 4 + usize::try_from(seed % 4).unwrap();
        let mut story = Story::new(n, seed, weather);
        let lies = [None, Some(Lie::Equivocation), Some(Lie::Noise), Some(Lie::Coup), Some(Lie::Silence)];
        story.cluster.nodes[0].lie = lies[usize::try_from(seed / 4).unwrap() % lies.len()];
        story.cluster.keep = if seed % 3 == 0 { 6 } else { u64::MAX };
        story.cluster.newcomers_follow = seed % 3 == 1;
        for _ in 0..12 {
            story.submit(5);
            if story.cluster.rng().random_bool(0.5) {
                story.change_something();
                story.submit(3);
            }
            let pause = story.cluster.rng().random_range(50..600);
            story.run(pause);
            if story.cluster.rng().random_bool(0.7) {
                story.cluster.welcome();
            }
            let members = story.cluster.nodes.len();
            let victim = story.cluster.rng().random_range(1..members);
            let dice: u8 = story.cluster.rng().random_range(0..6);
            match dice {
                _ if story.cluster.nodes[victim].replica.is_none() => story.cluster.start(victim),
                0 | 1 => story.cluster.kill(victim),
                2 | 3 => story.cluster.save(victim),
                4 => {
                    for other in 0..story.cluster.nodes.len() {
                        if other != victim {
                            story.cluster.cut(victim, other);
                        }
                    }
                }
                _ => story.cluster.heal(),
            }
        }
        story.end();
    }
}

#[test]
fn who_joins_with_nothing_executes_all_that_was_decided_before_it_votes() {
    let mut story = Story::new(4, 3, Weather::calm());
    story.cluster.newcomers_follow = true;
    story.submit(60);
    for new in [4, 5] {
        story.change(Change::Add(forge::key(new).verifying_key()));
        story.submit(60);
        story.run(1_000);
    }
    // It comes when the council has gone on for long, and one that it never knew has joined since.
    assert_eq!(story.cluster.chain().last().size(), 6);
    assert_eq!(story.cluster.welcome(), Some(4));
    let newcomer = story.cluster.nodes[4].replica.as_ref().unwrap();
    assert!(newcomer.is_following());
    assert!(!newcomer.has_quorum(), "it decides nothing yet");
    for _ in 0..3 {
        // What it has executed and journaled is kept, whenever it is interrupted.
        story.run(15);
        story.cluster.save(4);
        story.cluster.kill(4);
        story.cluster.start(4);
    }
    story.run(2_000);
    assert_eq!(story.cluster.welcome(), Some(5));
    story.submit(20);
    story.run(2_000);
    // Two of six may be away, and the newcomers' votes count.
    story.cluster.kill(0);
    story.submit(20);
    let cluster = story.end();
    for i in [4, 5] {
        let replica = cluster.nodes[i].replica.as_ref().unwrap();
        assert!(!replica.is_following());
        assert_eq!(replica.id(), forge::id(i));
        assert_eq!(cluster.nodes[i].app.executed, cluster.nodes[1].app.executed);
    }
    assert_eq!(cluster.installed, 0);
}

#[test]
fn who_was_away_for_several_epochs_catches_up() {
    for keep in [u64::MAX, 3] {
        let mut story = Story::new(5, 7, Weather::calm());
        story.submit(6);
        story.run(500);
        story.cluster.save(4);
        story.run(100);
        story.cluster.kill(4);
        story.cluster.keep = keep;
        for new in [5, 6, 7] {
            story.change(Change::Add(forge::key(new).verifying_key()));
            story.run(300);
            assert_eq!(story.cluster.welcome(), Some(new));
            story.submit(30);
            story.run(1_500);
        }
        story.change(Change::Remove(forge::id(1)));
        story.run(2_000);
        story.cluster.start(4);
        story.submit(5);
        let cluster = story.end();
        assert_eq!(cluster.installed > 0, keep == 3, "a state is fetched where decisions are gone");
        let replica = cluster.nodes[4].replica.as_ref().unwrap();
        assert_eq!(replica.council().epoch().0, 4);
    }
}

#[test]
fn a_removed_member_that_lagged_learns_of_it() {
    let mut story = Story::new(5, 9, Weather::calm());
    story.submit(6);
    story.run(500);
    for other in 0..4 {
        story.cluster.cut(4, other);
    }
    story.submit(20);
    story.change(Change::Remove(forge::id(4)));
    story.run(1_000);
    story.cluster.heal();
    story.run(3_000);
    assert!(story.cluster.nodes[4].is_retired());
    // It stays so, and still knows when it comes back.
    story.cluster.kill(4);
    story.cluster.start(4);
    assert!(story.cluster.nodes[4].is_retired());
    story.end();
}
