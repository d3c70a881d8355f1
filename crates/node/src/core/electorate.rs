//! The members of one epoch, as the log's checkpoints need them.

use std::collections::BTreeMap;

use jurat_log::Policy;
use jurat_pbft::{Epoch, ReplicaId};

use super::{CouncilHistory, GenesisError, Member};

/// Who certifies the checkpoints of an epoch.
#[derive(Debug)]
pub(super) struct Electorate {
    members: BTreeMap<ReplicaId, Member>,
    quorum: usize,
    policy: Policy,
}

impl Electorate {
    /// Those of an epoch, if the history reaches it.
    pub(super) fn of(history: &CouncilHistory, epoch: Epoch) -> Option<Result<Self, GenesisError>> {
        let quorum = history.chain().council_of(epoch)?.quorum();
        let members = history.members_of(epoch).map(|seat| (seat.id, seat.member.clone())).collect();
        let policy = history.policy_of(epoch).transpose()?;
        Some(policy.map(|policy| Self { members, quorum, policy }))
    }

    /// A member with its keys.
    pub(super) fn member(&self, id: ReplicaId) -> Option<&Member> {
        self.members.get(&id)
    }

    /// All of them.
    pub(super) fn ids(&self) -> impl Iterator<Item = ReplicaId> + '_ {
        self.members.keys().copied()
    }

    /// How many of them certify.
    pub(super) const fn quorum(&self) -> usize {
        self.quorum
    }

    /// What a note must satisfy that they certified.
    pub(super) const fn policy(&self) -> &Policy {
        &self.policy
    }
}
