//! Nothing is executed twice: an entry that is sent again keeps its one index.
//!
//! `consensus.md`, rule 9; Castro and Liskov, TOCS 2002, section 4.1 (exactly-once semantics).

use std::collections::BTreeMap;

use jurat_crypto::Digest;

use super::{Facts, Invariant, Stepped, Verdict};

#[derive(Default)]
pub(super) struct Once {
    indices: BTreeMap<Digest, u64>,
}

impl Invariant for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn stepped(&mut self, _: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        for (leaves, size) in &stepped.effects.executed {
            let first = size.value() - leaves.len() as u64;
            for (index, leaf) in (first..).zip(leaves) {
                let known = *self.indices.entry(*leaf).or_insert(index);
                if known != index {
                    let member = stepped.member;
                    return Err(format!(
                        "member {member} executes {leaf} at {index}, it is at {known} already"
                    ));
                }
            }
        }
        Ok(())
    }
}
