//! Prekeys: signed, dated X25519 keys that are erased when their time is over, so that whoever
//! steals a node's keys later opens none of its old mail.

use alloc::vec::Vec;

use super::{SealingKey, SealingKeyError, SealingPublicKey};
use crate::{Domain, KeyError, NetworkId, Signature, SigningKey, VerifyingKey};

const PREKEY: Domain = Domain::new("jurat/v1/prekey");

/// The most prekeys whose secrets a node keeps.
pub const MAX_PREKEYS: usize = 16;

/// A public prekey, before its owner signs it. Times are seconds since the Unix epoch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Prekey {
    /// The key to seal to.
    pub key: SealingPublicKey,
    /// From when on it is used.
    pub from: u32,
    /// Until when it is used; after that, and a time for late mail, its secret is erased.
    pub until: u32,
}

/// A prekey that its owner signed, checked when it was made.
///
/// 136 bytes: owner (32), X25519 key (32), from (u32), until (u32), and the owner's signature under
/// `jurat/v1/prekey` over the key and the two times.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SignedPrekey {
    owner: VerifyingKey,
    prekey: Prekey,
    signature: Signature,
}

/// Why bytes are not a signed prekey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PrekeyError {
    /// The wrong length.
    #[error("a signed prekey has {bytes} bytes, this one has {0}", bytes = SignedPrekey::BYTES)]
    Length(usize),
    /// Its owner's key is not one.
    #[error("the prekey's owner: {0}")]
    Owner(#[from] KeyError),
    /// The key itself is not one.
    #[error("the prekey: {0}")]
    Key(#[from] SealingKeyError),
    /// It ends before it begins.
    #[error("the prekey ends at {until}, before it begins at {from}")]
    Times {
        /// Its first second.
        from: u32,
        /// Its last second.
        until: u32,
    },
    /// The owner did not sign it, or for another network.
    #[error("the prekey's signature does not hold")]
    Signature,
}

impl Prekey {
    fn signed(&self) -> [u8; 40] {
        let mut bytes = [0; 40];
        bytes[..32].copy_from_slice(self.key.as_bytes());
        bytes[32..36].copy_from_slice(&self.from.to_be_bytes());
        bytes[36..].copy_from_slice(&self.until.to_be_bytes());
        bytes
    }

    /// Signs it for publication.
    pub fn sign(self, owner: &SigningKey, network: NetworkId) -> Result<SignedPrekey, PrekeyError> {
        if self.until < self.from {
            return Err(PrekeyError::Times { from: self.from, until: self.until });
        }
        let signature = PREKEY.sign(owner, network, &self.signed());
        Ok(SignedPrekey { owner: owner.verifying_key(), prekey: self, signature })
    }
}

impl SignedPrekey {
    /// Its length.
    pub const BYTES: usize = 32 + 40 + 64;

    /// Reads a prekey and checks its signature.
    pub fn decode(bytes: &[u8], network: NetworkId) -> Result<Self, PrekeyError> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().map_err(|_| PrekeyError::Length(bytes.len()))?;
        let (mut owner, mut key, mut signature) = ([0; 32], [0; 32], [0; 64]);
        owner.copy_from_slice(&bytes[..32]);
        key.copy_from_slice(&bytes[32..64]);
        signature.copy_from_slice(&bytes[72..]);
        let from = u32::from_be_bytes([bytes[64], bytes[65], bytes[66], bytes[67]]);
        let until = u32::from_be_bytes([bytes[68], bytes[69], bytes[70], bytes[71]]);
        if until < from {
            return Err(PrekeyError::Times { from, until });
        }
        let prekey = Prekey { key: SealingPublicKey::from_bytes(key)?, from, until };
        let owner = VerifyingKey::from_bytes(owner)?;
        let signature = Signature::from_bytes(signature);
        PREKEY.verify(&owner, network, &prekey.signed(), &signature).map_err(|_| PrekeyError::Signature)?;
        Ok(Self { owner, prekey, signature })
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        [self.owner.as_bytes(), self.prekey.signed().as_slice(), &self.signature.to_bytes()].concat()
    }

    /// Who published it.
    #[must_use]
    pub const fn owner(&self) -> &VerifyingKey {
        &self.owner
    }

    /// From when on it is used, in seconds since the Unix epoch.
    #[must_use]
    pub const fn begins(&self) -> u32 {
        self.prekey.from
    }

    /// The key to seal to at `now`, if it is its time.
    #[must_use]
    pub fn key_at(&self, now: u32) -> Option<&SealingPublicKey> {
        (self.prekey.from..=self.prekey.until).contains(&now).then_some(&self.prekey.key)
    }
}

