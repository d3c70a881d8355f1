//! Stamps: the work that a bulletin or message carries, and what it is bound to.

use jurat_crypto::{
    CodeSize, Difficulty, Digest, EquihashSolution, LinearDifficulty, NetworkId, NoncePlaceError,
    NonceSearch, NonceWidth, ProofOfWork, Stamp, TapeHash, WorkFunction, ZeroBits,
};

use crate::UnixSeconds;

/// How a network counts effort.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EffortRule {
    /// In leading zero bits: one more is twice the work.
    ZeroBits,
    /// In attempts; with Equihash in solutions, of which an attempt finds two on average.
    Linear,
}

/// An amount of work, in the unit of the network's [`EffortRule`]: less than 2^31.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Effort(u32);

impl Effort {
    /// The most that can be promised.
    pub const MAX: Self = Self(u32::MAX >> 1);

    /// An amount of work; more than [`Effort::MAX`] counts as that.
    #[must_use]
    pub const fn new(amount: u32) -> Self {
        if amount <= Self::MAX.0 { Self(amount) } else { Self::MAX }
    }

    /// The amount.
    #[must_use]
    pub const fn amount(self) -> u32 {
        self.0
    }

    /// This effort, doubled so many times.
    #[must_use]
    pub fn doubled(self, rule: EffortRule, times: u32) -> Self {
        Self::new(match rule {
            EffortRule::ZeroBits => self.0.saturating_add(times),
            EffortRule::Linear => self.0.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX)),
        })
    }

    /// This effort, halved so many times.
    #[must_use]
    pub fn halved(self, rule: EffortRule, times: u32) -> Self {
        Self(match rule {
            EffortRule::ZeroBits => self.0.saturating_sub(times),
            EffortRule::Linear => self.0.checked_shr(times).unwrap_or(0),
        })
    }
}

/// What a network's genesis says about work.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct WorkRules {
    /// The function.
    pub function: WorkFunction,
    /// How effort is counted.
    pub rule: EffortRule,
    /// What a bulletin costs where nothing is crowded.
    pub bulletins: Effort,
    /// What a message costs where nothing is crowded.
    pub messages: Effort,
}

impl Default for WorkRules {
    /// tapehash1 with a program of 64 bytes; 7 zero bits for a bulletin, 1 for a message.
    fn default() -> Self {
        Self {
            function: TapeHash::V1(CodeSize::DEFAULT_V3).into(),
            rule: EffortRule::ZeroBits,
            bulletins: Effort(7),
            messages: Effort(1),
        }
    }
}

impl WorkRules {
    fn difficulty(&self, effort: Effort) -> Difficulty {
        match self.rule {
            // Beyond 256 bits nothing is ever enough.
            EffortRule::ZeroBits => u16::try_from(effort.0)
                .ok()
                .and_then(|bits| ZeroBits::new(bits).ok())
                .map_or(Difficulty::Linear(LinearDifficulty::MAX), Difficulty::ZeroBits),
            EffortRule::Linear => Difficulty::Linear(u64::from(effort.0).into()),
        }
    }
}

/// What work is done for. None of it can be changed afterwards.
///
/// The effort is part of it, or a stamp that met more by luck could be sold as more work than was
/// meant; the network is, or one network's stamps would be good in all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StampSubject {
    /// The network.
    pub network: NetworkId,
    /// Whom it reaches: a topic's id, or a node's key.
    pub audience: [u8; 32],
    /// The digest of what is said.
    pub content: Digest,
    /// When.
    pub time: UnixSeconds,
    /// How much work was promised.
    pub effort: Effort,
}

/// A stamp that was found: its nonce is below 2^32, and its proof is Equihash's solution.
pub type WorkDone = Stamp<Option<EquihashSolution>>;

/// Bytes that a stamp's work is done over.
const PREIMAGE_BYTES: usize = 4 + 4 + 32 + 32 + 32 + 4;

impl StampSubject {
    /// Nonce (u32), effort (u32), network (32), audience (32), content (32), time (u32).
    ///
    /// The nonce comes first, so that no state of a hash function can be kept from one attempt to the
    /// next.
    fn preimage(&self, nonce: u32) -> [u8; PREIMAGE_BYTES] {
        let mut bytes = [0; PREIMAGE_BYTES];
        bytes[..4].copy_from_slice(&nonce.to_be_bytes());
        bytes[4..8].copy_from_slice(&self.effort.0.to_be_bytes());
        bytes[8..40].copy_from_slice(self.network.0.as_bytes());
        bytes[40..72].copy_from_slice(&self.audience);
        bytes[72..104].copy_from_slice(self.content.as_bytes());
        bytes[104..].copy_from_slice(&self.time.0.to_be_bytes());
        bytes
    }

    /// The search for a nonce. If all 2^32 fail, take another time.
    pub fn search(&self, rules: &WorkRules) -> Result<NonceSearch<WorkFunction>, NoncePlaceError> {
        let difficulty = rules.difficulty(self.effort);
        NonceSearch::new(rules.function, difficulty, self.preimage(0).to_vec(), 0, NonceWidth::Four)
    }

