//! Trust policies (C2SP tlog-policy): which logs and witnesses count, and how many of them.

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use jurat_crypto::{KeyName, SignatureType, Vkey};

use crate::{
    NoteKey, council_quorum,
    quorum::{Group, Member, QuorumRule, council_faults},
};

/// The most logs, witnesses or groups that a policy may have, of each. C2SP asks for at least 32.
pub const MAX_POLICY_ITEMS: usize = 256;

/// The predefined name of the quorum without witnesses.
pub(crate) const NONE: &[u8] = b"none";

/// A name or URL in a policy: opaque octets without whitespace and control characters, not empty.
///
/// Names mean something within their policy only.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyWord(Vec<u8>);

/// A log that a policy accepts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyLog {
    /// The log's key; its name is the log's origin.
    pub vkey: Vkey,
    /// Where the log can be reached.
    pub url: Option<PolicyWord>,
}

/// A witness whose cosignatures a policy counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PolicyWitness {
    /// The witness's name within the policy.
    pub name: PolicyWord,
    /// The witness's key, of type 0x04 or 0x06.
    pub vkey: NoteKey,
    /// Where the witness can be reached.
    pub url: Option<PolicyWord>,
}

/// Which checkpoints to rely on: those that a listed log signed and a quorum of the listed
/// witnesses cosigned.
///
/// Made by a [`PolicyDraft`], [parsed](Self::parse) or [for a council](Self::council).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    pub(crate) logs: Vec<PolicyLog>,
    pub(crate) witnesses: Vec<PolicyWitness>,
    pub(crate) group_names: Vec<PolicyWord>,
    pub(crate) rule: QuorumRule,
}

/// A policy in the making: everything but the quorum.
#[derive(Clone, Debug, Default)]
pub struct PolicyDraft {
    logs: Vec<PolicyLog>,
    witnesses: Vec<PolicyWitness>,
    group_names: Vec<PolicyWord>,
    groups: Vec<Group>,
}

/// How many of its members a group needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Threshold {
    /// One.
    Any,
    /// Every one.
    All,
    /// So many, 1 to all.
    AtLeast(usize),
}

/// One member of a council, as a policy names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CouncilMember {
    /// What the policy calls the member.
    pub name: PolicyWord,
    /// The member's own log key (type 0x01), named by the log's origin.
    pub log: Vkey,
    /// The member's cosigning key (type 0x04), named by the member.
    pub cosigner: Vkey,
    /// Where the member serves the log.
    pub url: Option<PolicyWord>,
}

/// Why a policy can't have a part.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A name or URL is empty.
    #[error("a name or URL can't be empty")]
    EmptyWord,
    /// A name or URL has whitespace or a control character.
    #[error("a name or URL can't contain the octet {0:#04x}")]
    WordOctet(u8),
    /// More than [`MAX_POLICY_ITEMS`].
    #[error("a policy has at most {MAX_POLICY_ITEMS} {0}")]
    TooMany(&'static str),
    /// Two logs, or two witnesses, have the same public key.
    #[error("the public key of {0} is listed twice")]
    DuplicateKey(NoteKey),
    /// A witness's key is of type 0x01.
    #[error("{0} can't cosign: a witness's key has type 0x04 or 0x06")]
    NotCosigner(NoteKey),
    /// A council member's log key is not of type 0x01.
    #[error("{0} can't sign a council's log: a member's log key has type 0x01")]
    NotLogKey(Box<Vkey>),
    /// The name is defined already, or is `none`.
    #[error("the name {0} is taken")]
    NameTaken(PolicyWord),
    /// The name is not defined, or only further down.
    #[error("{0} is not the name of a witness or group defined before")]
    UnknownName(PolicyWord),
    /// The name is a member of a group already.
    #[error("{0} is a member of a group already")]
    InGroup(PolicyWord),
    /// A group has no members.
    #[error("the group {0} has no members")]
    EmptyGroup(PolicyWord),
    /// A threshold is 0 or more than there are members.
    #[error("{needed} of {members} members is not a threshold")]
    Threshold {
        /// The threshold.
        needed: usize,
        /// How many members there are.
        members: usize,
    },
    /// The members of a council name different origins.
    #[error("the members of a council have one origin, these have {0} and {1}")]
    Origins(KeyName, KeyName),
    /// A council's quorum is smaller than its size needs.
    #[error("a council of {members} needs a quorum of {needed}, not {actual}")]
    WeakCouncil {
        /// How many members the council has.
        members: usize,
        /// The quorum that makes a fork impossible.
        needed: usize,
        /// The quorum that was given.
        actual: usize,
    },
}

