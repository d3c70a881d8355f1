//! ML-DSA-44 keys and signatures (FIPS 204), which outlive quantum computers, and their vkey
//! strings (C2SP tlog-cosignature, type 0x06).

use alloc::{boxed::Box, vec::Vec};
use core::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};
use ml_dsa::{EncodedSignature, MlDsa44};

use crate::{
    KeyId, KeyName, VerifyError, VkeyError,
    vkey::{SplitVkey, split_vkey},
};

/// The type byte of C2SP tlog-cosignature.
const TYPE: u8 = 0x06;
/// FIPS 204, table 2.
const PUBLIC_KEY_BYTES: usize = 1312;
const SIGNATURE_BYTES: usize = 2420;

/// An ML-DSA-44 secret key. Erased when dropped; its `Debug` shows nothing of it.
#[derive(Clone)]
pub struct MlDsaSigningKey {
    inner: ml_dsa::SigningKey<MlDsa44>,
    public: MlDsaVerifyingKey,
}

/// An ML-DSA-44 public key: 1312 bytes, of which all are keys.
#[derive(Clone)]
pub struct MlDsaVerifyingKey {
    bytes: Box<[u8; PUBLIC_KEY_BYTES]>,
    /// Expanded, which takes longer than checking a signature.
    key: Box<ml_dsa::VerifyingKey<MlDsa44>>,
}

/// An ML-DSA-44 signature as it came, not yet checked against anything.
#[derive(Clone, PartialEq, Eq)]
pub struct MlDsaSignature(Box<[u8; SIGNATURE_BYTES]>);

/// A named ML-DSA-44 public key of a cosigner.
#[derive(Clone, PartialEq, Eq)]
pub struct MlDsaVkey {
    name: KeyName,
    key: MlDsaVerifyingKey,
    id: KeyId,
}

impl MlDsaSigningKey {
    /// The key of a 32-byte seed, xi in FIPS 204.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let inner = ml_dsa::SigningKey::from_seed(&(*seed).into());
        let key = inner.expanded_key().verifying_key();
        let bytes = Box::new(key.encode().into());
        Self { inner, public: MlDsaVerifyingKey { bytes, key: Box::new(key) } }
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> &MlDsaVerifyingKey {
        &self.public
    }

    /// Signs with an empty context and without randomness (FIPS 204, section 3.4): the same
    /// message always gives the same bytes.
    #[must_use]
    #[expect(clippy::expect_used, reason = "only a context of more than 255 bytes is refused")]
    pub fn sign(&self, message: &[u8]) -> MlDsaSignature {
        let signature = self.inner.expanded_key().sign_deterministic(message, &[]).expect("an empty context");
        MlDsaSignature(Box::new(signature.encode().into()))
    }
}

impl fmt::Debug for MlDsaSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsaSigningKey(of {:?})", self.public)
    }
}

impl MlDsaVerifyingKey {
    /// Takes an encoded key.
    #[must_use]
    pub fn from_bytes(bytes: [u8; PUBLIC_KEY_BYTES]) -> Self {
        let key = Box::new(ml_dsa::VerifyingKey::decode(&bytes.into()));
        Self { bytes: Box::new(bytes), key }
    }

    /// The encoded key.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; PUBLIC_KEY_BYTES] {
        &self.bytes
    }

    /// Checks a signature with an empty context.
    pub fn verify(&self, message: &[u8], signature: &MlDsaSignature) -> Result<(), VerifyError> {
        let encoded: EncodedSignature<MlDsa44> = (*signature.0).into();
        let signature = ml_dsa::Signature::decode(&encoded).ok_or(VerifyError)?;
        if self.key.verify_with_context(message, &[], &signature) { Ok(()) } else { Err(VerifyError) }
    }
}

impl PartialEq for MlDsaVerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for MlDsaVerifyingKey {}

impl fmt::Debug for MlDsaVerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", HEXLOWER.encode(&self.bytes[..4]))
    }
}

