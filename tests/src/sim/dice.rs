//! Chance that follows from a seed.

use std::ops::RangeInclusive;

use rand::{Rng as _, RngExt as _, SeedableRng as _, rngs::StdRng};

/// A source of chance. Whatever has one of its own is not disturbed by what others draw, so that
/// leaving a fault out of a plan leaves the rest of its history alone for a while.
#[derive(Debug)]
pub(super) struct Dice(StdRng);

impl Dice {
    /// The dice of a seed for one purpose.
    pub(super) fn new(seed: u64, purpose: &str, number: usize) -> Self {
        let seed = jurat_crypto::Digest::of(format!("{seed} {purpose} {number}").as_bytes());
        Self(StdRng::from_seed(*seed.as_bytes()))
    }

    pub(super) fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    pub(super) fn within(&mut self, range: &RangeInclusive<u64>) -> u64 {
        self.0.random_range(range.clone())
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0.random_range(0..bound.max(1))
    }

    /// Happens so many times in a thousand.
    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.within(&(0..=999)) < per_mille
    }

    pub(super) fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// A source for those who want one of their own.
    pub(super) fn fork(&mut self) -> StdRng {
        StdRng::from_rng(&mut self.0)
    }
}
