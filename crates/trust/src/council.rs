//! The council and what proposals do to it, to federations and to the policy.
//!
//! An action that everybody must live with needs more than whom its proposer happens to name: a
//! quorum of the council's federations must be among the affected, the one that it is about not
//! counted. So whatever proposal passes has the same majority behind it that orders the log.

use alloc::vec::Vec;

use crate::{
    Action, ActionError, FederationId, Registry, Rejection, Status, federation::Federation, table::Index,
};

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
        self.federations.at(index).on_council
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
                    Status::Active => check_size(self.indexes.council + 1),
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
    pub(crate) fn carry_out_action(&mut self, action: &Action) {
        match action {
            Action::CouncilAdd(member) => self.set_on_council(&member.federation, true),
            Action::CouncilRemove(federation) => self.set_on_council(federation, false),
            Action::Suspend(federation) => self.set_status(federation, Status::Suspended),
            Action::Reinstate(federation) => self.set_status(federation, Status::Active),
            Action::SetPolicy(change) => {
                if let Ok(policy) = self.policy.with(change) {
                    self.policy = policy;
                }
            }
        }
    }

    fn set_on_council(&mut self, federation: &FederationId, on_council: bool) {
        if let Ok(index) = self.find(federation) {
            self.federations.at_mut(index).on_council = on_council;
            self.indexes.council =
                if on_council { self.indexes.council + 1 } else { self.indexes.council - 1 };
        }
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
        evidence: jurat_crypto::Digest,
        at: crate::OrderedTime,
    ) -> Result<Vec<crate::Event>, Rejection> {
        if at < self.time() {
            return Err(Rejection::TimeWentBack { from: self.time(), to: at });
        }
        let index = self.find(federation)?;
        let record = self.federations.at(index);
        match record.status {
            Status::Active | Status::Suspended => {}
            status => return Err(Rejection::NotActive { federation: federation.clone(), status }),
        }
        if record.evidence.contains(&evidence) {
            return Err(Rejection::EvidenceUsed { federation: federation.clone(), evidence });
        }
        if record.evidence.len() >= crate::federation::MAX_EVIDENCE {
            return Err(Rejection::Full("evidence against the federation"));
        }
        let mut events = self.advance(at)?;
        let record = self.federations.at_mut(index);
        record.status = Status::Quarantined;
        record.evidence.push(evidence);
        events.push(crate::Event::FederationQuarantined { federation: federation.clone(), evidence });
        Ok(events)
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
