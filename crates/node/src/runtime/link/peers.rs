//! Who may be at the other end of a link: the other members, and the last few who left.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, atomic::AtomicUsize},
};

use jurat_crypto::VerifyingKey;
use jurat_pbft::ReplicaId;
use tokio::sync::watch;

use super::Outbox;
use crate::core::{CouncilHistory, former_members};

/// A node at the other end of a link.
#[derive(Debug)]
pub(crate) struct Peer {
    /// Its name.
    pub(crate) name: String,
    /// By what it is known.
    pub(crate) link_key: VerifyingKey,
    /// Where to dial it, as `host:port`, if that is known.
    pub(crate) address: Option<String>,
    /// Whether it left the council.
    pub(crate) is_former: bool,
    /// What waits to be sent to it.
    pub(crate) outbox: Arc<Outbox>,
    /// Bytes of its entries that wait to be checked.
    pub(crate) unchecked: Arc<AtomicUsize>,
}

/// The peers at one time.
#[derive(Debug)]
pub(crate) struct Known {
    own_id: ReplicaId,
    peers: BTreeMap<ReplicaId, Arc<Peer>>,
}

impl Known {
    /// All of them.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (ReplicaId, &Arc<Peer>)> {
        self.peers.iter().map(|(id, peer)| (*id, peer))
    }

    /// This node's own id, if it has one.
    pub(crate) fn own_id(&self) -> Option<ReplicaId> {
        (self.own_id != NO_ID).then_some(self.own_id)
    }

    /// Where to dial somebody, if it is this end that dials: the one with the lower id does.
    pub(super) fn address_to_dial(&self, id: ReplicaId) -> Option<&String> {
        self.peers.get(&id).filter(|_| id > self.own_id)?.address.as_ref()
    }
}

/// The id of who has none yet: nobody has a higher one, so it dials nobody.
const NO_ID: ReplicaId = ReplicaId(u16::MAX);

/// The peers of the council's present epoch, which follow from its history.
#[derive(Debug)]
pub(crate) struct Peers {
    own_key: VerifyingKey,
    /// What the configuration says of addresses, by name. It overrides the history.
    addresses: BTreeMap<String, String>,
    /// The history that a newcomer was given. Until it has executed as much, this says who the
    /// members are.
    given: Option<CouncilHistory>,
    known: watch::Sender<Arc<Known>>,
}

impl Peers {
    /// The peers of who has this link key.
    pub(crate) fn new(
        own_key: VerifyingKey,
        addresses: BTreeMap<String, String>,
        given: Option<CouncilHistory>,
        history: &CouncilHistory,
    ) -> Self {
        let nobody = Arc::new(Known { own_id: NO_ID, peers: BTreeMap::new() });
        let peers = Self { own_key, addresses, given, known: watch::Sender::new(nobody) };
        peers.update(history);
        peers
    }

    /// This node's link key.
    pub(crate) const fn own_key(&self) -> &VerifyingKey {
        &self.own_key
    }

    /// Goes along with the council. Queues to who stays go on.
    pub(crate) fn update(&self, history: &CouncilHistory) {
        let history = self.furthest(history);
        let before = self.all();
        let present: BTreeSet<ReplicaId> = history.council().members().collect();
        let mut known = Known { own_id: NO_ID, peers: BTreeMap::new() };
        for id in present.iter().copied().chain(former_members(history)) {
            let Some(seat) = history.seat(id) else { continue };
            let member = &seat.member;
            if *member.link.key() == self.own_key {
                known.own_id = id;
                continue;
            }
            let earlier = before.peers.get(&id);
            let joined_at = || seat.peer.as_ref().map(ToString::to_string);
            let peer = Peer {
                name: member.name.to_string(),
                link_key: *member.link.key(),
                address: self.addresses.get(member.name.as_str()).cloned().or_else(joined_at),
                is_former: !present.contains(&id),
                outbox: earlier.map_or_else(Arc::default, |earlier| earlier.outbox.clone()),
                unchecked: earlier.map_or_else(Arc::default, |earlier| earlier.unchecked.clone()),
            };
            known.peers.insert(id, Arc::new(peer));
        }
        self.known.send_replace(Arc::new(known));
    }

    /// The longer of the given history and the executed one; both follow from one genesis.
    fn furthest<'h>(&'h self, history: &'h CouncilHistory) -> &'h CouncilHistory {
        let longer = |given: &&CouncilHistory| given.steps().len() > history.steps().len();
        self.given.as_ref().filter(longer).unwrap_or(history)
    }

    /// Everyone known at this time.
    pub(crate) fn all(&self) -> Arc<Known> {
        self.known.borrow().clone()
    }

    /// One of them.
    pub(crate) fn peer(&self, id: ReplicaId) -> Option<Arc<Peer>> {
        self.known.borrow().peers.get(&id).cloned()
    }

    /// Who authenticates with this link key.
    pub(super) fn with_link_key(&self, key: &VerifyingKey) -> Option<ReplicaId> {
        self.known.borrow().iter().find(|(_, peer)| peer.link_key == *key).map(|(id, _)| id)
    }

    /// Waits until somebody is not known any more.
    pub(super) async fn gone(&self, id: ReplicaId) {
        // The sender lives as long as this.
        let _ = self.known.subscribe().wait_for(|known| !known.peers.contains_key(&id)).await;
    }

    /// Tells when the council changed.
    pub(super) fn changes(&self) -> watch::Receiver<Arc<Known>> {
        self.known.subscribe()
    }
}
