//! Trust and what it still takes, as JSON.

use jurat_trust::{
    BootstrapStatus, FederationId, NextLevel, Parameter, Registry, Rejection, Relationship, Score, TrustView,
};
use serde::{Deserialize, Serialize};

use super::{federation, rfc3339};

/// What one federation makes of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustShown {
    /// Who trusts.
    pub source: FederationId,
    /// Who is trusted.
    pub target: FederationId,
    /// How they relate, as the source says.
    pub relationship: Relationship,
    /// Whether the target says the same of the source.
    pub mutual: bool,
    /// How much, in basis points.
    pub score: Score,
    /// Whether the target may witness for the source.
    pub witness_allowed: bool,
    /// Since when.
    pub established_at: String,
    /// When they last did something together; null if they never did.
    pub last_interaction: Option<String>,
    /// Interactions that went well.
    pub successful: u32,
    /// Interactions that did not.
    pub failed: u32,
}

impl From<TrustView> for TrustShown {
    fn from(view: TrustView) -> Self {
        Self {
            source: view.source,
            target: view.target,
            relationship: view.relationship,
            mutual: view.mutual,
            score: view.score,
            witness_allowed: view.witness_allowed,
            established_at: rfc3339(view.established_at),
            last_interaction: view.last_interaction.map(rfc3339),
            successful: view.successful,
            failed: view.failed,
        }
    }
}

/// Some trust relations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustPage {
    /// The relations.
    pub trust: Vec<TrustShown>,
    /// How many to skip to go on; null at the end.
    pub next: Option<usize>,
}

/// How far trust has come and what it still takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BootstrapShown {
    /// Who trusts.
    pub source: FederationId,
    /// Who is trusted.
    pub target: FederationId,
    /// How much, in basis points.
    pub score: Score,
    /// The lower of the two caps.
    pub effective_cap: Score,
    /// The cap by the target's age.
    pub cap_by_age: Score,
    /// The cap by the pair's successful interactions.
    pub cap_by_successes: Score,
    /// The target's age in whole days.
    pub age_days: u64,
    /// Interactions that went well.
    pub successful: u32,
    /// Interactions that did not.
    pub failed: u32,
    /// Whether a success now would raise the score.
    pub can_rise: bool,
    /// The cap that comes next; null at the last.
    pub next_cap: Option<Score>,
    /// Successful interactions that are still missing for it.
    pub successes_needed: Option<u64>,
    /// Days of the target's age that are still missing for it.
    pub days_needed: Option<u64>,
}

/// Who may witness proposals of a federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EligibleWitnesses {
    /// Whose proposals.
    pub proposer: FederationId,
    /// The least score that was asked for.
    pub least: Score,
    /// Who was left out.
    pub excluded: Vec<FederationId>,
    /// Who may, by falling score and then by id.
    pub witnesses: Vec<WitnessScore>,
}

/// A federation that may witness.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WitnessScore {
    /// Which.
    pub federation: FederationId,
    /// The proposer's score of it.
    pub score: Score,
}

/// Trust of a source, in a target, or of the one in the other; one of them must be given.
pub(super) fn page(
    registry: &Registry,
    (source, target): (Option<&FederationId>, Option<&FederationId>),
    skip: usize,
    limit: usize,
) -> Result<TrustPage, Rejection> {
    for id in [source, target].into_iter().flatten() {
        federation::view(registry, id)?;
    }
    // One more than asked for tells whether there is a next page.
    let take = limit.saturating_add(1);
    let mut trust: Vec<TrustShown> = match (source, target) {
        (Some(source), Some(target)) => {
            registry.trust(source, target).into_iter().skip(skip).map(TrustShown::from).collect()
        }
        (Some(source), None) => {
            registry.trust_from(source).skip(skip).take(take).map(TrustShown::from).collect()
        }
        (None, Some(target)) => {
            registry.trust_in(target).skip(skip).take(take).map(TrustShown::from).collect()
        }
        (None, None) => Vec::new(),
    };
    let next = (trust.len() > limit).then(|| skip.saturating_add(limit));
    trust.truncate(limit);
    Ok(TrustPage { trust, next })
}

pub(super) fn bootstrap(
    registry: &Registry,
    source: &FederationId,
    target: &FederationId,
) -> Result<BootstrapShown, Rejection> {
    let status: BootstrapStatus = registry.bootstrap_status(source, target)?;
    let next = |of: fn(NextLevel) -> u64| status.next.map(of);
    Ok(BootstrapShown {
        source: source.clone(),
        target: target.clone(),
        score: status.score,
        effective_cap: status.effective_cap,
        cap_by_age: status.caps.by_age,
        cap_by_successes: status.caps.by_successes,
        age_days: status.age_days,
        successful: status.successful,
        failed: status.failed,
        can_rise: status.can_rise,
        next_cap: status.next.map(|next| next.cap),
        successes_needed: next(|next| next.successes_needed),
        days_needed: next(|next| next.days_needed),
    })
}

pub(super) fn witnesses(
    registry: &Registry,
    proposer: &FederationId,
    excluded: &[FederationId],
    least: Option<Score>,
) -> Result<EligibleWitnesses, Rejection> {
    let eligible = registry.eligible_witnesses(proposer, excluded, least)?;
    let policy = u16::try_from(registry.policy().value(Parameter::WITNESS_LEAST)).unwrap_or(u16::MAX);
    Ok(EligibleWitnesses {
        proposer: proposer.clone(),
        least: least.unwrap_or(Score::new(policy).unwrap_or(Score::ONE)),
        excluded: excluded.to_vec(),
        witnesses: eligible
            .into_iter()
            .map(|witness| WitnessScore { federation: witness.federation, score: witness.score })
            .collect(),
    })
}
