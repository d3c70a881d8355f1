//! Following a log from sources that lie, stall, vanish and contradict each other, with answers in
//! any order and crashes in between: what is stored is always the log's.

#![allow(clippy::unwrap_used, clippy::panic, clippy::cast_possible_truncation)]

mod site;
mod world;

use jurat_gossip::{FollowCounts, MAX_RESOURCES_AT_ONCE, SourceFailure};
use jurat_log::{ForkEvidence, LogReader, TreeSize};
use proptest::{collection::vec, prelude::*};

use site::{Lie, Site, policy};
use world::World;

/// Long after any backoff.
const LATER: u64 = 4_000_000;

fn count(counts: &FollowCounts, failure: SourceFailure) -> u64 {
    counts.failures[failure as usize]
}

#[test]
fn a_log_is_followed_while_it_grows() {
    let mut world = World::new(1, vec![Site::new(0, "")]);
    for size in [0, 1, 255, 256, 300, 511, 512, 1_000, 66_000, 131_072, 131_073] {
        world.sites[0].grow(size);
        world.later();
        world.round();
        assert_eq!(world.head(), Some(size));
        world.assert_copied();
    }
    let reader = LogReader::open(&world.sites[0].checkpoint_at(131_073), world.stored.clone()).unwrap();
    assert_eq!(reader.entries(511).unwrap()[255], site::entry("", 131_071));
    assert_eq!(world.follower.counts().entries, 131_073);
    assert_eq!(world.follower.counts().failures, [0; 5]);
}

#[test]
fn nothing_is_got_twice_and_several_sources_share_the_work() {
    let mut world = World::new(2, vec![Site::new(20_000, ""), Site::new(20_000, ""), Site::new(20_000, "")]);
    world.round();
    world.assert_copied();
    // 79 bundles with their tiles of hashes, the right edge, and three checkpoints.
    assert_eq!(world.gets.iter().sum::<usize>(), 79 + 78 + 2 + 3, "{:?}", world.gets);
    assert!(world.gets.iter().all(|gets| *gets > 40), "{:?}", world.gets);
    world.later();
    world.round();
    assert_eq!(world.gets.iter().sum::<usize>(), 79 + 78 + 2 + 6);
}

#[test]
fn each_lie_is_named_and_none_is_stored() {
    for (lie, failure) in [
        (Lie::Down, SourceFailure::Unreachable),
        (Lie::Stops, SourceFailure::Unreachable),
        (Lie::Drips, SourceFailure::Unreachable),
        (Lie::NoCheckpoint, SourceFailure::Checkpoint),
        (Lie::Gibberish, SourceFailure::Checkpoint),
        (Lie::OtherLog, SourceFailure::Checkpoint),
        (Lie::Unsigned, SourceFailure::Checkpoint),
        (Lie::Huge, SourceFailure::Missing),
        (Lie::WrongEdge, SourceFailure::Wrong),
        (Lie::ShortTile, SourceFailure::Wrong),
        (Lie::LongTile, SourceFailure::Unreachable),
        (Lie::WrongTile, SourceFailure::Wrong),
        (Lie::TornBundle, SourceFailure::Wrong),
        (Lie::OtherBundle, SourceFailure::Wrong),
        (Lie::RepeatedEntry, SourceFailure::Wrong),
        (Lie::SwappedEntries, SourceFailure::Wrong),
        (Lie::NoBundles, SourceFailure::Missing),
        (Lie::NoTiles, SourceFailure::Missing),
    ] {
        // Alone, a liar gets nothing in; beside an honest source, it stops nothing.
        let mut alone = World::new(3, vec![Site::lying(3_000, lie)]);
        alone.round();
        assert_eq!(alone.head(), None, "{lie:?}");
        assert_eq!(count(alone.follower.counts(), failure), 1, "{lie:?}: {:?}", alone.follower.counts());
        alone.assert_stored_is_true();
        let mut beside = World::new(4, vec![Site::lying(3_000, lie), Site::new(3_000, "")]);
        beside.round();
        assert_eq!(beside.head(), Some(3_000), "{lie:?}");
        beside.assert_copied();
        let failures = beside.follower.sources().map(|source| source.failures);
        assert_eq!(failures.last(), Some(0), "{lie:?}");
    }
}

/// All else goes on meanwhile: the dripping source holds up what it was asked for, at most half of what is
/// got at a time, until one deadline.
#[test]
fn a_source_that_drips_costs_one_deadline() {
    let mut world = World::new(12, vec![Site::new(20_000, ""), Site::lying(20_000, Lie::Drips)]);
    world.round();
    assert_eq!(world.head(), Some(20_000));
    world.assert_copied();
    assert!(world.gets[1] <= 1 + MAX_RESOURCES_AT_ONCE, "{:?}", world.gets);
    assert!(world.deadlines <= 1 + MAX_RESOURCES_AT_ONCE / 2, "{}", world.deadlines);
}

