//! Postings: bulletins with the work that they cost, as they are passed on and kept.

use alloc::vec::Vec;

use jurat_crypto::EquihashSolution;

use crate::{
    Bulletin, BulletinError, Effort, HEADER_BYTES, Header, Rules, StampSubject, WorkDone, promise::Promise,
    work::nonce_of,
};

/// A bulletin with the effort that its stamp promises, and with what shows it beside the nonce.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Posting {
    /// The promised effort.
    pub effort: Effort,
    /// The solution, where the network's function is Equihash.
    pub solution: Option<EquihashSolution>,
    /// The bulletin.
    pub bulletin: Bulletin,
}

impl Posting {
    /// A bulletin for which no work is done yet.
    #[must_use]
    pub const fn new(effort: Effort, bulletin: Bulletin) -> Self {
        Self { effort, solution: None, bulletin }
    }

    /// The same with the work done.
    #[must_use]
    pub fn stamped(self, stamp: &WorkDone) -> Self {
        let bulletin = self.bulletin.with_nonce(nonce_of(stamp));
        Self { solution: stamp.proof, bulletin, ..self }
    }

    /// The effort (u32, big-endian), then the bulletin. With a solution the effort's highest bit is
    /// set, and the solution's length (1) and the solution come between the two.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let promise = Promise { effort: self.effort, solution: self.solution };
        [promise.encode(), self.bulletin.encode()].concat()
    }

    /// Reads a posting whose content belongs to it. Whether its work was done, [`Board::check`](crate::Board::check) says.
    pub fn decode(bytes: &[u8]) -> Result<Self, BulletinError> {
        let (Promise { effort, solution }, bulletin) = split(bytes)?;
        Ok(Self { effort, solution, bulletin: Bulletin::decode(bulletin)? })
    }

    /// The header of a posting, which need not be one any further.
    pub fn header_of(bytes: &[u8]) -> Result<Header, BulletinError> {
        let (_, bulletin) = split(bytes)?;
        Header::split(bulletin.get(..HEADER_BYTES).unwrap_or(bulletin)).map(|(header, _)| header)
    }

    /// Whether the promised work was done.
    #[must_use]
    pub fn is_stamped(&self, rules: &Rules) -> bool {
        self.subject(rules).is_stamped(self.bulletin.nonce(), self.solution, &rules.work)
    }

    /// What the stamp is for.
    #[must_use]
    pub fn subject(&self, rules: &Rules) -> StampSubject {
        subject(self.bulletin.header(), self.effort, rules)
    }
}

/// A posting's promise, and the bytes of its bulletin.
pub(crate) fn split(bytes: &[u8]) -> Result<(Promise, &[u8]), BulletinError> {
    Ok(Promise::split(bytes).ok_or(BulletinError::Truncated(0))??)
}

/// What the stamp of a posting with this header is for.
pub(crate) fn subject(header: &Header, effort: Effort, rules: &Rules) -> StampSubject {
    StampSubject {
        network: rules.network,
        audience: *header.topic.0.as_bytes(),
        content: header.content_id.0,
        time: header.time,
        effort,
    }
}
