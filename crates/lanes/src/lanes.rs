//! Which way of hashing this processor has.

use core::borrow::Borrow;

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use crate::{
    avx2, avx512,
    groups::{has_sha, in_full_groups},
};
use crate::{
    groups::{in_groups, one_block_each, pairs_one_by_one},
    state::{Block, hash_one},
};

/// A way to hash several messages at once that the processor at hand has.
///
/// All give the same digests, and differ in speed only.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lanes(Way);

/// Made in this file only, and all but `OneByOne` only once the processor was asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    OneByOne,
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    Avx2,
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    Avx512,
}

#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
cpufeatures::new!(has_avx2, "avx2");
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
cpufeatures::new!(has_avx512, "avx512f", "avx512bw");

impl Lanes {
    /// One message after the other, as every processor can: with its instructions for SHA-256 if
    /// it has some.
    pub const ONE_BY_ONE: Self = Self(Way::OneByOne);

    /// The fastest way: 16 messages at once with AVX-512, 8 with AVX2 where there are no
    /// instructions for SHA-256, which are as fast as 8 lanes, and one by one elsewhere.
    pub fn fastest() -> Self {
        #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
        {
            if has_avx512::get() {
                return Self(Way::Avx512);
            }
            if has_avx2::get() && !has_sha() {
                return Self(Way::Avx2);
            }
        }
        Self::ONE_BY_ONE
    }

    /// All ways that this processor has, for tests and measurements.
    pub fn available() -> impl Iterator<Item = Self> {
        let ways = [
            Some(Self::ONE_BY_ONE),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            has_avx2::get().then_some(Self(Way::Avx2)),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            has_avx512::get().then_some(Self(Way::Avx512)),
        ];
        ways.into_iter().flatten()
    }

    /// How many messages are hashed at once.
    pub const fn count(self) -> usize {
        match self.0 {
            Way::OneByOne => 1,
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Way::Avx2 => 8,
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            Way::Avx512 => 16,
        }
    }

    /// The digests of messages that are padded already (FIPS 180-4, section 5.1.1), in order; of as
    /// many as there are of both.
    ///
    /// The best case are messages of the same number of blocks in a row. Of others the first
    /// blocks are hashed together as long as that pays, so that a long message among short ones
    /// costs no more than by itself.
    pub fn hash_padded<M: AsRef<[Block]>>(self, messages: &[M], digests: &mut [[u8; 32]]) {
        match self.0 {
            Way::OneByOne => {
                in_groups(messages, digests, |[message]: &[_; 1], blocks, [digest]: &mut [_; 1]| {
                    *digest = hash_one(&message[..blocks]);
                });
            }
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX2")]
            Way::Avx2 => in_groups(messages, digests, |group, blocks, digests| {
                // SAFETY: `Way::Avx2` is made only where the processor has AVX2.
                unsafe { avx2::hash(group, blocks, digests) }
            }),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX-512")]
            Way::Avx512 => in_groups(messages, digests, |group, blocks, digests| {
                // SAFETY: `Way::Avx512` is made only where the processor has AVX-512 F and BW.
                unsafe { avx512::hash(group, blocks, digests) }
            }),
        }
    }

    /// The digests of messages that are padded already and have one block each, in order; of as many
    /// as there are of both.
    pub fn hash_blocks(self, messages: &[Block], digests: &mut [[u8; 32]]) {
        match self.0 {
            Way::OneByOne => one_block_each(messages, digests),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX2")]
            Way::Avx2 => in_full_groups(messages, digests, one_block_each, |group, digests| {
                // SAFETY: `Way::Avx2` is made only where the processor has AVX2.
                unsafe { avx2::hash_blocks(group, digests) }
            }),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX-512")]
            Way::Avx512 => in_full_groups(messages, digests, one_block_each, |group, digests| {
                // SAFETY: `Way::Avx512` is made only where the processor has AVX-512 F and BW.
                unsafe { avx512::hash_blocks(group, digests) }
            }),
        }
    }

