//! Key packages: how a node that is offline is invited.
//!
//! ```text
//! package   = owner's Ed25519 key (32) || until (u32) || last resort 0 or 1 (1) || signature (64) || MLS KeyPackage
//! signature = under jurat/v1/gate-package, by the owner, over until || last resort || MLS KeyPackage
//! ```
//!
//! The MLS package is signed by the same key, but knows neither the network nor, in a way that all
//! members judge alike, its dates.

use jurat_crypto::{Domain, NetworkId, Signature, SigningKey, VerifyingKey};
use openmls::prelude::{
    KeyPackage, KeyPackageIn, ProtocolVersion,
    tls_codec::{DeserializeBytes, Serialize},
};

use crate::{
    bytes::Reader,
    crypto::{Crypto, SUITE},
    entropy::Entropy,
    identity,
    provider::always,
};

const PACKAGE: Domain = Domain::new("jurat/v1/gate-package");
/// The most bytes of a package.
pub const MAX_PACKAGE_BYTES: usize = 2048;

/// Why bytes are not a package that anyone may be invited with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// Too short, too long, or with something left over.
    #[error("{0} bytes are no key package")]
    Shape(usize),
    /// The owner did not sign it for this network.
    #[error("the key package's owner did not sign it for this network")]
    Signature,
    /// The MLS package within is damaged, badly signed or of another ciphersuite.
    #[error("the MLS key package is not valid")]
    Mls,
    /// The MLS package names another member than its owner, or none.
    #[error("the MLS key package is not its owner's")]
    Foreign,
}

/// A key package that was checked, and whose.
#[derive(Clone, PartialEq, Debug)]
pub struct SignedPackage {
    owner: VerifyingKey,
    until: u32,
    signature: Signature,
    package: KeyPackage,
    encoded: Vec<u8>,
}

impl SignedPackage {
    /// Signs a package that was just made.
    pub(crate) fn sign(
        package: KeyPackage,
        until: u32,
        key: &SigningKey,
        network: NetworkId,
    ) -> Option<Self> {
        let encoded = package.tls_serialize_detached().ok()?;
        let signature = PACKAGE.sign(key, network, &signed(until, package.last_resort(), &encoded));
        Some(Self { owner: key.verifying_key(), until, signature, package, encoded })
    }

    /// Reads and checks a package; not its date.
    pub fn decode(bytes: &[u8], network: NetworkId) -> Result<Self, PackageError> {
        let shape = PackageError::Shape(bytes.len());
        if bytes.len() > MAX_PACKAGE_BYTES {
            return Err(shape);
        }
        let mut reader = Reader(bytes);
        let mut read = || Some((*reader.array()?, reader.u32()?, reader.u8()?, *reader.array()?, reader.0));
        let (owner, until, last_resort, signature, encoded) = read().ok_or(shape)?;
        let owner = VerifyingKey::from_bytes(owner).map_err(|_| PackageError::Signature)?;
        let last_resort = match last_resort {
            0 => false,
            1 => true,
            _ => return Err(shape),
        };
        let signature = Signature::from_bytes(signature);
        PACKAGE
            .verify(&owner, network, &signed(until, last_resort, encoded), &signature)
            .map_err(|_| PackageError::Signature)?;

        let crypto = Crypto(Entropy::none().into());
        let package = KeyPackageIn::tls_deserialize_exact_bytes(encoded)
            .ok()
            .and_then(|package| package.validate(&crypto, ProtocolVersion::Mls10).ok())
            .filter(|package| package.ciphersuite() == SUITE && *package.life_time() == always())
            .filter(|package| package.last_resort() == last_resort)
            .ok_or(PackageError::Mls)?;
        if identity::of_leaf(package.leaf_node()) != Ok(owner) {
            return Err(PackageError::Foreign);
        }
        // One spelling: what was signed is what is read again.
        if package.tls_serialize_detached().ok().as_deref() != Some(encoded) {
            return Err(PackageError::Mls);
        }
        Ok(Self { owner, until, signature, package, encoded: encoded.to_vec() })
    }

    /// The bytes to publish.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.owner.as_bytes().to_vec();
        bytes.extend_from_slice(&self.until.to_be_bytes());
        bytes.push(self.last_resort().into());
        bytes.extend_from_slice(&self.signature.to_bytes());
        bytes.extend_from_slice(&self.encoded);
        bytes
    }

    /// Whose it is.
    #[must_use]
    pub const fn owner(&self) -> &VerifyingKey {
        &self.owner
    }

    /// Until when it counts, in seconds since the Unix epoch.
    #[must_use]
    pub const fn until(&self) -> u32 {
        self.until
    }

    /// Whether it stays when it is used: for when all others are.
    #[must_use]
    pub fn last_resort(&self) -> bool {
        self.package.last_resort()
    }

    pub(crate) const fn key_package(&self) -> &KeyPackage {
        &self.package
    }
}

fn signed(until: u32, last_resort: bool, encoded: &[u8]) -> Vec<u8> {
    [until.to_be_bytes().as_slice(), &[last_resort.into()], encoded].concat()
}
