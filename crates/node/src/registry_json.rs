//! What the registry answers, as JSON: one set of questions and shapes for the HTTP interface, the
//! command line and a registry that was replayed from a log.
//!
//! A [`Query`] is read from a path such as `/api/v1/federations/fed:lab`, answered from a
//! [`Registry`], and stands in [`AsOf`], which says for which log it holds. Times are RFC 3339,
//! scores basis points, keys and ids of proposals hex; everything can be read back.

mod collusion;
mod federation;
mod proposal;
mod query;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;

use jurat_crypto::Digest;
use jurat_trust::{FederationId, OrderedTime, Parameter, Registry};
use serde::{Deserialize, Serialize};

pub use collusion::{CollusionReport, PartnerReport, ReciprocityReport, RiskAnswer};
pub use federation::{FederationBrief, FederationPage, FederationShown, Sequences, TeamShown};
pub use proposal::{
    ApprovalShown, ProposalBrief, ProposalPage, ProposalShown, RejectionShown, RequirementsShown,
    TestimonyShown,
};
pub use query::{MAX_GRAPH_TRUSTS, MAX_PAGE, Query, QueryError, ROUTES, WhichProposals};
pub use trust::{BootstrapShown, EligibleWitnesses, TrustPage, TrustShown, WitnessScore};

/// An answer with the log that it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsOf<T> {
    /// The number of entries of the log.
    pub log_size: u64,
    /// The log's root, hex.
    pub root: String,
    /// The ordered time of the registry, RFC 3339.
    pub time: String,
    /// The answer.
    #[serde(flatten)]
    pub answer: T,
}

impl<T> AsOf<T> {
    /// An answer of a registry that follows from a log of this size and root.
    pub fn new(log_size: u64, root: &Digest, registry: &Registry, answer: T) -> Self {
        Self { log_size, root: root.to_string(), time: rfc3339(registry.time()), answer }
    }
}

/// The registry as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    /// The network's id, hex.
    pub network: String,
    /// What checkpoints certify of the registry, as hex; they have it in base64.
    pub registry_digest: String,
    /// How many federations there are, dissolved ones included.
    pub federations: u32,
    /// How many directed trust relations.
    pub trusts: u32,
    /// How many proposals, whatever became of them.
    pub proposals: u32,
    /// The federations whose nodes order the log, by id.
    pub council: Vec<FederationId>,
    /// The numbers by which the registry judges, by their names.
    pub policy: BTreeMap<String, u32>,
}

impl Summary {
    /// Sums up.
    #[must_use]
    pub fn of(registry: &Registry) -> Self {
        let size = registry.size();
        let value = |parameter: Parameter| (parameter.name().into(), registry.policy().value(parameter));
        Self {
            network: registry.network().to_string(),
            registry_digest: registry.digest().to_string(),
            federations: size.federations,
            trusts: size.trusts,
            proposals: size.proposals,
            council: registry.council().cloned().collect(),
            policy: Parameter::all().map(value).collect(),
        }
    }
}

fn rfc3339(time: OrderedTime) -> String {
    crate::time::rfc3339(time.0)
}
