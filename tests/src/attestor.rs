//! Who attests in the suites: keys from names, envelopes without a file in between.

use jurat_crypto::{Digest, KeyName, SignatureType, SigningKey, Vkey};
use jurat_log::{Attestation, Entry, STATEMENT_PAYLOAD_TYPE, Statement, Subject};

/// An attestor whose key follows from its name.
#[derive(Debug, Clone)]
pub struct Attestor {
    name: KeyName,
    key: SigningKey,
}

impl Attestor {
    /// The attestor of a name.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let seed = Digest::of(name.as_bytes());
        Self { name: KeyName::new(name).expect("a name"), key: SigningKey::from_seed(seed.as_bytes()) }
    }

    /// The public half.
    #[must_use]
    pub fn vkey(&self) -> Vkey {
        Vkey::new(self.name.clone(), SignatureType::Ed25519, self.key.verifying_key())
    }

    /// The key.
    #[must_use]
    pub const fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Attests a file of this name, whose content is its name.
    #[must_use]
    pub fn attest(&self, file: &str) -> Attestation {
        let subject = Subject::file(file, &Digest::of(file.as_bytes()));
        let payload = Statement::compose(&[subject], "https://example.com/seen", None, &self.vkey());
        self.sign(STATEMENT_PAYLOAD_TYPE, &payload.expect("a statement"))
    }

    /// Signs any payload.
    #[must_use]
    pub fn sign(&self, payload_type: &str, payload: &[u8]) -> Attestation {
        Attestation::sign(&self.key, self.name.clone(), payload_type, payload.to_vec()).expect("it fits")
    }
}

/// The leaf hash of an attestation's entry, in hex.
#[must_use]
pub fn leaf_hash(attestation: &Attestation) -> String {
    Entry::Attestation(attestation.clone()).leaf_hash().to_string()
}
