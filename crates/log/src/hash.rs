//! The three hashes of RFC 6962, section 2.1: of a leaf, of an inner node and of the empty tree,
//! one by one and many at once.

use alloc::vec::Vec;
use core::slice;

use jurat_crypto::Digest;
#[cfg(feature = "lanes")]
use jurat_lanes::Lanes;
use sha2::block_api::compress256;

/// The root of a tree without leaves: SHA-256 of the empty string.
pub const EMPTY_ROOT: Digest = Digest::from_bytes([
    0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
    0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
]);

/// The initial state of SHA-256 (FIPS 180-4, section 5.3.3).
const INITIAL_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A block of SHA-256.
type Block = [u8; 64];

/// The least that SHA-256 pads a message with: a one bit and its length.
const LEAST_PADDING: usize = 1 + 8;

/// How many messages are prepared before the first is hashed.
const GROUP: usize = 16;

/// The longest entries, in blocks, that are hashed beside others. They are copied for that, and
/// this bounds the room.
const MAX_GROUPED_BLOCKS: usize = 64;

/// The hash of an entry as a leaf: SHA-256(0x00 || entry).
#[must_use]
pub fn leaf_hash(entry: &[u8]) -> Digest {
    // Passing short messages through a hasher's buffer would cost a quarter of the time of
    // building a tree.
    match leaf_blocks(entry) {
        1 => hash_padded::<1>(entry, 1),
        2 => hash_padded::<2>(entry, 1),
        _ => Digest::of_parts(&[&[0], entry]),
    }
}

/// The hashes of entries as leaves, in order.
///
/// With the feature `lanes`, on a processor with AVX-512, nearly twice as fast as [`leaf_hash`]
/// one after the other if entries in a row have about the same length, and never slower.
#[must_use]
pub fn leaf_hashes<E: AsRef<[u8]>>(entries: &[E]) -> Vec<Digest> {
    let mut hashes = Vec::with_capacity(entries.len());
    let mut blocks = Vec::new();
    let mut messages = [[0; 64]; GROUP];
    for group in entries.chunks(GROUP) {
        match group.iter().map(|entry| leaf_blocks(entry.as_ref())).max() {
            None | Some(1) => {
                for (message, entry) in messages.iter_mut().zip(group) {
                    *message = [0; 64];
                    write_leaf(entry.as_ref(), slice::from_mut(message));
                }
                hash_single_blocks(&messages[..group.len()], &mut hashes);
            }
            Some(2..=MAX_GROUPED_BLOCKS) => {
                hash_longer_leaves(group, &mut blocks, &mut hashes);
            }
            Some(_) => hashes.extend(group.iter().map(|entry| leaf_hash(entry.as_ref()))),
        }
    }
    hashes
}

/// Hashes a group of entries, whose messages are written one after the other into `blocks`.
fn hash_longer_leaves<E: AsRef<[u8]>>(group: &[E], blocks: &mut Vec<Block>, hashes: &mut Vec<Digest>) {
    blocks.clear();
    for entry in group {
        let start = blocks.len();
        blocks.resize(start + leaf_blocks(entry.as_ref()), [0; 64]);
        write_leaf(entry.as_ref(), &mut blocks[start..]);
    }
    let mut rest = blocks.as_slice();
    let mut messages = [rest; GROUP];
    for (message, entry) in messages.iter_mut().zip(group) {
        (*message, rest) = rest.split_at(leaf_blocks(entry.as_ref()));
    }
    hash_group(&messages[..group.len()], hashes);
}

/// How many blocks a leaf's message has: a zero byte, the entry and the padding.
const fn leaf_blocks(entry: &[u8]) -> usize {
    (1 + entry.len() + LEAST_PADDING).div_ceil(64)
}

/// The hash of a short message that takes `BLOCKS` blocks with its padding.
pub(crate) fn hash_short<const BLOCKS: usize>(message: &[u8]) -> Digest {
    hash_padded::<BLOCKS>(message, 0)
}