    /// The digests of messages of 65 bytes, not padded: each a byte, the same in all, and a pair of
    /// digests, as a Merkle tree's nodes are. In order; of as many as there are of both.
    ///
    /// A tenth faster than padding them and [`hash_padded`](Self::hash_padded): nothing is copied,
    /// and of the second block most is known.
    pub fn hash_pairs<D: Borrow<[u8; 32]>>(self, byte: u8, pairs: &[[D; 2]], digests: &mut [[u8; 32]]) {
        let one_by_one = |pairs: &[[D; 2]], digests: &mut [[u8; 32]]| pairs_one_by_one(byte, pairs, digests);
        match self.0 {
            Way::OneByOne => one_by_one(pairs, digests),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX2")]
            Way::Avx2 => in_full_groups(pairs, digests, one_by_one, |group, digests| {
                // SAFETY: `Way::Avx2` is made only where the processor has AVX2.
                unsafe { avx2::hash_pairs(byte, group, digests) }
            }),
            #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
            #[expect(unsafe_code, reason = "what it calls is compiled for a processor with AVX-512")]
            Way::Avx512 => in_full_groups(pairs, digests, one_by_one, |group, digests| {
                // SAFETY: `Way::Avx512` is made only where the processor has AVX-512 F and BW.
                unsafe { avx512::hash_pairs(byte, group, digests) }
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    use super::*;

    /// A message in its blocks, padded as FIPS 180-4, section 5.1.1 has it.
    fn padded(message: &[u8]) -> Vec<Block> {
        let mut bytes = message.to_vec();
        bytes.push(0x80);
        bytes.resize((message.len() + 9).next_multiple_of(64), 0);
        let length = bytes.len() - 8;
        bytes[length..].copy_from_slice(&(8 * message.len() as u64).to_be_bytes());
        bytes.as_chunks().0.to_vec()
    }

    fn hash(lanes: Lanes, messages: &[Vec<u8>]) -> Vec<[u8; 32]> {
        let messages: Vec<_> = messages.iter().map(|message| padded(message)).collect();
        let mut digests = vec![[0; 32]; messages.len()];
        lanes.hash_padded(&messages, &mut digests);
        digests
    }

    fn expected(messages: &[Vec<u8>]) -> Vec<[u8; 32]> {
        messages.iter().map(|message| Sha256::digest(message).into()).collect()
    }

    #[test]
    fn the_fastest_way_is_one_of_those_available() {
        let ways: Vec<Lanes> = Lanes::available().collect();
        assert_eq!(ways[0], Lanes::ONE_BY_ONE);
        assert!(ways.contains(&Lanes::fastest()));
        assert!(ways.is_sorted_by_key(|lanes| lanes.count()));
    }

    /// In every lane, all groups from empty to more than two, at each length around which the
    /// padding takes another block.
    #[test]
    fn every_way_gives_the_plain_hash_for_all_counts_and_lengths() {
        for lanes in Lanes::available() {
            for count in 0..=2 * lanes.count() + 1 {
                for length in [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 300] {
                    let message = |i: usize| (i * 31..i * 31 + length).map(|j| (j % 251).to_le_bytes()[0]);
                    let messages: Vec<Vec<u8>> = (0..count).map(|i| message(i).collect()).collect();
                    assert_eq!(hash(lanes, &messages), expected(&messages), "{lanes:?} {count} {length}");
                }
            }
        }
    }

    /// All lengths that fit into a block, in every lane, in groups that are full and not.
    #[test]
    fn every_way_gives_the_plain_hash_for_all_counts_and_lengths_of_one_block() {
        for lanes in Lanes::available() {
            for count in 0..=2 * lanes.count() + 1 {
                for length in 0..=55 {
                    let message = |i: usize| (i * 31..i * 31 + length).map(|j| (j % 251).to_le_bytes()[0]);
                    let messages: Vec<Vec<u8>> = (0..count).map(|i| message(i).collect()).collect();
                    let blocks: Vec<Block> = messages.iter().flat_map(|message| padded(message)).collect();
                    let mut digests = vec![[0; 32]; count];
                    lanes.hash_blocks(&blocks, &mut digests);
                    assert_eq!(digests, expected(&messages), "{lanes:?} {count} {length}");
                }
            }
        }
    }

    /// Pairs that differ in all their bytes, behind bytes with the first and the last bit set and not.
    #[test]
    fn every_way_gives_the_plain_hash_of_a_byte_and_a_pair_for_all_counts() {
        let digest = |i: usize| -> [u8; 32] { Sha256::digest(i.to_le_bytes()).into() };
        for lanes in Lanes::available() {
            for count in 0..=4 * lanes.count() + 1 {
                for byte in [0, 1, 0x80, 0xff] {
                    let pairs: Vec<_> = (0..count).map(|i| [digest(2 * i), digest(2 * i + 1)]).collect();
                    let mut digests = vec![[0; 32]; count];
                    lanes.hash_pairs(byte, &pairs, &mut digests);
                    let messages: Vec<_> =
                        pairs.iter().map(|[left, right]| [&[byte][..], left, right].concat()).collect();
                    assert_eq!(digests, expected(&messages), "{lanes:?} {count} {byte}");
                }
            }
        }
    }

    type Hash<'h> = &'h dyn Fn(Lanes, usize, &mut [[u8; 32]]);

    #[test]
    fn messages_without_a_place_for_their_digest_and_the_reverse_are_left_alone() {
        let messages = [[padded(b"a")[0]]; 20];
        let pairs = [[[7; 32]; 2]; 20];
        let ways: [(&[u8], Hash<'_>); 3] = [
            (b"a", &|lanes, count, digests| lanes.hash_padded(&messages[..count], digests)),
            (b"a", &|lanes, count, digests| lanes.hash_blocks(&messages.as_flattened()[..count], digests)),
            (&[7; 65], &|lanes, count, digests| lanes.hash_pairs(7, &pairs[..count], digests)),
        ];
        for lanes in Lanes::available() {
            for (message, hash) in ways {
                for (message_count, digest_count) in [(20, 17), (17, 20), (3, 16), (0, 5), (5, 0)] {
                    let mut digests = vec![[0xee; 32]; digest_count];
                    hash(lanes, message_count, &mut digests);
                    let count = message_count.min(digest_count);
                    let digest: [u8; 32] = Sha256::digest(message).into();
                    assert!(digests[..count].iter().all(|found| *found == digest), "{lanes:?}");
                    assert!(digests[count..].iter().all(|found| *found == [0xee; 32]), "{lanes:?}");
                }
            }
        }
    }

    #[test]
    fn a_bit_changes_the_digest_in_its_lane_and_in_no_other() {
        for lanes in Lanes::available() {
            let messages = vec![vec![7; 100]; lanes.count()];
            let before = hash(lanes, &messages);
            for lane in 0..lanes.count() {
                let mut changed = messages.clone();
                changed[lane][70] ^= 1;
                let after = hash(lanes, &changed);
                for (i, (before, after)) in before.iter().zip(&after).enumerate() {
                    assert_eq!(before != after, i == lane, "{lanes:?} {lane} {i}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_pairs_are_hashed_side_by_side(
            pairs in prop::collection::vec(any::<[[u8; 32]; 2]>(), 0..70),
            byte: u8,
        ) {
            let messages: Vec<_> = pairs.iter().map(|[left, right]| [&[byte][..], left, right].concat()).collect();
            for lanes in Lanes::available() {
                let mut digests = vec![[0; 32]; pairs.len()];
                lanes.hash_pairs(byte, &pairs, &mut digests);
                prop_assert_eq!(digests, expected(&messages), "{:?}", lanes);
            }
        }

        #[test]
        fn messages_of_any_lengths_are_hashed_side_by_side(
            messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..700), 0..40),
            long in prop::collection::vec(any::<u8>(), 0..5000),
            at: prop::sample::Index,
        ) {
            let mut messages = messages;
            messages.insert(at.index(messages.len() + 1), long);
            for lanes in Lanes::available() {
                prop_assert_eq!(hash(lanes, &messages), expected(&messages), "{:?}", lanes);
            }
        }
    }
}
