//! What must hold after every step. One file each, with its source.

mod agreement;
mod certified;
mod consistency;
mod cosigned;
mod evidence;
mod liveness;
mod once;
mod receipts;
mod registry;
mod sound;
mod votes;

use std::fmt;

use jurat::core::{Core, CouncilHistory, Effects, Frame};
use jurat_crypto::Digest;
use jurat_log::{Checkpoint, LeafIndex, Note, Policy, Tree};
use jurat_pbft::ReplicaId;

use super::{plant::Tampered, process::Setting};

/// A rule that was broken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.what)
    }
}

/// What an invariant says to something that it saw.
type Verdict = Result<(), String>;

/// The one log that all honest members must have: what the first of them executed at each index,
/// by the entries' names.
#[derive(Default)]
pub(super) struct AgreedLog {
    pub(super) leaves: Vec<Digest>,
    pub(super) tree: Tree,
}

impl AgreedLog {
    pub(super) fn leaf(&self, index: u64) -> Option<&Digest> {
        self.leaves.get(usize::try_from(index).ok()?)
    }
}

/// What all invariants may look at.
pub(super) struct Facts<'a> {
    pub(super) setting: &'a Setting,
    pub(super) log: &'a AgreedLog,
    pub(super) history: &'a CouncilHistory,
    pub(super) now: u64,
}

impl Facts<'_> {
    /// By what a checkpoint's signatures are judged: the members of its epoch.
    fn policy_of(&self, note: &Note) -> Result<Policy, String> {
        let checkpoint = Checkpoint::parse(note.text()).map_err(|error| error.to_string())?;
        let epoch = self.history.epoch_of(&checkpoint).map_err(|error| error.to_string())?;
        let policy = self.history.policy_of(epoch).map_err(|error| error.to_string())?;
        policy.ok_or_else(|| format!("nobody is known to have been in epoch {epoch}"))
    }
}

/// An honest member after a step.
pub(super) struct Stepped<'a> {
    pub(super) member: ReplicaId,
    pub(super) core: &'a Core<Tampered>,
    pub(super) effects: &'a Effects,
}

/// A receipt that an honest member gave to a client.
pub(super) struct Issued {
    pub(super) member: ReplicaId,
    pub(super) leaf: Digest,
    /// The hash of its leaf, which is another if it was refused.
    pub(super) logged: Digest,
    /// The digest of the file that it is about; none if it is no attestation's, or was refused.
    pub(super) file: Option<Digest>,
    pub(super) receipt: String,
}

/// A rule. Only honest members are shown to it.
trait Invariant {
    /// Its name in reports.
    fn name(&self) -> &'static str;

    /// A member took an event.
    fn stepped(&mut self, _: &Facts<'_>, _: &Stepped<'_>) -> Verdict {
        Ok(())
    }

    /// A frame left a member.
    fn sent(&mut self, _: &Facts<'_>, _from: ReplicaId, _: &Frame) -> Verdict {
        Ok(())
    }

    /// A member started from its disk.
    fn started(&mut self, _: &Facts<'_>, _: ReplicaId, _: &Core<Tampered>) -> Verdict {
        Ok(())
    }

    /// A client holds a receipt.
    fn issued(&mut self, _: &Facts<'_>, _: &Issued) -> Verdict {
        Ok(())
    }

    /// All is over; these are the members that run.
    fn ended(&mut self, _: &Facts<'_>, _: &[&Core<Tampered>]) -> Verdict {
        Ok(())
    }
}

/// All invariants of a history.
pub(super) struct Invariants(Vec<Box<dyn Invariant>>);

impl Invariants {
    pub(super) fn new() -> Self {
        Self(vec![
            Box::new(agreement::Agreement::default()),
            Box::new(consistency::Consistency),
            Box::new(once::Once::default()),
            Box::new(votes::Votes::default()),
            Box::new(cosigned::Cosigned::default()),
            Box::new(registry::Registry::default()),
            Box::new(evidence::Evidence),
            Box::new(certified::Certified::default()),
            Box::new(receipts::Receipts::default()),
        ])
    }

    /// Nobody looks; stands in while the others are asked.
    pub(super) const fn none() -> Self {
        Self(Vec::new())
    }

    fn all(&mut self, mut ask: impl FnMut(&mut dyn Invariant) -> Verdict) -> Result<(), Violation> {
        for invariant in &mut self.0 {
            let name = invariant.name();
            ask(invariant.as_mut()).map_err(|what| Violation { invariant: name, what })?;
        }
        Ok(())
    }

    pub(super) fn stepped(&mut self, facts: &Facts<'_>, stepped: &Stepped<'_>) -> Result<(), Violation> {
        self.all(|invariant| invariant.stepped(facts, stepped))
    }

    pub(super) fn sent(
        &mut self,
        facts: &Facts<'_>,
        from: ReplicaId,
        frame: &Frame,
    ) -> Result<(), Violation> {
        self.all(|invariant| invariant.sent(facts, from, frame))
    }

    pub(super) fn started(
        &mut self,
        facts: &Facts<'_>,
        member: ReplicaId,
        core: &Core<Tampered>,
    ) -> Result<(), Violation> {
        self.all(|invariant| invariant.started(facts, member, core))
    }

    pub(super) fn issued(&mut self, facts: &Facts<'_>, issued: &Issued) -> Result<(), Violation> {
        self.all(|invariant| invariant.issued(facts, issued))
    }

    pub(super) fn ended(&mut self, facts: &Facts<'_>, cores: &[&Core<Tampered>]) -> Result<(), Violation> {
        self.all(|invariant| invariant.ended(facts, cores))
    }
}

pub(super) use liveness::Liveness;
pub(super) use sound::{refused_to_start, stopped};

/// Where a member has an entry.
fn index_of(core: &Core<Tampered>, leaf: &Digest) -> Result<Option<LeafIndex>, String> {
    core.ledger().ledger.reader().index_of(leaf).map_err(|error| error.to_string())
}
