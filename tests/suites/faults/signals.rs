//! SIGSTOP and SIGTERM.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use jurat_tests::{Council, Load, until_true};

/// A member that hangs is no worse than one that is down, even as the primary.
#[test]
fn a_member_that_is_paused_for_a_while_catches_up() {
    let council = Arc::new(Council::start());
    let load = Load::start(&council, 4);
    load.until_more(10);
    for backup in [true, false] {
        let primary = council.primary(0);
        let member = if backup { (primary + 1) % 4 } else { primary };
        council.pause(member);
        let paused = Instant::now();
        load.until_more(10);
        until_true("three seconds to pass", || paused.elapsed() >= Duration::from_secs(3));
        council.resume(member);
        council.until_connected();
        load.until_more(10);
    }
    load.stop().hold(&council);
}

/// A clean stop ends with exit code 0, under load, and leaves nothing to replay.
#[test]
fn a_member_that_is_stopped_ends_cleanly() {
    let council = Arc::new(Council::start());
    let load = Load::start(&council, 2);
    for member in 0..4 {
        load.until_more(10);
        assert_eq!(council.stop(member).code(), Some(0));
        assert!(council.log(member).trim_end().ends_with("node stopped"), "{}", council.log(member));
        council.run(member);
        council.until_connected();
    }
    let promises = load.stop();
    promises.hold(&council);
    // All together, at rest.
    for member in 0..4 {
        assert_eq!(council.stop(member).code(), Some(0));
    }
    for member in 0..4 {
        council.run(member);
    }
    council.until_connected();
    promises.hold(&council);
}
