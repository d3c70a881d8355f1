//! What openmls runs on: our cryptography, the caller's randomness, and a map in memory.

use std::sync::Arc;

use openmls::prelude::*;
use openmls_memory_storage::MemoryStorage;
use rand_core::CryptoRng;

use crate::{
    crypto::{Crypto, SUITE},
    entropy::Entropy,
    gate::PAST_EPOCHS,
};

/// Messages of one sender and epoch whose keys are kept while earlier ones are missing.
const OUT_OF_ORDER: u32 = 1024;
/// How many messages of one sender and epoch may be missing at once.
const MOST_SKIPPED: u32 = 4096;

pub(crate) struct Provider<'a> {
    crypto: Crypto,
    rand: Arc<Entropy>,
    storage: &'a MemoryStorage,
}

impl<'a> Provider<'a> {
    pub(crate) fn new(storage: &'a MemoryStorage, source: &mut impl CryptoRng) -> Self {
        Self::with(storage, Entropy::draw(source))
    }

    /// For what draws nothing.
    pub(crate) fn reading(storage: &'a MemoryStorage) -> Self {
        Self::with(storage, Entropy::none())
    }

    fn with(storage: &'a MemoryStorage, entropy: Entropy) -> Self {
        let rand = Arc::new(entropy);
        Self { crypto: Crypto(rand.clone()), rand, storage }
    }
}

impl OpenMlsProvider for Provider<'_> {
    type CryptoProvider = Crypto;
    type RandProvider = Entropy;
    type StorageProvider = MemoryStorage;

    fn storage(&self) -> &MemoryStorage {
        self.storage
    }

    fn crypto(&self) -> &Crypto {
        &self.crypto
    }

    fn rand(&self) -> &Entropy {
        &self.rand
    }
}

/// Everything is encrypted, the tree travels with welcomes, and old epochs are kept as bounded.
pub(crate) fn join_config() -> MlsGroupJoinConfig {
    MlsGroupJoinConfig::builder()
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(ratchets())
        .build()
}

pub(crate) fn create_config() -> MlsGroupCreateConfig {
    MlsGroupCreateConfig::builder()
        .ciphersuite(SUITE)
        .wire_format_policy(PURE_CIPHERTEXT_WIRE_FORMAT_POLICY)
        .use_ratchet_tree_extension(true)
        .max_past_epochs(PAST_EPOCHS)
        .sender_ratchet_configuration(ratchets())
        .capabilities(capabilities())
        .lifetime(always())
        .build()
}

/// What a member's leaf says it can do: the one suite, packages of last resort, keys as identities.
pub(crate) fn capabilities() -> Capabilities {
    let extensions = [ExtensionType::LastResort];
    Capabilities::new(None, Some(&[SUITE]), Some(&extensions), None, Some(&[CredentialType::Basic]))
}

/// A leaf that counts at any time. openmls compares lifetimes with this machine's clock, also in
/// commits: with others, members would disagree about a commit that some of them read late. The
/// dates that count are those of the [`SignedPackage`](crate::SignedPackage).
pub(crate) fn always() -> Lifetime {
    Lifetime::init(0, u64::MAX)
}

fn ratchets() -> SenderRatchetConfiguration {
    SenderRatchetConfiguration::new(OUT_OF_ORDER, MOST_SKIPPED)
}
