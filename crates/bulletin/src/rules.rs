//! What a network's nodes agree on about bulletins and messages.

use jurat_crypto::NetworkId;

use crate::{UnixSeconds, WorkRules};

/// Fixed by the network's genesis; the defaults are those of the design.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rules {
    /// The network.
    pub network: NetworkId,
    /// What work is asked for.
    pub work: WorkRules,
    /// How long a bulletin lives, in seconds.
    pub bulletin_life: u32,
    /// How long a message is accepted, in seconds.
    pub message_life: u32,
    /// How far ahead of the receiver's clock a time may be, in seconds.
    pub ahead: u32,
}

impl Rules {
    /// An hour for bulletins, five minutes for messages, two minutes for clocks that are off.
    #[must_use]
    pub fn new(network: NetworkId) -> Self {
        Self { network, work: WorkRules::default(), bulletin_life: 3600, message_life: 300, ahead: 120 }
    }
}

/// A time that is not now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum NotNow {
    /// It is over.
    Expired,
    /// It has not begun.
    Future,
}

/// Whether something of `time` that lives for `life` seconds counts at `now`.
pub(crate) fn timely(now: UnixSeconds, time: UnixSeconds, life: u32, ahead: u32) -> Result<(), NotNow> {
    if time.0.saturating_add(life) < now.0 {
        Err(NotNow::Expired)
    } else if time.0 > now.0.saturating_add(ahead) {
        Err(NotNow::Future)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_count_from_a_little_before_to_the_end_of_life() {
        let now = UnixSeconds(10_000);
        let at = |time| timely(now, UnixSeconds(time), 3600, 120);
        assert_eq!([6_399, 6_400].map(at), [Err(NotNow::Expired), Ok(())]);
        assert_eq!([10_120, 10_121].map(at), [Ok(()), Err(NotNow::Future)]);
        // Nothing wraps at the end of time.
        assert_eq!(timely(UnixSeconds(u32::MAX), UnixSeconds(u32::MAX), 3600, 120), Ok(()));
        assert_eq!(timely(UnixSeconds(0), UnixSeconds(u32::MAX), 3600, 120), Err(NotNow::Future));
    }
}
