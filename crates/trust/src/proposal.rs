//! Proposals: what federations agree on, each of those that it affects.

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use jurat_crypto::{Digest, NetworkId, ParseDigestError};
use serde::{Deserialize, Serialize};

use crate::{
    Action, ActionType, DecodeError, Description, FederationId, OrderedTime, Registry, TeamId,
    federation::Federation,
    operation::{Act, Draft, MAX_AFFECTED, OPERATION, Operation},
    table::{Index, Record},
    wire::{Reader, Write},
};

/// The most witnesses of one proposal.
pub const MAX_WITNESSES: usize = 64;

/// The id of a proposal: that of the operation that made it, so of its network and content.
/// Whoever signs a decision about it signs for exactly what they saw.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ProposalId(pub Digest);

impl ProposalId {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        reader.digest("proposal id").map(Self)
    }
}

impl fmt::Display for ProposalId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl core::str::FromStr for ProposalId {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        text.parse().map(Self)
    }
}

impl Serialize for ProposalId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Where a proposal stands. Only pending ones change.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProposalStatus {
    /// Waits for decisions or witnesses.
    Pending,
    /// Everyone affected approved, and a witness stands where one is required.
    Approved,
    /// Someone affected rejected it.
    Rejected,
    /// Its time passed first.
    Expired,
    /// The proposer took it back.
    Withdrawn,
}

impl ProposalStatus {
    const ALL: [Self; 5] = [Self::Pending, Self::Approved, Self::Rejected, Self::Expired, Self::Withdrawn];
}

impl fmt::Display for ProposalStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Expired => "expired",
            Self::Withdrawn => "withdrawn",
        })
    }
}

/// What came of a proposal's action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing so far, or nothing ever: it is recorded only.
    None,
    /// It was carried out.
    Done,
    /// It could no longer be carried out when it was approved.
    Void,
}

impl Outcome {
    const ALL: [Self; 3] = [Self::None, Self::Done, Self::Void];
}

/// One federation's approval.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Approval {
    pub(crate) federation: Index<Federation>,
    /// Bit n stands for the team at place n.
    pub(crate) teams: u64,
    pub(crate) at: OrderedTime,
}

/// One team's testimony.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Witnessed {
    pub(crate) federation: Index<Federation>,
    pub(crate) team: u8,
    pub(crate) at: OrderedTime,
}

/// A proposal as it is stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Proposal {
    pub(crate) id: ProposalId,
    /// The operation that made it, of which the id is the digest.
    pub(crate) body: Box<[u8]>,
    pub(crate) proposer: Index<Federation>,
    /// The proposer and those that the body names, ascending, each once.
    pub(crate) affected: Box<[Index<Federation>]>,
    pub(crate) created_at: OrderedTime,
    pub(crate) expires_at: OrderedTime,
    pub(crate) witness_required: bool,
    pub(crate) status: ProposalStatus,
    pub(crate) outcome: Outcome,
    pub(crate) approvals: Vec<Approval>,
    pub(crate) rejection: Option<(Index<Federation>, OrderedTime)>,
    pub(crate) witnesses: Vec<Witnessed>,
}

impl Proposal {
    /// Where it stands at a time not before the registry's.
    pub(crate) fn status_at(&self, at: OrderedTime) -> ProposalStatus {
        match self.status {
            ProposalStatus::Pending if at > self.expires_at => ProposalStatus::Expired,
            status => status,
        }
    }

    pub(crate) fn is_approved_by(&self, federation: Index<Federation>) -> bool {
        self.approvals.iter().any(|approval| approval.federation == federation)
    }

    /// Everyone affected approved, and a witness stands if one must.
    pub(crate) fn is_complete(&self) -> bool {
        self.approvals.len() == self.affected.len() && (!self.witness_required || !self.witnesses.is_empty())
    }

    /// The draft that it was made from.
    pub(crate) fn draft(&self) -> Option<Draft> {
        match Operation::decode(&self.body).ok()?.act {
            Act::Propose(draft) => Some(draft),
            _ => None,
        }
    }