/// A policy that lets a minority of a council's members make a fork pass.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CouncilWeakness {
    /// Too few cosignatures are enough.
    #[error(
        "the policy lists {members} keys of {origin} and is content with {fewest} cosignatures; \
         a council of {members} needs {needed}"
    )]
    TooFew {
        /// The log.
        origin: KeyName,
        /// How many keys of it the policy lists.
        members: usize,
        /// The size of the smallest quorum.
        fewest: usize,
        /// What a council of this size needs.
        needed: usize,
    },
    /// Two quorums can have too few cosigners in common to keep two roots apart.
    #[error(
        "the policy lists {members} keys of {origin}, of which {faults} may be faulty, and has quorums with \
         only {overlap} cosigners in common"
    )]
    Apart {
        /// The log.
        origin: KeyName,
        /// How many keys of it the policy lists.
        members: usize,
        /// How many members of such a council may be faulty.
        faults: usize,
        /// How many cosigners two quorums have in common, at least.
        overlap: usize,
    },
}

impl PolicyWord {
    /// Checks and takes a name or URL.
    pub fn new(word: impl Into<Vec<u8>>) -> Result<Self, PolicyError> {
        let word = word.into();
        if word.is_empty() {
            return Err(PolicyError::EmptyWord);
        }
        match word.iter().find(|octet| **octet == 0x7f || **octet <= b' ') {
            Some(octet) => Err(PolicyError::WordOctet(*octet)),
            None => Ok(Self(word)),
        }
    }

    /// The octets, which need not be UTF-8.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows octets that are not UTF-8 as U+FFFD.
impl fmt::Display for PolicyWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Debug for PolicyWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", String::from_utf8_lossy(&self.0))
    }
}

impl PolicyDraft {
    /// A policy without logs and witnesses.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a log.
    pub fn add_log(&mut self, vkey: Vkey, url: Option<PolicyWord>) -> Result<(), PolicyError> {
        if self.logs.len() == MAX_POLICY_ITEMS {
            return Err(PolicyError::TooMany("logs"));
        }
        if self.logs.iter().any(|log| log.vkey.key() == vkey.key()) {
            return Err(PolicyError::DuplicateKey(vkey.into()));
        }
        self.logs.push(PolicyLog { vkey, url });
        Ok(())
    }

    /// Adds a witness.
    pub fn add_witness(
        &mut self,
        name: PolicyWord,
        vkey: impl Into<NoteKey>,
        url: Option<PolicyWord>,
    ) -> Result<(), PolicyError> {
        let vkey = vkey.into();
        if self.witnesses.len() == MAX_POLICY_ITEMS {
            return Err(PolicyError::TooMany("witnesses"));
        }
        if !vkey.can_cosign() {
            return Err(PolicyError::NotCosigner(vkey));
        }
        if self.witnesses.iter().any(|witness| witness.vkey.is_same_key(&vkey)) {
            return Err(PolicyError::DuplicateKey(vkey));
        }
        self.check_new(&name)?;
        self.witnesses.push(PolicyWitness { name, vkey, url });
        Ok(())
    }

    /// Adds a group of witnesses and groups that were added before and are in no other group.
    pub fn add_group(
        &mut self,
        name: PolicyWord,
        threshold: Threshold,
        members: &[PolicyWord],
    ) -> Result<(), PolicyError> {
        if self.groups.len() == MAX_POLICY_ITEMS {
            return Err(PolicyError::TooMany("groups"));
        }
        self.check_new(&name)?;
        if members.is_empty() {
            return Err(PolicyError::EmptyGroup(name));
        }
        let mut group = Group { threshold: threshold.of(members.len())?, members: Vec::new() };
        for word in members {
            let member = self.find(word)?;
            if self.groups.iter().chain([&group]).any(|group| group.members.contains(&member)) {
                return Err(PolicyError::InGroup(word.clone()));
            }
            group.members.push(member);
        }
        self.group_names.push(name);
        self.groups.push(group);
        Ok(())
    }

