//! Entries: the leaves of a Jurat log, in the one encoding that each has.
//!
//! ```text
//! entry       = version(1) = 1 || kind(1) || body          at most 65 535 bytes
//! kind        = 1 attestation
//!               2 registry operation
//!               3 private commitment
//!               4 council change
//!               5 ordered time
//!               0x81, 0x82: an attestation or operation that was refused when it was its turn
//! attestation = name length(1) || attestor's key name
//!            || key type(1) = 0x01 || public key(32) || signature(64)
//!            || payload type length(1) || payload type
//!            || payload, which is the rest
//! operation   = 1 to 65 533 bytes that only the registry understands
//! commitment  = digest of a sealed event(32) || tag(32)
//! change      = 1 to 16 384 bytes that only the council's members understand
//! time        = sequence (u64) || milliseconds since the Unix epoch (u64), big-endian
//! ```
//!
//! Names and payload types are UTF-8 of 1 to 255 bytes without control characters; a name has no
//! space and no `+` either. The signature is Ed25519 over DSSE's pre-authentication encoding of
//! payload type and payload. Whatever decodes is encoded again to the same bytes, so an entry is
//! found by its leaf hash and can't be in the log twice in two spellings.
//!
//! An entry that is ordered and then refused is logged too, with the highest bit of its kind set: so
//! nobody can have it ordered again, its leaf is not that of an entry that counts, and whoever reads
//! the log can judge it as the council did.

use alloc::{borrow::Cow, string::String, vec::Vec};

use jurat_crypto::{Digest, KeyError, KeyName, KeyNameError, Signature, SignatureType, VerifyingKey, Vkey};

use crate::{Attestation, AttestationError, MAX_ENTRY_BYTES, UnixMillis, leaf_hash};

const VERSION: u8 = 1;
const ATTESTATION: u8 = 1;
const REGISTRY_OPERATION: u8 = 2;
const PRIVATE_COMMITMENT: u8 = 3;
const COUNCIL_CHANGE: u8 = 4;
const ORDERED_TIME: u8 = 5;
/// Set in the kind of an entry that was refused.
const REFUSED: u8 = 0x80;
const REFUSED_ATTESTATION: u8 = ATTESTATION | REFUSED;
const REFUSED_OPERATION: u8 = REGISTRY_OPERATION | REFUSED;

/// The most bytes in a registry operation with its signatures: what an entry holds besides its
/// version and kind.
pub const MAX_OPERATION_ENTRY_BYTES: usize = MAX_ENTRY_BYTES - 2;

/// The most bytes in a council change: room for a new member, and a signature by each of 100.
pub const MAX_COUNCIL_CHANGE_BYTES: usize = 16_384;

/// The most bytes in a name or payload type, whose length is one byte.
pub(crate) const MAX_NAMED_BYTES: usize = 255;
/// What an attestation takes besides name, payload type and payload.
pub(crate) const ATTESTATION_OVERHEAD: usize = 2 + 1 + 1 + 32 + 64 + 1;

/// One leaf of the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Entry {
    /// Somebody's signed statement.
    Attestation(Attestation),
    /// An operation that the registry took.
    RegistryOperation(OpaqueOperation),
    /// Something private was said.
    PrivateCommitment(PrivateCommitment),
    /// A change of the council that keeps the log.
    CouncilChange(OpaqueChange),
    /// When the operations that follow were ordered. Those who order append it; nobody submits one.
    OrderedTime(OrderedTime),
    /// What was ordered and then refused. It counts for nothing. Those who order make it of what was
    /// submitted; nobody submits one.
    Refused(RefusedEntry),
}

/// An entry that was refused when it was its turn.
#[expect(clippy::large_enum_variant, reason = "there are few of them")]
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RefusedEntry {
    /// Its attestor's key was out of use.
    Attestation(Attestation),
    /// The registry did not allow it.
    RegistryOperation(OpaqueOperation),
}

/// The bytes of a registry operation with its signatures. What they mean is for the registry; to
/// the log they are bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpaqueOperation(Vec<u8>);

/// That something was said in private, and no more: never what, by whom or to whom. The sealed event
/// travels and is kept beside the log, and may be gone while the entry stays provable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PrivateCommitment {
    /// The digest of the sealed event, which holds a salt or other randomness of its own: so nobody
    /// who does not have the event can tell what the digest is of.
    pub commitment: Digest,
    /// By what those who share a secret recognise the commitment. To all others it is random, and it is
    /// for each event that needs none.
    pub tag: Digest,
}

impl PrivateCommitment {
    /// What an entry of this kind says, without looking further at any other.
    #[must_use]
    pub fn of_entry(entry: &[u8]) -> Option<Self> {
        let body = entry.strip_prefix(&[VERSION, PRIVATE_COMMITMENT])?;
        decode_commitment(body).ok()
    }
}

