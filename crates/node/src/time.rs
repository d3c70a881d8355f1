//! Points in time as people and programs read them.

use jiff::Timestamp;

/// Milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn rfc3339(unix_millis: u64) -> String {
    let time = i64::try_from(unix_millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    // Beyond the year 9999 the number says more than a failure would.
    time.map_or_else(|| format!("{unix_millis} ms"), |time| format!("{time:.3}"))
}

/// Seconds since the Unix epoch as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339_seconds(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{unix_seconds} s"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::{rfc3339, rfc3339_seconds};

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(rfc3339_seconds(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_seconds(u64::MAX), format!("{} s", u64::MAX));
        assert_eq!(rfc3339(u64::MAX), format!("{} ms", u64::MAX));
    }
}
