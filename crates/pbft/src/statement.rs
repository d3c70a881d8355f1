//! What a replica signs, and how: votes and checkpoints.

use alloc::vec::Vec;
use core::{fmt, hash};

use jurat_crypto::{Digest, Domain, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{BatchDigest, Council, ReplicaId, Sequence, StateDigest, View};

/// Something a replica signs.
///
/// The signed bytes are the domain label, the network id, then epoch (8 bytes, big-endian),
/// council digest (32), the signer's id (2) and the statement's own layout. A statement lifted
/// into another network, epoch or council therefore fails, and so does one moved to another signer.
pub trait Statement {
    /// The label under which it is signed.
    fn domain(&self) -> Domain;

    /// Appends the statement's own layout, given in `docs/formats.md`.
    fn layout(&self, out: &mut Vec<u8>);
}

/// A statement with the signature of the member that made it. Not checked until [`Signed::verify`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Signed<S> {
    /// Who signed.
    pub signer: ReplicaId,
    /// What was signed.
    pub statement: S,
    /// The signature.
    pub signature: Signature,
}

/// Why a signed statement is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum StatementError {
    /// The signer is not in the council.
    #[error("replica {0} is not a member of this council")]
    Stranger(ReplicaId),
    /// The signature does not hold.
    #[error("the signature of replica {0} does not verify")]
    BadSignature(ReplicaId),
}

impl<S: Statement> Signed<S> {
    /// Checks the signature against the signer's key in `council`.
    pub fn verify(&self, council: &Council) -> Result<(), StatementError> {
        verify(council, self.signer, &self.statement, &self.signature)
    }
}

/// Checks a signature that is kept apart from its statement, as in a certificate.
pub(crate) fn verify<S: Statement>(
    council: &Council,
    signer: ReplicaId,
    statement: &S,
    signature: &Signature,
) -> Result<(), StatementError> {
    let key = council.key(signer).ok_or(StatementError::Stranger(signer))?;
    statement
        .domain()
        .verify(key, council.network(), &body(council, signer, statement), signature)
        .map_err(|_| StatementError::BadSignature(signer))
}

fn body<S: Statement>(council: &Council, signer: ReplicaId, statement: &S) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend_from_slice(&council.epoch().0.to_be_bytes());
    out.extend_from_slice(council.digest().as_bytes());
    out.extend_from_slice(&signer.0.to_be_bytes());
    statement.layout(&mut out);
    out
}

/// A member's voting key together with its id.
#[derive(Clone)]
pub(crate) struct Voter {
    pub(crate) id: ReplicaId,
    key: SigningKey,
}

impl Voter {
    pub(crate) fn new(id: ReplicaId, key: SigningKey) -> Self {
        Self { id, key }
    }

    pub(crate) fn verifying_key(&self) -> VerifyingKey {
        self.key.verifying_key()
    }

    pub(crate) fn sign<S: Statement>(&self, council: &Council, statement: S) -> Signed<S> {
        let body = body(council, self.id, &statement);
        let signature = statement.domain().sign(&self.key, council.network(), &body);
        Signed { signer: self.id, statement, signature }
    }
}

impl hash::Hash for Voter {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.id.hash(state);
    }
}

impl fmt::Debug for Voter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.id.fmt(f)
    }
}

/// The three rounds of a batch (section 4.3 of the TOCS paper).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Phase {
    /// The primary assigns a sequence to a batch. It stands for the primary's Prepare.
    PrePrepare,
    /// A backup accepts the assignment in this view.
    Prepare,
    /// A replica has seen a quorum accept it.
    Commit,
}

/// A vote for a batch at a sequence in a view.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Vote {
    /// Which round.
    pub phase: Phase,
    /// The view.
    pub view: View,
    /// The sequence.
    pub sequence: Sequence,
    /// The batch.
    pub batch: BatchDigest,
}

impl Statement for Vote {
    fn domain(&self) -> Domain {
        const PRE_PREPARE: Domain = Domain::new("jurat/v1/pbft/pre-prepare");
        const PREPARE: Domain = Domain::new("jurat/v1/pbft/prepare");
        const COMMIT: Domain = Domain::new("jurat/v1/pbft/commit");
        match self.phase {
            Phase::PrePrepare => PRE_PREPARE,
            Phase::Prepare => PREPARE,
            Phase::Commit => COMMIT,
        }
    }

    fn layout(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.view.0.to_be_bytes());
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        out.extend_from_slice(self.batch.0.as_bytes());
    }
}

/// A replica's state after a sequence (section 4.3, "Garbage collection").
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The last sequence that the state includes.
    pub sequence: Sequence,
    /// The state.
    pub state: StateDigest,
    /// If this sequence is the last of its epoch: the digest of the council of the next.
    pub next: Option<Digest>,
}

impl Statement for Checkpoint {
    fn domain(&self) -> Domain {
        const CHECKPOINT: Domain = Domain::new("jurat/v1/pbft/checkpoint");
        CHECKPOINT
    }

    fn layout(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.sequence.0.to_be_bytes());
        out.extend_from_slice(self.state.0.as_bytes());
        match &self.next {
            None => out.push(0),
            Some(council) => {
                out.push(1);
                out.extend_from_slice(council.as_bytes());
            }
        }
    }
}
