//! Checking many signatures at once, with exactly the verdict of checking them one by one.

use core::fmt;

use ed25519_zebra::{Signature as ZebraSignature, VerificationKeyBytes, batch};
use rand_core::CryptoRng;

use crate::{Signature, VerifyError, VerifyingKey, ed25519::is_canonical_point};

/// Signatures collected for one joint check, about half the cost of single checks from a few
/// dozen on.
///
/// A batch says only whether *all* hold. When it fails, check the members singly to find the
/// culprit; the verdicts never contradict, because both decide by the cofactored equation.
#[derive(Default)]
pub struct SignatureBatch {
    verifier: batch::Verifier,
    refused: bool,
    len: usize,
}

impl SignatureBatch {
    /// An empty batch.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds one signature. The message is hashed here and not kept.
    pub fn push(&mut self, key: &VerifyingKey, message: &[u8], signature: &Signature) {
        self.len += 1;
        if !is_canonical_point(&signature.r) {
            self.refused = true;
            return;
        }
        let key = VerificationKeyBytes::from(*key.as_bytes());
        let signature = ZebraSignature::from_bytes(&signature.to_bytes());
        self.verifier.queue((key, signature, message));
    }

    /// How many signatures were added.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether none was added.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Checks them all. An empty batch holds.
    ///
    /// `rng` draws the random weights; whoever can predict them could make bad signatures cancel
    /// out, so it must be cryptographic and seeded from the operating system.
    pub fn verify(self, rng: impl CryptoRng) -> Result<(), VerifyError> {
        if self.refused {
            return Err(VerifyError);
        }
        self.verifier.verify(rng).map_err(|_| VerifyError)
    }
}

impl fmt::Debug for SignatureBatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignatureBatch({} signatures)", self.len)
    }
}

#[cfg(test)]
mod tests {
    use curve25519_dalek::{constants::EIGHT_TORSION, edwards::EdwardsPoint, scalar::Scalar};
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;
    use crate::SigningKey;

    fn signed(count: u8) -> Vec<(VerifyingKey, Vec<u8>, Signature)> {
        (0..count)
            .map(|i| {
                let key = SigningKey::from_seed(&[i / 2; 32]);
                let message = vec![i; usize::from(i)];
                let signature = key.sign(&message);
                (key.verifying_key(), message, signature)
            })
            .collect()
    }

    fn verify(items: &[(VerifyingKey, Vec<u8>, Signature)]) -> Result<(), VerifyError> {
        let mut batch = SignatureBatch::new();
        for (key, message, signature) in items {
            batch.push(key, message, signature);
        }
        assert_eq!(batch.len(), items.len());
        batch.verify(StdRng::from_seed([3; 32]))
    }

    #[test]
    fn good_batches_hold_and_the_empty_one_too() {
        for count in [0, 1, 2, 40] {
            assert_eq!(verify(&signed(count)), Ok(()), "{count}");
        }
    }

    /// Keys and nonces with torsion: single checks accept them, a plain batch would not always.
    #[test]
    fn torsion_gets_the_verdict_of_the_single_check() {
        use sha2::{Digest, Sha512};
        for (i, torsion) in EIGHT_TORSION.iter().enumerate() {
            let secret = Scalar::from_bytes_mod_order([9; 32]);
            let key = EdwardsPoint::mul_base(&secret) + torsion;
            let key = VerifyingKey::from_bytes(key.compress().to_bytes()).unwrap();
            let nonce = Scalar::from_bytes_mod_order([5; 32]);
            let r = (EdwardsPoint::mul_base(&nonce) + EIGHT_TORSION[7 - i]).compress();
            let message = vec![1];
            let hash = Sha512::new().chain_update(r.0).chain_update(key.as_bytes()).chain_update(&message);
            let s = nonce + Scalar::from_bytes_mod_order_wide(&hash.finalize().into()) * secret;
            let mut bytes = [0; 64];
            bytes[..32].copy_from_slice(&r.0);
            bytes[32..].copy_from_slice(&s.to_bytes());
            let signature = Signature::from_bytes(bytes);
            assert_eq!(key.verify(&message, &signature), Ok(()));
            let mut items = signed(5);
            items.push((key, message, signature));
            assert_eq!(verify(&items), Ok(()));
        }
    }

    proptest! {
        #[test]
        fn one_bad_signature_fails_the_batch(count in 1_u8..24, victim: prop::sample::Index, bit in 0_usize..512) {
            let mut items = signed(count);
            let item = victim.get_mut(&mut items);
            let mut bytes = item.2.to_bytes();
            bytes[bit / 8] ^= 1 << (bit % 8);
            item.2 = Signature::from_bytes(bytes);
            prop_assert!(verify(&items).is_err());
        }
    }
}
