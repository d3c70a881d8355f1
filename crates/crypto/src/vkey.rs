//! vkey strings: how keys are written everywhere, in configuration, policies and on the command line.
//!
//! Format: [C2SP signed-note](https://c2sp.org/signed-note), "Verifier keys".
//!
//! ```text
//! vkey  = name '+' 8 lower-case hex digits of the key id '+' base64( type || public key )
//! keyid = first 4 bytes of SHA-256( name || LF || type || public key )
//! ```

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str::FromStr};

use data_encoding::{BASE64, HEXLOWER};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};

use crate::{KeyError, VerifyingKey, base64};

/// The name of a key: 1 to 255 bytes without Unicode space, control character or `+`.
///
/// C2SP leaves the length open; 255 is what a cosignature of type 0x06 can carry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyName(String);

/// Why a text can't name a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyNameError {
    /// The name is empty.
    #[error("a key name can't be empty")]
    Empty,
    /// The name has more than 255 bytes.
    #[error("a key name has at most 255 bytes, this one has {0}")]
    TooLong(usize),
    /// The name has a space, a control character or a plus sign.
    #[error("a key name can't contain {0:?}: no space, control character or '+'")]
    Forbidden(char),
}

impl KeyName {
    /// Checks and takes a name.
    pub fn new(name: impl Into<String>) -> Result<Self, KeyNameError> {
        let name = name.into();
        if name.is_empty() {
            return Err(KeyNameError::Empty);
        }
        if name.len() > 255 {
            return Err(KeyNameError::TooLong(name.len()));
        }
        match name.chars().find(|c| c.is_whitespace() || c.is_control() || *c == '+') {
            Some(c) => Err(KeyNameError::Forbidden(c)),
            None => Ok(Self(name)),
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(text: &str) -> Result<Self, KeyNameError> {
        Self::new(text)
    }
}

impl TryFrom<String> for KeyName {
    type Error = KeyNameError;

    fn try_from(text: String) -> Result<Self, KeyNameError> {
        Self::new(text)
    }
}

impl From<KeyName> for String {
    fn from(name: KeyName) -> Self {
        name.0
    }
}

/// The first four bytes of a hash over name, type and key: finds a key, never authenticates it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 4]);

impl KeyId {
    /// The id of a key, as C2SP signed-note recommends and cosignatures require.
    #[must_use]
    pub fn derive(name: &KeyName, kind: SignatureType, public_key: &[u8]) -> Self {
        Self::of_type(name, kind.byte(), public_key)
    }

    pub(crate) fn of_type(name: &KeyName, kind: u8, public_key: &[u8]) -> Self {
        let hash = Sha256::new()
            .chain_update(name.as_str())
            .chain_update([b'\n', kind])
            .chain_update(public_key)
            .finalize();
        Self([hash[0], hash[1], hash[2], hash[3]])
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a key signs and how, the type byte of C2SP signed-note.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SignatureType {
    /// 0x01: Ed25519 over the note's text. Logs and attestors.
    Ed25519,
    /// 0x04: timestamped Ed25519 over a checkpoint. Cosigners.
    CosignatureV1,
}

impl SignatureType {
    /// The byte that stands for the type.
    #[must_use]
    pub const fn byte(self) -> u8 {
        match self {
            Self::Ed25519 => 0x01,
            Self::CosignatureV1 => 0x04,
        }
    }
}

impl TryFrom<u8> for SignatureType {
    type Error = VkeyError;

    fn try_from(byte: u8) -> Result<Self, VkeyError> {
        match byte {
            0x01 => Ok(Self::Ed25519),
            0x04 => Ok(Self::CosignatureV1),
            _ => Err(VkeyError::UnknownType(byte)),
        }
    }
}

/// A named public key with the type of its signatures.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vkey {
    name: KeyName,
    kind: SignatureType,
    key: VerifyingKey,
    id: KeyId,
}

impl Vkey {
    /// Names a key.
    #[must_use]
    pub fn new(name: KeyName, kind: SignatureType, key: VerifyingKey) -> Self {
        let id = KeyId::derive(&name, kind, key.as_bytes());
        Self { name, kind, key, id }
    }

    /// The key's name.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        &self.name
    }

    /// What the key signs.
    #[must_use]
    pub const fn kind(&self) -> SignatureType {
        self.kind
    }

    /// The public key.
    #[must_use]
    pub const fn key(&self) -> &VerifyingKey {
        &self.key
    }

    /// The key's id, which with the name finds its lines in a note.
    #[must_use]
    pub const fn id(&self) -> KeyId {
        self.id
    }
}

/// Why a text is not a vkey.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum VkeyError {
    /// Fewer than three parts between plus signs.
    #[error("a vkey is NAME+KEYID+BASE64; this text has fewer than three parts")]
    Parts,
    /// The name is not one.
    #[error("vkey: {0}")]
    Name(#[from] KeyNameError),
    /// The id is not eight lower-case hex digits.
    #[error("vkey: the key id is not 8 lower-case hex digits")]
    IdSyntax,
    /// The last part is not standard base64.
    #[error("vkey: the key is not base64")]
    Base64,
    /// The type byte names no signature type that Jurat knows.
    #[error("vkey: unknown signature type {0:#04x}")]
    UnknownType(u8),
    /// The key has the wrong length for its type.
    #[error("vkey: {actual} bytes of key, needs {needed}")]
    Length {
        /// Bytes that the type needs.
        needed: usize,
        /// Bytes found.
        actual: usize,
    },
    /// The bytes are not a key.
    #[error("vkey: {0}")]
    Key(#[from] KeyError),
    /// The id is not that of this name and key: one of them was altered or mistyped.
    #[error("vkey: key id {stated} does not belong to this name and key, which have {derived}")]
    WrongId {
        /// The id in the text.
        stated: KeyId,
        /// The id of the name and key in the text.
        derived: KeyId,
    },
}

impl FromStr for Vkey {
    type Err = VkeyError;

    fn from_str(text: &str) -> Result<Self, VkeyError> {
        let SplitVkey { name, id: stated, kind, key } = split_vkey(text)?;
        let kind = SignatureType::try_from(kind)?;
        let wrong = VkeyError::Length { needed: 32, actual: key.len() };
        let key = VerifyingKey::from_bytes(key.as_slice().try_into().map_err(|_| wrong)?)?;
        let vkey = Self::new(name, kind, key);
        if vkey.id == stated { Ok(vkey) } else { Err(VkeyError::WrongId { stated, derived: vkey.id }) }
    }
}

/// The parts of a vkey string, of which the id is not checked yet.
pub(crate) struct SplitVkey {
    pub(crate) name: KeyName,
    pub(crate) id: KeyId,
    pub(crate) kind: u8,
    pub(crate) key: Vec<u8>,
}

pub(crate) fn split_vkey(text: &str) -> Result<SplitVkey, VkeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(VkeyError::Parts);
    };
    let name = KeyName::new(name)?;
    let id = HEXLOWER.decode(id.as_bytes()).map_err(|_| VkeyError::IdSyntax)?;
    let id = KeyId(id.try_into().map_err(|_| VkeyError::IdSyntax)?);
    let mut key = base64::decode(key).ok_or(VkeyError::Base64)?;
    if key.is_empty() {
        return Err(VkeyError::Length { needed: 33, actual: 0 });
    }
    let kind = key.remove(0);
    Ok(SplitVkey { name, id, kind, key })
}

/// Splits `base64( type || 32 bytes )`, the tail of private key strings.
pub(crate) fn decode_typed(text: &str) -> Result<(SignatureType, [u8; 32]), VkeyError> {
    let bytes = zeroize::Zeroizing::new(base64::decode(text).ok_or(VkeyError::Base64)?);
    let Some((kind, key)) = bytes.split_first() else {
        return Err(VkeyError::Length { needed: 33, actual: 0 });
    };
    let kind = SignatureType::try_from(*kind)?;
    let actual = key.len();
    key.try_into().map(|key| (kind, key)).map_err(|_| VkeyError::Length { needed: 32, actual })
}

pub(crate) fn encode_typed(kind: SignatureType, key: &[u8; 32]) -> String {
    let mut bytes = zeroize::Zeroizing::new(Vec::with_capacity(33));
    bytes.push(kind.byte());
    bytes.extend_from_slice(key);
    BASE64.encode(&bytes)
}

impl fmt::Display for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}+{}", self.name, self.id, encode_typed(self.kind, self.key.as_bytes()))
    }
}

