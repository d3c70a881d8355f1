//! The layouts of the Python node `gossip` (k98kurz), for bridges and comparisons.
//!
//! Its bulletins have the same bytes as Jurat's, but their work is done over the header alone, which
//! no network, effort or author is part of. Its messages are signed without their time, so they can
//! be replayed with a new one and new work; their bodies are NaCl sealed boxes, which this module carries and does
//! not open. Never take either for Jurat's own.

use alloc::vec::Vec;

use jurat_crypto::{
    CodeSize, Digest, Hashcash, NoncePlaceError, NonceSearch, NonceWidth, Signature, SigningKey, TapeHash,
    VerifyError, VerifyingKey, ZeroBits, leading_zero_bits,
};

use crate::{Bulletin, MESSAGE_HEADER_BYTES, UnixSeconds};

/// The function that its stamps are made with.
pub const HASHCASH: TapeHash = TapeHash::V1(CodeSize::DEFAULT_V3);
/// Where the nonce lies in what is hashed, of bulletins and messages alike.
const NONCE: usize = 68;

/// The zero bits of a bulletin's stamp.
#[must_use]
pub fn bulletin_work(bulletin: &Bulletin) -> ZeroBits {
    leading_zero_bits(&HASHCASH.digest(&bulletin.header().encode()))
}

/// The search for a bulletin's nonce.
pub fn bulletin_search(
    bulletin: &Bulletin,
    bits: ZeroBits,
) -> Result<NonceSearch<TapeHash>, NoncePlaceError> {
    search(bulletin.header().encode().to_vec(), bits)
}

fn search(preimage: Vec<u8>, bits: ZeroBits) -> Result<NonceSearch<TapeHash>, NoncePlaceError> {
    let difficulty = jurat_crypto::Difficulty::ZeroBits(bits);
    NonceSearch::new(HASHCASH, difficulty, preimage, NONCE, NonceWidth::Four)
}

/// A message of that node: dst (32), src (32), time (u32), nonce (u32), signature (64), ciphertext.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GossipMessage {
    /// The receiver's Ed25519 key.
    pub dst: [u8; 32],
    /// The sender's Ed25519 key.
    pub src: [u8; 32],
    /// When it says it was sent. Not signed.
    pub time: UnixSeconds,
    /// The nonce of its stamp.
    pub nonce: u32,
    /// Over src, dst and ciphertext.
    pub signature: Signature,
    /// A NaCl sealed box for the receiver.
    pub ciphertext: Vec<u8>,
}

impl GossipMessage {
    /// Signs a sealed box.
    #[must_use]
    pub fn sign(key: &SigningKey, dst: [u8; 32], time: UnixSeconds, ciphertext: Vec<u8>) -> Self {
        let src = *key.verifying_key().as_bytes();
        let signature = key.sign(&[src.as_slice(), &dst, &ciphertext].concat());
        Self { dst, src, time, nonce: 0, signature, ciphertext }
    }

    /// Checks the signature.
    pub fn verify(&self) -> Result<(), VerifyError> {
        let key = VerifyingKey::from_bytes(self.src).map_err(|_| VerifyError)?;
        key.verify(&[self.src.as_slice(), &self.dst, &self.ciphertext].concat(), &self.signature)
    }

    /// Reads a message; none if the bytes end too early.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (dst, rest) = bytes.split_first_chunk::<32>()?;
        let (src, rest) = rest.split_first_chunk::<32>()?;
        let (time, rest) = rest.split_first_chunk::<4>()?;
        let (nonce, rest) = rest.split_first_chunk::<4>()?;
        let (signature, ciphertext) = rest.split_first_chunk::<64>()?;
        Some(Self {
            dst: *dst,
            src: *src,
            time: UnixSeconds(u32::from_be_bytes(*time)),
            nonce: u32::from_be_bytes(*nonce),
            signature: Signature::from_bytes(*signature),
            ciphertext: ciphertext.to_vec(),
        })
    }

    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MESSAGE_HEADER_BYTES + self.ciphertext.len());
        bytes.extend_from_slice(&self.dst);
        bytes.extend_from_slice(&self.src);
        bytes.extend_from_slice(&self.time.0.to_be_bytes());
        bytes.extend_from_slice(&self.nonce.to_be_bytes());
        bytes.extend_from_slice(&self.signature.to_bytes());
        bytes.extend_from_slice(&self.ciphertext);
        bytes
    }

    /// What the work is done over, with the ciphertext after it: src, dst, time, nonce.
    #[must_use]
    pub fn header(&self) -> [u8; 72] {
        let mut header = [0; 72];
        header[..32].copy_from_slice(&self.src);
        header[32..64].copy_from_slice(&self.dst);
        header[64..68].copy_from_slice(&self.time.0.to_be_bytes());
        header[NONCE..].copy_from_slice(&self.nonce.to_be_bytes());
        header
    }

    /// The digest of its stamp.
    #[must_use]
    pub fn work(&self) -> Digest {
        HASHCASH.digest(&self.stamped())
    }

    fn stamped(&self) -> Vec<u8> {
        [&self.header(), self.ciphertext.as_slice()].concat()
    }

    /// The search for its nonce.
    pub fn search(&self, bits: ZeroBits) -> Result<NonceSearch<TapeHash>, NoncePlaceError> {
        search(self.stamped(), bits)
    }
}