    /// Whether the promised work was done. Costs a hash, or of Equihash the check of a solution.
    #[must_use]
    pub fn is_stamped(&self, nonce: u32, solution: Option<EquihashSolution>, rules: &WorkRules) -> bool {
        let digest = rules.function.check(&self.preimage(nonce), &solution);
        digest.is_some_and(|digest| rules.difficulty(self.effort).is_met_by(&digest))
    }
}

/// The nonce of a stamp as a header has it.
pub(crate) fn nonce_of(stamp: &WorkDone) -> u32 {
    // The search is over four bytes.
    u32::try_from(stamp.nonce).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn subject(effort: u32) -> StampSubject {
        StampSubject {
            network: NetworkId(Digest::of(b"network")),
            audience: [7; 32],
            content: Digest::of(b"content"),
            time: UnixSeconds(1_700_000_000),
            effort: Effort::new(effort),
        }
    }

    fn equihash(rule: EffortRule) -> WorkRules {
        WorkRules { function: WorkFunction::Equihash, rule, ..WorkRules::default() }
    }

    fn others(subject: StampSubject) -> [StampSubject; 5] {
        [
            StampSubject { network: NetworkId(Digest::of(b"other")), ..subject },
            StampSubject { audience: [8; 32], ..subject },
            StampSubject { content: Digest::of(b"other"), ..subject },
            StampSubject { time: UnixSeconds(1_700_000_001), ..subject },
            StampSubject { effort: subject.effort.doubled(EffortRule::ZeroBits, 1), ..subject },
        ]
    }

    #[test]
    fn a_stamp_is_good_for_its_subject_only() {
        let (subject, rules) = (subject(10), WorkRules::default());
        let stamp = subject.search(&rules).unwrap().try_attempts(0..1 << 32).unwrap();
        let nonce = nonce_of(&stamp);
        assert!(subject.is_stamped(nonce, None, &rules));
        assert!(
            others(subject).iter().all(|other| !other.is_stamped(nonce, None, &rules)),
            "each has a chance of 1 in 1024"
        );
    }

    #[test]
    fn a_solution_is_good_for_its_subject_its_nonce_and_its_effort_only() {
        for rules in [EffortRule::ZeroBits, EffortRule::Linear].map(equihash) {
            let subject = subject(2);
            let stamp = subject.search(&rules).unwrap().try_attempts(0..100).unwrap();
            let nonce = nonce_of(&stamp);
            assert!(subject.is_stamped(nonce, stamp.proof, &rules));
            // Another puzzle has other solutions, whatever the difficulty.
            assert!(others(subject).iter().all(|other| !other.is_stamped(nonce, stamp.proof, &rules)));
            assert!(!subject.is_stamped(nonce.wrapping_add(1), stamp.proof, &rules));
            assert!(!subject.is_stamped(nonce, None, &rules));
            assert!(!subject.is_stamped(nonce, stamp.proof, &WorkRules::default()));
        }
    }

    #[test]
    fn a_solution_that_holds_is_not_yet_enough_work() {
        let (subject, rules) = (subject(24), equihash(EffortRule::ZeroBits));
        let all = Digest::from_bytes([0xff; 32]);
        let solved = |nonce| Some((nonce, rules.function.attempt(&subject.preimage(nonce), &all)?.1));
        let (nonce, solution) = (0..100).find_map(solved).unwrap();
        assert!(rules.function.check(&subject.preimage(nonce), &solution).is_some());
        assert!(!subject.is_stamped(nonce, solution, &rules), "a chance of 1 in 2^24");
    }

    #[test]
    fn more_effort_than_a_digest_can_show_is_never_done() {
        let rules = WorkRules::default();
        for effort in [257, u32::MAX] {
            let subject = subject(effort);
            assert!((0..1000).all(|nonce| !subject.is_stamped(nonce, None, &rules)));
        }
    }

    proptest! {
        #[test]
        fn doubling_is_undone_by_halving(effort in 0_u32..100_000, times in 0_u32..12) {
            for rule in [EffortRule::ZeroBits, EffortRule::Linear] {
                let effort = Effort::new(effort);
                prop_assert_eq!(effort.doubled(rule, times).halved(rule, times), effort);
                prop_assert!(effort.doubled(rule, u32::MAX) >= effort && effort.halved(rule, u32::MAX) <= effort);
            }
        }

        #[test]
        fn an_effort_never_needs_the_highest_bit(amount: u32, times: u32) {
            for rule in [EffortRule::ZeroBits, EffortRule::Linear] {
                let effort = Effort::new(amount);
                prop_assert_eq!(effort.amount(), amount.min(Effort::MAX.amount()));
                prop_assert!(effort.doubled(rule, times) <= Effort::MAX);
            }
        }
    }
}
