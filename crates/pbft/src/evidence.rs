//! Proof that a member signed two things that exclude each other.

use serde::{Deserialize, Serialize};

use crate::{Checkpoint, Council, ReplicaId, Signed, StatementError, Vote};

/// Two signed statements of one member for one slot that contradict. Anyone who knows the council
/// can check it; an honest member can't be accused, because it never signs both.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Evidence {
    /// Two PrePrepares, Prepares or Commits of one view and sequence for different batches.
    Votes(Signed<Vote>, Signed<Vote>),
    /// Two states after one sequence.
    Checkpoints(Signed<Checkpoint>, Signed<Checkpoint>),
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The two statements have different signers, slots or rounds, or agree.
    #[error("the two statements do not contradict each other")]
    NoContradiction,
    /// A signature does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Evidence {
    /// Who is accused.
    #[must_use]
    pub const fn culprit(&self) -> ReplicaId {
        match self {
            Self::Votes(first, _) => first.signer,
            Self::Checkpoints(first, _) => first.signer,
        }
    }

    /// Checks that it convicts the culprit.
    pub fn verify(&self, council: &Council) -> Result<(), EvidenceError> {
        let contradicts = match self {
            Self::Votes(a, b) => {
                let slot = |vote: &Vote| (vote.phase, vote.view, vote.sequence);
                a.signer == b.signer
                    && slot(&a.statement) == slot(&b.statement)
                    && a.statement.batch != b.statement.batch
            }
            Self::Checkpoints(a, b) => {
                a.signer == b.signer
                    && a.statement.sequence == b.statement.sequence
                    && a.statement.state != b.statement.state
            }
        };
        if !contradicts {
            return Err(EvidenceError::NoContradiction);
        }
        match self {
            Self::Votes(a, b) => a.verify(council).and_then(|()| b.verify(council)),
            Self::Checkpoints(a, b) => a.verify(council).and_then(|()| b.verify(council)),
        }?;
        Ok(())
    }
}
