//! How much a peer may send: a token bucket.

/// What one peer may still send.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Budget {
    per_second: u64,
    burst: u64,
    /// Thousandths of a unit, so that no fraction of a millisecond's share is lost.
    left: u64,
    at: u64,
}

/// What to do with something that a peer sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Take it.
    Take,
    /// Read no further for so many milliseconds; then it is paid for.
    Wait(u64),
}

impl Budget {
    /// `per_second` units a second and up to `burst` at once; full at `now`.
    #[must_use]
    pub const fn new(per_second: u64, burst: u64, now: u64) -> Self {
        Self { per_second, burst, left: burst.saturating_mul(1_000), at: now }
    }

    /// Takes `units`, or says how long until they are there. Waiting spends nothing.
    ///
    /// More than a whole burst is taken when the budget is full, or it could never be.
    pub fn spend(&mut self, units: u64, now: u64) -> Verdict {
        let full = self.refill(now);
        let price = units.saturating_mul(1_000).min(full);
        match self.left.checked_sub(price) {
            Some(left) => {
                self.left = left;
                Verdict::Take
            }
            None => Verdict::Wait((price - self.left).div_ceil(self.per_second.max(1))),
        }
    }

    /// How many units are left.
    pub fn left(&mut self, now: u64) -> u64 {
        self.refill(now);
        self.left / 1_000
    }

    /// Adds what time has brought, and says how much fits.
    fn refill(&mut self, now: u64) -> u64 {
        let full = self.burst.saturating_mul(1_000);
        let elapsed = now.saturating_sub(self.at);
        self.at = self.at.max(now);
        self.left = self.left.saturating_add(elapsed.saturating_mul(self.per_second)).min(full);
        full
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the pattern, a peer gets at most the burst and its rate over the time.
        #[test]
        fn nobody_gets_more_than_the_burst_and_the_rate(
            rate in 1_u64..10_000, burst in 1_u64..10_000,
            tries in prop::collection::vec((1_u64..500, 0_u64..200), 1..200),
        ) {
            let mut budget = Budget::new(rate, burst, 0);
            let (mut now, mut taken) = (0, 0);
            for (units, pause) in tries {
                now += pause;
                let units = units.min(burst);
                if budget.spend(units, now) == Verdict::Take {
                    taken += units;
                }
            }
            prop_assert!(taken <= burst + now * rate / 1_000 + 1);
        }

        #[test]
        fn after_the_wait_it_is_taken(rate in 1_u64..10_000, burst in 1_u64..10_000, units in 1_u64..20_000) {
            let mut budget = Budget::new(rate, burst, 0);
            prop_assert_eq!(budget.spend(burst, 0), Verdict::Take);
            let Verdict::Wait(wait) = budget.spend(units, 0) else { panic!("an empty budget must wait") };
            prop_assert_eq!(budget.spend(units, wait), Verdict::Take);
        }
    }
}
