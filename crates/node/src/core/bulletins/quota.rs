//! What one member may send about bulletins.

use jurat_gossip::{Budget, Verdict};

/// Bytes a second, and at once.
const BYTES: (u64, u64) = (8 << 20, 32 << 20);
/// Messages a second, and at once.
const MESSAGES: (u64, u64) = (2_000, 8_000);
/// Bad bulletins a second, and at once: honest members pass none on.
const BAD: (u64, u64) = (1, 32);
/// For how long nothing is taken of who sent too many bad ones, in milliseconds.
const CUT_OFF_MILLIS: u64 = 60_000;

/// The budgets of one member.
#[derive(Debug)]
pub(super) struct Quota {
    bytes: Budget,
    messages: Budget,
    bad: Budget,
    cut_off_until: u64,
}

impl Quota {
    pub(super) const fn new(now: u64) -> Self {
        Self {
            bytes: Budget::new(BYTES.0, BYTES.1, now),
            messages: Budget::new(MESSAGES.0, MESSAGES.1, now),
            bad: Budget::new(BAD.0, BAD.1, now),
            cut_off_until: 0,
        }
    }

    /// Whether a message of so many bytes is taken.
    pub(super) fn takes(&mut self, bytes: usize, now: u64) -> bool {
        now >= self.cut_off_until
            && self.messages.spend(1, now) == Verdict::Take
            && self.bytes.spend(bytes as u64, now) == Verdict::Take
    }

    /// Notes something bad; whether the member is cut off for it.
    pub(super) fn bad(&mut self, now: u64) -> bool {
        let too_many = self.bad.spend(1, now) != Verdict::Take;
        if too_many {
            self.cut_off_until = now + CUT_OFF_MILLIS;
        }
        too_many
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_sends_too_much_is_not_heard_for_a_moment_and_who_sends_bad_things_for_a_minute() {
        let mut quota = Quota::new(0);
        assert!((0..MESSAGES.1).all(|_| quota.takes(1, 0)));
        assert!(!quota.takes(1, 0));
        assert!(quota.takes(1, 1));
        let mut quota = Quota::new(0);
        assert!(quota.takes(usize::try_from(BYTES.1).unwrap(), 0));
        assert!(!quota.takes(1 << 20, 0));
        let mut quota = Quota::new(0);
        assert!((0..BAD.1).all(|_| !quota.bad(0)));
        assert!(quota.bad(0));
        assert!(!quota.takes(1, CUT_OFF_MILLIS - 1) && quota.takes(1, CUT_OFF_MILLIS));
    }
}
