//! Receipts, made from the stored log.

use std::sync::{Arc, Mutex, PoisonError};

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, Checkpoint, Entry, LeafIndex, Note, Receipt, TreeSize};
use jurat_store::{LogError, LogReader};
use serde::Serialize;
use tokio::sync::watch;

use crate::core::CouncilHistory;

/// A receipt with what programs want to know of it.
#[derive(Debug, Clone, Serialize)]
pub struct ReceiptAnswer {
    /// Whether the log has the entry as one that was refused, so that it counts for nothing.
    #[serde(skip)]
    pub is_refused: bool,
    /// Where the entry is in the log.
    pub index: u64,
    /// Its leaf hash, in hex.
    pub leaf_hash: String,
    /// The size of the log that the checkpoint is about.
    pub log_size: u64,
    /// When the council ordered the entry's batch: RFC 3339.
    pub batch_time: Option<String>,
    /// The members that cosigned the checkpoint.
    pub cosigners: Vec<String>,
    /// The receipt itself, as it is kept in a file.
    pub receipt: String,
}

/// Why there is no receipt.
#[derive(Debug, thiserror::Error)]
pub enum NoReceipt {
    /// The log can't be read.
    #[error(transparent)]
    Log(#[from] LogError),
    /// What is stored does not make sense.
    #[error("the stored log is damaged: {0}")]
    Damaged(&'static str),
}

/// A certified checkpoint, taken apart once for all entries of its batch.
struct Certified {
    size: TreeSize,
    note: Note,
    batch_time: Option<String>,
    cosigners: Vec<String>,
}

/// Makes receipts.
pub struct Receipts {
    reader: LogReader,
    history: watch::Receiver<Arc<CouncilHistory>>,
    /// The checkpoint used last, and the first index that it does not serve: entries of one batch
    /// are asked for together.
    last: Mutex<Option<(LeafIndex, Arc<Certified>)>>,
}

impl Receipts {
    /// Receipts from this log, by the members that its council has had.
    #[must_use]
    pub const fn new(reader: LogReader, history: watch::Receiver<Arc<CouncilHistory>>) -> Self {
        Self { reader, history, last: Mutex::new(None) }
    }

    /// The receipt of the entry at an index: by the first certified checkpoint that covers it, so
    /// it is the same whenever it is asked for. None while there is no such checkpoint.
    pub fn receipt(&self, index: LeafIndex) -> Result<Option<ReceiptAnswer>, NoReceipt> {
        let Some(certified) = self.certified(index)? else { return Ok(None) };
        let bytes = self.reader.entry(index)?;
        let entry = Entry::decode(&bytes).map_err(|_| NoReceipt::Damaged("an entry can't be read"))?;
        let proof = self.reader.inclusion_proof(index, certified.size)?;
        let receipt = match &entry {
            Entry::Attestation(attestation) => Receipt::new(attestation, index, proof, &certified.note),
            _ => Receipt::without_extra(index, proof, &certified.note),
        };
        Ok(Some(ReceiptAnswer {
            is_refused: matches!(entry, Entry::Refused(_)),
            index: index.value(),
            leaf_hash: jurat_log::leaf_hash(&bytes).to_string(),
            log_size: certified.size.value(),
            batch_time: certified.batch_time.clone(),
            cosigners: certified.cosigners.clone(),
            receipt: receipt.to_string(),
        }))
    }

    /// The receipt of the entry that was submitted with this leaf hash, if it is in the log and
    /// certified.
    pub fn receipt_of(&self, leaf: &Digest) -> Result<Option<ReceiptAnswer>, NoReceipt> {
        match self.reader.index_of(leaf)? {
            Some(index) => self.receipt(index),
            None => Ok(None),
        }
    }

    fn certified(&self, index: LeafIndex) -> Result<Option<Arc<Certified>>, NoReceipt> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((from, certified)) = &*last
            && (*from..).contains(&index)
            && certified.size.contains(index)
        {
            return Ok(Some(certified.clone()));
        }
        let Some((size, text)) = self.reader.checkpoint_covering(index)? else { return Ok(None) };
        let certified = Arc::new(self.take_apart(size, &text)?);
        *last = Some((index, certified.clone()));
        Ok(Some(certified))
    }

    fn take_apart(&self, size: TreeSize, text: &str) -> Result<Certified, NoReceipt> {
        let damaged = NoReceipt::Damaged("a checkpoint can't be read");
        let note =
            Note::parse(text.as_bytes()).map_err(|_| NoReceipt::Damaged("a checkpoint can't be read"))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(|_| damaged)?;
        let stamp = BatchStamp::of(&checkpoint).ok().flatten();
        let cosigned =
            |member: &&crate::core::Member| note.signatures().iter().any(|line| line.is_by(&member.cosign));
        let history = self.history.borrow();
        let members = history.seats().map(|seat| &seat.member);
        let cosigners = members.filter(cosigned).map(|member| member.name.to_string()).collect();
        drop(history);
        let batch_time = stamp.map(|stamp| crate::time::rfc3339(stamp.time.0));
        Ok(Certified { size, note, batch_time, cosigners })
    }
}
