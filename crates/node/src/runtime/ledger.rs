//! The store's log, as the core wants it.

use jurat_crypto::Digest;
use jurat_log::{LeafIndex, TreeSize};
use jurat_store::{Batch, FlushPlan, LogEntry, LogError, LogReader, LogStore};

use crate::core::{Appended, EntryBytes, Ledger, LedgerError};

/// The log of this node's data directory.
#[derive(Debug)]
pub(crate) struct StoredLedger {
    store: LogStore,
    reader: LogReader,
    certified: TreeSize,
    /// Bytes that only the journal makes durable so far, and those of them that a flush under way
    /// stores.
    unstored: usize,
    storing: usize,
}

/// Bytes that may wait to be stored. A disk that can't keep up slows the node down; it must not
/// fill the memory, nor the journal that covers them.
const MAX_UNSTORED: usize = 256 << 20;

impl StoredLedger {
    pub(crate) fn new(store: LogStore) -> Result<Self, LogError> {
        let reader = store.reader();
        let certified = reader.latest_checkpoint()?.map_or(TreeSize::EMPTY, |(size, _)| size);
        Ok(Self { store, reader, certified, unstored: 0, storing: 0 })
    }

    pub(crate) const fn reader(&self) -> &LogReader {
        &self.reader
    }

    /// Plans to store everything appended so far.
    pub(crate) fn plan_flush(&mut self, state: Vec<u8>) -> Result<Option<FlushPlan>, LogError> {
        let plan = self.store.plan_flush(state)?;
        if plan.is_some() {
            self.storing = self.unstored;
        }
        Ok(plan)
    }

    /// The plan was written.
    pub(crate) const fn stored(&mut self) {
        self.unstored -= self.storing;
        self.storing = 0;
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

    fn index_of(&self, leaf: &Digest) -> Result<Option<LeafIndex>, LedgerError> {
        self.reader.index_of(leaf).map_err(ledger_error)
    }

    fn entry(&self, leaf: &Digest) -> Result<Option<EntryBytes>, LedgerError> {
        let Some(index) = self.index_of(leaf)? else { return Ok(None) };
        self.reader.entry(index).map(|bytes| Some(EntryBytes(bytes))).map_err(ledger_error)
    }

    fn append(
        &mut self,
        sequence: u64,
        record: Vec<u8>,
        entries: Vec<(Digest, EntryBytes)>,
    ) -> Result<Appended, LedgerError> {
        self.unstored += record.len() + entries.iter().map(|(_, entry)| entry.0.len()).sum::<usize>();
        let entries = entries.into_iter().map(|(_, bytes)| LogEntry::new(bytes.0));
        let entries = entries.collect::<Result<_, _>>().map_err(ledger_error)?;
        let head =
            self.store.append(Batch { sequence, record: record.into(), entries }).map_err(ledger_error)?;
        Ok(Appended { size: head.size, root: head.root })
    }

    fn has_room(&self) -> bool {
        self.unstored < MAX_UNSTORED
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
