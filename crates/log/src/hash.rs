//! The three hashes of RFC 6962, section 2.1: of a leaf, of an inner node and of the empty tree.

use jurat_crypto::Digest;
use sha2::block_api::compress256;

/// The root of a tree without leaves: SHA-256 of the empty string.
pub const EMPTY_ROOT: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The initial state of SHA-256 (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The hash of an entry as a leaf: SHA-256(0x00 || entry).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    Digest::of_parts(&[&[0], entry])
}

/// The hash of an inner node: SHA-256(0x01 || left || right).
///
/// The message is always 65 bytes, so it is padded here into its two blocks instead of passing
/// through a hasher's buffer; that buffer would cost a quarter of the time of building a tree.
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut blocks = [[0; 64]; 2];
    let [first, second] = &mut blocks;
    first[0] = 1;
    first[1..33].copy_from_slice(left.as_bytes());
    first[33..].copy_from_slice(&right.as_bytes()[..31]);
    second[0] = right.as_bytes()[31];
    // FIPS 180-4, section 5.1.1: one bit, zeros, and the message's length of 520 bits.
    second[1] = 0x80;
    second[62..].copy_from_slice(&520_u16.to_be_bytes());
    let mut state = INITIAL_STATE;
    compress256(&mut state, &blocks);
    let mut bytes = [0; 32];
    for (chunk, word) in bytes.chunks_exact_mut(4).zip(state) {
        chunk.copy_from_slice(&word.to_be_bytes());
    }
    Digest::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_empty_root_is_the_hash_of_nothing() {
        assert_eq!(EMPTY_ROOT, Digest::of(b""));
    }

    proptest! {
        #[test]
        fn a_node_is_the_plain_hash_of_its_65_bytes(left: [u8; 32], right: [u8; 32]) {
            let node = node_hash(&Digest::from_bytes(left), &Digest::from_bytes(right));
            prop_assert_eq!(node, Digest::of_parts(&[&[1], &left, &right]));
        }
    }
}
