//! Strict reading of the layouts that others verify offline.

use alloc::vec::Vec;

use jurat_crypto::{Digest, KeyError, Signature, VerifyingKey};

use crate::{Checkpoint, CheckpointCertificate, MAX_MEMBERS, ReplicaId, Sequence, Signatures, StateDigest};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes don't begin with the label of what they should be.
    #[error("the bytes do not begin with the label of this format")]
    Label,
    /// The bytes end too early.
    #[error("the bytes end in the middle")]
    Short,
    /// Something follows the end.
    #[error("{0} bytes too many")]
    Trailing(usize),
    /// A byte that says what follows says something unknown.
    #[error("no meaning is given to {0} here")]
    Unknown(u8),
    /// More signatures than a council has members.
    #[error("{0} signatures, a council has at most {MAX_MEMBERS} members")]
    TooManySignatures(u16),
    /// A key that nobody can vote with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The two statements of evidence are equal, or not in ascending order of their bytes.
    #[error("the two statements are not different and in ascending order")]
    Order,
}

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(DecodeError::Short)?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, DecodeError> {
        self.take().map(|[byte]| byte)
    }

    pub(crate) fn number(&mut self) -> Result<u64, DecodeError> {
        self.take().map(u64::from_be_bytes)
    }

    fn short(&mut self) -> Result<u16, DecodeError> {
        self.take().map(u16::from_be_bytes)
    }

    pub(crate) fn replica(&mut self) -> Result<ReplicaId, DecodeError> {
        self.short().map(ReplicaId)
    }

    pub(crate) fn digest(&mut self) -> Result<Digest, DecodeError> {
        self.take().map(Digest::from_bytes)
    }

    pub(crate) fn signature(&mut self) -> Result<Signature, DecodeError> {
        self.take().map(Signature::from_bytes)
    }

    pub(crate) fn key(&mut self) -> Result<VerifyingKey, DecodeError> {
        Ok(VerifyingKey::from_bytes(self.take()?)?)
    }

    pub(crate) fn checkpoint(&mut self) -> Result<Checkpoint, DecodeError> {
        let sequence = Sequence(self.number()?);
        let state = StateDigest(self.digest()?);
        let next = match self.byte()? {
            0 => None,
            1 => Some(self.digest()?),
            unknown => return Err(DecodeError::Unknown(unknown)),
        };
        Ok(Checkpoint { sequence, state, next })
    }

    fn signatures(&mut self) -> Result<Signatures, DecodeError> {
        let number = self.short()?;
        if usize::from(number) > MAX_MEMBERS {
            return Err(DecodeError::TooManySignatures(number));
        }
        let mut signatures = Vec::with_capacity(usize::from(number));
        for _ in 0..number {
            signatures.push((self.replica()?, self.signature()?));
        }
        Ok(signatures)
    }

    pub(crate) fn certificate(&mut self) -> Result<CheckpointCertificate, DecodeError> {
        Ok(CheckpointCertificate { checkpoint: self.checkpoint()?, signatures: self.signatures()? })
    }

    pub(crate) fn end(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.0.len())) }
    }
}
