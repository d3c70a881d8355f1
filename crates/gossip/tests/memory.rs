//! What the known peers cost, by the allocator's count: the figures in the README.

use jurat_gossip::{Address, Bucket, Failure, MAX_PEERS, PeerKey, PeerStore, Role, Source};
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
