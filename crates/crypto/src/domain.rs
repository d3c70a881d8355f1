//! Signing under a domain label and the network's id, so that no signature means two things.

use alloc::vec::Vec;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::{Digest, Signature, SigningKey, VerifyError, VerifyingKey};

/// Which network a signature belongs to: the digest of its genesis.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NetworkId(pub Digest);

impl fmt::Display for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NetworkId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NetworkId({:?})", self.0)
    }
}

/// What a signature is for, such as `jurat/v1/pbft/prepare`.
///
/// A label is a constant of the program, at most 255 bytes of printable ASCII; two labels are
/// never the same text. `docs/formats.md` lists them all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Domain(&'static str);

impl Domain {
    /// Makes a label from a constant.
    ///
    /// # Panics
    ///
    /// When the label is empty, longer than 255 bytes or not printable ASCII. In a `const`, where
    /// labels belong, that is a compile error.
    #[must_use]
    pub const fn new(label: &'static str) -> Self {
        let bytes = label.as_bytes();
        assert!(!(bytes.is_empty() || bytes.len() > 255), "a domain label has 1 to 255 bytes");
        let mut i = 0;
        while i < bytes.len() {
            assert!(bytes[i].is_ascii_graphic(), "a domain label is printable ASCII");
            i += 1;
        }
        Self(label)
    }

    /// The label's text.
    #[must_use]
    pub const fn label(self) -> &'static str {
        self.0
    }

    /// The bytes that are signed: label length (1), label, network id (32), body.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "`new` bounds the length by 255")]
    pub fn message(self, network: NetworkId, body: &[u8]) -> Vec<u8> {
        let mut message = Vec::with_capacity(1 + self.0.len() + 32 + body.len());
        message.push(self.0.len() as u8);
        message.extend_from_slice(self.0.as_bytes());
        message.extend_from_slice(network.0.as_bytes());
        message.extend_from_slice(body);
        message
    }

    /// Signs `body` for this domain and network.
    #[must_use]
    pub fn sign(self, key: &SigningKey, network: NetworkId, body: &[u8]) -> Signature {
        key.sign(&self.message(network, body))
    }

    /// Checks a signature over `body` for this domain and network.
    pub fn verify(
        self,
        key: &VerifyingKey,
        network: NetworkId,
        body: &[u8],
        signature: &Signature,
    ) -> Result<(), VerifyError> {
        key.verify(&self.message(network, body), signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOTE: Domain = Domain::new("jurat/test/vote");
    const LINK: Domain = Domain::new("jurat/test/link");

    #[test]
    fn a_signature_holds_for_its_domain_network_and_body_only() {
        let key = SigningKey::from_seed(&[7; 32]);
        let (home, other) = (NetworkId(Digest::of(b"home")), NetworkId(Digest::of(b"other")));
        let signature = VOTE.sign(&key, home, b"body");
        let check = |domain: Domain, network, body: &[u8]| {
            domain.verify(&key.verifying_key(), network, body, &signature)
        };
        assert_eq!(check(VOTE, home, b"body"), Ok(()));
        assert!(check(LINK, home, b"body").is_err());
        assert!(check(VOTE, other, b"body").is_err());
        assert!(check(VOTE, home, b"bodY").is_err());
    }
}
