//! Receipts (C2SP tlog-proof): all that is needed to check offline that an entry is in a log.
//!
//! ```text
//! c2sp.org/tlog-proof@v1 LF
//! [extra base64 LF]
//! index decimal LF
//! [base64( hash ) LF]...            at most 63, the leaf's sibling first
//! LF
//! checkpoint's note, verbatim
//! ```
//!
//! In a Jurat receipt, extra is the attestation's envelope, as
//! [`to_envelope`](crate::Attestation::to_envelope) writes it.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str};

use data_encoding::BASE64;

use crate::{
    Attestation, InclusionProof, LeafIndex, Note, ProofError, SizeError,
    text::{decode_base64, parse_hash, write_hash},
};

/// The most bytes that a receipt may have: the largest envelope in base64, a proof and the largest
/// note, with room to spare.
pub const MAX_RECEIPT_BYTES: usize = 1024 * 1024;

const HEADER: &str = "c2sp.org/tlog-proof@v1";
const EXTRA: &str = "extra ";
const INDEX: &str = "index ";

/// A receipt, taken apart but not checked; that does [`verify_receipt`](crate::verify_receipt).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Receipt {
    extra: Vec<u8>,
    index: LeafIndex,
    proof: InclusionProof,
    checkpoint: String,
}

/// Why bytes are not a receipt.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceiptError {
    /// The receipt is larger than [`MAX_RECEIPT_BYTES`].
    #[error("a receipt has at most {MAX_RECEIPT_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The receipt is not UTF-8.
    #[error("the receipt is not UTF-8")]
    NotUtf8,
    /// The first line is not that of a tlog-proof.
    #[error("not a receipt: the first line is not {HEADER}")]
    Header,
    /// The extra data is empty or not base64.
    #[error("the receipt's extra data is not base64")]
    Extra,
    /// The index is missing.
    #[error("the receipt has no index line")]
    NoIndex,
    /// The index is not one.
    #[error("the receipt's index: {0}")]
    Index(#[from] SizeError),
    /// A line of the proof is not a hash.
    #[error("hash {0} of the receipt's proof is not 32 bytes in base64")]
    Hash(usize),
    /// The proof is too long.
    #[error(transparent)]
    Proof(#[from] ProofError),
    /// The receipt ends before the empty line and the checkpoint.
    #[error("the receipt has no checkpoint")]
    NoCheckpoint,
}

impl Receipt {
    /// The receipt of an attestation, with the note of a checkpoint that covers it.
    #[must_use]
    pub fn new(
        attestation: &Attestation,
        index: LeafIndex,
        proof: InclusionProof,
        checkpoint: &Note,
    ) -> Self {
        let extra = attestation.to_envelope().into_bytes();
        Self { extra, index, proof, checkpoint: checkpoint.to_string() }
    }

    /// The receipt of an entry that is no attestation: who checks it brings the entry.
    #[must_use]
    pub fn without_extra(index: LeafIndex, proof: InclusionProof, checkpoint: &Note) -> Self {
        Self { extra: Vec::new(), index, proof, checkpoint: checkpoint.to_string() }
    }

    /// Reads a receipt, strictly: whatever is accepted is written again with the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, ReceiptError> {
        if bytes.len() > MAX_RECEIPT_BYTES {
            return Err(ReceiptError::TooLarge(bytes.len()));
        }
        let text = str::from_utf8(bytes).map_err(|_| ReceiptError::NotUtf8)?;
        let (header, rest) = text.split_once('\n').ok_or(ReceiptError::Header)?;
        if header != HEADER {
            return Err(ReceiptError::Header);
        }
        let (mut line, mut rest) = rest.split_once('\n').ok_or(ReceiptError::NoIndex)?;
        let mut extra = Vec::new();
        if let Some(base64) = line.strip_prefix(EXTRA) {
            extra = decode_base64(&BASE64, base64).ok_or(ReceiptError::Extra)?;
            // Without extra data there is no such line, so this would be a second spelling.
            if extra.is_empty() {
                return Err(ReceiptError::Extra);
            }
            (line, rest) = rest.split_once('\n').ok_or(ReceiptError::NoIndex)?;
        }
        let index = line.strip_prefix(INDEX).ok_or(ReceiptError::NoIndex)?.parse()?;
        let mut hashes = Vec::new();
        loop {
            (line, rest) = rest.split_once('\n').ok_or(ReceiptError::NoCheckpoint)?;
            if line.is_empty() {
                break;
            }
            if hashes.len() == InclusionProof::MAX_HASHES {
                return Err(ProofError::TooLong.into());
            }
            hashes.push(parse_hash(line).ok_or(ReceiptError::Hash(hashes.len()))?);
        }
        if rest.is_empty() {
            return Err(ReceiptError::NoCheckpoint);
        }
        Ok(Self { extra, index, proof: InclusionProof::new(hashes)?, checkpoint: rest.to_string() })
    }

    /// Data for the application, which nothing in the receipt vouches for; empty if there is none.
    #[must_use]
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// Where the entry is in the log.
    #[must_use]
    pub const fn index(&self) -> LeafIndex {
        self.index
    }

    /// The way from the entry to the checkpoint's root.
    #[must_use]
    pub const fn proof(&self) -> &InclusionProof {
        &self.proof
    }

    /// The checkpoint's note, verbatim and unchecked.
    #[must_use]
    pub fn checkpoint(&self) -> &str {
        &self.checkpoint
    }
}

/// Writes the receipt as it is kept in a file.
impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{HEADER}")?;
        if !self.extra.is_empty() {
            writeln!(f, "{EXTRA}{}", BASE64.encode(&self.extra))?;
        }
        writeln!(f, "{INDEX}{}", self.index)?;
        for hash in self.proof.hashes() {
            writeln!(f, "{}", write_hash(hash))?;
        }
        write!(f, "\n{}", self.checkpoint)
    }
}
