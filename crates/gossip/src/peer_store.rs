//! The peers that a node knows: bounded, with the operator's own out of strangers' reach.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::cmp::Reverse;

use jurat_log::UnixMillis;

use crate::{Address, BootstrapManifest, Bucket, Failure, Peer, PeerKey, Role, Source, Success, Transport};

/// The most entries that a store has.
pub const MAX_PEERS: usize = 10_000;

/// The share of the store that other peers can fill: the rest is kept for the operator and for
/// manifests.
pub const MAX_RUNTIME_PEERS: usize = 9_000;

/// Which transports a node uses for syncing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Reach {
    /// Onion, Reticulum and loopback only: where a new node starts.
    #[default]
    PrivateOnly,
    /// All of them; the operator has said so.
    Clearnet,
}

impl Reach {
    /// Whether a peer of this transport may be called.
    #[must_use]
    pub const fn allows(self, transport: Transport) -> bool {
        matches!(self, Self::Clearnet) || transport.is_private()
    }
}

/// What became of a peer that was named to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Added {
    /// It is new.
    New,
    /// It is new and took the place of an unhealthy one that another peer had named.
    Replaced,
    /// It was known; its source and role follow whoever has more say, its health stays.
    Known,
}

/// There is no room for another peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PeersFull {
    /// Other peers have named as many as they may, and none of these is unhealthy.
    #[error("{MAX_RUNTIME_PEERS} peers named by others are known and none is unhealthy")]
    Runtime,
    /// The store is full of peers that the operator or manifests named.
    #[error("{MAX_PEERS} peers are known; remove some first")]
    Named,
}

/// The known peers, by bucket and address.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerStore {
    peers: BTreeMap<PeerKey, Peer>,
    /// How many have the source [`Source::Runtime`].
    runtime: usize,
    /// Those of them that are unhealthy: the first to go. Kept as a set so that a flood of new
    /// names costs no walk over the store.
    spare: BTreeSet<PeerKey>,
    dropped: u64,
}

impl PeerStore {
    /// A store that knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a peer, or says whose word now counts for one that is known.
    pub fn add(
        &mut self,
        key: PeerKey,
        source: Source,
        role: Role,
        now: UnixMillis,
    ) -> Result<Added, PeersFull> {
        if let Some(known) = self.peers.get(&key) {
            // A stranger can't talk down what the operator named.
            if source != Source::Runtime && (known.source, known.role) != (source, role) {
                let known = Peer { source, role, updated: now, ..known.clone() };
                self.put(key, known);
            }
            return Ok(Added::Known);
        }
        let mut added = Added::New;
        let full = self.peers.len() >= MAX_PEERS;
        if full || (source == Source::Runtime && self.runtime >= MAX_RUNTIME_PEERS) {
            let victim = match self.spare.first() {
                Some(unhealthy) => Some(unhealthy.clone()),
                // The operator's word outweighs a healthy stranger.
                None if source != Source::Runtime => self.newest_stranger(),
                None => None,
            };
            let Some(victim) = victim else {
                self.dropped += 1;
                return Err(if source == Source::Runtime { PeersFull::Runtime } else { PeersFull::Named });
            };
            self.remove(&victim);
            added = Added::Replaced;
        }
        self.put(key, Peer::new(source, role, now));
        Ok(added)
    }

    /// Adds the peers of a verified manifest, each as a bootstrap peer. Returns how many are new.
    pub fn add_manifest(
        &mut self,
        manifest: &BootstrapManifest,
        now: UnixMillis,
    ) -> Result<usize, PeersFull> {
        let mut new = 0;
        for (address, role) in manifest.peers() {
            let key = PeerKey { bucket: Bucket::Bootstrap, address: address.clone() };
            new += usize::from(self.add(key, Source::Bundle, *role, now)? != Added::Known);
        }
        Ok(new)
    }

    /// Uses a bootstrap peer for syncing as well. `None` when no such bootstrap peer is known.
    pub fn promote(&mut self, address: &Address, now: UnixMillis) -> Option<Result<Added, PeersFull>> {
        let key = PeerKey { bucket: Bucket::Bootstrap, address: address.clone() };
        let role = self.peers.get(&key)?.role;
        let key = PeerKey { bucket: Bucket::Sync, ..key };
        Some(self.add(key, Source::BootstrapPromoted, role, now))
    }

    /// Forgets a peer. Returns what was known of it.
    pub fn remove(&mut self, key: &PeerKey) -> Option<Peer> {
        let peer = self.peers.remove(key)?;
        self.spare.remove(key);
        self.runtime -= usize::from(peer.source == Source::Runtime);
        Some(peer)
    }

