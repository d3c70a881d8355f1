//! Starting a member: from nothing, or from what its disk holds.

use std::{collections::BTreeMap, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, TreeSize, UnixMillis};
use jurat_pbft::{Batch, BatchTime, CommitProof, Input, Now, Replica, RequestDigest, Sequence};
use jurat_trust::{Registry, SnapshotError};
use serde::{Deserialize, Serialize};

use super::{
    CheckedEntry, Core, CouncilHistory, EntryBytes, EntryRefusal, Genesis, GenesisError, Halt, HistoryError,
    Keys, Ledger, Limits, Record,
    cosigning::Mark,
    electorate::Electorate,
    layout::{Reader, push_block},
    member::Ending,
};
use crate::codec;

/// What a member stores together with its log, so that the journal before it can go.
#[derive(Clone, Debug)]
pub struct State {
    /// How far it is.
    pub position: Position,
    /// The registry.
    pub registry: Registry,
}

/// How far a member is, and what it needs to go on from there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Position {
    /// The last executed sequence.
    pub sequence: u64,
    /// The time of the last batch, in milliseconds since the Unix epoch.
    pub time: u64,
    /// The steps of the council up to the one under which the next batch is executed, encoded.
    pub council: Vec<u8>,
    /// What the last sequence changed of the council, if that is not certified yet.
    pub(super) ending: Option<Ending>,
    /// The stamp of the last batch that let the log grow.
    pub stamp: Option<Stamp>,
    /// The largest size that was signed, with its root and the cosignature's time.
    pub signed: Option<(u64, Digest, u64)>,
}

/// Why bytes are not a stored state.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The position.
    #[error(transparent)]
    Position(#[from] codec::DecodeError),
    /// The bytes end before the registry.
    #[error("the state ends within its {0}")]
    Short(&'static str),
    /// The registry.
    #[error("the registry: {0}")]
    Registry(#[from] SnapshotError),
}

impl State {
    /// The position in the codec, after its length in 4 bytes, then the registry's digest and its
    /// snapshot, which has a limit of its own.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        push_block(&mut out, &codec::encode(&self.position));
        out.extend_from_slice(self.registry.digest().as_bytes());
        out.extend_from_slice(&self.registry.snapshot());
        out
    }

    /// Reads a state, whose registry must have the digest that stands before it.
    pub fn decode(bytes: &[u8]) -> Result<Self, StateError> {
        let mut reader = Reader::new(bytes);
        let short = |_| StateError::Short("position");
        let position = codec::decode(reader.block("position").map_err(short)?)?;
        let digest = reader.digest("registry digest").map_err(|_| StateError::Short("registry digest"))?;
        Ok(Self { position, registry: Registry::restore(reader.rest(), &digest)? })
    }
}

/// A [`BatchStamp`] as it is stored.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Stamp {
    epoch: u64,
    sequence: u64,
    time: u64,
    registry: Digest,
}

impl From<BatchStamp> for Stamp {
    fn from(stamp: BatchStamp) -> Self {
        let BatchStamp { epoch, sequence, time, registry } = stamp;
        Self { epoch, sequence, time: time.0, registry }
    }
}

impl From<Stamp> for BatchStamp {
    fn from(stamp: Stamp) -> Self {
        let Stamp { epoch, sequence, time, registry } = stamp;
        Self { epoch, sequence, time: UnixMillis(time), registry }
    }
}

/// A decided batch that was executed.
#[derive(Clone, Debug)]
pub(super) struct Executed {
    pub(super) batch: Batch,
    pub(super) proof: CommitProof,
    /// The entries that were not in the log before, as they were submitted.
    pub(super) entries: Vec<EntryBytes>,
}

impl Executed {
    /// What the ledger keeps for the sequence: the batch with its proof in the codec. The entries are
    /// in the log itself.
    pub(super) fn to_record(&self) -> Vec<u8> {
        codec::encode(&(&self.batch, &self.proof))
    }

    /// Reads what [`to_record`](Self::to_record) made.
    pub(super) fn of_record(record: &[u8]) -> Result<(Batch, CommitProof), codec::DecodeError> {
        codec::decode(record)
    }
}

