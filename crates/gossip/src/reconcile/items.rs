//! A set, named for one session.

use alloc::vec::Vec;

use jurat_crypto::Digest;

use super::{ReconcileError, ReconcileSalt, ShortId, estimate::Sketch};

/// The most items of one session. While it lasts they take about 64 bytes each.
pub const MAX_RECONCILED: usize = 1 << 20;

/// What both sides of a session name items with.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionKey([u8; 16]);

impl SessionKey {
    pub(super) fn new(initiator: ReconcileSalt, responder: ReconcileSalt) -> Self {
        Self::of(&[&b"jurat/v1/reconcile\n"[..], &initiator.0, &responder.0].concat())
    }

    /// The key of the sketch, before the other salt is known.
    pub(super) fn of_sketch(initiator: ReconcileSalt) -> Self {
        Self::of(&[&b"jurat/v1/reconcile-sketch\n"[..], &initiator.0[..]].concat())
    }

    fn of(bytes: &[u8]) -> Self {
        let mut key = [0; 16];
        key.copy_from_slice(&Digest::of(bytes).as_bytes()[..16]);
        Self(key)
    }

    /// What symbols' checks and places depend on.
    pub(super) fn word(self) -> u64 {
        u64::from_be_bytes(*self.0.first_chunk().unwrap_or(&[0; 8]))
    }

    pub(super) fn name(self, item: &Digest) -> Named {
        // 48 bytes: one block of SHA-256.
        let mut bytes = [0; 48];
        bytes[..16].copy_from_slice(&self.0);
        bytes[16..].copy_from_slice(item.as_bytes());
        let digest = Digest::of(&bytes);
        let (id, rest) = digest.as_bytes().split_at(8);
        let id = u64::from_be_bytes(*id.first_chunk().unwrap_or(&[0; 8]));
        let check = u128::from_be_bytes(*rest.first_chunk().unwrap_or(&[0; 16]));
        Named { id: ShortId(id), check, item: *item }
    }
}

/// An item with its name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    pub(super) id: ShortId,
    /// What it adds to the sum over the set.
    pub(super) check: u128,
    pub(super) item: Digest,
}

/// A set's items, by their names.
#[derive(Clone, Debug)]
pub(super) struct Items {
    named: Vec<(ShortId, Digest)>,
    /// The sum over the set, modulo 2^128.
    pub(super) check: u128,
}

impl Items {
    /// Names items, each of which may be given more than once.
    pub(super) fn new(items: &[Digest], key: SessionKey) -> Result<Self, ReconcileError> {
        let mut named: Vec<Named> = items.iter().map(|item| key.name(item)).collect();
        named.sort_unstable_by_key(|named| (named.id, named.item));
        named.dedup_by_key(|named| (named.id, named.item));
        if named.windows(2).any(|pair| pair[0].id == pair[1].id) {
            return Err(ReconcileError::Collision);
        }
        let check = named.iter().fold(0, |sum: u128, named| sum.wrapping_add(named.check));
        Ok(Self { named: named.into_iter().map(|named| (named.id, named.item)).collect(), check })
    }

    pub(super) fn len(&self) -> usize {
        self.named.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u64> + '_ {
        self.named.iter().map(|(id, _)| id.0)
    }

    pub(super) fn get(&self, id: ShortId) -> Option<&Digest> {
        let at = self.named.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.named.get(at).map(|(_, item)| item)
    }
}

/// A sketch of items, and how many may be given at all.
pub(super) fn sketch(items: &[Digest], key: SessionKey) -> Result<Sketch, ReconcileError> {
    if items.len() > MAX_RECONCILED {
        return Err(ReconcileError::TooMany(items.len()));
    }
    Ok(Sketch::of(items.iter().map(|item| key.name(item).id.0)))
}
