//! Private events: mail for someone offline and posts to gates, readable at the two ends only.
//!
//! ```text
//! event     = author (32) || sequence (u64) || time (u32) || signature (64) || payload
//! signature = under jurat/v1/private-event, by author, over sequence || time || payload
//! ```
//!
//! The payload is JSON with a closed list of fields. What is readable, or would travel in the open, is
//! refused before anything is stored, by one function, [`PrivateRules::check`], whether the event is
//! made here, comes from a peer, or is read back from the disk.

use alloc::{
    collections::BTreeMap,
    string::{String, ToString},
    vec::Vec,
};

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::{Digest, Domain, NetworkId, Signature, SigningKey, VerifyingKey, has_sealed_shape};
use serde::Deserialize;

use crate::{
    UnixSeconds,
    rules::{NotNow, timely},
};

const PRIVATE_EVENT: Domain = Domain::new("jurat/v1/private-event");

/// What the tag of an ordered event is hashed with.
const ORDER_TAG_LABEL: &[u8] = b"jurat/v1/order-tag\n";
/// Bytes before an event's payload.
const HEADER_BYTES: usize = 32 + 8 + 4 + 64;
/// The most bytes of a payload.
pub const MAX_PAYLOAD_BYTES: usize = 96 * 1024;
/// How long a private event lives, in seconds.
pub const PRIVATE_LIFE: u32 = 3600;
/// The most authors and targets whose sequences are remembered.
pub const MAX_SEQUENCES: usize = 65_536;

/// Fields that some client might fill with what it should have sealed.
const PLAINTEXT_FIELDS: [&str; 4] = ["message", "plaintext", "_local_plaintext", "_local_reply_to"];

/// What an event's payload says in the open: as little as it takes to deliver it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PrivatePayload {
    /// Mail: a sealed letter for whoever has this key.
    Mail {
        /// The recipient's key.
        recipient: [u8; 32],
        /// The sealed letter.
        ciphertext: Vec<u8>,
        /// There if the event asks to be ordered: 32 random bytes, which salt its commitment.
        salt: Option<Digest>,
    },
    /// A post to a gate.
    Post {
        /// The gate.
        gate: Digest,
        /// The epoch of its keys.
        epoch: u64,
        /// How the ciphertext is to be read, such as `mls1`.
        format: String,
        /// What only members can open.
        ciphertext: Vec<u8>,
        /// The ciphertext's nonce.
        nonce: Vec<u8>,
        /// Who posted, in a form that only members can resolve.
        sender_ref: Digest,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "snake_case")]
enum Fields {
    Mail {
        recipient: String,
        ciphertext: String,
        salt: Option<String>,
        transport_lock: Option<String>,
    },
    Post {
        gate: String,
        epoch: u64,
        format: String,
        ciphertext: String,
        nonce: String,
        sender_ref: String,
        transport_lock: Option<String>,
    },
}

/// Why a private event is refused. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrivateRefusal {
    /// Shorter than its header.
    #[error("a private event has at least {HEADER_BYTES} bytes, this one has {0}")]
    Truncated(usize),
    /// The payload is too long.
    #[error("a private payload has at most {MAX_PAYLOAD_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The payload has a field that shows what should be sealed.
    #[error("the payload has the plaintext field {0:?}; seal it instead")]
    Plaintext(&'static str),
    /// The payload does not have exactly the fields that it must have.
    #[error("the payload does not have exactly the fields of its kind")]
    Schema,
    /// The ciphertext is text that anyone can read, or not sealed at all.
    #[error("the ciphertext is not sealed")]
    Readable,
    /// There is no transport lock, or one that lets it travel in the open.
    #[error("the transport lock is missing or too weak for its kind")]
    TransportLock,
    /// Its life is over.
    #[error("the private event of {time} has expired")]
    Expired {
        /// Its time.
        time: u32,
    },
    /// Its time is too far ahead.
    #[error("the private event's time {time} is too far ahead")]
    Future {
        /// Its time.
        time: u32,
    },
    /// Its sequence was used, or is older than one that was.
    #[error("the sequence {sequence} is not above {last}, the author's last one here")]
    Replayed {
        /// The event's sequence.
        sequence: u64,
        /// The last one.
        last: u64,
    },
    /// Too many authors have sequences.
    #[error("too many authors, try again in {PRIVATE_LIFE} seconds")]
    Full,
    /// The author is unknown, revoked, or did not sign this.
    #[error("the private event was not accepted")]
    Author,
}

impl PrivateRefusal {
    /// The reason's name, for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Truncated(_) => "truncated",
            Self::TooLong(_) => "too_long",
            Self::Plaintext(_) => "plaintext",
            Self::Schema => "schema",
            Self::Readable => "readable",
            Self::TransportLock => "transport_lock",
            Self::Expired { .. } => "expired",
            Self::Future { .. } => "future",
            Self::Replayed { .. } => "replayed",
            Self::Full => "full",
            Self::Author => "author",
        }
    }
}

