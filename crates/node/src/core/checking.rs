//! What an entry must be before it is held, proposed or executed: the same on every member.

use std::sync::Arc;

use jurat_crypto::{Digest, SignatureBatch};
use jurat_log::{Entry, EntryError, SearchTerm, validate_attestation};
use rand_core::CryptoRng;

use super::{CouncilChange, EntryBytes, LayoutError};

/// An entry that passed every check. Only [`check_entries`] and the own journal make one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckedEntry {
    leaf: Digest,
    bytes: EntryBytes,
    terms: Arc<[SearchTerm]>,
    changes_council: bool,
}

impl CheckedEntry {
    /// Takes an entry from the own journal, where only checked ones are.
    pub(super) fn from_journal(bytes: EntryBytes) -> Self {
        let terms = SearchTerm::of_entry(&bytes.0).into();
        let changes_council = matches!(Entry::decode(&bytes.0), Ok(Entry::CouncilChange(_)));
        Self { leaf: jurat_log::leaf_hash(&bytes.0), bytes, terms, changes_council }
    }

    /// The entry's leaf hash, which names it everywhere.
    #[must_use]
    pub const fn leaf(&self) -> &Digest {
        &self.leaf
    }

    /// The change of the council that the entry asks for, if it does.
    #[must_use]
    pub fn council_change(&self) -> Option<CouncilChange> {
        if !self.changes_council {
            return None;
        }
        match Entry::decode(&self.bytes.0) {
            Ok(Entry::CouncilChange(change)) => CouncilChange::decode(change.as_bytes()).ok(),
            _ => None,
        }
    }

    /// The encoded entry.
    #[must_use]
    pub const fn bytes(&self) -> &EntryBytes {
        &self.bytes
    }

    /// By what the entry can be looked up.
    #[must_use]
    pub const fn terms(&self) -> &Arc<[SearchTerm]> {
        &self.terms
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
    /// The bytes are not a council change. Whether it is allowed is judged when it is executed.
    #[error("not a council change: {0}")]
    Change(#[from] LayoutError),
}

/// Checks entries, their signatures together. `rng` as [`SignatureBatch::verify`] asks for it.
pub fn check_entries(
    entries: Vec<EntryBytes>,
    rng: impl CryptoRng,
) -> Vec<Result<CheckedEntry, EntryRefusal>> {
    let mut batch = SignatureBatch::new();
    let decoded: Vec<Result<_, EntryRefusal>> = entries
        .into_iter()
        .map(|bytes| {
            let entry = Entry::decode(&bytes.0)?;
            let terms = match &entry {
                Entry::Attestation(attestation) => {
                    let terms = SearchTerm::of_attestation(attestation, &validate_attestation(attestation)?);
                    let message = attestation.signed_message();
                    batch.push(attestation.attestor().key(), &message, attestation.signature());
                    terms
                }
                Entry::CouncilChange(change) => {
                    CouncilChange::decode(change.as_bytes())?;
                    Vec::new()
                }
            };
            Ok((bytes, entry, terms))
        })
        .collect();
    let all_hold = batch.verify(rng).is_ok();
    decoded
        .into_iter()
        .map(|decoded| {
            let (bytes, entry, terms): (EntryBytes, Entry, Vec<SearchTerm>) = decoded?;
            // A batch tells only that one of them is bad, not which.
            if !all_hold
                && let Entry::Attestation(attestation) = &entry
                && attestation.verify_signature().is_err()
            {
                return Err(EntryRefusal::Signature);
            }
            let changes_council = matches!(entry, Entry::CouncilChange(_));
            let leaf = jurat_log::leaf_hash(&bytes.0);
            Ok(CheckedEntry { leaf, bytes, terms: terms.into(), changes_council })
        })
        .collect()
}
