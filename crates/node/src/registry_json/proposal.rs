//! Proposals and what they still need, as JSON.

use data_encoding::BASE64;
use jurat_trust::{
    ActionType, Description, FederationId, Outcome, ProposalId, ProposalStatus, ProposalView, Proposals,
    Registry, Rejection, Requirements, TeamId,
};
use serde::{Deserialize, Serialize};

use super::{WhichProposals, federation, rfc3339};

/// A proposal in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalBrief {
    /// Its id, hex.
    pub id: String,
    /// Who proposed.
    pub proposer: FederationId,
    /// What kind of action it is for.
    pub action: ActionType,
    /// What it says to people.
    pub description: Description,
    /// Where it stands.
    pub status: ProposalStatus,
    /// How many approved.
    pub approvals: usize,
    /// How many it affects, the proposer included.
    pub affected: usize,
    /// When it was made.
    pub created_at: String,
    /// The last moment at which it can be decided.
    pub expires_at: String,
}

/// Some proposals, the newest first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalPage {
    /// The proposals.
    pub proposals: Vec<ProposalBrief>,
    /// How many to skip to go on; null at the end.
    pub next: Option<usize>,
}

/// All about a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProposalShown {
    /// Its id, hex.
    pub id: String,
    /// Who proposed.
    pub proposer: FederationId,
    /// By which team.
    pub team: TeamId,
    /// Whom it affects, the proposer included.
    pub affected: Vec<FederationId>,
    /// What kind of action it is for.
    pub action: ActionType,
    /// What it says to people.
    pub description: Description,
    /// What the action takes, base64.
    pub payload: String,
    /// When it was made.
    pub created_at: String,
    /// The last moment at which it can be decided.
    pub expires_at: String,
    /// Where it stands.
    pub status: ProposalStatus,
    /// What came of its action.
    pub outcome: Outcome,
    /// Whether it needs a witness from outside.
    pub requires_external_witness: bool,
    /// Who approved, in order.
    pub approvals: Vec<ApprovalShown>,
    /// Who rejected; null if nobody did.
    pub rejection: Option<RejectionShown>,
    /// Who witnessed, in order.
    pub witnesses: Vec<TestimonyShown>,
}

/// One federation's approval.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalShown {
    /// Whose.
    pub federation: FederationId,
    /// By which of its teams.
    pub teams: Vec<TeamId>,
    /// When.
    pub at: String,
}

/// One federation's rejection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RejectionShown {
    /// Whose.
    pub federation: FederationId,
    /// When.
    pub at: String,
}

/// One team's testimony.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestimonyShown {
    /// Whose team.
    pub federation: FederationId,
    /// Which team.
    pub team: TeamId,
    /// When.
    pub at: String,
}

/// What a proposal has and what it lacks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequirementsShown {
    /// Its id, hex.
    pub proposal: String,
    /// Those.
    #[serde(flatten)]
    pub requirements: Requirements,
}

impl From<ProposalView> for ProposalBrief {
    fn from(view: ProposalView) -> Self {
        Self {
            id: view.id.to_string(),
            proposer: view.proposer,
            action: view.action,
            description: view.description,
            status: view.status,
            approvals: view.approvals.len(),
            affected: view.affected.len(),
            created_at: rfc3339(view.created_at),
            expires_at: rfc3339(view.expires_at),
        }
    }
}

impl From<ProposalView> for ProposalShown {
    fn from(view: ProposalView) -> Self {
        let approvals = view.approvals.into_iter().map(|approval| ApprovalShown {
            federation: approval.federation,
            teams: approval.teams,
            at: rfc3339(approval.at),
        });
        let witnesses = view.witnesses.into_iter().map(|witness| TestimonyShown {
            federation: witness.federation,
            team: witness.team,
            at: rfc3339(witness.at),
        });
        Self {
            id: view.id.to_string(),
            proposer: view.proposer,
            team: view.team,
            affected: view.affected,
            action: view.action,
            description: view.description,
            payload: BASE64.encode(&view.payload),
            created_at: rfc3339(view.created_at),
            expires_at: rfc3339(view.expires_at),
            status: view.status,
            outcome: view.outcome,
            requires_external_witness: view.requires_external_witness,
            approvals: approvals.collect(),
            rejection: view.rejection.map(|rejection| RejectionShown {
                federation: rejection.federation,
                at: rfc3339(rejection.at),
            }),
            witnesses: witnesses.collect(),
        }
    }
}

/// At most `limit` proposals, the newest first.
pub(super) fn page(
    registry: &Registry,
    which: &WhichProposals,
    skip: usize,
    limit: usize,
) -> Result<ProposalPage, Rejection> {
    if let WhichProposals::By(id) | WhichProposals::Awaiting(id) = which {
        federation::view(registry, id)?;
    }
    let asked = match which {
        WhichProposals::All => Proposals::All,
        WhichProposals::By(id) => Proposals::By(id),
        WhichProposals::Awaiting(id) => Proposals::Awaiting(id),
    };
    // One more than asked for tells whether there is a next page.
    let mut views = registry.list_proposals(asked, skip, limit.saturating_add(1));
    let next = (views.len() > limit).then(|| skip.saturating_add(limit));
    views.truncate(limit);
    Ok(ProposalPage { proposals: views.into_iter().map(ProposalBrief::from).collect(), next })
}

pub(super) fn shown(registry: &Registry, id: &ProposalId) -> Result<ProposalShown, Rejection> {
    registry.proposal(id).map(ProposalShown::from).ok_or(Rejection::UnknownProposal(*id))
}

pub(super) fn requirements(registry: &Registry, id: &ProposalId) -> Result<RequirementsShown, Rejection> {
    Ok(RequirementsShown { proposal: id.to_string(), requirements: registry.requirements(id)? })
}
