//! Genesis: the council that a network begins with, and the id that follows from it.

mod work;

use std::fmt;

use jurat_bulletin::{Rules, WorkRules};
use jurat_crypto::{Digest, KeyName, KeyUse, NetworkId, Seed, SignatureType, VerifyingKey, Vkey};
use jurat_log::{CouncilMember, Origin, Policy, PolicyError, PolicyWord};
use jurat_pbft::{Council, CouncilError, Epoch, MAX_MEMBERS, ReplicaId, quorum};
use jurat_trust::{FederationId, Registry};
use serde::{Deserialize, Serialize};

pub use work::{WorkError, WorkJson};

/// The name of a member: 1 to 64 letters, digits, dots, dashes or underscores.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberName(String);

/// Why a text can't name a member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a member's name has 1 to 64 letters, digits, '.', '-' or '_', not {0:?}")]
pub struct MemberNameError(pub String);

impl MemberName {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, MemberNameError> {
        let name = name.into();
        let fits = (1..=64).contains(&name.len())
            && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
            && !name.starts_with('.');
        if fits { Ok(Self(name)) } else { Err(MemberNameError(name)) }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MemberName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for MemberName {
    type Error = MemberNameError;

    fn try_from(name: String) -> Result<Self, MemberNameError> {
        Self::new(name)
    }
}

impl From<MemberName> for String {
    fn from(name: MemberName) -> Self {
        name.0
    }
}

/// A member of the council with its public keys, one for each use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Its name.
    pub name: MemberName,
    /// Identifies it to the others.
    pub link: Vkey,
    /// Votes.
    pub vote: Vkey,
    /// Signs checkpoints under the log's origin.
    pub log: Vkey,
    /// Cosigns checkpoints under the member's own name.
    pub cosign: Vkey,
}

impl Member {
    /// The public half of a seed, for a log of this origin.
    pub fn of_seed(name: MemberName, origin: &Origin, seed: &Seed) -> Result<Self, GenesisError> {
        let key = |key_use| seed.signing_key(key_use).verifying_key();
        let own = KeyName::new(name.as_str()).map_err(|_| GenesisError::Origin)?;
        let log = KeyName::new(origin.as_str()).map_err(|_| GenesisError::Origin)?;
        let cosign = KeyName::new(format!("{origin}/{name}")).map_err(|_| GenesisError::Origin)?;
        Ok(Self {
            name,
            link: Vkey::new(own.clone(), SignatureType::Ed25519, key(KeyUse::Link)),
            vote: Vkey::new(own, SignatureType::Ed25519, key(KeyUse::Vote)),
            log: Vkey::new(log, SignatureType::Ed25519, key(KeyUse::Log)),
            cosign: Vkey::new(cosign, SignatureType::CosignatureV1, key(KeyUse::Cosign)),
        })
    }

