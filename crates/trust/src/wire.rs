//! Reading and writing bytes, strictly: whatever is read is written again with the same bytes.

use alloc::{string::String, vec::Vec};

use jurat_crypto::{Digest, KeyError, Signature, VerifyingKey};

use crate::{ActionError, FederationId, OrderedTime, Score, ScoreError, TeamId, TextError};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end within a part.
    #[error("the bytes end within the {0}")]
    Truncated(&'static str),
    /// Bytes are left over.
    #[error("{0} bytes are left over at the end")]
    Trailing(usize),
    /// More bytes than any operation has.
    #[error("{length} bytes, at most {max} are taken")]
    TooLong {
        /// How many there are.
        length: usize,
        /// How many there may be.
        max: usize,
    },
    /// The version is none that this program knows.
    #[error("version {0} of the layout; this program knows version 1")]
    Version(u8),
    /// A number that stands for nothing.
    #[error("{value} is no {what}")]
    Value {
        /// Which part.
        what: &'static str,
        /// What it said.
        value: u64,
    },
    /// More of something than there may be.
    #[error("{count} {what}, at most {max} are taken")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        max: usize,
    },
    /// None of what there must be at least one of.
    #[error("no {0} where at least one is needed")]
    None(&'static str),
    /// A list is not strictly ascending, so it has something twice or more than one spelling.
    #[error("the {0} are not in strictly ascending order, or one of them is there twice")]
    Order(&'static str),
    /// A threshold of nobody, or of more than there are.
    #[error("a threshold of {threshold} with {keys} keys; it is at least 1 and at most the number of keys")]
    Threshold {
        /// The threshold.
        threshold: u8,
        /// How many keys there are.
        keys: usize,
    },
    /// A text is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// A text is not one that may stand there.
    #[error(transparent)]
    Text(#[from] TextError),
    /// A score is above one.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// A key is none that Jurat accepts.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A payload does not fit its action type.
    #[error(transparent)]
    Action(#[from] ActionError),
}

/// A cursor over bytes from outside.
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn finish(self) -> Result<(), DecodeError> {
        if self.rest.is_empty() { Ok(()) } else { Err(DecodeError::Trailing(self.rest.len())) }
    }

    pub(crate) fn array<const N: usize>(&mut self, what: &'static str) -> Result<&'a [u8; N], DecodeError> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn bytes(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(DecodeError::Truncated(what))?;
        self.rest = rest;
        Ok(taken)
    }

    pub(crate) fn u8(&mut self, what: &'static str) -> Result<u8, DecodeError> {
        self.array(what).map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self, what: &'static str) -> Result<u16, DecodeError> {
        self.array(what).map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u32(&mut self, what: &'static str) -> Result<u32, DecodeError> {
        self.array(what).map(|bytes| u32::from_be_bytes(*bytes))
    }

    pub(crate) fn u64(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.array(what).map(|bytes| u64::from_be_bytes(*bytes))
    }

    pub(crate) fn bool(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        match self.u8(what)? {
            0 => Ok(false),
            1 => Ok(true),
            value => Err(DecodeError::Value { what, value: value.into() }),
        }
    }

    pub(crate) fn time(&mut self, what: &'static str) -> Result<OrderedTime, DecodeError> {
        self.u64(what).map(OrderedTime)
    }

    pub(crate) fn score(&mut self, what: &'static str) -> Result<Score, DecodeError> {
        Ok(Score::new(self.u16(what)?)?)
    }

    pub(crate) fn digest(&mut self, what: &'static str) -> Result<Digest, DecodeError> {
        self.array(what).map(|bytes| Digest::from_bytes(*bytes))
    }

    pub(crate) fn key(&mut self) -> Result<VerifyingKey, DecodeError> {
        Ok(VerifyingKey::from_bytes(*self.array("key")?)?)
    }

    pub(crate) fn signature(&mut self) -> Result<Signature, DecodeError> {
        self.array("signature").map(|bytes| Signature::from_bytes(*bytes))
    }

    pub(crate) fn text(&mut self, length: usize, what: &'static str) -> Result<&'a str, DecodeError> {
        core::str::from_utf8(self.bytes(length, what)?).map_err(|_| DecodeError::NotUtf8(what))
    }

    /// A text after its length in one byte.
    pub(crate) fn short(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let length = self.u8(what)?;
        self.text(length.into(), what)
    }

    pub(crate) fn federation(&mut self) -> Result<FederationId, DecodeError> {
        Ok(FederationId::new(self.short("federation id")?)?)
    }

    pub(crate) fn team(&mut self) -> Result<TeamId, DecodeError> {
        Ok(TeamId::new(self.short("team id")?)?)
    }

    /// As many items as the byte before them says, at most `max`.
    pub(crate) fn list<T>(
        &mut self,
        what: &'static str,
        max: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let count = usize::from(self.u8(what)?);
        if count > max {
            return Err(DecodeError::TooMany { what, count, max });
        }
        (0..count).map(|_| item(self)).collect()
    }
}

/// Checks that a list has one spelling and nothing twice.
pub(crate) fn ascending<T: Ord>(items: &[T], what: &'static str) -> Result<(), DecodeError> {
    if items.windows(2).all(|pair| pair[0] < pair[1]) { Ok(()) } else { Err(DecodeError::Order(what)) }
}

/// Appends the crate's layouts to bytes.
pub(crate) trait Write {
    fn u8(&mut self, value: u8);
    fn bytes(&mut self, bytes: &[u8]);

    fn bool(&mut self, value: bool) {
        self.u8(value.into());
    }

    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    fn key(&mut self, key: &VerifyingKey) {
        self.bytes(key.as_bytes());
    }

    /// The length of something that is bounded far below what the byte holds.
    fn count(&mut self, count: usize) {
        self.u8(u8::try_from(count).unwrap_or(u8::MAX));
    }

    fn short(&mut self, text: &str) {
        self.count(text.len());
        self.bytes(text.as_bytes());
    }

    fn list<T>(&mut self, items: &[T], mut item: impl FnMut(&mut Self, &T)) {
        self.count(items.len());
        for each in items {
            item(self, each);
        }
    }
}

impl Write for Vec<u8> {
    fn u8(&mut self, value: u8) {
        self.push(value);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Lower-case hex, for errors that name a key.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use core::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
