//! What an entry must be before it is held, proposed or executed: the same on every member.

use std::sync::Arc;

use jurat_crypto::{NetworkId, SignatureBatch, VerifyingKey};
use jurat_log::{
    Attestation, Entry, EntryError, OrderedTime, PrivateCommitment, SearchTerm, UnixMillis,
    validate_attestation,
};
use jurat_trust::{CheckedOperation, KeyBytes, OperationSignature, SignedOperation};
use rand_core::CryptoRng;

use super::{CouncilChange, EntryBytes, LayoutError};

/// An entry that passed every check. Only [`check_entries`] and the own journal make one.
#[derive(Clone, Debug)]
pub struct CheckedEntry {
    leaf: jurat_crypto::Digest,
    bytes: EntryBytes,
    terms: Arc<[SearchTerm]>,
    content: Content,
}

/// What executing an entry looks at.
#[expect(clippy::large_enum_variant, reason = "nearly all entries are of the largest kind")]
#[derive(Clone, Debug)]
pub(super) enum Content {
    /// An attestation by the holder of this key.
    Attestation(VerifyingKey),
    Operation(Arc<CheckedOperation>),
    PrivateCommitment,
    CouncilChange,
    OrderedTime,
}

impl PartialEq for CheckedEntry {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for CheckedEntry {}

impl CheckedEntry {
    /// Takes an entry from the own journal or records, where only checked ones are.
    pub(super) fn from_journal(bytes: EntryBytes, network: NetworkId) -> Result<Self, EntryRefusal> {
        read(bytes, network).map(|(entry, _)| entry)
    }

    /// The entry of a private commitment, in which there is nothing to check.
    #[must_use]
    pub fn commitment(private: PrivateCommitment) -> Self {
        let bytes = EntryBytes(Entry::PrivateCommitment(private).encode().into());
        Self::new(bytes, Vec::new(), Content::PrivateCommitment)
    }

    /// Whether it is one.
    pub(super) const fn is_commitment(&self) -> bool {
        matches!(self.content, Content::PrivateCommitment)
    }

    /// The entry that says when a batch was ordered. Those who execute it make it, all the same.
    pub(super) fn ordered_time(sequence: u64, time: UnixMillis) -> Self {
        let bytes = EntryBytes(Entry::OrderedTime(OrderedTime { sequence, time }).encode().into());
        Self::new(bytes, Vec::new(), Content::OrderedTime)
    }

    /// The entry as the log takes it once it was refused. It keeps its name, by which it is found.
    pub(super) fn into_refused(self) -> Self {
        let bytes = EntryBytes(jurat_log::refused_form(self.bytes.0.to_vec()).into());
        Self { bytes, terms: Vec::new().into(), ..self }
    }

    fn new(bytes: EntryBytes, terms: Vec<SearchTerm>, content: Content) -> Self {
        Self { leaf: jurat_log::leaf_hash(&bytes.0), bytes, terms: terms.into(), content }
    }

    /// The leaf hash of the entry as it was submitted, which names it everywhere.
    #[must_use]
    pub const fn leaf(&self) -> &jurat_crypto::Digest {
        &self.leaf
    }

    /// The change of the council that the entry asks for, if it does.
    #[must_use]
    pub fn council_change(&self) -> Option<CouncilChange> {
        if !matches!(self.content, Content::CouncilChange) {
            return None;
        }
        match Entry::decode(&self.bytes.0) {
            Ok(Entry::CouncilChange(change)) => CouncilChange::decode(change.as_bytes()).ok(),
            _ => None,
        }
    }

    pub(super) const fn content(&self) -> &Content {
        &self.content
    }

