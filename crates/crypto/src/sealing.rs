//! Sealing: what a letter says, who wrote it and how long it is, only its recipients learn.
//!
//! HPKE (RFC 9180, base mode, DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305) carries a
//! content key to each recipient, together with the author and their signature; the content key
//! seals the letter once for all. With u32 and u64 big-endian and H = SHA-256:
//!
//! ```text
//! sealed    = version 1 (1) || recipients n (1) || n slots || commitment (32) || box
//! slot      = HPKE enc (32) || slot commitment (32) || HPKE ciphertext (144)
//!             of content key (32) || author's Ed25519 key (32) || signature (64)
//! box       = ChaCha20-Poly1305 of the padded letter; key: HKDF(content key, "jurat/v1/seal/box"),
//!             nonce: zeros, since the key is used once; associated data: everything before it
//! letter    = id (16) || created (u32) || expires (u32) || length (u32) || content || zeros,
//!             padded as a whole to Padmé's next length, and to 256 bytes at least
//! signature = under jurat/v1/seal and the network, over enc (32) || recipient (32) || topic (32)
//!             || epoch (u64) || commitment (32) || H( padded letter )
//! ```
//!
//! HPKE's info is "jurat/v1/seal" || network id (32) || topic (32) || epoch (u64), so that a slot
//! opens in its own context only. The AEAD alone would let a hostile author make one ciphertext that
//! opens differently under two keys. Hence the commitments: `commitment` is HKDF(content key,
//! "jurat/v1/seal/commitment"), the slot's is HPKE's export of the same label. They also tell a
//! recipient which slot is theirs; to anyone else all slots look alike.
//!
//! Every reason for which a letter does not open is the same [`OpenError`]: a sender that could tell
//! reasons apart would have an oracle.

mod key;
mod padme;
mod prekey;

pub use key::{SealingKey, SealingKeyError, SealingPublicKey};
pub use padme::padme_length;
pub use prekey::{MAX_PREKEYS, Prekey, PrekeyError, PrekeyRing, PrekeyRingError, SignedPrekey};

use alloc::vec::Vec;

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use hkdf::Hkdf;
use hpke::{Deserializable, OpModeR, OpModeS, Serializable, kem::X25519HkdfSha256, setup_receiver};
use rand_core::CryptoRng;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::{Digest, Domain, NetworkId, Signature, SigningKey, VerifyingKey};

/// The most recipients of one letter. A recipient tries slot after slot.
pub const MAX_RECIPIENTS: usize = 16;
/// The most bytes of content: what always fits, padded and sealed to [`MAX_RECIPIENTS`], into
/// [`MAX_SEALED_BYTES`].
pub const MAX_LETTER_BYTES: usize = 56 * 1024;
/// The most bytes of a sealed letter.
pub const MAX_SEALED_BYTES: usize = 64 * 1024;

/// No letter looks shorter than this many bytes.
const FLOOR: usize = 256;
const VERSION: u8 = 1;
const ENC: usize = 32;
const KEY: usize = 32;
const COMMITMENT: usize = 32;
const TAG: usize = 16;
const SLOT_PLAIN: usize = KEY + 32 + 64;
const SLOT: usize = ENC + COMMITMENT + SLOT_PLAIN + TAG;
const LETTER_HEADER: usize = 16 + 4 + 4 + 4;

const SEAL: Domain = Domain::new("jurat/v1/seal");
const BOX_LABEL: &[u8] = b"jurat/v1/seal/box";
const COMMITMENT_LABEL: &[u8] = b"jurat/v1/seal/commitment";

/// Where a letter belongs. It opens nowhere else.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SealContext {
    /// The network.
    pub network: NetworkId,
    /// The topic, mailbox or group: the digest that names it.
    pub topic: Digest,
    /// The epoch of its keys; 0 where there is only one.
    pub epoch: u64,
}

