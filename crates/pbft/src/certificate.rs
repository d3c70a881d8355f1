//! Quorums of signatures that prove something to anyone who knows the council.

use alloc::vec::Vec;

use jurat_crypto::Signature;
use serde::{Deserialize, Serialize};

use crate::{
    BatchDigest, Checkpoint, Council, Phase, ReplicaId, Sequence, Statement, StatementError, View, Vote,
    statement::verify,
};

/// Signatures of distinct members, in the order of their ids.
pub type Signatures = Vec<(ReplicaId, Signature)>;

/// Why a certificate proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CertificateError {
    /// Too few members signed.
    #[error("{have} signatures, the council's quorum is {need}")]
    TooFew {
        /// Distinct signatures present.
        have: usize,
        /// Signatures needed.
        need: usize,
    },
    /// A member appears twice, or members are out of order.
    #[error("signers must be distinct and ascending, replica {0} is not")]
    Unordered(ReplicaId),
    /// The primary's Prepare, for which its PrePrepare already stands.
    #[error("replica {0} is the primary of the view and can't prepare its own proposal")]
    PrimaryPrepared(ReplicaId),
    /// A signature is missing its member or does not hold.
    #[error(transparent)]
    Statement(#[from] StatementError),
}

/// Checks `need` or more distinct, ascending signers and each signature over `statement`.
///
/// `known` tells that a signature was verified before; it saves the arithmetic, never the counting.
fn check_signatures<S: Statement>(
    council: &Council,
    statement: &S,
    signatures: &Signatures,
    need: usize,
    known: impl Fn(ReplicaId, &Signature) -> bool,
) -> Result<(), CertificateError> {
    for pair in signatures.windows(2) {
        if pair[0].0 >= pair[1].0 {
            return Err(CertificateError::Unordered(pair[1].0));
        }
    }
    if signatures.len() < need {
        return Err(CertificateError::TooFew { have: signatures.len(), need });
    }
    for (signer, signature) in signatures {
        if !known(*signer, signature) {
            verify(council, *signer, statement, signature)?;
        }
    }
    Ok(())
}

/// Proof that a batch is decided: a quorum of Commits in one view.
///
/// Decided batches never change: any later view re-proposes them.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct CommitProof {
    /// The view of the Commits.
    pub view: View,
    /// The sequence that is decided.
    pub sequence: Sequence,
    /// The batch that it is decided for.
    pub batch: BatchDigest,
    /// The Commits' signatures.
    pub commits: Signatures,
}

impl CommitProof {
    /// Checks the proof against the council of its epoch; nothing else is needed.
    pub fn verify(&self, council: &Council) -> Result<(), CertificateError> {
        let vote = Vote { phase: Phase::Commit, view: self.view, sequence: self.sequence, batch: self.batch };
        check_signatures(council, &vote, &self.commits, council.quorum(), |_, _| false)
    }
}

/// Proof that no other batch can be decided at this sequence in this view: the primary's PrePrepare
/// and Prepares that make it a quorum.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct PreparedCertificate {
    /// The view.
    pub view: View,
    /// The sequence.
    pub sequence: Sequence,
    /// The batch.
    pub batch: BatchDigest,
    /// The primary's signature on its PrePrepare.
    pub pre_prepare: Signature,
    /// The backups' signatures on their Prepares.
    pub prepares: Signatures,
}

impl PreparedCertificate {
    /// Checks the certificate against the council of its epoch.
    pub fn verify(&self, council: &Council) -> Result<(), CertificateError> {
        self.verify_with(council, |_, _, _| false)
    }

    /// As [`verify`](Self::verify), skipping signatures that `known` says were verified before.
    pub(crate) fn verify_with(
        &self,
        council: &Council,
        known: impl Fn(ReplicaId, &Vote, &Signature) -> bool,
    ) -> Result<(), CertificateError> {
        let vote = |phase| Vote { phase, view: self.view, sequence: self.sequence, batch: self.batch };
        let primary = council.primary(self.view);
        if self.prepares.iter().any(|(signer, _)| *signer == primary) {
            return Err(CertificateError::PrimaryPrepared(primary));
        }
        let prepare = vote(Phase::Prepare);
        check_signatures(council, &prepare, &self.prepares, council.quorum() - 1, |id, s| {
            known(id, &prepare, s)
        })?;
        let pre_prepare = vote(Phase::PrePrepare);
        if !known(primary, &pre_prepare, &self.pre_prepare) {
            verify(council, primary, &pre_prepare, &self.pre_prepare)?;
        }
        Ok(())
    }

    /// Appends the layout that a ViewChange signs.
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.view.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        out.extend_from_slice(self.batch.0.as_bytes());
        out.extend_from_slice(&self.pre_prepare.to_bytes());
        signatures_layout(&self.prepares, out);
    }
}

/// Proof of the state after a sequence: a quorum of equal Checkpoints.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct CheckpointCertificate {
    /// What they agree on.
    pub checkpoint: Checkpoint,
    /// The Checkpoints' signatures.
    pub signatures: Signatures,
}

impl CheckpointCertificate {
    /// The sequence after which it is the state.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.checkpoint.sequence
    }

    /// Checks the certificate against the council of its epoch.
    pub fn verify(&self, council: &Council) -> Result<(), CertificateError> {
        check_signatures(council, &self.checkpoint, &self.signatures, council.quorum(), |_, _| false)
    }

    /// Appends the layout that a ViewChange signs.
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        self.checkpoint.layout(out);
        signatures_layout(&self.signatures, out);
    }
}

/// Number of signatures (2 bytes, big-endian), then each signer's id (2) and signature (64).
pub(crate) fn signatures_layout(signatures: &Signatures, out: &mut Vec<u8>) {
    // A certificate with more than MAX_MEMBERS signatures never verifies, so the cast loses nothing.
    out.extend_from_slice(&u16::try_from(signatures.len()).unwrap_or(u16::MAX).to_be_bytes());
    for (signer, signature) in signatures {
        out.extend_from_slice(&signer.0.to_be_bytes());
        out.extend_from_slice(&signature.to_bytes());
    }
}
