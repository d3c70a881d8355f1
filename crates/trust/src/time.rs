//! Ordered time: the only time there is in the registry.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds in a day.
pub const MILLIS_PER_DAY: u64 = 24 * 60 * 60 * 1000;

/// Milliseconds since the Unix epoch as the council ordered them, never a clock's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct OrderedTime(pub u64);

impl OrderedTime {
    /// Whole days that have passed since `earlier`; 0 if it is not earlier.
    #[must_use]
    pub const fn days_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0) / MILLIS_PER_DAY
    }

    /// This many days later.
    #[must_use]
    pub const fn plus_days(self, days: u64) -> Self {
        Self(self.0.saturating_add(days.saturating_mul(MILLIS_PER_DAY)))
    }

    /// This many days earlier, or the epoch.
    #[must_use]
    pub const fn minus_days(self, days: u64) -> Self {
        Self(self.0.saturating_sub(days.saturating_mul(MILLIS_PER_DAY)))
    }
}

impl fmt::Display for OrderedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_counts_once_it_is_whole() {
        let start = OrderedTime(5);
        assert_eq!(OrderedTime(5 + MILLIS_PER_DAY - 1).days_since(start), 0);
        assert_eq!(OrderedTime(5 + MILLIS_PER_DAY).days_since(start), 1);
        assert_eq!(start.days_since(OrderedTime(MILLIS_PER_DAY)), 0);
        assert_eq!(OrderedTime(u64::MAX).plus_days(1), OrderedTime(u64::MAX));
        assert_eq!(start.minus_days(1), OrderedTime(0));
    }
}
