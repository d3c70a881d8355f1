//! Sixteen messages at once, with AVX-512: word `t` of all of them in one vector.

use core::{
    arch::x86_64::{
        __m512i, _mm_cvtsi128_si64, _mm_extract_epi64, _mm512_add_epi32, _mm512_extracti32x4_epi32,
        _mm512_mask_add_epi32, _mm512_ror_epi32, _mm512_set_epi64, _mm512_set1_epi32, _mm512_set4_epi32,
        _mm512_shuffle_epi8, _mm512_shuffle_i32x4, _mm512_srli_epi32, _mm512_ternarylogic_epi32,
        _mm512_unpackhi_epi32, _mm512_unpackhi_epi64, _mm512_unpacklo_epi32, _mm512_unpacklo_epi64,
    },
    borrow::Borrow,
};

use crate::{
    rounds::define_rounds,
    state::{Block, INITIAL, words_of_64_bits},
};

const LANES: usize = 16;

/// Writes the digests of the messages' first blocks, up to `blocks` of each.
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn hash(messages: &[&[Block]; LANES], blocks: usize, digests: &mut [[u8; 32]; LANES]) {
    let shortest = messages.iter().fold(blocks, |shortest, message| shortest.min(message.len()));
    let mut state = INITIAL.map(|word| splat(word));
    for number in 0..blocks {
        let (mut rows, mut active) = ([splat(0); LANES], u16::MAX);
        if number < shortest {
            // Without a question for each lane, which costs a tenth of the time.
            for (row, message) in rows.iter_mut().zip(messages) {
                *row = load(&message[number]);
            }
        } else {
            for (lane, (row, message)) in rows.iter_mut().zip(messages).enumerate() {
                match message.get(number) {
                    Some(block) => *row = load(block),
                    None => active ^= 1 << lane,
                }
            }
        }
        let change = rounds(&state, transpose(&rows));
        for (word, change) in state.iter_mut().zip(change) {
            *word = _mm512_mask_add_epi32(*word, active, *word, change);
        }
    }
    to_digests(&state, digests);
}

/// Writes the digests of messages of one block.
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn hash_blocks(messages: &[&Block; LANES], digests: &mut [[u8; 32]; LANES]) {
    let mut rows = [splat(0); LANES];
    for (row, message) in rows.iter_mut().zip(messages) {
        *row = load(message);
    }
    let mut state = INITIAL.map(|word| splat(word));
    add_to(&mut state, rounds_of_single(transpose(&rows)));
    to_digests(&state, digests);
}

/// Writes the digests of messages of 65 bytes: a byte, the same in all, and a pair of digests.
#[target_feature(enable = "avx512f,avx512bw")]
pub(crate) fn hash_pairs<D: Borrow<[u8; 32]>>(
    prefix: u8,
    pairs: &[&[D; 2]; LANES],
    digests: &mut [[u8; 32]; LANES],
) {
    let mut rows = [splat(0); LANES];
    for (row, [left, right]) in rows.iter_mut().zip(pairs) {
        *row = load_rotated(left.borrow(), right.borrow());
    }
    let (words, end) = behind_byte(prefix, transpose(&rows));
    let mut state = INITIAL.map(|word| splat(word));
    let change = rounds(&state, words);
    add_to(&mut state, change);
    let change = rounds_of_end(&state, end, 8 * 65);
    add_to(&mut state, change);
    to_digests(&state, digests);
}

define_rounds!(__m512i, "avx512f,avx512bw");

