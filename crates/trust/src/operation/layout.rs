//! The bytes of an operation, one spelling for each.
//!
//! ```text
//! operation = version(1) = 1 || kind(1) || federation || sequence (u64) || fields of the kind
//! ```
//!
//! Ids and names come after their length (1 byte), lists after their count (1 byte).

use alloc::vec::Vec;

use jurat_crypto::VerifyingKey;

use super::{
    Act, Draft, KeyGroup, KeySet, MAX_ACCUSATION_BYTES, MAX_AFFECTED, MAX_KEYS, MAX_TEAMS, NewTeam,
    Operation, Registration, Rotation, Settings,
};
use crate::{
    ActionType, DecodeError, Description, MAX_PAYLOAD_BYTES, Name, ProposalId, Relationship,
    wire::{Reader, Write, ascending},
};

/// More bytes than an operation can have, without its signatures.
pub const MAX_OPERATION_BYTES: usize = 160 * 1024;

const VERSION: u8 = 1;

const REGISTER: u8 = 1;
const CONFIGURE: u8 = 2;
const ADD_TEAM: u8 = 3;
const SET_TEAM: u8 = 4;
const DISSOLVE: u8 = 5;
const CHANGE_KEYS: u8 = 6;
const ADD_ATTESTORS: u8 = 7;
const ROTATE_KEY: u8 = 8;
const REVOKE_KEY: u8 = 9;
const ESTABLISH_TRUST: u8 = 10;
const RECORD_INTERACTION: u8 = 11;
const SET_SCORE: u8 = 12;
const PROPOSE: u8 = 13;
const WITHDRAW: u8 = 14;
const APPROVE: u8 = 15;
const REJECT: u8 = 16;
const WITNESS: u8 = 17;
const ACCUSE: u8 = 18;

impl Operation {
    /// The operation's bytes, at most [`MAX_OPERATION_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = alloc::vec![VERSION, self.act.kind()];
        out.short(self.federation.as_str());
        out.u64(self.sequence);
        self.act.layout(&mut out);
        out
    }

    /// Reads an operation; nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let operation = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(operation)
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = reader.u8("version")?;
        if version != VERSION {
            return Err(DecodeError::Version(version));
        }
        let kind = reader.u8("kind")?;
        let federation = reader.federation()?;
        let sequence = reader.u64("sequence")?;
        let act = Act::read(kind, reader)?;
        Ok(Self { federation, sequence, act })
    }
}

impl Act {
    const fn kind(&self) -> u8 {
        match self {
            Self::Register(_) => REGISTER,
            Self::Configure(_) => CONFIGURE,
            Self::AddTeam(_) => ADD_TEAM,
            Self::SetTeam { .. } => SET_TEAM,
            Self::Dissolve => DISSOLVE,
            Self::ChangeKeys { .. } => CHANGE_KEYS,
            Self::AddAttestors { .. } => ADD_ATTESTORS,
            Self::RotateKey(_) => ROTATE_KEY,
            Self::RevokeKey { .. } => REVOKE_KEY,
            Self::EstablishTrust { .. } => ESTABLISH_TRUST,
            Self::RecordInteraction { .. } => RECORD_INTERACTION,
            Self::SetScore { .. } => SET_SCORE,
            Self::Propose(_) => PROPOSE,
            Self::Withdraw { .. } => WITHDRAW,
            Self::Approve { .. } => APPROVE,
            Self::Reject { .. } => REJECT,
            Self::Witness { .. } => WITNESS,
            Self::Accuse { .. } => ACCUSE,
        }
    }

    fn layout(&self, out: &mut Vec<u8>) {
        match self {
            Self::Register(registration) => {
                registration.admin.layout(out);
                out.list(&registration.teams, |out, team| team.layout(out));
                registration.settings.layout(out);
            }
            Self::Configure(settings) => settings.layout(out),
            Self::AddTeam(team) => team.layout(out),
            Self::SetTeam { team, active } => {
                out.short(team.as_str());
                out.bool(*active);
            }
            Self::Dissolve => {}
            Self::ChangeKeys { group, add, threshold } => {
                match group {
                    KeyGroup::Admin => out.u8(0),
                    KeyGroup::Team(team) => {
                        out.u8(1);
                        out.short(team.as_str());
                    }
                }
                out.list(add, Write::key);
                out.u8(*threshold);
            }
            Self::AddAttestors { keys } => out.list(keys, Write::key),
            Self::RotateKey(rotation) => {
                let Rotation { old, new, grace_until } = &**rotation;
                out.key(old);
                out.key(new);
                out.u64(grace_until.0);
            }
            Self::RevokeKey { key, grace_until } => {
                out.key(key);
                out.u64(grace_until.0);
            }
            Self::EstablishTrust { target, relationship, witness_allowed, score } => {
                out.short(target.as_str());
                out.u8(relationship.byte());
                out.bool(*witness_allowed);
                out.u16(score.basis_points());
            }
            Self::RecordInteraction { target, successful } => {
                out.short(target.as_str());
                out.bool(*successful);
            }
            Self::SetScore { target, score } => {
                out.short(target.as_str());
                out.u16(score.basis_points());
            }
            Self::Propose(draft) => draft.layout(out),
            Self::Withdraw { proposal } | Self::Reject { proposal } => out.bytes(proposal.0.as_bytes()),
            Self::Approve { proposal, teams } => {
                out.bytes(proposal.0.as_bytes());
                out.list(teams, |out, team| out.short(team.as_str()));
            }
            Self::Witness { proposal, team } => {
                out.bytes(proposal.0.as_bytes());
                out.short(team.as_str());
            }
            Self::Accuse { evidence } => {
                out.u16(u16::try_from(evidence.len()).unwrap_or(u16::MAX));
                out.bytes(evidence);
            }
        }
    }

