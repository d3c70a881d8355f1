//! Which way of hashing this processor has, and how messages are laid out over it.

use crate::state::{Block, hash_one, resume};
#[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
use crate::{avx2, avx512};

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
cpufeatures::new!(has_sha, "sha", "sse4.1");
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
            if has_avx2::get() && !has_sha::get() {
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
}

/// How many lanes have to be in use for them to be as fast as their messages one by one: measured
/// with 8 and 16 lanes, beside the processor's instructions for SHA-256 and beside none.
fn enough(lanes: usize) -> usize {
    #[cfg(all(target_arch = "x86_64", target_feature = "sse2"))]
    if has_sha::get() {
        return (lanes * 5).div_ceil(8);
    }
    lanes.div_ceil(4)
}

/// Takes so many messages at once, with a function that writes the digests of their first
/// blocks, up to a number; what is left of a message is hashed by itself.
fn in_groups<const LANES: usize, M: AsRef<[Block]>>(
    messages: &[M],
    digests: &mut [[u8; 32]],
    hash: impl Fn(&[&[Block]; LANES], usize, &mut [[u8; 32]; LANES]),
) {
    let enough = enough(LANES);
    let count = messages.len().min(digests.len());
    for (messages, digests) in messages[..count].chunks(LANES).zip(digests[..count].chunks_mut(LANES)) {
        let mut group: [&[Block]; LANES] = [&[]; LANES];
        for (lane, message) in group.iter_mut().zip(messages) {
            *lane = message.as_ref();
        }
        let mut lengths = group.map(<[Block]>::len);
        if lengths.iter().any(|length| *length != lengths[0]) {
            lengths.sort_unstable_by(|a, b| b.cmp(a));
        }
        let together = lengths[enough - 1];
        if let Ok(digests) = <&mut [[u8; 32]; LANES]>::try_from(&mut *digests) {
            hash(&group, together, digests);
        } else {
            let mut room = [[0; 32]; LANES];
            hash(&group, together, &mut room);
            digests.copy_from_slice(&room[..digests.len()]);
        }
        if lengths[0] > together {
            for (digest, message) in digests.iter_mut().zip(group) {
                if let Some(rest @ [_, ..]) = message.get(together..) {
                    resume(digest, rest);
                }
            }
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

    #[test]
    fn messages_without_a_place_for_their_digest_and_the_reverse_are_left_alone() {
        let messages = vec![padded(b"a"); 20];
        for lanes in Lanes::available() {
            for (message_count, digest_count) in [(20, 17), (17, 20), (3, 16), (0, 5), (5, 0)] {
                let mut digests = vec![[0xee; 32]; digest_count];
                lanes.hash_padded(&messages[..message_count], &mut digests);
                let count = message_count.min(digest_count);
                let digest: [u8; 32] = Sha256::digest(b"a").into();
                assert!(digests[..count].iter().all(|found| *found == digest), "{lanes:?}");
                assert!(digests[count..].iter().all(|found| *found == [0xee; 32]), "{lanes:?}");
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
