//! Spreading as its users see it: everything arrives, once, whatever happens to the network and
//! whatever a neighbour sends.

use std::sync::Arc;

use jurat_gossip::{
    HELD_MILLIS, MAX_ANNOUNCED, MAX_MISSING_OF_ONE, MAX_SHUFFLED, MAX_SPREAD_BYTES, MAX_UNCHECKED,
    MAX_UNCHECKED_OF_ONE, SUMMARY_PARTS, Simulation, SimulationSetup, Situation, SpreadId, SpreadMessage,
    SpreadOutput, Spreader, ViewSize,
};
use proptest::prelude::*;

fn network(seed: u64, nodes: u32, size: ViewSize, loss: u8, reconciles: bool) -> Simulation {
    let mut simulation = Simulation::new(SimulationSetup { seed, nodes, size, loss, reconciles });
    simulation.run(20_000);
    simulation.take_traffic();
    simulation
}

fn broadcast(simulation: &mut Simulation, count: u32) {
    for _ in 0..count {
        let sender = simulation.any();
        simulation.broadcast(sender);
    }
}

#[test]
fn hardly_a_body_is_received_twice() {
    for seed in 0..3 {
        for size in [ViewSize::Partial, ViewSize::FullMesh] {
            for (situation, thousandths) in [(Situation::OneByOne, 1_150), (Situation::AtOnce, 1_500)] {
                let outcome = situation.run(seed, 32, size).unwrap();
                let received = outcome.received * 1_000 / outcome.needed;
                assert!((1_000..=thousandths).contains(&received), "{situation:?}, {size:?}: {received}");
                assert_eq!(outcome.needed, 31 * 100);
            }
        }
    }
}

#[test]
fn in_a_full_mesh_one_link_is_the_way() {
    let outcome = Situation::OneByOne.run(0, 32, ViewSize::FullMesh).unwrap();
    // Two of these may not have heard of each other yet.
    assert!(outcome.taken.hops * 1_000 <= outcome.needed * 1_010, "{:?}", outcome.taken);
}

/// Whatever happens, everybody has everything in the end, who came later too, and each body was checked
/// once by each.
#[test]
fn everything_is_delivered_and_each_body_is_checked_once() {
    for situation in Situation::ALL {
        for (seed, nodes, size) in
            [(0, 8, ViewSize::FullMesh), (1, 20, ViewSize::FullMesh), (2, 40, ViewSize::Partial)]
        {
            let outcome = situation.run(seed, nodes, size).unwrap();
            assert_eq!(outcome.checks, outcome.needed, "{situation:?}, {nodes} nodes");
        }
    }
}

#[test]
fn an_open_partition_is_felt() {
    let mut simulation = network(2, 48, ViewSize::Partial, 0, true);
    simulation.partition(2);
    broadcast(&mut simulation, 10);
    simulation.run(60_000);
    assert!(!simulation.all_reached());
}

/// Longer than bodies are held, spreading alone does not heal: it is reconciliation that does.
#[test]
fn what_nobody_spreads_any_more_is_reconciled() {
    for reconciles in [true, false] {
        let mut simulation = network(3, 16, ViewSize::FullMesh, 0, reconciles);
        simulation.partition(2);
        broadcast(&mut simulation, 20);
        simulation.run(HELD_MILLIS + 60_000);
        simulation.partition(1);
        simulation.run(60_000);
        assert_eq!(simulation.all_reached(), reconciles);
        assert_eq!(simulation.take_traffic().fetched > 0, reconciles);
    }
}

#[test]
fn a_network_that_carries_nothing_delivers_nothing() {
    let mut simulation = network(0, 8, ViewSize::Partial, 100, true);
    broadcast(&mut simulation, 1);
    simulation.run(60_000);
    assert!(simulation.spreads().all(|spread| spread.reached.is_empty()));
}

#[test]
fn the_same_seed_gives_the_same_history() {
    let history = |seed| {
        let mut simulation = network(seed, 16, ViewSize::Partial, 20, true);
        broadcast(&mut simulation, 10);
        simulation.run(30_000);
        (simulation.spreads().cloned().collect::<Vec<_>>(), simulation.take_traffic())
    };
    assert_eq!(history(7), history(7));
    assert_ne!(history(7), history(8));
}

type Node = Spreader<u32>;

/// Node 0 with the lazy or eager neighbours 1 to 4.
fn node() -> Node {
    let mut node = Spreader::new(0, ViewSize::Partial, &[], 1, 0);
    for peer in 1..=4 {
        node.receive(peer, SpreadMessage::Neighbour { urgent: true, eager: peer < 3 }, 0);
    }
    node
}

