//! Eight messages at once, with AVX2: word `t` of all of them in one vector.

use core::{
    arch::x86_64::{
        __m256i, _mm256_add_epi32, _mm256_and_si256, _mm256_andnot_si256, _mm256_extract_epi64,
        _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set_epi64x, _mm256_set1_epi32, _mm256_setr_epi32,
        _mm256_shuffle_epi8, _mm256_slli_epi32, _mm256_srli_epi32, _mm256_unpackhi_epi32,
        _mm256_unpackhi_epi64, _mm256_unpacklo_epi32, _mm256_unpacklo_epi64, _mm256_xor_si256,
    },
    borrow::Borrow,
};

use crate::{
    rounds::define_rounds,
    state::{Block, INITIAL, words_of_64_bits},
};

const LANES: usize = 8;

/// Writes the digests of the messages' first blocks, up to `blocks` of each.
#[target_feature(enable = "avx2")]
pub(crate) fn hash(messages: &[&[Block]; LANES], blocks: usize, digests: &mut [[u8; 32]; LANES]) {
    let mut state = INITIAL.map(|word| splat(word));
    for number in 0..blocks {
        let (mut left, mut right) = ([splat(0); LANES], [splat(0); LANES]);
        let mut active = [0; LANES];
        for (lane, message) in messages.iter().enumerate() {
            if let Some(block) = message.get(number) {
                (left[lane], right[lane]) = load(block);
                active[lane] = -1;
            }
        }
        let change = rounds(&state, transpose_both(left, right));
        let [a, b, c, d, e, f, g, h] = active;
        let active = _mm256_setr_epi32(a, b, c, d, e, f, g, h);
        for (word, change) in state.iter_mut().zip(change) {
            *word = add(*word, _mm256_and_si256(active, change));
        }
    }
    to_digests(state, digests);
}

/// Writes the digests of messages of one block.
#[target_feature(enable = "avx2")]
pub(crate) fn hash_blocks(messages: &[&Block; LANES], digests: &mut [[u8; 32]; LANES]) {
    let (mut left, mut right) = ([splat(0); LANES], [splat(0); LANES]);
    for (lane, message) in messages.iter().enumerate() {
        (left[lane], right[lane]) = load(message);
    }
    let mut state = INITIAL.map(|word| splat(word));
    add_to(&mut state, rounds_of_single(transpose_both(left, right)));
    to_digests(state, digests);
}

/// Writes the digests of messages of 65 bytes: a byte, the same in all, and a pair of digests.
#[target_feature(enable = "avx2")]
pub(crate) fn hash_pairs<D: Borrow<[u8; 32]>>(
    prefix: u8,
    pairs: &[&[D; 2]; LANES],
    digests: &mut [[u8; 32]; LANES],
) {
    let (mut left, mut right) = ([splat(0); LANES], [splat(0); LANES]);
    for (lane, [first, second]) in pairs.iter().enumerate() {
        (left[lane], right[lane]) = (load_rotated(first.borrow()), load_rotated(second.borrow()));
    }
    let (words, end) = behind_byte(prefix, transpose_both(left, right));
    let mut state = INITIAL.map(|word| splat(word));
    let change = rounds(&state, words);
    add_to(&mut state, change);
    let change = rounds_of_end(&state, end, 8 * 65);
    add_to(&mut state, change);
    to_digests(state, digests);
}

define_rounds!(__m256i, "avx2");

#[inline]
#[target_feature(enable = "avx2")]
#[expect(clippy::cast_possible_wrap, reason = "the same bits")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word as i32)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(a: __m256i, b: __m256i) -> __m256i {
    _mm256_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(a, b), c)
}

#[inline]
#[target_feature(enable = "avx2")]
fn choose(e: __m256i, f: __m256i, g: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(e, f), _mm256_andnot_si256(e, g))
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(a: __m256i, b: __m256i, c: __m256i) -> __m256i {
    _mm256_or_si256(_mm256_and_si256(a, b), _mm256_and_si256(c, _mm256_or_si256(a, b)))
}