impl SealContext {
    fn info(&self) -> Vec<u8> {
        let label = SEAL.label().as_bytes();
        [label, self.network.0.as_bytes(), self.topic.as_bytes(), &self.epoch.to_be_bytes()].concat()
    }
}

/// Tells a letter from every other, so that one that arrives twice is filed once. Random.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct LetterId(pub [u8; 16]);

/// What its author and its recipients know of a letter.
#[derive(Clone, PartialEq, Eq)]
pub struct Letter {
    /// Tells it from others.
    pub id: LetterId,
    /// When it was written, in seconds since the Unix epoch.
    pub created: u32,
    /// Until when it counts, in seconds since the Unix epoch.
    pub expires: u32,
    /// What it says, at most [`MAX_LETTER_BYTES`].
    pub content: Zeroizing<Vec<u8>>,
}

impl core::fmt::Debug for Letter {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        // What it says is secret.
        f.debug_struct("Letter").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A letter that was opened, and who wrote it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The key that signed it, for this recipient and context.
    pub author: VerifyingKey,
    /// The letter.
    pub letter: Letter,
}

/// Why a letter can't be sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Nobody could open it, or too many would.
    #[error("a letter has 1 to {MAX_RECIPIENTS} recipients, not {0}")]
    Recipients(usize),
    /// The content is too long.
    #[error("a letter has at most {MAX_LETTER_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// It would be expired when it is written.
    #[error("a letter that is written at {created} can't expire at {expires}")]
    Expired {
        /// When it is written.
        created: u32,
        /// When it expires.
        expires: u32,
    },
    /// The cipher refused. With recipients that were checked when their keys were made, it does not.
    #[error("the recipient's key can't be sealed to")]
    Recipient,
}

/// A letter does not open: it is damaged, for someone else, of another context, or its signature
/// does not hold. Deliberately no more is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the letter does not open")]
pub struct OpenError;

type Kem = X25519HkdfSha256;
type Kdf = hpke::kdf::HkdfSha256;
type Cipher = hpke::aead::ChaCha20Poly1305;

/// Seals a letter to everyone in `recipients`, in an order that tells them nothing of each other
/// but their number.
pub fn seal(
    letter: &Letter,
    author: &SigningKey,
    recipients: &[SealingPublicKey],
    context: &SealContext,
    entropy: &mut impl CryptoRng,
) -> Result<Vec<u8>, SealError> {
    let count = u8::try_from(recipients.len()).unwrap_or(u8::MAX);
    if recipients.is_empty() || recipients.len() > MAX_RECIPIENTS {
        return Err(SealError::Recipients(recipients.len()));
    }
    if letter.expires < letter.created {
        return Err(SealError::Expired { created: letter.created, expires: letter.expires });
    }
    let padded = pad(letter)?;
    let mut content_key = Zeroizing::new([0; KEY]);
    entropy.fill_bytes(&mut *content_key);
    let (box_key, commitment) = derive(&content_key);

    let length = 2 + SLOT * recipients.len() + COMMITMENT + padded.len() + TAG;
    let mut sealed = Vec::with_capacity(length);
    sealed.extend_from_slice(&[VERSION, count]);
    let info = context.info();
    let letter_digest = Digest::of(&padded);
    for recipient in recipients {
        let (enc, mut hpke) =
            hpke::setup_sender_with_rng::<Cipher, Kdf, Kem>(&OpModeS::Base, recipient.hpke(), &info, entropy)
                .map_err(|_| SealError::Recipient)?;
        let enc: [u8; ENC] = enc.to_bytes().into();
        let statement = signed(&enc, recipient, context, &commitment, &letter_digest);
        let signature = SEAL.sign(author, context.network, &statement);
        let mut plain = Zeroizing::new([0; SLOT_PLAIN]);
        plain[..KEY].copy_from_slice(&*content_key);
        plain[KEY..64].copy_from_slice(author.verifying_key().as_bytes());
        plain[64..].copy_from_slice(&signature.to_bytes());
        let mut slot_commitment = [0; COMMITMENT];
        hpke.export(COMMITMENT_LABEL, &mut slot_commitment).map_err(|_| SealError::Recipient)?;
        let ciphertext = hpke.seal(&*plain, &[]).map_err(|_| SealError::Recipient)?;
        sealed.extend_from_slice(&enc);
        sealed.extend_from_slice(&slot_commitment);
        sealed.extend_from_slice(&ciphertext);
    }
    sealed.extend_from_slice(&commitment);
    let payload = Payload { msg: &padded, aad: &sealed };
    let ciphertext = ChaCha20Poly1305::new((&*box_key).into())
        .encrypt(&[0; 12].into(), payload)
        .map_err(|_| SealError::TooLong(letter.content.len()))?;
    sealed.extend_from_slice(&ciphertext);
    Ok(sealed)
}