fn body(bytes: &[u8]) -> SpreadMessage<u32> {
    SpreadMessage::Body { body: bytes.into(), hops: 0, pulled: false }
}

fn sent(outputs: Vec<SpreadOutput<u32>>) -> Vec<(u32, SpreadMessage<u32>)> {
    let send = |output| match output {
        SpreadOutput::Send { to, message } => Some((to, message)),
        SpreadOutput::Check { .. } => None,
    };
    outputs.into_iter().filter_map(send).collect()
}

#[test]
fn a_body_goes_to_eager_neighbours_and_its_id_to_lazy_ones_after_the_check_only() {
    let mut node = node();
    let outputs = node.receive(1, body(b"news"), 10);
    let id = SpreadId::of(b"news");
    let check = SpreadOutput::Check { id, from: 1, body: Arc::from(b"news".as_slice()) };
    assert_eq!(outputs, [check]);
    let onward = SpreadMessage::Body { body: b"news".as_slice().into(), hops: 1, pulled: false };
    assert_eq!(sent(node.checked(id, true, 10)), [(2, onward)]);
    let announced = sent(node.wake(node.next_wake().max(110)));
    let to: Vec<u32> = announced
        .iter()
        .filter(|(_, message)| *message == SpreadMessage::Announce(vec![(id, 1)]))
        .map(|(to, _)| *to)
        .collect();
    assert_eq!(to, [3, 4]);
}

#[test]
fn a_bad_body_is_not_passed_on_and_not_checked_again() {
    let mut node = node();
    node.receive(1, body(b"lie"), 0);
    assert!(node.checked(SpreadId::of(b"lie"), false, 0).is_empty());
    let again = sent(node.receive(2, body(b"lie"), 1));
    assert_eq!(again, [(2, SpreadMessage::Prune)]);
    assert!(node.body_of(&SpreadId::of(b"lie")).is_none());
    assert_eq!((node.counts().checks, node.counts().refused, node.counts().duplicates), (1, 1, 1));
    // Nor is it fetched when it is announced.
    node.receive(3, SpreadMessage::Announce(vec![(SpreadId::of(b"lie"), 0)]), 2);
    let asked = sent(node.wake(5_000));
    assert!(!asked.iter().any(|(_, message)| matches!(message, SpreadMessage::Graft { id: Some(_), .. })));
}

#[test]
fn whatever_exceeds_its_limit_is_dropped_and_counted() {
    let mut node = node();
    assert!(node.receive(1, body(&vec![0; MAX_SPREAD_BYTES + 1]), 0).is_empty());
    let ids = (0..=MAX_ANNOUNCED).map(|n| (SpreadId::of(&n.to_be_bytes()), 0)).collect();
    node.receive(1, SpreadMessage::Announce(ids), 0);
    let peers = (10..).take(MAX_SHUFFLED + 1).collect();
    node.receive(1, SpreadMessage::Shuffle { origin: 9, peers, ttl: 0 }, 0);
    assert_eq!(node.counts().oversized, 3);
    assert!(node.receive(0, body(b"me"), 0).is_empty());
    assert_eq!(node.counts().own_name, 1);
    node.receive(1, SpreadMessage::Graft { id: Some(SpreadId::of(b"?")), eager: false }, 0);
    assert_eq!(node.counts().unknown_grafts, 1);
    assert!(node.broadcast(vec![0; MAX_SPREAD_BYTES + 1].into(), 0).is_err());
    for n in 0..=MAX_UNCHECKED_OF_ONE {
        node.receive(1, body(&n.to_be_bytes()), 0);
    }
    assert_eq!((node.counts().checks, node.counts().unchecked_full), (MAX_UNCHECKED_OF_ONE as u64, 1));
    assert_eq!(node.receive(2, body(b"of another"), 0).len(), 1, "one that floods leaves room for others");
    for peer in 2..10 {
        for n in 0..=MAX_UNCHECKED_OF_ONE {
            node.receive(peer, body(&[&peer.to_be_bytes()[..], &n.to_be_bytes()].concat()), 0);
        }
    }
    assert_eq!(node.counts().checks, MAX_UNCHECKED as u64);
}