/// Rotates to the right; `LEFT` is 32 less `RIGHT`.
#[inline]
#[target_feature(enable = "avx2")]
fn rotate<const RIGHT: i32, const LEFT: i32>(word: __m256i) -> __m256i {
    const { assert!(RIGHT + LEFT == 32) };
    _mm256_or_si256(_mm256_srli_epi32::<RIGHT>(word), _mm256_slli_epi32::<LEFT>(word))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_0(a: __m256i) -> __m256i {
    xor(rotate::<2, 30>(a), rotate::<13, 19>(a), rotate::<22, 10>(a))
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_1(e: __m256i) -> __m256i {
    xor(rotate::<6, 26>(e), rotate::<11, 21>(e), rotate::<25, 7>(e))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_0(word: __m256i) -> __m256i {
    xor(rotate::<7, 25>(word), rotate::<18, 14>(word), _mm256_srli_epi32::<3>(word))
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_1(word: __m256i) -> __m256i {
    xor(rotate::<17, 15>(word), rotate::<19, 13>(word), _mm256_srli_epi32::<10>(word))
}

/// The sixteen words of a block, in two halves.
#[inline]
#[target_feature(enable = "avx2")]
fn load(block: &Block) -> (__m256i, __m256i) {
    let [a, b, c, d, e, f, g, h] = words_of_64_bits(block);
    (swap_bytes(_mm256_set_epi64x(d, c, b, a)), swap_bytes(_mm256_set_epi64x(h, g, f, e)))
}

/// The eight words of a digest, each with its last byte first, as [`behind_byte`] takes them.
#[inline]
#[target_feature(enable = "avx2")]
fn load_rotated(digest: &[u8; 32]) -> __m256i {
    let [a, b, c, d] = words_of_64_bits(digest);
    let order = _mm256_set_epi64x(
        0x0f0c_0d0e_0b08_090a,
        0x0704_0506_0300_0102,
        0x0f0c_0d0e_0b08_090a,
        0x0704_0506_0300_0102,
    );
    _mm256_shuffle_epi8(_mm256_set_epi64x(d, c, b, a), order)
}

/// Between words as they are counted with and as they are written.
#[inline]
#[target_feature(enable = "avx2")]
fn swap_bytes(words: __m256i) -> __m256i {
    let order = _mm256_set_epi64x(
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
        0x0c0d_0e0f_0809_0a0b,
        0x0405_0607_0001_0203,
    );
    _mm256_shuffle_epi8(words, order)
}

/// Four rows of eight words, each as two halves of four words, to four rows: row `c` has of each
/// half the words in column `c`, one of each old row.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_halves([a, b, c, d]: [__m256i; 4]) -> [__m256i; 4] {
    let (low_ab, low_cd) = (_mm256_unpacklo_epi32(a, b), _mm256_unpacklo_epi32(c, d));
    let (high_ab, high_cd) = (_mm256_unpackhi_epi32(a, b), _mm256_unpackhi_epi32(c, d));
    [
        _mm256_unpacklo_epi64(low_ab, low_cd),
        _mm256_unpackhi_epi64(low_ab, low_cd),
        _mm256_unpacklo_epi64(high_ab, high_cd),
        _mm256_unpackhi_epi64(high_ab, high_cd),
    ]
}

/// Eight rows of eight words to as many columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose([a, b, c, d, e, f, g, h]: [__m256i; 8]) -> [__m256i; 8] {
    let (above, below) = (transpose_halves([a, b, c, d]), transpose_halves([e, f, g, h]));
    let mut columns = [a, b, c, d, e, f, g, h];
    for i in 0..4 {
        columns[i] = _mm256_permute2x128_si256::<0x20>(above[i], below[i]);
        columns[i + 4] = _mm256_permute2x128_si256::<0x31>(above[i], below[i]);
    }
    columns
}

/// Eight rows of sixteen words, in two halves, to as many columns.
#[inline]
#[target_feature(enable = "avx2")]
fn transpose_both(left: [__m256i; 8], right: [__m256i; 8]) -> [__m256i; 16] {
    let [w0, w1, w2, w3, w4, w5, w6, w7] = transpose(left);
    let [w8, w9, w10, w11, w12, w13, w14, w15] = transpose(right);
    [w0, w1, w2, w3, w4, w5, w6, w7, w8, w9, w10, w11, w12, w13, w14, w15]
}

/// Writes the state of each lane as its digest.
#[inline]
#[target_feature(enable = "avx2")]
fn to_digests(state: [__m256i; 8], digests: &mut [[u8; 32]; LANES]) {
    for (digest, words) in digests.iter_mut().zip(transpose(state)) {
        let words = swap_bytes(words);
        let digest = digest.as_chunks_mut().0;
        digest[0] = _mm256_extract_epi64::<0>(words).to_le_bytes();
        digest[1] = _mm256_extract_epi64::<1>(words).to_le_bytes();
        digest[2] = _mm256_extract_epi64::<2>(words).to_le_bytes();
        digest[3] = _mm256_extract_epi64::<3>(words).to_le_bytes();
    }
}