    /// The encoded entry, once it was refused in the form that the log takes.
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
    /// The bytes are not a registry operation. Whether it is allowed is judged when it is executed.
    #[error("not a registry operation: {0}")]
    Operation(#[from] jurat_trust::DecodeError),
    /// A signature on a registry operation does not hold.
    #[error("the signature by key {0} does not verify for this operation and network")]
    OperationSignature(KeyBytes),
    /// The bytes are not a council change. Whether it is allowed is judged when it is executed.
    #[error("not a council change: {0}")]
    Change(#[from] LayoutError),
    /// An ordered time or a refused entry, which nobody submits.
    #[error("ordered times and refused entries are made by those who order, nobody submits one")]
    MadeInOrder,
}

/// The signatures that an entry stands on.
#[expect(clippy::large_enum_variant, reason = "nearly all entries are of the largest kind")]
enum Signatures {
    Attestor(Attestation),
    Signers(Vec<u8>, Vec<OperationSignature>),
    /// A private commitment has none; those of a council change are judged when it is executed.
    None,
}

impl Signatures {
    fn add_to(&self, batch: &mut SignatureBatch) {
        match self {
            Self::Attestor(attestation) => {
                let message = attestation.signed_message();
                batch.push(attestation.attestor().key(), &message, attestation.signature());
            }
            Self::Signers(message, signatures) => {
                for signed in signatures {
                    batch.push(&signed.key, message, &signed.signature);
                }
            }
            Self::None => {}
        }
    }

    fn verify(&self) -> Result<(), EntryRefusal> {
        match self {
            Self::Attestor(attestation) => {
                attestation.verify_signature().map_err(|_| EntryRefusal::Signature)
            }
            Self::Signers(message, signatures) => signatures.iter().try_for_each(|signed| {
                let refusal = |_| EntryRefusal::OperationSignature(KeyBytes::from(&signed.key));
                signed.key.verify(message, &signed.signature).map_err(refusal)
            }),
            Self::None => Ok(()),
        }
    }
}

/// Checks all but the signatures, which it gives.
fn read(bytes: EntryBytes, network: NetworkId) -> Result<(CheckedEntry, Signatures), EntryRefusal> {
    let (terms, content, signatures) = match Entry::decode(&bytes.0)? {
        Entry::Attestation(attestation) => {
            let terms = SearchTerm::of_attestation(&attestation, &validate_attestation(&attestation)?);
            let attestor = *attestation.attestor().key();
            (terms, Content::Attestation(attestor), Signatures::Attestor(attestation))
        }
        Entry::RegistryOperation(operation) => {
            let operation = SignedOperation::decode(operation.as_bytes())?;
            let signatures =
                Signatures::Signers(operation.checks(network).message, operation.signatures().to_vec());
            // Nothing is done with it before they are checked.
            let content = Content::Operation(Arc::new(operation.assume_checked(network)));
            (Vec::new(), content, signatures)
        }
        Entry::PrivateCommitment(private) => {
            return Ok((CheckedEntry::commitment(private), Signatures::None));
        }
        Entry::CouncilChange(change) => {
            CouncilChange::decode(change.as_bytes())?;
            (Vec::new(), Content::CouncilChange, Signatures::None)
        }
        Entry::OrderedTime(_) | Entry::Refused(_) => return Err(EntryRefusal::MadeInOrder),
    };
    Ok((CheckedEntry::new(bytes, terms, content), signatures))
}

/// Checks entries of a network's log, their signatures together. `rng` as
/// [`SignatureBatch::verify`] asks for it.
pub fn check_entries(
    entries: Vec<EntryBytes>,
    network: NetworkId,
    rng: impl CryptoRng,
) -> Vec<Result<CheckedEntry, EntryRefusal>> {
    let mut batch = SignatureBatch::new();
    let mut decoded = Vec::with_capacity(entries.len());
    for bytes in entries {
        let entry = read(bytes, network);
        if let Ok((_, signatures)) = &entry {
            signatures.add_to(&mut batch);
        }
        decoded.push(entry);
    }
    let all_hold = batch.verify(rng).is_ok();
    decoded
        .into_iter()
        .map(|decoded| {
            let (entry, signatures) = decoded?;
            // A batch tells only that one of them is bad, not which.
            if !all_hold {
                signatures.verify()?;
            }
            Ok(entry)
        })
        .collect()
}
