//! Checking a checkpoint's note against a policy: who signed it, and whether that is enough.

use alloc::{boxed::Box, vec::Vec};
use core::ptr;

use jurat_crypto::Vkey;

use crate::{Checkpoint, CheckpointError, Note, NoteKey, Origin, Policy, UnixSeconds};

/// A checkpoint that a policy accepts, with those who stand behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endorsement {
    /// What they signed.
    pub checkpoint: Checkpoint,
    /// The listed log keys of this origin whose signatures hold, at least one.
    pub logs: Vec<Vkey>,
    /// The listed witnesses whose cosignatures hold, each once.
    pub cosigners: Vec<Cosigner>,
}

/// A witness that has cosigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cosigner {
    /// The witness's key.
    pub vkey: NoteKey,
    /// When it says that it cosigned.
    pub time: UnixSeconds,
}

/// Why a policy does not accept a note as a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndorsementError {
    /// The text is not a checkpoint.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The policy lists no log of this origin.
    #[error("the policy lists no log {0}")]
    UnknownOrigin(Origin),
    /// A line names a listed log, and its signature does not hold.
    #[error("the log signature in the name of {0} does not verify")]
    BadLogSignature(Box<Vkey>),
    /// A line names a listed witness, and its cosignature does not hold.
    #[error("the cosignature in the name of {0} does not verify")]
    BadCosignature(Box<NoteKey>),
    /// No listed key of the origin has signed.
    #[error("no key that the policy lists for {0} has signed the checkpoint")]
    NoLogSignature(Origin),
    /// Too few witnesses, or the wrong ones, have cosigned.
    #[error("{have} of the {need} needed cosignatures")]
    NoQuorum {
        /// How many witnesses of the quorum have cosigned.
        have: usize,
        /// How many would have, at least, with the fewest more that make a quorum.
        need: usize,
    },
}

impl Policy {
    /// Checks the note of a checkpoint: at least one listed key of its origin has signed it, and a
    /// quorum of the listed witnesses has cosigned it.
    ///
    /// Lines by keys that the policy doesn't list are ignored; one by a listed key that does not
    /// hold refuses the note, whatever else it has. A cosigner counts once, however many lines are
    /// by it. Whether the policy itself is [strong enough](Self::council_weakness) is not asked.
    pub fn check(&self, note: &Note) -> Result<Endorsement, EndorsementError> {
        let Signers { checkpoint, logs, cosigned } = self.read_signers(note)?;
        let has_cosigned = |position: usize| {
            let vkey = &self.witnesses()[position].vkey;
            cosigned.iter().any(|(cosigner, _)| ptr::eq(*cosigner, vkey))
        };
        let missing = self.rule.missing(has_cosigned);
        if missing > 0 {
            let have = self.rule.counted(has_cosigned);
            return Err(EndorsementError::NoQuorum { have, need: have + missing });
        }
        let logs = logs.into_iter().cloned().collect();
        let cosigners = cosigned
            .into_iter()
            .filter_map(|(vkey, time)| Some(Cosigner { vkey: vkey.clone(), time: time? }))
            .collect();
        Ok(Endorsement { checkpoint, logs, cosigners })
    }

    /// The listed keys of this origin and the listed witnesses whose signatures on a checkpoint's
    /// note hold: at least one of the log's, and no quorum.
    pub(crate) fn signers(&self, note: &Note) -> Result<Vec<NoteKey>, EndorsementError> {
        let Signers { logs, cosigned, .. } = self.read_signers(note)?;
        let logs = logs.into_iter().map(|vkey| vkey.clone().into());
        Ok(logs.chain(cosigned.into_iter().map(|(vkey, _)| vkey.clone())).collect())
    }

    fn read_signers(&self, note: &Note) -> Result<Signers<'_>, EndorsementError> {
        let checkpoint = Checkpoint::parse(note.text())?;
        let is_origin = |vkey: &Vkey| vkey.name().as_str() == checkpoint.origin().as_str();
        if !self.logs().iter().any(|log| is_origin(&log.vkey)) {
            return Err(EndorsementError::UnknownOrigin(checkpoint.origin().clone()));
        }
        // Cosignatures by others are ignored, as are lines by logs of other origins, if they hold.
        let logs: Vec<&Vkey> = self.logs().iter().map(|log| &log.vkey).collect();
        let witnesses: Vec<&NoteKey> = self.witnesses().iter().map(|witness| &witness.vkey).collect();
        let bad_log = |vkey: &Vkey| EndorsementError::BadLogSignature(Box::new(vkey.clone()));
        let bad_witness = |vkey: &NoteKey| EndorsementError::BadCosignature(Box::new(vkey.clone()));
        let signed = note.verify_lines(&logs).map_err(bad_log)?;
        let cosigned = note.verify_lines(&witnesses).map_err(bad_witness)?;
        let logs: Vec<&Vkey> =
            signed.into_iter().map(|(vkey, _)| vkey).filter(|vkey| is_origin(vkey)).collect();
        if logs.is_empty() {
            return Err(EndorsementError::NoLogSignature(checkpoint.origin().clone()));
        }
        Ok(Signers { checkpoint, logs, cosigned })
    }
}

/// Who has signed a note, whether enough or not.
struct Signers<'p> {
    checkpoint: Checkpoint,
    logs: Vec<&'p Vkey>,
    cosigned: Vec<(&'p NoteKey, Option<UnixSeconds>)>,
}
