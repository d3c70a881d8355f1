//! A receipt that a client holds verifies for ever with the council's history alone, and its
//! entry stays where the receipt says, on every node.
//!
//! `log.md`, "Receipts"; C2SP tlog-proof.

use std::collections::BTreeMap;

use jurat::core::{Core, Ledger as _};
use jurat_crypto::Digest;
use jurat_log::{LeafIndex, Note, Receipt, verify_receipt};
use jurat_pbft::ReplicaId;

use super::{Facts, Invariant, Issued, Tampered, Verdict, index_of};

#[derive(Default)]
pub(super) struct Receipts {
    held: BTreeMap<Digest, LeafIndex>,
}

impl Receipts {
    fn all_are_there(&self, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        let (size, _) = core.ledger().head();
        for (leaf, index) in self.held.iter().filter(|(_, index)| size.contains(**index)) {
            let found = index_of(core, leaf)?;
            if found != Some(*index) {
                return Err(format!(
                    "a receipt says that {leaf} is at index {index}; at member {member} it is at {found:?}"
                ));
            }
        }
        Ok(())
    }
}

impl Invariant for Receipts {
    fn name(&self) -> &'static str {
        "receipts"
    }

    fn issued(&mut self, facts: &Facts<'_>, issued: &Issued) -> Verdict {
        let Issued { member, leaf, file, receipt } = issued;
        let parsed = Receipt::parse(receipt.as_bytes()).map_err(|error| error.to_string())?;
        let note = Note::parse(parsed.checkpoint().as_bytes()).map_err(|error| error.to_string())?;
        let verified = verify_receipt(receipt.as_bytes(), file, &facts.policy_of(&note)?)
            .map_err(|error| format!("member {member} gives a receipt that does not verify: {error}"))?;
        if verified.leaf_hash != *leaf || facts.log.leaf(verified.index.value()) != Some(leaf) {
            return Err(format!("member {member} gives a receipt for another entry than {leaf}"));
        }
        let index = *self.held.entry(*leaf).or_insert(verified.index);
        if index == verified.index {
            Ok(())
        } else {
            Err(format!("two receipts say that {leaf} is at {index} and at {}", verified.index))
        }
    }

    fn started(&mut self, _: &Facts<'_>, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        self.all_are_there(member, core)
    }

    fn ended(&mut self, _: &Facts<'_>, cores: &[&Core<Tampered>]) -> Verdict {
        cores.iter().try_for_each(|core| self.all_are_there(core.replica().id(), core))
    }
}