/// Opens a letter with one of its recipients' keys.
pub fn open(sealed: &[u8], key: &SealingKey, context: &SealContext) -> Result<Opened, OpenError> {
    let parts = Parts::split(sealed).ok_or(OpenError)?;
    let info = context.info();
    parts
        .slots
        .chunks_exact(SLOT)
        .find_map(|slot| open_slot(slot, &parts, key, &info, context))
        .ok_or(OpenError)
}

/// Whether bytes have the shape of a sealed letter: version, number of slots, a length that padding
/// gives. It says nothing about whether anybody can open them.
#[must_use]
pub fn has_sealed_shape(bytes: &[u8]) -> bool {
    Parts::split(bytes).is_some()
}

/// For how many keys what has the shape of a sealed letter has a slot, 1 to [`MAX_RECIPIENTS`]: each is tried
/// with each key that might open it.
#[must_use]
pub fn recipients_of(sealed: &[u8]) -> Option<usize> {
    Parts::split(sealed).map(|parts| parts.slots.len() / SLOT)
}

struct Parts<'a> {
    slots: &'a [u8],
    commitment: &'a [u8],
    /// Everything before the box.
    aad: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(sealed: &'a [u8]) -> Option<Self> {
        if sealed.len() > MAX_SEALED_BYTES {
            return None;
        }
        let [VERSION, count, rest @ ..] = sealed else { return None };
        let count = usize::from(*count);
        if !(1..=MAX_RECIPIENTS).contains(&count) {
            return None;
        }
        let (slots, rest) = rest.split_at_checked(SLOT * count)?;
        let (commitment, ciphertext) = rest.split_at_checked(COMMITMENT)?;
        let padded = ciphertext.len().checked_sub(TAG)?;
        let aad = &sealed[..sealed.len() - ciphertext.len()];
        (padded >= FLOOR && padme_length(padded) == padded).then_some(Self {
            slots,
            commitment,
            aad,
            ciphertext,
        })
    }
}

/// The letter, if the slot is the key's and everything holds.
fn open_slot(
    slot: &[u8],
    parts: &Parts<'_>,
    key: &SealingKey,
    info: &[u8],
    context: &SealContext,
) -> Option<Opened> {
    let (enc, rest) = slot.split_first_chunk::<ENC>()?;
    let (slot_commitment, ciphertext) = rest.split_first_chunk::<COMMITMENT>()?;
    // Not only HPKE's check for an all-zero result: one spelling, and no small order at all.
    SealingPublicKey::from_bytes(*enc).ok()?;
    let encapsulated = <Kem as hpke::Kem>::EncappedKey::from_bytes(enc).ok()?;
    let mut hpke =
        setup_receiver::<Cipher, Kdf, Kem>(&OpModeR::Base, key.hpke(), &encapsulated, info).ok()?;
    let mut expected = [0; COMMITMENT];
    hpke.export(COMMITMENT_LABEL, &mut expected).ok()?;
    // Both are public: one is in the slot, the other is compared with it.
    if expected != *slot_commitment {
        return None;
    }
    let plain = Zeroizing::new(hpke.open(ciphertext, &[]).ok()?);
    let (content_key, rest) = plain.split_first_chunk::<KEY>()?;
    let (author, signature) = rest.split_first_chunk::<32>()?;
    let (box_key, commitment) = derive(content_key);
    if commitment != *parts.commitment {
        return None;
    }
    let payload = Payload { msg: parts.ciphertext, aad: parts.aad };
    let padded =
        Zeroizing::new(ChaCha20Poly1305::new((&*box_key).into()).decrypt(&[0; 12].into(), payload).ok()?);
    let author = VerifyingKey::from_bytes(*author).ok()?;
    let signature = Signature::from_bytes(signature.try_into().ok()?);
    let statement = signed(enc, &key.public(), context, &commitment, &Digest::of(&padded));
    SEAL.verify(&author, context.network, &statement, &signature).ok()?;
    Some(Opened { author, letter: unpad(&padded)? })
}

