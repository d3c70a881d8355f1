//! Starting a member: from nothing, or from what its disk holds.

use std::{collections::BTreeMap, sync::Arc};

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, TreeSize, UnixMillis};
use jurat_pbft::{Batch, BatchTime, CommitProof, Input, Now, Replica, RequestDigest, Sequence};
use jurat_trust::{OrderedTime, Registry, SnapshotError};
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

/// What a member has stored together with its log, so that the journal before it could go.
#[derive(Clone, Debug)]
pub struct State {
    /// How far it is.
    pub position: Position,
    /// The registry.
    pub registry: Registry,
}

/// The same as it goes to the disk: the registry, which may be long, only if it is another than the
/// one stored before, except for its time.
#[derive(Clone, Debug)]
pub struct StateToStore {
    /// The position, and the registry's digest.
    pub state: Vec<u8>,
    /// The registry.
    pub snapshot: Option<Vec<u8>>,
    /// How many operations the registry had taken since the start: two with as many, of one run, differ
    /// in nothing but their time.
    pub operations: u64,
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
    /// There is a position and no registry.
    #[error("the state has no registry")]
    NoRegistry,
    /// The stored registry, moved to the position's time, is not the one that the state names.
    #[error("the stored registry has digest {actual} at the state's time, not {expected}")]
    OtherRegistry {
        /// The digest in the state.
        expected: Digest,
        /// The registry's.
        actual: Digest,
    },
    /// The registry.
    #[error("the registry: {0}")]
    Registry(#[from] SnapshotError),
}

impl StateToStore {
    /// The position in the codec, after its length in 4 bytes, then the registry's digest. Apart from
    /// that, unless so many operations were stored already, the digest once more and the snapshot.
    #[must_use]
    pub fn new(position: &Position, registry: &Registry, operations: u64, stored: Option<u64>) -> Self {
        let mut state = Vec::new();
        push_block(&mut state, &codec::encode(position));
        let digest = registry.digest();
        state.extend_from_slice(digest.as_bytes());
        let snapshot =
            (stored != Some(operations)).then(|| [&digest.as_bytes()[..], &registry.snapshot()].concat());
        Self { state, snapshot, operations }
    }
}

impl State {
    /// Reads a state. The registry must have the digest that stands before it, and, at the time of
    /// the position, the one that stands there.
    pub fn decode(state: &[u8], snapshot: Option<&[u8]>) -> Result<Self, StateError> {
        let (position, expected) = Self::split(state)?;
        let mut reader = Reader::new(snapshot.ok_or(StateError::NoRegistry)?);
        let own = reader.digest("registry").map_err(|_| StateError::Short("registry"))?;
        let mut registry = Registry::restore(reader.rest(), &own)?;
        // Only operations change more than that, and after any there was another snapshot. A time
        // before the snapshot's changes nothing, so the digest is another.
        let _ = registry.advance(OrderedTime(position.time));
        let actual = registry.settle();
        if actual != expected {
            return Err(StateError::OtherRegistry { expected, actual });
        }
        Ok(Self { position, registry })
    }

    /// Reads the position alone.
    pub fn position(state: &[u8]) -> Result<Position, StateError> {
        Ok(Self::split(state)?.0)
    }

    fn split(state: &[u8]) -> Result<(Position, Digest), StateError> {
        let mut reader = Reader::new(state);
        let short = |_| StateError::Short("position");
        let position = codec::decode(reader.block("position").map_err(short)?)?;
        let digest = reader.digest("registry digest").map_err(|_| StateError::Short("registry digest"))?;
        Ok((position, digest))
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

#[cfg(test)]
mod tests {
    use jurat_crypto::{NetworkId, SigningKey};
    use jurat_trust::FederationId;

    use super::*;

    fn founded(time: u64) -> (Position, Registry) {
        let position =
            Position { sequence: 3, time, council: vec![], ending: None, stamp: None, signed: None };
        let key = SigningKey::from_seed(&[1; 32]).verifying_key();
        let founders = [(FederationId::new("fed:one").unwrap(), key)];
        let mut registry = Registry::founded_by(NetworkId(Digest::of(b"network")), founders).unwrap();
        registry.advance(OrderedTime(time)).unwrap();
        registry.settle();
        (position, registry)
    }

    #[test]
    fn the_registry_is_stored_again_only_after_operations() {
        let (position, mut registry) = founded(1_000);
        let first = StateToStore::new(&position, &registry, 7, None);
        let snapshot = first.snapshot.as_deref();
        let read = State::decode(&first.state, snapshot).unwrap();
        assert_eq!((read.registry, read.position.sequence), (registry.clone(), 3));

        registry.advance(OrderedTime(5_000)).unwrap();
        registry.settle();
        let later = Position { time: 5_000, ..position.clone() };
        let second = StateToStore::new(&later, &registry, 7, Some(7));
        assert_eq!(second.snapshot, None);
        assert_eq!(State::decode(&second.state, snapshot).unwrap().registry, registry);
        assert!(StateToStore::new(&later, &registry, 8, Some(7)).snapshot.is_some());

        assert!(matches!(State::decode(&second.state, None), Err(StateError::NoRegistry)));
        // A time that was not reached, or one before the snapshot's.
        for time in [999, 4_999] {
            let other = StateToStore::new(&Position { time, ..position.clone() }, &registry, 7, Some(7));
            let read = State::decode(&other.state, snapshot);
            assert!(matches!(read, Err(StateError::OtherRegistry { .. })), "{read:?}");
        }
        let mut damaged = snapshot.unwrap().to_vec();
        *damaged.last_mut().unwrap() ^= 1;
        assert!(matches!(State::decode(&second.state, Some(&damaged)), Err(StateError::Registry(_))));
        assert!(matches!(State::decode(&second.state, Some(&damaged[..31])), Err(StateError::Short(_))));
    }
}
