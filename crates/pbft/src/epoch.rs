//! How one council follows another, in a way that anyone can check from the first.

use alloc::vec::Vec;

use jurat_crypto::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::{
    CertificateError, CheckpointCertificate, Council, CouncilError, DecodeError, Epoch, ReplicaId, Sequence,
    bytes::Reader,
};

/// The one change that lies between a council and the next.
#[expect(clippy::large_enum_variant, reason = "there are few, and a checked key is not worth a box")]
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Change {
    /// A member with this voting key joins.
    Add(VerifyingKey),
    /// A member leaves.
    Remove(ReplicaId),
}

/// Why a change can't be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ChangeError {
    /// What it would lead to is no council.
    #[error(transparent)]
    Council(#[from] CouncilError),
    /// Who shall leave is not there.
    #[error("replica {0} is not a member of this council")]
    NoSuchMember(ReplicaId),
    /// 65535 members have joined in the network's life.
    #[error("no id is left for another member")]
    NoMoreIds,
    /// The epoch would end before it begins.
    #[error("an epoch that begins after sequence {previous} can't end with sequence {base}")]
    Backwards {
        /// Where it would end.
        base: Sequence,
        /// What it begins after.
        previous: Sequence,
    },
}

/// The end of an epoch: the change that its last batch made, and the old council's certificate over
/// the checkpoint after it, which names the new council.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct EpochLink {
    /// The change.
    pub change: Change,
    /// The last checkpoint of the epoch.
    pub certificate: CheckpointCertificate,
}

/// Why a link does not lead from a council to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum LinkError {
    /// The change.
    #[error(transparent)]
    Change(#[from] ChangeError),
    /// The certificate.
    #[error("the link's certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The certificate names another council than the change leads to, or none.
    #[error("the certificate at sequence {0} does not name the council that the link leads to")]
    OtherCouncil(Sequence),
}

impl EpochLink {
    /// The last sequence of the epoch that it ends.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        self.certificate.checkpoint.sequence
    }

    /// Checks the link against the council whose epoch it ends; gives the next.
    pub fn verify(&self, council: &Council) -> Result<Council, LinkError> {
        let next = council.successor(&self.change, self.sequence())?;
        if self.certificate.checkpoint.next != Some(*next.digest()) {
            return Err(LinkError::OtherCouncil(self.sequence()));
        }
        self.certificate.verify(council)?;
        Ok(next)
    }

    /// The layout of `docs/formats.md`.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match &self.change {
            Change::Add(key) => {
                out.push(1);
                out.extend_from_slice(key.as_bytes());
            }
            Change::Remove(id) => {
                out.push(2);
                out.extend_from_slice(&id.0.to_be_bytes());
            }
        }
        self.certificate.layout(&mut out);
        out
    }

    /// Reads the layout. What it reads encodes to the same bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let change = match reader.byte()? {
            1 => Change::Add(reader.key()?),
            2 => Change::Remove(reader.replica()?),
            unknown => return Err(DecodeError::Unknown(unknown)),
        };
        let certificate = reader.certificate()?;
        reader.end()?;
        Ok(Self { change, certificate })
    }
}

/// All councils of a network, from the first, each proven by the one before.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct EpochChain {
    first: Council,
    later: Vec<(EpochLink, Council)>,
}

impl EpochChain {
    /// A chain of the first council alone.
    #[must_use]
    pub const fn new(first: Council) -> Self {
        Self { first, later: Vec::new() }
    }

    /// Checks links from the first council on. Nothing else is needed.
    pub fn verify(first: Council, links: impl IntoIterator<Item = EpochLink>) -> Result<Self, LinkError> {
        let mut chain = Self::new(first);
        for link in links {
            chain.push(link)?;
        }
        Ok(chain)
    }

    /// Adds the link that ends the last epoch; after an error the chain is as before.
    pub fn push(&mut self, link: EpochLink) -> Result<&Council, LinkError> {
        let council = link.verify(self.last())?;
        self.later.push((link, council));
        Ok(self.last())
    }

    /// The council of the last epoch.
    #[must_use]
    pub fn last(&self) -> &Council {
        self.later.last().map_or(&self.first, |(_, council)| council)
    }

    /// All councils, in order.
    pub fn councils(&self) -> impl DoubleEndedIterator<Item = &Council> {
        core::iter::once(&self.first).chain(self.later.iter().map(|(_, council)| council))
    }

    /// The council of an epoch, if the chain reaches it.
    #[must_use]
    pub fn council_of(&self, epoch: Epoch) -> Option<&Council> {
        self.councils().find(|council| council.epoch() == epoch)
    }

    /// The council that decides at a sequence: the one whose commit proofs count there. If the
    /// chain lacks later links, that is not known beyond its end.
    #[must_use]
    pub fn council_at(&self, sequence: Sequence) -> &Council {
        self.councils().rev().find(|council| council.base() < sequence).unwrap_or(&self.first)
    }

    /// The links whose epochs end with this sequence or later: what who executed as far as the one
    /// before it may lack.
    pub fn links_from(&self, sequence: Sequence) -> impl Iterator<Item = &EpochLink> {
        self.later.iter().map(|(link, _)| link).filter(move |link| link.sequence() >= sequence)
    }
}
