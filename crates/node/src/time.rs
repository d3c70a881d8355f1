//! Points in time as people and programs read them.

use jiff::Timestamp;

/// Milliseconds since the Unix epoch as RFC 3339 in UTC, with milliseconds.
#[must_use]
pub fn rfc3339(unix_millis: u64) -> String {
    let time = i64::try_from(unix_millis).ok().and_then(|millis| Timestamp::from_millisecond(millis).ok());
    // Beyond the year 9999 the number says more than a failure would.
    time.map_or_else(|| format!("{unix_millis} ms"), |time| format!("{time:.3}"))
}

/// A time in RFC 3339, with any offset, as milliseconds since the Unix epoch.
#[must_use]
pub(crate) fn parse_rfc3339(text: &str) -> Option<u64> {
    let time: Timestamp = text.parse().ok()?;
    u64::try_from(time.as_millisecond()).ok()
}

/// Seconds since the Unix epoch as RFC 3339 in UTC.
#[must_use]
pub fn rfc3339_seconds(unix_seconds: u64) -> String {
    let time = i64::try_from(unix_seconds).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map_or_else(|| format!("{unix_seconds} s"), |time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::{parse_rfc3339, rfc3339, rfc3339_seconds};

    #[test]
    fn times_are_written_in_utc_with_milliseconds() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(rfc3339(1_700_000_000_007), "2023-11-14T22:13:20.007Z");
        assert_eq!(rfc3339_seconds(1_700_000_000), "2023-11-14T22:13:20Z");
        assert_eq!(rfc3339_seconds(u64::MAX), format!("{} s", u64::MAX));
        assert_eq!(parse_rfc3339("2023-11-14T23:13:20.007+01:00"), Some(1_700_000_000_007));
        assert_eq!(parse_rfc3339("1969-12-31T23:59:59Z"), None);
        assert_eq!(rfc3339(u64::MAX), format!("{} ms", u64::MAX));
    }
}
