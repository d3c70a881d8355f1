//! A witness (C2SP tlog-witness): cosigns a checkpoint of a log it follows if it extends the last
//! one that it cosigned.
//!
//! A cosignature is for ever, so it must not leave before the step it stands for is stored. The
//! types see to that: [`Witness::decide`] gives a [`PendingCosignature`], whose lines come out of
//! [`store`](PendingCosignature::store) only.
//!
//! What is stored, one record for each log, is the note that monitors are shown: the last
//! checkpoint with the log's signatures that were checked and the witness's own.

use alloc::{
    format,
    string::{String, ToString},
};
use core::fmt;

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
#[cfg(feature = "ml-dsa")]
use jurat_crypto::{MlDsaSigningKey, MlDsaVkey};

#[cfg(feature = "ml-dsa")]
use crate::MlDsaCosignature;
use crate::{
    AddCheckpoint, Checkpoint, CheckpointError, Cosignature, EMPTY_ROOT, Note, NoteError, NoteSignature,
    NoteVerifyError, Origin, ProofError, TreeSize, UnixSeconds,
};

/// A witness's name and keys.
#[derive(Clone, Debug)]
pub struct Witness {
    vkey: Vkey,
    key: SigningKey,
    #[cfg(feature = "ml-dsa")]
    ml_dsa: Option<(MlDsaVkey, MlDsaSigningKey)>,
}

/// The last checkpoint of a log that a witness cosigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosigned {
    note: Note,
    checkpoint: Checkpoint,
}

/// A cosignature that is made and may not be given away yet.
#[derive(Debug)]
#[must_use = "the log waits for the cosignature"]
pub struct PendingCosignature {
    old: TreeSize,
    cosigned: Cosigned,
    lines: Lines,
}

/// Of type 0x04, and of type 0x06 if the witness has such a key.
type Lines = (NoteSignature, Option<NoteSignature>);

/// What the caller is to do in one atomic, durable step: if the log's record is of a checkpoint of
/// [`expected`](Self::expected) leaves, or missing where that is 0, then put `record` in its place.
#[derive(Clone, Copy, Debug)]
pub struct CompareAndStore<'p> {
    /// Whose record.
    pub origin: &'p Origin,
    /// The size that the stored record must have; a log without one counts as 0.
    pub expected: TreeSize,
    /// The new record.
    pub record: &'p Cosigned,
}

/// How a [`CompareAndStore`] ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stored {
    /// The record is durable.
    Yes,
    /// Another request was faster; the record is of a checkpoint of this size.
    Conflict(TreeSize),
}

/// The signature lines for the log, as they are sent with status 200.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosignatures(Lines);

/// Why a witness does not cosign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The witness doesn't follow this log.
    #[error("this witness does not follow the log {0}")]
    UnknownOrigin(Origin),
    /// No known key of the log has signed, or the signature in the name of one fails.
    #[error("the log {origin}: {reason}")]
    Untrusted {
        /// The log.
        origin: Origin,
        /// What is wrong with the signatures.
        reason: NoteVerifyError,
    },
    /// The old size exceeds the checkpoint's.
    #[error("the old size {old} exceeds the checkpoint's size {size}")]
    OldBeyondSize {
        /// The old size.
        old: TreeSize,
        /// The checkpoint's size.
        size: TreeSize,
    },
    /// The old size is not that of the last cosigned checkpoint, which is this.
    #[error("the last cosigned checkpoint has {0} leaves: prove consistency from there")]
    Conflict(TreeSize),
    /// A checkpoint of size 0 has a root other than the empty one.
    #[error("the root of an empty log is the hash of the empty string")]
    EmptyRoot,
    /// From nothing there is nothing to prove, yet the proof has hashes.
    #[error("a proof from the empty log has no hashes")]
    ProofFromNothing,
    /// The proof does not hold: the log may have forked.
    #[error("the checkpoint is not consistent with the last cosigned one: {0}")]
    Inconsistent(#[from] ProofError),
    /// The clock stands at 0, which a cosignature can't carry.
    #[error("the witness has no time; set its clock")]
    NoTime,
}

