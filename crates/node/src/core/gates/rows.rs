//! What a node stores of gates, and how what is secret is sealed on its disk.
//!
//! A file does not forget: a database leaves old pages behind, and a backup keeps them. So secret rows
//! are sealed by a key that lives for an hour of use; a new one seals all rows again, and then the old
//! one is erased, with it whatever copies of former rows there are.

use std::collections::BTreeMap;

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use jurat_crypto::Digest;
use jurat_gates::GateId;
use rand::{Rng as _, rngs::StdRng};
use zeroize::Zeroizing;

/// How long a storage key seals what is written, in seconds.
pub const STORAGE_KEY_LIFE: u32 = 3_600;
const NONCE: usize = 24;

/// What is stored of gates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum GateRow {
    /// Something that is kept for all members: its digest. Sealed by who made it.
    Item(Digest),
    /// The state of a gate.
    Gate(GateId),
    /// Something that waits for the reader: the digest of gate and number.
    Note(Digest),
    /// This node's own key packages, with their secrets.
    OwnPackages,
    /// The key packages that a member published: its link key.
    MemberPackages([u8; 32]),
}

impl GateRow {
    pub(super) fn note(gate: &GateId, number: u64) -> Self {
        Self::Note(Digest::of_parts(&[gate.0.as_bytes(), &number.to_be_bytes()]))
    }

    const fn is_secret(&self) -> bool {
        matches!(self, Self::Gate(_) | Self::Note(_) | Self::OwnPackages)
    }

    /// Sealed with the row, so that none takes the place of another.
    fn label(&self) -> Vec<u8> {
        match self {
            Self::Gate(id) => [b"gate", id.0.as_bytes().as_slice()].concat(),
            Self::Note(id) => [b"note", id.as_bytes().as_slice()].concat(),
            _ => b"packages".to_vec(),
        }
    }
}

/// What is to be stored: a value, or nothing any more.
pub type GateChange = (GateRow, Option<Vec<u8>>);

/// A row before it is sealed.
#[derive(Debug)]
pub(super) struct PlainRow(GateRow, Option<Zeroizing<Vec<u8>>>);

impl PlainRow {
    pub(super) const fn removed(row: GateRow) -> Self {
        Self(row, None)
    }

    pub(super) fn open(row: GateRow, value: Vec<u8>) -> Self {
        Self(row, Some(Zeroizing::new(value)))
    }
}

/// A key that seals rows on this node's disk, and its number. Of two the later has the higher one.
#[derive(Clone)]
pub struct StorageKey {
    /// Its number: the second in which it was made.
    pub number: u32,
    /// The key.
    pub key: Zeroizing<[u8; 32]>,
}

impl std::fmt::Debug for StorageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StorageKey").field("number", &self.number).finish_non_exhaustive()
    }
}

/// Seals rows and opens them.
#[derive(Default)]
pub(super) struct SealedRows {
    keys: BTreeMap<u32, Zeroizing<[u8; 32]>>,
    /// Something was sealed with the last key.
    is_used: bool,
}

impl SealedRows {
    pub(super) fn add(&mut self, key: StorageKey) {
        self.keys.insert(key.number, key.key);
        self.is_used = false;
    }

    /// Forgets all keys but the last.
    pub(super) fn keep_last(&mut self) {
        while self.keys.len() > 1 {
            self.keys.pop_first();
        }
    }

    /// The number of the key that should be next, if it is time.
    pub(super) fn wants_new(&self, now: u32) -> Option<u32> {
        let Some((last, _)) = self.keys.last_key_value() else { return Some(now) };
        let is_old = last.saturating_add(STORAGE_KEY_LIFE) <= now;
        // A clock that was set back must not put it before the last.
        (self.is_used && is_old).then(|| now.max(last.saturating_add(1)))
    }

    /// What is to be written. Without a key nothing secret is: a node has one before it does anything.
    pub(super) fn seal(
        &mut self,
        PlainRow(row, value): PlainRow,
        entropy: &mut StdRng,
    ) -> Option<GateChange> {
        let Some(value) = value else { return Some((row, None)) };
        if !row.is_secret() {
            return Some((row, Some(value.to_vec())));
        }
        let (number, key) = self.keys.last_key_value()?;
        let mut nonce = [0; NONCE];
        entropy.fill_bytes(&mut nonce);
        let payload = Payload { msg: &value, aad: &row.label() };
        let sealed = XChaCha20Poly1305::new((&**key).into()).encrypt(&nonce.into(), payload).ok()?;
        self.is_used = true;
        Some((row, Some([&number.to_be_bytes()[..], &nonce, &sealed].concat())))
    }

    /// What a row held, if its key is there and nobody changed it.
    pub(super) fn open(&self, row: &GateRow, value: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        if !row.is_secret() {
            return Some(Zeroizing::new(value.to_vec()));
        }
        let (number, rest) = value.split_first_chunk()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE>()?;
        let key = self.keys.get(&u32::from_be_bytes(*number))?;
        let payload = Payload { msg: sealed, aad: &row.label() };
        let opened = XChaCha20Poly1305::new((&**key).into()).decrypt(nonce.into(), payload).ok()?;
        Some(Zeroizing::new(opened))
    }
}

impl std::fmt::Debug for SealedRows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SealedRows").field("keys", &self.keys.len()).finish_non_exhaustive()
    }
}