    /// The policy that needs this witness or group; with `None`, no cosignature at all.
    pub fn with_quorum(self, name: Option<&PolicyWord>) -> Result<Policy, PolicyError> {
        let top = name.map(|name| self.find(name)).transpose()?;
        let Self { logs, witnesses, group_names, groups } = self;
        Ok(Policy { logs, witnesses, group_names, rule: QuorumRule { groups, top } })
    }

    /// What a name stands for, as far as the draft has come.
    pub(crate) fn find(&self, name: &PolicyWord) -> Result<Member, PolicyError> {
        let witness = self.witnesses.iter().position(|witness| witness.name == *name).map(Member::Witness);
        let group = || self.group_names.iter().position(|group| group == name).map(Member::Group);
        witness.or_else(group).ok_or_else(|| PolicyError::UnknownName(name.clone()))
    }

    fn check_new(&self, name: &PolicyWord) -> Result<(), PolicyError> {
        if name.as_bytes() == NONE || self.find(name).is_ok() {
            return Err(PolicyError::NameTaken(name.clone()));
        }
        Ok(())
    }
}

impl Threshold {
    fn of(self, members: usize) -> Result<usize, PolicyError> {
        match self {
            Self::Any => Ok(1),
            Self::All => Ok(members),
            Self::AtLeast(needed) if (1..=members).contains(&needed) => Ok(needed),
            Self::AtLeast(needed) => Err(PolicyError::Threshold { needed, members }),
        }
    }
}

impl Policy {
    /// The policy of a council, or of a node alone: `quorum` of the members must have cosigned.
    ///
    /// The quorum is at least [`council_quorum`] of the number of members, at most all. The group of
    /// the members is named `council`.
    pub fn council(members: &[CouncilMember], quorum: usize) -> Result<Self, PolicyError> {
        let needed = council_quorum(members.len());
        if quorum < needed {
            return Err(PolicyError::WeakCouncil { members: members.len(), needed, actual: quorum });
        }
        let mut draft = PolicyDraft::new();
        let mut names = Vec::new();
        for CouncilMember { name, log, cosigner, url } in members {
            if log.kind() != SignatureType::Ed25519 {
                return Err(PolicyError::NotLogKey(Box::new(log.clone())));
            }
            if let Some(first) = draft.logs.first().filter(|first| first.vkey.name() != log.name()) {
                return Err(PolicyError::Origins(first.vkey.name().clone(), log.name().clone()));
            }
            draft.add_log(log.clone(), url.clone())?;
            draft.add_witness(name.clone(), cosigner.clone(), url.clone())?;
            names.push(name.clone());
        }
        let council = PolicyWord::new("council")?;
        draft.add_group(council.clone(), Threshold::AtLeast(quorum), &names)?;
        draft.with_quorum(Some(&council))
    }

    /// The logs that the policy accepts.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses whose cosignatures it counts.
    #[must_use]
    pub fn witnesses(&self) -> &[PolicyWitness] {
        &self.witnesses
    }

    /// How many cosignatures a checkpoint needs, at least; 0 where the policy says `quorum none`.
    #[must_use]
    pub fn fewest_cosignatures(&self) -> usize {
        self.rule.fewest()
    }

    /// Whether a minority of a council could make a fork pass, and how.
    ///
    /// Several keys of one origin are taken for the members of a council: n of them, of which f =
    /// floor((n - 1) / 3) may be faulty. Then every quorum must have at least
    /// [`council_quorum`]`(n)` cosigners, and any two quorums more than f in common, or two roots
    /// of one size could both find one.
    #[must_use]
    pub fn council_weakness(&self) -> Option<CouncilWeakness> {
        let (fewest, overlap) = (self.rule.fewest(), self.rule.overlap());
        self.logs.iter().find_map(|log| {
            let origin = log.vkey.name();
            let members = self.logs.iter().filter(|other| other.vkey.name() == origin).count();
            let (needed, faults) = (council_quorum(members), council_faults(members));
            if members == 1 {
                None
            } else if fewest < needed {
                Some(CouncilWeakness::TooFew { origin: origin.clone(), members, fewest, needed })
            } else if overlap <= faults {
                Some(CouncilWeakness::Apart { origin: origin.clone(), members, faults, overlap })
            } else {
                None
            }
        })
    }
}
