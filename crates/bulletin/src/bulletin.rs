//! Bulletins: a fixed header and the content it names.

use alloc::vec::Vec;

use jurat_crypto::{Digest, EquihashLengthError};

use crate::TopicId;

/// Bytes of the header: topic id 32, content id 32, timestamp 4, nonce 4 (both big-endian).
pub const HEADER_BYTES: usize = 72;
/// The most content that a bulletin carries by default.
pub const MAX_CONTENT_BYTES: usize = 64 * 1024;

/// The digest of a bulletin's content.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ContentId(pub Digest);

/// Seconds since the Unix epoch, as a header holds them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UnixSeconds(pub u32);

/// What a bulletin says about its content, readable without hashing anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The topic it is posted to.
    pub topic: TopicId,
    /// The digest of its content.
    pub content_id: ContentId,
    /// When its author says it was posted.
    pub time: UnixSeconds,
    /// The nonce of its stamp. Any value, 0 and those above 2^31 included.
    pub nonce: u32,
}

/// A bulletin whose content belongs to its header.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Bulletin {
    header: Header,
    content: Vec<u8>,
}

/// Why bytes are not a bulletin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BulletinError {
    /// Shorter than a header.
    #[error("a bulletin has at least {HEADER_BYTES} bytes, this one has {0}")]
    Truncated(usize),
    /// More content than allowed.
    #[error("a bulletin carries at most {MAX_CONTENT_BYTES} bytes, this one carries {0}")]
    TooLong(usize),
    /// The content is not the one that the header names.
    #[error("the content does not belong to the header")]
    WrongContent,
    /// Ahead of it is what should be a solution.
    #[error(transparent)]
    Solution(#[from] EquihashLengthError),
}

impl Header {
    /// Splits bytes into header and content, without asking whether they belong together.
    pub fn split(bytes: &[u8]) -> Result<(Self, &[u8]), BulletinError> {
        let truncated = BulletinError::Truncated(bytes.len());
        let (topic, rest) = bytes.split_first_chunk::<32>().ok_or(truncated)?;
        let (content_id, rest) = rest.split_first_chunk::<32>().ok_or(truncated)?;
        let (time, rest) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        let (nonce, content) = rest.split_first_chunk::<4>().ok_or(truncated)?;
        if content.len() > MAX_CONTENT_BYTES {
            return Err(BulletinError::TooLong(content.len()));
        }
        let header = Self {
            topic: TopicId(Digest::from_bytes(*topic)),
            content_id: ContentId(Digest::from_bytes(*content_id)),
            time: UnixSeconds(u32::from_be_bytes(*time)),
            nonce: u32::from_be_bytes(*nonce),
        };
        Ok((header, content))
    }

    /// The header's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        header[..32].copy_from_slice(self.topic.0.as_bytes());
        header[32..64].copy_from_slice(self.content_id.0.as_bytes());
        header[64..68].copy_from_slice(&self.time.0.to_be_bytes());
        header[68..].copy_from_slice(&self.nonce.to_be_bytes());
        header
    }
}

impl Bulletin {
    /// Posts `content` to a topic. The nonce is the header's room for proof of work.
    pub fn new(
        topic: TopicId,
        time: UnixSeconds,
        nonce: u32,
        content: Vec<u8>,
    ) -> Result<Self, BulletinError> {
        if content.len() > MAX_CONTENT_BYTES {
            return Err(BulletinError::TooLong(content.len()));
        }
        let content_id = ContentId(Digest::of(&content));
        Ok(Self { header: Header { topic, content_id, time, nonce }, content })
    }

    /// Reads a bulletin and checks that its content belongs to it.
    pub fn decode(bytes: &[u8]) -> Result<Self, BulletinError> {
        let (header, content) = Header::split(bytes)?;
        // Hashed before it is copied: what does not belong costs no memory.
        if Digest::of(content) != header.content_id.0 {
            return Err(BulletinError::WrongContent);
        }
        Ok(Self { header, content: content.to_vec() })
    }

    /// The same bulletin with another nonce.
    #[must_use]
    pub fn with_nonce(self, nonce: u32) -> Self {
        Self { header: Header { nonce, ..self.header }, ..self }
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }

    /// Header and content.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [&self.header.encode(), self.content.as_slice()].concat()
    }

    /// The topic it is posted to.
    #[must_use]
    pub const fn topic(&self) -> TopicId {
        self.header.topic
    }

    /// The digest of its content.
    #[must_use]
    pub const fn content_id(&self) -> ContentId {
        self.header.content_id
    }

    /// When its author says it was posted.
    #[must_use]
    pub const fn time(&self) -> UnixSeconds {
        self.header.time
    }

    /// The nonce.
    #[must_use]
    pub const fn nonce(&self) -> u32 {
        self.header.nonce
    }

    /// What it says.
    #[must_use]
    pub fn content(&self) -> &[u8] {
        &self.content
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_encoded_decodes_and_each_changed_content_bit_is_noticed(
            topic: [u8; 32], time: u32, nonce: u32, content in prop::collection::vec(any::<u8>(), 1..200),
            bit: prop::sample::Index,
        ) {
            let topic = TopicId(Digest::from_bytes(topic));
            let bulletin = Bulletin::new(topic, UnixSeconds(time), nonce, content).unwrap();
            let mut bytes = bulletin.encode();
            prop_assert_eq!(Bulletin::decode(&bytes), Ok(bulletin));
            let bit = bit.index((bytes.len() - HEADER_BYTES) * 8);
            bytes[HEADER_BYTES + bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(Bulletin::decode(&bytes), Err(BulletinError::WrongContent));
        }

        #[test]
        fn whatever_decodes_encodes_to_the_same_bytes(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
            if let Ok(bulletin) = Bulletin::decode(&bytes) {
                prop_assert_eq!(bulletin.encode(), bytes);
            }
        }
    }

    #[test]
    fn the_limits_hold() {
        let topic = TopicId(Digest::of(b"t"));
        let at = |length| Bulletin::new(topic, UnixSeconds(1), 0, vec![0; length]).map(|b| b.encode().len());
        assert_eq!(at(MAX_CONTENT_BYTES), Ok(HEADER_BYTES + MAX_CONTENT_BYTES));
        assert_eq!(at(MAX_CONTENT_BYTES + 1), Err(BulletinError::TooLong(MAX_CONTENT_BYTES + 1)));
        for length in 0..HEADER_BYTES {
            assert_eq!(Bulletin::decode(&vec![0; length]), Err(BulletinError::Truncated(length)));
        }
    }
}
