//! The logs of honest members are prefixes of each other.
//!
//! `testing.md`; RFC 6962, section 2.1.2: whoever holds a checkpoint may ask for a proof that the
//! log only grew since.

use jurat::core::{Core, Ledger as _};
use jurat_pbft::ReplicaId;

use super::{Facts, Invariant, Stepped, Tampered, Verdict};

pub(super) struct Consistency;

impl Invariant for Consistency {
    fn name(&self) -> &'static str {
        "consistency"
    }

    fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        let member = stepped.member;
        for (leaves, size) in &stepped.effects.executed {
            let first = size.value() - leaves.len() as u64;
            for (index, leaf) in (first..).zip(leaves) {
                if facts.log.leaf(index) != Some(leaf) {
                    return Err(format!("member {member} has {leaf} at index {index}, another one has not"));
                }
            }
        }
        if stepped.effects.executed.is_empty() { Ok(()) } else { same_root(facts, member, stepped.core) }
    }

    fn started(&mut self, facts: &Facts<'_>, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        same_root(facts, member, core)
    }
}

fn same_root(facts: &Facts<'_>, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
    let (size, root) = core.ledger().head();
    let agreed = facts.log.tree.root_at(size).ok();
    if agreed == Some(root) {
        Ok(())
    } else {
        Err(format!("member {member} has root {root} at size {size}, others have {agreed:?}"))
    }
}
