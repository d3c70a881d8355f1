//! Checking a checkpoint's note against a policy: who signed it, and whether that is enough.

use alloc::{boxed::Box, vec::Vec};

use jurat_crypto::Vkey;

use crate::{Checkpoint, CheckpointError, Note, NoteVerifyError, Origin, Policy, UnixSeconds};

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
    pub vkey: Vkey,
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
    BadCosignature(Box<Vkey>),
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
        let checkpoint = Checkpoint::parse(note.text())?;
        let is_origin = |vkey: &Vkey| vkey.name().as_str() == checkpoint.origin().as_str();
        if !self.logs().iter().any(|log| is_origin(&log.vkey)) {
            return Err(EndorsementError::UnknownOrigin(checkpoint.origin().clone()));
        }
        let witnesses = || self.witnesses().iter().map(|witness| &witness.vkey);
        let known = self.logs().iter().map(|log| &log.vkey).chain(witnesses());
        let signatures = match note.verify(known) {
            Ok(signatures) => signatures,
            Err(NoteVerifyError::BadSignature(vkey)) if witnesses().any(|witness| *witness == *vkey) => {
                return Err(EndorsementError::BadCosignature(vkey));
            }
            Err(NoteVerifyError::BadSignature(vkey)) => return Err(EndorsementError::BadLogSignature(vkey)),
            Err(NoteVerifyError::NoKnownSigner) => Vec::new(),
        };
        let is_log = |vkey: &Vkey| is_origin(vkey) && self.logs().iter().any(|log| log.vkey == *vkey);
        let logs: Vec<Vkey> =
            signatures.iter().map(|signature| signature.vkey).filter(|vkey| is_log(vkey)).cloned().collect();
        if logs.is_empty() {
            return Err(EndorsementError::NoLogSignature(checkpoint.origin().clone()));
        }
        let cosigned = |position: usize| {
            let vkey = &self.witnesses()[position].vkey;
            signatures.iter().any(|signature| signature.vkey == vkey)
        };
        let missing = self.rule.missing(cosigned);
        if missing > 0 {
            let have = self.rule.counted(cosigned);
            return Err(EndorsementError::NoQuorum { have, need: have + missing });
        }
        let cosigners = signatures.iter().filter(|signature| witnesses().any(|vkey| vkey == signature.vkey));
        let cosigners = cosigners
            .filter_map(|signature| Some(Cosigner { vkey: signature.vkey.clone(), time: signature.time? }))
            .collect();
        Ok(Endorsement { checkpoint, logs, cosigners })
    }
}
