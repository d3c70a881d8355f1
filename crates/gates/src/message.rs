//! A gate's message as everybody sees it who carries it: gate, epoch, format, nonce, sender
//! reference and ciphertext, and nothing else.
//!
//! ```text
//! message    = gate (32) || epoch (u64) || format 1 (1) || nonce (32) || sender reference (32) || ciphertext
//! ciphertext = ChaCha20-Poly1305 of the padded MLS message, nonce 12 zeros, key: HMAC( cover, nonce ),
//!              associated data: network id (32) || everything before it
//! padded     = length (u32) || MLS PrivateMessage || zeros
//! ```
//!
//! The cover hides what an MLS message shows of itself, such as whether it is a post or a commit,
//! and turns away whatever no member of the epoch made before MLS looks at it.

use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use jurat_crypto::{Digest, NetworkId, VerifyingKey, padme_length};
use zeroize::Zeroizing;

use crate::{
    bytes::{Reader, put},
    epoch::EpochKeys,
    gate::GateId,
    refusal::Refusal,
};

/// The most bytes of a post.
pub const MAX_POST_BYTES: usize = 32 * 1024;
/// The most bytes of a message.
pub const MAX_MESSAGE_BYTES: usize = 64 * 1024;

/// What MLS messages in PrivateMessage framing are called.
const FORMAT: u8 = 1;
/// No message looks shorter.
const FLOOR: usize = 512;
const HEADER: usize = 32 + 8 + 1 + 32 + 32;
const TAG: usize = 16;

/// Where a message belongs, as it says in the open. Nobody but a member of that epoch can tell whether
/// one of them made it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct MessageHead {
    /// The gate.
    pub gate: GateId,
    /// The epoch in which it was made.
    pub epoch: u64,
}

impl MessageHead {
    /// Of bytes that have the shape of a message.
    pub fn of(bytes: &[u8]) -> Result<Self, Refusal> {
        Message::decode(bytes).map(|message| Self { gate: message.gate, epoch: message.epoch })
    }
}

/// What a message says in the open.
pub(crate) struct Message<'a> {
    pub(crate) gate: GateId,
    pub(crate) epoch: u64,
    pub(crate) nonce: [u8; 32],
    pub(crate) sender_ref: [u8; 32],
    header: &'a [u8],
    ciphertext: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, Refusal> {
        if bytes.len() > MAX_MESSAGE_BYTES {
            return Err(Refusal::TooLong(bytes.len()));
        }
        let truncated = Refusal::Truncated(bytes.len());
        let (header, ciphertext) = bytes.split_at_checked(HEADER).ok_or(truncated)?;
        let mut reader = Reader(header);
        let mut read = || {
            let (gate, epoch) = (GateId(Digest::from_bytes(*reader.array()?)), reader.u64()?);
            Some((gate, epoch, reader.u8()?, *reader.array()?, *reader.array()?))
        };
        let (gate, epoch, format, nonce, sender_ref) = read().ok_or(truncated)?;
        if format != FORMAT {
            return Err(Refusal::Format(format));
        }
        // Padding gives few lengths; another one was cut or made by something else.
        let padded = ciphertext.len().checked_sub(TAG).ok_or(truncated)?;
        if padded < FLOOR || padme_length(padded) != padded {
            return Err(truncated);
        }
        Ok(Self { gate, epoch, nonce, sender_ref, header, ciphertext })
    }

    /// The MLS message under the cover, if a member of the epoch made it.
    pub(crate) fn uncover(&self, network: NetworkId, keys: &EpochKeys) -> Result<Vec<u8>, Refusal> {
        let aad = [network.0.as_bytes(), self.header].concat();
        let payload = Payload { msg: self.ciphertext, aad: &aad };
        let padded = ChaCha20Poly1305::new((&*keys.cover(&self.nonce)).into())
            .decrypt(&[0; 12].into(), payload)
            .map_err(|_| Refusal::Forged)?;
        let mut reader = Reader(&padded);
        let inner = reader.part().ok_or(Refusal::Content)?;
        let canonical = padded_length(inner.len()) == padded.len() && reader.0.iter().all(|byte| *byte == 0);
        if canonical { Ok(inner.to_vec()) } else { Err(Refusal::Content) }
    }
}

/// Covers an MLS message; nothing if it is too long.
pub(crate) fn cover(
    inner: &[u8],
    gate: GateId,
    network: NetworkId,
    keys: &EpochKeys,
    sender: &VerifyingKey,
    nonce: [u8; 32],
) -> Option<Vec<u8>> {
    let mut padded = Zeroizing::new(Vec::with_capacity(padded_length(inner.len())));
    put(&mut padded, inner);
    padded.resize(padded_length(inner.len()), 0);

    let mut message = Vec::with_capacity(HEADER + padded.len() + TAG);
    message.extend_from_slice(gate.0.as_bytes());
    message.extend_from_slice(&keys.epoch.to_be_bytes());
    message.push(FORMAT);
    message.extend_from_slice(&nonce);
    message.extend_from_slice(&keys.sender_ref(&nonce, sender));
    let aad = [network.0.as_bytes(), message.as_slice()].concat();
    let ciphertext = ChaCha20Poly1305::new((&*keys.cover(&nonce)).into())
        .encrypt(&[0; 12].into(), Payload { msg: &padded, aad: &aad })
        .ok()?;
    message.extend_from_slice(&ciphertext);
    (message.len() <= MAX_MESSAGE_BYTES).then_some(message)
}

fn padded_length(inner: usize) -> usize {
    padme_length(4 + inner).max(FLOOR)
}

/// What the log's entry about a commit commits to. The message's nonce salts it.
#[must_use]
pub fn message_commitment(message: &[u8]) -> Digest {
    Digest::of(&[b"jurat/v1/gate-message\n", message].concat())
}
