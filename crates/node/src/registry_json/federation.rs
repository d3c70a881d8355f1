//! Federations, as JSON.

use std::collections::BTreeMap;

use jurat_trust::{
    FederationId, FederationView, Name, Registry, Rejection, Score, SequenceDomain, Status, TeamId, TeamView,
};
use serde::{Deserialize, Serialize};

use super::rfc3339;

/// A federation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederationBrief {
    /// Its id.
    pub id: FederationId,
    /// Its name for people.
    pub name: Name,
    /// Where it stands.
    pub status: Status,
    /// Whether it has enough active teams to propose, approve and witness.
    pub operational: bool,
    /// Whether its node is among those that order the log.
    pub on_council: bool,
    /// How many of its teams are active.
    pub active_teams: usize,
    /// What those who trust it make of it, in basis points.
    pub reputation: Score,
}

/// Some federations, by id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederationPage {
    /// The federations.
    pub federations: Vec<FederationBrief>,
    /// After which to go on; null at the end.
    pub next: Option<FederationId>,
}

/// A team.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TeamShown {
    /// Its id.
    pub id: TeamId,
    /// Whether it takes part.
    pub active: bool,
    /// How many of its keys must sign.
    pub threshold: u8,
    /// The keys in use, hex.
    pub keys: Vec<String>,
}

/// All about a federation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FederationShown {
    /// Its id.
    pub id: FederationId,
    /// Its name for people.
    pub name: Name,
    /// When it was registered; the Unix epoch for founders.
    pub created_at: String,
    /// Where it stands.
    pub status: Status,
    /// Whether it has enough active teams to propose, approve and witness.
    pub operational: bool,
    /// Whether its node is among those that order the log.
    pub on_council: bool,
    /// Below how many active teams it is not operational.
    pub min_team_count: u8,
    /// Whether proposals that affect it need a witness from outside.
    pub requires_external_witness: bool,
    /// How many of its admin keys must sign.
    pub threshold: u8,
    /// The admin keys in use, hex.
    pub admin_keys: Vec<String>,
    /// Its teams, in the order in which they came.
    pub teams: Vec<TeamShown>,
    /// What those who trust it make of it, in basis points.
    pub reputation: Score,
    /// How many proposals it made.
    pub proposal_count: u32,
    /// Approved of its decided proposals, in basis points.
    pub success_rate: Score,
    /// Digests of what it was quarantined for, hex.
    pub evidence: Vec<String>,
}

/// The last sequence of each domain of a federation: what signs next uses a higher one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sequences {
    /// Whose.
    pub federation: FederationId,
    /// By domain.
    pub sequences: BTreeMap<SequenceDomain, u64>,
}

impl From<FederationView> for FederationBrief {
    fn from(view: FederationView) -> Self {
        Self {
            id: view.id,
            name: view.settings.name,
            status: view.status,
            operational: view.operational,
            on_council: view.on_council,
            active_teams: view.teams.iter().filter(|team| team.active).count(),
            reputation: view.reputation,
        }
    }
}

impl From<TeamView> for TeamShown {
    fn from(view: TeamView) -> Self {
        let keys = view.keys.iter().map(ToString::to_string).collect();
        Self { id: view.id, active: view.active, threshold: view.threshold, keys }
    }
}

impl From<FederationView> for FederationShown {
    fn from(view: FederationView) -> Self {
        Self {
            created_at: rfc3339(view.created_at),
            min_team_count: view.settings.min_team_count(),
            requires_external_witness: view.settings.requires_external_witness,
            name: view.settings.name,
            id: view.id,
            status: view.status,
            operational: view.operational,
            on_council: view.on_council,
            threshold: view.threshold,
            admin_keys: view.admin_keys.iter().map(ToString::to_string).collect(),
            teams: view.teams.into_iter().map(TeamShown::from).collect(),
            reputation: view.reputation,
            proposal_count: view.proposal_count,
            success_rate: view.success_rate,
            evidence: view.evidence.iter().map(ToString::to_string).collect(),
        }
    }
}

/// A federation by its exact id.
pub(super) fn view(registry: &Registry, id: &FederationId) -> Result<FederationView, Rejection> {
    registry.federation(id).ok_or_else(|| Rejection::UnknownFederation(id.clone()))
}

/// At most `limit` federations by id, from the one after `after`.
pub(super) fn page(registry: &Registry, after: Option<&FederationId>, limit: usize) -> FederationPage {
    let mut following = registry.federations_after(after).map(FederationBrief::from);
    let federations: Vec<_> = following.by_ref().take(limit).collect();
    let next = following.next().and(federations.last()).map(|last| last.id.clone());
    FederationPage { federations, next }
}

pub(super) fn sequences(registry: &Registry, id: &FederationId) -> Result<Sequences, Rejection> {
    let view = view(registry, id)?;
    Ok(Sequences { federation: view.id, sequences: view.sequences.into() })
}