/// What the author signs for one recipient.
fn signed(
    enc: &[u8; ENC],
    recipient: &SealingPublicKey,
    context: &SealContext,
    commitment: &[u8; COMMITMENT],
    letter: &Digest,
) -> Vec<u8> {
    let epoch = context.epoch.to_be_bytes();
    [enc.as_slice(), recipient.as_bytes(), context.topic.as_bytes(), &epoch, commitment, letter.as_bytes()]
        .concat()
}

/// The box's key and the commitment to the content key.
fn derive(content_key: &[u8; KEY]) -> (Zeroizing<[u8; KEY]>, [u8; COMMITMENT]) {
    let (mut box_key, mut commitment) = (Zeroizing::new([0; KEY]), [0; COMMITMENT]);
    let hkdf = Hkdf::<Sha256>::new(None, content_key);
    for (label, output) in [(BOX_LABEL, &mut *box_key), (COMMITMENT_LABEL, &mut commitment)] {
        #[expect(clippy::expect_used, reason = "32 bytes are one block; HKDF gives up to 255")]
        hkdf.expand(label, output).expect("one block of output");
    }
    (box_key, commitment)
}

fn pad(letter: &Letter) -> Result<Zeroizing<Vec<u8>>, SealError> {
    let too_long = SealError::TooLong(letter.content.len());
    if letter.content.len() > MAX_LETTER_BYTES {
        return Err(too_long);
    }
    let length = u32::try_from(letter.content.len()).map_err(|_| too_long)?;
    let padded = padme_length(LETTER_HEADER + letter.content.len()).max(FLOOR);
    let mut bytes = Zeroizing::new(Vec::with_capacity(padded));
    bytes.extend_from_slice(&letter.id.0);
    bytes.extend_from_slice(&letter.created.to_be_bytes());
    bytes.extend_from_slice(&letter.expires.to_be_bytes());
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&letter.content);
    bytes.resize(padded, 0);
    Ok(bytes)
}

/// The letter within its padding, of which there is exactly as much as there must be, all zeros.
fn unpad(padded: &[u8]) -> Option<Letter> {
    let (id, rest) = padded.split_first_chunk::<16>()?;
    let (created, rest) = rest.split_first_chunk::<4>()?;
    let (expires, rest) = rest.split_first_chunk::<4>()?;
    let (length, rest) = rest.split_first_chunk::<4>()?;
    let (created, expires) = (u32::from_be_bytes(*created), u32::from_be_bytes(*expires));
    let (content, padding) = rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)?;
    let right_length = padme_length(LETTER_HEADER + content.len()).max(FLOOR) == padded.len();
    let canonical = right_length && padding.iter().all(|byte| *byte == 0) && created <= expires;
    let content = Zeroizing::new(content.to_vec());
    canonical.then_some(Letter { id: LetterId(*id), created, expires, content })
}

#[cfg(test)]
mod tests;
