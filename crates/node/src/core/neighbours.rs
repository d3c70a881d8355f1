//! With whom a node keeps links besides the members: those who left last.

use jurat_pbft::ReplicaId;

use super::{CouncilHistory, Frame};

/// How many of those who left keep their links.
pub const MAX_FORMER_MEMBERS: usize = 4;

/// The members that left last. Their links stay, to tell them so however late they come back, and
/// for the signatures that checkpoints of their time may still lack.
#[must_use]
pub fn former_members(history: &CouncilHistory) -> Vec<ReplicaId> {
    let mut left: Vec<_> = history.seats().filter_map(|seat| Some((seat.left?, seat.id))).collect();
    left.sort_unstable_by(|a, b| b.cmp(a));
    left.into_iter().take(MAX_FORMER_MEMBERS).map(|(_, id)| id).collect()
}

impl Frame {
    /// Whether what goes to all members goes to those who left too: what keeps a link alive, and
    /// what certifies the checkpoints of their time.
    #[must_use]
    pub const fn is_for_former_members(&self) -> bool {
        matches!(self, Self::Clock(_) | Self::Signatures(_) | Self::FetchCheckpoint(_))
    }
}
