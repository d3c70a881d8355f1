//! Proof that a member signed two things that exclude each other.

use alloc::vec::Vec;

use jurat_crypto::{Digest, NetworkId};

use crate::{
    BatchDigest, Checkpoint, Council, DecodeError, Epoch, Phase, ReplicaId, Sequence, Signed, Statement,
    StatementError, View, Vote, bytes::Reader,
};

/// What evidence begins with, so that a file of it can be told from others.
const LABEL: &[u8] = b"jurat/v1/evidence\n";

/// Two signed statements of one member for one slot that contradict. Anyone who knows the council
/// can check it; an honest member can't be accused, because it never signs both.
///
/// It is made by a replica that received both, or decoded. Either way it says nothing until
/// [`verify`](Self::verify) does.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Evidence {
    network: NetworkId,
    epoch: Epoch,
    council: Digest,
    contradiction: Contradiction,
}

/// The two statements, the one whose layout is smaller first, so that each contradiction has one
/// form.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Contradiction {
    /// Two PrePrepares, Prepares or Commits of one view and sequence for different batches.
    Votes(Signed<Vote>, Signed<Vote>),
    /// Two states, or two next councils, after one sequence.
    Checkpoints(Signed<Checkpoint>, Signed<Checkpoint>),
}

/// Why evidence proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EvidenceError {
    /// The two statements have different signers, slots or rounds, or agree.
    #[error("the two statements do not contradict each other")]
    NoContradiction,
    /// It accuses a member of another network.
    #[error("the evidence is about a member of network {0}, another than this council's")]
    OtherNetwork(NetworkId),
    /// It accuses a member of another council.
    #[error("the evidence is about a member of the council of epoch {0}, another than this one")]
    OtherCouncil(Epoch),
    /// A signature does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

impl Evidence {
    /// The most bytes that evidence has: that of two checkpoints which both end an epoch.
    pub const MAX_BYTES: usize = LABEL.len() + 32 + 43 + 2 * (8 + 32 + 33 + 64);

    /// Two votes of one member of `council`. They are not verified.
    pub fn of_votes(council: &Council, a: Signed<Vote>, b: Signed<Vote>) -> Result<Self, EvidenceError> {
        let slot = |vote: &Signed<Vote>| {
            (vote.signer, vote.statement.phase, vote.statement.view, vote.statement.sequence)
        };
        if slot(&a) != slot(&b) {
            return Err(EvidenceError::NoContradiction);
        }
        let (a, b) = ascending(a, b)?;
        Ok(Self::new(council, Contradiction::Votes(a, b)))
    }

    /// Two checkpoints of one member of `council`. They are not verified.
    pub fn of_checkpoints(
        council: &Council,
        a: Signed<Checkpoint>,
        b: Signed<Checkpoint>,
    ) -> Result<Self, EvidenceError> {
        if (a.signer, a.statement.sequence) != (b.signer, b.statement.sequence) {
            return Err(EvidenceError::NoContradiction);
        }
        let (a, b) = ascending(a, b)?;
        Ok(Self::new(council, Contradiction::Checkpoints(a, b)))
    }

    fn new(council: &Council, contradiction: Contradiction) -> Self {
        let (network, epoch, council) = (council.network(), council.epoch(), *council.digest());
        Self { network, epoch, council, contradiction }
    }

    /// Who is accused.
    #[must_use]
    pub const fn culprit(&self) -> ReplicaId {
        match &self.contradiction {
            Contradiction::Votes(first, _) => first.signer,
            Contradiction::Checkpoints(first, _) => first.signer,
        }
    }

    /// The network of which the accused is a member.
    #[must_use]
    pub const fn network(&self) -> NetworkId {
        self.network
    }

    /// The epoch whose council can tell whether it holds.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// The [digest](Council::digest) of that council.
    #[must_use]
    pub const fn council(&self) -> &Digest {
        &self.council
    }

    /// What was signed twice.
    #[must_use]
    pub const fn contradiction(&self) -> &Contradiction {
        &self.contradiction
    }

