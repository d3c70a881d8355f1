//! Earning trust: the caps on a score, and what it takes to rise.

use serde::Serialize;

use crate::{FederationId, OrderedTime, Parameter, Policy, Registry, Rejection, Score, policy::LEVELS};

/// How high a score may be, by each of the two things that earn it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct Caps {
    /// By the target's age.
    pub by_age: Score,
    /// By the pair's successful interactions.
    pub by_successes: Score,
}

impl Caps {
    /// The highest levels that were reached. Levels are steps; nothing lies between them.
    pub(crate) fn of(policy: &Policy, target_created: OrderedTime, successes: u32, at: OrderedTime) -> Self {
        let days = at.days_since(target_created);
        let reached = |enough: &dyn Fn((Score, u64, u64)) -> bool| {
            let mut levels = (0..LEVELS).rev().map(|level| policy.level(level));
            levels.find(|level| enough(*level)).map_or(Score::ZERO, |(score, ..)| score)
        };
        Self {
            by_age: reached(&|(_, needed, _)| days >= needed),
            by_successes: reached(&|(_, _, needed)| u64::from(successes) >= needed),
        }
    }

    /// The lower of the two.
    #[must_use]
    pub fn effective(&self) -> Score {
        self.by_age.min(self.by_successes)
    }
}

/// What a higher cap still takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct NextLevel {
    /// The cap that comes next.
    pub cap: Score,
    /// Successful interactions that are still missing.
    pub successes_needed: u64,
    /// Days of the target's age that are still missing.
    pub days_needed: u64,
}

/// How far trust has come and what it still takes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct BootstrapStatus {
    /// The score now.
    pub score: Score,
    /// The target's age in whole days.
    pub age_days: u64,
    /// Both caps.
    pub caps: Caps,
    /// The lower of them.
    pub effective_cap: Score,
    /// Interactions that went well.
    pub successful: u32,
    /// Interactions that did not.
    pub failed: u32,
    /// The next level; `None` at the last.
    pub next: Option<NextLevel>,
    /// Whether a success now would raise the score.
    pub can_rise: bool,
}

impl Registry {
    /// How far the trust of `source` in `target` has come.
    pub fn bootstrap_status(
        &self,
        source: &FederationId,
        target: &FederationId,
    ) -> Result<BootstrapStatus, Rejection> {
        let target = self.find(target)?;
        let trust = self.trusts.at(self.find_trust(self.find(source)?, target)?);
        let created = self.federations.at(target).created_at;
        let caps = |successes| Caps::of(&self.policy, created, successes, self.time());
        let now = caps(trust.successful);
        let age_days = self.time().days_since(created);
        let levels = (0..LEVELS).map(|level| self.policy.level(level));
        let next =
            levels.into_iter().find(|(cap, ..)| *cap > now.effective()).map(|(cap, days, successes)| {
                NextLevel {
                    cap,
                    successes_needed: successes.saturating_sub(trust.successful.into()),
                    days_needed: days.saturating_sub(age_days),
                }
            });
        let after_success = caps(trust.successful.saturating_add(1)).effective();
        Ok(BootstrapStatus {
            score: trust.score,
            age_days,
            caps: now,
            effective_cap: now.effective(),
            successful: trust.successful,
            failed: trust.failed,
            next,
            can_rise: trust.score < after_success && self.policy.value(Parameter::SUCCESS_STEP) > 0,
        })
    }
}
