//! DSSE envelopes: the JSON form in which attestations travel
//! ([envelope](https://github.com/secure-systems-lab/dsse/blob/master/envelope.md)).
//!
//! ```text
//! {"payload":"<base64>","payloadType":"<type>","signatures":[{"keyid":"<vkey>","sig":"<base64>"}]}
//! ```
//!
//! Written compactly and in this order; read with any spacing, order and further fields, and with
//! either base64 alphabet, as DSSE demands. There is exactly one signature. Its keyid, free-form
//! in DSSE, is the attestor's vkey string.

use alloc::string::{String, ToString};
use core::str;

use data_encoding::{BASE64, BASE64URL};
use jurat_crypto::{Signature, VkeyError};
use serde_json::json;

use crate::{Attestation, AttestationError, JsonError, json::Object, text::decode_base64};

/// The most bytes that an envelope may have: what the largest payload takes in base64, and 40 KiB
/// for keys, types and fields that nobody here knows.
pub const MAX_ENVELOPE_BYTES: usize = 128 * 1024;

/// Why bytes are not an envelope with an attestation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The envelope is larger than [`MAX_ENVELOPE_BYTES`].
    #[error("an envelope has at most {MAX_ENVELOPE_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The envelope is not UTF-8.
    #[error("the envelope is not UTF-8")]
    NotUtf8,
    /// A field is missing or wrong.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A field is not base64.
    #[error("{0} is not base64, standard or URL-safe, with padding")]
    Base64(&'static str),
    /// There is not exactly one signature.
    #[error("signatures has {0} elements; an attestation has one signature")]
    Signatures(usize),
    /// The keyid is not a vkey.
    #[error("signatures[0].keyid is the attestor's vkey: {0}")]
    KeyId(VkeyError),
    /// The signature has another length than one of Ed25519.
    #[error("signatures[0].sig has {0} bytes, a signature has 64")]
    SignatureLength(usize),
    /// The parts don't make an attestation.
    #[error(transparent)]
    Attestation(#[from] AttestationError),
}

impl Attestation {
    /// Reads an envelope. The signature is not checked.
    pub fn from_envelope(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > MAX_ENVELOPE_BYTES {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| EnvelopeError::NotUtf8)?;
        let envelope = Object::parse("the envelope", text)?;
        let payload = decode("payload", &envelope.string("payload")?)?;
        let payload_type = envelope.string("payloadType")?;
        let signatures = envelope.objects("signatures")?;
        let [signature] = signatures.as_slice() else {
            return Err(EnvelopeError::Signatures(signatures.len()));
        };
        let attestor = signature.string("keyid")?.parse().map_err(EnvelopeError::KeyId)?;
        let signature = decode("signatures[0].sig", &signature.string("sig")?)?;
        let length = signature.len();
        let signature = signature.try_into().map_err(|_| EnvelopeError::SignatureLength(length))?;
        Ok(Self::new(attestor, payload_type, payload, Signature::from_bytes(signature))?)
    }

    /// Writes the envelope, always the same for one attestation.
    #[must_use]
    pub fn to_envelope(&self) -> String {
        json!({
            "payload": BASE64.encode(self.payload()),
            "payloadType": self.payload_type(),
            "signatures": [{
                "keyid": self.attestor().to_string(),
                "sig": BASE64.encode(&self.signature().to_bytes()),
            }],
        })
        .to_string()
    }
}

fn decode(field: &'static str, text: &str) -> Result<alloc::vec::Vec<u8>, EnvelopeError> {
    let decoded = decode_base64(&BASE64, text).or_else(|| decode_base64(&BASE64URL, text));
    decoded.ok_or(EnvelopeError::Base64(field))
}
