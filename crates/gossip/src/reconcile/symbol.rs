//! Coded symbols: sums of items, of which there are as many as anyone asks for.

use alloc::vec::Vec;

/// The most symbols of one session. A difference takes about 1.4 each.
pub(super) const MAX_SYMBOLS: u32 = 1 << 20;

/// How many bits of each random number choose an item's next symbol. `MAX_SYMBOLS` squared times
/// this must fit 64 bits.
const STEP_BITS: u32 = 22;

/// The sum of those items of a set that are in one symbol.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Symbol {
    /// The items' short ids, exclusive-ored.
    pub(super) ids: u64,
    /// Their checks of 24 bits, exclusive-ored: tells a symbol with one item from one with several.
    pub(super) checks: u32,
}

impl Symbol {
    /// What one item adds to each of its symbols, and also takes from it.
    pub(super) fn of(id: u64, key: u64) -> Self {
        let checks = (mix(id ^ key) >> 40) as u32;
        Self { ids: id, checks }
    }

    pub(super) fn toggle(&mut self, other: Self) {
        self.ids ^= other.ids;
        self.checks ^= other.checks;
    }

    pub(super) fn is_zero(self) -> bool {
        self == Self::default()
    }
}

/// In which symbols an item is: in the first, and in symbol `i` with probability 2 / (i + 2).
///
/// After symbol `i` the next one lies beyond `j` with probability
/// `(i + 1) (i + 2) / ((j + 1) (j + 2))`, so one random number and a square root give it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Places {
    /// The item's next symbol, or [`MAX_SYMBOLS`] if it is in none any more.
    next: u32,
    random: u64,
}

impl Places {
    pub(super) fn of(id: u64, key: u64) -> Self {
        // Another function of the id than its check.
        Self { next: 0, random: id.rotate_left(32) ^ !key }
    }

    /// Takes the item's next symbol if it is before `end`.
    pub(super) fn next_before(&mut self, end: u32) -> Option<u32> {
        let place = self.next;
        if place >= end {
            return None;
        }
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let chance = (mix(self.random) >> (64 - STEP_BITS)) + 1;
        let at = u64::from(place);
        let beyond = (((at + 1) * (at + 2)) << STEP_BITS) / chance;
        // The least j with (j + 1) (j + 2) > beyond.
        let root = beyond.isqrt();
        let next = if root * (root + 1) > beyond { root - 1 } else { root };
        self.next = u32::try_from(next).unwrap_or(MAX_SYMBOLS).min(MAX_SYMBOLS);
        Some(place)
    }
}

/// Adds items to symbols, a range at a time.
#[derive(Clone, Debug, Default)]
pub(super) struct Coder {
    items: Vec<(u64, Places)>,
}

impl Coder {
    pub(super) fn new(ids: impl Iterator<Item = u64>, key: u64) -> Self {
        Self { items: ids.map(|id| (id, Places::of(id, key))).collect() }
    }

    pub(super) fn push(&mut self, id: u64, places: Places) {
        self.items.push((id, places));
    }

    /// Adds the items to the symbols that follow those added to before; the first is number `first`.
    pub(super) fn add_to(&mut self, first: u32, symbols: &mut [Symbol], key: u64) {
        let end = u32::try_from(symbols.len()).map_or(MAX_SYMBOLS, |len| first.saturating_add(len));
        for (id, places) in &mut self.items {
            let item = Symbol::of(*id, key);
            while let Some(place) = places.next_before(end) {
                if let Some(symbol) = place.checked_sub(first).and_then(|at| symbols.get_mut(at as usize)) {
                    symbol.toggle(item);
                }
            }
        }
    }
}

/// A bijection of 64 bits in which each bit of the input changes half of the output: the finaliser
/// of `SplitMix64` (Steele, Lea and Flood, 2014).
pub(super) const fn mix(mut bits: u64) -> u64 {
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn items_are_in_symbols_as_often_as_they_should_be() {
        const ITEMS: u64 = 20_000;
        let mut counts = [0_u64; 64];
        for item in 0..ITEMS {
            let mut places = Places::of(mix(item + 1), 7);
            let mut before = None;
            while let Some(place) = places.next_before(64) {
                assert!(before < Some(place));
                before = Some(place);
                counts[place as usize] += 1;
            }
        }
        for (place, count) in (0_u64..).zip(counts) {
            let expected = 2 * ITEMS / (place + 2);
            // Five standard deviations at most: fixed numbers, so this holds always or never.
            assert!(count.abs_diff(expected).pow(2) <= 25 * expected, "{count} of {expected} at {place}");
        }
    }

    #[test]
    fn places_end_at_the_last_symbol() {
        for item in 0..200 {
            let mut places = Places::of(mix(item), 1);
            let count = core::iter::from_fn(|| places.next_before(MAX_SYMBOLS)).count();
            assert!((1..200).contains(&count), "{count}");
            assert_eq!(places.next_before(MAX_SYMBOLS), None);
        }
    }
}
