//! Once trouble is over, everything that was sent is executed within a bound of virtual time.
//!
//! Castro and Liskov, TOCS 2002, section 4.2.2; `testing.md`. Traitors stay traitors.

use jurat::core::{Core, Ledger as _, Standing};
use jurat_crypto::Digest;

use super::{Facts, Tampered, Violation, index_of};

/// What is still to be done.
pub(in crate::sim) struct Liveness<'a> {
    /// Entries that an honest member took, or whose client asks on.
    pub(in crate::sim) promised: &'a [Digest],
    /// Clients that wait for a receipt.
    pub(in crate::sim) waiting: usize,
    /// How many honest members there are.
    pub(in crate::sim) honest: usize,
}

impl Liveness<'_> {
    /// What is left to do, if anything is.
    pub(in crate::sim) fn lacks(&self, facts: &Facts<'_>, cores: &[&Core<Tampered>]) -> Option<String> {
        if cores.len() < self.honest {
            return Some(format!("{} of {} honest members run", cores.len(), self.honest));
        }
        if self.waiting > 0 {
            return Some(format!("{} clients wait for receipts", self.waiting));
        }
        if facts.history.steps().len() < facts.setting.plan.changes.len() {
            return Some(format!("epoch {} has not ended", facts.history.epoch()));
        }
        for core in cores {
            if core.history().epoch() != facts.history.epoch() || core.standing() != Standing::Member {
                let (id, epoch) = (core.replica().id(), core.history().epoch());
                return Some(format!("member {id} is a {:?} in epoch {epoch}", core.standing()));
            }
            let member = core.replica().id();
            let size = core.ledger().head().0;
            if size != facts.log.tree.size() {
                return Some(format!("member {member} has {size} entries of {}", facts.log.tree.size()));
            }
            if core.ledger().certified() != size {
                return Some(format!(
                    "member {member} has certified {} of {size}",
                    core.ledger().certified()
                ));
            }
            let lost = self.promised.iter().find(|leaf| !matches!(index_of(core, leaf), Ok(Some(_))));
            if let Some(leaf) = lost {
                return Some(format!("member {member} has not executed {leaf}, which was promised"));
            }
        }
        None
    }

    pub(in crate::sim) fn violated(what: &str, cores: &[&Core<Tampered>]) -> Violation {
        let states: Vec<String> = cores
            .iter()
            .map(|core| {
                let (replica, view) = (core.replica(), core.view());
                format!(
                    "  member {}: view {}{}, executed {}, stable {}, log {}, certified {}, {} waiting{}, refused {:?}",
                    replica.id(),
                    replica.view(),
                    if replica.is_changing_view() { " (changing)" } else { "" },
                    replica.executed(),
                    replica.stable(),
                    view.head.0,
                    view.certified,
                    view.waiting_entries,
                    if view.has_quorum { "" } else { ", no quorum of links" },
                    replica.refused()
                )
            })
            .collect();
        Violation { invariant: "liveness", what: format!("{what}\n{}", states.join("\n")) }
    }
}
