//! Operations: everything that can be asked of the registry, signed by those who ask.

mod layout;
mod signed;

use alloc::{boxed::Box, vec::Vec};

use jurat_crypto::{Digest, VerifyingKey};
pub use layout::MAX_OPERATION_BYTES;
use serde::{Deserialize, Serialize};
pub use signed::{CheckedOperation, Checks, MAX_SIGNATURES, OPERATION, OperationSignature, SignedOperation};

use crate::{
    ActionError, ActionType, DecodeError, Description, FederationId, MAX_PAYLOAD_BYTES, Name, OrderedTime,
    ProposalId, Relationship, Score, SequenceDomain, TeamId,
};

/// The most keys that an admin group or team has at one time.
pub const MAX_KEYS: usize = 64;
/// The most teams of a federation, inactive ones included.
pub const MAX_TEAMS: usize = 64;
/// The most bytes of evidence in an accusation.
pub const MAX_ACCUSATION_BYTES: usize = 1024;
/// The most federations that a proposal affects, the proposer included.
pub const MAX_AFFECTED: usize = 64;

/// What a federation asks for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Operation {
    /// Who asks.
    pub federation: FederationId,
    /// Above the last one of the same federation and [domain](Act::domain).
    pub sequence: u64,
    /// What it asks for.
    pub act: Act,
}

/// The kinds of operations. Who must sign is said with each.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Act {
    /// Enters the federation. Signed by every key that it brings.
    Register(Registration),
    /// Changes what a federation decides about itself. Signed by its admin threshold, as are the
    /// following unless they say otherwise.
    Configure(Settings),
    /// Adds a team. The team's keys sign too.
    AddTeam(NewTeam),
    /// Switches a team on or off.
    SetTeam {
        /// Which team.
        team: TeamId,
        /// Whether it is active from now on.
        active: bool,
    },
    /// Ends the federation for good.
    Dissolve,
    /// Adds keys to a group and sets its threshold. The added keys sign too.
    ChangeKeys {
        /// Whose keys.
        group: KeyGroup,
        /// The keys to add, strictly ascending; may be empty.
        add: Vec<VerifyingKey>,
        /// The threshold from now on.
        threshold: u8,
    },
    /// Vouches for keys that sign attestations. They sign too.
    AddAttestors {
        /// The keys, strictly ascending, at least one.
        keys: Vec<VerifyingKey>,
    },
    /// Puts a new key in the place of an old one, whatever the old one is for. Signed by these two
    /// and nobody else.
    RotateKey(Box<Rotation>),
    /// Takes a key away.
    RevokeKey {
        /// The key.
        key: VerifyingKey,
        /// Until when it still works.
        grace_until: OrderedTime,
    },
    /// Enters trust in another federation, or changes its kind.
    EstablishTrust {
        /// The other federation.
        target: FederationId,
        /// How the two relate.
        relationship: Relationship,
        /// Whether the other may witness proposals of this one.
        witness_allowed: bool,
        /// What a new relationship starts with. Counts only if there was none.
        score: Score,
    },
    /// Enters how an interaction with a trusted federation went.
    RecordInteraction {
        /// The other federation.
        target: FederationId,
        /// Whether it went well.
        successful: bool,
    },
    /// Sets a score outright, within the caps.
    SetScore {
        /// The other federation.
        target: FederationId,
        /// The score.
        score: Score,
    },
    /// Makes a proposal. The proposing team signs too.
    Propose(Draft),
    /// Takes an own proposal back.
    Withdraw {
        /// Which.
        proposal: ProposalId,
    },
    /// Approves a proposal that affects the federation. Each named team signs too.
    Approve {
        /// Which.
        proposal: ProposalId,
        /// The federation's teams that approve, strictly ascending, at least one.
        teams: Vec<TeamId>,
    },
    /// Rejects a proposal that affects the federation, which ends it.
    Reject {
        /// Which.
        proposal: ProposalId,
    },
    /// Witnesses a proposal that does not affect the federation. The team signs too.
    Witness {
        /// Which.
        proposal: ProposalId,
        /// The federation's team that witnesses.
        team: TeamId,
    },
    /// Hands in evidence that a member of the council contradicted itself, which quarantines its
    /// federation. Whoever applies it has verified it before: see [`CheckedOperation::accusing`].
    Accuse {
        /// The evidence, 1 to [`MAX_ACCUSATION_BYTES`] bytes that the registry does not look into.
        evidence: Vec<u8>,
    },
}

impl Act {
    /// Whose sequence the operation counts in.
    #[must_use]
    pub const fn domain(&self) -> SequenceDomain {
        match self {
            Self::Register(_)
            | Self::Configure(_)
            | Self::AddTeam(_)
            | Self::SetTeam { .. }
            | Self::Dissolve => SequenceDomain::Federation,
            Self::ChangeKeys { .. }
            | Self::AddAttestors { .. }
            | Self::RotateKey(_)
            | Self::RevokeKey { .. } => SequenceDomain::Keys,
            Self::EstablishTrust { .. } | Self::RecordInteraction { .. } | Self::SetScore { .. } => {
                SequenceDomain::Trust
            }
            Self::Propose(_) | Self::Withdraw { .. } => SequenceDomain::Proposals,
            Self::Approve { .. } | Self::Reject { .. } => SequenceDomain::Decisions,
            Self::Witness { .. } | Self::Accuse { .. } => SequenceDomain::Witnessing,
        }
    }
}

