//! Waiting for a condition with a deadline. No suite waits for a fixed time.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Far more than anything takes on a busy machine: only a failure waits this long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// How often a condition is looked at.
const LOOK: Duration = Duration::from_millis(20);

/// Looks until there is a value, and returns it.
#[track_caller]
pub fn until<T>(what: &str, look: impl FnMut() -> Result<T, String>) -> T {
    until_within(PATIENCE, what, look)
}

/// [`until`] with another patience.
#[track_caller]
pub(crate) fn until_within<T>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Result<T, String>,
) -> T {
    let deadline = Instant::now() + patience;
    loop {
        match look() {
            Ok(value) => return value,
            Err(seen) if Instant::now() > deadline => {
                panic!("waited {} s for {what}; last seen: {seen}", patience.as_secs())
            }
            Err(_) => thread::sleep(LOOK),
        }
    }
}

/// [`until`] for conditions without a value.
#[track_caller]
pub fn until_true(what: &str, mut look: impl FnMut() -> bool) {
    until(what, || if look() { Ok(()) } else { Err("it is not so".into()) });
}
