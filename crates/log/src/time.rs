//! Points in time, passed in from outside and carried in what is signed.

use core::fmt;

use serde::{Deserialize, Serialize};

/// Seconds since 1970-01-01 00:00:00 UTC, without leap seconds: 0 to 2^63 - 1, as C2SP
/// tlog-cosignature bounds them.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct UnixSeconds(u64);

/// Milliseconds since 1970-01-01 00:00:00 UTC, without leap seconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMillis(pub u64);

/// A time is beyond 2^63 - 1 seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a time of {0} seconds exceeds 2^63 - 1")]
pub struct TimeTooLarge(pub u64);

impl UnixSeconds {
    /// Checks and takes a number of seconds.
    pub const fn new(seconds: u64) -> Result<Self, TimeTooLarge> {
        if seconds >> 63 == 0 { Ok(Self(seconds)) } else { Err(TimeTooLarge(seconds)) }
    }

    /// The number of seconds.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl From<UnixMillis> for UnixSeconds {
    /// The full seconds that have passed.
    fn from(time: UnixMillis) -> Self {
        Self(time.0 / 1000)
    }
}

impl TryFrom<u64> for UnixSeconds {
    type Error = TimeTooLarge;

    fn try_from(seconds: u64) -> Result<Self, TimeTooLarge> {
        Self::new(seconds)
    }
}

impl From<UnixSeconds> for u64 {
    fn from(time: UnixSeconds) -> Self {
        time.0
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnixMillis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