    /// What does not follow from the operation that made it.
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.u64(self.created_at.0);
        out.bool(self.witness_required);
        out.u8(self.status as u8);
        out.u8(self.outcome as u8);
        out.list(&self.approvals, |out, approval| {
            out.u32(approval.federation.value());
            out.u64(approval.teams);
            out.u64(approval.at.0);
        });
        out.bool(self.rejection.is_some());
        if let Some((federation, at)) = self.rejection {
            out.u32(federation.value());
            out.u64(at.0);
        }
        out.list(&self.witnesses, |out, witness| {
            out.u32(witness.federation.value());
            out.u8(witness.team);
            out.u64(witness.at.0);
        });
    }

    /// Reads a stored proposal: its operation, and what came of it.
    pub(crate) fn read(
        reader: &mut Reader<'_>,
        network: NetworkId,
        find: impl Fn(&FederationId) -> Option<Index<Federation>>,
    ) -> Result<Self, DecodeError> {
        const UNKNOWN: DecodeError = DecodeError::None("federation of the proposal");
        let length = usize::try_from(reader.u32("length of the proposal")?).unwrap_or(usize::MAX);
        let body = reader.bytes(length, "proposal")?;
        let operation = Operation::decode(body)?;
        let Act::Propose(draft) = &operation.act else {
            return Err(DecodeError::None("draft"));
        };
        let proposer = find(&operation.federation).ok_or(UNKNOWN)?;
        let mut affected = alloc::vec![proposer];
        for id in draft.affected() {
            affected.push(find(id).ok_or(UNKNOWN)?);
        }
        let created_at = reader.time("creation")?;
        let witness_required = reader.bool("requirement of a witness")?;
        let status = read_one_of(reader, "status of a proposal", &ProposalStatus::ALL)?;
        let outcome = read_one_of(reader, "outcome", &Outcome::ALL)?;
        let approvals = reader.list("approvals", MAX_AFFECTED, |reader| {
            let federation = Index::new(reader.u32("approving federation")?);
            Ok(Approval { federation, teams: reader.u64("teams")?, at: reader.time("approval")? })
        })?;
        let rejection = if reader.bool("rejection")? {
            Some((Index::new(reader.u32("rejecting federation")?), reader.time("rejection")?))
        } else {
            None
        };
        let witnesses = reader.list("witnesses", MAX_WITNESSES, |reader| {
            let federation = Index::new(reader.u32("witnessing federation")?);
            Ok(Witnessed { federation, team: reader.u8("team")?, at: reader.time("testimony")? })
        })?;
        Ok(Self {
            id: ProposalId(Digest::of(&OPERATION.message(network, body))),
            body: body.into(),
            proposer,
            affected: collapse(affected),
            created_at,
            expires_at: draft.expires_at,
            witness_required,
            status,
            outcome,
            approvals,
            rejection,
            witnesses,
        })
    }
}

fn read_one_of<T: Copy>(reader: &mut Reader<'_>, what: &'static str, all: &[T]) -> Result<T, DecodeError> {
    let value = reader.u8(what)?;
    all.get(usize::from(value)).copied().ok_or(DecodeError::Value { what, value: value.into() })
}

/// Each once, in order.
pub(crate) fn collapse(mut federations: Vec<Index<Federation>>) -> Box<[Index<Federation>]> {
    federations.sort_unstable();
    federations.dedup();
    federations.into()
}

impl Record for Proposal {
    fn leaf(&self, out: &mut Vec<u8>) {
        out.bytes(self.id.0.as_bytes());
        self.layout(out);
    }
}

/// An approval, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ApprovalView {
    /// Who approved.
    pub federation: FederationId,
    /// By which of its teams.
    pub teams: Vec<TeamId>,
    /// When.
    pub at: OrderedTime,
}

/// A rejection, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct RejectionView {
    /// Who rejected.
    pub federation: FederationId,
    /// When.
    pub at: OrderedTime,
}

/// A testimony, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct WitnessView {
    /// Who witnessed.
    pub federation: FederationId,
    /// By which of its teams.
    pub team: TeamId,
    /// When.
    pub at: OrderedTime,
}

