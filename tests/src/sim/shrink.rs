//! Making a failing plan smaller while it still fails in the same way.

use super::{Outcome, Plan, play};

/// How many smaller plans are tried.
const TRIES: usize = 120;

/// The smallest plan found that breaks the same rule, with what it comes to.
#[must_use]
pub fn shrink(plan: &Plan, invariant: &'static str) -> (Plan, Outcome) {
    let mut search = Search { best: plan.clone(), invariant, tries: 0 };
    loop {
        let before = search.size();
        search.drop_parts(|plan| &mut plan.troubles);
        search.drop_parts(|plan| &mut plan.submissions);
        for traitor in search.best.traitors.keys().copied().collect::<Vec<_>>() {
            search.attempt(|plan| {
                plan.traitors.remove(&traitor);
            });
        }
        search.attempt(|plan| (plan.loss, plan.duplication) = (0, 0));
        search.attempt(|plan| plan.skews.fill(0));
        search.attempt(|plan| plan.latency = 1..=1);
        search.attempt(|plan| plan.sync = 1..=1);
        search.attempt(|plan| {
            let last = plan.troubles.iter().map(|planned| planned.at).max().unwrap_or(0);
            let last = plan.submissions.iter().map(|submission| submission.at).max().unwrap_or(0).max(last);
            plan.calm_from = plan.calm_from.min(last + 1_000);
        });
        if search.size() == before || search.tries >= TRIES {
            break;
        }
    }
    let outcome = play(search.best.clone(), true);
    (search.best, outcome)
}

struct Search {
    best: Plan,
    invariant: &'static str,
    tries: usize,
}

impl Search {
    fn size(&self) -> (usize, usize, usize) {
        (self.best.troubles.len(), self.best.submissions.len(), self.best.traitors.len())
    }

    /// Takes a smaller plan if it fails in the same way.
    fn attempt(&mut self, smaller: impl FnOnce(&mut Plan)) -> bool {
        if self.tries >= TRIES {
            return false;
        }
        self.tries += 1;
        let mut plan = self.best.clone();
        smaller(&mut plan);
        let violation = play(plan.clone(), false).violation;
        let fails = violation.is_some_and(|violation| violation.invariant == self.invariant);
        if fails {
            self.best = plan;
        }
        fails
    }

    /// Leaves out halves, then quarters, down to single parts.
    fn drop_parts<T>(&mut self, parts: impl Fn(&mut Plan) -> &mut Vec<T>) {
        let mut chunk = parts(&mut self.best).len().div_ceil(2);
        while chunk > 0 {
            let mut at = 0;
            while at < parts(&mut self.best).len() {
                let dropped = self.attempt(|plan| {
                    let parts = parts(plan);
                    parts.drain(at..(at + chunk).min(parts.len()));
                });
                if !dropped {
                    at += chunk;
                }
            }
            chunk /= 2;
        }
    }
}