    fn read(kind: u8, reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(match kind {
            REGISTER => Self::Register(Registration {
                admin: KeySet::read(reader)?,
                teams: reader.list("teams", MAX_TEAMS, NewTeam::read)?,
                settings: Settings::read(reader)?,
            }),
            CONFIGURE => Self::Configure(Settings::read(reader)?),
            ADD_TEAM => Self::AddTeam(NewTeam::read(reader)?),
            SET_TEAM => Self::SetTeam { team: reader.team()?, active: reader.bool("state of the team")? },
            DISSOLVE => Self::Dissolve,
            CHANGE_KEYS => {
                let group = match reader.u8("group of keys")? {
                    0 => KeyGroup::Admin,
                    1 => KeyGroup::Team(reader.team()?),
                    value => {
                        return Err(DecodeError::Value { what: "group of keys", value: value.into() });
                    }
                };
                Self::ChangeKeys { group, add: read_keys(reader)?, threshold: reader.u8("threshold")? }
            }
            ADD_ATTESTORS => {
                let keys = read_keys(reader)?;
                if keys.is_empty() {
                    return Err(DecodeError::None("attestor's key"));
                }
                Self::AddAttestors { keys }
            }
            ROTATE_KEY => {
                let (old, new) = (reader.key()?, reader.key()?);
                let grace_until = reader.time("end of grace")?;
                Self::RotateKey(Rotation { old, new, grace_until }.into())
            }
            REVOKE_KEY => Self::RevokeKey { key: reader.key()?, grace_until: reader.time("end of grace")? },
            ESTABLISH_TRUST => Self::EstablishTrust {
                target: reader.federation()?,
                relationship: Relationship::read(reader)?,
                witness_allowed: reader.bool("permission to witness")?,
                score: reader.score("score")?,
            },
            RECORD_INTERACTION => Self::RecordInteraction {
                target: reader.federation()?,
                successful: reader.bool("outcome of the interaction")?,
            },
            SET_SCORE => Self::SetScore { target: reader.federation()?, score: reader.score("score")? },
            PROPOSE => Self::Propose(Draft::read(reader)?),
            WITHDRAW => Self::Withdraw { proposal: ProposalId::read(reader)? },
            APPROVE => {
                let proposal = ProposalId::read(reader)?;
                let teams = reader.list("teams", MAX_TEAMS, Reader::team)?;
                if teams.is_empty() {
                    return Err(DecodeError::None("approving team"));
                }
                ascending(&teams, "teams")?;
                Self::Approve { proposal, teams }
            }
            REJECT => Self::Reject { proposal: ProposalId::read(reader)? },
            WITNESS => Self::Witness { proposal: ProposalId::read(reader)?, team: reader.team()? },
            ACCUSE => {
                let length = usize::from(reader.u16("length of the evidence")?);
                if length == 0 {
                    return Err(DecodeError::None("byte of evidence"));
                }
                if length > MAX_ACCUSATION_BYTES {
                    return Err(DecodeError::TooLong { length, max: MAX_ACCUSATION_BYTES });
                }
                Self::Accuse { evidence: reader.bytes(length, "evidence")?.to_vec() }
            }
            value => return Err(DecodeError::Value { what: "kind of operation", value: value.into() }),
        })
    }
}

fn read_keys(reader: &mut Reader<'_>) -> Result<Vec<VerifyingKey>, DecodeError> {
    let keys = reader.list("keys", MAX_KEYS, Reader::key)?;
    ascending(&keys, "keys")?;
    Ok(keys)
}

impl KeySet {
    fn layout(&self, out: &mut Vec<u8>) {
        out.list(&self.keys, Write::key);
        out.u8(self.threshold);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let keys = read_keys(reader)?;
        Self::from_sorted(keys, reader.u8("threshold")?)
    }
}

impl NewTeam {
    fn layout(&self, out: &mut Vec<u8>) {
        out.short(self.id.as_str());
        self.keys.layout(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self { id: reader.team()?, keys: KeySet::read(reader)? })
    }
}

impl Settings {
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.short(self.name.as_str());
        out.u8(self.min_team_count());
        out.bool(self.requires_external_witness);
    }

    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let name = Name::new(reader.short("name")?)?;
        let settings = Self::new(name).with_min_team_count(reader.u8("least number of teams")?)?;
        Ok(Self { requires_external_witness: reader.bool("requirement of a witness")?, ..settings })
    }
}

impl Draft {
    fn layout(&self, out: &mut Vec<u8>) {
        out.short(self.team.as_str());
        out.list(&self.affected, |out, federation| out.short(federation.as_str()));
        out.short(self.action.as_str());
        out.u16(u16::try_from(self.description.as_str().len()).unwrap_or(u16::MAX));
        out.bytes(self.description.as_str().as_bytes());
        out.u32(u32::try_from(self.payload.len()).unwrap_or(u32::MAX));
        out.bytes(&self.payload);
        out.u64(self.expires_at.0);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let team = reader.team()?;
        let affected = reader.list("affected federations", MAX_AFFECTED, Reader::federation)?;
        let action = ActionType::new(reader.short("action type")?)?;
        let length = reader.u16("description")?;
        let description = Description::new(reader.text(length.into(), "description")?)?;
        let length = usize::try_from(reader.u32("payload")?).unwrap_or(usize::MAX);
        if length > MAX_PAYLOAD_BYTES {
            return Err(crate::ActionError::PayloadTooLong(length).into());
        }
        let payload = reader.bytes(length, "payload")?.to_vec();
        Self::new(team, affected, action, description, payload, reader.time("expiry")?)
    }
}
