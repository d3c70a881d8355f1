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

/// As RFC 3339 has it, in UTC.
impl fmt::Display for OrderedTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = date(self.0 / MILLIS_PER_DAY);
        let millis = self.0 % MILLIS_PER_DAY;
        let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
        let (seconds, millis) = (millis / 1_000 % 60, millis % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day counted from 1970-01-01. Years are counted from March here, so that
/// the leap day is the last one of its year.
const fn date(day: u64) -> (u64, u64, u64) {
    const DAYS_OF_400_YEARS: u64 = 146_097;
    // From 0000-03-01.
    let day = day + 719_468;
    let (cycles, day) = (day / DAYS_OF_400_YEARS, day % DAYS_OF_400_YEARS);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    // The months from March on have 153 days in each five.
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let year = 400 * cycles + year;
    if month < 10 { (year, month + 3, day) } else { (year + 1, month - 9, day) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_dates() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (68_169_599_999, "1972-02-28T23:59:59.999Z"),
            (68_169_600_000, "1972-02-29T00:00:00.000Z"),
            (951_868_800_000, "2000-03-01T00:00:00.000Z"),
            (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
            (4_107_542_399_999, "2100-02-28T23:59:59.999Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(alloc::string::ToString::to_string(&OrderedTime(millis)), text);
        }
        assert!(!alloc::string::ToString::to_string(&OrderedTime(u64::MAX)).is_empty());
    }

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
