//! Federations: the organisations of the network.

use alloc::{string::String, vec::Vec};
use core::fmt;

use jurat_crypto::VerifyingKey;
use serde::{Deserialize, Serialize};

use crate::OrderedTime;

/// The id of a federation: 1 to 128 bytes of printable ASCII without spaces, compared exactly.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FederationId(String);

/// Why a text is not a federation's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a federation id has 1 to 128 printable ASCII characters without spaces, not {0:?}")]
pub struct FederationIdError(pub String);

impl FederationId {
    /// Checks and takes an id.
    pub fn new(id: impl Into<String>) -> Result<Self, FederationIdError> {
        let id = id.into();
        let fits = (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(id)) } else { Err(FederationIdError(id)) }
    }

    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FederationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for FederationId {
    type Error = FederationIdError;

    fn try_from(id: String) -> Result<Self, FederationIdError> {
        Self::new(id)
    }
}

impl From<FederationId> for String {
    fn from(id: FederationId) -> Self {
        id.0
    }
}

/// Where a federation stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Status {
    /// Takes part.
    Active,
    /// Stopped by a proposal, for a while.
    Suspended,
    /// Stopped by evidence against it.
    Quarantined,
    /// Gone for good.
    Dissolved,
}

impl Status {
    const fn byte(self) -> u8 {
        match self {
            Self::Active => 0,
            Self::Suspended => 1,
            Self::Quarantined => 2,
            Self::Dissolved => 3,
        }
    }
}

/// An organisation of the network.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Federation {
    /// When it was registered; 0 for founders.
    pub created_at: OrderedTime,
    /// Where it stands.
    pub status: Status,
    /// Who speaks for it.
    pub admin_keys: Vec<VerifyingKey>,
    /// How many of them must sign.
    pub threshold: u16,
}

impl Federation {
    /// Time (8 bytes, big-endian), status (1), threshold (2), number of keys (2), the keys.
    pub(crate) fn layout(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.created_at.0.to_be_bytes());
        out.push(self.status.byte());
        out.extend_from_slice(&self.threshold.to_be_bytes());
        out.extend_from_slice(&u16::try_from(self.admin_keys.len()).unwrap_or(u16::MAX).to_be_bytes());
        for key in &self.admin_keys {
            out.extend_from_slice(key.as_bytes());
        }
    }
}