/// A proposal, for whoever asks.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ProposalView {
    /// Its id.
    pub id: ProposalId,
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
    /// What the action takes.
    pub payload: Vec<u8>,
    /// When it was made.
    pub created_at: OrderedTime,
    /// The last moment at which it could be decided.
    pub expires_at: OrderedTime,
    /// Where it stands.
    pub status: ProposalStatus,
    /// What came of its action.
    pub outcome: Outcome,
    /// Whether it needs a witness from outside.
    pub requires_external_witness: bool,
    /// Who approved, in order.
    pub approvals: Vec<ApprovalView>,
    /// Who rejected; the first rejection ends it.
    pub rejection: Option<RejectionView>,
    /// Who witnessed, in order.
    pub witnesses: Vec<WitnessView>,
}

/// Which proposals to list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proposals<'a> {
    /// All.
    All,
    /// Those that a federation made.
    By(&'a FederationId),
    /// Pending ones that affect a federation and wait for its decision or others'.
    Awaiting(&'a FederationId),
}

impl Registry {
    /// A proposal by its id.
    #[must_use]
    pub fn proposal(&self, id: &ProposalId) -> Option<ProposalView> {
        self.indexes.proposals.get(id).and_then(|index| self.view_proposal(*index))
    }

    /// Proposals, the newest first.
    #[must_use]
    pub fn list_proposals(&self, which: Proposals<'_>, skip: usize, limit: usize) -> Vec<ProposalView> {
        let links = |id| self.find(id).ok().map(|index| &self.indexes.links[index.place()]);
        let view = |index: Index<Proposal>| self.view_proposal(index);
        match which {
            Proposals::All => (0..self.proposals.len())
                .rev()
                .skip(skip)
                .take(limit)
                .filter_map(|i| view(Index::new(i)))
                .collect(),
            Proposals::By(id) => {
                let made = links(id).into_iter().flat_map(|links| links.proposed.iter().rev());
                made.skip(skip).take(limit).filter_map(|index| view(*index)).collect()
            }
            Proposals::Awaiting(id) => {
                let awaiting = links(id).into_iter().flat_map(|links| links.awaiting.iter().rev());
                awaiting.skip(skip).take(limit).filter_map(|index| view(*index)).collect()
            }
        }
    }

    fn view_proposal(&self, index: Index<Proposal>) -> Option<ProposalView> {
        let proposal = self.proposals.at(index);
        // What is stored was decoded when it came in.
        let draft = proposal.draft()?;
        let id = |index: Index<Federation>| self.federations.at(index).id.clone();
        let team = |index: Index<Federation>, place: u8| {
            self.federations.at(index).teams.get(usize::from(place)).map(|team| team.id.clone())
        };
        Some(ProposalView {
            id: proposal.id,
            proposer: id(proposal.proposer),
            team: draft.team.clone(),
            affected: proposal.affected.iter().map(|index| id(*index)).collect(),
            action: draft.action.clone(),
            description: draft.description.clone(),
            payload: draft.payload().to_vec(),
            created_at: proposal.created_at,
            expires_at: proposal.expires_at,
            status: proposal.status,
            outcome: proposal.outcome,
            requires_external_witness: proposal.witness_required,
            approvals: proposal
                .approvals
                .iter()
                .map(|approval| ApprovalView {
                    federation: id(approval.federation),
                    teams: (0..64)
                        .filter(|place| approval.teams & (1 << place) != 0)
                        .filter_map(|place| team(approval.federation, place))
                        .collect(),
                    at: approval.at,
                })
                .collect(),
            rejection: proposal
                .rejection
                .map(|(federation, at)| RejectionView { federation: id(federation), at }),
            witnesses: proposal
                .witnesses
                .iter()
                .filter_map(|witness| {
                    let team = team(witness.federation, witness.team)?;
                    Some(WitnessView { federation: id(witness.federation), team, at: witness.at })
                })
                .collect(),
        })
    }

    /// What an approval of this proposal would do, besides being on record.
    #[must_use]
    pub fn proposal_action(&self, id: &ProposalId) -> Option<Action> {
        let draft = self.proposals.at(*self.indexes.proposals.get(id)?).draft()?;
        Action::read(&draft.action, draft.payload()).ok().flatten()
    }
}
