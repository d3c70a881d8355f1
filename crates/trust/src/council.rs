//! The council and what proposals do to it, to federations and to the policy.
//!
//! An action that everybody must live with needs more than whom its proposer happens to name: a
//! quorum of the council's federations must be among the affected, the one that it is about not
//! counted. So whatever proposal passes has the same majority behind it that orders the log.

use alloc::vec::Vec;

use jurat_crypto::{Digest, VerifyingKey};

use crate::{
    Action, ActionError, DecodeError, Event, FederationId, KeyBytes, MAX_EVIDENCE, OrderedTime, Outcome,
    ProposalId, Registry, Rejection, Status,
    apply::Step,
    federation::Federation,
    operation::CheckedOperation,
    table::Index,
    wire::{Reader, Write},
};

/// The most places on the council that a federation has in its life.
pub const MAX_SEATS: usize = 64;

/// A place of a federation's node on the council.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CouncilSeat {
    /// The key by which the node is known to its peers.
    pub link: KeyBytes,
    /// By which proposal it came; none for a founder.
    pub added_by: Option<ProposalId>,
    /// By which proposal it went.
    pub removed_by: Option<ProposalId>,
}

impl CouncilSeat {
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.bytes(&self.link.0);
        for proposal in [self.added_by, self.removed_by] {
            out.bool(proposal.is_some());
            out.bytes(proposal.as_ref().map_or(&[], |proposal| proposal.0.as_bytes()));
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let link = KeyBytes(*reader.array("link key of a place on the council")?);
        let mut proposal = || {
            let is_there = reader.bool("proposal of a place on the council")?;
            is_there.then(|| reader.digest("proposal of a place on the council").map(ProposalId)).transpose()
        };
        Ok(Self { link, added_by: proposal()?, removed_by: proposal()? })
    }
}

/// The most members of a council.
pub const MAX_COUNCIL: usize = 100;
/// The fewest members that a council of more than one can have: below it tolerates no fault.
pub const MIN_COUNCIL: usize = 4;

/// How many of n must agree so that any two such groups share an honest member:
/// ceil((n + f + 1) / 2) with f = floor((n - 1) / 3).
const fn quorum(members: usize) -> usize {
    let faulty = members.saturating_sub(1) / 3;
    (members + faulty + 1).div_ceil(2)
}

impl Registry {
    /// The federations whose nodes order the log, by id: the founders, those added since, less
    /// those removed.
    pub fn council(&self) -> impl Iterator<Item = &FederationId> {
        let members = self.indexes.federations.iter().filter(|(_, index)| self.is_on_council(**index));
        members.map(|(id, _)| id)
    }

    fn is_on_council(&self, index: Index<Federation>) -> bool {
        self.federations.at(index).is_on_council()
    }

    pub(crate) fn require_council_quorum(
        &self,
        action: &Action,
        affected: &[Index<Federation>],
    ) -> Result<(), Rejection> {
        let subject = match action {
            Action::CouncilAdd(member) => Some(&member.federation),
            Action::CouncilRemove(subject) | Action::Suspend(subject) | Action::Reinstate(subject) => {
                Some(subject)
            }
            Action::SetPolicy(_) => None,
        };
        let subject = subject.map(|subject| self.find(subject)).transpose()?;
        let counts = |index: &&Index<Federation>| self.is_on_council(**index) && Some(**index) != subject;
        let (present, needed) = (affected.iter().filter(counts).count(), quorum(self.indexes.council));
        if present < needed {
            return Err(Rejection::CouncilQuorum { action: action.name(), present, needed });
        }
        Ok(())
    }

    /// Whether an action could be carried out now.
    pub(crate) fn check_action(&self, action: &Action) -> Result<(), ActionError> {
        let name = action.name();
        let find = |federation: &FederationId| {
            let unknown = || ActionError::Unknown { action: name, federation: federation.clone() };
            self.find(federation).map_err(|_| unknown())
        };
        let status_of = |federation: &FederationId| -> Result<Status, ActionError> {
            Ok(self.federations.at(find(federation)?).status)
        };
        let refuse = |federation: &FederationId, status| ActionError::Status {
            action: name,
            federation: federation.clone(),
            status,
        };
        match action {
            Action::CouncilAdd(member) => {
                let federation = &member.federation;
                match status_of(federation)? {
                    Status::Active if self.is_on_council(find(federation)?) => {
                        Err(ActionError::Membership { federation: federation.clone(), member: true })
                    }
                    Status::Active => {
                        let (index, link) = (find(federation)?, KeyBytes::from(&member.link));
                        if self.indexes.seats.get(&link).is_some_and(|holder| *holder != index) {
                            return Err(ActionError::LinkTaken(link));
                        }
                        if self.federations.at(index).seats.len() >= MAX_SEATS {
                            return Err(ActionError::TooManySeats(federation.clone()));
                        }
                        check_size(self.indexes.council + 1)
                    }
                    status => Err(refuse(federation, status)),
                }
            }
            Action::CouncilRemove(federation) => {
                if !self.is_on_council(find(federation)?) {
                    return Err(ActionError::Membership { federation: federation.clone(), member: false });
                }
                check_size(self.indexes.council - 1)
            }
            Action::Suspend(federation) => match status_of(federation)? {
                Status::Active => Ok(()),
                status => Err(refuse(federation, status)),
            },
            Action::Reinstate(federation) => match status_of(federation)? {
                Status::Suspended | Status::Quarantined => Ok(()),
                status => Err(refuse(federation, status)),
            },
            Action::SetPolicy(change) => Ok(self.policy.with(change).map(|_| ())?),
        }
    }

