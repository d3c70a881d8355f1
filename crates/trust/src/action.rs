//! Actions that the network obeys once their proposal is approved.
//!
//! | action type | payload |
//! |---|---|
//! | `council.add` | federation id, member name (each after its length, 1 byte), link key, vote key, log key, cosigning key (32 each) |
//! | `council.remove`, `federation.suspend`, `federation.reinstate` | federation id, after its length (1) |
//! | `policy.set` | number of values (1), for each: parameter (1), value (4, big-endian); parameters ascend |
//!
//! Any other type is recorded only, whatever its payload.

use alloc::{boxed::Box, vec::Vec};

use jurat_crypto::{KeyName, VerifyingKey};

use crate::{
    ActionType, DecodeError, FederationId, KeyBytes, PolicyChange, PolicyError, TextError,
    wire::{Reader, Write},
};

/// The most bytes in a proposal's payload.
///
/// An entry of the log has at most 65 535 bytes with its signatures and all, so what comes through
/// a log is a little smaller.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024;

const COUNCIL_ADD: &str = "council.add";
const COUNCIL_REMOVE: &str = "council.remove";
const SUSPEND: &str = "federation.suspend";
const REINSTATE: &str = "federation.reinstate";
const POLICY_SET: &str = "policy.set";

/// Why an action can't be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ActionError {
    /// The payload is too long.
    #[error("the payload has {0} bytes, at most {MAX_PAYLOAD_BYTES} are taken")]
    PayloadTooLong(usize),
    /// The payload does not have the layout of its action type.
    #[error("the payload of {action} has not its layout: {problem}")]
    Payload {
        /// The action type.
        action: &'static str,
        /// What is wrong with the payload.
        problem: Box<DecodeError>,
    },
    /// The policy that would follow can't be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
    /// The federation stands where the action can't take it from.
    #[error("{action}: federation {federation} is {status}")]
    Status {
        /// The action type.
        action: &'static str,
        /// Which federation.
        federation: FederationId,
        /// Where it stands.
        status: crate::Status,
    },
    /// No such federation.
    #[error("{action}: there is no federation {federation}")]
    Unknown {
        /// The action type.
        action: &'static str,
        /// Which federation.
        federation: FederationId,
    },
    /// The federation is on the council already, or is not.
    #[error("federation {federation} is {} the council", if *.member { "already on" } else { "not on" })]
    Membership {
        /// Which federation.
        federation: FederationId,
        /// Whether it is on the council.
        member: bool,
    },
    /// The node is, or was, another federation's.
    #[error("council.add: link key {0} is or was that of another federation's node")]
    LinkTaken(KeyBytes),
    /// The federation came and went too often.
    #[error("council.add: federation {0} has come and gone {max} times, which is the most", max = crate::MAX_SEATS)]
    TooManySeats(FederationId),
    /// The council would have a size that can't order safely.
    #[error("a council of {0} can't order safely; it has 4 to 100 members")]
    CouncilSize(usize),
}

/// Who would join the council, and with which keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewMember {
    /// The federation that runs the node.
    pub federation: FederationId,
    /// The node's name.
    pub name: KeyName,
    /// Identifies the node to its peers.
    pub link: VerifyingKey,
    /// Votes in consensus.
    pub vote: VerifyingKey,
    /// Signs checkpoints as the log.
    pub log: VerifyingKey,
    /// Cosigns checkpoints.
    pub cosign: VerifyingKey,
}

/// What an approved proposal does besides being on record.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// A federation's node joins those that order the log.
    CouncilAdd(Box<NewMember>),
    /// A federation's node leaves them.
    CouncilRemove(FederationId),
    /// A federation is stopped for a while.
    Suspend(FederationId),
    /// A suspended or quarantined federation is active again.
    Reinstate(FederationId),
    /// The registry's numbers change.
    SetPolicy(PolicyChange),
}

