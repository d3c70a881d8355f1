//! What an operator sees of a replica.

use alloc::collections::BTreeMap;

use super::{Mode, Refusal, Replica, ViewChangeReason};
use crate::{Council, ReplicaId, RequestDigest, Sequence, Status, View};

impl Replica {
    /// This replica's id; while it [follows](Self::is_following), one that is nobody's.
    #[must_use]
    pub const fn id(&self) -> ReplicaId {
        self.voter.id
    }

    /// The council of the current epoch; if this replica was removed, that of its last.
    #[must_use]
    pub const fn council(&self) -> &Council {
        &self.council
    }

    /// The current view.
    #[must_use]
    pub const fn view(&self) -> View {
        self.view
    }

    /// Whether the replica waits for its view to begin.
    #[must_use]
    pub const fn is_changing_view(&self) -> bool {
        matches!(self.mode, Mode::Changing { .. })
    }

    /// Whether the replica was removed from the council.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        self.mode == Mode::Retired
    }

    /// Whether the replica has not reached the first council of which it is a member.
    #[must_use]
    pub fn is_following(&self) -> bool {
        self.mode == Mode::Following
    }

    /// Whether the last batch of the epoch was executed here, and the others' word on it is awaited.
    #[must_use]
    pub fn is_ending_epoch(&self) -> bool {
        self.ending.is_some() && !self.is_retired()
    }

    /// The primary of the current view.
    #[must_use]
    pub fn primary(&self) -> ReplicaId {
        self.council.primary(self.view)
    }

    /// The last executed sequence.
    #[must_use]
    pub const fn executed(&self) -> Sequence {
        self.executed
    }

    /// The last stable checkpoint's sequence.
    #[must_use]
    pub fn stable(&self) -> Sequence {
        self.low()
    }

    /// Requests that are held and not executed.
    #[must_use]
    pub fn waiting_requests(&self) -> usize {
        self.requests.len()
    }

    /// Whether this request is held and waits to be executed.
    #[must_use]
    pub fn is_waiting(&self, digest: &RequestDigest) -> bool {
        self.requests.contains(digest)
    }

    /// Whether the replica is catching up with decisions that others have executed.
    #[must_use]
    pub const fn is_behind(&self) -> bool {
        self.fetching.is_some()
    }

    /// Whether a [`Ready::wanted`](crate::Ready::wanted) asked for this request's body and it has not come.
    #[must_use]
    pub fn is_wanted(&self, digest: &RequestDigest) -> bool {
        self.slots.values().any(|slot| slot.misses(digest))
    }

    /// The last status of a member.
    #[must_use]
    pub fn status_of(&self, member: ReplicaId) -> Option<&Status> {
        self.statuses.get(&member)
    }

    /// Whether the link to a member is up.
    #[must_use]
    pub fn is_connected(&self, member: ReplicaId) -> bool {
        self.connected.contains(&member)
    }

    /// Whether enough members are connected to decide anything together with this one.
    #[must_use]
    pub fn has_quorum(&self) -> bool {
        if self.is_following() {
            return false;
        }
        let connected = self.connected.iter().filter(|id| self.council.contains(**id));
        connected.count() + 1 >= self.council.quorum()
    }

    /// How often this replica called for a new view since it started, and why it did last.
    #[must_use]
    pub const fn view_changes(&self) -> (u64, Option<ViewChangeReason>) {
        (self.view_changes_started, self.last_reason)
    }

    /// Messages that were not acted on, by reason.
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<Refusal, u64> {
        &self.refused.0
    }
}
