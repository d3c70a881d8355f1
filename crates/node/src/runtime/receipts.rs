//! Receipts, made from the stored log.

use std::sync::{Arc, Mutex, PoisonError};

use jurat_crypto::Digest;
use jurat_log::{BatchStamp, Checkpoint, Entry, InclusionProof, LeafIndex, Note, Policy, Receipt, TreeSize};
use jurat_store::{LogError, LogReader};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::core::CouncilHistory;

/// A receipt with what programs want to know of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
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

/// Whose cosignatures are named, and how.
#[derive(Clone, Debug)]
pub(crate) enum Cosigners {
    /// The members that a council has had.
    Council(watch::Receiver<Arc<CouncilHistory>>),
    /// The witnesses of a policy.
    Policy(Policy),
}

impl Cosigners {
    /// The names of those who signed a note. Their signatures are not checked here.
    fn of(&self, note: &Note) -> Vec<String> {
        match self {
            Self::Council(history) => {
                let history = history.borrow();
                let members = history.seats().map(|seat| &seat.member);
                members
                    .filter(|member| note.signatures().iter().any(|line| line.is_by(&member.cosign)))
                    .map(|member| member.name.to_string())
                    .collect()
            }
            Self::Policy(policy) => {
                let witnesses = policy.witnesses().iter().filter(|witness| {
                    note.signatures()
                        .iter()
                        .any(|line| line.name() == witness.vkey.name() && line.id() == witness.vkey.id())
                });
                witnesses.map(|witness| witness.name.to_string()).collect()
            }
        }
    }
}

/// Makes receipts.
pub struct Receipts {
    reader: LogReader,
    cosigners: Cosigners,
    /// The checkpoint used last, and the first index that it does not serve: entries of one batch
    /// are asked for together.
    last: Mutex<Option<(LeafIndex, Arc<Certified>)>>,
}

impl Receipts {
    /// Receipts from this log, by the members that its council has had.
    #[must_use]
    pub const fn new(reader: LogReader, history: watch::Receiver<Arc<CouncilHistory>>) -> Self {
        Self::naming(reader, Cosigners::Council(history))
    }

    /// Receipts from this log, by whom that names.
    pub(crate) const fn naming(reader: LogReader, cosigners: Cosigners) -> Self {
        Self { reader, cosigners, last: Mutex::new(None) }
    }

    /// The receipt of the entry at an index: by the first certified checkpoint that covers it, so
    /// it is the same whenever it is asked for. None while there is no such checkpoint.
    pub fn receipt(&self, index: LeafIndex) -> Result<Option<ReceiptAnswer>, NoReceipt> {
        let Some(certified) = self.certified(index)? else { return Ok(None) };
        let bytes = self.reader.entry(index)?;
        let entry = Entry::decode(&bytes).map_err(|_| NoReceipt::Damaged("an entry can't be read"))?;
        let proof = self.reader.inclusion_proof(index, certified.size)?;
        Ok(Some(certified.answer(&bytes, &entry, index, proof)))
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
        let damaged = |_| NoReceipt::Damaged("a checkpoint can't be read");
        let note =
            Note::parse(text.as_bytes()).map_err(|_| NoReceipt::Damaged("a checkpoint can't be read"))?;
        let checkpoint = Checkpoint::parse(note.text()).map_err(damaged)?;
        let certified = Arc::new(Certified::new(size, note, &checkpoint, &self.cosigners));
        *last = Some((index, certified.clone()));
        Ok(Some(certified))
    }
}

impl Certified {
    fn new(size: TreeSize, note: Note, checkpoint: &Checkpoint, cosigners: &Cosigners) -> Self {
        let stamp = BatchStamp::of(checkpoint).ok().flatten();
        let cosigners = cosigners.of(&note);
        Self { size, note, batch_time: stamp.map(|stamp| crate::time::rfc3339(stamp.time.0)), cosigners }
    }

    fn answer(&self, bytes: &[u8], entry: &Entry, index: LeafIndex, proof: InclusionProof) -> ReceiptAnswer {
        let receipt = match entry {
            Entry::Attestation(attestation) => Receipt::new(attestation, index, proof, &self.note),
            _ => Receipt::without_extra(index, proof, &self.note),
        };
        ReceiptAnswer {
            is_refused: matches!(entry, Entry::Refused(_)),
            index: index.value(),
            leaf_hash: jurat_log::leaf_hash(bytes).to_string(),
            log_size: self.size.value(),
            batch_time: self.batch_time.clone(),
            cosigners: self.cosigners.clone(),
            receipt: receipt.to_string(),
        }
    }
}

/// The receipt of an entry that another node made, as the own answer: nothing of it is taken unchecked.
/// `judge` says which checkpoints count.
pub(crate) fn verified(
    told: &ReceiptAnswer,
    bytes: &[u8],
    cosigners: &Cosigners,
    judge: &dyn Fn(&Note) -> Result<Checkpoint, String>,
) -> Result<ReceiptAnswer, String> {
    let told = Receipt::parse(told.receipt.as_bytes()).map_err(|error| error.to_string())?;
    let note = Note::parse(told.checkpoint().as_bytes()).map_err(|error| error.to_string())?;
    let checkpoint = judge(&note)?;
    let entry = Entry::decode(bytes).map_err(|error| error.to_string())?;
    let (size, leaf) = (checkpoint.size(), jurat_log::leaf_hash(bytes));
    told.proof()
        .verify(told.index(), size, &leaf, checkpoint.root())
        .map_err(|error| format!("the entry is not in the checkpoint's tree: {error}"))?;
    let certified = Certified::new(size, note, &checkpoint, cosigners);
    Ok(certified.answer(bytes, &entry, told.index(), told.proof().clone()))
}
