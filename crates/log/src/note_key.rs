//! A key that others' lines on notes are checked with, of any type that a policy can name.

use alloc::boxed::Box;
use core::{fmt, str::FromStr};

#[cfg(feature = "ml-dsa")]
use jurat_crypto::MlDsaVkey;
use jurat_crypto::{KeyId, KeyName, SignatureType, VerifyError, Vkey, VkeyError};

#[cfg(feature = "ml-dsa")]
use crate::MlDsaCosignature;
use crate::{NoteSignature, NoteText, UnixSeconds};

/// A named key of a log or a witness.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoteKey {
    /// Ed25519, type 0x01 or 0x04.
    Ed25519(Box<Vkey>),
    /// ML-DSA-44, type 0x06.
    #[cfg(feature = "ml-dsa")]
    MlDsa44(Box<MlDsaVkey>),
}

impl NoteKey {
    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        match self {
            Self::Ed25519(vkey) => vkey.name(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(vkey) => vkey.name(),
        }
    }

    /// The key's id, which with the name finds its lines in a note.
    #[must_use]
    pub fn id(&self) -> KeyId {
        match self {
            Self::Ed25519(vkey) => vkey.id(),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(vkey) => vkey.id(),
        }
    }

    /// Whether its signatures are cosignatures, type 0x04 or 0x06.
    #[must_use]
    pub fn can_cosign(&self) -> bool {
        match self {
            Self::Ed25519(vkey) => vkey.kind() == SignatureType::CosignatureV1,
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(_) => true,
        }
    }

    /// Whether the public keys are the same, under whatever names.
    #[must_use]
    pub fn is_same_key(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Ed25519(one), Self::Ed25519(other)) => one.key() == other.key(),
            #[cfg(feature = "ml-dsa")]
            (Self::MlDsa44(one), Self::MlDsa44(other)) => one.key() == other.key(),
            #[cfg(feature = "ml-dsa")]
            _ => false,
        }
    }
}

impl From<Vkey> for NoteKey {
    fn from(vkey: Vkey) -> Self {
        Self::Ed25519(Box::new(vkey))
    }
}

#[cfg(feature = "ml-dsa")]
impl From<MlDsaVkey> for NoteKey {
    fn from(vkey: MlDsaVkey) -> Self {
        Self::MlDsa44(Box::new(vkey))
    }
}

/// Reads a vkey of any type that can be checked.
impl FromStr for NoteKey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        match text.parse::<Vkey>() {
            #[cfg(feature = "ml-dsa")]
            Err(VkeyError::UnknownType(_)) => text.parse::<MlDsaVkey>().map(Self::from),
            parsed => parsed.map(Self::from),
        }
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ed25519(vkey) => vkey.fmt(f),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(vkey) => vkey.fmt(f),
        }
    }
}

/// What checks a line: a vkey, or a key of any type.
pub(crate) trait LineKey {
    fn has_made(&self, line: &NoteSignature) -> bool;
    fn check(&self, line: &NoteSignature, text: &NoteText) -> Result<Option<UnixSeconds>, VerifyError>;
}

impl LineKey for Vkey {
    fn has_made(&self, line: &NoteSignature) -> bool {
        line.is_by(self)
    }

    fn check(&self, line: &NoteSignature, text: &NoteText) -> Result<Option<UnixSeconds>, VerifyError> {
        line.verify(text, self)
    }
}

impl LineKey for NoteKey {
    fn has_made(&self, line: &NoteSignature) -> bool {
        line.id() == self.id() && line.name() == self.name()
    }

    fn check(&self, line: &NoteSignature, text: &NoteText) -> Result<Option<UnixSeconds>, VerifyError> {
        match self {
            Self::Ed25519(vkey) => line.verify(text, vkey),
            #[cfg(feature = "ml-dsa")]
            Self::MlDsa44(vkey) => {
                let cosignature = MlDsaCosignature::from_bytes(line.bytes()).ok_or(VerifyError)?;
                cosignature.verify(text, vkey)?;
                Ok(Some(cosignature.time()))
            }
        }
    }
}
