//! Witnesses: federations from outside that saw a proposal.

use alloc::vec::Vec;

use serde::{Deserialize, Serialize};

use crate::{
    Event, FederationId, OrderedTime, Parameter, ProposalId, Registry, Rejection, Score, Status,
    federation::Federation,
    proposal::{MAX_WITNESSES, Proposal, Witnessed},
    table::Index,
};

/// A federation that may witness.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EligibleWitness {
    /// Which.
    pub federation: FederationId,
    /// The proposer's score of it.
    pub score: Score,
}

impl Registry {
    /// A pending proposal that this federation may witness. What it was when it witnessed is what
    /// counts; a testimony stands though the federation falls afterwards.
    pub(crate) fn find_witnessable(
        &self,
        author: Index<Federation>,
        team: u8,
        id: &ProposalId,
        at: OrderedTime,
    ) -> Result<Index<Proposal>, Rejection> {
        let index = self.find_pending(id, at)?;
        let proposal = self.proposals.at(index);
        let federation = || self.federations.at(author).id.clone();
        if proposal.affected.binary_search(&author).is_ok() {
            return Err(Rejection::AffectedWitness { proposal: *id, federation: federation() });
        }
        let trust = self.indexes.trusts.get(&(proposal.proposer, author)).map(|index| self.trusts.at(*index));
        let least = self.policy.score(Parameter::WITNESS_LEAST);
        if !trust.is_some_and(|trust| trust.lets_witness(least)) {
            return Err(Rejection::UntrustedWitness {
                proposer: self.federations.at(proposal.proposer).id.clone(),
                federation: federation(),
                score: trust.map_or(Score::ZERO, |trust| trust.score),
                needed: least,
            });
        }
        if proposal.witnesses.iter().any(|witness| (witness.federation, witness.team) == (author, team)) {
            return Err(Rejection::WitnessedAlready { proposal: *id, federation: federation() });
        }
        if proposal.witnesses.len() >= MAX_WITNESSES {
            return Err(Rejection::Full("witnesses of the proposal"));
        }
        Ok(index)
    }

    pub(crate) fn witness(
        &mut self,
        author: Index<Federation>,
        team: u8,
        index: Index<Proposal>,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let proposal = self.proposals.at_mut(index);
        proposal.witnesses.push(Witnessed { federation: author, team, at });
        let (proposal, federation) = (proposal.id, self.federations.at(author));
        events.push(Event::ProposalWitnessed {
            proposal,
            federation: federation.id.clone(),
            team: federation.teams[usize::from(team)].id.clone(),
        });
        self.complete(index, events);
    }

    /// Who may witness proposals of a federation, by falling score and then by id: active,
    /// operational, trusted with permission, and with at least `least`, or what the policy asks
    /// for. A `least` of 0 is 0; below the policy's number it answers a question, it does not let
    /// anyone witness.
    pub fn eligible_witnesses(
        &self,
        proposer: &FederationId,
        excluded: &[FederationId],
        least: Option<Score>,
    ) -> Result<Vec<EligibleWitness>, Rejection> {
        let least = least.unwrap_or_else(|| self.policy.score(Parameter::WITNESS_LEAST));
        let trusts = self.outgoing(Some(self.find(proposer)?)).map(|index| self.trusts.at(index));
        let mut eligible: Vec<_> = trusts
            .filter(|trust| trust.lets_witness(least))
            .map(|trust| (trust.score, self.federations.at(trust.target)))
            .filter(|(_, target)| target.status == Status::Active && target.is_operational())
            .filter(|(_, target)| !excluded.contains(&target.id))
            .map(|(score, target)| EligibleWitness { federation: target.id.clone(), score })
            .collect();
        eligible.sort_unstable_by(|a, b| b.score.cmp(&a.score).then_with(|| a.federation.cmp(&b.federation)));
        Ok(eligible)
    }

    /// What a proposal still needs.
    pub fn requirements(&self, id: &ProposalId) -> Result<Requirements, Rejection> {
        let index = *self.indexes.proposals.get(id).ok_or(Rejection::UnknownProposal(*id))?;
        let proposal = self.proposals.at(index);
        let name = |index: &Index<Federation>| self.federations.at(*index).id.clone();
        let (approved, missing): (Vec<_>, Vec<_>) =
            proposal.affected.iter().partition(|federation| proposal.is_approved_by(**federation));
        let mut witnesses: Vec<_> =
            proposal.witnesses.iter().map(|witness| name(&witness.federation)).collect();
        witnesses.sort_unstable();
        witnesses.dedup();
        Ok(Requirements {
            affected: proposal.affected.iter().map(name).collect(),
            approved: approved.into_iter().map(name).collect(),
            missing: missing.into_iter().map(name).collect(),
            external_witness_needed: proposal.witness_required,
            external_witness_present: !witnesses.is_empty(),
            witnesses,
            all_met: proposal.is_complete(),
            status: proposal.status,
        })
    }
}

/// What a proposal has and what it lacks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Requirements {
    /// Whom it affects, the proposer included.
    pub affected: Vec<FederationId>,
    /// Which of them approved.
    pub approved: Vec<FederationId>,
    /// Which did not.
    pub missing: Vec<FederationId>,
    /// Who witnessed it.
    pub witnesses: Vec<FederationId>,
    /// Whether it needs a witness from outside.
    pub external_witness_needed: bool,
    /// Whether it has one.
    pub external_witness_present: bool,
    /// Whether it has all it needs.
    pub all_met: bool,
    /// Where it stands.
    pub status: crate::ProposalStatus,
}
