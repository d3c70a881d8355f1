//! Sequences: what makes a replayed operation stale.

use core::fmt;

use serde::{Deserialize, Serialize};

/// How far a sequence may be ahead of the last one, so that nobody can use up a domain's numbers
/// with one operation. Wide enough for sequences that are times in milliseconds.
pub const MAX_SEQUENCE_STEP: u64 = 1 << 48;

/// What a sequence counts. Each federation has one for each, so that none blocks another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SequenceDomain {
    /// Registration, settings, teams, dissolution.
    Federation,
    /// Keys.
    Keys,
    /// Trust and interactions.
    Trust,
    /// Proposals made and withdrawn.
    Proposals,
    /// Approvals and rejections.
    Decisions,
    /// Witnessing.
    Witnessing,
}

impl SequenceDomain {
    /// All of them, in the order of the layout.
    pub const ALL: [Self; 6] =
        [Self::Federation, Self::Keys, Self::Trust, Self::Proposals, Self::Decisions, Self::Witnessing];
}

impl fmt::Display for SequenceDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Federation => "federation",
            Self::Keys => "keys",
            Self::Trust => "trust",
            Self::Proposals => "proposals",
            Self::Decisions => "decisions",
            Self::Witnessing => "witnessing",
        })
    }
}
