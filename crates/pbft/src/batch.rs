//! What is ordered: batches of requests, named by digest.

use alloc::vec::Vec;

use jurat_crypto::Digest;
use serde::{Deserialize, Serialize};

use crate::BatchTime;

/// The digest that names a request. The application chooses it; equal digests are one request.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct RequestDigest(pub Digest);

/// The digest of a [`Batch`], by its layout in `docs/formats.md`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct BatchDigest(pub Digest);

/// The digest of the application's state after a sequence.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct StateDigest(pub Digest);

/// Requests in the order in which they execute, and the time that the primary gave them.
///
/// Bodies travel apart: a batch holds digests, so a proposal is small whatever the requests are.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Batch {
    /// When the primary proposed it.
    pub time: BatchTime,
    /// Digests of the requests, each at most once.
    pub requests: Vec<RequestDigest>,
}

impl Batch {
    /// The batch that fills a gap in a new view (section 4.4 of the TOCS paper).
    #[must_use]
    pub const fn null() -> Self {
        Self { time: BatchTime(0), requests: Vec::new() }
    }

    /// Whether this is the null batch.
    #[must_use]
    pub const fn is_null(&self) -> bool {
        self.requests.is_empty()
    }

    /// SHA-256 of the label `jurat/v1/batch` and LF, the time (8 bytes, big-endian), the number of
    /// requests (8, big-endian) and their digests.
    #[must_use]
    pub fn digest(&self) -> BatchDigest {
        let time = self.time.0.to_be_bytes();
        let count = (self.requests.len() as u64).to_be_bytes();
        let mut parts: Vec<&[u8]> = alloc::vec![b"jurat/v1/batch\n".as_slice(), &time, &count];
        parts.extend(self.requests.iter().map(|request| request.0.as_bytes().as_slice()));
        BatchDigest(Digest::of_parts(&parts))
    }

    /// Whether a primary may propose it: not null, dated, within the limit, no request twice.
    #[must_use]
    pub fn is_well_formed(&self, max_requests: usize) -> bool {
        let mut sorted = self.requests.clone();
        sorted.sort_unstable();
        !self.is_null()
            && self.time > BatchTime(0)
            && self.requests.len() <= max_requests
            && sorted.windows(2).all(|pair| pair[0] != pair[1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(time: u64, requests: &[u8]) -> Batch {
        let requests = requests.iter().map(|i| RequestDigest(Digest::of(&[*i]))).collect();
        Batch { time: BatchTime(time), requests }
    }

    #[test]
    fn time_order_and_number_of_requests_change_the_digest() {
        let digests = [
            Batch::null().digest(),
            batch(1, &[1, 2]).digest(),
            batch(2, &[1, 2]).digest(),
            batch(1, &[2, 1]).digest(),
            batch(1, &[1]).digest(),
        ];
        for (i, a) in digests.iter().enumerate() {
            assert!(digests[..i].iter().all(|b| a != b));
        }
    }

    #[test]
    fn only_dated_bounded_batches_without_repeats_can_be_proposed() {
        assert!(batch(1, &[1, 2]).is_well_formed(2));
        assert!(!batch(1, &[1, 2]).is_well_formed(1));
        assert!(!batch(0, &[1]).is_well_formed(2));
        assert!(!batch(1, &[1, 2, 1]).is_well_formed(9));
        assert!(!Batch::null().is_well_formed(9));
    }
}
