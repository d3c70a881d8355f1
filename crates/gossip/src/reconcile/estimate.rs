//! Guessing how much two sets differ, to send about as many symbols as that takes.
//!
//! A guess that is too low costs another question, one that is too high some symbols. Nothing else
//! depends on it, so nothing here has to be agreed on but the sketch.

use alloc::boxed::Box;

use super::symbol::Symbol;

/// Bytes of a sketch.
pub(super) const SKETCH_BYTES: usize = 256;

/// Counters by which two sets' difference can be guessed: each item adds one to one of them, or takes
/// one from it. What both sets have cancels out, and what is left has the size of the difference as
/// the expected sum of its squares ("Finding Frequent Items in Data Streams", Charikar, Chen and
/// Farach-Colton, 2002). With 256 counters that is a tenth off, and it works up to a million.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Sketch(Box<[u8; SKETCH_BYTES]>);

impl Sketch {
    pub(super) fn of(ids: impl Iterator<Item = u64>) -> Self {
        let mut counters = Box::new([0_u8; SKETCH_BYTES]);
        for id in ids {
            let [counter, sign, ..] = id.to_le_bytes();
            let counter = &mut counters[usize::from(counter)];
            *counter = if sign % 2 == 0 { counter.wrapping_add(1) } else { counter.wrapping_sub(1) };
        }
        Self(counters)
    }

    /// About how many items the sets of two sketches differ in.
    pub(super) fn difference(&self, other: &Self) -> u32 {
        let pairs = self.0.iter().zip(&*other.0);
        pairs
            .map(|(one, other)| u32::from(one.wrapping_sub(*other).cast_signed().unsigned_abs()).pow(2))
            .sum()
    }

    pub(super) fn bytes(&self) -> &[u8; SKETCH_BYTES] {
        &self.0
    }

    pub(super) fn from_bytes(bytes: [u8; SKETCH_BYTES]) -> Self {
        Self(Box::new(bytes))
    }
}

/// About how many items are in symbols, if nothing was taken out of them, and how many of the symbols
/// are zero, by which this is told.
pub(super) fn items_in(symbols: &[Symbol]) -> (u32, u64) {
    // Of many symbols some tell as much.
    let stride = symbols.len().div_ceil(1 << 12).max(1);
    let sampled = || (0_u64..).zip(symbols).step_by(stride);
    let zeros = sampled().filter(|(_, symbol)| symbol.is_zero()).count() as u64;
    // An item leaves symbol i zero with probability 1 - 2 / (i + 2).
    let expected = |count| sampled().map(|(place, _)| power(place * ONE / (place + 2), count)).sum::<u64>();
    let bound = 4 * symbols.len() as u64 + 16;
    (u32::try_from(least(bound, |count| expected(count) <= zeros * ONE)).unwrap_or(u32::MAX), zeros)
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

#[cfg(test)]
mod tests {
    use super::{super::symbol::mix, *};

    /// Fixed ids, so that this holds always or never.
    #[test]
    fn a_sketch_tells_a_difference_of_any_size_within_a_third() {
        for apart in [0_u64, 1, 30, 1_000, 50_000] {
            let sketch = |ids: core::ops::Range<u64>| Sketch::of(ids.map(|id| mix(id + 1)));
            let (ours, theirs) = (sketch(0..90_000), sketch(apart / 2..90_000 + apart - apart / 2));
            let guess = u64::from(ours.difference(&theirs));
            assert!(guess.abs_diff(apart) <= apart / 3, "{guess} for {apart}");
        }
    }
}
