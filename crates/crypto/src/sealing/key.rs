//! X25519 keys that letters are sealed to, apart from the keys that sign.

use core::fmt;

use data_encoding::HEXLOWER;
use hpke::{Deserializable, Kem as _, Serializable};
use zeroize::Zeroizing;

use super::Kem;

/// A secret X25519 key. Erased when dropped; its `Debug` shows the public half only.
#[derive(Clone)]
pub struct SealingKey {
    inner: <Kem as hpke::Kem>::PrivateKey,
    public: SealingPublicKey,
}

impl SealingKey {
    /// The key of 32 bytes of entropy, clamped as RFC 7748 has it.
    #[must_use]
    #[expect(clippy::expect_used, reason = "32 bytes are what a private key has")]
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        let inner = <Kem as hpke::Kem>::PrivateKey::from_bytes(bytes).expect("32 bytes");
        let inner_public = Kem::sk_to_pk(&inner);
        let bytes = inner_public.to_bytes().into();
        Self { inner, public: SealingPublicKey { bytes, inner: inner_public } }
    }

    /// The secret's 32 bytes, clamped, for keeping it in a file.
    #[must_use]
    pub fn to_bytes(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.inner.to_bytes().into())
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> SealingPublicKey {
        self.public.clone()
    }

    pub(super) const fn hpke(&self) -> &<Kem as hpke::Kem>::PrivateKey {
        &self.inner
    }
}

impl fmt::Debug for SealingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKey(of {:?})", self.public)
    }
}

/// A public X25519 key that was checked when it was made.
#[derive(Clone)]
pub struct SealingPublicKey {
    bytes: [u8; 32],
    inner: <Kem as hpke::Kem>::PublicKey,
}

/// Why 32 bytes are not a key that anything is sealed to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealingKeyError {
    /// The coordinate is not below the field's prime 2^255 - 19, or its unused bit is set.
    #[error("the X25519 key is not canonically encoded")]
    NonCanonical,
    /// With one of these points every key agreement gives zeros: whatever is sealed, all can open.
    #[error("the X25519 key has small order")]
    SmallOrder,
}

impl SealingPublicKey {
    /// Checks and takes a key: canonical and not of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, SealingKeyError> {
        if !is_canonical(&bytes) {
            return Err(SealingKeyError::NonCanonical);
        }
        if SMALL_ORDER.contains(&bytes) {
            return Err(SealingKeyError::SmallOrder);
        }
        let inner =
            <Kem as hpke::Kem>::PublicKey::from_bytes(&bytes).map_err(|_| SealingKeyError::NonCanonical)?;
        Ok(Self { bytes, inner })
    }

    /// The u-coordinate, little-endian (RFC 7748).
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    pub(super) const fn hpke(&self) -> &<Kem as hpke::Kem>::PublicKey {
        &self.inner
    }
}

impl PartialEq for SealingPublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for SealingPublicKey {}

impl fmt::Debug for SealingPublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", HEXLOWER.encode(&self.bytes[..4]))
    }
}

/// Below 2^255 - 19.
fn is_canonical(bytes: &[u8; 32]) -> bool {
    let [low, middle @ .., high] = bytes;
    *high < 0x7f || (*high == 0x7f && (*low < 0xed || middle.iter().any(|byte| *byte != 0xff)))
}

/// The canonical coordinates of small order, on the curve and on its twist: 0, 1, two of order 8,
/// and -1.
const SMALL_ORDER: [[u8; 32]; 5] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0xe0, 0xeb, 0x7a, 0x7c, 0x3b, 0x41, 0xb8, 0xae, 0x16, 0x56, 0xe3, 0xfa, 0xf1, 0x9f, 0xc4, 0x6a, 0xda,
        0x09, 0x8d, 0xeb, 0x9c, 0x32, 0xb1, 0xfd, 0x86, 0x62, 0x05, 0x16, 0x5f, 0x49, 0xb8, 0x00,
    ],
    [
        0x5f, 0x9c, 0x95, 0xbc, 0xa3, 0x50, 0x8c, 0x24, 0xb1, 0xd0, 0xb1, 0x55, 0x9c, 0x83, 0xef, 0x5b, 0x04,
        0x44, 0x5c, 0xc4, 0x58, 0x1c, 0x8e, 0x86, 0xd8, 0x22, 0x4e, 0xdd, 0xd0, 0x9f, 0x11, 0x57,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

#[cfg(test)]
mod tests {
    use curve25519_dalek::{MontgomeryPoint, constants::EIGHT_TORSION, scalar::Scalar};

    use super::*;

    #[test]
    fn keys_of_small_order_are_refused_all_of_them() {
        let by_torsion = EIGHT_TORSION.map(|point| point.to_montgomery().to_bytes());
        for bytes in by_torsion.into_iter().chain(SMALL_ORDER) {
            assert_eq!(SealingPublicKey::from_bytes(bytes), Err(SealingKeyError::SmallOrder));
            let product = MontgomeryPoint(bytes) * Scalar::from(8_u8);
            assert_eq!(product.to_bytes(), [0; 32], "the list holds nothing else");
        }
    }

    #[test]
    fn second_spellings_of_coordinates_are_refused() {
        for low in 0xed..=0xff {
            let mut bytes = [0xff; 32];
            (bytes[0], bytes[31]) = (low, 0x7f);
            assert_eq!(SealingPublicKey::from_bytes(bytes), Err(SealingKeyError::NonCanonical));
        }
        let mut bytes = *SealingKey::from_bytes(&[7; 32]).public().as_bytes();
        assert!(SealingPublicKey::from_bytes(bytes).is_ok());
        bytes[31] |= 0x80;
        assert_eq!(SealingPublicKey::from_bytes(bytes), Err(SealingKeyError::NonCanonical));
        let mut below = [0xff; 32];
        (below[0], below[31]) = (0xeb, 0x7f);
        assert!(SealingPublicKey::from_bytes(below).is_ok());
        // Nor is a high byte at both ends enough.
        let mut middle = [0; 32];
        (middle[0], middle[31]) = (0xff, 0x7f);
        assert!(SealingPublicKey::from_bytes(middle).is_ok());
    }

    #[test]
    fn a_key_is_the_same_after_it_was_kept_and_shows_no_secret() {
        let key = SealingKey::from_bytes(&[0xab; 32]);
        assert_eq!(SealingKey::from_bytes(&key.to_bytes()).public(), key.public());
        assert!(!format!("{key:?}").contains("abab"));
    }
}
