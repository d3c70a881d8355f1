//! Who mostly serves whom, as JSON.

use jurat_trust::{
    FederationId, Figures, Health, Parameter, ProposalId, Reciprocity, Registry, Rejection, Risk, Score,
};
use serde::{Deserialize, Serialize};

/// The report over all federations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CollusionReport {
    /// How many federations there are; dissolved ones don't count.
    pub federations: usize,
    /// Over how many days they were judged.
    pub window_days: u32,
    /// `healthy`, or `warning` if there are rings.
    pub health: String,
    /// Pairs of which both flag the other, each once.
    pub rings: Vec<(FederationId, FederationId)>,
}

/// What a federation and each of its partners did for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReciprocityReport {
    /// Whose report it is.
    pub federation: FederationId,
    /// Over how many days.
    pub window_days: u32,
    /// The partners, by id.
    pub partners: Vec<PartnerReport>,
}

/// What a federation and one partner did for each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartnerReport {
    /// The other federation.
    pub partner: FederationId,
    /// Proposals of either that affect the other.
    pub mutual_proposals: u64,
    /// All proposals of both.
    pub all_proposals: u64,
    /// Mutual of all, in basis points.
    pub mutual_share: Score,
    /// Approvals of the partner's proposals.
    pub approvals_given: u64,
    /// The partner's approvals.
    pub approvals_received: u64,
    /// The smaller of both by the larger, in basis points.
    pub approval_ratio: Score,
    /// Whether their proposals are flagged.
    pub proposals_flagged: bool,
    /// Whether their approvals are flagged.
    pub approvals_flagged: bool,
}

/// What an approval would make of a pair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RiskAnswer {
    /// The proposal, hex.
    pub proposal: String,
    /// Who would approve it.
    pub approver: FederationId,
    /// `none`, `low-not-enough-history`, `low`, `medium` or `high`.
    pub risk: String,
    /// The ratio of approvals afterwards, in basis points; null where there is too little to say.
    pub ratio: Option<Score>,
}

impl From<Reciprocity> for PartnerReport {
    fn from(reciprocity: Reciprocity) -> Self {
        let Figures { mutual_proposals, all_proposals, approvals_given, approvals_received } =
            reciprocity.figures;
        Self {
            partner: reciprocity.partner,
            mutual_proposals,
            all_proposals,
            mutual_share: reciprocity.mutual_share,
            approvals_given,
            approvals_received,
            approval_ratio: reciprocity.approval_ratio,
            proposals_flagged: reciprocity.proposals_flagged,
            approvals_flagged: reciprocity.approvals_flagged,
        }
    }
}

pub(super) fn report(registry: &Registry) -> CollusionReport {
    let report = registry.collusion_report();
    let health = match report.health {
        Health::Healthy => "healthy",
        Health::Warning => "warning",
    };
    CollusionReport {
        federations: report.federations,
        window_days: window_days(registry),
        health: health.into(),
        rings: report.rings,
    }
}

pub(super) fn reciprocity(
    registry: &Registry,
    federation: &FederationId,
) -> Result<ReciprocityReport, Rejection> {
    let partners = registry.reciprocity_of(federation)?.into_iter().map(PartnerReport::from).collect();
    Ok(ReciprocityReport { federation: federation.clone(), window_days: window_days(registry), partners })
}

pub(super) fn risk(
    registry: &Registry,
    proposal: &ProposalId,
    approver: &FederationId,
) -> Result<RiskAnswer, Rejection> {
    let (risk, ratio) = match registry.approval_risk(approver, proposal)? {
        Risk::None => ("none", None),
        Risk::LowNotEnoughHistory => ("low-not-enough-history", None),
        Risk::Low { ratio } => ("low", Some(ratio)),
        Risk::Medium { ratio } => ("medium", Some(ratio)),
        Risk::High { ratio } => ("high", Some(ratio)),
    };
    Ok(RiskAnswer { proposal: proposal.to_string(), approver: approver.clone(), risk: risk.into(), ratio })
}

fn window_days(registry: &Registry) -> u32 {
    registry.policy().value(Parameter::WINDOW_DAYS)
}