/// A sequence domain: mail and each gate count by themselves, so that one never blocks another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SequenceDomain {
    /// Mail, to whomever.
    Mail,
    /// Posts to one gate.
    Gate(Digest),
}

impl PrivatePayload {
    /// Reads and judges a payload.
    pub fn parse(payload: &[u8]) -> Result<Self, PrivateRefusal> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(PrivateRefusal::TooLong(payload.len()));
        }
        let fields: Fields = serde_json::from_slice(payload).map_err(|_| fault(payload))?;
        match fields {
            Fields::Mail { recipient, ciphertext, salt, transport_lock } => {
                lock(transport_lock.as_deref(), &["private_strong"])?;
                let recipient = digest(&recipient)?;
                let salt = salt.as_deref().map(digest).transpose()?;
                let ciphertext = unreadable(&ciphertext)?;
                if !has_sealed_shape(&ciphertext) {
                    return Err(PrivateRefusal::Readable);
                }
                Ok(Self::Mail { recipient: *recipient.as_bytes(), ciphertext, salt })
            }
            Fields::Post { gate, epoch, format, ciphertext, nonce, sender_ref, transport_lock } => {
                lock(transport_lock.as_deref(), &["private", "private_strong", "rns", "onion"])?;
                // A field that held anything else would be a place to write in.
                if format != "mls1" {
                    return Err(PrivateRefusal::Schema);
                }
                let nonce = HEXLOWER.decode(nonce.as_bytes()).ok().filter(|nonce| nonce.len() <= 32);
                let nonce = nonce.ok_or(PrivateRefusal::Schema)?;
                let (gate, sender_ref) = (digest(&gate)?, digest(&sender_ref)?);
                let ciphertext = unreadable(&ciphertext)?;
                Ok(Self::Post { gate, epoch, format, ciphertext, nonce, sender_ref })
            }
        }
    }

    /// If it asks to be ordered: the tag of its entry in the log, which nobody can tell from a random one
    /// who does not have the event.
    #[must_use]
    pub fn order_tag(&self) -> Option<Digest> {
        match self {
            Self::Mail { salt, .. } => salt.map(|salt| Digest::of_parts(&[ORDER_TAG_LABEL, salt.as_bytes()])),
            Self::Post { .. } => None,
        }
    }

    /// What its sequence is counted in.
    #[must_use]
    pub const fn domain(&self) -> SequenceDomain {
        match self {
            Self::Mail { .. } => SequenceDomain::Mail,
            Self::Post { gate, .. } => SequenceDomain::Gate(*gate),
        }
    }
}

/// Why a payload does not parse. A plaintext field has a reason of its own, since it means that some
/// client leaks.
fn fault(payload: &[u8]) -> PrivateRefusal {
    let object: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(payload).unwrap_or_default();
    let leak = PLAINTEXT_FIELDS.into_iter().find(|field| object.contains_key(*field));
    leak.map_or(PrivateRefusal::Schema, PrivateRefusal::Plaintext)
}

fn lock(lock: Option<&str>, allowed: &[&str]) -> Result<(), PrivateRefusal> {
    if lock.is_some_and(|lock| allowed.contains(&lock)) { Ok(()) } else { Err(PrivateRefusal::TransportLock) }
}

fn digest(text: &str) -> Result<Digest, PrivateRefusal> {
    text.parse().map_err(|_| PrivateRefusal::Schema)
}

/// The bytes of a ciphertext, unless they are text.
fn unreadable(ciphertext: &str) -> Result<Vec<u8>, PrivateRefusal> {
    let bytes = BASE64.decode(ciphertext.as_bytes()).map_err(|_| PrivateRefusal::Readable)?;
    // 16 random bytes are valid text without control characters about once in a hundred million.
    let text = core::str::from_utf8(&bytes)
        .is_ok_and(|text| text.chars().all(|c| !c.is_control() || c.is_whitespace()));
    if bytes.len() < 16 || text { Err(PrivateRefusal::Readable) } else { Ok(bytes) }
}

/// A private event that passed every check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PrivateEvent {
    /// Who signed it.
    pub author: VerifyingKey,
    /// Its place among the author's events of the same [`SequenceDomain`].
    pub sequence: u64,
    /// When.
    pub time: UnixSeconds,
    /// What it says in the open.
    pub payload: PrivatePayload,
    /// The digest of its bytes: what an entry of the log commits to.
    pub commitment: Digest,
}

/// Who may write: the registry's answer.
pub trait Authors {
    /// Whether this key belongs to an author and is not revoked.
    fn may_write(&self, author: &VerifyingKey) -> bool;
}