/// Why a stored record is not one of this witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record is not a note.
    #[error("the witness's record: {0}")]
    Note(#[from] NoteError),
    /// The note is not a checkpoint.
    #[error("the witness's record: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The record is of another log.
    #[error("the witness's record is of the log {actual}, not {expected}")]
    Origin {
        /// The log whose record was asked for.
        expected: Origin,
        /// The log that the record names.
        actual: Origin,
    },
    /// The witness has not cosigned it: it was altered, or the witness's key was changed.
    #[error("the witness's record: {0}")]
    Cosignature(#[from] NoteVerifyError),
}

impl Witness {
    /// A witness that cosigns under this name with a key that serves no other purpose (type 0x04).
    #[must_use]
    pub fn new(name: KeyName, key: SigningKey) -> Self {
        let vkey = Vkey::new(name, SignatureType::CosignatureV1, key.verifying_key());
        Self {
            vkey,
            key,
            #[cfg(feature = "ml-dsa")]
            ml_dsa: None,
        }
    }

    /// The same witness, which cosigns with this key too (type 0x06).
    #[cfg(feature = "ml-dsa")]
    #[must_use]
    pub fn with_ml_dsa(mut self, key: MlDsaSigningKey) -> Self {
        self.ml_dsa = Some((MlDsaVkey::new(self.vkey.name().clone(), key.verifying_key().clone()), key));
        self
    }

    /// The key by which others check the cosignatures.
    #[must_use]
    pub const fn vkey(&self) -> &Vkey {
        &self.vkey
    }

    /// The second key, of type 0x06.
    #[cfg(feature = "ml-dsa")]
    #[must_use]
    pub fn ml_dsa_vkey(&self) -> Option<&MlDsaVkey> {
        self.ml_dsa.as_ref().map(|(vkey, _)| vkey)
    }

    /// Takes up a log's record as it was stored, and checks that it is intact.
    pub fn load(&self, origin: &Origin, record: &[u8]) -> Result<Cosigned, RecordError> {
        let note = Note::parse(record)?;
        let checkpoint = Checkpoint::parse(note.text())?;
        if checkpoint.origin() != origin {
            return Err(RecordError::Origin {
                expected: origin.clone(),
                actual: checkpoint.origin().clone(),
            });
        }
        note.verify([&self.vkey])?;
        Ok(Cosigned { note, checkpoint })
    }

    /// Decides on a request, in the order of C2SP tlog-witness: `log_keys` are those that the
    /// witness trusts for the request's origin, none where it doesn't follow the log; `last` is
    /// that log's record, if it has one.
    pub fn decide<'k>(
        &self,
        request: &AddCheckpoint,
        log_keys: impl IntoIterator<Item = &'k Vkey, IntoIter: Clone>,
        last: Option<&Cosigned>,
        now: UnixSeconds,
    ) -> Result<PendingCosignature, Refusal> {
        let log_keys = log_keys.into_iter();
        let (old, proof, checkpoint) = (request.old(), request.proof(), request.checkpoint());
        let (origin, size) = (checkpoint.origin(), checkpoint.size());
        if log_keys.clone().next().is_none() {
            return Err(Refusal::UnknownOrigin(origin.clone()));
        }
        let untrusted = |reason| Refusal::Untrusted { origin: origin.clone(), reason };
        request.note().verify(log_keys.clone()).map_err(untrusted)?;
        if old > size {
            return Err(Refusal::OldBeyondSize { old, size });
        }
        let last_size = last.map_or(TreeSize::EMPTY, Cosigned::size);
        if old != last_size {
            return Err(Refusal::Conflict(last_size));
        }
        if size == TreeSize::EMPTY && *checkpoint.root() != EMPTY_ROOT {
            return Err(Refusal::EmptyRoot);
        }
        match last {
            Some(last) if old != TreeSize::EMPTY => {
                proof.verify(old, size, last.checkpoint.root(), checkpoint.root())?;
            }
            _ if proof.hashes().is_empty() => {}
            _ => return Err(Refusal::ProofFromNothing),
        }
        if now.value() == 0 {
            return Err(Refusal::NoTime);
        }
        let lines = self.cosign(checkpoint, now);
        // Lines by others don't enter the record: nobody has checked them.
        let is_trusted = |line: &&NoteSignature| log_keys.clone().any(|vkey| line.is_by(vkey));
        let trusted = request.note().signatures().iter().filter(is_trusted);
        let mut note = Note::new(request.note().text().clone(), lines.0.clone());
        for line in lines.1.iter().chain(trusted) {
            // Lines more than the request has may be too many; the witness's own come first.
            if note.add(line.clone()).is_err() {
                break;
            }
        }
        Ok(PendingCosignature { old, cosigned: Cosigned { note, checkpoint: checkpoint.clone() }, lines })
    }

    /// Cosigns a checkpoint of a log that the witness keeps itself, whose history it need not be shown:
    /// that this is one of its checkpoints, the caller answers for.
    pub fn cosign_own(&self, checkpoint: &Checkpoint, now: UnixSeconds) -> Result<Cosignatures, Refusal> {
        if now.value() == 0 { Err(Refusal::NoTime) } else { Ok(Cosignatures(self.cosign(checkpoint, now))) }
    }

    fn cosign(&self, checkpoint: &Checkpoint, now: UnixSeconds) -> Lines {
        let signature = Cosignature::sign(checkpoint, &self.key, now);
        let line = signature.to_line(self.vkey.name().clone(), self.key.verifying_key());
        #[cfg(feature = "ml-dsa")]
        let second = self
            .ml_dsa
            .as_ref()
            .map(|(vkey, key)| MlDsaCosignature::sign(checkpoint, vkey.name(), key, now).to_line(vkey));
        #[cfg(not(feature = "ml-dsa"))]
        let second = None;
        (line, second)
    }
}