/// The secrets of a node's prekeys, each until its time is over.
#[derive(Debug, Default)]
pub struct PrekeyRing {
    /// Each with the second after which it is erased.
    keys: Vec<(u32, SealingKey)>,
}

/// The ring is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_PREKEYS} prekeys are in use; wait until one expires")]
pub struct PrekeyRingError;

impl PrekeyRing {
    /// Keeps a secret until `erase_after`, in seconds since the Unix epoch: the end of the prekey and
    /// a time for mail that was sealed in its last moment.
    pub fn keep(&mut self, key: SealingKey, erase_after: u32) -> Result<(), PrekeyRingError> {
        if self.keys.len() >= MAX_PREKEYS {
            return Err(PrekeyRingError);
        }
        self.keys.push((erase_after, key));
        Ok(())
    }

    /// Erases what is over, and says how many. Copies on disk are the caller's to erase.
    pub fn erase_expired(&mut self, now: u32) -> usize {
        let before = self.keys.len();
        self.keys.retain(|(erase_after, _)| *erase_after >= now);
        before - self.keys.len()
    }

    /// The secrets there are, newest first: the likeliest to open a letter.
    pub fn keys(&self) -> impl Iterator<Item = &SealingKey> {
        self.keys.iter().rev().map(|(_, key)| key)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Digest;

    const NETWORK: NetworkId = NetworkId(Digest::from_bytes([3; 32]));

    fn published() -> SignedPrekey {
        let key = SealingKey::from_bytes(&[5; 32]).public();
        Prekey { key, from: 100, until: 200 }.sign(&SigningKey::from_seed(&[1; 32]), NETWORK).unwrap()
    }

    #[test]
    fn a_prekey_counts_in_its_time_and_network() {
        let prekey = published();
        assert_eq!(SignedPrekey::decode(&prekey.encode(), NETWORK), Ok(prekey.clone()));
        assert_eq!([99, 100, 200, 201].map(|now| prekey.key_at(now).is_some()), [false, true, true, false]);
        let elsewhere = NetworkId(Digest::of(b"elsewhere"));
        assert_eq!(SignedPrekey::decode(&prekey.encode(), elsewhere), Err(PrekeyError::Signature));
        let backwards = Prekey { from: 2, until: 1, ..prekey.prekey };
        assert!(backwards.sign(&SigningKey::from_seed(&[1; 32]), NETWORK).is_err());
    }

    #[test]
    fn a_prekey_of_small_order_or_second_spelling_is_refused_though_its_owner_signed_it() {
        let owner = SigningKey::from_seed(&[1; 32]);
        let with_key = |key: [u8; 32], from: u32, until: u32| {
            let body = [key.as_slice(), &from.to_be_bytes(), &until.to_be_bytes()].concat();
            let signature = PREKEY.sign(&owner, NETWORK, &body).to_bytes();
            SignedPrekey::decode(&[owner.verifying_key().as_bytes(), &*body, &signature].concat(), NETWORK)
        };
        let good = *SealingKey::from_bytes(&[5; 32]).public().as_bytes();
        assert!(with_key(good, 100, 200).is_ok());
        assert_eq!(with_key([0; 32], 100, 200), Err(PrekeyError::Key(SealingKeyError::SmallOrder)));
        let mut spelled = good;
        spelled[31] |= 0x80;
        assert_eq!(with_key(spelled, 100, 200), Err(PrekeyError::Key(SealingKeyError::NonCanonical)));
        assert_eq!(with_key(good, 200, 199), Err(PrekeyError::Times { from: 200, until: 199 }));
    }

    #[test]
    fn erased_secrets_are_gone_and_the_ring_is_bounded() {
        let mut ring = PrekeyRing::default();
        for i in 0..MAX_PREKEYS {
            let seed = [u8::try_from(i).unwrap(); 32];
            ring.keep(SealingKey::from_bytes(&seed), u32::try_from(i).unwrap()).unwrap();
        }
        assert_eq!(ring.keep(SealingKey::from_bytes(&[99; 32]), 1), Err(PrekeyRingError));
        assert_eq!(ring.erase_expired(10), 10);
        assert_eq!(ring.keys().count(), MAX_PREKEYS - 10);
        let oldest = SealingKey::from_bytes(&[10; 32]).public();
        assert_eq!(ring.keys().last().map(SealingKey::public), Some(oldest));
    }

    proptest! {
        #[test]
        fn every_flipped_bit_is_noticed(bit in 0..SignedPrekey::BYTES * 8) {
            let mut bytes = published().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(SignedPrekey::decode(&bytes, NETWORK).is_err());
            prop_assert!(SignedPrekey::decode(&bytes[..bit / 8], NETWORK).is_err());
        }
    }
}
