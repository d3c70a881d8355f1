//! A member is its node's Ed25519 key: credential, signature key and signer are the same key.

use jurat_crypto::{SigningKey, VerifyingKey};
use openmls::prelude::{BasicCredential, Credential, CredentialWithKey, LeafNode, Member};
use openmls_traits::{
    signatures::{Signer, SignerError},
    types::SignatureScheme,
};

/// A leaf whose credential does not name the key that signs for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a member's credential is not its signature key")]
pub struct UnboundKey;

/// Signs with a key that openmls never sees.
pub(crate) struct NodeSigner<'a>(pub(crate) &'a SigningKey);

impl Signer for NodeSigner<'_> {
    fn sign(&self, payload: &[u8]) -> Result<Vec<u8>, SignerError> {
        Ok(self.0.sign(payload).to_bytes().to_vec())
    }

    fn signature_scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

pub(crate) fn credential(key: &VerifyingKey) -> CredentialWithKey {
    let bytes = key.as_bytes().to_vec();
    CredentialWithKey { credential: BasicCredential::new(bytes.clone()).into(), signature_key: bytes.into() }
}

/// The key of a member.
pub(crate) fn of_member(member: &Member) -> Result<VerifyingKey, UnboundKey> {
    bound(&member.credential, &member.signature_key)
}

/// The key of a leaf.
pub(crate) fn of_leaf(leaf: &LeafNode) -> Result<VerifyingKey, UnboundKey> {
    bound(leaf.credential(), leaf.signature_key().as_slice())
}

/// The key that a credential names.
pub(crate) fn named(credential: &Credential) -> Result<VerifyingKey, UnboundKey> {
    let named = BasicCredential::try_from(credential.clone()).map_err(|_| UnboundKey)?;
    let bytes = named.identity().try_into().map_err(|_| UnboundKey)?;
    VerifyingKey::from_bytes(bytes).map_err(|_| UnboundKey)
}

fn bound(credential: &Credential, key: &[u8]) -> Result<VerifyingKey, UnboundKey> {
    let named = named(credential)?;
    if named.as_bytes() == key { Ok(named) } else { Err(UnboundKey) }
}
