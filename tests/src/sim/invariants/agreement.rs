//! No two honest members decide differently at a sequence, and each decision has its proof.
//!
//! Castro and Liskov, TOCS 2002, section 4.2.1 (safety) and 4.6; `consensus.md`, "What a
//! certificate proves".

use std::collections::BTreeMap;

use jurat::core::Record;
use jurat_pbft::{BatchDigest, CommitProof, Sequence};

use super::{Facts, Invariant, Stepped, Verdict};

#[derive(Default)]
pub(super) struct Agreement {
    /// What was decided first, and a proof of it that holds.
    decided: BTreeMap<Sequence, (BatchDigest, CommitProof)>,
}

impl Invariant for Agreement {
    fn name(&self) -> &'static str {
        "agreement"
    }

    fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        for record in &stepped.effects.records {
            let Record::Consensus(jurat_pbft::Record::Decided(batch, proof)) = record else { continue };
            let (member, sequence, digest) = (stepped.member, proof.sequence, batch.digest());
            if digest != proof.batch {
                return Err(format!("member {member} decides another batch than is proven at {sequence}"));
            }
            let known = self.decided.get(&sequence);
            if known.is_none_or(|(_, known)| known != proof)
                && let Err(error) = proof.verify(facts.history.chain().council_at(sequence))
            {
                return Err(format!("member {member} decides sequence {sequence} without proof: {error}"));
            }
            let (first, _) = self.decided.entry(sequence).or_insert_with(|| (digest, proof.clone()));
            if *first != digest {
                return Err(format!(
                    "member {member} decides {digest:?} at sequence {sequence}, another one {first:?}"
                ));
            }
        }
        Ok(())
    }
}
