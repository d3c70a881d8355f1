//! Randomness for openmls, all of it from 32 bytes that the caller drew.

use std::sync::Mutex;

use chacha20::{ChaCha20Rng, rand_core::SeedableRng};
use openmls_traits::{random::OpenMlsRand, types::CryptoError};
use rand_core::{CryptoRng, Rng};
use zeroize::Zeroizing;

use crate::mac::mac;

/// The randomness of one call into the group.
pub(crate) struct Entropy {
    seed: Option<Zeroizing<[u8; 32]>>,
    /// What is drawn in turn. A lock, since openmls only lends its provider.
    stream: Mutex<Option<ChaCha20Rng>>,
}

impl Entropy {
    pub(crate) fn draw(source: &mut impl CryptoRng) -> Self {
        let mut seed = Zeroizing::new([0; 32]);
        source.fill_bytes(&mut *seed);
        let stream = ChaCha20Rng::from_seed(*derive(&seed, &[b"stream"]));
        Self { seed: Some(seed), stream: Mutex::new(Some(stream)) }
    }

    /// For calls that only read and open: whatever draws fails.
    pub(crate) const fn none() -> Self {
        Self { seed: None, stream: Mutex::new(None) }
    }

    /// A generator named by what it is for. openmls seals the keys of a tree's path on several
    /// threads; if they drew from one stream, their order would decide what each gets.
    pub(crate) fn named(&self, parts: &[&[u8]]) -> Result<ChaCha20Rng, CryptoError> {
        let seed = self.seed.as_ref().ok_or(CryptoError::InsufficientRandomness)?;
        Ok(ChaCha20Rng::from_seed(*derive(seed, parts)))
    }

    fn fill(&self, bytes: &mut [u8]) -> Result<(), CryptoError> {
        let mut stream = self.stream.lock().map_err(|_| CryptoError::InsufficientRandomness)?;
        stream.as_mut().ok_or(CryptoError::InsufficientRandomness)?.fill_bytes(bytes);
        Ok(())
    }
}

impl OpenMlsRand for Entropy {
    type Error = CryptoError;

    fn random_array<const N: usize>(&self) -> Result<[u8; N], CryptoError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    fn random_vec(&self, len: usize) -> Result<Vec<u8>, CryptoError> {
        let mut bytes = vec![0; len];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }
}

/// Named by the parts, each after its length.
fn derive(seed: &[u8; 32], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let lengths: Vec<_> = parts.iter().map(|part| (part.len() as u64).to_be_bytes()).collect();
    let parts: Vec<_> =
        lengths.iter().zip(parts).flat_map(|(length, part)| [length.as_slice(), part]).collect();
    mac(seed, &parts)
}
