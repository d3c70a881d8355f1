//! Honest members that executed the same have the same registry.
//!
//! `trust.md`: the registry is a fold over the log; `architecture.md`, "One kind of truth".

use std::collections::BTreeMap;

use jurat::core::Core;
use jurat_crypto::Digest;
use jurat_pbft::{ReplicaId, Sequence};

use super::{Facts, Invariant, Stepped, Tampered, Verdict};

#[derive(Default)]
pub(super) struct Registry {
    digests: BTreeMap<Sequence, Digest>,
    /// What each member was last seen to have executed, since digests take time.
    seen: BTreeMap<ReplicaId, Sequence>,
}

impl Registry {
    fn compare(&mut self, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        let sequence = core.replica().executed();
        if self.seen.insert(member, sequence) == Some(sequence) {
            return Ok(());
        }
        let digest = core.registry().digest();
        let first = *self.digests.entry(sequence).or_insert(digest);
        if first == digest {
            Ok(())
        } else {
            Err(format!("member {member} has registry {digest} after sequence {sequence}, others {first}"))
        }
    }
}

impl Invariant for Registry {
    fn name(&self) -> &'static str {
        "registry"
    }

    fn stepped(&mut self, _: &Facts<'_>, stepped: &Stepped<'_>) -> Verdict {
        self.compare(stepped.member, stepped.core)
    }

    fn started(&mut self, _: &Facts<'_>, member: ReplicaId, core: &Core<Tampered>) -> Verdict {
        self.seen.remove(&member);
        self.compare(member, core)
    }
}
