//! What an entry must be before it is held, proposed or executed: the same on every member.

use jurat_crypto::{Digest, SignatureBatch};
use jurat_log::{Entry, EntryError, validate_attestation};
use rand_core::CryptoRng;

use super::EntryBytes;

/// An entry that passed every check. Only [`check_entries`] and the own journal make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedEntry {
    leaf: Digest,
    bytes: EntryBytes,
}

impl CheckedEntry {
    /// Takes an entry from the own journal, where only checked ones are.
    pub(super) fn from_journal(bytes: EntryBytes) -> Self {
        Self { leaf: jurat_log::leaf_hash(&bytes.0), bytes }
    }

    /// The entry's leaf hash, which names it everywhere.
    #[must_use]
    pub const fn leaf(&self) -> &Digest {
        &self.leaf
    }

    /// The encoded entry.
    #[must_use]
    pub const fn bytes(&self) -> &EntryBytes {
        &self.bytes
    }
}

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryRefusal {
    /// The bytes are not a canonical entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The attestation does not say what one must.
    #[error(transparent)]
    Statement(#[from] jurat_log::StatementError),
    /// The attestor's signature does not hold.
    #[error("the attestor's signature does not verify")]
    Signature,
}

/// Checks entries, their signatures together. `rng` as [`SignatureBatch::verify`] asks for it.
pub fn check_entries(
    entries: Vec<EntryBytes>,
    rng: impl CryptoRng,
) -> Vec<Result<CheckedEntry, EntryRefusal>> {
    let mut batch = SignatureBatch::new();
    let decoded: Vec<Result<(EntryBytes, Entry), EntryRefusal>> = entries
        .into_iter()
        .map(|bytes| {
            let entry = Entry::decode(&bytes.0)?;
            let Entry::Attestation(attestation) = &entry;
            validate_attestation(attestation)?;
            batch.push(attestation.attestor().key(), &attestation.signed_message(), attestation.signature());
            Ok((bytes, entry))
        })
        .collect();
    let all_hold = batch.verify(rng).is_ok();
    decoded
        .into_iter()
        .map(|decoded| {
            let (bytes, entry) = decoded?;
            let Entry::Attestation(attestation) = &entry;
            // A batch tells only that one of them is bad, not which.
            if !all_hold && attestation.verify_signature().is_err() {
                return Err(EntryRefusal::Signature);
            }
            Ok(CheckedEntry { leaf: jurat_log::leaf_hash(&bytes.0), bytes })
        })
        .collect()
}