    /// Carries out an action that was checked.
    pub(crate) fn carry_out_action(&mut self, action: &Action, proposal: ProposalId) {
        match action {
            Action::CouncilAdd(member) => {
                let link = KeyBytes::from(&member.link);
                if let Ok(index) = self.find(&member.federation) {
                    let seat = CouncilSeat { link, added_by: Some(proposal), removed_by: None };
                    self.federations.at_mut(index).seats.push(seat);
                    self.indexes.seats.insert(link, index);
                    self.indexes.council += 1;
                }
            }
            Action::CouncilRemove(federation) => {
                if let Ok(index) = self.find(federation)
                    && let Some(seat) = self.federations.at_mut(index).seats.last_mut()
                {
                    seat.removed_by = Some(proposal);
                    self.indexes.council -= 1;
                }
            }
            Action::Suspend(federation) => self.set_status(federation, Status::Suspended),
            Action::Reinstate(federation) => self.set_status(federation, Status::Active),
            Action::SetPolicy(change) => {
                if let Ok(policy) = self.policy.with(change) {
                    self.policy = policy;
                }
            }
        }
    }

    /// The federation whose node has, or had, this link key as a member, and how it came and went. A
    /// member that joined without a proposal is not known here.
    #[must_use]
    pub fn council_seat(&self, link: &VerifyingKey) -> Option<(&FederationId, &CouncilSeat)> {
        let link = KeyBytes::from(link);
        let federation = self.federations.at(*self.indexes.seats.get(&link)?);
        Some((&federation.id, federation.seats.iter().rfind(|seat| seat.link == link)?))
    }

    /// What a proposal did that was approved and could be carried out.
    #[must_use]
    pub fn carried_out(&self, proposal: &ProposalId) -> Option<Action> {
        let proposal = self.proposals.at(*self.indexes.proposals.get(proposal)?);
        let draft = proposal.draft().filter(|_| proposal.outcome == Outcome::Done)?;
        Action::read(&draft.action, draft.payload()).ok().flatten()
    }

    fn set_status(&mut self, federation: &FederationId, status: Status) {
        if let Ok(index) = self.find(federation) {
            self.federations.at_mut(index).status = status;
        }
    }

    /// Stops a federation whose misbehaviour was proved. Whoever calls this has verified the
    /// evidence, of which this is the digest; the same evidence counts once.
    pub fn quarantine(
        &mut self,
        federation: &FederationId,
        evidence: Digest,
        at: OrderedTime,
    ) -> Result<Vec<Event>, Rejection> {
        if at < self.time() {
            return Err(Rejection::TimeWentBack { from: self.time(), to: at });
        }
        let index = self.find(federation)?;
        self.check_evidence(index, &evidence)?;
        let mut events = self.advance(at)?;
        self.stop(index, evidence, &mut events);
        Ok(events)
    }

    /// Who is accused, if its federation can be stopped for it.
    pub(crate) fn plan_accusation(
        &self,
        operation: &CheckedOperation,
        evidence: &[u8],
    ) -> Result<Step<'static>, Rejection> {
        let accused = operation.accused.ok_or(Rejection::UnverifiedEvidence)?;
        let federation = *self.indexes.seats.get(&accused).ok_or(Rejection::UnknownMember(accused))?;
        let evidence = Digest::of(evidence);
        self.check_evidence(federation, &evidence)?;
        Ok(Step::Quarantine { federation, evidence })
    }

    fn check_evidence(&self, index: Index<Federation>, evidence: &Digest) -> Result<(), Rejection> {
        let Federation { id, status, evidence: used, .. } = self.federations.at(index);
        match *status {
            Status::Active | Status::Suspended => {}
            status => return Err(Rejection::NotActive { federation: id.clone(), status }),
        }
        if used.contains(evidence) {
            return Err(Rejection::EvidenceUsed { federation: id.clone(), evidence: *evidence });
        }
        if used.len() >= MAX_EVIDENCE {
            return Err(Rejection::Full("evidence against the federation"));
        }
        Ok(())
    }

    pub(crate) fn stop(&mut self, index: Index<Federation>, evidence: Digest, events: &mut Vec<Event>) {
        let record = self.federations.at_mut(index);
        record.status = Status::Quarantined;
        record.evidence.push(evidence);
        let federation = record.id.clone();
        events.push(Event::FederationQuarantined { federation, evidence });
    }
}

fn check_size(members: usize) -> Result<(), ActionError> {
    if (MIN_COUNCIL..=MAX_COUNCIL).contains(&members) {
        Ok(())
    } else {
        Err(ActionError::CouncilSize(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_two_quorums_share_more_than_may_be_faulty() {
        for n in 1..=MAX_COUNCIL {
            let (q, f) = (quorum(n), (n - 1) / 3);
            assert!(2 * q - n > f && q <= n - f, "{n}");
        }
        assert_eq!([1, 4, 5, 6, 7, 8, 9, 10].map(quorum), [1, 3, 4, 4, 5, 6, 6, 7]);
    }
}
