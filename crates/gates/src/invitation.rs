//! What a node gets that is added to a gate, in a sealed letter.
//!
//! ```text
//! invitation = gate (32) || index (u64) || tag (32) || commitment (32) || name length (u32) || name || MLS Welcome
//! ```
//!
//! Index, tag and commitment are of the log's entry that decided for the commit by which the node
//! was added: without it the welcome could be that of a commit that lost.

use jurat_crypto::{Digest, MAX_LETTER_BYTES};

use crate::{
    bytes::{Reader, put},
    commit::CommitTag,
    gate::{GateId, GateName, MAX_NAME_BYTES},
};

/// The most bytes of an invitation: what a letter holds.
pub const MAX_INVITATION_BYTES: usize = MAX_LETTER_BYTES;
pub(crate) const MAX_WELCOME_BYTES: usize = MAX_INVITATION_BYTES - (32 + 8 + 32 + 32 + 4 + MAX_NAME_BYTES);

/// Bytes are no invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} bytes are no invitation to a gate")]
pub struct InvitationError(pub usize);

/// Lets a node into a gate. Only nodes whose packages it was made with can use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Invitation {
    pub(crate) gate: GateId,
    pub(crate) name: GateName,
    pub(crate) index: u64,
    pub(crate) tag: CommitTag,
    pub(crate) commitment: Digest,
    pub(crate) welcome: Vec<u8>,
}

impl Invitation {
    /// Reads an invitation. Nothing in it is checked yet but its shape.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvitationError> {
        let error = InvitationError(bytes.len());
        if bytes.len() > MAX_INVITATION_BYTES {
            return Err(error);
        }
        let mut reader = Reader(bytes);
        let mut read = || {
            let gate = GateId(Digest::from_bytes(*reader.array()?));
            let index = reader.u64()?;
            let tag = CommitTag(*reader.array()?);
            let commitment = Digest::from_bytes(*reader.array()?);
            let name = GateName::new(str::from_utf8(reader.part()?).ok()?)?;
            Some(Self { gate, name, index, tag, commitment, welcome: reader.0.to_vec() })
        };
        read().ok_or(error)
    }

    /// The bytes to be sealed in a letter.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.gate.0.as_bytes().to_vec();
        bytes.extend_from_slice(&self.index.to_be_bytes());
        bytes.extend_from_slice(&self.tag.0);
        bytes.extend_from_slice(self.commitment.as_bytes());
        put(&mut bytes, self.name.as_str().as_bytes());
        bytes.extend_from_slice(&self.welcome);
        bytes
    }

    /// To which gate.
    #[must_use]
    pub const fn gate(&self) -> GateId {
        self.gate
    }

    /// What its members call it.
    #[must_use]
    pub const fn name(&self) -> &GateName {
        &self.name
    }

    /// Where in the log the entry is said to be that decided for it.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }
}

impl core::fmt::Debug for Invitation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Invitation")
            .field("gate", &self.gate)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