    pub(super) fn keys(&self) -> [&VerifyingKey; 4] {
        [&self.link, &self.vote, &self.log, &self.cosign].map(Vkey::key)
    }
}

/// Why a genesis is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The number of members, or a repeated voting key.
    #[error(transparent)]
    Council(#[from] CouncilError),
    /// The origin, with a member's name after it, can't name a key.
    #[error("the origin can't name keys: no spaces, no '+', and at most 190 bytes")]
    Origin,
    /// Two members have one name.
    #[error("two members are named {0}")]
    SameName(MemberName),
    /// A key of a member is used by another, or for two things.
    #[error("member {0} has a key that is used for something else too")]
    SameKey(MemberName),
    /// A member's vkey has another name or type than its use asks for.
    #[error("member {0}: the {1} key has the wrong name or type")]
    WrongVkey(MemberName, &'static str),
    /// The rules about work make no sense.
    #[error("what posting costs: {0}")]
    Work(#[from] WorkError),
    /// A policy can't be made of the members.
    #[error("no policy can be made of this council: {0}")]
    Policy(String),
}

/// The council that a network begins with.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "GenesisFile", into = "GenesisFile")]
pub struct Genesis {
    origin: Origin,
    members: Vec<Member>,
    work: WorkRules,
    network: NetworkId,
}

/// The form of `genesis.json`.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisFile {
    origin: String,
    members: Vec<Member>,
    /// Those of early networks lack it: then it is the default.
    work: Option<WorkJson>,
}

impl TryFrom<GenesisFile> for Genesis {
    type Error = GenesisError;

    fn try_from(file: GenesisFile) -> Result<Self, GenesisError> {
        let origin = Origin::new(file.origin).map_err(|_| GenesisError::Origin)?;
        let work = file.work.map(|work| work.rules()).transpose()?.unwrap_or_default();
        Self::with_work(origin, file.members, work)
    }
}

impl From<Genesis> for GenesisFile {
    fn from(genesis: Genesis) -> Self {
        let work = Some(WorkJson::new(&genesis.work));
        Self { origin: genesis.origin.as_str().to_owned(), members: genesis.members, work }
    }
}

impl Genesis {
    /// A council of 1, or of 4 to [`MAX_MEMBERS`], that keeps the log of this origin. Posting costs the
    /// default.
    pub fn new(origin: Origin, members: Vec<Member>) -> Result<Self, GenesisError> {
        Self::with_work(origin, members, WorkRules::default())
    }

    /// The same with rules about what posting costs.
    pub fn with_work(origin: Origin, members: Vec<Member>, work: WorkRules) -> Result<Self, GenesisError> {
        let mut genesis = Self { network: NetworkId(Digest::of(b"")), origin, members, work };
        genesis.check()?;
        genesis.network = genesis.derive_network();
        genesis.council()?;
        Ok(genesis)
    }

    fn check(&self) -> Result<(), GenesisError> {
        if self.members.len() > MAX_MEMBERS {
            return Err(CouncilError::TooMany(self.members.len()).into());
        }
        let mut seen = std::collections::BTreeSet::new();
        for (i, member) in self.members.iter().enumerate() {
            let name = || member.name.clone();
            if self.members[..i].iter().any(|earlier| earlier.name == member.name) {
                return Err(GenesisError::SameName(name()));
            }
            if !member.keys().into_iter().all(|key| seen.insert(*key)) {
                return Err(GenesisError::SameKey(name()));
            }
            let expected = [
                (&member.link, member.name.as_str().to_owned(), SignatureType::Ed25519, "link"),
                (&member.vote, member.name.as_str().to_owned(), SignatureType::Ed25519, "vote"),
                (&member.log, self.origin.as_str().to_owned(), SignatureType::Ed25519, "log"),
                (
                    &member.cosign,
                    format!("{}/{}", self.origin, member.name),
                    SignatureType::CosignatureV1,
                    "cosign",
                ),
            ];
            for (vkey, key_name, kind, key_use) in expected {
                if vkey.name().as_str() != key_name || vkey.kind() != kind {
                    return Err(GenesisError::WrongVkey(name(), key_use));
                }
            }
        }
        Ok(())
    }

    /// SHA-256 of the label `jurat/v1/genesis` and LF, the origin (length in 2 bytes, big-endian,
    /// first), the number of members (2), and for each its name (length in 1 byte first) and its
    /// link, vote, log and cosigning keys (32 each); then what posting costs, if that is not the default.
    fn derive_network(&self) -> NetworkId {
        let mut out = b"jurat/v1/genesis\n".to_vec();
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX).to_be_bytes();
        out.extend_from_slice(&short(self.origin.as_str().len()));
        out.extend_from_slice(self.origin.as_str().as_bytes());
        out.extend_from_slice(&short(self.members.len()));
        for member in &self.members {
            out.push(u8::try_from(member.name.as_str().len()).unwrap_or(u8::MAX));
            out.extend_from_slice(member.name.as_str().as_bytes());
            for key in member.keys() {
                out.extend_from_slice(key.as_bytes());
            }
        }
        if self.work != WorkRules::default() {
            out.extend_from_slice(&work::hashed(&self.work));
        }
        NetworkId(Digest::of(&out))
    }

    /// The network that begins here.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// What its bulletins and messages must keep to.
    #[must_use]
    pub fn rules(&self) -> Rules {
        Rules { work: self.work, ..Rules::new(self.network) }
    }

    /// The origin of the council's log.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// The members, by their places.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// A member by its place.
    #[must_use]
    pub fn member(&self, id: ReplicaId) -> Option<&Member> {
        self.members.get(usize::from(id.0))
    }

    /// The member that authenticates with this link key.
    #[must_use]
    pub fn member_with_link(&self, key: &VerifyingKey) -> Option<ReplicaId> {
        let place = self.members.iter().position(|member| member.link.key() == key)?;
        u16::try_from(place).ok().map(ReplicaId)
    }

    /// The voting council of epoch 0.
    pub fn council(&self) -> Result<Council, GenesisError> {
        let keys = self.members.iter().map(|member| *member.vote.key()).collect();
        Ok(Council::new(self.network, Epoch(0), keys)?)
    }

    /// The policy by which this council's receipts are verified. `urls` are the members' HTTP
    /// addresses, by place; missing ones are left out.
    pub fn policy(&self, urls: &[String]) -> Result<Policy, GenesisError> {
        let members = self.members.iter().enumerate();
        policy_of_members(members.map(|(i, member)| (member, urls.get(i).map(String::as_str))))
    }

    /// The registry that the network begins with: each member a federation of its own.
    pub fn registry(&self) -> Result<Registry, GenesisError> {
        let founders = self.members.iter().map(|member| {
            let id = FederationId::new(format!("fed:{}", member.name));
            id.map(|id| (id, *member.link.key())).map_err(|_| GenesisError::SameName(member.name.clone()))
        });
        let founders: Vec<_> = founders.collect::<Result<_, _>>()?;
        let name = self.members[0].name.clone();
        Registry::founded_by(self.network, founders).map_err(|_| GenesisError::SameName(name))
    }
}

/// The policy by which receipts of these members are verified, each with where it serves the log.
pub(super) fn policy_of_members<'a>(
    members: impl Iterator<Item = (&'a Member, Option<&'a str>)>,
) -> Result<Policy, GenesisError> {
    let policy_error = |error: PolicyError| GenesisError::Policy(error.to_string());
    let members: Vec<CouncilMember> = members
        .map(|(member, url)| {
            let url = url.map(PolicyWord::new).transpose().map_err(policy_error)?;
            let name = PolicyWord::new(member.name.as_str()).map_err(policy_error)?;
            Ok(CouncilMember { name, log: member.log.clone(), cosigner: member.cosign.clone(), url })
        })
        .collect::<Result<_, GenesisError>>()?;
    Policy::council(&members, quorum(members.len())).map_err(policy_error)
}
