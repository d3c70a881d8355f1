//! What one peer may send, the score that it loses by breaking that, and being cut off at the end of it.

use crate::{Budget, Verdict};

/// What a peer may send, each a second and at once, and what breaking that costs it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QuotaLimits {
    /// Bytes a second, and at once.
    pub bytes: (u64, u64),
    /// Messages a second, and at once.
    pub messages: (u64, u64),
    /// Points that a score regains a second, and has at most. Each message over the limits costs one.
    pub score: (u64, u64),
    /// Points that something bad costs: what can't come from a peer that checks what it passes on.
    pub bad: u64,
    /// For how long nothing is taken of a peer whose score is spent, in milliseconds.
    pub cut_off: u64,
}

/// Why a message is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OverQuota {
    /// Too many messages.
    #[error("it sends more messages than it may")]
    Messages,
    /// Too many bytes.
    #[error("it sends more bytes than it may")]
    Bytes,
    /// It broke its limits too often before.
    #[error("it is cut off for breaking its limits")]
    CutOff,
}

/// What one peer may still send. A message over the limits is dropped and costs a point, a bad one
/// costs more; a peer without points is cut off for a while, and begins with a full score after it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Quota {
    limits: QuotaLimits,
    bytes: Budget,
    messages: Budget,
    score: Budget,
    cut_off_until: u64,
}

impl Quota {
    /// Nothing was sent yet at `now`.
    #[must_use]
    pub const fn new(limits: QuotaLimits, now: u64) -> Self {
        Self {
            limits,
            bytes: Budget::new(limits.bytes.0, limits.bytes.1, now),
            messages: Budget::new(limits.messages.0, limits.messages.1, now),
            score: Budget::new(limits.score.0, limits.score.1, now),
            cut_off_until: 0,
        }
    }

    /// Takes a message of so many bytes, or says why not.
    pub fn take(&mut self, bytes: usize, now: u64) -> Result<(), OverQuota> {
        if self.is_cut_off(now) {
            return Err(OverQuota::CutOff);
        }
        let over = if self.messages.spend(1, now) != Verdict::Take {
            OverQuota::Messages
        } else if self.bytes.spend(bytes as u64, now) != Verdict::Take {
            OverQuota::Bytes
        } else {
            return Ok(());
        };
        self.lower(1, now);
        Err(over)
    }

    /// Something bad came. Whether the peer is cut off for it from now on.
    pub fn bad(&mut self, now: u64) -> bool {
        !self.is_cut_off(now) && self.lower(self.limits.bad, now)
    }

    /// How many points the peer has left; none while it is cut off.
    pub fn score(&mut self, now: u64) -> u64 {
        if self.is_cut_off(now) { 0 } else { self.score.left(now) }
    }

    /// Whether nothing is taken of it.
    #[must_use]
    pub const fn is_cut_off(&self, now: u64) -> bool {
        now < self.cut_off_until
    }

    fn lower(&mut self, points: u64, now: u64) -> bool {
        let spent = self.score.spend(points, now) != Verdict::Take;
        if spent {
            self.cut_off_until = now.saturating_add(self.limits.cut_off);
            let (per_second, most) = self.limits.score;
            self.score = Budget::new(per_second, most, self.cut_off_until);
        }
        spent
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: QuotaLimits =
        QuotaLimits { bytes: (1_000, 4_000), messages: (10, 40), score: (1, 20), bad: 5, cut_off: 60_000 };

    #[test]
    fn too_many_messages_and_bytes_are_not_taken_and_cost_points() {
        let mut quota = Quota::new(LIMITS, 0);
        assert!((0..40).all(|_| quota.take(1, 0).is_ok()));
        assert_eq!((quota.take(1, 0), quota.score(0)), (Err(OverQuota::Messages), 19));
        assert_eq!((quota.take(1, 100), quota.score(2_000)), (Ok(()), 20));
        let mut quota = Quota::new(LIMITS, 0);
        assert_eq!(quota.take(4_000, 0), Ok(()));
        assert_eq!((quota.take(1_000, 0), quota.score(0)), (Err(OverQuota::Bytes), 19));
        assert_eq!(quota.take(1_000, 1_000), Ok(()));
    }

    #[test]
    fn who_has_no_points_left_is_cut_off_for_a_while_and_starts_anew() {
        let mut quota = Quota::new(LIMITS, 0);
        assert!((0..4).all(|_| !quota.bad(0)), "four bad ones are forgiven");
        assert_eq!(quota.score(0), 0);
        assert!(quota.bad(0) && quota.is_cut_off(0));
        assert!(!quota.bad(1), "it is cut off once for it");
        assert_eq!((quota.take(1, 59_999), quota.score(59_999)), (Err(OverQuota::CutOff), 0));
        assert_eq!((quota.take(1, 60_000), quota.score(60_000)), (Ok(()), 20));
        // A flood ends there, too.
        let mut quota = Quota::new(LIMITS, 0);
        let refused: Vec<_> = (0..1_000).filter_map(|_| quota.take(1, 0).err()).collect();
        let count = |why| refused.iter().filter(|refused| **refused == why).count();
        assert_eq!((count(OverQuota::Messages), count(OverQuota::CutOff)), (21, 939));
    }

    proptest! {
        /// Who keeps to the limits and sends nothing bad is always heard.
        #[test]
        fn who_keeps_to_the_limits_is_always_heard(pauses in prop::collection::vec(100_u64..500, 1..200)) {
            let (mut quota, mut now) = (Quota::new(LIMITS, 0), 0);
            for pause in pauses {
                now += pause;
                prop_assert_eq!(quota.take(100, now), Ok(()));
            }
            prop_assert_eq!(quota.score(now), 20);
        }
    }
}