fn hash_padded<const BLOCKS: usize>(bytes: &[u8], zeros: usize) -> Digest {
    let mut blocks = [[0; 64]; BLOCKS];
    write_padded(bytes, zeros, &mut blocks);
    hash_blocks(&blocks)
}

/// Writes a leaf's message into as many blocks of zeros as it has.
fn write_leaf(entry: &[u8], blocks: &mut [Block]) {
    write_padded(entry, 1, blocks);
}

/// Writes a message, behind zeros that are part of it, into as many blocks of zeros as it has, with
/// the padding of FIPS 180-4, section 5.1.1: a one bit, zeros, the message's length in bits.
fn write_padded(bytes: &[u8], zeros: usize, blocks: &mut [Block]) {
    let message = blocks.as_flattened_mut();
    let end = zeros + bytes.len();
    let room = &mut message[zeros..end];
    // In pieces of known lengths, which may overlap: calling for a copy of any length takes longer
    // than one of these.
    if bytes.len() > 64 || !(copy_ends::<32>(bytes, room) || copy_ends::<16>(bytes, room)) {
        room.copy_from_slice(bytes);
    }
    message[end] = 0x80;
    let length = message.len() - 8;
    message[length..].copy_from_slice(&(8 * end as u64).to_be_bytes());
}

/// Copies bytes by their first and their last `N`, if there are so many and no more than twice that.
#[inline]
fn copy_ends<const N: usize>(from: &[u8], to: &mut [u8]) -> bool {
    let ends = from.first_chunk::<N>().zip(from.last_chunk::<N>());
    if let Some((first, last)) = ends {
        to[..N].copy_from_slice(first);
        to[from.len() - N..].copy_from_slice(last);
    }
    ends.is_some()
}

/// A node's message of 65 bytes without the two hashes, padded.
const NODE: [Block; 2] = {
    let mut blocks = [[0; 64]; 2];
    blocks[0][0] = 1;
    blocks[1][1] = 0x80;
    [blocks[1][62], blocks[1][63]] = 520_u16.to_be_bytes();
    blocks
};

/// The hash of an inner node: SHA-256(0x01 || left || right).
#[must_use]
pub fn node_hash(left: &Digest, right: &Digest) -> Digest {
    let mut blocks = NODE;
    set_children(&mut blocks, left, right);
    hash_blocks(&blocks)
}

#[inline]
fn set_children(blocks: &mut [Block; 2], left: &Digest, right: &Digest) {
    let message = blocks.as_flattened_mut();
    message[1..33].copy_from_slice(left.as_bytes());
    message[33..65].copy_from_slice(right.as_bytes());
}

/// Hashes the nodes over these children, two by two, and adds them to `parents` in order.
pub(crate) fn push_parents(children: &[Digest], parents: &mut Vec<Digest>) {
    let (pairs, _) = children.as_chunks();
    if pairs.len() < GROUP / 2 {
        parents.extend(pairs.iter().map(|[left, right]| node_hash(left, right)));
    } else {
        pairs.chunks(GROUP).for_each(|pairs| hash_nodes(pairs, parents));
    }
}

/// Hashes the nodes over up to [`GROUP`] pairs of children.
#[cfg(feature = "lanes")]
fn hash_nodes(pairs: &[[Digest; 2]], hashes: &mut Vec<Digest>) {
    push_digests(pairs.len(), hashes, |digests| Lanes::fastest().hash_pairs(1, pairs, digests));
}

/// Hashes the nodes over up to [`GROUP`] pairs of children.
///
/// The processor takes long to read back what was just written in other pieces, so all messages
/// are written before the first is read: a quarter faster.
#[cfg(not(feature = "lanes"))]
fn hash_nodes(pairs: &[[Digest; 2]], hashes: &mut Vec<Digest>) {
    let mut messages = [NODE; GROUP];
    for (message, [left, right]) in messages.iter_mut().zip(pairs) {
        set_children(message, left, right);
    }
    hash_group(&messages[..pairs.len()], hashes);
}

