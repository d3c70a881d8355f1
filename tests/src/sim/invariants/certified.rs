//! What a member keeps as certified, a quorum of the council has cosigned, and it is the log's.
//!
//! `log.md`, "Checkpoints"; `consensus.md`, "What a certificate proves".

use std::collections::BTreeSet;

use jurat::core::Ledger as _;
use jurat_log::Note;

use super::{Facts, Invariant, Stepped, Verdict};

#[derive(Default)]
pub(super) struct Certified {
    /// Notes that hold, so that one that all members keep is checked once.
    checked: BTreeSet<String>,
}

impl Invariant for Certified {
    fn name(&self) -> &'static str {
        "certified"
    }

    fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        let (member, Some(size)) = (stepped.member, stepped.effects.certified) else { return Ok(()) };
        let kept = stepped.core.ledger().certified_from(size).map_err(|error| error.to_string())?;
        let note =
            kept.ok_or_else(|| format!("member {member} does not keep what it certified at {size}"))?;
        if self.checked.contains(&note) {
            return Ok(());
        }
        let parsed = Note::parse(note.as_bytes()).map_err(|error| error.to_string())?;
        let endorsement = facts.policy_of(&parsed)?.check(&parsed);
        let endorsement = endorsement.map_err(|error| format!("member {member}, size {size}: {error}"))?;
        let (size, root) = (endorsement.checkpoint.size(), *endorsement.checkpoint.root());
        let agreed = facts.log.tree.root_at(size).ok();
        if agreed != Some(root) {
            return Err(format!("a quorum certified root {root} at size {size}, the log has {agreed:?}"));
        }
        self.checked.insert(note);
        Ok(())
    }
}
