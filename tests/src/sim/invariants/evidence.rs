//! Evidence holds for anyone who knows the council, and never accuses an honest member.
//!
//! `consensus.md`, rule 10.

use super::{Facts, Invariant, Stepped, Verdict};

pub(super) struct Evidence;

impl Invariant for Evidence {
    fn name(&self) -> &'static str {
        "evidence"
    }

    fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        for evidence in &stepped.effects.evidence {
            let (member, culprit) = (stepped.member, evidence.culprit());
            let council = facts.history.chain().council_of(evidence.epoch());
            let council = council.ok_or_else(|| format!("evidence of epoch {}", evidence.epoch()))?;
            if let Err(error) = evidence.verify(council) {
                return Err(format!("member {member} hands out evidence that proves nothing: {error}"));
            }
            if facts.setting.is_honest(culprit) {
                return Err(format!("member {member} accuses {culprit}, which is honest: {evidence:?}"));
            }
        }
        Ok(())
    }
}