#[inline]
#[target_feature(enable = "avx512f")]
#[expect(clippy::cast_possible_wrap, reason = "the same bits")]
fn splat(word: u32) -> __m512i {
    _mm512_set1_epi32(word as i32)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn add(a: __m512i, b: __m512i) -> __m512i {
    _mm512_add_epi32(a, b)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn xor(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1001_0110>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn choose(e: __m512i, f: __m512i, g: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1100_1010>(e, f, g)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn majority(a: __m512i, b: __m512i, c: __m512i) -> __m512i {
    _mm512_ternarylogic_epi32::<0b1110_1000>(a, b, c)
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_0(a: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<2>(a), _mm512_ror_epi32::<13>(a), _mm512_ror_epi32::<22>(a))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_1(e: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<6>(e), _mm512_ror_epi32::<11>(e), _mm512_ror_epi32::<25>(e))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_0(word: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<7>(word), _mm512_ror_epi32::<18>(word), _mm512_srli_epi32::<3>(word))
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_1(word: __m512i) -> __m512i {
    xor(_mm512_ror_epi32::<17>(word), _mm512_ror_epi32::<19>(word), _mm512_srli_epi32::<10>(word))
}

/// The sixteen words of a block.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load(block: &Block) -> __m512i {
    let [a, b, c, d, e, f, g, h] = words_of_64_bits(block);
    swap_bytes(_mm512_set_epi64(h, g, f, e, d, c, b, a))
}

/// The words of two digests, each with its last byte first, as [`behind_byte`] takes them.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn load_rotated(left: &[u8; 32], right: &[u8; 32]) -> __m512i {
    let ([a, b, c, d], [e, f, g, h]) = (words_of_64_bits(left), words_of_64_bits(right));
    let order = _mm512_set4_epi32(0x0f0c_0d0e, 0x0b08_090a, 0x0704_0506, 0x0300_0102);
    _mm512_shuffle_epi8(_mm512_set_epi64(h, g, f, e, d, c, b, a), order)
}

/// Between words as they are counted with and as they are written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn swap_bytes(words: __m512i) -> __m512i {
    _mm512_shuffle_epi8(words, _mm512_set4_epi32(0x0c0d_0e0f, 0x0809_0a0b, 0x0405_0607, 0x0001_0203))
}

/// Four rows of sixteen words, each as four quarters of four words, to four rows: row `c` has of
/// each quarter the words in column `c`, one of each old row.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose_quarters([a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
    let (low_ab, low_cd) = (_mm512_unpacklo_epi32(a, b), _mm512_unpacklo_epi32(c, d));
    let (high_ab, high_cd) = (_mm512_unpackhi_epi32(a, b), _mm512_unpackhi_epi32(c, d));
    [
        _mm512_unpacklo_epi64(low_ab, low_cd),
        _mm512_unpackhi_epi64(low_ab, low_cd),
        _mm512_unpacklo_epi64(high_ab, high_cd),
        _mm512_unpackhi_epi64(high_ab, high_cd),
    ]
}

/// Sixteen rows of sixteen words to as many columns.
#[inline]
#[target_feature(enable = "avx512f")]
fn transpose(rows: &[__m512i; 16]) -> [__m512i; 16] {
    let [r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10, r11, r12, r13, r14, r15] = *rows;
    let a = transpose_quarters([r0, r1, r2, r3]);
    let b = transpose_quarters([r4, r5, r6, r7]);
    let c = transpose_quarters([r8, r9, r10, r11]);
    let d = transpose_quarters([r12, r13, r14, r15]);
    let mut columns = *rows;
    for i in 0..4 {
        // Quarters 0 and 2, then 1 and 3, of the first eight rows and of the others.
        let (even_ab, odd_ab) = (
            _mm512_shuffle_i32x4::<0b10_00_10_00>(a[i], b[i]),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(a[i], b[i]),
        );
        let (even_cd, odd_cd) = (
            _mm512_shuffle_i32x4::<0b10_00_10_00>(c[i], d[i]),
            _mm512_shuffle_i32x4::<0b11_01_11_01>(c[i], d[i]),
        );
        columns[i] = _mm512_shuffle_i32x4::<0b10_00_10_00>(even_ab, even_cd);
        columns[i + 4] = _mm512_shuffle_i32x4::<0b10_00_10_00>(odd_ab, odd_cd);
        columns[i + 8] = _mm512_shuffle_i32x4::<0b11_01_11_01>(even_ab, even_cd);
        columns[i + 12] = _mm512_shuffle_i32x4::<0b11_01_11_01>(odd_ab, odd_cd);
    }
    columns
}

/// Writes the state of each lane as its digest.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn to_digests(&[a, b, c, d, e, f, g, h]: &[__m512i; 8], digests: &mut [[u8; 32]; LANES]) {
    let (first, second) = (transpose_quarters([a, b, c, d]), transpose_quarters([e, f, g, h]));
    for (i, (first, second)) in first.into_iter().zip(second).enumerate() {
        let (first, second) = (swap_bytes(first), swap_bytes(second));
        let halves = [
            (_mm512_extracti32x4_epi32::<0>(first), _mm512_extracti32x4_epi32::<0>(second)),
            (_mm512_extracti32x4_epi32::<1>(first), _mm512_extracti32x4_epi32::<1>(second)),
            (_mm512_extracti32x4_epi32::<2>(first), _mm512_extracti32x4_epi32::<2>(second)),
            (_mm512_extracti32x4_epi32::<3>(first), _mm512_extracti32x4_epi32::<3>(second)),
        ];
        for (quarter, (first, second)) in halves.into_iter().enumerate() {
            let digest = digests[4 * quarter + i].as_chunks_mut().0;
            digest[0] = _mm_cvtsi128_si64(first).to_le_bytes();
            digest[1] = _mm_extract_epi64::<1>(first).to_le_bytes();
            digest[2] = _mm_cvtsi128_si64(second).to_le_bytes();
            digest[3] = _mm_extract_epi64::<1>(second).to_le_bytes();
        }
    }
}
