//! One signature line of a note: who claims to have signed, and the bytes to check.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use data_encoding::BASE64;
use jurat_crypto::{KeyId, KeyName, KeyNameError, Signature, SignatureType, VerifyError, Vkey};

use crate::{Cosignature, NoteError, NoteText, UnixSeconds, note::MAX_SIGNATURES, text::decode_base64};

/// The most bytes that a signature line may have, its LF not counted. C2SP has signatures of
/// nearly 5 kB in mind, which base64 makes longer by a third.
pub const MAX_SIGNATURE_LINE_BYTES: usize = 8 * 1024;

/// U+2014, the em dash that begins a line, and the space after it.
const DASH: &str = "\u{2014} ";

/// A signature as it stands in a note, of any type, not checked.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NoteSignature {
    name: KeyName,
    id: KeyId,
    /// What follows the key id, one byte at least; its layout depends on the key's type.
    bytes: Vec<u8>,
}

/// Why a line is not that of a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureLineError {
    /// The line is not an em dash, a name and base64, each after one space, and LF.
    #[error("a signature line is an em dash, a name and base64, with single spaces between and a line feed")]
    Syntax,
    /// The line is longer than [`MAX_SIGNATURE_LINE_BYTES`].
    #[error("a signature line has at most {MAX_SIGNATURE_LINE_BYTES} bytes, this one has {0}")]
    TooLong(usize),
    /// The name is none that a key can have.
    #[error("signature line: {0}")]
    Name(#[from] KeyNameError),
    /// The signature is not canonical base64.
    #[error("signature line: the signature is not base64")]
    Base64,
    /// The signature has no byte after the key id.
    #[error("signature line: {0} bytes are too short for a key id and a signature")]
    TooShort(usize),
}

impl NoteSignature {
    /// The line of a key whose signature is already made: `bytes` is what follows the key id, as the
    /// key's type lays it out. It is not checked.
    #[must_use]
    pub fn by(vkey: &Vkey, bytes: &[u8]) -> Self {
        Self { name: vkey.name().clone(), id: vkey.id(), bytes: bytes.to_vec() }
    }

    /// The line of a key of another type.
    #[cfg(feature = "ml-dsa")]
    pub(crate) const fn from_parts(name: KeyName, id: KeyId, bytes: Vec<u8>) -> Self {
        Self { name, id, bytes }
    }

    /// The name of the claimed signer.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// The id of the claimed signer's key.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }

    /// The signature's bytes after the key id; their layout depends on the key's type.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the line claims to be by this key.
    #[must_use]
    pub fn is_by(&self, vkey: &Vkey) -> bool {
        self.id == vkey.id() && self.name == *vkey.name()
    }

    /// Checks the signature over `text` as one by this key, whoever the line names, and returns
    /// the time that a cosignature carries.
    pub fn verify(&self, text: &NoteText, vkey: &Vkey) -> Result<Option<UnixSeconds>, VerifyError> {
        match vkey.kind() {
            SignatureType::Ed25519 => {
                let bytes = self.bytes.as_slice().try_into().map_err(|_| VerifyError)?;
                vkey.key().verify(text.as_str().as_bytes(), &Signature::from_bytes(bytes))?;
                Ok(None)
            }
            SignatureType::CosignatureV1 => {
                let cosignature = Cosignature::from_bytes(&self.bytes).ok_or(VerifyError)?;
                cosignature.verify(text, vkey.key())?;
                Ok(Some(cosignature.time()))
            }
        }
    }

    /// Reads lines as they stand in a note or in a witness's answer, each ending with LF, at most
    /// [`MAX_SIGNATURES`].
    pub fn parse_lines(lines: &str) -> Result<Vec<Self>, NoteError> {
        let mut signatures = Vec::new();
        for line in lines.split_inclusive('\n') {
            if signatures.len() == MAX_SIGNATURES {
                return Err(NoteError::TooManySignatures);
            }
            let line = line.strip_suffix('\n').ok_or(SignatureLineError::Syntax)?;
            signatures.push(line.parse()?);
        }
        Ok(signatures)
    }
}

/// Reads a line without its LF.
impl FromStr for NoteSignature {
    type Err = SignatureLineError;

    fn from_str(line: &str) -> Result<Self, SignatureLineError> {
        if line.len() > MAX_SIGNATURE_LINE_BYTES {
            return Err(SignatureLineError::TooLong(line.len()));
        }
        let (name, base64) = line
            .strip_prefix(DASH)
            .and_then(|rest| rest.split_once(' '))
            .ok_or(SignatureLineError::Syntax)?;
        let name = KeyName::new(name)?;
        let bytes = decode_base64(&BASE64, base64).ok_or(SignatureLineError::Base64)?;
        match bytes.split_first_chunk() {
            Some((id, rest)) if !rest.is_empty() => Ok(Self { name, id: KeyId(*id), bytes: rest.to_vec() }),
            _ => Err(SignatureLineError::TooShort(bytes.len())),
        }
    }
}

/// Writes the line without its LF.
impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes: Vec<u8> = self.id.0.iter().chain(&self.bytes).copied().collect();
        let base64: String = BASE64.encode(&bytes);
        write!(f, "{DASH}{} {base64}", self.name)
    }
}
