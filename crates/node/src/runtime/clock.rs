//! The two clocks that the core is given.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use jurat_pbft::{BatchTime, Now};

/// Reads the machine's clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: Instant,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self { start: Instant::now() }
    }

    pub(crate) fn now(&self) -> Now {
        let elapsed = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Now { elapsed, wall: BatchTime(unix_millis()) }
    }

    /// The instant at which `elapsed` reaches a value.
    pub(crate) fn instant(&self, elapsed: u64) -> Instant {
        // A timer that far away never matters; the sum must not overflow.
        let year = 365 * 24 * 60 * 60 * 1_000;
        self.start + std::time::Duration::from_millis(elapsed.min(year))
    }
}

/// The calendar, in milliseconds since the Unix epoch; 0 before it.
pub(crate) fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