#[test]
fn who_announces_what_does_not_exist_is_asked_a_few_times_and_costs_no_more() {
    let mut node = node();
    let many = MAX_MISSING_OF_ONE + 500;
    for chunk in (0..many).collect::<Vec<_>>().chunks(MAX_ANNOUNCED) {
        let ids = chunk.iter().map(|n| (SpreadId::of(&n.to_be_bytes()), 0)).collect();
        node.receive(1, SpreadMessage::Announce(ids), 0);
    }
    assert_eq!(node.counts().missing_full, 500);
    // Another one is still listened to.
    node.receive(2, SpreadMessage::Announce(vec![(SpreadId::of(b"of another"), 0)]), 0);
    assert_eq!(node.counts().missing_full, 500);
    let (mut now, mut asked) = (0, 0);
    while now < 30_000 {
        now = node.next_wake();
        let requests = sent(node.wake(now)).into_iter();
        asked += requests
            .filter(|(_, message)| matches!(message, SpreadMessage::Graft { id: Some(_), .. }))
            .count();
        // The others show that they live.
        for peer in 1..=4 {
            node.receive(peer, SpreadMessage::Prune, now);
        }
    }
    let missing = MAX_MISSING_OF_ONE + 1;
    assert_eq!((asked, node.counts().given_up), (12 * missing, missing as u64));
}

#[test]
fn a_flood_of_summaries_is_answered_at_a_bounded_pace() {
    let mut node = node();
    node.broadcast(b"held".as_slice().into(), 0).unwrap();
    let mut answers = 0;
    for now in 0..2_000 {
        for peer in [1, 77] {
            let summary = SpreadMessage::Summary { salt: now, parts: [0; SUMMARY_PARTS], probe: peer == 77 };
            let outputs = sent(node.receive(peer, summary, now));
            answers += outputs.len();
        }
    }
    // Every half second for the neighbour, 20 times a second for all strangers together, who get
    // our own summary once as well: and the flood does not silence the answers.
    assert!((40..=90).contains(&answers), "{answers}");
    assert!(node.counts().hasty_summaries > 3_900);
}

fn any_message() -> impl Strategy<Value = SpreadMessage<u32>> {
    let id = (0_u8..20).prop_map(|n| SpreadId::of(&[n]));
    let peers = || prop::collection::vec(0_u32..50, 0..12);
    prop_oneof![
        Just(SpreadMessage::Join),
        (0_u32..50, any::<u8>()).prop_map(|(peer, ttl)| SpreadMessage::ForwardJoin { peer, ttl }),
        any::<(bool, bool)>().prop_map(|(urgent, eager)| SpreadMessage::Neighbour { urgent, eager }),
        Just(SpreadMessage::Disconnect),
        (0_u32..50, peers(), any::<u8>()).prop_map(|(origin, peers, ttl)| SpreadMessage::Shuffle {
            origin,
            peers,
            ttl
        }),
        peers().prop_map(|peers| SpreadMessage::ShuffleReply { peers }),
        (0_u8..20, any::<u8>(), any::<bool>()).prop_map(|(n, hops, pulled)| SpreadMessage::Body {
            body: [n].as_slice().into(),
            hops,
            pulled
        }),
        prop::collection::vec((id.clone(), any::<u8>()), 0..5).prop_map(SpreadMessage::Announce),
        (prop::option::of(id), any::<bool>()).prop_map(|(id, eager)| SpreadMessage::Graft { id, eager }),
        Just(SpreadMessage::Prune),
        any::<(u64, bool)>().prop_map(|(salt, probe)| SpreadMessage::Summary {
            salt,
            parts: [7; SUMMARY_PARTS],
            probe
        }),
    ]
}

proptest! {
    /// Whatever strangers say in whatever order: nothing panics, the neighbours stay within their
    /// number, nobody is its own neighbour, no body is handed out twice, and time goes on.
    #[test]
    fn no_history_breaks_a_node(steps in prop::collection::vec((0_u32..50, any_message(), 0_u64..500), 1..200)) {
        let mut node = Spreader::new(0, ViewSize::Partial, &[1, 2], 3, 0);
        let (mut now, mut checked) = (0, std::collections::BTreeSet::new());
        for (from, message, pause) in steps {
            now += pause;
            let mut outputs = node.wake(now);
            outputs.extend(node.receive(from, message, now));
            for output in outputs {
                match output {
                    SpreadOutput::Send { to, .. } => prop_assert!(to != 0),
                    SpreadOutput::Check { id, .. } => {
                        prop_assert!(checked.insert(id));
                        for output in node.checked(id, now % 2 == 0, now) {
                            prop_assert!(matches!(output, SpreadOutput::Send { to: 1.., .. }), "checked twice");
                        }
                    }
                }
            }
            prop_assert!(node.neighbours().count() <= 5);
            prop_assert!(node.neighbours().all(|(peer, _)| peer != 0));
            node.wake(now);
            prop_assert!(node.next_wake() > now);
        }
    }
}
