//! What known peers and a flood of messages cost, by the allocator's count: the figures in the README.

use jurat_gossip::{
    Address, Bucket, Failure, MAX_ANNOUNCED, MAX_PEERS, MAX_SEEN, MAX_SHUFFLED, PeerKey, PeerStore, Role,
    Source, SpreadId, SpreadMessage, SpreadOutput, Spreader, ViewSize,
};
use jurat_log::UnixMillis;

/// Fills a store to its last entry, then floods it with as many names again.
fn most_bytes(address: impl Fn(usize) -> Address, error: &str) -> u64 {
    let measured = allocation_counter::measure(|| {
        let mut store = PeerStore::new();
        for n in 0..2 * MAX_PEERS {
            let key = PeerKey { bucket: Bucket::Sync, address: address(n) };
            let source = if n % 10 == 0 { Source::Operator } else { Source::Runtime };
            if store.add(key.clone(), source, Role::Relay, UnixMillis(0)).is_ok() {
                store.failed(
                    &key,
                    Failure { error, answered: true, cooldown_until: UnixMillis(0) },
                    UnixMillis(0),
                );
            }
        }
        assert_eq!(store.len(), MAX_PEERS);
    });
    measured.bytes_max
}

#[test]
fn a_full_store_stays_within_its_bounds_under_a_flood() {
    let typical =
        most_bytes(|n| format!("https://node-{n}.example.org:8443").parse().unwrap(), "connection refused");
    let longest = most_bytes(
        |n| format!("https://node-{n}.example/{}", "a".repeat(480)).parse().unwrap(),
        &"e".repeat(300),
    );
    assert!(typical < 8 << 20, "{typical}");
    assert!(longest < 16 << 20, "{longest}");
    // A bound that nothing comes near would show nothing.
    assert!(longest > 6 << 20, "{longest}");
}

/// 300 strangers, each with names and ids of its own, and more bodies of no use than a node remembers.
#[test]
fn a_spreading_node_stays_within_its_bounds_under_a_flood() {
    let flood = |messages: u64| {
        let measured = allocation_counter::measure(|| {
            let mut node = Spreader::new(0, ViewSize::Partial, &[1], 1, 0);
            for n in 0..messages {
                let from = 2 + n % 300;
                node.receive(from, SpreadMessage::Join, n);
                let peers = (0..MAX_SHUFFLED as u64).map(|peer| 1_000 + n * 8 + peer).collect();
                node.receive(from, SpreadMessage::Shuffle { origin: from, peers, ttl: 0 }, n);
                let id = |i: usize| (SpreadId::of(&[n.to_be_bytes(), i.to_be_bytes()].concat()), 0);
                node.receive(from, SpreadMessage::Announce((0..MAX_ANNOUNCED / 16).map(id).collect()), n);
                let body =
                    SpreadMessage::Body { body: n.to_be_bytes().as_slice().into(), hops: 0, pulled: false };
                for output in node.receive(from, body, n) {
                    if let SpreadOutput::Check { id, .. } = output {
                        node.checked(id, n % 2 == 0, n);
                    }
                }
            }
        });
        measured.bytes_max
    };
    let (full, flooded) = (flood(MAX_SEEN as u64), flood(MAX_SEEN as u64 * 3 / 2));
    assert!(flooded < 8 << 20, "{flooded}");
    assert!(flooded <= full + full / 10, "it still grows: {full}, {flooded}");
}
