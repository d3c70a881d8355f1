//! Ed25519 keys and signatures, under one acceptance rule for the whole network.
//!
//! Replicas must agree on which signatures are valid, or an entry that some accept and others
//! refuse stops the council. Plain RFC 8032 leaves room: implementations differ on the cofactor,
//! and batches differ from single checks. Jurat accepts a signature exactly when
//!
//! 1. the key is canonically encoded and not of small order,
//! 2. R and S are canonically encoded, and
//! 3. \[8\]\[S\]B = \[8\]R + \[8\]\[k\]A, the cofactored equation of [ZIP 215].
//!
//! [`SignatureBatch`](crate::SignatureBatch) decides by the same equation, so a batch accepts
//! what single checks accept. `docs/formats.md` states the rule for other languages.
//!
//! [ZIP 215]: https://zips.z.cash/zip-0215

use core::{fmt, hash};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize};
use zeroize::Zeroize;

/// An Ed25519 secret key. Erased when dropped; its `Debug` shows the public half only.
#[derive(Clone)]
pub struct SigningKey {
    inner: ed25519_zebra::SigningKey,
    public: VerifyingKey,
}

impl SigningKey {
    /// The key of an RFC 8032 seed (its "private key").
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let inner = ed25519_zebra::SigningKey::from(*seed);
        let key = inner.verification_key();
        Self { inner, public: VerifyingKey { bytes: key.into(), key } }
    }

    /// The seed, for writing a key file. Erase the copy after use.
    #[must_use]
    pub fn to_seed(&self) -> [u8; 32] {
        self.inner.to_bytes()
    }

    /// The public half.
    #[must_use]
    pub const fn verifying_key(&self) -> VerifyingKey {
        self.public
    }

    /// Signs `message` as RFC 8032 has it; the same message always gives the same bytes.
    ///
    /// Where Jurat defines the layout, sign through [`Domain`](crate::Domain) instead.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Signature {
        Signature::from_bytes(self.inner.sign(message).to_bytes())
    }
}

impl Drop for SigningKey {
    fn drop(&mut self) {
        self.inner.zeroize();
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey(of {:?})", self.public)
    }
}

/// Why 32 bytes are not a key that Jurat accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The coordinate is not below the field's prime, or the sign bit is set on a point without one.
    #[error("the Ed25519 key is not canonically encoded")]
    NonCanonical,
    /// No point of the curve has this encoding.
    #[error("the Ed25519 key is not a point on the curve")]
    NotOnCurve,
    /// One of the eight points under which a signature can hold for any message.
    #[error("the Ed25519 key has small order")]
    SmallOrder,
}

/// An Ed25519 public key that was checked when it was made.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "[u8; 32]", into = "[u8; 32]")]
pub struct VerifyingKey {
    bytes: [u8; 32],
    key: ed25519_zebra::VerificationKey,
}

impl VerifyingKey {
    /// Checks and takes an encoded key: canonical, on the curve, not of small order.
    pub fn from_bytes(bytes: [u8; 32]) -> Result<Self, KeyError> {
        if !is_canonical_point(&bytes) {
            return Err(KeyError::NonCanonical);
        }
        if SMALL_ORDER.contains(&bytes) {
            return Err(KeyError::SmallOrder);
        }
        let key = ed25519_zebra::VerificationKey::try_from(bytes).map_err(|_| KeyError::NotOnCurve)?;
        Ok(Self { bytes, key })
    }

    /// The encoded key.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.bytes
    }

    /// Checks `signature` over `message` by the rule at the top of this module.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), VerifyError> {
        if !is_canonical_point(&signature.r) {
            return Err(VerifyError);
        }
        let signature = ed25519_zebra::Signature::from_bytes(&signature.to_bytes());
        self.key.verify(&signature, message).map_err(|_| VerifyError)
    }
}

impl PartialEq for VerifyingKey {
    fn eq(&self, other: &Self) -> bool {
        self.bytes == other.bytes
    }
}

impl Eq for VerifyingKey {}

impl PartialOrd for VerifyingKey {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for VerifyingKey {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.bytes.cmp(&other.bytes)
    }
}

impl hash::Hash for VerifyingKey {
    fn hash<H: hash::Hasher>(&self, state: &mut H) {
        self.bytes.hash(state);
    }
}

impl TryFrom<[u8; 32]> for VerifyingKey {
    type Error = KeyError;