/// The sequence and time of an ordered batch. It stands before the batch's entries if one of them is
/// a registry operation, so that the log alone is enough to replay the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OrderedTime {
    /// The batch's sequence in the order.
    pub sequence: u64,
    /// When it was ordered.
    pub time: UnixMillis,
}

/// The bytes of a council change. What they mean, and whether they are signed by who must, is for
/// the council that executes them; to the log they are bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OpaqueChange(Vec<u8>);

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// The entry is longer than [`MAX_ENTRY_BYTES`].
    #[error("an entry has at most {MAX_ENTRY_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The entry ends within a part.
    #[error("the entry ends within its {0}")]
    Truncated(&'static str),
    /// The version is none that this program knows.
    #[error("the entry has version {0}; this program knows version 1")]
    Version(u8),
    /// The kind is not defined.
    #[error("no entry has kind {0}")]
    Kind(u8),
    /// A part is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotUtf8(&'static str),
    /// The attestor's name is none that a key can have.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// The key type is not 0x01.
    #[error("an attestor's key has type 0x01, not {0:#04x}")]
    KeyType(u8),
    /// The attestor's key is not one.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The parts don't make an attestation.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
    /// A council change is empty or longer than [`MAX_COUNCIL_CHANGE_BYTES`].
    #[error("a council change has 1 to {MAX_COUNCIL_CHANGE_BYTES} bytes, this one has {0}")]
    ChangeLength(usize),
    /// A registry operation is empty or longer than [`MAX_OPERATION_ENTRY_BYTES`].
    #[error(
        "a registry operation with its signatures has 1 to {MAX_OPERATION_ENTRY_BYTES} bytes, this one has {0}"
    )]
    OperationLength(usize),
    /// A private commitment has bytes besides its commitment and tag.
    #[error("{0} bytes follow the private commitment")]
    AfterCommitment(usize),
    /// An ordered time has bytes besides its sequence and time.
    #[error("{0} bytes follow the ordered time")]
    AfterTime(usize),
}

