//! A receipt that a client holds verifies for ever with the council's history alone, and its
//! entry stays where the receipt says, on every node.
//!
//! `log.md`, "Receipts"; C2SP tlog-proof.

use std::{collections::BTreeMap, fmt};

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
        let Issued { member, leaf, logged, file, receipt } = issued;
        let parsed = Receipt::parse(receipt.as_bytes()).map_err(|error| error.to_string())?;
        let note = Note::parse(parsed.checkpoint().as_bytes()).map_err(|error| error.to_string())?;
        let policy = facts.policy_of(&note)?;
        let wrong = |error: &dyn fmt::Display| {
            format!("member {member} gives a receipt that does not verify: {error}")
        };
        let verified = match file {
            Some(file) => {
                let verified = verify_receipt(receipt.as_bytes(), file, &policy);
                verified.map(|verified| verified.index).map_err(|error| wrong(&error))?
            }
            None => {
                let endorsement = policy.check(&note).map_err(|error| wrong(&error))?;
                let checkpoint = &endorsement.checkpoint;
                let proven =
                    parsed.proof().verify(parsed.index(), checkpoint.size(), logged, checkpoint.root());
                proven.map_err(|error| wrong(&error))?;
                parsed.index()
            }
        };
        if facts.log.leaf(verified.value()) != Some(leaf) {
            return Err(format!("member {member} gives a receipt for another entry than {leaf}"));
        }
        let index = *self.held.entry(*leaf).or_insert(verified);
        if index == verified {
            Ok(())
        } else {
            Err(format!("two receipts say that {leaf} is at {index} and at {verified}"))
        }
    }

    fn started(&mut self, _: &Facts<'_>, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        self.all_are_there(member, core)
    }

    fn ended(&mut self, _: &Facts<'_>, cores: &[&Core<Tampered>]) -> Verdict {
        cores.iter().try_for_each(|core| self.all_are_there(core.replica().id(), core))
    }
}
