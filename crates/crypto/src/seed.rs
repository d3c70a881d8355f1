//! The one secret of a node, and the keys derived from it, one for each use.

use core::fmt;

use hkdf::Hkdf;
use sha2::Sha256;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::SigningKey;

/// 32 secret bytes from which all keys of a node are derived. Erased when dropped.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Seed([u8; 32]);

/// What a derived key is for. Each use has its own key, so that no protocol can be made to sign
/// for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyUse {
    /// Identifies the node to its peers; signs the static key of its links.
    Link,
    /// Votes in consensus.
    Vote,
    /// Signs checkpoints as a log (note type 0x01).
    Log,
    /// Cosigns checkpoints as a member or witness (note type 0x04).
    Cosign,
}

impl KeyUse {
    /// The HKDF info string of this use.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Link => "jurat/v1/key/link",
            Self::Vote => "jurat/v1/key/vote",
            Self::Log => "jurat/v1/key/log",
            Self::Cosign => "jurat/v1/key/cosign",
        }
    }
}

impl Seed {
    /// Takes 32 bytes of entropy.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for writing a key file.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The signing key for one use.
    #[must_use]
    pub fn signing_key(&self, key_use: KeyUse) -> SigningKey {
        let mut bytes = self.expand(key_use.label());
        let key = SigningKey::from_seed(&bytes);
        bytes.zeroize();
        key
    }

    /// The X25519 secret of the node's links (Noise static key), unclamped.
    #[must_use]
    pub fn link_static_secret(&self) -> zeroize::Zeroizing<[u8; 32]> {
        self.expand("jurat/v1/key/link-static").into()
    }

    /// The key that cosigns checkpoints beside the one of [`KeyUse::Cosign`] (note type 0x06).
    #[cfg(feature = "ml-dsa")]
    #[must_use]
    pub fn ml_dsa_cosigning_key(&self) -> crate::MlDsaSigningKey {
        let mut bytes = self.expand("jurat/v1/key/cosign-ml-dsa-44");
        let key = crate::MlDsaSigningKey::from_seed(&bytes);
        bytes.zeroize();
        key
    }

    /// HKDF-SHA256 (RFC 5869) with an empty salt.
    #[expect(clippy::expect_used, reason = "32 bytes are one block; HKDF gives up to 255")]
    fn expand(&self, label: &str) -> [u8; 32] {
        let mut bytes = [0; 32];
        Hkdf::<Sha256>::new(None, &self.0).expand(label.as_bytes(), &mut bytes).expect("one block of output");
        bytes
    }
}

impl fmt::Debug for Seed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seed(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_key_and_the_same_one_every_time() {
        let seed = Seed::from_bytes([1; 32]);
        let uses = [KeyUse::Link, KeyUse::Vote, KeyUse::Log, KeyUse::Cosign];
        let mut seen: Vec<[u8; 32]> = uses.map(|u| seed.signing_key(u).to_seed()).to_vec();
        seen.push(*seed.link_static_secret());
        assert_eq!(uses.map(|u| seed.signing_key(u).to_seed()).as_slice(), &seen[..4]);
        seen.push(*seed.as_bytes());
        seen.sort_unstable();
        seen.dedup();
        assert_eq!(seen.len(), 6);
    }

    /// Computed with an independent HKDF (Python's hmac), so that another implementation can
    /// derive the same keys from a backed-up seed.
    #[test]
    fn derivation_is_fixed() {
        let seed = Seed::from_bytes([1; 32]);
        let hex = |bytes: &[u8]| data_encoding::HEXLOWER.encode(bytes);
        assert_eq!(
            hex(&seed.signing_key(KeyUse::Vote).to_seed()),
            "13a18f3550615fa710f5e90e5185522d568e8eef02cdb09e8bfe21de46fdcae5"
        );
        assert_eq!(
            hex(&*seed.link_static_secret()),
            "a587e2b8f668fae5d1c7c25330a25397ee012842d6f857a0ae781c846fa11439"
        );
    }
}