/// A group of keys of a federation that signs with a threshold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyGroup {
    /// Those who speak for the federation.
    Admin,
    /// A team.
    Team(TeamId),
}

impl core::fmt::Display for KeyGroup {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Admin => f.write_str("the admin group"),
            Self::Team(team) => write!(f, "team {team}"),
        }
    }
}

/// Keys with how many of them must sign: 1 to 64 different keys, and a threshold that they can meet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeySet {
    keys: Vec<VerifyingKey>,
    threshold: u8,
}

impl KeySet {
    /// Sorts, checks and takes keys. The same key twice is refused: it would let one person count
    /// for two.
    pub fn new(keys: impl IntoIterator<Item = VerifyingKey>, threshold: u8) -> Result<Self, DecodeError> {
        let mut keys: Vec<_> = keys.into_iter().collect();
        keys.sort_unstable();
        Self::from_sorted(keys, threshold)
    }

    fn from_sorted(keys: Vec<VerifyingKey>, threshold: u8) -> Result<Self, DecodeError> {
        if keys.len() > MAX_KEYS {
            return Err(DecodeError::TooMany { what: "keys", count: keys.len(), max: MAX_KEYS });
        }
        crate::wire::ascending(&keys, "keys")?;
        if threshold == 0 || usize::from(threshold) > keys.len() {
            return Err(DecodeError::Threshold { threshold, keys: keys.len() });
        }
        Ok(Self { keys, threshold })
    }

    /// The keys, ascending.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// How many must sign.
    #[must_use]
    pub const fn threshold(&self) -> u8 {
        self.threshold
    }
}

/// A team to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewTeam {
    /// Its id, new in the federation.
    pub id: TeamId,
    /// Who signs for it.
    pub keys: KeySet,
}

/// A federation to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Registration {
    /// Who speaks for it.
    pub admin: KeySet,
    /// Its first teams, at most [`MAX_TEAMS`].
    pub teams: Vec<NewTeam>,
    /// What it decides about itself.
    pub settings: Settings,
}

/// What a federation decides about itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its name for people.
    pub name: Name,
    min_team_count: u8,
    /// Whether proposals that affect it need a witness from outside.
    pub requires_external_witness: bool,
}

/// Below how many active teams a federation is not operational, unless it says otherwise.
pub const DEFAULT_MIN_TEAM_COUNT: u8 = 3;

impl Settings {
    /// Settings with the defaults: 3 teams, and a witness required.
    #[must_use]
    pub const fn new(name: Name) -> Self {
        Self { name, min_team_count: DEFAULT_MIN_TEAM_COUNT, requires_external_witness: true }
    }

    /// Sets the least number of active teams, 1 to [`MAX_TEAMS`].
    pub fn with_min_team_count(self, min_team_count: u8) -> Result<Self, DecodeError> {
        if min_team_count == 0 || usize::from(min_team_count) > MAX_TEAMS {
            return Err(DecodeError::Value { what: "least number of teams", value: min_team_count.into() });
        }
        Ok(Self { min_team_count, ..self })
    }

    /// Below how many active teams the federation is not operational.
    #[must_use]
    pub const fn min_team_count(&self) -> u8 {
        self.min_team_count
    }
}

/// A key in the place of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// The key that goes.
    pub old: VerifyingKey,
    /// The key that comes.
    pub new: VerifyingKey,
    /// Until when the old key still works.
    pub grace_until: OrderedTime,
}

/// A proposal to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Draft {
    /// The proposing federation's team.
    pub team: TeamId,
    affected: Vec<FederationId>,
    /// What kind of action it is for.
    pub action: ActionType,
    /// What it says to people.
    pub description: Description,
    payload: Vec<u8>,
    /// The last moment at which it can be decided.
    pub expires_at: OrderedTime,
}

impl Draft {
    /// A draft. `affected` may have the same federation twice, and the proposer is affected
    /// whether named or not; at most [`MAX_AFFECTED`] can be named.
    pub fn new(
        team: TeamId,
        affected: Vec<FederationId>,
        action: ActionType,
        description: Description,
        payload: Vec<u8>,
        expires_at: OrderedTime,
    ) -> Result<Self, DecodeError> {
        if affected.len() > MAX_AFFECTED {
            let (what, count) = ("affected federations", affected.len());
            return Err(DecodeError::TooMany { what, count, max: MAX_AFFECTED });
        }
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(ActionError::PayloadTooLong(payload.len()).into());
        }
        Ok(Self { team, affected, action, description, payload, expires_at })
    }

    /// The affected federations as they were named.
    #[must_use]
    pub fn affected(&self) -> &[FederationId] {
        &self.affected
    }

    /// What the action takes.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }
}

impl Operation {
    /// The operation's id: SHA-256 of what its signers sign, so of network and content.
    #[must_use]
    pub fn id(&self, network: jurat_crypto::NetworkId) -> Digest {
        Digest::of(&self.message(network))
    }

    /// What its signers sign.
    #[must_use]
    pub fn message(&self, network: jurat_crypto::NetworkId) -> Vec<u8> {
        OPERATION.message(network, &self.encode())
    }
}