#[test]
fn a_source_that_fails_is_left_alone_for_longer_each_time() {
    let mut world = World::new(5, vec![Site::lying(100, Lie::Down)]);
    let mut waits = Vec::new();
    for _ in 0..8 {
        world.round();
        let due = world.follower.next_wakeup().unwrap().0;
        waits.push((due - world.now) / 1_000);
        world.now = due;
    }
    assert_eq!(waits, [60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
    world.sites[0].retry_after = 3_000;
    world.round();
    assert_eq!(world.follower.next_wakeup().unwrap().0 - world.now, 3_000_000);
    world.now += LATER;
    world.sites[0].lie = None;
    world.round();
    assert_eq!((world.head(), world.follower.next_wakeup().unwrap().0 - world.now), (Some(100), 300_000));
}

#[test]
fn where_a_partial_tile_is_gone_the_full_one_is_read() {
    let mut site = Site::new(600, "");
    site.publish(800);
    site.files.retain(|path, _| !path.contains("/002.p/"));
    let mut world = World::new(6, vec![site]);
    world.round();
    assert_eq!(world.head(), Some(600));
    world.assert_copied();
}

#[test]
fn a_smaller_checkpoint_is_no_fork_and_a_contradicting_one_is() {
    let mut world = World::new(7, vec![Site::new(1_000, ""), Site::new(400, "")]);
    world.round();
    assert_eq!(world.head(), Some(1_000));
    world.sites[1].grow(700);
    world.later();
    world.round();
    assert_eq!(world.follower.counts().failures, [0; 5]);
    assert_eq!(world.follower.sources().last().unwrap().size, Some(TreeSize::new(700).unwrap()));
    for (size, history) in [(1_000, "fork"), (2_000, "fork"), (500, "fork"), (256, "fork"), (1, "fork")] {
        let mut world = World::new(8, vec![Site::new(1_000, ""), Site::new(0, "")]);
        world.round();
        world.sites[1] = Site::new(size, history);
        world.later();
        world.round();
        assert_eq!(world.head(), Some(1_000), "{size}");
        world.assert_copied();
        assert_eq!(count(world.follower.counts(), SourceFailure::Fork), 1, "{size}");
        let [(1, evidence)] = &world.forks[..] else { panic!("{size}: {:?}", world.forks) };
        let evidence = ForkEvidence::parse(evidence.to_string().as_bytes()).unwrap();
        assert_eq!(evidence.verify(&policy()).unwrap().both.len(), 1);
        // It is not asked again, and the other one is.
        world.sites[0].grow(1_200);
        let gets = world.gets[1];
        world.later();
        world.round();
        assert_eq!((world.head(), world.gets[1]), (Some(1_200), gets));
        assert!(world.follower.sources().last().unwrap().forked);
    }
}

#[test]
fn of_two_sources_that_contradict_each_other_none_is_followed() {
    let mut world = World::new(9, vec![Site::new(500, ""), Site::new(500, "fork"), Site::new(400, "")]);
    world.round_in_order();
    assert_eq!(world.forks.len(), 2);
    assert_eq!(world.head(), Some(400));
    world.assert_copied();
}

#[test]
fn damage_to_what_is_stored_is_told_and_blamed_on_nobody() {
    let mut world = World::new(10, vec![Site::new(1_000, ""), Site::new(600, "")]);
    world.round();
    world.stored.files.get_mut("tile/0/002").unwrap()[40] ^= 1;
    world.later();
    world.round();
    assert_eq!((world.damaged, world.follower.counts().damaged), (1, 1));
    assert_eq!(world.follower.counts().failures, [0; 5]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// Whatever the sources do and in whatever order they answer, what is stored is the log's, and
    /// one honest source is enough.
    #[test]
    fn one_honest_source_is_enough(
        seed: u64,
        lies in vec(prop::sample::select(Lie::ALL.to_vec()), 0..4),
        mut sizes in vec(1_u64..3_000, 1..5),
        crash in vec(0_usize..80, 0..4),
        honest in 0_usize..4,
    ) {
        sizes.sort_unstable();
        let mut sites: Vec<Site> = lies.into_iter().map(|lie| Site::lying(sizes[0], lie)).collect();
        let honest = honest.min(sites.len());
        sites.insert(honest, Site::new(sizes[0], ""));
        let mut world = World::new(seed, sites);
        let mut crashes = crash.into_iter();
        for size in sizes {
            for site in &mut world.sites {
                site.grow(size);
            }
            if let Some(after) = crashes.next() {
                world.crash_after(after);
                world.assert_stored_is_true();
            }
            world.later();
            world.round();
            prop_assert_eq!(world.head(), Some(size));
            world.assert_copied();
        }
    }
}

#[test]
fn what_a_crash_left_is_not_got_again() {
    let mut world = World::new(11, vec![Site::new(10_000, "")]);
    world.crash_after(120);
    let got = world.gets[0];
    let kept = world.stored.files.len();
    assert!(kept > 20 && world.head().is_none());
    world.round();
    world.assert_copied();
    let whole = 1 + 2 + 39 + 40;
    assert!(world.gets[0] - got < whole - kept / 2, "{} of {whole} after {got}", world.gets[0] - got);
}
