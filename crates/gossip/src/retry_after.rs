//! `Retry-After`, the time that a peer asks to be left alone: RFC 9110, section 10.2.3.

use core::str::Split;

use jurat_log::UnixMillis;

/// The longest that a peer is left alone for its `Retry-After`, in seconds: no peer can send a node
/// away for good.
pub const MAX_RETRY_AFTER_SECONDS: u64 = 3_600;

/// How many seconds from `now` a `Retry-After` header asks for: at most
/// [`MAX_RETRY_AFTER_SECONDS`], and 0 for what is past or does not read.
///
/// ```
/// use jurat_gossip::retry_after;
/// use jurat_log::UnixMillis;
///
/// let now = UnixMillis(784_111_717_000);
/// assert_eq!(retry_after("120", now), 120);
/// assert_eq!(retry_after("Sun, 06 Nov 1994 08:49:37 GMT", now), 60);
/// assert_eq!(retry_after("soon", now), 0);
/// ```
#[must_use]
pub fn retry_after(header: &str, now: UnixMillis) -> u64 {
    let header = header.trim_matches([' ', '\t']);
    let seconds = if !header.is_empty() && header.bytes().all(|byte| byte.is_ascii_digit()) {
        // All digits and yet no u64: more than any ceiling.
        header.parse().unwrap_or(u64::MAX)
    } else {
        let now = now.0 / 1_000;
        http_date(header, now).map_or(0, |date| date.saturating_sub(now))
    };
    seconds.min(MAX_RETRY_AFTER_SECONDS)
}

/// Seconds since 1970 of an HTTP-date in one of the three forms of RFC 9110, section 5.6.7. The day
/// of the week is not held against the date.
fn http_date(text: &str, now: u64) -> Option<u64> {
    const LONG: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
    let is_day = |name: &str| LONG.iter().any(|long| &long[..3] == name);
    let mut words = text.split(' ');
    let first = words.next()?;
    let (date, time) = match first.strip_suffix(',') {
        // Sun, 06 Nov 1994 08:49:37 GMT
        Some(name) if is_day(name) => {
            let date = (number(words.next()?, 2)?, month(words.next()?)?, number(words.next()?, 4)?);
            (date, gmt(&mut words)?)
        }
        // Sunday, 06-Nov-94 08:49:37 GMT
        Some(name) if LONG.contains(&name) => {
            let mut parts = words.next()?.split('-');
            let (day, month) = (number(parts.next()?, 2)?, month(parts.next()?)?);
            let short = number(parts.next()?, 2)?;
            if parts.next().is_some() {
                return None;
            }
            // "More than 50 years in the future" means the most recent past year.
            let this = 1970 + now / 31_556_952;
            let year = this - this % 100 + short;
            let year = if year > this + 50 { year - 100 } else { year };
            ((day, month, year), gmt(&mut words)?)
        }
        // Sun Nov  6 08:49:37 1994
        None if is_day(first) => {
            let month = month(words.next()?)?;
            let day = match words.next()? {
                "" => number(words.next()?, 1)?,
                day => number(day, 2)?,
            };
            let time = words.next()?;
            ((day, month, number(words.next()?, 4)?), time)
        }
        _ => return None,
    };
    if words.next().is_some() {
        return None;
    }
    let mut parts = time.split(':');
    let mut part = || parts.next().and_then(|part| number(part, 2));
    let (hour, minute, second) = (part()?, part()?, part()?);
    // 60 is a leap second.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    Some(days_since_1970(date)? * 86_400 + hour * 3_600 + minute * 60 + second)
}

fn gmt<'a>(words: &mut Split<'a, char>) -> Option<&'a str> {
    let time = words.next()?;
    (words.next()? == "GMT").then_some(time)
}

fn number(text: &str, digits: usize) -> Option<u64> {
    (text.len() == digits && text.bytes().all(|byte| byte.is_ascii_digit())).then(|| text.parse().ok())?
}

/// 1 to 12.
fn month(name: &str) -> Option<u64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    (1..).zip(MONTHS).find_map(|(number, month)| (month == name).then_some(number))
}

/// `None` for a day that its month does not have, and before 1970.
fn days_since_1970((day, month, year): (u64, u64, u64)) -> Option<u64> {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let length = match month {
        2 => 28 + u64::from(leap),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    if day == 0 || day > length || year < 1970 {
        return None;
    }
    // Years that begin in March end with the leap day, and their months follow 153 days in five.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some(days - 719_468)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 1994-11-06 08:49:37, the example of RFC 9110.
    const EXAMPLE: u64 = 784_111_777;

    fn read(header: &str, now: u64) -> u64 {
        retry_after(header, UnixMillis(now * 1_000))
    }

    #[test]
    fn the_three_forms_of_the_rfcs_example_are_one_second() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(http_date(text, EXAMPLE), Some(EXAMPLE), "{text}");
            assert_eq!(read(text, EXAMPLE - 90), 90);
            assert_eq!(read(text, EXAMPLE + 90), 0);
        }
        assert_eq!(http_date("Thu, 29 Feb 2024 00:00:00 GMT", 0), Some(1_709_164_800));
        assert_eq!(http_date("Thu, 01 Jan 1970 00:00:00 GMT", 0), Some(0));
    }

    #[test]
    fn ten_years_are_an_hour() {
        for text in ["315360000", "18446744073709551616", "Sat, 06 Nov 2004 08:49:37 GMT"] {
            assert_eq!(read(text, EXAMPLE), MAX_RETRY_AFTER_SECONDS, "{text}");
        }
        assert_eq!(read("0000000000000000000000007", EXAMPLE), 7);
    }

    #[test]
    fn what_does_not_read_asks_for_nothing() {
        for text in [
            "",
            " ",
            "-5",
            "+5",
            "1.5",
            "5s",
            "0x10",
            "5, 10",
            "1e3",
            "NaN",
            "\u{664}\u{662}",
            "Sun, 06 Nov 2094 08:49:37",
            "Sun, 06 Nov 2094 08:49:37 CET",
            "Sun, 31 Nov 2094 08:49:37 GMT",
            "Sun, 00 Nov 2094 08:49:37 GMT",
            "Sun, 6 Nov 2094 08:49:37 GMT",
            "Sun, 06 Nov 2094 24:49:37 GMT",
            "Sun, 06 Nov 2094 08:49:37 GMT GMT",
            "Sun 06 Nov 2094 08:49:37 GMT",
            "sun, 06 nov 2094 08:49:37 gmt",
            "Mon, 29 Feb 2094 00:00:00 GMT",
            "Sun, 06 Nov 99999 08:49:37 GMT",
            "Sun,  06 Nov 2094 08:49:37 GMT",
        ] {
            assert_eq!(read(text, EXAMPLE), 0, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_asks_for_more_than_the_ceiling(text in "\\PC{0,40}", now: u64) {
            prop_assert!(retry_after(&text, UnixMillis(now)) <= MAX_RETRY_AFTER_SECONDS);
        }

        #[test]
        fn days_follow_each_other(year in 1970_u64..2400, month in 1_u64..=12, day in 1_u64..=31) {
            if let Some(today) = days_since_1970((day, month, year)) {
                let next = [(day + 1, month, year), (1, month % 12 + 1, year + month / 12)];
                let tomorrow = next.into_iter().find_map(days_since_1970);
                prop_assert_eq!(tomorrow, Some(today + 1));
            }
        }
    }
}
