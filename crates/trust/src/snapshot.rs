//! Snapshots: the whole state as bytes, for members that join late and for the disk.
//!
//! ```text
//! snapshot = version(1) = 1 || network id(32) || time (u64) || policy
//!         || number (u32) || for each federation: federation || activity
//!         || number (u32) || keys
//!         || number (u32) || trust relations
//!         || number (u32) || for each proposal: length (u32) || operation that made it || state
//! ```
//!
//! Records are in the order of their numbers and have the layouts that are hashed, but for
//! proposals: hashed is the digest of the operation that made one, stored the operation itself.

use alloc::vec::Vec;

use jurat_crypto::{Digest, NetworkId};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{
    DecodeError, OrderedTime, Policy, ProposalStatus, Registry,
    federation::{Activity, Federation},
    keys::{Key, Role},
    proposal::Proposal,
    table::{Index, Record},
    trust::Trust,
    wire::{Reader, Write},
};

const VERSION: u8 = 1;

/// Why bytes are not a snapshot of the registry that was asked for. Nothing was restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a snapshot.
    #[error("the snapshot can't be read: {0}")]
    Decode(#[from] DecodeError),
    /// A record speaks of one that is not there, or there are two where one can be.
    #[error("the snapshot contradicts itself in its {0}")]
    Inconsistent(&'static str),
    /// It is a snapshot of another state.
    #[error("the snapshot has digest {actual}, not {expected}; take one from another member")]
    Digest {
        /// What was certified.
        expected: Digest,
        /// What the snapshot holds.
        actual: Digest,
    },
}

impl Registry {
    /// The whole state as bytes. Its size is that of the state: take one now and then, not with
    /// every batch.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let mut out = alloc::vec![VERSION];
        out.bytes(self.network.0.as_bytes());
        out.u64(self.time.0);
        self.policy.layout(&mut out);
        out.u32(self.federations.len());
        for (index, federation) in self.federations.iter() {
            federation.layout(&mut out);
            self.activity.at(Index::new(index.value())).leaf(&mut out);
        }
        out.u32(self.keys.table.len());
        for (_, key) in self.keys.table.iter() {
            key.leaf(&mut out);
        }
        out.u32(self.trusts.len());
        for (_, trust) in self.trusts.iter() {
            trust.layout(&mut out);
        }
        out.u32(self.proposals.len());
        for (_, proposal) in self.proposals.iter() {
            out.u32(u32::try_from(proposal.body.len()).unwrap_or(u32::MAX));
            out.bytes(&proposal.body);
            proposal.layout(&mut out);
        }
        out
    }

    /// The registry of a snapshot, if it is the one that the council certified with this digest.
    pub fn restore(bytes: &[u8], certified: &Digest) -> Result<Self, SnapshotError> {
        let mut registry = Self::read(bytes)?;
        let actual = registry.settle();
        if actual != *certified {
            return Err(SnapshotError::Digest { expected: *certified, actual });
        }
        Ok(registry)
    }

    fn read(bytes: &[u8]) -> Result<Self, SnapshotError> {
        let mut reader = Reader::new(bytes);
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(DecodeError::Version(version).into());
        }
        let network = NetworkId(reader.digest("network id")?);
        let time = reader.time("time")?;
        let mut registry = Self::empty(network, time, Policy::read(&mut reader)?);
        for _ in 0..reader.u32("number of federations")? {
            let federation = Federation::read(&mut reader)?;
            let seats = &registry.indexes.seats;
            if registry.indexes.federations.contains_key(&federation.id)
                || federation.seats.iter().any(|seat| seats.contains_key(&seat.link))
            {
                return Err(SnapshotError::Inconsistent("federations"));
            }
            let index = registry.insert_federation(federation);
            *registry.activity.at_mut(Index::new(index.value())) = Activity::read(&mut reader)?;
        }
        for _ in 0..reader.u32("number of keys")? {
            registry.restore_key(Key::read(&mut reader)?)?;
        }
        for _ in 0..reader.u32("number of trust relations")? {
            registry.restore_trust(Trust::read(&mut reader)?)?;
        }
        for _ in 0..reader.u32("number of proposals")? {
            let find = |id: &_| registry.indexes.federations.get(id).copied();
            let proposal = Proposal::read(&mut reader, network, find)?;
            registry.restore_proposal(proposal)?;
        }
        reader.finish()?;
        registry.restore_windows();
        Ok(registry)
    }

    fn is_known(&self, index: Index<Federation>) -> bool {
        index.value() < self.federations.len()
    }

    fn restore_key(&mut self, key: Key) -> Result<(), SnapshotError> {
        const WRONG: SnapshotError = SnapshotError::Inconsistent("keys");
        let (index, federation, role) = (self.keys.table.next_index(), key.federation, key.role);
        if !self.is_known(federation) || key.person > index {
            return Err(WRONG);
        }
        if let Role::Team(team) = role
            && usize::from(team) >= self.federations.at(federation).teams.len()
        {
            return Err(WRONG);
        }
        if key.revocation.is_none() {
            self.indexes.links[federation.place()].keys_mut(role).push(index);
        }
        if self.keys.restore(key) { Ok(()) } else { Err(WRONG) }
    }

    fn restore_trust(&mut self, trust: Trust) -> Result<(), SnapshotError> {
        const WRONG: SnapshotError = SnapshotError::Inconsistent("trust relations");
        let known =
            self.is_known(trust.source) && self.is_known(trust.target) && trust.source != trust.target;
        if !known || self.indexes.trusts.contains_key(&(trust.source, trust.target)) {
            return Err(WRONG);
        }
        self.insert_trust(trust);
        Ok(())
    }

    fn restore_proposal(&mut self, proposal: Proposal) -> Result<(), SnapshotError> {
        const WRONG: SnapshotError = SnapshotError::Inconsistent("proposals");
        let deciders = proposal.approvals.iter().map(|approval| approval.federation);
        let deciders = deciders.chain(proposal.rejection.map(|(federation, _)| federation));
        let mut others = proposal.witnesses.iter().map(|witness| witness.federation);
        let affected = |index| proposal.affected.binary_search(&index).is_ok();
        if self.indexes.proposals.contains_key(&proposal.id)
            || !deciders.into_iter().all(affected)
            || others.any(|index| !self.is_known(index) || affected(index))
            || (proposal.status == ProposalStatus::Pending && self.time > proposal.expires_at)
        {
            return Err(WRONG);
        }
        self.indexes.add_proposal(self.proposals.next_index(), &proposal);
        self.proposals.push(proposal);
        Ok(())
    }

    /// The windows as they would be, had the proposals come one by one.
    fn restore_windows(&mut self) {
        let mut approvals: Vec<(OrderedTime, Index<Federation>, Index<Federation>)> = Vec::new();
        for (_, proposal) in self.proposals.iter() {
            self.indexes.windows.proposed(proposal.proposer, &proposal.affected, proposal.created_at);
            let by = proposal.approvals.iter();
            approvals.extend(by.map(|approval| (approval.at, approval.federation, proposal.proposer)));
        }
        approvals.sort_unstable();
        for (at, by, proposer) in approvals {
            self.indexes.windows.approved(by, proposer, at);
        }
    }
}

/// As its digest and its snapshot.
impl Serialize for Registry {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.digest(), self.snapshot()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Registry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (digest, bytes) = <(Digest, Vec<u8>)>::deserialize(deserializer)?;
        Self::restore(&bytes, &digest).map_err(D::Error::custom)
    }
}
