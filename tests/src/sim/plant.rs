//! Bugs put in on purpose, to see that the invariants notice.
//!
//! They lie around the nodes, in the harness; the crates know nothing of them.

use jurat::{
    core::{Appended, CheckedEntry, EntryBytes, Frame, Ledger, LedgerError, Record, Sealed, check_entries},
    runtime::{OnDisk, StoredLedger},
};
use jurat_crypto::{Digest, NetworkId};
use jurat_log::{LeafIndex, SubjectRoot, TreeSize, UnixMillis};
use jurat_pbft::{BatchDigest, Evidence, Message, Phase, ReplicaId, Sequence, View, Vote, max_faulty};
use rand::{SeedableRng as _, rngs::StdRng};

use super::{
    plan::{Plan, Treason},
    process::Setting,
    treason::sign,
};

/// A bug that a history may have. It is in all members unless it says otherwise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Plant {
    /// Disks say that they have synced and have not.
    LyingDisk,
    /// A node that restarts does not read of its journal what it voted for.
    ForgottenJournal,
    /// Votes leave before the journal has them.
    HastyVotes,
    /// A journal is shortened to nothing.
    EmptyRotation,
    /// An executed entry is taken for a new one. In member 0.
    ForgottenEntries,
    /// The entries of a batch are appended in another order. In member 0.
    OtherOrder,
    /// What is refused is logged as if it were not. In member 0.
    UnmarkedRefusals,
    /// A checkpoint is kept without its cosignatures. In member 0.
    StrippedCheckpoint,
    /// The registry is not stored. In member 0.
    ForgottenRegistry,
    /// Another root is cosigned for a size that was signed before. In member 0.
    SecondRoot,
    /// Evidence is made of votes that somebody else signed with a stolen key.
    StolenKey,
    /// A receipt says another index than the entry has. In member 0.
    MovedReceipts,
    /// ViewChanges never leave.
    LostViewChanges,
    /// A node that restarts does not know that its council ever changed. In member 0.
    ForgottenCouncil,
    /// Who left is counted where a checkpoint is certified. In member 0.
    FormerCosigner,
    /// One traitor more than a council survives.
    TooManyTraitors,
}

impl Plant {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::LyingDisk,
        Self::ForgottenJournal,
        Self::HastyVotes,
        Self::EmptyRotation,
        Self::ForgottenEntries,
        Self::OtherOrder,
        Self::UnmarkedRefusals,
        Self::StrippedCheckpoint,
        Self::ForgottenRegistry,
        Self::SecondRoot,
        Self::StolenKey,
        Self::MovedReceipts,
        Self::LostViewChanges,
        Self::ForgottenCouncil,
        Self::FormerCosigner,
        Self::TooManyTraitors,
    ];

    /// A plan with the bug in it.
    #[must_use]
    pub fn in_plan(self, mut plan: Plan) -> Plan {
        plan.plant = Some(self);
        if self == Self::TooManyTraitors {
            let traitors = (0..=max_faulty(plan.members)).map(|member| (member, Treason::Equivocation));
            plan.traitors = traitors.collect();
        }
        plan
    }

    pub(super) fn is_in(self, member: ReplicaId) -> bool {
        match self {
            Self::LyingDisk
            | Self::ForgottenJournal
            | Self::HastyVotes
            | Self::EmptyRotation
            | Self::StolenKey
            | Self::LostViewChanges => true,
            _ => member.0 == 0,
        }
    }

    /// What a node finds on its disk.
    pub(super) fn tamper_with_disk(plant: Option<Self>, setting: &Setting, on_disk: &mut OnDisk) {
        match plant {
            Some(Self::ForgottenJournal) => on_disk.records.retain(|record| {
                use jurat_pbft::Record as Promise;
                // Without the rest it could not even execute what it decided.
                !matches!(
                    record,
                    Record::Consensus(Promise::Accepted(..) | Promise::Prepared(_) | Promise::ViewChange(_))
                )
            }),
            Some(Self::ForgottenRegistry) => {
                if let (Some(state), Ok(registry)) = (&mut on_disk.state, setting.genesis.registry()) {
                    state.registry = registry;
                }
            }
            Some(Self::ForgottenCouncil) => {
                if let Some(state) = &mut on_disk.state {
                    state.position.council = Vec::new();
                }
            }
            _ => {}
        }
    }

    /// Whether what is sealed leaves at once.
    pub(super) fn is_hasty(plant: Option<Self>, sealed: &Sealed) -> bool {
        plant == Some(Self::HastyVotes) && matches!(sealed, Sealed::Send(..))
    }

    /// What a node takes for evidence.
    pub(super) fn tamper_with_evidence(plant: Option<Self>, setting: &Setting, evidence: &mut Vec<Evidence>) {
        if plant == Some(Self::StolenKey) {
            let vote = |batch: &[u8]| {
                let (view, sequence, batch) = (View(0), Sequence(1), BatchDigest(Digest::of(batch)));
                sign(
                    setting,
                    &setting.council,
                    ReplicaId(0),
                    Vote { phase: Phase::Commit, view, sequence, batch },
                )
            };
            evidence.extend(Evidence::of_votes(&setting.council, vote(b"one"), vote(b"another")));
        }
    }

    /// What a client gets for a receipt.
    pub(super) fn tamper_with_receipt(plant: Option<Self>, receipt: String) -> String {
        match plant {
            Some(Self::MovedReceipts) => receipt.replacen("\nindex ", "\nindex 1", 1),
            _ => receipt,
        }
    }

    /// Whether a frame never leaves.
    pub(super) fn swallows(plant: Option<Self>, frame: &Frame) -> bool {
        plant == Some(Self::LostViewChanges) && matches!(frame, Frame::Consensus(Message::ViewChange(_)))
    }
}