impl MlDsaSignature {
    /// Takes a signature's bytes, if they are 2420.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(|bytes| Self(Box::new(bytes)))
    }

    /// The 2420 bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; SIGNATURE_BYTES] {
        &self.0
    }
}

impl fmt::Debug for MlDsaSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsaSignature({}..)", HEXLOWER.encode(&self.0[..4]))
    }
}

impl MlDsaVkey {
    /// Names a key.
    #[must_use]
    pub fn new(name: KeyName, key: MlDsaVerifyingKey) -> Self {
        let id = KeyId::of_type(&name, TYPE, key.as_bytes());
        Self { name, key, id }
    }

    /// The key's name, which its signatures cover.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &MlDsaVerifyingKey {
        &self.key
    }

    /// The key's id, which with the name finds its lines in a note.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

impl FromStr for MlDsaVkey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        let SplitVkey { name, id: stated, kind, key } = split_vkey(text)?;
        if kind != TYPE {
            return Err(VkeyError::UnknownType(kind));
        }
        let wrong = VkeyError::Length { needed: PUBLIC_KEY_BYTES, actual: key.len() };
        let key = MlDsaVerifyingKey::from_bytes(key.as_slice().try_into().map_err(|_| wrong)?);
        let vkey = Self::new(name, key);
        if vkey.id == stated { Ok(vkey) } else { Err(VkeyError::WrongId { stated, derived: vkey.id }) }
    }
}

impl fmt::Display for MlDsaVkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed: Vec<u8> = [TYPE].into_iter().chain(*self.key.as_bytes()).collect();
        write!(f, "{}+{}+{}", self.name, self.id, BASE64.encode(&typed))
    }
}

impl fmt::Debug for MlDsaVkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MlDsaVkey({}+{})", self.name, self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key() -> MlDsaSigningKey {
        MlDsaSigningKey::from_seed(&[5; 32])
    }

    #[test]
    fn a_signature_holds_for_its_key_and_message_only() {
        let (key, other) = (key(), MlDsaSigningKey::from_seed(&[6; 32]));
        let signature = key.sign(b"message");
        assert_eq!(key.verifying_key().verify(b"message", &signature), Ok(()));
        assert_eq!(key.sign(b"message"), signature);
        assert!(key.verifying_key().verify(b"messagf", &signature).is_err());
        assert!(other.verifying_key().verify(b"message", &signature).is_err());
    }

    /// Every byte takes part, the hint's padding at the end included.
    #[test]
    fn every_changed_byte_of_a_signature_is_noticed() {
        let key = key();
        let good = *key.sign(b"message").as_bytes();
        for position in 0..SIGNATURE_BYTES {
            let mut bytes = good;
            bytes[position] ^= 1 << (position % 8);
            let changed = MlDsaSignature::from_bytes(&bytes).unwrap();
            assert_eq!(key.verifying_key().verify(b"message", &changed), Err(VerifyError), "{position}");
        }
        assert_eq!(MlDsaSignature::from_bytes(&good[1..]), None);
    }

    #[test]
    fn vkeys_are_written_as_they_are_read() {
        let vkey = MlDsaVkey::new(KeyName::new("w.example").unwrap(), key().verifying_key().clone());
        let text = alloc::string::ToString::to_string(&vkey);
        assert_eq!(text.parse(), Ok(vkey));
        assert!(matches!(text.replace("w.", "v.").parse::<MlDsaVkey>(), Err(VkeyError::WrongId { .. })));
        let ed25519 = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        assert_eq!(ed25519.parse::<MlDsaVkey>(), Err(VkeyError::UnknownType(1)));
        assert_eq!(text.parse::<crate::Vkey>(), Err(VkeyError::UnknownType(6)));
        let length = VkeyError::Length { needed: 1312, actual: 2 };
        assert_eq!("n+00000000+BgEB".parse::<MlDsaVkey>(), Err(length));
    }

    #[test]
    fn debug_of_a_secret_shows_its_public_half() {
        assert_eq!(alloc::format!("{:?}", key()).len(), "MlDsaSigningKey(of 01234567..)".len());
    }
}
