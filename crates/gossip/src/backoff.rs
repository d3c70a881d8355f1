//! How long to wait before dialling a peer again.

/// A wait that doubles with each failure in a row up to a ceiling.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Backoff {
    first: u64,
    ceiling: u64,
    failures: u32,
}

impl Backoff {
    /// Waits `first` milliseconds after the first failure, at most `ceiling` after many.
    #[must_use]
    pub const fn new(first: u64, ceiling: u64) -> Self {
        Self { first, ceiling, failures: 0 }
    }

    /// The peer could not be reached: how many milliseconds to wait. `jitter`, from 0 to 1, adds up
    /// to a tenth, so that nodes that lost the same peer do not come back in step.
    #[must_use]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a tenth of a wait needs no more precision than a float has"
    )]
    pub fn failed(&mut self, jitter: f64) -> u64 {
        let wait = self.first.saturating_mul(1_u64.checked_shl(self.failures).unwrap_or(u64::MAX));
        let wait = wait.min(self.ceiling);
        self.failures = self.failures.saturating_add(1);
        wait + (wait as f64 * 0.1 * jitter.clamp(0.0, 1.0)) as u64
    }

    /// The peer answered: the next failure counts as the first.
    pub const fn succeeded(&mut self) {
        self.failures = 0;
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn waits_grow_to_the_ceiling_and_never_past_it_by_more_than_the_jitter(
            first in 1_u64..1_000, ceiling in 1_u64..100_000, jitter in -1.0..2.0, failures in 1_usize..200,
        ) {
            let mut backoff = Backoff::new(first, ceiling);
            let waits: Vec<u64> = (0..failures).map(|_| backoff.failed(jitter)).collect();
            prop_assert!(waits.windows(2).all(|pair| pair[0] <= pair[1]));
            prop_assert!(waits.iter().all(|wait| *wait <= ceiling + ceiling / 10));
            prop_assert!(waits[0] >= first.min(ceiling));
        }
    }
}
