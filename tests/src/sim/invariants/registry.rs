//! Honest members that executed the same have the same registry, and it follows from the log alone.
//!
//! `trust.md`: the registry is a fold over the log; `architecture.md`, "One kind of truth".

use std::collections::BTreeMap;

use jurat::core::{Core, Ledger as _};
use jurat_crypto::Digest;
use jurat_log::{BatchStamp, Checkpoint, Entry, LeafIndex, Note, OpaqueOperation, RefusedEntry};
use jurat_pbft::{ReplicaId, Sequence};
use jurat_trust::{OrderedTime, Rejection, SignedOperation};

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

/// What the registry says to an operation; the outer error is about its bytes and signatures.
fn apply(
    registry: &mut jurat_trust::Registry,
    operation: &OpaqueOperation,
) -> Result<Result<(), Rejection>, String> {
    let operation = SignedOperation::decode(operation.as_bytes()).map_err(|error| error.to_string())?;
    let operation = operation.verify(registry.network()).map_err(|error| error.to_string())?;
    let at = registry.time();
    Ok(registry.apply(&operation, at).map(drop))
}

/// Replays a log's registry operations, as somebody would who has nothing else.
fn follows_from_log(facts: &Facts<'_>, core: &Core<Tampered>) -> Verdict {
    let text = |error: &dyn std::fmt::Display| error.to_string();
    let mut registry = facts.setting.genesis.registry().map_err(|error| text(&error))?;
    let reader = core.ledger().ledger.reader();
    let size = core.ledger().certified();
    for index in 0..size.value() {
        let index = LeafIndex::new(index).map_err(|error| text(&error))?;
        let bytes = reader.entry(index).map_err(|error| text(&error))?;
        let applied = match Entry::decode(&bytes).map_err(|error| text(&error))? {
            Entry::OrderedTime(ordered) => registry.advance(OrderedTime(ordered.time.0)).map(drop),
            Entry::RegistryOperation(operation) => apply(&mut registry, &operation)?,
            Entry::Refused(RefusedEntry::RegistryOperation(operation)) => {
                match apply(&mut registry, &operation)? {
                    Ok(()) => return Err(format!("entry {index} is marked as refused, and is not")),
                    Err(_) => Ok(()),
                }
            }
            Entry::Refused(RefusedEntry::Attestation(_)) => {
                return Err(format!("entry {index} is marked as refused, and no key was revoked"));
            }
            Entry::Attestation(_) | Entry::PrivateCommitment(_) | Entry::CouncilChange(_) => Ok(()),
        };
        applied.map_err(|rejection| format!("entry {index} has no effect: {rejection}"))?;
    }
    let Some(note) = core.ledger().certified_from(size).map_err(|error| text(&error))? else { return Ok(()) };
    let note = Note::parse(note.as_bytes()).map_err(|error| text(&error))?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|error| text(&error))?;
    let Some(stamp) = BatchStamp::of(&checkpoint).map_err(|error| text(&error))? else { return Ok(()) };
    registry.advance(OrderedTime(stamp.time.0)).map_err(|rejection| text(&rejection))?;
    if registry.digest() == stamp.registry {
        Ok(())
    } else {
        Err(format!("the log of {size} entries replays to another registry than was certified"))
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

    fn ended(&mut self, facts: &Facts<'_>, cores: &[&Core<Tampered>]) -> Verdict {
        cores.iter().try_for_each(|core| follows_from_log(facts, core))
    }
}