    fn try_from(bytes: [u8; 32]) -> Result<Self, KeyError> {
        Self::from_bytes(bytes)
    }
}

impl From<VerifyingKey> for [u8; 32] {
    fn from(key: VerifyingKey) -> Self {
        key.bytes
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..", HEXLOWER.encode(&self.bytes[..4]))
    }
}

/// An Ed25519 signature as it came, not yet checked against anything.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Signature {
    pub(crate) r: [u8; 32],
    s: [u8; 32],
}

impl Signature {
    /// Takes the 64 bytes R || S.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        let (mut r, mut s) = ([0; 32], [0; 32]);
        r.copy_from_slice(&bytes[..32]);
        s.copy_from_slice(&bytes[32..]);
        Self { r, s }
    }

    /// The 64 bytes R || S.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 64] {
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&self.r);
        bytes[32..].copy_from_slice(&self.s);
        bytes
    }
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}..)", HEXLOWER.encode(&self.r[..4]))
    }
}

/// A signature does not hold for this key and message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the signature does not verify")]
pub struct VerifyError;

/// The canonical encodings of the eight points of small order. Comparing bytes saves taking the
/// key's square root twice.
const SMALL_ORDER: [[u8; 32]; 8] = [
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x80,
    ],
    [
        0x01, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
        0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x85,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
        0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0xfa,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// Whether a point encoding is the only one of its point, judged from the bytes alone.
///
/// An encoding is 255 bits of y and the sign of x. It has a twin when y is not below
/// p = 2^255 - 19, or when x = 0 (y = 1 or y = -1) and the sign is set.
pub(crate) fn is_canonical_point(bytes: &[u8; 32]) -> bool {
    let mut y = *bytes;
    let negative = y[31] & 0x80 != 0;
    y[31] &= 0x7f;
    let high_is =
        |value: u8| y[31] == value && y[1..31].iter().all(|byte| *byte == if value == 0 { 0 } else { 0xff });
    let at_least_p = high_is(0x7f) && y[0] >= 0xed;
    let x_is_zero = (high_is(0) && y[0] == 1) || (high_is(0x7f) && y[0] == 0xec);
    !(at_least_p || (x_is_zero && negative))
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{
        constants::EIGHT_TORSION,
        edwards::{CompressedEdwardsY, EdwardsPoint},
        scalar::Scalar,
    };
    use data_encoding::HEXLOWER_PERMISSIVE;
    use proptest::prelude::*;

    use super::*;

    fn hex<const N: usize>(text: &str) -> [u8; N] {
        HEXLOWER_PERMISSIVE.decode(text.as_bytes()).unwrap().try_into().unwrap()
    }

    /// RFC 8032, section 7.1, tests 1 to 3.
    #[test]
    fn signs_and_verifies_as_rfc_8032() {
        let cases = [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
                "",
                "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
                "72",
                "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
            ),
            (
                "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
                "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
                "af82",
                "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
            ),
        ];
        for (seed, public, message, signature) in cases {
            let key = SigningKey::from_seed(&hex(seed));
            let message = HEXLOWER_PERMISSIVE.decode(message.as_bytes()).unwrap();
            assert_eq!(key.verifying_key().as_bytes(), &hex::<32>(public));
            assert_eq!(key.sign(&message).to_bytes(), hex::<64>(signature));
            assert_eq!(key.verifying_key().verify(&message, &key.sign(&message)), Ok(()));
        }
    }

    #[test]
    fn the_table_of_small_order_points_is_the_torsion_subgroup() {
        let mut torsion = EIGHT_TORSION.map(|point| point.compress().to_bytes());
        torsion.sort_unstable();
        assert_eq!(torsion, SMALL_ORDER);
    }

    #[test]
    fn small_order_and_non_canonical_keys_are_refused() {
        for point in EIGHT_TORSION {
            let bytes = point.compress().to_bytes();
            assert_eq!(VerifyingKey::from_bytes(bytes), Err(KeyError::SmallOrder));
        }
        // y = p, p + 1 (that is 0 and 1 again), the largest 255-bit value, and "minus zero".
        for low in [0xed, 0xee, 0xff] {
            for sign in [0x7f, 0xff] {
                let mut bytes = [0xff; 32];
                (bytes[0], bytes[31]) = (low, sign);
                assert_eq!(VerifyingKey::from_bytes(bytes), Err(KeyError::NonCanonical));
            }
        }
        let mut minus_zero = [0; 32];
        (minus_zero[0], minus_zero[31]) = (1, 0x80);
        assert_eq!(VerifyingKey::from_bytes(minus_zero), Err(KeyError::NonCanonical));
        let mut off_curve = [0; 32];
        off_curve[0] = 2;
        assert_eq!(VerifyingKey::from_bytes(off_curve), Err(KeyError::NotOnCurve));
    }

    /// A key with a torsion component is where cofactored and cofactorless checks part.
    #[test]
    fn the_cofactored_equation_decides() {
        let secret = Scalar::from_bytes_mod_order([9; 32]);
        let key_point = EdwardsPoint::mul_base(&secret) + EIGHT_TORSION[1];
        let key = VerifyingKey::from_bytes(key_point.compress().to_bytes()).unwrap();
        let nonce = Scalar::from_bytes_mod_order([5; 32]);
        let r = EdwardsPoint::mul_base(&nonce).compress().to_bytes();
        let mut cofactorless_refusals = 0;
        for i in 0..16_u8 {
            let message = [i];
            let challenge = challenge(&r, key.as_bytes(), &message);
            let s = nonce + challenge * secret;
            let signature = Signature { r, s: s.to_bytes() };
            assert_eq!(key.verify(&message, &signature), Ok(()));
            let cofactorless = EdwardsPoint::mul_base(&s) - challenge * key_point;
            cofactorless_refusals += usize::from(cofactorless.compress().to_bytes() != r);
        }
        assert!(cofactorless_refusals > 0, "the case must be one that a cofactorless check refuses");
    }

    fn challenge(r: &[u8; 32], key: &[u8; 32], message: &[u8]) -> Scalar {
        use sha2::{Digest, Sha512};
        let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
        Scalar::from_bytes_mod_order_wide(&hash.into())
    }

    #[test]
    fn a_signature_with_a_non_canonical_r_is_refused() {
        // R = identity written as y = p + 1: the equation would hold with S = k * secret.
        let secret = Scalar::from_bytes_mod_order([9; 32]);
        let key = VerifyingKey::from_bytes(EdwardsPoint::mul_base(&secret).compress().to_bytes()).unwrap();
        let mut canonical = [0; 32];
        canonical[0] = 1;
        let mut twin = [0xff; 32];
        (twin[0], twin[31]) = (0xee, 0x7f);
        for (r, accepted) in [(canonical, true), (twin, false)] {
            let s = challenge(&r, key.as_bytes(), b"m") * secret;
            let signature = Signature { r, s: s.to_bytes() };
            assert_eq!(key.verify(b"m", &signature).is_ok(), accepted);
        }
    }

    #[test]
    fn a_scalar_above_the_order_is_refused() {
        let key = SigningKey::from_seed(&[1; 32]);
        let signature = key.sign(b"m");
        // S + L satisfies the equation as well; L is the group order, little-endian.
        let order: [u8; 32] = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
        let mut sum = [0; 32];
        let mut carry = 0;
        for i in 0..32 {
            let total = u16::from(signature.s[i]) + u16::from(order[i]) + carry;
            sum[i] = total.to_le_bytes()[0];
            carry = total >> 8;
        }
        let malleated = Signature { r: signature.r, s: sum };
        assert_eq!(key.verifying_key().verify(b"m", &malleated), Err(VerifyError));
    }

    #[test]
    fn debug_of_a_secret_shows_no_secret() {
        let key = SigningKey::from_seed(&[0xab; 32]);
        assert!(!format!("{key:?}").contains("abab"));
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_noticed(seed: [u8; 32], message: Vec<u8>, bit in 0_usize..512) {
            let key = SigningKey::from_seed(&seed);
            let mut bytes = key.sign(&message).to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(key.verifying_key().verify(&message, &Signature::from_bytes(bytes)).is_err());
        }

        #[test]
        fn canonical_by_bytes_agrees_with_the_curve(bytes: [u8; 32], edge in 0_u8..4) {
            let mut bytes = bytes;
            match edge {
                0 => { bytes[1..31].fill(0xff); bytes[31] |= 0x7f; bytes[0] |= 0xe0; }
                1 => { bytes[1..31].fill(0); bytes[31] &= 0x80; bytes[0] &= 3; }
                _ => {}
            }
            if let Some(point) = CompressedEdwardsY(bytes).decompress() {
                prop_assert_eq!(is_canonical_point(&bytes), point.compress().to_bytes() == bytes);
            }
        }
    }
}