    /// Checks that it convicts a member of this council, and says whom.
    pub fn verify(&self, council: &Council) -> Result<ReplicaId, EvidenceError> {
        if self.network != council.network() {
            return Err(EvidenceError::OtherNetwork(self.network));
        }
        if (self.epoch, self.council) != (council.epoch(), *council.digest()) {
            return Err(EvidenceError::OtherCouncil(self.epoch));
        }
        match &self.contradiction {
            Contradiction::Votes(a, b) => a.verify(council).and_then(|()| b.verify(council)),
            Contradiction::Checkpoints(a, b) => a.verify(council).and_then(|()| b.verify(council)),
        }?;
        Ok(self.culprit())
    }

    /// The layout of `docs/formats.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::MAX_BYTES);
        out.extend_from_slice(LABEL);
        out.extend_from_slice(self.network.0.as_bytes());
        out.push(match &self.contradiction {
            Contradiction::Votes(vote, _) => match vote.statement.phase {
                Phase::PrePrepare => 1,
                Phase::Prepare => 2,
                Phase::Commit => 3,
            },
            Contradiction::Checkpoints(..) => 4,
        });
        out.extend_from_slice(&self.epoch.0.to_be_bytes());
        out.extend_from_slice(self.council.as_bytes());
        out.extend_from_slice(&self.culprit().0.to_be_bytes());
        match &self.contradiction {
            Contradiction::Votes(a, b) => {
                let Vote { view, sequence, .. } = a.statement;
                out.extend_from_slice(&view.0.to_be_bytes());
                out.extend_from_slice(&sequence.0.to_be_bytes());
                for vote in [a, b] {
                    out.extend_from_slice(vote.statement.batch.0.as_bytes());
                    out.extend_from_slice(&vote.signature.to_bytes());
                }
            }
            Contradiction::Checkpoints(a, b) => {
                for checkpoint in [a, b] {
                    checkpoint.statement.layout(&mut out);
                    out.extend_from_slice(&checkpoint.signature.to_bytes());
                }
            }
        }
        out
    }

    /// Whether bytes begin as evidence does.
    #[must_use]
    pub fn is_labelled(bytes: &[u8]) -> bool {
        bytes.starts_with(LABEL)
    }

    /// Reads the layout. What it reads is a contradiction, and encodes to the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes.strip_prefix(LABEL).ok_or(DecodeError::Label)?);
        let network = NetworkId(reader.digest()?);
        let kind = reader.byte()?;
        let (epoch, council) = (Epoch(reader.number()?), reader.digest()?);
        let signer = reader.replica()?;
        let phase = match kind {
            1 => Some(Phase::PrePrepare),
            2 => Some(Phase::Prepare),
            3 => Some(Phase::Commit),
            4 => None,
            unknown => return Err(DecodeError::Unknown(unknown)),
        };
        let contradiction = if let Some(phase) = phase {
            let (view, sequence) = (View(reader.number()?), Sequence(reader.number()?));
            let mut vote = || {
                let batch = BatchDigest(reader.digest()?);
                let statement = Vote { phase, view, sequence, batch };
                Ok::<_, DecodeError>(Signed { signer, statement, signature: reader.signature()? })
            };
            let (a, b) = (vote()?, vote()?);
            if a.statement.batch >= b.statement.batch {
                return Err(DecodeError::Order);
            }
            Contradiction::Votes(a, b)
        } else {
            let mut checkpoint = || {
                let statement = reader.checkpoint()?;
                Ok::<_, DecodeError>(Signed { signer, statement, signature: reader.signature()? })
            };
            let (a, b) = (checkpoint()?, checkpoint()?);
            if a.statement.sequence != b.statement.sequence || a.statement >= b.statement {
                return Err(DecodeError::Order);
            }
            Contradiction::Checkpoints(a, b)
        };
        reader.end()?;
        Ok(Self { network, epoch, council, contradiction })
    }
}

/// Both in the order of their layouts, which is that of the statements. Equal ones don't contradict.
fn ascending<S: Statement + Ord>(
    a: Signed<S>,
    b: Signed<S>,
) -> Result<(Signed<S>, Signed<S>), EvidenceError> {
    match a.statement.cmp(&b.statement) {
        core::cmp::Ordering::Less => Ok((a, b)),
        core::cmp::Ordering::Greater => Ok((b, a)),
        core::cmp::Ordering::Equal => Err(EvidenceError::NoContradiction),
    }
}