/// Whether an event's time is judged by the clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Freshness {
    /// It is new: it must be timely at this moment.
    At(UnixSeconds),
    /// It is read back in a full validation, after it was timely once.
    Stored,
}

/// The checks of private events, and the sequences that they have reached.
#[derive(Debug)]
pub struct PrivateRules {
    network: NetworkId,
    ahead: u32,
    sequences: BTreeMap<([u8; 32], SequenceDomain), u64>,
}

impl PrivateRules {
    /// Rules of a network in which clocks are at most `ahead` seconds ahead.
    #[must_use]
    pub const fn new(network: NetworkId, ahead: u32) -> Self {
        Self { network, ahead, sequences: BTreeMap::new() }
    }

    /// Checks an event, the cheap questions first. Changes nothing.
    pub fn check(
        &self,
        bytes: &[u8],
        freshness: Freshness,
        authors: &impl Authors,
    ) -> Result<PrivateEvent, PrivateRefusal> {
        let (author, sequence, time, signature, payload) =
            split(bytes).ok_or(PrivateRefusal::Truncated(bytes.len()))?;
        if let Freshness::At(now) = freshness {
            timely(now, time, PRIVATE_LIFE, self.ahead).map_err(|not_now| match not_now {
                NotNow::Expired => PrivateRefusal::Expired { time: time.0 },
                NotNow::Future => PrivateRefusal::Future { time: time.0 },
            })?;
        }
        let parsed = PrivatePayload::parse(payload)?;
        let place = (*author, parsed.domain());
        match self.sequences.get(&place) {
            Some(last) if sequence <= *last => {
                return Err(PrivateRefusal::Replayed { sequence, last: *last });
            }
            None if self.sequences.len() >= MAX_SEQUENCES => return Err(PrivateRefusal::Full),
            _ => {}
        }
        let author = VerifyingKey::from_bytes(*author).map_err(|_| PrivateRefusal::Author)?;
        if !authors.may_write(&author) {
            return Err(PrivateRefusal::Author);
        }
        PRIVATE_EVENT
            .verify(
                &author,
                self.network,
                &signed(sequence, time, payload),
                &Signature::from_bytes(*signature),
            )
            .map_err(|_| PrivateRefusal::Author)?;
        Ok(PrivateEvent { author, sequence, time, payload: parsed, commitment: Digest::of(bytes) })
    }

    /// Notes that a checked event was taken: its sequence, and those before it, are used.
    pub fn note(&mut self, event: &PrivateEvent) {
        let last = self.sequences.entry((*event.author.as_bytes(), event.payload.domain())).or_default();
        *last = event.sequence.max(*last);
    }
}

/// Signs a payload that passes the checks; sequences begin at 1.
pub fn sign_private(
    key: &SigningKey,
    network: NetworkId,
    sequence: u64,
    time: UnixSeconds,
    payload: &[u8],
) -> Result<Vec<u8>, PrivateRefusal> {
    PrivatePayload::parse(payload)?;
    let signature = PRIVATE_EVENT.sign(key, network, &signed(sequence, time, payload));
    let author = key.verifying_key();
    Ok([
        author.as_bytes().as_slice(),
        &sequence.to_be_bytes(),
        &time.0.to_be_bytes(),
        &signature.to_bytes(),
        payload,
    ]
    .concat())
}

/// The payload of mail, ready to be signed; with a salt, which must be random, it asks to be ordered.
#[must_use]
pub fn mail_payload(recipient: &VerifyingKey, ciphertext: &[u8], salt: Option<&Digest>) -> Vec<u8> {
    let mut payload = serde_json::json!({
        "kind": "mail",
        "recipient": HEXLOWER.encode(recipient.as_bytes()),
        "ciphertext": BASE64.encode(ciphertext),
        "transport_lock": "private_strong",
    });
    if let Some(salt) = salt {
        payload["salt"] = salt.to_string().into();
    }
    payload.to_string().into_bytes()
}

type Split<'a> = (&'a [u8; 32], u64, UnixSeconds, &'a [u8; 64], &'a [u8]);

fn split(bytes: &[u8]) -> Option<Split<'_>> {
    let (author, rest) = bytes.split_first_chunk::<32>()?;
    let (sequence, rest) = rest.split_first_chunk::<8>()?;
    let (time, rest) = rest.split_first_chunk::<4>()?;
    let (signature, payload) = rest.split_first_chunk::<64>()?;
    let time = UnixSeconds(u32::from_be_bytes(*time));
    Some((author, u64::from_be_bytes(*sequence), time, signature, payload))
}

fn signed(sequence: u64, time: UnixSeconds, payload: &[u8]) -> Vec<u8> {
    [sequence.to_be_bytes().as_slice(), &time.0.to_be_bytes(), payload].concat()
}

#[cfg(test)]
mod tests;