/// Hashes up to [`GROUP`] messages that are padded already and have one block each.
#[cfg(feature = "lanes")]
fn hash_single_blocks(messages: &[Block], hashes: &mut Vec<Digest>) {
    push_digests(messages.len(), hashes, |digests| Lanes::fastest().hash_blocks(messages, digests));
}

/// Hashes messages that are padded already and have one block each.
#[cfg(not(feature = "lanes"))]
fn hash_single_blocks(messages: &[Block], hashes: &mut Vec<Digest>) {
    hashes.extend(messages.iter().map(|message| hash_blocks(slice::from_ref(message))));
}

/// Hashes up to [`GROUP`] messages that are padded already.
#[cfg(feature = "lanes")]
fn hash_group(messages: &[&[Block]], hashes: &mut Vec<Digest>) {
    push_digests(messages.len(), hashes, |digests| Lanes::fastest().hash_padded(messages, digests));
}

/// Hashes messages that are padded already.
#[cfg(not(feature = "lanes"))]
fn hash_group<M: AsRef<[Block]>>(messages: &[M], hashes: &mut Vec<Digest>) {
    hashes.extend(messages.iter().map(|message| hash_blocks(message.as_ref())));
}

/// Adds so many digests that are written by a function, up to [`GROUP`].
#[cfg(feature = "lanes")]
fn push_digests(count: usize, hashes: &mut Vec<Digest>, write: impl FnOnce(&mut [[u8; 32]; GROUP])) {
    let mut digests = [[0; 32]; GROUP];
    write(&mut digests);
    hashes.extend(digests[..count].iter().copied().map(Digest::from_bytes));
}

/// SHA-256 of a message that is padded already.
fn hash_blocks(blocks: &[Block]) -> Digest {
    let mut state = INITIAL_STATE;
    compress256(&mut state, blocks);
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

    /// Around each length at which the padding takes another block, and where the hasher takes over.
    #[test]
    fn a_leaf_is_the_plain_hash_of_its_entry() {
        let entry = [7; 300];
        for length in 0..=entry.len() {
            assert_eq!(leaf_hash(&entry[..length]), Digest::of_parts(&[&[0], &entry[..length]]), "{length}");
        }
    }

    #[test]
    fn a_short_message_is_hashed_as_any_is() {
        for length in 0..=119 {
            let message = &[7; 119][..length];
            let hash = if length < 56 { hash_short::<1>(message) } else { hash_short::<2>(message) };
            assert_eq!(hash, Digest::of(message), "{length}");
        }
    }

    #[test]
    fn many_leaves_are_those_of_their_entries() {
        // Of one block, of two, of more, too long for a group, and mixed, in all sizes of groups.
        for lengths in [vec![0, 54], vec![55, 118], vec![300], vec![5000, 1], vec![0, 4000, 54, 55, 700, 1]] {
            for count in 0..2 * GROUP + 2 {
                let length = |i: usize| lengths[i % lengths.len()];
                let entry = |i: usize| (i..i + length(i)).map(|byte| (byte % 251).to_le_bytes()[0]);
                let entries: Vec<Vec<u8>> = (0..count).map(|i| entry(i).collect()).collect();
                let expected: Vec<Digest> =
                    entries.iter().map(|entry| Digest::of_parts(&[&[0], entry])).collect();
                assert_eq!(leaf_hashes(&entries), expected, "{count} entries of {lengths:?} bytes");
            }
        }
    }

    proptest! {
        #[test]
        fn a_node_is_the_plain_hash_of_its_65_bytes(left: [u8; 32], right: [u8; 32]) {
            let node = node_hash(&Digest::from_bytes(left), &Digest::from_bytes(right));
            prop_assert_eq!(node, Digest::of_parts(&[&[1], &left, &right]));
        }

        #[test]
        fn many_nodes_are_those_of_their_pairs(count in 0_usize..70) {
            let children: Vec<Digest> = (0..count).map(|i| Digest::of(&i.to_be_bytes())).collect();
            let mut parents = Vec::new();
            push_parents(&children, &mut parents);
            let expected: Vec<Digest> =
                children.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
            prop_assert_eq!(parents, expected);
        }
    }
}
