//! Guessing how much two sets differ, to send about as many symbols as that takes.
//!
//! A guess that is too low costs another question, one that is too high some symbols. Nothing else
//! depends on it, so nothing here has to be agreed on but the sketch.

use alloc::{boxed::Box, vec::Vec};

use super::symbol::Symbol;

/// How many samples a sketch has: of all items, of a quarter of them, a sixteenth and so on.
const LEVELS: usize = 8;
/// Bits of the parities of one sample.
const LEVEL_BITS: u64 = WORDS as u64 * 64;
const WORDS: usize = 4;

/// Bytes of a sketch.
pub(super) const SKETCH_BYTES: usize = LEVELS * WORDS * 8;

/// Parities of an items' samples, by which two sets' difference can be guessed ("odd sketch",
/// Mitzenmacher, Pagh and Pham, 2014): what both sets have cancels out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sketch(Box<[[u64; WORDS]; LEVELS]>);

impl Sketch {
    pub(super) fn of(ids: impl Iterator<Item = u64>) -> Self {
        let mut sketch = Box::new([[0; WORDS]; LEVELS]);
        for id in ids {
            let [bit, ..] = id.to_le_bytes();
            let levels = 1 + (id >> 8).trailing_zeros() as usize / 2;
            for level in sketch.iter_mut().take(levels) {
                level[usize::from(bit / 64)] ^= 1 << (bit % 64);
            }
        }
        Self(sketch)
    }

    /// About how many items the sets of two sketches differ in.
    pub(super) fn difference(&self, other: &Self) -> u32 {
        let odd = |level: usize| -> u64 {
            let pairs = self.0[level].iter().zip(&other.0[level]);
            pairs.map(|(one, other)| u64::from((one ^ other).count_ones())).sum()
        };
        // The largest sample whose parities still tell how many they are of.
        let level = (0..LEVELS).find(|level| odd(*level) <= LEVEL_BITS * 4 / 10).unwrap_or(LEVELS - 1);
        let kept = ONE - 2 * ONE / LEVEL_BITS;
        // So many differences leave so many odd bits: m/2 (1 - (1 - 2/m)^d).
        let expected = |count: u64| LEVEL_BITS / 2 * (ONE - power(kept, count));
        let count = least(1 << 12, |count| expected(count) >= odd(level) * ONE);
        u32::try_from(count << (2 * level)).unwrap_or(u32::MAX)
    }

    pub(super) fn to_bytes(&self) -> Vec<u8> {
        self.0.iter().flatten().flat_map(|word| word.to_be_bytes()).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8; SKETCH_BYTES]) -> Self {
        let mut sketch = Box::new([[0; WORDS]; LEVELS]);
        for (word, bytes) in sketch.iter_mut().flatten().zip(bytes.as_chunks().0) {
            *word = u64::from_be_bytes(*bytes);
        }
        Self(sketch)
    }
}

/// About how many items are in symbols of which so many are zero, if nothing was taken out of them.
pub(super) fn items_in(symbols: &[Symbol]) -> u32 {
    // Of many symbols some tell as much.
    let stride = symbols.len().div_ceil(1 << 12).max(1);
    let sampled = || (0_u64..).zip(symbols).step_by(stride);
    let zeros = sampled().filter(|(_, symbol)| symbol.is_zero()).count() as u64;
    // An item leaves symbol i zero with probability 1 - 2 / (i + 2).
    let expected = |count| sampled().map(|(place, _)| power(place * ONE / (place + 2), count)).sum::<u64>();
    let bound = 4 * symbols.len() as u64 + 16;
    u32::try_from(least(bound, |count| expected(count) <= zeros * ONE)).unwrap_or(u32::MAX)
}

/// 1, as a fraction of 32 bits.
const ONE: u64 = 1 << 32;

/// A fraction of at most 1 to a power.
fn power(mut base: u64, mut exponent: u64) -> u64 {
    let mut product = ONE;
    while exponent > 0 {
        if exponent % 2 == 1 {
            product = (product * base) >> 32;
        }
        base = if base == ONE { ONE } else { (base * base) >> 32 };
        exponent /= 2;
    }
    product
}

/// The least number below `bound` from which on something holds, or `bound`.
fn least(bound: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, bound);
    while low < high {
        let middle = u64::midpoint(low, high);
        if holds(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    low
}