impl fmt::Debug for Vkey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Vkey({}+{})", self.name, self.id)
    }
}

impl Serialize for Vkey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_string())
    }
}

impl<'de> Deserialize<'de> for Vkey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SigningKey;

    /// The example of C2SP signed-note, and keys of public logs and witnesses.
    #[test]
    fn foreign_vkeys_round_trip() {
        for (text, kind) in [
            ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", SignatureType::Ed25519),
            ("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8", SignatureType::Ed25519),
            (
                "remora.n621.de+da77ade7+BOvN63jn/bLvkieywe8R6UYAtVtNbZpXh34x7onlmtw2",
                SignatureType::CosignatureV1,
            ),
        ] {
            let vkey: Vkey = text.parse().unwrap();
            assert_eq!(vkey.kind(), kind);
            assert_eq!(vkey.to_string(), text);
            let json = serde_json::to_string(&vkey).unwrap();
            assert_eq!(serde_json::from_str::<Vkey>(&json).unwrap(), vkey);
        }
    }

    #[test]
    fn each_defect_has_its_error() {
        let good = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k";
        let refused = |text: String| text.parse::<Vkey>().unwrap_err();
        assert_eq!(refused("example.com/foo+530d903a".into()), VkeyError::Parts);
        assert_eq!(refused(good.replace("example.com/foo", "")), VkeyError::Name(KeyNameError::Empty));
        assert_eq!(
            refused(good.replace('/', "\u{2003}")),
            VkeyError::Name(KeyNameError::Forbidden('\u{2003}'))
        );
        assert_eq!(refused(good.replace("530d903a", "530D903A")), VkeyError::IdSyntax);
        assert_eq!(refused(good.replace("530d903a", "530d903")), VkeyError::IdSyntax);
        assert!(matches!(refused(good.replace("530d903a", "530d903b")), VkeyError::WrongId { .. }));
        assert!(matches!(refused(good.replace("foo", "fop")), VkeyError::WrongId { .. }));
        assert_eq!(refused(format!("{good}!")), VkeyError::Base64);
        assert_eq!(refused("n+00000000+AwEB".into()), VkeyError::UnknownType(3));
        assert_eq!(refused("n+00000000+AQEB".into()), VkeyError::Length { needed: 32, actual: 2 });
        assert_eq!(refused("n+00000000+".into()), VkeyError::Length { needed: 33, actual: 0 });
        assert_eq!(KeyName::new("x".repeat(256)), Err(KeyNameError::TooLong(256)));
    }

    proptest! {
        #[test]
        fn what_is_written_parses(seed: [u8; 32], name in "[^\\s+\\p{C}]{1,40}", cosigner: bool) {
            let kind = if cosigner { SignatureType::CosignatureV1 } else { SignatureType::Ed25519 };
            let key = SigningKey::from_seed(&seed).verifying_key();
            let vkey = Vkey::new(KeyName::new(name).unwrap(), kind, key);
            prop_assert_eq!(vkey.to_string().parse::<Vkey>(), Ok(vkey));
        }

        #[test]
        fn nothing_panics(text in "\\PC*") {
            if let Ok(vkey) = text.parse::<Vkey>() {
                prop_assert_eq!(vkey.to_string(), text);
            }
        }
    }
}
