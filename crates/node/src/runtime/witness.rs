//! Cosigning the checkpoints of other logs.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jurat_crypto::{Digest, KeyUse, Seed};
use jurat_log::{
    AddCheckpoint, AddCheckpointError, Cosignatures, Cosigned, ForkEvidence, Note, Origin, RecordError,
    Refusal, Stored, UnixSeconds, Witness,
};
use jurat_store::{DiskError, StdFs, WitnessDir, WitnessDirError};
use tracing::error;

use super::clock::unix_millis;
use crate::core::{Genesis, Member};

/// The witness that every node is: it has the node's cosigning key, and a directory for what it
/// promised to whom.
#[derive(Debug)]
pub(crate) struct NodeWitness {
    witness: Witness,
    dir: WitnessDir,
    /// The own log, whose checkpoints are cosigned by the council and never through this door.
    own: Origin,
    forks: AtomicU64,
}

/// Whom others know a member by as a witness, with its keys of both types.
pub(crate) fn witness_of(member: &Member, seed: &Seed) -> Witness {
    Witness::new(member.cosign.name().clone(), seed.signing_key(KeyUse::Cosign))
        .with_ml_dsa(seed.ml_dsa_cosigning_key())
}

/// Why a request is not answered with cosignatures.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WitnessError {
    /// The request is none.
    #[error(transparent)]
    Malformed(#[from] AddCheckpointError),
    /// The witness must not.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// What was stored can't be read or written.
    #[error(transparent)]
    Dir(#[from] WitnessDirError),
    /// What was stored is not what this witness wrote.
    #[error(transparent)]
    Record(#[from] RecordError),
}

impl From<DiskError> for WitnessError {
    fn from(error: DiskError) -> Self {
        Self::Dir(error.into())
    }
}

impl NodeWitness {
    /// The witness of a member.
    pub(crate) fn new(member: &Member, genesis: &Genesis, seed: &Seed, dir: PathBuf) -> Self {
        Self {
            witness: witness_of(member, seed),
            dir: WitnessDir::new(Arc::new(StdFs), dir),
            own: genesis.origin().clone(),
            forks: AtomicU64::new(0),
        }
    }

    /// Answers a request: everything from looking at the last checkpoint to storing the next one
    /// is one step for each log, and only what is stored durably is signed for.
    pub(crate) fn add_checkpoint(&self, body: &[u8]) -> Result<Cosignatures, WitnessError> {
        let request = AddCheckpoint::parse(body)?;
        let origin = request.checkpoint().origin();
        let keys = if *origin == self.own { Vec::new() } else { self.dir.keys(origin)? };
        let record = self.dir.record(origin);
        let last = record.read()?.map(|bytes| self.witness.load(origin, &bytes)).transpose()?;
        let now = UnixSeconds::from(jurat_log::UnixMillis(unix_millis()));
        let pending = self.witness.decide(&request, &keys, last.as_ref(), now).inspect_err(|refusal| {
            if let (Refusal::Inconsistent(_), Some(last)) = (refusal, &last) {
                self.keep_evidence(&request, last);
            }
        })?;
        pending.store(|step| {
            record.replace(step.record.to_string().as_bytes())?;
            Ok(Stored::Yes)
        })
    }

    /// A request whose signatures hold and that contradicts what was cosigned may prove that the
    /// log has forked. Then that is kept, and the operator is told.
    fn keep_evidence(&self, request: &AddCheckpoint, last: &Cosigned) {
        let Ok(cosigned) = Note::parse(last.to_string().as_bytes()) else { return };
        let evidence = if last.size() == request.checkpoint().size() {
            ForkEvidence::same_size(cosigned, request.note().clone())
        } else {
            ForkEvidence::different_sizes(cosigned, request.note().clone(), request.proof().clone())
        };
        // A proof that fails may just be wrong.
        let Ok(evidence) = evidence else { return };
        let origin = request.checkpoint().origin();
        self.forks.fetch_add(1, Ordering::Relaxed);
        match self.dir.keep_fork(origin, evidence.to_string().as_bytes()) {
            Ok(path) => {
                error!(%origin, ?path, "a log has forked: 'jurat evidence verify' shows who signed both histories");
            }
            Err(error) => error!(%origin, %error, "a log has forked, and the evidence can't be kept"),
        }
    }

    /// Requests that proved a fork.
    pub(crate) fn forks(&self) -> u64 {
        self.forks.load(Ordering::Relaxed)
    }

    /// The last checkpoint that was cosigned of the log whose origin has this SHA-256 digest.
    pub(crate) fn checkpoint(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.dir.record_by_digest(origin)
    }
}
