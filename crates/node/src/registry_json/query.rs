//! The questions that the registry answers: read from a path, written as one, and answered.

use jurat_trust::{FederationId, ProposalId, Registry, Rejection, Score};
use serde::Serialize;
use serde_json::Value;

use super::{FederationShown, Summary, collusion, federation, proposal, trust};
use crate::url::{escape, unescape};

/// The most items of one answer.
pub const MAX_PAGE: usize = 500;
/// The most trust relations that are drawn at once.
pub const MAX_GRAPH_TRUSTS: u32 = 20_000;
/// Where queries begin; everything below these paths is one as well.
pub const ROUTES: [&str; 5] =
    ["/api/v1/registry", "/api/v1/federations", "/api/v1/trust", "/api/v1/proposals", "/api/v1/collusion"];

const PREFIX: &str = "/api/v1/";
const DEFAULT_LIMIT: usize = 100;

/// A question to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// `registry`: the registry as a whole, a [`Summary`].
    Summary,
    /// `registry/sequences/ID`: the last [`Sequences`](super::Sequences) of a federation.
    Sequences(FederationId),
    /// `federations?after=ID&limit=N`: a [`FederationPage`](super::FederationPage).
    Federations {
        /// From the one after this id.
        after: Option<FederationId>,
        /// At most so many, 1 to [`MAX_PAGE`].
        limit: usize,
    },
    /// `federations/ID`: [`FederationShown`].
    Federation(FederationId),
    /// `federations/ID/witnesses?exclude=ID&exclude=ID&least=SCORE`:
    /// [`EligibleWitnesses`](super::EligibleWitnesses).
    Witnesses {
        /// Whose proposals would be witnessed.
        proposer: FederationId,
        /// Who is left out.
        excluded: Vec<FederationId>,
        /// The least score; what the policy asks for if it is not given.
        least: Option<Score>,
    },
    /// `trust?source=ID&target=ID&skip=N&limit=N`, at least one of the ids: a
    /// [`TrustPage`](super::TrustPage).
    Trust {
        /// Of whom.
        source: Option<FederationId>,
        /// In whom.
        target: Option<FederationId>,
        /// How many to leave out first.
        skip: usize,
        /// At most so many, 1 to [`MAX_PAGE`].
        limit: usize,
    },
    /// `trust/SOURCE/TARGET/bootstrap`: [`BootstrapShown`](super::BootstrapShown).
    Bootstrap {
        /// Of whom.
        source: FederationId,
        /// In whom.
        target: FederationId,
    },
    /// `trust/graph`: a [`TrustGraph`](jurat_trust::TrustGraph), if there are at most
    /// [`MAX_GRAPH_TRUSTS`] relations.
    Graph,
    /// `proposals?by=ID&awaiting=ID&skip=N&limit=N`, at most one of the ids: a
    /// [`ProposalPage`](super::ProposalPage).
    Proposals {
        /// Which.
        which: WhichProposals,
        /// How many to leave out first.
        skip: usize,
        /// At most so many, 1 to [`MAX_PAGE`].
        limit: usize,
    },
    /// `proposals/ID`: [`ProposalShown`](super::ProposalShown).
    Proposal(ProposalId),
    /// `proposals/ID/requirements`: [`RequirementsShown`](super::RequirementsShown).
    Requirements(ProposalId),
    /// `proposals/ID/risk?approver=ID`: a [`RiskAnswer`](super::RiskAnswer).
    Risk {
        /// Which proposal.
        proposal: ProposalId,
        /// Who would approve it.
        approver: FederationId,
    },
    /// `collusion`: a [`CollusionReport`](super::CollusionReport).
    Collusion,
    /// `collusion/ID`: a [`ReciprocityReport`](super::ReciprocityReport).
    Reciprocity(FederationId),
}

/// Which proposals to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichProposals {
    /// All.
    All,
    /// Those that a federation made.
    By(FederationId),
    /// Pending ones that affect a federation.
    Awaiting(FederationId),
}