impl Action {
    /// What a proposal of this type and payload would do; `None` if it is recorded only.
    pub fn read(action: &ActionType, payload: &[u8]) -> Result<Option<Self>, ActionError> {
        let mut reader = Reader::new(payload);
        let (name, read) = match action.as_str() {
            COUNCIL_ADD => {
                (COUNCIL_ADD, read_member(&mut reader).map(|member| Self::CouncilAdd(member.into())))
            }
            COUNCIL_REMOVE => (COUNCIL_REMOVE, reader.federation().map(Self::CouncilRemove)),
            SUSPEND => (SUSPEND, reader.federation().map(Self::Suspend)),
            REINSTATE => (REINSTATE, reader.federation().map(Self::Reinstate)),
            POLICY_SET => (POLICY_SET, PolicyChange::read(&mut reader).map(Self::SetPolicy)),
            _ => return Ok(None),
        };
        read.and_then(|action| reader.finish().map(|()| Some(action)))
            .map_err(|problem| ActionError::Payload { action: name, problem: problem.into() })
    }

    /// The action's type.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::CouncilAdd(_) => COUNCIL_ADD,
            Self::CouncilRemove(_) => COUNCIL_REMOVE,
            Self::Suspend(_) => SUSPEND,
            Self::Reinstate(_) => REINSTATE,
            Self::SetPolicy(_) => POLICY_SET,
        }
    }

    /// The action's type, for a proposal.
    pub fn action_type(&self) -> Result<ActionType, TextError> {
        ActionType::new(self.name())
    }

    /// The payload for a proposal of the action's type.
    #[must_use]
    pub fn payload(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::CouncilAdd(member) => {
                out.short(member.federation.as_str());
                out.short(member.name.as_str());
                for key in [&member.link, &member.vote, &member.log, &member.cosign] {
                    out.key(key);
                }
            }
            Self::CouncilRemove(federation) | Self::Suspend(federation) | Self::Reinstate(federation) => {
                out.short(federation.as_str());
            }
            Self::SetPolicy(change) => change.layout(&mut out),
        }
        out
    }
}

fn read_member(reader: &mut Reader<'_>) -> Result<NewMember, DecodeError> {
    let federation = reader.federation()?;
    let name = reader.short("member name")?;
    let name = KeyName::new(name).map_err(|_| DecodeError::Value { what: "member name", value: 0 })?;
    let (link, vote, log, cosign) = (reader.key()?, reader.key()?, reader.key()?, reader.key()?);
    Ok(NewMember { federation, name, link, vote, log, cosign })
}

#[cfg(test)]
mod tests {
    use jurat_crypto::SigningKey;

    use super::*;
    use crate::Parameter;

    fn actions() -> [Action; 5] {
        let federation = FederationId::new("fed:lab").unwrap();
        let key = |seed| SigningKey::from_seed(&[seed; 32]).verifying_key();
        let name = KeyName::new("lab").unwrap();
        let (link, vote, log, cosign) = (key(1), key(2), key(3), key(4));
        [
            Action::CouncilAdd(
                NewMember { federation: federation.clone(), name, link, vote, log, cosign }.into(),
            ),
            Action::CouncilRemove(federation.clone()),
            Action::Suspend(federation.clone()),
            Action::Reinstate(federation),
            Action::SetPolicy(PolicyChange::new([(Parameter::REFUSE, 0)]).unwrap()),
        ]
    }

    #[test]
    fn payloads_round_trip_and_nothing_may_follow_or_miss() {
        for action in actions() {
            let kind = action.action_type().unwrap();
            let mut payload = action.payload();
            for end in 0..payload.len() {
                assert!(Action::read(&kind, &payload[..end]).is_err(), "{kind} cut at {end}");
            }
            payload.push(0);
            assert!(matches!(Action::read(&kind, &payload), Err(ActionError::Payload { .. })), "{kind}");
            payload.pop();
            assert_eq!(Action::read(&kind, &payload), Ok(Some(action)));
        }
    }

    #[test]
    fn other_types_are_recorded_only() {
        for kind in ["council.add.more", "policy", "council", "Council.add"] {
            assert_eq!(Action::read(&ActionType::new(kind).unwrap(), b"anything"), Ok(None));
        }
    }
}
