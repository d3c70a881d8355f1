//! SHA-256's state between two blocks of one message.

use sha2::block_api::compress256;

/// A block of a message, of which SHA-256 takes in one at a time.
pub type Block = [u8; 64];

/// The state before the first block (FIPS 180-4, section 5.3.3).
pub(crate) const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The digest of a message's blocks, one after the other.
pub(crate) fn hash_one(blocks: &[Block]) -> [u8; 32] {
    let mut state = INITIAL;
    compress256(&mut state, blocks);
    to_digest(state)
}

/// Takes in the blocks that follow on those that made this digest.
pub(crate) fn resume(digest: &mut [u8; 32], blocks: &[Block]) {
    let mut state = [0; 8];
    for (word, bytes) in state.iter_mut().zip(digest.as_chunks().0) {
        *word = u32::from_be_bytes(*bytes);
    }
    compress256(&mut state, blocks);
    *digest = to_digest(state);
}

/// The state as bytes, which is the digest after the last block.
fn to_digest(state: [u32; 8]) -> [u8; 32] {
    let mut digest = [0; 32];
    for (bytes, word) in digest.as_chunks_mut().0.iter_mut().zip(state) {
        *bytes = word.to_be_bytes();
    }
    digest
}

/// A block or a part of one as the vector instructions take it: one load, once compiled.
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
#[inline]
pub(crate) fn words_of_64_bits<const N: usize>(bytes: &[u8]) -> [i64; N] {
    let mut words = [0; N];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
        *word = i64::from_le_bytes(*bytes);
    }
    words
}
