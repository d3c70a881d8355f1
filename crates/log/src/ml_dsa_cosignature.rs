//! Cosignatures of type 0x06 (C2SP tlog-cosignature): ML-DSA-44 over a tree or a part of it, so that
//! receipts outlive quantum computers.
//!
//! ```text
//! signature = timestamp[8, big-endian] || ML-DSA-44 signature[2420]
//! message   = "subtree/v1" LF NUL || u8 length || cosigner || timestamp[8] || u8 length || origin
//!             || start[8] || end[8] || root[32]
//! ```
//!
//! Unlike those of type 0x04 they name the cosigner, and say nothing about a checkpoint's extension
//! lines.

use alloc::vec::Vec;

use jurat_crypto::{Digest, KeyName, MlDsaSignature, MlDsaSigningKey, MlDsaVkey, VerifyError};

use crate::{Checkpoint, NoteSignature, NoteText, Origin, Subtree, UnixSeconds};

const LABEL: &[u8; 12] = b"subtree/v1\n\0";

/// A cosignature of type 0x06, taken apart but not checked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MlDsaCosignature {
    time: UnixSeconds,
    signature: MlDsaSignature,
}

impl MlDsaCosignature {
    /// Cosigns a checkpoint at a time, for which the same holds as for
    /// [`Cosignature::sign`](crate::Cosignature::sign).
    #[must_use]
    pub fn sign(
        checkpoint: &Checkpoint,
        cosigner: &KeyName,
        key: &MlDsaSigningKey,
        time: UnixSeconds,
    ) -> Self {
        let tree = Subtree::prefix(checkpoint.size());
        let message = message(cosigner, time, checkpoint.origin(), tree, checkpoint.root());
        Self { time, signature: key.sign(&message) }
    }

    /// Takes a signature line's bytes apart: 2428 of them, with a time below 2^63.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk()?;
        let time = UnixSeconds::new(u64::from_be_bytes(*time)).ok()?;
        Some(Self { time, signature: MlDsaSignature::from_bytes(signature)? })
    }

    /// When the cosigner says that it signed; 0 where it doesn't say that this is the largest tree
    /// it has seen.
    #[must_use]
    pub const fn time(&self) -> UnixSeconds {
        self.time
    }

    /// Checks the signature over a checkpoint's text as one by this cosigner.
    pub fn verify(&self, text: &NoteText, vkey: &MlDsaVkey) -> Result<(), VerifyError> {
        let checkpoint = Checkpoint::parse(text).map_err(|_| VerifyError)?;
        let tree = Subtree::prefix(checkpoint.size());
        self.verify_subtree(checkpoint.origin(), tree, checkpoint.root(), vkey)
    }

    /// Checks the signature over the root of a part of a log. Where that doesn't start at the
    /// first leaf, the time has to be 0.
    pub fn verify_subtree(
        &self,
        origin: &Origin,
        subtree: Subtree,
        root: &Digest,
        vkey: &MlDsaVkey,
    ) -> Result<(), VerifyError> {
        if subtree.start() != 0 && self.time.value() != 0 {
            return Err(VerifyError);
        }
        vkey.key().verify(&message(vkey.name(), self.time, origin, subtree, root), &self.signature)
    }

    /// The line for the checkpoint's note.
    #[must_use]
    pub fn to_line(&self, vkey: &MlDsaVkey) -> NoteSignature {
        let mut bytes = self.time.value().to_be_bytes().to_vec();
        bytes.extend_from_slice(self.signature.as_bytes());
        NoteSignature::from_parts(vkey.name().clone(), vkey.id(), bytes)
    }
}

/// What a cosigner's key signs.
#[expect(clippy::cast_possible_truncation, reason = "names and origins have at most 255 bytes")]
fn message(
    cosigner: &KeyName,
    time: UnixSeconds,
    origin: &Origin,
    subtree: Subtree,
    root: &Digest,
) -> Vec<u8> {
    let mut message = LABEL.to_vec();
    message.push(cosigner.as_str().len() as u8);
    message.extend_from_slice(cosigner.as_str().as_bytes());
    message.extend_from_slice(&time.value().to_be_bytes());
    message.push(origin.as_str().len() as u8);
    message.extend_from_slice(origin.as_str().as_bytes());
    message.extend_from_slice(&subtree.start().to_be_bytes());
    message.extend_from_slice(&subtree.end().value().to_be_bytes());
    message.extend_from_slice(root.as_bytes());
    message
}