/// The log of a node, with the bugs that lie in it.
#[derive(Debug)]
pub(super) struct Tampered {
    pub(super) network: NetworkId,
    pub(super) ledger: StoredLedger,
    pub(super) plant: Option<Plant>,
}

impl Ledger for Tampered {
    fn head(&self) -> (TreeSize, Digest) {
        self.ledger.head()
    }

    fn subjects(&self) -> SubjectRoot {
        self.ledger.subjects()
    }

    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError> {
        match self.plant {
            Some(Plant::ForgottenEntries) => Ok(None),
            _ => self.ledger.index_of(leaf),
        }
    }

    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError> {
        self.ledger.entry(leaf)
    }

    fn append(
        &mut self,
        sequence: u64,
        time: UnixMillis,
        record: Vec<u8>,
        mut entries: Vec<CheckedEntry>,
    ) -> Result<Appended, LedgerError> {
        if self.plant == Some(Plant::OtherOrder) {
            entries.reverse();
        }
        if self.plant == Some(Plant::UnmarkedRefusals) {
            let unmarked = |entry: CheckedEntry| {
                let bytes = EntryBytes(jurat_log::submitted_form(&entry.bytes().0).into());
                let checked = check_entries(vec![bytes], self.network, StdRng::seed_from_u64(0)).pop();
                // The time of ordering is none that passes the check.
                checked.and_then(Result::ok).unwrap_or(entry)
            };
            entries = entries.into_iter().map(unmarked).collect();
        }
        self.ledger.append(sequence, time, record, entries)
    }

    fn has_room(&self) -> bool {
        self.ledger.has_room()
    }

    fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        self.ledger.record(sequence)
    }

    fn certify(&mut self, size: TreeSize, note: &str) -> Result<(), LedgerError> {
        let lines = if self.plant == Some(Plant::StrippedCheckpoint) { 2 } else { usize::MAX };
        let (text, signatures) = note.split_once("\n\n").unwrap_or((note, ""));
        let kept: String = signatures.split_inclusive('\n').take(lines).collect();
        self.ledger.certify(size, &format!("{text}\n\n{kept}"))
    }

    fn certified(&self) -> TreeSize {
        self.ledger.certified()
    }

    fn certified_from(&self, size: TreeSize) -> Result<Option<String>, LedgerError> {
        self.ledger.certified_from(size)
    }
}