/// Why a question has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing is asked at this path.
    #[error("nothing is asked here")]
    Unknown,
    /// A part of the path or a field of the query can't be read.
    #[error("{field}: {reason}")]
    Field {
        /// Which.
        field: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A field that the question does not have, or has once only.
    #[error("{0:?} is not a field of this query, or given twice")]
    Stray(String),
    /// The registry does not know what is asked about.
    #[error(transparent)]
    Refused(#[from] Rejection),
    /// There is too much to draw.
    #[error("{0} trust relations are too many to draw at once, at most {MAX_GRAPH_TRUSTS} are")]
    TooLarge(u32),
}

/// The fields of a query, taken one by one.
struct Fields(Vec<(String, String)>);

impl Fields {
    /// A plus sign is a plus sign: ids may have them, and this is no form.
    fn parse(query: &str) -> Option<Self> {
        let fields = query.split('&').filter(|field| !field.is_empty());
        let read = |field: &str| {
            let (name, value) = field.split_once('=').unwrap_or((field, ""));
            Some((unescape(name)?, unescape(value)?))
        };
        fields.map(read).collect::<Option<_>>().map(Self)
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let place = self.0.iter().position(|(other, _)| *other == name)?;
        Some(self.0.remove(place).1)
    }

    fn federation(&mut self, field: &'static str) -> Result<Option<FederationId>, QueryError> {
        self.take(field).map(|id| federation_id(field, &id)).transpose()
    }

    fn number(&mut self, field: &'static str) -> Result<Option<usize>, QueryError> {
        self.take(field).map(|text| text.parse().map_err(|error| wrong(field, &error))).transpose()
    }

    fn limit(&mut self) -> Result<usize, QueryError> {
        match self.number("limit")?.unwrap_or(DEFAULT_LIMIT) {
            limit @ 1..=MAX_PAGE => Ok(limit),
            _ => Err(wrong("limit", &format!("it is 1 to {MAX_PAGE}"))),
        }
    }

    /// Whatever was not taken is a mistake.
    fn finish(self) -> Result<(), QueryError> {
        self.0.into_iter().next().map_or(Ok(()), |(name, _)| Err(QueryError::Stray(name)))
    }
}

fn wrong(field: &'static str, reason: &dyn std::fmt::Display) -> QueryError {
    QueryError::Field { field, reason: reason.to_string() }
}

fn federation_id(field: &'static str, id: &str) -> Result<FederationId, QueryError> {
    FederationId::new(id).map_err(|error| wrong(field, &error))
}

fn proposal_id(id: &str) -> Result<ProposalId, QueryError> {
    id.parse().map_err(|error| wrong("proposal", &error))
}

impl Query {
    /// Reads a question: path and query as they were asked for, escapes and all.
    pub fn parse(path_and_query: &str) -> Result<Self, QueryError> {
        let garbled = || wrong("path", &"an escape in it makes no sense");
        let (path, query) = path_and_query.split_once('?').unwrap_or((path_and_query, ""));
        let path = path.strip_prefix(PREFIX).ok_or(QueryError::Unknown)?;
        let segments: Vec<String> =
            path.split('/').map(unescape).collect::<Option<_>>().ok_or_else(garbled)?;
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        let mut fields = Fields::parse(query).ok_or_else(garbled)?;
        let id = |id| federation_id("federation", id);
        let query = match segments[..] {
            ["registry"] => Self::Summary,
            ["registry", "sequences", federation] => Self::Sequences(id(federation)?),
            ["federations"] => {
                Self::Federations { after: fields.federation("after")?, limit: fields.limit()? }
            }
            ["federations", federation] => Self::Federation(id(federation)?),
            ["federations", proposer, "witnesses"] => Self::parse_witnesses(id(proposer)?, &mut fields)?,
            ["trust"] => Self::parse_trust(&mut fields)?,
            ["trust", "graph"] => Self::Graph,
            ["trust", source, target, "bootstrap"] => {
                Self::Bootstrap { source: id(source)?, target: id(target)? }
            }
            ["proposals"] => Self::parse_proposals(&mut fields)?,
            ["proposals", proposal] => Self::Proposal(proposal_id(proposal)?),
            ["proposals", proposal, "requirements"] => Self::Requirements(proposal_id(proposal)?),
            ["proposals", proposal, "risk"] => Self::Risk {
                proposal: proposal_id(proposal)?,
                approver: fields.federation("approver")?.ok_or_else(|| wrong("approver", &"say who"))?,
            },
            ["collusion"] => Self::Collusion,
            ["collusion", federation] => Self::Reciprocity(id(federation)?),
            _ => return Err(QueryError::Unknown),
        };
        fields.finish()?;
        Ok(query)
    }

    fn parse_witnesses(proposer: FederationId, fields: &mut Fields) -> Result<Self, QueryError> {
        // Ids may have commas, so the field is there several times instead.
        let mut excluded = Vec::new();
        while let Some(id) = fields.federation("exclude")? {
            excluded.push(id);
        }
        let least = fields.take("least").map(|text| {
            let basis_points: u16 = text.parse().map_err(|error| wrong("least", &error))?;
            Score::new(basis_points).map_err(|error| wrong("least", &error))
        });
        Ok(Self::Witnesses { proposer, excluded, least: least.transpose()? })
    }

    fn parse_trust(fields: &mut Fields) -> Result<Self, QueryError> {
        let (source, target) = (fields.federation("source")?, fields.federation("target")?);
        if source.is_none() && target.is_none() {
            return Err(wrong("source", &"say of whom, or in whom with target"));
        }
        let skip = fields.number("skip")?.unwrap_or(0);
        Ok(Self::Trust { source, target, skip, limit: fields.limit()? })
    }

    fn parse_proposals(fields: &mut Fields) -> Result<Self, QueryError> {
        let which = match (fields.federation("by")?, fields.federation("awaiting")?) {
            (None, None) => WhichProposals::All,
            (Some(by), None) => WhichProposals::By(by),
            (None, Some(awaiting)) => WhichProposals::Awaiting(awaiting),
            (Some(_), Some(_)) => return Err(wrong("awaiting", &"ask for this or for by")),
        };
        let skip = fields.number("skip")?.unwrap_or(0);
        Ok(Self::Proposals { which, skip, limit: fields.limit()? })
    }

    /// The path and query by which it is asked.
    #[must_use]
    pub fn path(&self) -> String {
        let id = |id: &FederationId| escape(id.as_str());
        let field = |name: &str, value: &Option<FederationId>| {
            value.as_ref().map_or_else(String::new, |value| format!("&{name}={}", id(value)))
        };
        let path = match self {
            Self::Summary => "registry".into(),
            Self::Sequences(federation) => format!("registry/sequences/{}", id(federation)),
            Self::Federations { after, limit } => {
                format!("federations?limit={limit}{}", field("after", after))
            }
            Self::Federation(federation) => format!("federations/{}", id(federation)),
            Self::Witnesses { proposer, excluded, least } => {
                let least = least.map(|least| format!("least={least}"));
                let excluded = excluded.iter().map(|excluded| format!("exclude={}", id(excluded)));
                let fields: Vec<String> = least.into_iter().chain(excluded).collect();
                let question = if fields.is_empty() { "" } else { "?" };
                format!("federations/{}/witnesses{question}{}", id(proposer), fields.join("&"))
            }
            Self::Trust { source, target, skip, limit } => format!(
                "trust?skip={skip}&limit={limit}{}{}",
                field("source", source),
                field("target", target)
            ),
            Self::Bootstrap { source, target } => format!("trust/{}/{}/bootstrap", id(source), id(target)),
            Self::Graph => "trust/graph".into(),
            Self::Proposals { which, skip, limit } => {
                let which = match which {
                    WhichProposals::All => String::new(),
                    WhichProposals::By(by) => format!("&by={}", id(by)),
                    WhichProposals::Awaiting(awaiting) => format!("&awaiting={}", id(awaiting)),
                };
                format!("proposals?skip={skip}&limit={limit}{which}")
            }
            Self::Proposal(proposal) => format!("proposals/{proposal}"),
            Self::Requirements(proposal) => format!("proposals/{proposal}/requirements"),
            Self::Risk { proposal, approver } => {
                format!("proposals/{proposal}/risk?approver={}", id(approver))
            }
            Self::Collusion => "collusion".into(),
            Self::Reciprocity(federation) => format!("collusion/{}", id(federation)),
        };
        format!("{PREFIX}{path}")
    }

    /// The answer of a registry: a JSON object of the type that is said with each query.
    pub fn answer(&self, registry: &Registry) -> Result<Value, QueryError> {
        Ok(match self {
            Self::Summary => json(&Summary::of(registry)),
            Self::Sequences(id) => json(&federation::sequences(registry, id)?),
            Self::Federations { after, limit } => json(&federation::page(registry, after.as_ref(), *limit)),
            Self::Federation(id) => json(&FederationShown::from(federation::view(registry, id)?)),
            Self::Witnesses { proposer, excluded, least } => {
                json(&trust::witnesses(registry, proposer, excluded, *least)?)
            }
            Self::Trust { source, target, skip, limit } => {
                json(&trust::page(registry, (source.as_ref(), target.as_ref()), *skip, *limit)?)
            }
            Self::Bootstrap { source, target } => json(&trust::bootstrap(registry, source, target)?),
            Self::Graph => match registry.size().trusts {
                trusts if trusts > MAX_GRAPH_TRUSTS => return Err(QueryError::TooLarge(trusts)),
                _ => json(&registry.trust_graph()),
            },
            Self::Proposals { which, skip, limit } => json(&proposal::page(registry, which, *skip, *limit)?),
            Self::Proposal(id) => json(&proposal::shown(registry, id)?),
            Self::Requirements(id) => json(&proposal::requirements(registry, id)?),
            Self::Risk { proposal, approver } => json(&collusion::risk(registry, proposal, approver)?),
            Self::Collusion => json(&collusion::report(registry)),
            Self::Reciprocity(id) => json(&collusion::reciprocity(registry, id)?),
        })
    }
}

/// Strings, numbers and lists of them: serde has nothing to refuse.
fn json(answer: &impl Serialize) -> Value {
    serde_json::to_value(answer).unwrap_or_default()
}
