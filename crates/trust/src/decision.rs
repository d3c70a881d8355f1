//! Making and deciding proposals.

use alloc::vec::Vec;

use crate::{
    Action, Event, OrderedTime, Outcome, ProposalId, ProposalStatus, Registry, Rejection, TeamId,
    apply::Step,
    federation::Federation,
    operation::{CheckedOperation, Draft, MAX_AFFECTED},
    proposal::{Approval, Proposal, collapse},
    table::Index,
};

impl Registry {
    pub(crate) fn plan_proposal<'a>(
        &self,
        author: Index<Federation>,
        draft: &'a Draft,
        at: OrderedTime,
    ) -> Result<Step<'a>, Rejection> {
        if draft.expires_at <= at {
            return Err(Rejection::ExpiresTooEarly { expires_at: draft.expires_at, now: at });
        }
        let mut affected = alloc::vec![author];
        for id in draft.affected() {
            let index = self.find_active(id)?;
            self.require_operational(index)?;
            affected.push(index);
        }
        let affected = collapse(affected);
        if affected.len() > MAX_AFFECTED {
            return Err(Rejection::TooManyAffected(affected.len()));
        }
        let suspect = self.check_reciprocity(author, &affected, at)?;
        let obeyed = Action::read(&draft.action, draft.payload())?;
        if let Some(action) = &obeyed {
            self.check_action(action)?;
            self.require_council_quorum(action, &affected)?;
        }
        if !self.proposals.has_room(1) {
            return Err(Rejection::Full("proposals"));
        }
        Ok(Step::Propose { draft, affected, suspect })
    }

    pub(crate) fn propose(
        &mut self,
        author: Index<Federation>,
        operation: &CheckedOperation,
        draft: &Draft,
        affected: alloc::boxed::Box<[Index<Federation>]>,
        at: OrderedTime,
    ) {
        let witness_required =
            affected.iter().any(|index| self.federations.at(*index).settings.requires_external_witness);
        self.activity.at_mut(Index::new(author.value())).proposals += 1;
        self.insert_proposal(Proposal {
            id: ProposalId(operation.id),
            body: operation.body.as_slice().into(),
            proposer: author,
            affected,
            created_at: at,
            expires_at: draft.expires_at,
            witness_required,
            status: ProposalStatus::Pending,
            outcome: Outcome::None,
            approvals: Vec::new(),
            rejection: None,
            witnesses: Vec::new(),
        });
    }

    /// A proposal that can still change at this time.
    pub(crate) fn find_pending(
        &self,
        id: &ProposalId,
        at: OrderedTime,
    ) -> Result<Index<Proposal>, Rejection> {
        let index = *self.indexes.proposals.get(id).ok_or(Rejection::UnknownProposal(*id))?;
        match self.proposals.at(index).status_at(at) {
            ProposalStatus::Pending => Ok(index),
            status => Err(Rejection::NotPending { proposal: *id, status }),
        }
    }

    pub(crate) fn plan_withdrawal<'a>(
        &self,
        author: Index<Federation>,
        id: &ProposalId,
        at: OrderedTime,
    ) -> Result<Step<'a>, Rejection> {
        let index = self.find_pending(id, at)?;
        if self.proposals.at(index).proposer != author {
            let federation = self.federations.at(author).id.clone();
            return Err(Rejection::NotTheProposer { proposal: *id, federation });
        }
        Ok(Step::End { proposal: index, status: ProposalStatus::Withdrawn })
    }

    /// A pending proposal that this federation may still decide about.
    pub(crate) fn find_undecided(
        &self,
        author: Index<Federation>,
        id: &ProposalId,
        at: OrderedTime,
    ) -> Result<Index<Proposal>, Rejection> {
        let index = self.find_pending(id, at)?;
        let (proposal, federation) = (self.proposals.at(index), &self.federations.at(author).id);
        if proposal.affected.binary_search(&author).is_err() {
            return Err(Rejection::NotAffected { proposal: *id, federation: federation.clone() });
        }
        if proposal.is_approved_by(author) {
            return Err(Rejection::DecidedAlready { proposal: *id, federation: federation.clone() });
        }
        Ok(index)
    }

    /// The places of named teams, all of them active.
    pub(crate) fn active_teams(
        &self,
        author: Index<Federation>,
        teams: &[TeamId],
    ) -> Result<Vec<u8>, Rejection> {
        teams.iter().map(|team| self.find_active_team(author, team)).collect()
    }

    pub(crate) fn approve(
        &mut self,
        author: Index<Federation>,
        index: Index<Proposal>,
        teams: u64,
        at: OrderedTime,
        events: &mut Vec<Event>,
    ) {
        let proposal = self.proposals.at_mut(index);
        proposal.approvals.push(Approval { federation: author, teams, at });
        let (id, proposer) = (proposal.id, proposal.proposer);
        self.indexes.windows.approved(author, proposer, at);
        events.push(Event::ProposalApprovedBy {
            proposal: id,
            federation: self.federations.at(author).id.clone(),
        });
        self.complete(index, events);
    }

    /// Approves a proposal that has all it needs, and carries out its action.
    pub(crate) fn complete(&mut self, index: Index<Proposal>, events: &mut Vec<Event>) {
        if !self.proposals.at(index).is_complete() {
            return;
        }
        self.end(index, ProposalStatus::Approved, events);
        let (id, draft) = (self.proposals.at(index).id, self.proposals.at(index).draft());
        // Whether payload and type fit was checked when it was proposed.
        let Some(action) =
            draft.and_then(|draft| Action::read(&draft.action, draft.payload()).ok().flatten())
        else {
            return;
        };
        self.proposals.at_mut(index).outcome = match self.check_action(&action) {
            Ok(()) => {
                self.carry_out_action(&action, id);
                events.push(Event::ActionCarriedOut { proposal: id, action });
                Outcome::Done
            }
            Err(reason) => {
                events.push(Event::ActionVoid { proposal: id, reason });
                Outcome::Void
            }
        };
    }

    /// Gives a pending proposal its last status.
    pub(crate) fn end(&mut self, index: Index<Proposal>, status: ProposalStatus, events: &mut Vec<Event>) {
        let proposal = self.proposals.at_mut(index);
        proposal.status = status;
        let id = proposal.id;
        let activity = self.activity.at_mut(Index::new(proposal.proposer.value()));
        if status != ProposalStatus::Withdrawn {
            activity.decided += 1;
        }
        if status == ProposalStatus::Approved {
            activity.approved += 1;
        }
        self.indexes.no_longer_pending(index, self.proposals.at(index));
        events.push(Event::ProposalEnded { proposal: id, status });
    }

    /// Ends the proposals whose time is over.
    pub(crate) fn expire(&mut self, at: OrderedTime, events: &mut Vec<Event>) {
        while let Some((deadline, index)) = self.indexes.deadlines.first().copied()
            && deadline < at
        {
            self.end(index, ProposalStatus::Expired, events);
        }
    }
}
