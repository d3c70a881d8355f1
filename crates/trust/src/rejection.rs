//! Why the registry refuses: always typed, always naming what stands in the way.

use jurat_crypto::Digest;

use crate::{
    ActionError, FederationId, KeyBytes, KeyGroup, OrderedTime, ProposalId, ProposalStatus, Score,
    SequenceDomain, Status, TeamId,
};

/// Why the registry refuses an operation. The state is as before, to the byte.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Ordered time went backwards.
    #[error("ordered time can't go back from {from} to {to}")]
    TimeWentBack {
        /// The registry's time.
        from: OrderedTime,
        /// The earlier time that was offered.
        to: OrderedTime,
    },
    /// The operation was checked for another network.
    #[error("the operation was signed for another network")]
    OtherNetwork,
    /// A federation that nobody registered. Ids are compared exactly.
    #[error("there is no federation {0}")]
    UnknownFederation(FederationId),
    /// The id is taken.
    #[error("federation {0} exists already")]
    FederationExists(FederationId),
    /// The federation is suspended, quarantined or dissolved.
    #[error("federation {federation} is {status}")]
    NotActive {
        /// Which.
        federation: FederationId,
        /// What it is instead of active.
        status: Status,
    },
    /// The federation has too few active teams to propose, approve or witness.
    #[error("federation {federation} is not operational: {teams} active teams, needs {needed}")]
    NotOperational {
        /// Which.
        federation: FederationId,
        /// How many active teams it has.
        teams: usize,
        /// How many it needs.
        needed: u8,
    },
    /// The federation has no such team.
    #[error("federation {federation} has no team {team}")]
    UnknownTeam {
        /// Which federation.
        federation: FederationId,
        /// Which team.
        team: TeamId,
    },
    /// The team is switched off.
    #[error("team {team} of federation {federation} is not active")]
    InactiveTeam {
        /// Which federation.
        federation: FederationId,
        /// Which team.
        team: TeamId,
    },
    /// The federation has that team already, or it is there twice.
    #[error("federation {federation} has team {team} already")]
    TeamExists {
        /// Which federation.
        federation: FederationId,
        /// Which team.
        team: TeamId,
    },
    /// The sequence is not above the last one: a replay, or signed too long ago.
    #[error("sequence {given} of {federation} for {domain} is stale; the last one was {last}")]
    StaleSequence {
        /// Which federation.
        federation: FederationId,
        /// Which of its sequences.
        domain: SequenceDomain,
        /// The last one.
        last: u64,
        /// The one given.
        given: u64,
    },
    /// The sequence is so far ahead that it would use up the domain.
    #[error("sequence {given} of {federation} for {domain} is too far above {last}; sign with a lower one")]
    SequenceTooFar {
        /// Which federation.
        federation: FederationId,
        /// Which of its sequences.
        domain: SequenceDomain,
        /// The last one.
        last: u64,
        /// The one given.
        given: u64,
    },
    /// A signer that no federation has.
    #[error("key {0} is nobody's")]
    UnknownSigner(KeyBytes),
    /// A signer who has no part in this operation.
    #[error("key {0} has no part in this operation; leave its signature out")]
    StraySigner(KeyBytes),
    /// A key past its grace.
    #[error("key {key} was rotated or revoked; it worked until {grace_until}")]
    RevokedKey {
        /// Which.
        key: KeyBytes,
        /// The last moment at which it worked.
        grace_until: OrderedTime,
    },
    /// Two keys of one person: one was rotated to the other.
    #[error("keys {one} and {other} are one person's, who counts once")]
    SamePerson {
        /// One key.
        one: KeyBytes,
        /// The other.
        other: KeyBytes,
    },
    /// Too few of a group signed.
    #[error("{group} of federation {federation} needs {needed} signatures, {present} are there")]
    TooFewSignatures {
        /// Which federation.
        federation: FederationId,
        /// Which group.
        group: KeyGroup,
        /// Its threshold.
        needed: u8,
        /// How many of it signed.
        present: u8,
    },
    /// A key that must sign did not.
    #[error("key {0} must sign too")]
    MissingSignature(KeyBytes),
    /// The key is, or once was, somebody's.
    #[error("key {0} is in use or was once; bring a new one")]
    KeyInUse(KeyBytes),
    /// The federation has no such key.
    #[error("federation {federation} has no key {key}")]
    UnknownKey {
        /// Which federation.
        federation: FederationId,
        /// Which key.
        key: KeyBytes,
    },
    /// A group would have fewer keys than its threshold, or none that counts.
    #[error("{group} would have {keys} keys and a threshold of {threshold}")]
    ThresholdOutOfReach {
        /// Which group.
        group: KeyGroup,
        /// How many keys it would have.
        keys: usize,
        /// What its threshold would be.
        threshold: u8,
    },
    /// The grace ends before it begins.
    #[error("the grace ends at {grace_until}, before the key is revoked at {revoked_at}")]
    GraceBeforeRevocation {
        /// When the key is revoked.
        revoked_at: OrderedTime,
        /// When its grace would end.
        grace_until: OrderedTime,
    },
    /// The grace is so long that the key is hardly revoked.
    #[error("a grace from {revoked_at} to {grace_until} is longer than {} days", crate::MAX_GRACE_DAYS)]
    GraceTooLong {
        /// When the key is revoked.
        revoked_at: OrderedTime,
        /// When its grace would end.
        grace_until: OrderedTime,
    },
    /// A federation can't trust itself.
    #[error("federation {0} can't enter trust in itself")]
    SelfTrust(FederationId),
    /// No trust was established.
    #[error("federation {truster} has not established trust in {trustee}")]
    NoTrust {
        /// Who would trust.
        truster: FederationId,
        /// Who would be trusted.
        trustee: FederationId,
    },
    /// The score is above what was earned.
    #[error("a score of {score} is above the cap, {cap}")]
    ScoreAboveCap {
        /// The score.
        score: Score,
        /// The most that it may be.
        cap: Score,
    },
    /// There is no such proposal.
    #[error("there is no proposal {0}")]
    UnknownProposal(ProposalId),
    /// The proposal can't change any more.
    #[error("proposal {proposal} is {status}")]
    NotPending {
        /// Which.
        proposal: ProposalId,
        /// What it is instead of pending.
        status: ProposalStatus,
    },
    /// The proposal would expire before anyone could decide.
    #[error("the proposal would expire at {expires_at}, and it is {now}")]
    ExpiresTooEarly {
        /// When it would expire.
        expires_at: OrderedTime,
        /// The time now.
        now: OrderedTime,
    },
    /// With the proposer there are more affected federations than a proposal takes.
    #[error("{0} federations would be affected, the proposer included; at most {max} are taken", max = crate::MAX_AFFECTED)]
    TooManyAffected(usize),
    /// Only the proposer can take a proposal back.
    #[error("proposal {proposal} is not one of federation {federation}")]
    NotTheProposer {
        /// Which proposal.
        proposal: ProposalId,
        /// Who tried.
        federation: FederationId,
    },
    /// Only who is affected decides.
    #[error("proposal {proposal} does not affect federation {federation}")]
    NotAffected {
        /// Which proposal.
        proposal: ProposalId,
        /// Who tried.
        federation: FederationId,
    },
    /// A federation decides once.
    #[error("federation {federation} has decided about proposal {proposal} already")]
    DecidedAlready {
        /// Which proposal.
        proposal: ProposalId,
        /// Who tried.
        federation: FederationId,
    },
    /// A witness must be from outside.
    #[error("proposal {proposal} affects federation {federation}, which so can't witness it")]
    AffectedWitness {
        /// Which proposal.
        proposal: ProposalId,
        /// Who tried.
        federation: FederationId,
    },
    /// The proposer does not trust the witness, or not enough, or not for this.
    #[error(
        "{proposer} does not trust {federation} to witness: score {score}, needs {needed} and its permission"
    )]
    UntrustedWitness {
        /// Who proposed.
        proposer: FederationId,
        /// Who tried.
        federation: FederationId,
        /// The proposer's score of it; 0 if it never gave one.
        score: Score,
        /// What it takes.
        needed: Score,
    },
    /// A team witnesses once.
    #[error("this team of federation {federation} has witnessed proposal {proposal} already")]
    WitnessedAlready {
        /// Which proposal.
        proposal: ProposalId,
        /// Who tried.
        federation: FederationId,
    },
    /// The proposer and an affected federation mostly serve each other.
    #[error(
        "proposals between the proposer and {partner} are too reciprocal: {mutual} of {all} in the window, a share of {share}"
    )]
    Reciprocity {
        /// The other federation.
        partner: FederationId,
        /// Proposals of either that affect the other.
        mutual: u64,
        /// All proposals of both.
        all: u64,
        /// The one by the other.
        share: Score,
    },
    /// The action can't be.
    #[error(transparent)]
    Action(#[from] ActionError),
    /// Too little of the council is behind an action that everybody must live with.
    #[error("{action} needs {needed} federations of the council among the affected, {present} are")]
    CouncilQuorum {
        /// The action type.
        action: &'static str,
        /// How many are affected, the action's subject not counted.
        present: usize,
        /// How many there must be.
        needed: usize,
    },
    /// The evidence does not hold.
    #[error(
        "the evidence does not convict a member, by the council's history so far; see 'jurat evidence verify'"
    )]
    UnverifiedEvidence,
    /// Nobody knows whose node it is.
    #[error("the member with link key {0} came to the council without a proposal, so it is no federation's")]
    UnknownMember(KeyBytes),
    /// The same evidence counts once.
    #[error("federation {federation} was quarantined for evidence {evidence} before")]
    EvidenceUsed {
        /// Against whom.
        federation: FederationId,
        /// Its digest.
        evidence: Digest,
    },
    /// A limit is reached.
    #[error("there is no room for more {0}")]
    Full(&'static str),
}
