//! When a council ordered a batch: two extension lines of its checkpoints.
//!
//! ```text
//! jurat.batch <epoch> <sequence> <Unix time in milliseconds> LF
//! jurat.registry base64( registry digest ) LF
//! ```
//!
//! They come first among the extension lines, in this order. The members agree on them in
//! consensus, and a cosignature covers the whole text, so a receipt shows when its batch was
//! ordered and which registry was in force. A foreign witness's cosignature says nothing about
//! extension lines (C2SP tlog-cosignature).

use alloc::{format, string::String};

use jurat_crypto::Digest;

use crate::{
    Checkpoint, UnixMillis,
    text::{parse_decimal, parse_hash, write_hash},
};

const BATCH: &str = "jurat.batch ";
const REGISTRY: &str = "jurat.registry ";

/// Which batch made a checkpoint's tree, and when.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct BatchStamp {
    /// The epoch of the council that ordered the batch.
    pub epoch: u64,
    /// The batch's consensus sequence.
    pub sequence: u64,
    /// The time that the council agreed on for the batch.
    pub time: UnixMillis,
    /// The digest of the registry after the batch.
    pub registry: Digest,
}

/// Why extension lines are not a batch stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BatchStampError {
    /// One of the two lines is missing, repeated or not in its place.
    #[error("the extension lines jurat.batch and jurat.registry come first, once each and in this order")]
    Misplaced,
    /// The first line is not three decimal numbers.
    #[error("jurat.batch is followed by epoch, sequence and time in milliseconds, single spaces between")]
    Batch,
    /// The second line is not a hash.
    #[error("jurat.registry is followed by 32 bytes in base64")]
    Registry,
}

impl BatchStamp {
    /// The stamp of a checkpoint, if it has one.
    pub fn of(checkpoint: &Checkpoint) -> Result<Option<Self>, BatchStampError> {
        let is_ours = |line: &&str| line.starts_with(BATCH) || line.starts_with(REGISTRY);
        let ours = checkpoint.extension_lines().filter(is_ours).count();
        let mut lines = checkpoint.extension_lines();
        let batch = lines.next().and_then(|line| line.strip_prefix(BATCH));
        let registry = lines.next().and_then(|line| line.strip_prefix(REGISTRY));
        match (ours, batch, registry) {
            (0, ..) => Ok(None),
            (2, Some(batch), Some(registry)) => Self::parse(batch, registry).map(Some),
            _ => Err(BatchStampError::Misplaced),
        }
    }

    fn parse(batch: &str, registry: &str) -> Result<Self, BatchStampError> {
        let mut numbers = batch.splitn(3, ' ').map_while(parse_decimal);
        let (Some(epoch), Some(sequence), Some(time)) = (numbers.next(), numbers.next(), numbers.next())
        else {
            return Err(BatchStampError::Batch);
        };
        let registry = parse_hash(registry).ok_or(BatchStampError::Registry)?;
        Ok(Self { epoch, sequence, time: UnixMillis(time), registry })
    }

    /// The two lines, each ended by LF.
    pub(crate) fn to_lines(self) -> String {
        let Self { epoch, sequence, time, registry } = self;
        format!("{BATCH}{epoch} {sequence} {time}\n{REGISTRY}{}\n", write_hash(&registry))
    }
}
