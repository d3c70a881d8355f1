//! What is spread and reconciled: postings, and what is kept for gates.
//!
//! ```text
//! body = kind (1) || a posting (kind 1), or a gate item (kind 2)
//! ```

use jurat_bulletin::{BulletinKey, Refusal};
use jurat_crypto::Digest;

use crate::core::ItemRefusal;

pub(super) const POSTING: u8 = 1;
pub(super) const GATE_ITEM: u8 = 2;

/// Where something is that can be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Item {
    Bulletin(BulletinKey),
    Gate(Digest),
}

/// Why something that was passed on is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    Posting(Refusal),
    Gate(ItemRefusal),
    /// It is neither.
    Kind,
}

impl NotTaken {
    /// Whether it is here already.
    pub(super) const fn is_duplicate(&self) -> bool {
        matches!(self, Self::Posting(Refusal::Duplicate) | Self::Gate(ItemRefusal::Again))
    }

    /// Whether nobody who is honest passes that on: clocks and boards differ a little, but what was never
    /// a bulletin is the sender's doing.
    pub(super) const fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::Posting(Refusal::Bulletin(_) | Refusal::Solution(_) | Refusal::NoWork)
                | Self::Gate(ItemRefusal::Shape)
                | Self::Kind
        )
    }
}

pub(super) fn body(kind: u8, bytes: &[u8]) -> Vec<u8> {
    [&[kind], bytes].concat()
}

/// What reconciliation calls a bulletin. Not the digest of the posting: the same content with another
/// stamp is no other bulletin, and two boards may hold one each.
pub(super) fn name(key: &BulletinKey) -> Digest {
    Digest::of_parts(&[key.topic.0.as_bytes(), key.content.0.as_bytes()])
}

/// What reconciliation calls that which a body carries, once it was taken.
pub(super) fn name_of(body: &[u8]) -> Option<Digest> {
    match body.split_first()? {
        (&GATE_ITEM, item) => Some(Digest::of(item)),
        (_, posting) => {
            let header = jurat_bulletin::Posting::header_of(posting).ok()?;
            Some(Digest::of_parts(&[header.topic.0.as_bytes(), header.content_id.0.as_bytes()]))
        }
    }
}
