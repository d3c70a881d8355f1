//! The registry: state, and the digest that proves it.

use alloc::vec::Vec;

use jurat_crypto::{Digest, NetworkId, VerifyingKey};

use crate::{
    CouncilSeat, Event, FederationId, KeyBytes, Name, OrderedTime, Policy, Rejection, Settings, Status,
    federation::{Activity, Federation},
    indexes::Indexes,
    keys::{Keys, Role},
    proposal::Proposal,
    table::{Index, Table},
    trust::Trust,
};

/// All that the network agrees on besides the log's entries.
#[derive(Clone, Debug)]
pub struct Registry {
    pub(crate) network: NetworkId,
    pub(crate) time: OrderedTime,
    pub(crate) policy: Policy,
    pub(crate) federations: Table<Federation>,
    /// Has a record for each federation, with the same number.
    pub(crate) activity: Table<Activity>,
    pub(crate) keys: Keys,
    pub(crate) trusts: Table<Trust>,
    pub(crate) proposals: Table<Proposal>,
    pub(crate) indexes: Indexes,
}

/// By their states; indexes follow from them.
impl PartialEq for Registry {
    fn eq(&self, other: &Self) -> bool {
        self.network == other.network
            && self.time == other.time
            && self.policy == other.policy
            && self.federations == other.federations
            && self.activity == other.activity
            && self.keys == other.keys
            && self.trusts == other.trusts
            && self.proposals == other.proposals
    }
}

impl Eq for Registry {}

impl Registry {
    /// A registry with nobody in it.
    pub(crate) fn empty(network: NetworkId, time: OrderedTime, policy: Policy) -> Self {
        Self {
            network,
            time,
            policy,
            federations: Table::default(),
            activity: Table::default(),
            keys: Keys::default(),
            trusts: Table::default(),
            proposals: Table::default(),
            indexes: Indexes::default(),
        }
    }

    /// The registry of a network's genesis: each founder a federation with one admin key, named as
    /// its id, on the council, and as old as ordered time itself. Their order counts.
    pub fn founded_by(
        network: NetworkId,
        founders: impl IntoIterator<Item = (FederationId, VerifyingKey)>,
    ) -> Result<Self, Rejection> {
        let mut registry = Self::empty(network, OrderedTime(0), Policy::default());
        for (id, key) in founders {
            let key = KeyBytes::from(&key);
            if registry.indexes.federations.contains_key(&id) {
                return Err(Rejection::FederationExists(id));
            }
            if registry.keys.find(&key).is_some() {
                return Err(Rejection::KeyInUse(key));
            }
            // An id is a name as well: shorter or equal, and of fewer characters.
            let name = Name::new(id.as_str()).map_err(|_| Rejection::UnknownFederation(id.clone()))?;
            let index = registry.insert_federation(Federation {
                id,
                created_at: OrderedTime(0),
                status: Status::Active,
                seats: alloc::vec![CouncilSeat { link: key, added_by: None, removed_by: None }],
                settings: Settings::new(name),
                threshold: 1,
                teams: Vec::new(),
                evidence: Vec::new(),
            });
            registry.insert_key(key, index, Role::Admin, None);
        }
        Ok(registry)
    }

    /// Moves ordered time forward, as each executed batch does, and ends the proposals whose time
    /// is over.
    pub fn advance(&mut self, time: OrderedTime) -> Result<Vec<Event>, Rejection> {
        if time < self.time {
            return Err(Rejection::TimeWentBack { from: self.time, to: time });
        }
        self.time = time;
        let mut events = Vec::new();
        self.expire(time, &mut events);
        Ok(events)
    }

    /// The network that the registry is of.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The time of the last batch.
    #[must_use]
    pub const fn time(&self) -> OrderedTime {
        self.time
    }

    /// The numbers by which it judges.
    #[must_use]
    pub const fn policy(&self) -> &Policy {
        &self.policy
    }

    /// How many federations, trust relations and proposals there are.
    #[must_use]
    pub fn size(&self) -> Size {
        Size {
            federations: self.federations.len(),
            trusts: self.trusts.len(),
            proposals: self.proposals.len(),
        }
    }

    /// What commits to the whole state. `docs/formats.md` has it byte by byte.
    ///
    /// ```text
    /// digest = H( "jurat/v1/registry" LF || network id(32) || time (u64) || policy (u32 each)
    ///          || for federations, activity, keys, trust, proposals: number of records (u32) || root(32) )
    /// ```
    ///
    /// The roots are Merkle tree hashes over the records. Only what changed since the last
    /// [`settle`](Self::settle) is hashed.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut out: Vec<u8> = b"jurat/v1/registry\n".to_vec();
        out.extend_from_slice(self.network.0.as_bytes());
        out.extend_from_slice(&self.time.0.to_be_bytes());
        self.policy.layout(&mut out);
        self.federations.commitment(&mut out);
        self.activity.commitment(&mut out);
        self.keys.table.commitment(&mut out);
        self.trusts.commitment(&mut out);
        self.proposals.commitment(&mut out);
        Digest::of(&out)
    }

    /// Keeps the hashes of what changed, so that the next [`digest`](Self::digest) starts from
    /// here; call it once a batch. Gives the digest.
    pub fn settle(&mut self) -> Digest {
        self.federations.settle();
        self.activity.settle();
        self.keys.table.settle();
        self.trusts.settle();
        self.proposals.settle();
        self.digest()
    }

    pub(crate) fn insert_federation(&mut self, federation: Federation) -> Index<Federation> {
        self.indexes.add_federation(self.federations.next_index(), &federation);
        self.activity.push(Activity::default());
        self.federations.push(federation)
    }

    pub(crate) fn insert_trust(&mut self, trust: Trust) {
        self.indexes.add_trust(self.trusts.next_index(), &trust);
        self.trusts.push(trust);
    }

    pub(crate) fn insert_proposal(&mut self, proposal: Proposal) {
        self.indexes.add_proposal(self.proposals.next_index(), &proposal);
        self.indexes.windows.proposed(proposal.proposer, &proposal.affected, proposal.created_at);
        self.proposals.push(proposal);
    }
}

/// How much there is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Size {
    /// Federations, dissolved ones included.
    pub federations: u32,
    /// Directed trust relations.
    pub trusts: u32,
    /// Proposals, whatever became of them.
    pub proposals: u32,
}