/// Why a member can't start.
#[derive(Debug, thiserror::Error)]
pub enum RecoverError {
    /// The genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// The stored history of the council.
    #[error("the stored history of the council can't be used: {0}; start the version that wrote it")]
    History(#[from] HistoryError),
    /// An entry in the journal is none that this program checked.
    #[error("the journal holds an entry that this version can't read: {0}; start the version that wrote it")]
    Entry(#[from] EntryRefusal),
    /// What is on disk contradicts itself.
    #[error(transparent)]
    Halt(#[from] Halt),
}

impl<L: Ledger> Core<L> {
    /// A node with what its disk holds: the log and its state, and the journal since. What the
    /// journal decided and did not sign for is signed for now. Whose key no council has had yet is a
    /// newcomer, and follows until one has.
    pub fn recover(
        genesis: Genesis,
        limits: Limits,
        keys: &Keys,
        ledger: L,
        state: Option<State>,
        journal: impl IntoIterator<Item = Record>,
        now: Now,
    ) -> Result<Self, RecoverError> {
        let (position, registry) = state.map(|State { position, registry }| (position, registry)).unzip();
        let history = match &position {
            Some(position) => CouncilHistory::decode(genesis, &position.council)?,
            None => CouncilHistory::new(genesis)?,
        };
        let executed = position.as_ref().map_or_else(jurat_pbft::Executed::default, |position| {
            jurat_pbft::Executed { sequence: Sequence(position.sequence), time: BatchTime(position.time) }
        });
        let epoch = history.council().epoch();
        let electorate = Electorate::of(&history, epoch).ok_or(Halt::Epoch(epoch.0))??;
        let vote = keys.vote();
        // A member that was removed comes back to its last epoch.
        let is_mine = |council: &&jurat_pbft::Council| council.id_of(&vote.verifying_key()).is_some();
        let council = history.chain().councils().rfind(is_mine).unwrap_or(history.council()).clone();
        let mut entries: BTreeMap<Digest, EntryBytes> = BTreeMap::new();
        let (mut promises, mut marks) = (Vec::new(), Vec::new());
        for record in journal {
            match record {
                Record::Entries(new) => {
                    for entry in new {
                        let leaf = jurat_log::leaf_hash(&entry.0);
                        entries.insert(leaf, entry);
                    }
                }
                Record::Consensus(record) => promises.push(record),
                Record::Cosigned { size, root, time } => marks.push((size, root, time)),
            }
        }
        let registry = registry.map_or_else(|| history.genesis().registry(), Ok)?;
        let mut replica = Replica::follow(limits.consensus, council, vote, executed, promises);
        let ready = replica.take_ready();
        let (history, electorate) = (Arc::new(history), Arc::new(electorate));
        let mut core = Self::assemble(history, electorate, limits, keys, replica, ledger, registry);
        core.now = now;
        core.stored = executed.sequence;
        core.ending = position.as_ref().and_then(|position| position.ending.clone());
        let signed = position.as_ref().and_then(|position| position.signed);
        for (size, root, time) in signed.into_iter().chain(marks) {
            if let Ok(size) = TreeSize::new(size) {
                core.cosigning.restore(Mark { size, root, time });
            }
        }
        core.stamp = position.and_then(|position| position.stamp).map(Into::into);
        core.resume_signing()?;
        core.hold(entries)?;
        core.carry_out(ready);
        core.execute_decisions();
        if let Some(halt) = core.effects.halt.take() {
            return Err(halt.into());
        }
        let waiting = core.pool.iter().map(|(leaf, entry)| (RequestDigest(*leaf), entry.0.len()));
        let waiting = Input::Requests(waiting.collect());
        core.replica.step(core.now, waiting);
        // The journal has these records; the frames have nobody to go to yet.
        core.effects.records.retain(|record| matches!(record, Record::Cosigned { .. }));
        core.effects.frames.clear();
        Ok(core)
    }

    /// Holds entries of the journal that are not in the log.
    fn hold(&mut self, entries: BTreeMap<Digest, EntryBytes>) -> Result<(), RecoverError> {
        let network = self.genesis().network();
        for (leaf, entry) in entries {
            // Most are there, and reading an entry takes much longer than finding it.
            if self.ledger.index_of(&leaf).map_err(Halt::from)?.is_none() {
                self.pool.insert(&CheckedEntry::from_journal(entry, network)?, 0);
            }
        }
        Ok(())
    }

    /// Takes up the checkpoint of the log as it is stored, if it was not certified when the member
    /// went down.
    fn resume_signing(&mut self) -> Result<(), RecoverError> {
        let (size, root) = self.ledger.head();
        self.cosigning.settle(self.ledger.certified());
        if self.cosigning.certified() == size {
            return Ok(());
        }
        if let Some(stamp) = self.stamp {
            self.cosign(size, root, stamp)?;
        }
        Ok(())
    }

    /// The records that a shortened journal must begin with, given what is stored by now.
    #[must_use]
    pub fn live_records(&self) -> Vec<Record> {
        let mut records: Vec<Record> = Vec::new();
        for executed in self.unstored.values() {
            records.extend(entry_records(&executed.entries));
            let decided = jurat_pbft::Record::Decided(executed.batch.clone(), executed.proof.clone());
            records.push(Record::Consensus(decided));
        }
        let waiting: Vec<EntryBytes> = self.pool.iter().map(|(_, entry)| entry.clone()).collect();
        records.extend(entry_records(&waiting));
        // The replica gives the last link alone. What is stored may be more than one behind, and tells
        // where to go on by the link that began its epoch: that of the last sequence, or the one before.
        let before = |link: &&jurat_pbft::EpochLink| link.sequence() < self.stored;
        let from = self.links_from(Sequence(0)).take_while(before).last();
        let links = self.links_from(from.map_or(Sequence(0), jurat_pbft::EpochLink::sequence));
        let links: Vec<_> = links.cloned().map(jurat_pbft::Record::Epoch).collect();
        let promises = self.replica.live_records().into_iter().filter(|record| !links.contains(record));
        let promises: Vec<_> = promises.collect();
        records.extend(links.into_iter().chain(promises).map(Record::Consensus));
        records.extend(self.cosigning.live_records());
        records
    }
}

/// Bytes of entries in one record, about: far below what the codec takes, whatever a client sends.
const RECORD_BYTES: usize = 1 << 20;

/// The records that hold these entries.
pub(super) fn entry_records(entries: &[EntryBytes]) -> Vec<Record> {
    let (mut records, mut record, mut bytes) = (Vec::new(), Vec::new(), 0);
    for entry in entries {
        bytes += entry.0.len();
        record.push(entry.clone());
        if bytes >= RECORD_BYTES {
            records.push(Record::Entries(std::mem::take(&mut record)));
            bytes = 0;
        }
    }
    if !record.is_empty() {
        records.push(Record::Entries(record));
    }
    records
}
