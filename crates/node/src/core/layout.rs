//! Strict reading of what members sign and store: every number big-endian, every text behind its
//! length in one byte.

use jurat_crypto::{Digest, KeyError, Signature, VerifyingKey};
use jurat_pbft::ReplicaId;

/// Why bytes are not in the layout that they should have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LayoutError {
    /// The bytes end too early.
    #[error("the bytes end within the {0}")]
    Short(&'static str),
    /// Something follows the end.
    #[error("{0} bytes follow the end")]
    Trailing(usize),
    /// A byte that says what follows says something unknown.
    #[error("{0} has no meaning as the {1}")]
    Unknown(u8, &'static str),
    /// A text is not UTF-8, or not of its kind.
    #[error("{0:?} is no {1}")]
    Text(String, &'static str),
    /// There is more of something than there may be.
    #[error("{count} {what}, at most {most} are possible")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        most: usize,
    },
    /// Signers are not in strictly ascending order.
    #[error("signers must be distinct and ascending, replica {0} is not")]
    Unordered(ReplicaId),
    /// A key that nobody can sign with.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The link within a step.
    #[error("the link: {0}")]
    Link(#[from] jurat_pbft::DecodeError),
}

/// What is left to read.
pub(super) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn array<const N: usize>(&mut self, part: &'static str) -> Result<[u8; N], LayoutError> {
        let (taken, rest) = self.0.split_first_chunk().ok_or(LayoutError::Short(part))?;
        self.0 = rest;
        Ok(*taken)
    }

    pub(super) fn byte(&mut self, part: &'static str) -> Result<u8, LayoutError> {
        self.array(part).map(|[byte]| byte)
    }

    pub(super) fn replica(&mut self, part: &'static str) -> Result<ReplicaId, LayoutError> {
        self.array(part).map(u16::from_be_bytes).map(ReplicaId)
    }

    pub(super) fn long(&mut self, part: &'static str) -> Result<u64, LayoutError> {
        self.array(part).map(u64::from_be_bytes)
    }

    pub(super) fn digest(&mut self, part: &'static str) -> Result<Digest, LayoutError> {
        self.array(part).map(Digest::from_bytes)
    }

    pub(super) fn key(&mut self, part: &'static str) -> Result<VerifyingKey, LayoutError> {
        Ok(VerifyingKey::from_bytes(self.array(part)?)?)
    }

    pub(super) fn signature(&mut self, part: &'static str) -> Result<Signature, LayoutError> {
        self.array(part).map(Signature::from_bytes)
    }

    /// A text behind its length in one byte.
    pub(super) fn text(&mut self, part: &'static str) -> Result<String, LayoutError> {
        let length = self.byte(part)?;
        let bytes = self.bytes(usize::from(length), part)?;
        let lossy = || String::from_utf8_lossy(bytes).into_owned();
        String::from_utf8(bytes.to_vec()).map_err(|_| LayoutError::Text(lossy(), part))
    }

    /// Bytes behind their number in four bytes.
    pub(super) fn block(&mut self, part: &'static str) -> Result<&'a [u8], LayoutError> {
        let length = u32::from_be_bytes(self.array(part)?);
        self.bytes(usize::try_from(length).unwrap_or(usize::MAX), part)
    }

    fn bytes(&mut self, length: usize, part: &'static str) -> Result<&'a [u8], LayoutError> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or(LayoutError::Short(part))?;
        self.0 = rest;
        Ok(taken)
    }

    /// All that is left.
    pub(super) const fn rest(self) -> &'a [u8] {
        self.0
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) const fn end(self) -> Result<(), LayoutError> {
        if self.0.is_empty() { Ok(()) } else { Err(LayoutError::Trailing(self.0.len())) }
    }
}

/// Appends a text of at most 255 bytes behind its length.
pub(super) fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(text.as_bytes());
}

/// Appends bytes behind their number in four bytes.
pub(super) fn push_block(out: &mut Vec<u8>, block: &[u8]) {
    out.extend_from_slice(&u32::try_from(block.len()).unwrap_or(u32::MAX).to_be_bytes());
    out.extend_from_slice(block);
}
