//! Attestations: a payload that an attestor signed, as DSSE has it signed.

use alloc::{boxed::Box, format, string::String, vec::Vec};

use jurat_crypto::{KeyName, Signature, SignatureType, SigningKey, VerifyError, Vkey};

use crate::{
    MAX_ENTRY_BYTES,
    entry::{ATTESTATION_OVERHEAD, MAX_NAMED_BYTES},
};

/// A payload with the key and the signature of who stands behind it.
///
/// It fits into an entry of the log; nothing else about it is checked. The signature is checked by
/// [`verify_signature`](Self::verify_signature) or, many at once, in a
/// [`SignatureBatch`](jurat_crypto::SignatureBatch); the payload by
/// [`validate_attestation`](crate::validate_attestation).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attestation {
    attestor: Vkey,
    signature: Signature,
    payload_type: String,
    payload: Vec<u8>,
}

/// Why something can't be an attestation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttestationError {
    /// The attestor's key is not of type 0x01.
    #[error("{0} can't attest: an attestor's key has type 0x01")]
    KeyType(Box<Vkey>),
    /// The payload type is empty or has more than 255 bytes.
    #[error("a payload type has 1 to 255 bytes, this one has {0}")]
    PayloadTypeLength(usize),
    /// The payload type has a control character.
    #[error("a payload type can't contain the control character {0:?}")]
    PayloadTypeControl(char),
    /// The entry would be too long for the log.
    #[error("as an entry the attestation has {0} bytes, the log takes 65535")]
    TooLong(usize),
}

impl Attestation {
    /// Puts together what was signed elsewhere. The key has type 0x01.
    pub fn new(
        attestor: Vkey,
        payload_type: impl Into<String>,
        payload: Vec<u8>,
        signature: Signature,
    ) -> Result<Self, AttestationError> {
        let payload_type = payload_type.into();
        if attestor.kind() != SignatureType::Ed25519 {
            return Err(AttestationError::KeyType(Box::new(attestor)));
        }
        if payload_type.is_empty() || payload_type.len() > MAX_NAMED_BYTES {
            return Err(AttestationError::PayloadTypeLength(payload_type.len()));
        }
        if let Some(control) = payload_type.chars().find(|c| c.is_control()) {
            return Err(AttestationError::PayloadTypeControl(control));
        }
        let length =
            ATTESTATION_OVERHEAD + attestor.name().as_str().len() + payload_type.len() + payload.len();
        if length > MAX_ENTRY_BYTES {
            return Err(AttestationError::TooLong(length));
        }
        Ok(Self { attestor, signature, payload_type, payload })
    }

    /// Signs a payload.
    pub fn sign(
        key: &SigningKey,
        name: KeyName,
        payload_type: impl Into<String>,
        payload: Vec<u8>,
    ) -> Result<Self, AttestationError> {
        let payload_type = payload_type.into();
        let attestor = Vkey::new(name, SignatureType::Ed25519, key.verifying_key());
        let signature = key.sign(&pre_authentication_encoding(&payload_type, &payload));
        Self::new(attestor, payload_type, payload, signature)
    }

    /// Who signed. The signature covers the key but not its name; whether the payload does, only
    /// [`Statement::attestor`](crate::Statement::attestor) tells.
    #[must_use]
    pub const fn attestor(&self) -> &Vkey {
        &self.attestor
    }

    /// The signature over [`signed_message`](Self::signed_message).
    #[must_use]
    pub const fn signature(&self) -> &Signature {
        &self.signature
    }

    /// How the payload is to be read.
    #[must_use]
    pub fn payload_type(&self) -> &str {
        &self.payload_type
    }

    /// What was signed.
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        &self.payload
    }

    /// The bytes that the attestor's key signs: DSSE's pre-authentication encoding of payload type
    /// and payload.
    #[must_use]
    pub fn signed_message(&self) -> Vec<u8> {
        pre_authentication_encoding(&self.payload_type, &self.payload)
    }

    /// Checks the attestor's signature.
    pub fn verify_signature(&self) -> Result<(), VerifyError> {
        self.attestor.key().verify(&self.signed_message(), &self.signature)
    }
}

/// PAE of the [DSSE protocol](https://github.com/secure-systems-lab/dsse/blob/master/protocol.md):
/// both parts with their lengths, so that no two pairs have the same encoding.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let header = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [header.as_bytes(), payload].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the DSSE protocol page.
    #[test]
    fn the_encoding_is_that_of_dsse() {
        let encoded = pre_authentication_encoding("http://example.com/HelloWorld", b"hello world");
        assert_eq!(encoded, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }

    #[test]
    fn only_what_fits_into_an_entry_is_an_attestation() {
        let key = SigningKey::from_seed(&[1; 32]);
        let name = || KeyName::new("ana").unwrap();
        let sign = |kind: &str, length| Attestation::sign(&key, name(), kind, alloc::vec![b'x'; length]);
        let room = MAX_ENTRY_BYTES - ATTESTATION_OVERHEAD - 3 - 1;
        assert!(sign("t", room).is_ok());
        assert_eq!(sign("t", room + 1), Err(AttestationError::TooLong(MAX_ENTRY_BYTES + 1)));
        assert_eq!(sign("", 1), Err(AttestationError::PayloadTypeLength(0)));
        assert_eq!(sign(&"t".repeat(256), 1), Err(AttestationError::PayloadTypeLength(256)));
        assert_eq!(sign("a\nb", 1), Err(AttestationError::PayloadTypeControl('\n')));
        let cosigner = Vkey::new(name(), SignatureType::CosignatureV1, key.verifying_key());
        let refused = Attestation::new(cosigner.clone(), "t", Vec::new(), key.sign(b""));
        assert_eq!(refused, Err(AttestationError::KeyType(Box::new(cosigner))));
    }
}