impl OpaqueOperation {
    /// Takes 1 to [`MAX_OPERATION_ENTRY_BYTES`] bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EntryError> {
        match bytes.len() {
            1..=MAX_OPERATION_ENTRY_BYTES => Ok(Self(bytes)),
            length => Err(EntryError::OperationLength(length)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl OpaqueChange {
    /// Takes 1 to [`MAX_COUNCIL_CHANGE_BYTES`] bytes.
    pub fn new(bytes: Vec<u8>) -> Result<Self, EntryError> {
        match bytes.len() {
            1..=MAX_COUNCIL_CHANGE_BYTES => Ok(Self(bytes)),
            length => Err(EntryError::ChangeLength(length)),
        }
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl RefusedEntry {
    /// The entry as it was submitted.
    #[must_use]
    pub fn submitted(self) -> Entry {
        match self {
            Self::Attestation(attestation) => Entry::Attestation(attestation),
            Self::RegistryOperation(operation) => Entry::RegistryOperation(operation),
        }
    }
}

impl Entry {
    /// The entry's bytes, at most [`MAX_ENTRY_BYTES`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Attestation(attestation) => encode_attestation(attestation),
            Self::RegistryOperation(operation) => [&[VERSION, REGISTRY_OPERATION], &*operation.0].concat(),
            Self::PrivateCommitment(PrivateCommitment { commitment, tag }) => {
                [&[VERSION, PRIVATE_COMMITMENT][..], commitment.as_bytes(), tag.as_bytes()].concat()
            }
            Self::CouncilChange(change) => [&[VERSION, COUNCIL_CHANGE], &*change.0].concat(),
            Self::OrderedTime(OrderedTime { sequence, time }) => {
                [&[VERSION, ORDERED_TIME][..], &sequence.to_be_bytes(), &time.0.to_be_bytes()].concat()
            }
            Self::Refused(RefusedEntry::Attestation(attestation)) => {
                refused_form(encode_attestation(attestation))
            }
            Self::Refused(RefusedEntry::RegistryOperation(operation)) => {
                [&[VERSION, REFUSED_OPERATION], &*operation.0].concat()
            }
        }
    }

    /// Reads an entry. No signature is checked.
    pub fn decode(bytes: &[u8]) -> Result<Self, EntryError> {
        if bytes.len() > MAX_ENTRY_BYTES {
            return Err(EntryError::TooLong(bytes.len()));
        }
        let mut rest = bytes;
        let [version, kind] = *take::<2>(&mut rest, "header")?;
        if version != VERSION {
            return Err(EntryError::Version(version));
        }
        match kind {
            ATTESTATION => decode_attestation(rest).map(Self::Attestation),
            REGISTRY_OPERATION => OpaqueOperation::new(rest.to_vec()).map(Self::RegistryOperation),
            PRIVATE_COMMITMENT => decode_commitment(rest).map(Self::PrivateCommitment),
            COUNCIL_CHANGE => OpaqueChange::new(rest.to_vec()).map(Self::CouncilChange),
            ORDERED_TIME => decode_time(rest).map(Self::OrderedTime),
            REFUSED_ATTESTATION => decode_attestation(rest)
                .map(|attestation| Self::Refused(RefusedEntry::Attestation(attestation))),
            REFUSED_OPERATION => OpaqueOperation::new(rest.to_vec())
                .map(|operation| Self::Refused(RefusedEntry::RegistryOperation(operation))),
            kind => Err(EntryError::Kind(kind)),
        }
    }

    /// The hash under which the entry is in the tree.
    #[must_use]
    pub fn leaf_hash(&self) -> Digest {
        leaf_hash(&self.encode())
    }
}

/// Whether the bytes of an entry say that it was refused.
#[must_use]
pub fn is_refused(entry: &[u8]) -> bool {
    matches!(entry, [VERSION, REFUSED_ATTESTATION | REFUSED_OPERATION, ..])
}

/// The bytes of an attestation or operation as they are logged once it was refused; others are as they
/// were.
#[must_use]
pub fn refused_form(mut entry: Vec<u8>) -> Vec<u8> {
    if let [VERSION, kind @ (ATTESTATION | REGISTRY_OPERATION), ..] = &mut *entry {
        *kind |= REFUSED;
    }
    entry
}

/// The bytes of a logged entry as they were submitted, whether it was refused or not. Their leaf hash
/// is the name under which an entry is known before it is logged, and found afterwards.
#[must_use]
pub fn submitted_form(entry: &[u8]) -> Cow<'_, [u8]> {
    if !is_refused(entry) {
        return Cow::Borrowed(entry);
    }
    let mut bytes = entry.to_vec();
    if let Some(kind) = bytes.get_mut(1) {
        *kind &= !REFUSED;
    }
    Cow::Owned(bytes)
}

fn encode_attestation(attestation: &Attestation) -> Vec<u8> {
    let attestor = attestation.attestor();
    let mut bytes = alloc::vec![VERSION, ATTESTATION];
    push_short(&mut bytes, attestor.name().as_str());
    bytes.push(attestor.kind().byte());
    bytes.extend_from_slice(attestor.key().as_bytes());
    bytes.extend_from_slice(&attestation.signature().to_bytes());
    push_short(&mut bytes, attestation.payload_type());
    bytes.extend_from_slice(attestation.payload());
    bytes
}

fn decode_attestation(mut rest: &[u8]) -> Result<Attestation, EntryError> {
    let name = KeyName::new(take_short(&mut rest, "attestor's name")?)?;
    let [key_type] = *take::<1>(&mut rest, "key type")?;
    if key_type != SignatureType::Ed25519.byte() {
        return Err(EntryError::KeyType(key_type));
    }
    let key = VerifyingKey::from_bytes(*take(&mut rest, "key")?)?;
    let signature = Signature::from_bytes(*take(&mut rest, "signature")?);
    let payload_type = take_short(&mut rest, "payload type")?;
    let attestor = Vkey::new(name, SignatureType::Ed25519, key);
    Ok(Attestation::new(attestor, payload_type, rest.to_vec(), signature)?)
}

fn decode_commitment(mut rest: &[u8]) -> Result<PrivateCommitment, EntryError> {
    let commitment = Digest::from_bytes(*take(&mut rest, "commitment")?);
    let tag = Digest::from_bytes(*take(&mut rest, "tag")?);
    match rest.len() {
        0 => Ok(PrivateCommitment { commitment, tag }),
        trailing => Err(EntryError::AfterCommitment(trailing)),
    }
}

fn decode_time(mut rest: &[u8]) -> Result<OrderedTime, EntryError> {
    let sequence = u64::from_be_bytes(*take(&mut rest, "sequence")?);
    let time = UnixMillis(u64::from_be_bytes(*take(&mut rest, "time")?));
    match rest.len() {
        0 => Ok(OrderedTime { sequence, time }),
        trailing => Err(EntryError::AfterTime(trailing)),
    }
}

fn take<'a, const N: usize>(rest: &mut &'a [u8], part: &'static str) -> Result<&'a [u8; N], EntryError> {
    let (taken, after) = rest.split_first_chunk().ok_or(EntryError::Truncated(part))?;
    *rest = after;
    Ok(taken)
}

fn take_short(rest: &mut &[u8], part: &'static str) -> Result<String, EntryError> {
    let [length] = *take::<1>(rest, part)?;
    let (taken, after) = rest.split_at_checked(usize::from(length)).ok_or(EntryError::Truncated(part))?;
    *rest = after;
    String::from_utf8(taken.to_vec()).map_err(|_| EntryError::NotUtf8(part))
}

#[expect(clippy::cast_possible_truncation, reason = "names and payload types have at most 255 bytes")]
fn push_short(bytes: &mut Vec<u8>, text: &str) {
    bytes.push(text.len() as u8);
    bytes.extend_from_slice(text.as_bytes());
}