impl Cosigned {
    /// How many leaves the checkpoint has.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.checkpoint.size()
    }

    /// The checkpoint.
    #[must_use]
    pub const fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Where monitors find it, below the monitoring prefix: the hex SHA-256 digest of the origin,
    /// then `/checkpoint`.
    #[must_use]
    pub fn monitoring_path(origin: &Origin) -> String {
        format!("{}/checkpoint", Digest::of(origin.as_str().as_bytes()))
    }
}

/// Writes the record as it is stored and as monitors are shown it.
impl fmt::Display for Cosigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.note.fmt(f)
    }
}

impl PendingCosignature {
    /// Has the caller store the record, and gives the cosignature once that is durable.
    ///
    /// The function must compare and store in one step. When it fails, nothing is known of the
    /// record; the log asks again, and the witness looks at what is stored then.
    pub fn store<E: From<Refusal>>(
        self,
        compare_and_store: impl FnOnce(CompareAndStore<'_>) -> Result<Stored, E>,
    ) -> Result<Cosignatures, E> {
        let Self { old, cosigned, lines } = self;
        let step = CompareAndStore { origin: cosigned.checkpoint.origin(), expected: old, record: &cosigned };
        match compare_and_store(step)? {
            Stored::Yes => Ok(Cosignatures(lines)),
            Stored::Conflict(size) => Err(Refusal::Conflict(size).into()),
        }
    }
}

impl Refusal {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::OldBeyondSize { .. } => 400,
            Self::Untrusted { .. } => 403,
            Self::UnknownOrigin(_) => 404,
            Self::Conflict(_) => 409,
            Self::EmptyRoot | Self::ProofFromNothing | Self::Inconsistent(_) => 422,
            Self::NoTime => 503,
        }
    }

    /// The content type of the answer's [body](Self::body).
    #[must_use]
    pub const fn content_type(&self) -> &'static str {
        match self {
            Self::Conflict(_) => "text/x.tlog.size",
            _ => "text/plain; charset=utf-8",
        }
    }

    /// The answer's body: for a conflict the size of the last cosigned checkpoint, for others what
    /// is wrong, in words.
    #[must_use]
    pub fn body(&self) -> String {
        match self {
            Self::Conflict(size) => format!("{size}\n"),
            refusal => refusal.to_string() + "\n",
        }
    }
}

/// Writes the answer's body, which [`NoteSignature::parse_lines`] reads.
impl fmt::Display for Cosignatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, second) = &self.0;
        writeln!(f, "{line}")?;
        second.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
