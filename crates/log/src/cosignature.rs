//! Cosignatures of type 0x04 (C2SP tlog-cosignature): a timestamped Ed25519 signature by which a
//! cosigner says that a checkpoint is the largest consistent one it has seen of the log.
//!
//! ```text
//! signature = timestamp[8, big-endian] || Ed25519 signature[64]
//! message   = "cosignature/v1" LF "time " decimal LF checkpoint text
//! ```
//!
//! The message does not name the cosigner: a key may serve one cosigner only.

use alloc::{format, vec::Vec};

use jurat_crypto::{KeyName, Signature, SignatureType, SigningKey, VerifyError, VerifyingKey, Vkey};

use crate::{Checkpoint, NoteSignature, NoteText, UnixSeconds};

/// A cosignature of type 0x04, taken apart but not checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cosignature {
    time: UnixSeconds,
    signature: Signature,
}

impl Cosignature {
    /// Cosigns a checkpoint at a time.
    ///
    /// A cosignature is for ever. The caller makes sure, durably, that this key never signs a
    /// smaller checkpoint of the log after this one, nor another of the same size.
    #[must_use]
    pub fn sign(checkpoint: &Checkpoint, key: &SigningKey, time: UnixSeconds) -> Self {
        Self { time, signature: key.sign(&message(&checkpoint.to_text(), time)) }
    }

    /// Takes a signature line's bytes apart: 72 of them, with a time below 2^63.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (time, signature) = bytes.split_first_chunk()?;
        let time = UnixSeconds::new(u64::from_be_bytes(*time)).ok()?;
        Some(Self { time, signature: Signature::from_bytes(signature.try_into().ok()?) })
    }

    /// When the cosigner says that it signed.
    #[must_use]
    pub const fn time(&self) -> UnixSeconds {
        self.time
    }

    /// The signature, without the time that it covers too.
    #[must_use]
    pub const fn signature(&self) -> Signature {
        self.signature
    }

    /// Checks the signature over a checkpoint's text.
    pub fn verify(&self, text: &NoteText, key: &VerifyingKey) -> Result<(), VerifyError> {
        key.verify(&message(text, self.time), &self.signature)
    }

    /// The line for the checkpoint's note, in the name of the cosigner whose key has signed.
    #[must_use]
    pub fn to_line(&self, cosigner: KeyName, key: VerifyingKey) -> NoteSignature {
        let vkey = Vkey::new(cosigner, SignatureType::CosignatureV1, key);
        let mut bytes = [0; 72];
        bytes[..8].copy_from_slice(&self.time.value().to_be_bytes());
        bytes[8..].copy_from_slice(&self.signature.to_bytes());
        NoteSignature::by(&vkey, &bytes)
    }
}

/// What a cosigner's key signs.
fn message(text: &NoteText, time: UnixSeconds) -> Vec<u8> {
    format!("cosignature/v1\ntime {time}\n{text}").into_bytes()
}
