//! The store's log, as the core wants it.

use std::borrow::Cow;

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, SubjectRoot, TreeSize, UnixMillis};
use jurat_store::{Batch, FlushPlan, LogEntry, LogError, LogReader, LogStore};

use crate::core::{Appended, CheckedEntry, EntryBytes, Ledger, LedgerError, StateToStore};

/// The log of this node's data directory.
#[derive(Debug)]
pub struct StoredLedger {
    store: LogStore,
    reader: LogReader,
    certified: TreeSize,
    /// With how many operations the registry was stored last, since the start.
    operations: Option<u64>,
}

/// Bytes that may wait to be stored, of entries and of what is derived from them. A disk that can't keep up slows the node down; it must not
/// fill the memory, nor the journal that covers them.
const MAX_UNSTORED: usize = 256 << 20;

impl StoredLedger {
    /// The ledger over an open log.
    pub fn new(store: LogStore) -> Result<Self, LogError> {
        let reader = store.reader();
        let certified = reader.latest_checkpoint()?.map_or(TreeSize::EMPTY, |(size, _)| size);
        Ok(Self { store, reader, certified, operations: None })
    }

    /// The log, for reading.
    #[must_use]
    pub const fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Plans to store everything appended so far. None if there is nothing, or a flush is under way.
    pub fn plan_flush(&mut self, state: StateToStore) -> Result<Option<FlushPlan>, LogError> {
        let plan = self.store.plan_flush(state.state, state.snapshot.map(Into::into))?;
        if plan.is_some() {
            self.operations = Some(state.operations);
        }
        Ok(plan)
    }

    /// With how many operations the registry was stored last, since the start; none if it was not.
    #[must_use]
    pub const fn stored_operations(&self) -> Option<u64> {
        self.operations
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err takes")]
fn ledger_error(error: LogError) -> LedgerError {
    LedgerError(error.to_string())
}

impl Ledger for StoredLedger {
    fn head(&self) -> (TreeSize, Digest) {
        let head = self.reader.head();
        (head.size, head.root)
    }

    fn subjects(&self) -> SubjectRoot {
        self.reader.head().subjects
    }

    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError> {
        self.reader.index_of(leaf).map_err(ledger_error)
    }

    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError> {
        let Some(index) = self.index_of(leaf)? else { return Ok(None) };
        let bytes = self.reader.entry(index).map_err(ledger_error)?;
        Ok(Some(EntryBytes(match jurat_log::submitted_form(&bytes) {
            Cow::Borrowed(_) => bytes,
            Cow::Owned(submitted) => submitted.into(),
        })))
    }

    fn append(
        &mut self,
        sequence: u64,
        time: UnixMillis,
        record: Vec<u8>,
        entries: Vec<CheckedEntry>,
    ) -> Result<Appended, LedgerError> {
        let entries = entries.iter().map(|e| LogEntry::with_terms(e.bytes().0.clone(), e.terms().clone()));
        let entries = entries.collect::<Result<_, _>>().map_err(ledger_error)?;
        let head = self
            .store
            .append(Batch { sequence, time, record: record.into(), entries })
            .map_err(ledger_error)?;
        Ok(Appended { size: head.size, root: head.root })
    }

    fn has_room(&self) -> bool {
        self.reader.unflushed_bytes() < MAX_UNSTORED
    }

    fn record(&self, sequence: u64) -> Result<Option<Vec<u8>>, LedgerError> {
        let record = self.reader.sequence_record(sequence).map_err(ledger_error)?;
        Ok(record.map(|record| record.record.to_vec()))
    }

    fn certify(&mut self, size: TreeSize, note: &str) -> Result<(), LedgerError> {
        self.certified = self.certified.max(size);
        self.reader.put_checkpoint(size, note).map_err(ledger_error)
    }

    fn certified(&self) -> TreeSize {
        self.certified
    }

    fn certified_from(&self, size: TreeSize) -> Result<Option<String>, LedgerError> {
        // The checkpoint that covers the last leaf of `size` is the smallest of at least that size.
        let Some(last) = size.value().checked_sub(1).and_then(|last| LeafIndex::new(last).ok()) else {
            return Ok(None);
        };
        let covering = self.reader.checkpoint_covering(last).map_err(ledger_error)?;
        Ok(covering.map(|(_, note)| note.to_string()))
    }
}
