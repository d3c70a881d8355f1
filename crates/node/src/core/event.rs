//! What happens to a member, and what it asks of the runtime.

use std::sync::Arc;

use jurat_crypto::Digest;
use jurat_log::TreeSize;
use jurat_pbft::{Evidence, Recipient, ReplicaId, Sequence};
use jurat_trust::{CheckedOperation, OrderedTime};

use super::{CheckedEntry, CouncilHistory, EntryBytes, Frame, Halt, MemberSignatures, OrderRefusal, Record};

/// What can happen to a member.
#[derive(Clone, Debug)]
pub enum Event {
    /// A client's entries, checked.
    Submitted(Vec<CheckedEntry>),
    /// Entries that a member sent, checked; those that failed are counted only.
    Checked {
        /// Who sent them.
        from: ReplicaId,
        /// Those that passed.
        entries: Vec<CheckedEntry>,
        /// How many did not.
        refused: usize,
    },
    /// A frame from a member.
    Frame(ReplicaId, Frame),
    /// The link to a member is up.
    Up(ReplicaId),
    /// The link to a member is down.
    Down(ReplicaId),
    /// An own record became durable, so the own signatures may count ([`Sealed::Back`]).
    Signed(MemberSignatures),
    /// Everything through this sequence is stored durably, apart from the journal.
    Stored(Sequence),
    /// Time passed.
    Tick,
}

/// Something that must wait until the journal is durable.
#[derive(Clone, Debug)]
pub enum Sealed {
    /// Send a frame.
    Send(Recipient, Frame),
    /// Give an event back to [`Core::step`](super::Core::step).
    Back(Event),
}

/// What a batch that let the log grow did to the registry. Replayed in order on the registry as it
/// was, it makes the same registry again.
#[derive(Clone, Debug)]
pub struct RegistryStep {
    /// The batch's time.
    pub time: OrderedTime,
    /// The operations that took effect, in order.
    pub operations: Vec<Arc<CheckedOperation>>,
    /// The log's size after the batch.
    pub size: TreeSize,
    /// The log's root then.
    pub root: Digest,
}

/// What the runtime must do, in the order of the fields.
#[derive(Debug, Default)]
pub struct Effects {
    /// Append to the journal.
    pub records: Vec<Record>,
    /// Send now.
    pub frames: Vec<(Recipient, Frame)>,
    /// Do once all records so far are durable. If a write fails: stop, never do it.
    pub sealed: Vec<Sealed>,
    /// Check on a worker, and answer with [`Event::Checked`].
    pub check: Vec<(ReplicaId, Vec<EntryBytes>)>,
    /// Entries that were executed, by their names, with the log's size after their batch.
    pub executed: Vec<(Vec<Digest>, TreeSize)>,
    /// Those among them that were refused, and why. The log says of them that they were.
    pub refused: Vec<(Digest, OrderRefusal)>,
    /// What executed batches did to the registry, and to the log.
    pub registry: Vec<RegistryStep>,
    /// The log is certified up to this size.
    pub certified: Option<TreeSize>,
    /// The council is another from here on: its history up to it.
    pub council: Option<Arc<CouncilHistory>>,
    /// Hand out: members are provably faulty.
    pub evidence: Vec<Evidence>,
    /// Stop.
    pub halt: Option<Halt>,
}
