//! What follows from the state and is kept so that nothing has to be searched for.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};

use crate::{
    FederationId, KeyBytes, OrderedTime, ProposalId, ProposalStatus,
    collusion::Windows,
    federation::Federation,
    keys::{Key, Role},
    proposal::Proposal,
    table::Index,
    trust::Trust,
};

/// What belongs to one federation.
#[derive(Clone, Default, Debug)]
pub(crate) struct Links {
    /// Keys in use.
    pub(crate) admins: Vec<Index<Key>>,
    /// Keys in use, by team.
    pub(crate) teams: Vec<Vec<Index<Key>>>,
    attestors: Vec<Index<Key>>,
    pub(crate) trusted_by: Vec<Index<Trust>>,
    pub(crate) proposed: Vec<Index<Proposal>>,
    /// Pending proposals that affect it.
    pub(crate) awaiting: BTreeSet<Index<Proposal>>,
}

impl Links {
    pub(crate) fn keys(&self, role: Role) -> &[Index<Key>] {
        match role {
            Role::Admin => &self.admins,
            Role::Team(team) => &self.teams[usize::from(team)],
            Role::Attestor => &self.attestors,
        }
    }

    pub(crate) fn keys_mut(&mut self, role: Role) -> &mut Vec<Index<Key>> {
        match role {
            Role::Admin => &mut self.admins,
            Role::Team(team) => &mut self.teams[usize::from(team)],
            Role::Attestor => &mut self.attestors,
        }
    }
}

/// All indexes. None of them is hashed or stored: a restored registry makes them anew.
#[derive(Clone, Default, Debug)]
pub(crate) struct Indexes {
    pub(crate) federations: BTreeMap<FederationId, Index<Federation>>,
    pub(crate) links: Vec<Links>,
    pub(crate) trusts: BTreeMap<(Index<Federation>, Index<Federation>), Index<Trust>>,
    pub(crate) proposals: BTreeMap<ProposalId, Index<Proposal>>,
    /// Pending proposals by the last moment at which they can be decided.
    pub(crate) deadlines: BTreeSet<(OrderedTime, Index<Proposal>)>,
    pub(crate) windows: Windows,
    /// Whose the link keys of members are and were, as far as the registry knows.
    pub(crate) seats: BTreeMap<KeyBytes, Index<Federation>>,
    /// How many federations are on the council.
    pub(crate) council: usize,
}

impl Indexes {
    pub(crate) fn add_federation(&mut self, index: Index<Federation>, federation: &Federation) {
        self.federations.insert(federation.id.clone(), index);
        let teams = federation.teams.iter().map(|_| Vec::new()).collect();
        self.links.push(Links { teams, ..Links::default() });
        self.council += usize::from(federation.is_on_council());
        self.seats.extend(federation.seats.iter().map(|seat| (seat.link, index)));
    }

    pub(crate) fn add_trust(&mut self, index: Index<Trust>, trust: &Trust) {
        self.trusts.insert((trust.source, trust.target), index);
        self.links[trust.target.place()].trusted_by.push(index);
    }

    /// All about a proposal but its windows, which want their times in order.
    pub(crate) fn add_proposal(&mut self, index: Index<Proposal>, proposal: &Proposal) {
        self.proposals.insert(proposal.id, index);
        self.links[proposal.proposer.place()].proposed.push(index);
        if proposal.status == ProposalStatus::Pending {
            self.deadlines.insert((proposal.expires_at, index));
            for federation in &proposal.affected {
                self.links[federation.place()].awaiting.insert(index);
            }
        }
    }

    pub(crate) fn no_longer_pending(&mut self, index: Index<Proposal>, proposal: &Proposal) {
        self.deadlines.remove(&(proposal.expires_at, index));
        for federation in &proposal.affected {
            self.links[federation.place()].awaiting.remove(&index);
        }
    }
}