    /// Turns a peer on or off. `false` when it is not known.
    pub fn enable(&mut self, key: &PeerKey, enabled: bool, now: UnixMillis) -> bool {
        self.change(key, |peer| {
            peer.enabled = enabled;
            peer.updated = now;
        })
    }

    /// A peer did what was asked: it is healthy again. `false` when it is not known.
    pub fn succeeded(&mut self, key: &PeerKey, done: Success, now: UnixMillis) -> bool {
        self.change(key, |peer| peer.succeeded(done, now))
    }

    /// A peer failed. `false` when it is not known.
    pub fn failed(&mut self, key: &PeerKey, failure: Failure<'_>, now: UnixMillis) -> bool {
        self.change(key, |peer| peer.failed(failure, now))
    }

    /// One peer.
    #[must_use]
    pub fn peer(&self, key: &PeerKey) -> Option<&Peer> {
        self.peers.get(key)
    }

    /// All peers, by bucket and address.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&PeerKey, &Peer)> + DoubleEndedIterator + Clone {
        self.peers.iter()
    }

    /// How many entries there are, at most [`MAX_PEERS`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.peers.len()
    }

    /// Whether nobody is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.peers.is_empty()
    }

    /// How many names were dropped for want of room since the store was made or loaded.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.dropped
    }

    /// The peers to sync with at `now`, best first: enabled, in the sync bucket, not cooling down, of
    /// a transport within `reach`.
    ///
    /// The most recent success comes first; then seeds from manifests or promotion, fewer failures,
    /// the older entry, the lesser address.
    #[must_use]
    pub fn due(&self, reach: Reach, now: UnixMillis) -> Vec<&PeerKey> {
        let mut due: Vec<_> = self
            .peers
            .iter()
            .filter(|(key, peer)| {
                key.bucket == Bucket::Sync
                    && peer.enabled
                    && !peer.is_cooling_down(now)
                    && reach.allows(key.address.transport())
            })
            .collect();
        due.sort_by_key(|(key, peer)| {
            let vouched = matches!(peer.source, Source::Bundle | Source::BootstrapPromoted);
            let seed = peer.role == Role::Seed && vouched;
            (Reverse(peer.last_sync_ok), !seed, peer.failures, peer.added, &key.address)
        });
        due.into_iter().map(|(key, _)| key).collect()
    }

    /// Takes an entry as it is: a new one, or one from a file whose bounds were checked.
    pub(crate) fn put(&mut self, key: PeerKey, peer: Peer) {
        self.remove(&key);
        if peer.source == Source::Runtime {
            self.runtime += 1;
            if !peer.is_healthy() {
                self.spare.insert(key.clone());
            }
        }
        self.peers.insert(key, peer);
    }

    pub(crate) const fn runtime(&self) -> usize {
        self.runtime
    }

    fn change(&mut self, key: &PeerKey, change: impl FnOnce(&mut Peer)) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        change(peer);
        if peer.source == Source::Runtime && !peer.is_healthy() {
            self.spare.insert(key.clone());
        } else {
            self.spare.remove(key);
        }
        true
    }

    fn newest_stranger(&self) -> Option<PeerKey> {
        let strangers = self.peers.iter().filter(|(_, peer)| peer.source == Source::Runtime);
        strangers.max_by_key(|(_, peer)| peer.added).map(|(key, _)| key.clone())
    }
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn key(bucket: Bucket, n: usize) -> PeerKey {
        PeerKey { bucket, address: format!("tcp://127.0.0.1:{}", 1 + n).parse().unwrap() }
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    fn failure(until: u64) -> Failure<'static> {
        Failure { error: "refused", answered: false, cooldown_until: at(until) }
    }

    #[test]
    fn a_flood_of_names_fills_its_share_and_touches_nobody_else() {
        let mut store = PeerStore::new();
        store.add(key(Bucket::Sync, 0), Source::Operator, Role::Participant, at(0)).unwrap();
        let name = |n: usize| PeerKey {
            bucket: Bucket::Sync,
            address: format!("http://n{n}.example").parse().unwrap(),
        };
        for n in 0..MAX_RUNTIME_PEERS {
            assert_eq!(store.add(name(n), Source::Runtime, Role::Relay, at(1)), Ok(Added::New));
        }
        for n in MAX_RUNTIME_PEERS..MAX_RUNTIME_PEERS + 5_000 {
            assert_eq!(store.add(name(n), Source::Runtime, Role::Relay, at(2)), Err(PeersFull::Runtime));
        }
        assert_eq!((store.len(), store.dropped()), (MAX_RUNTIME_PEERS + 1, 5_000));
        // One that does not work makes room for one other.
        for n in 0..UNHEALTHY {
            store.failed(&name(7), failure(60), at(3 + u64::from(n)));
        }
        let late = name(MAX_RUNTIME_PEERS);
        assert_eq!(store.add(late.clone(), Source::Runtime, Role::Relay, at(9)), Ok(Added::Replaced));
        assert!(store.peer(&name(7)).is_none() && store.peer(&late).is_some());
        // The operator still has room, and then takes that of strangers.
        for n in 1..2_000 {
            store.add(key(Bucket::Push, n), Source::Operator, Role::Participant, at(10)).unwrap();
        }
        assert_eq!(store.len(), MAX_PEERS);
    }

    const UNHEALTHY: u32 = crate::UNHEALTHY_FAILURES;

    #[test]
    fn due_peers_come_in_the_order_of_the_rules() {
        let mut store = PeerStore::new();
        let mut add = |n, source, role, added| {
            store.add(key(Bucket::Sync, n), source, role, at(added)).unwrap();
        };
        add(1, Source::Operator, Role::Participant, 5);
        add(2, Source::Operator, Role::Participant, 4);
        add(3, Source::BootstrapPromoted, Role::Seed, 9);
        add(4, Source::Operator, Role::Seed, 3);
        add(5, Source::Operator, Role::Participant, 1);
        add(6, Source::Operator, Role::Participant, 1);
        add(7, Source::Operator, Role::Participant, 1);
        add(8, Source::Operator, Role::Participant, 1);
        add(9, Source::Operator, Role::Participant, 1);
        store.add(key(Bucket::Push, 10), Source::Operator, Role::Participant, at(0)).unwrap();
        store.succeeded(&key(Bucket::Sync, 1), Success::Sync, at(10));
        store.succeeded(&key(Bucket::Sync, 5), Success::Sync, at(20));
        store.failed(&key(Bucket::Sync, 2), failure(30), at(20));
        store.enable(&key(Bucket::Sync, 8), false, at(20));
        store.failed(&key(Bucket::Sync, 9), failure(31), at(20));
        let order: Vec<PeerKey> = store.due(Reach::PrivateOnly, at(30)).into_iter().cloned().collect();
        let expected: Vec<PeerKey> = [5, 1, 3, 6, 7, 4, 2].map(|n| key(Bucket::Sync, n)).into();
        assert_eq!(order, expected);
    }

    #[test]
    fn clearnet_is_left_alone_until_the_operator_allows_it() {
        let mut store = PeerStore::new();
        let open = PeerKey { bucket: Bucket::Sync, address: "https://a.example".parse().unwrap() };
        store.add(open.clone(), Source::Operator, Role::Participant, at(0)).unwrap();
        assert!(store.due(Reach::PrivateOnly, at(1)).is_empty());
        assert_eq!(store.due(Reach::Clearnet, at(1)), [&open]);
    }

    #[test]
    fn a_stranger_does_not_talk_down_what_the_operator_named() {
        let mut store = PeerStore::new();
        let key = key(Bucket::Sync, 1);
        store.add(key.clone(), Source::Operator, Role::Participant, at(0)).unwrap();
        assert_eq!(store.add(key.clone(), Source::Runtime, Role::Seed, at(1)), Ok(Added::Known));
        assert_eq!(store.peer(&key).unwrap().source, Source::Operator);
    }

    proptest! {
        /// Whatever happens in whatever order, the counts that bound the store are right.
        #[test]
        fn the_books_balance(steps in prop::collection::vec((0_usize..12, 0_u8..6), 1..120)) {
            let mut store = PeerStore::new();
            for (now, (n, what)) in steps.into_iter().enumerate() {
                let (key, now) = (key(Bucket::Sync, n), at(now as u64));
                match what {
                    0 => drop(store.add(key, Source::Runtime, Role::Relay, now)),
                    1 => drop(store.add(key, Source::Operator, Role::Relay, now)),
                    2 => drop(store.remove(&key)),
                    3 => drop(store.succeeded(&key, Success::Push, now)),
                    _ => drop(store.failed(&key, failure(0), now)),
                }
                let runtime = store.iter().filter(|(_, peer)| peer.source == Source::Runtime);
                let spare = runtime.clone().filter(|(_, peer)| !peer.is_healthy()).map(|(key, _)| key);
                prop_assert!(spare.eq(store.spare.iter()));
                prop_assert_eq!(runtime.count(), store.runtime);
            }
        }
    }
}
