//! Events: what an operation changed, for whoever acts on it or tells people.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use crate::{
    Action, ActionError, FederationId, KeyBytes, KeyGroup, ProposalId, ProposalStatus, Revocation, Score,
    TeamId,
};

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A federation was registered.
    FederationRegistered(FederationId),
    /// A federation changed its settings.
    FederationConfigured(FederationId),
    /// A federation is gone for good.
    FederationDissolved(FederationId),
    /// A federation was stopped by evidence.
    FederationQuarantined {
        /// Which.
        federation: FederationId,
        /// The digest of the evidence.
        evidence: Digest,
    },
    /// A federation has a new team, or switched one on or off.
    TeamSet {
        /// Which federation.
        federation: FederationId,
        /// Which team.
        team: TeamId,
        /// Whether it is active now.
        active: bool,
    },
    /// Keys were added to a group, or attestors' keys vouched for.
    KeysAdded {
        /// Whose.
        federation: FederationId,
        /// The keys.
        keys: Vec<KeyBytes>,
    },
    /// A group has a threshold.
    ThresholdSet {
        /// Whose.
        federation: FederationId,
        /// Which group.
        group: KeyGroup,
        /// How many of it must sign.
        threshold: u8,
    },
    /// A key took the place of another.
    KeyRotated {
        /// Whose.
        federation: FederationId,
        /// The old key.
        key: KeyBytes,
        /// The new one.
        replaced_by: KeyBytes,
        /// How long the old one still works.
        revocation: Revocation,
    },
    /// A key was taken away.
    KeyRevoked {
        /// Whose.
        federation: FederationId,
        /// The key.
        key: KeyBytes,
        /// How long it still works.
        revocation: Revocation,
    },
    /// A signature counted though its key was rotated or revoked: the grace is not over.
    SignedInGrace {
        /// Whose.
        federation: FederationId,
        /// The key.
        key: KeyBytes,
    },
    /// Trust was established.
    TrustEstablished {
        /// Of whom.
        source: FederationId,
        /// In whom.
        target: FederationId,
    },
    /// Relationship or permission to witness of an established trust were set.
    TrustChanged {
        /// Of whom.
        source: FederationId,
        /// In whom.
        target: FederationId,
    },
    /// An interaction was entered.
    Interaction {
        /// By whom.
        source: FederationId,
        /// With whom.
        target: FederationId,
        /// Whether it went well.
        successful: bool,
        /// The score before.
        from: Score,
        /// The score after.
        to: Score,
    },
    /// A score was set outright.
    ScoreSet {
        /// By whom.
        source: FederationId,
        /// Of whom.
        target: FederationId,
        /// The score before.
        from: Score,
        /// The score after.
        to: Score,
    },
    /// A proposal was made.
    Proposed(ProposalId),
    /// A proposal would have been refused for reciprocity, had the policy not only asked for a flag.
    ReciprocityFlagged {
        /// Which proposal.
        proposal: ProposalId,
        /// The proposer's partner.
        partner: FederationId,
    },
    /// A federation approved a proposal.
    ProposalApprovedBy {
        /// Which.
        proposal: ProposalId,
        /// Who.
        federation: FederationId,
    },
    /// A team witnessed a proposal.
    ProposalWitnessed {
        /// Which.
        proposal: ProposalId,
        /// Whose team.
        federation: FederationId,
        /// Which team.
        team: TeamId,
    },
    /// A proposal has its last status.
    ProposalEnded {
        /// Which.
        proposal: ProposalId,
        /// Which status.
        status: ProposalStatus,
    },
    /// An approved proposal's action was carried out: the node acts on it.
    ActionCarriedOut {
        /// Which proposal.
        proposal: ProposalId,
        /// What it does.
        action: Action,
    },
    /// An approved proposal's action could no longer be carried out.
    ActionVoid {
        /// Which proposal.
        proposal: ProposalId,
        /// Why not.
        reason: ActionError,
    },
}
