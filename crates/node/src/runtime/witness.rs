//! Cosigning the checkpoints of other logs, and once more those of the own one.

use std::{
    path::PathBuf,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

use jurat_crypto::{Digest, KeyName, KeyUse, Seed, Vkey};
use jurat_log::{
    AddCheckpoint, AddCheckpointError, ConsistencyProof, Cosignatures, Cosigned, ForkEvidence, LeafIndex,
    Note, Origin, RecordError, Refusal, Stored, TreeSize, UnixSeconds, Witness,
};
use jurat_store::{DiskError, LogError, LogReader, StdFs, WitnessDir, WitnessDirError};
use tracing::error;

use super::clock::unix_millis;
use crate::core::MemberName;

/// The witness that every node is: it has the node's cosigning key, and a directory for what it
/// promised to whom.
#[derive(Clone, Debug)]
pub(crate) struct NodeWitness(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    witness: Witness,
    dir: WitnessDir,
    log: WitnessedLog,
    forks: AtomicU64,
}

/// The log that the node itself has to do with.
#[derive(Debug)]
pub(crate) enum WitnessedLog {
    /// The one that it keeps with its council. Of that only what the council has certified is cosigned
    /// here, as it is stored: for the signatures of type 0x06, which the council makes none of.
    Own(Origin, LogReader),
    /// The one that it follows, and the keys of that by now.
    Followed(Origin, RwLock<Vec<Vkey>>),
}

/// Whom others know a node by as a witness, with its keys of both types.
pub(crate) fn witness_named(name: KeyName, seed: &Seed) -> Witness {
    Witness::new(name, seed.signing_key(KeyUse::Cosign)).with_ml_dsa(seed.ml_dsa_cosigning_key())
}

/// The name of a follower as a witness, which is no member's. An origin and a node's name make one.
pub(crate) fn follower_witness(origin: &Origin, name: &MemberName, seed: &Seed) -> Result<Witness, String> {
    let name = KeyName::new(format!("{origin}/followers/{name}")).map_err(|error| error.to_string())?;
    Ok(witness_named(name, seed))
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
    /// The own log has no such checkpoint, or not here yet.
    #[error("the council has certified no such checkpoint of {size} entries, as far as this member knows")]
    NotCertified {
        /// The size that the request's has.
        size: TreeSize,
    },
    /// The own log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
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
    /// A witness, which keeps what it promised in a directory.
    pub(crate) fn new(witness: Witness, log: WitnessedLog, dir: PathBuf) -> Self {
        let dir = WitnessDir::new(Arc::new(StdFs), dir);
        Self(Arc::new(Inner { witness, dir, log, forks: AtomicU64::new(0) }))
    }

    /// Answers a request: everything from looking at the last checkpoint to storing the next one
    /// is one step for each log, and only what is stored durably is signed for.
    pub(crate) fn add_checkpoint(&self, body: &[u8]) -> Result<Cosignatures, WitnessError> {
        self.answer(&AddCheckpoint::parse(body)?)
    }

    /// Cosigns a checkpoint of the followed log that was verified by other means: it extends what was
    /// cosigned last by `proof`, which is asked for if one is needed. `keys` are the log's from now on.
    /// `false` if it was cosigned before, or a later one was.
    pub(crate) fn cosign_followed(
        &self,
        note: &Note,
        size: TreeSize,
        keys: Vec<Vkey>,
        proof: impl FnOnce(TreeSize) -> Result<ConsistencyProof, String>,
    ) -> Result<bool, String> {
        let WitnessedLog::Followed(origin, known) = &self.0.log else { return Ok(false) };
        *known.write().unwrap_or_else(PoisonError::into_inner) = keys;
        let last = self.0.dir.record(origin).read().map_err(|error| error.to_string())?;
        let last = last.map(|bytes| self.0.witness.load(origin, &bytes)).transpose();
        let last = last.map_err(|error| error.to_string())?.map_or(TreeSize::EMPTY, |last| last.size());
        if last >= size {
            return Ok(false);
        }
        let proof = if last == TreeSize::EMPTY { ConsistencyProof::default() } else { proof(last)? };
        let request = AddCheckpoint::new(last, proof, note.clone()).map_err(|error| error.to_string())?;
        self.answer(&request).map(|_| true).map_err(|error| error.to_string())
    }

    fn answer(&self, request: &AddCheckpoint) -> Result<Cosignatures, WitnessError> {
        let origin = request.checkpoint().origin();
        let keys = match &self.0.log {
            WitnessedLog::Own(own, log) if own == origin => return self.cosign_own(log, request),
            WitnessedLog::Followed(followed, keys) if followed == origin => {
                keys.read().unwrap_or_else(PoisonError::into_inner).clone()
            }
            _ => self.0.dir.keys(origin)?,
        };
        let record = self.0.dir.record(origin);
        let last = record.read()?.map(|bytes| self.0.witness.load(origin, &bytes)).transpose()?;
        let now = UnixSeconds::from(jurat_log::UnixMillis(unix_millis()));
        let pending = self.0.witness.decide(request, &keys, last.as_ref(), now).inspect_err(|refusal| {
            if let (Refusal::Inconsistent(_), Some(last)) = (refusal, &last) {
                self.keep_evidence(request, last);
            }
        })?;
        pending.store(|step| {
            record.replace(step.record.to_string().as_bytes())?;
            Ok(Stored::Yes)
        })
    }

    /// Cosigns what the council has certified, word for word. No record is kept of it: whatever is
    /// certified is one history.
    fn cosign_own(&self, log: &LogReader, request: &AddCheckpoint) -> Result<Cosignatures, WitnessError> {
        let size = request.checkpoint().size();
        let last = size.value().checked_sub(1).and_then(|last| LeafIndex::new(last).ok());
        let certified = last.map(|last| log.checkpoint_covering(last)).transpose()?.flatten();
        let is_certified = certified.is_some_and(|(_, text)| {
            Note::parse(text.as_bytes()).is_ok_and(|note| note.text() == request.note().text())
        });
        if !is_certified {
            return Err(WitnessError::NotCertified { size });
        }
        let now = UnixSeconds::from(jurat_log::UnixMillis(unix_millis()));
        Ok(self.0.witness.cosign_own(request.checkpoint(), now)?)
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
        self.0.forks.fetch_add(1, Ordering::Relaxed);
        match self.0.dir.keep_fork(origin, evidence.to_string().as_bytes()) {
            Ok(path) => {
                error!(%origin, ?path, "a log has forked: 'jurat evidence verify' shows who signed both histories");
            }
            Err(error) => error!(%origin, %error, "a log has forked, and the evidence can't be kept"),
        }
    }

    /// Requests that proved a fork.
    pub(crate) fn forks(&self) -> u64 {
        self.0.forks.load(Ordering::Relaxed)
    }

    /// The last checkpoint that was cosigned of the log whose origin has this SHA-256 digest.
    pub(crate) fn checkpoint(&self, origin: &Digest) -> Result<Option<Vec<u8>>, DiskError> {
        self.0.dir.record_by_digest(origin)
    }
}
