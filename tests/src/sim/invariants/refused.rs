//! Honest members refuse the same entries in a sequence, and none of these is in the log by it.
//!
//! `trust.md`, "Bad input": a typed rejection, and the state unchanged; `log.md`, "Entries": entries are
//! validated again, identically, when executed.

use std::collections::BTreeMap;

use jurat::core::Record;
use jurat_crypto::Digest;

use super::{Facts, Invariant, Stepped, Verdict, index_of};

#[derive(Default)]
pub(super) struct Refused {
    by_sequence: BTreeMap<u64, Vec<Digest>>,
}

impl Invariant for Refused {
    fn name(&self) -> &'static str {
        "refused"
    }

    fn stepped(&mut self, _: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        let member = stepped.member;
        for record in &stepped.effects.records {
            let Record::Refused { sequence, leaves } = record else { continue };
            let first = self.by_sequence.entry(*sequence).or_insert_with(|| leaves.clone());
            if first != leaves {
                return Err(format!("member {member} refuses other entries in sequence {sequence}"));
            }
            for leaf in leaves {
                let Some(index) = index_of(stepped.core, leaf)? else { continue };
                let batch = stepped.core.ledger().ledger.reader().batch_of(index);
                let batch = batch.map_err(|error| error.to_string())?;
                // Who submits it again may have better luck.
                if batch.sequence <= *sequence {
                    return Err(format!("member {member} has {leaf} in its log, which it refused"));
                }
            }
        }
        Ok(())
    }
}
