//! Key files: secrets as one line of text, plain or sealed with a passphrase.
//!
//! ```text
//! PRIVATE+KEY+name+keyid+base64( type || seed )        a key, the form of Go's note package
//! JURAT+SEED+name+base64( seed )                       a node's seed
//! JURAT+SEALED+name+base64( sealed secret )            either, under a passphrase
//! ```
//!
//! Lines that start with `#` and empty lines are ignored. A sealed secret is, in this order:
//! version 1 (1 byte), Argon2id memory in KiB (4, big-endian), passes (4, big-endian), salt (16),
//! nonce (12), and the ChaCha20-Poly1305 ciphertext of the plain line, with everything before it
//! and the name as associated data.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::{fmt, str};

use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    ChaCha20Poly1305, KeyInit,
    aead::{Aead, Payload},
};
use data_encoding::BASE64;
use zeroize::Zeroizing;

use crate::{
    KeyName, KeyNameError, Seed, SignatureType, SigningKey, Vkey, VkeyError, base64,
    vkey::{decode_typed, encode_typed},
};

const PLAIN_KEY: &str = "PRIVATE+KEY+";
const PLAIN_SEED: &str = "JURAT+SEED+";
const SEALED: &str = "JURAT+SEALED+";

const VERSION: u8 = 1;
const HEADER: usize = 1 + 4 + 4 + 16 + 12;
/// A key file is one short line; anything larger is not one.
const MAX_FILE: usize = 4096;
/// Ceiling on what a file may ask the machine to spend: 1 GiB, 16 passes.
const MAX_MEMORY_KIB: u32 = 1 << 20;
const MAX_PASSES: u32 = 16;

/// How much work guessing a passphrase costs (Argon2id, RFC 9106).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PassphraseCost {
    /// Memory in KiB, 8 to 1 048 576.
    pub memory_kib: u32,
    /// Passes over it, 1 to 16.
    pub passes: u32,
}

impl Default for PassphraseCost {
    /// The second recommendation of RFC 9106, section 4: 64 MiB, 3 passes.
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3 }
    }
}

/// A secret with its name, as a key file holds it.
#[derive(Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "a process holds one or two; a box would only leave more copies"
)]
pub enum SecretKey {
    /// One signing key, such as an attestor's.
    Key {
        /// The key's name.
        name: KeyName,
        /// What it signs.
        kind: SignatureType,
        /// The key.
        key: SigningKey,
    },
    /// A node's seed.
    Seed {
        /// The node's name.
        name: KeyName,
        /// The seed.
        seed: Seed,
    },
}

impl SecretKey {
    /// The name of the key or node.
    #[must_use]
    pub const fn name(&self) -> &KeyName {
        match self {
            Self::Key { name, .. } | Self::Seed { name, .. } => name,
        }
    }

    /// The line to keep in a file that only its owner can read.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(match self {
            Self::Key { name, kind, key } => {
                let vkey = Vkey::new(name.clone(), *kind, key.verifying_key());
                let seed = Zeroizing::new(key.to_seed());
                let typed = Zeroizing::new(encode_typed(*kind, &seed));
                format!("{PLAIN_KEY}{name}+{}+{}\n", vkey.id(), &**typed)
            }
            Self::Seed { name, seed } => {
                let text = Zeroizing::new(BASE64.encode(seed.as_bytes()));
                format!("{PLAIN_SEED}{name}+{}\n", &**text)
            }
        })
    }

    /// The line sealed under a passphrase. Salt and nonce are fresh entropy, never used twice.
    pub fn seal(
        &self,
        passphrase: &[u8],
        cost: PassphraseCost,
        salt: [u8; 16],
        nonce: [u8; 12],
    ) -> Result<String, KeyFileError> {
        let mut sealed = Vec::with_capacity(HEADER + 128);
        sealed.push(VERSION);
        sealed.extend_from_slice(&cost.memory_kib.to_be_bytes());
        sealed.extend_from_slice(&cost.passes.to_be_bytes());
        sealed.extend_from_slice(&salt);
        sealed.extend_from_slice(&nonce);
        let aad = associated_data(&sealed, self.name());
        let text = self.to_text();
        let ciphertext = cipher(passphrase, cost, &salt)?
            .encrypt(&nonce.into(), Payload { msg: text.as_bytes(), aad: &aad })
            .map_err(|_| KeyFileError::Damaged)?;
        sealed.extend_from_slice(&ciphertext);
        Ok(format!("{SEALED}{}+{}\n", self.name(), BASE64.encode(&sealed)))
    }

    /// Whether the file's content needs a passphrase to be read.
    #[must_use]
    pub fn is_sealed(text: &str) -> bool {
        secret_line(text).is_ok_and(|line| line.starts_with(SEALED))
    }

    /// Reads a key file's content.
    pub fn parse(text: &str, passphrase: Option<&[u8]>) -> Result<Self, KeyFileError> {
        let line = secret_line(text)?;
        match line.strip_prefix(SEALED) {
            None => Self::parse_plain(line),
            Some(rest) => {
                let passphrase = passphrase.ok_or(KeyFileError::PassphraseNeeded)?;
                let (name, sealed) = rest.split_once('+').ok_or(KeyFileError::Syntax)?;
                let name = KeyName::new(name)?;
                let sealed = base64::decode(sealed).ok_or(KeyFileError::Base64)?;
                let plain = open(&name, &sealed, passphrase)?;
                let plain = str::from_utf8(&plain).map_err(|_| KeyFileError::Damaged)?;
                Self::parse_plain(plain.trim_end())
            }
        }
    }

    fn parse_plain(line: &str) -> Result<Self, KeyFileError> {
        if let Some(rest) = line.strip_prefix(PLAIN_SEED) {
            let (name, seed) = rest.split_once('+').ok_or(KeyFileError::Syntax)?;
            let seed = Zeroizing::new(base64::decode(seed).ok_or(KeyFileError::Base64)?);
            let seed: [u8; 32] = seed.as_slice().try_into().map_err(|_| KeyFileError::Length(seed.len()))?;
            return Ok(Self::Seed { name: KeyName::new(name)?, seed: Seed::from_bytes(seed) });
        }
        let rest = line.strip_prefix(PLAIN_KEY).ok_or(KeyFileError::Syntax)?;
        let mut parts = rest.splitn(3, '+');
        let (Some(name), Some(id), Some(typed)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(KeyFileError::Syntax);
        };
        let (kind, seed) = decode_typed(typed)?;
        let (name, key) = (KeyName::new(name)?, SigningKey::from_seed(&Zeroizing::new(seed)));
        let vkey = Vkey::new(name.clone(), kind, key.verifying_key());
        if vkey.id().to_string() != id {
            return Err(KeyFileError::WrongId);
        }
        Ok(Self::Key { name, kind, key })
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretKey(of {})", self.name())
    }
}

/// Why a text is not a key file, or could not be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFileError {
    /// No line of a known form, or more than one.
    #[error("not a key file: expected one line PRIVATE+KEY+.., JURAT+SEED+.. or JURAT+SEALED+..")]
    Syntax,
    /// The name in the file is not one.
    #[error("key file: {0}")]
    Name(#[from] KeyNameError),
    /// The key in the file is not one.
    #[error("key file: {0}")]
    Key(#[from] VkeyError),
    /// The secret is not base64.
    #[error("key file: the secret is not base64")]
    Base64,
    /// The secret has the wrong length.
    #[error("key file: the secret has {0} bytes, needs 32")]
    Length(usize),
    /// The key id does not belong to the name and key: the file was altered.
    #[error("key file: the key id does not belong to the name and key, the file was altered")]
    WrongId,
    /// The file is sealed and no passphrase was given.
    #[error("key file: sealed, a passphrase is needed")]
    PassphraseNeeded,
    /// The passphrase is wrong, or the file was altered; the cipher can't tell which.
    #[error("key file: wrong passphrase, or the file was altered")]
    WrongPassphrase,
    /// The sealed part can't be read.
    #[error("key file: the sealed secret is damaged")]
    Damaged,
    /// The file asks for a version, or for more memory or passes, than allowed.
    #[error("key file: unsupported version or passphrase cost")]
    Unsupported,
}

fn secret_line(text: &str) -> Result<&str, KeyFileError> {
    if text.len() > MAX_FILE {
        return Err(KeyFileError::Syntax);
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(line), None) => Ok(line),
        _ => Err(KeyFileError::Syntax),
    }
}

fn associated_data(header: &[u8], name: &KeyName) -> Vec<u8> {
    [header, name.as_str().as_bytes()].concat()
}

fn open(name: &KeyName, sealed: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let (header, ciphertext) = sealed.split_at_checked(HEADER).ok_or(KeyFileError::Damaged)?;
    let field = |range: core::ops::Range<usize>| header.get(range).unwrap_or_default();
    let number = |range| field(range).try_into().map_or(0, u32::from_be_bytes);
    if header.first() != Some(&VERSION) {
        return Err(KeyFileError::Unsupported);
    }
    let cost = PassphraseCost { memory_kib: number(1..5), passes: number(5..9) };
    let nonce: [u8; 12] = field(25..37).try_into().map_err(|_| KeyFileError::Damaged)?;
    cipher(passphrase, cost, field(9..25))?
        .decrypt(&nonce.into(), Payload { msg: ciphertext, aad: &associated_data(header, name) })
        .map(Zeroizing::new)
        .map_err(|_| KeyFileError::WrongPassphrase)
}

fn cipher(passphrase: &[u8], cost: PassphraseCost, salt: &[u8]) -> Result<ChaCha20Poly1305, KeyFileError> {
    if cost.memory_kib > MAX_MEMORY_KIB || cost.passes > MAX_PASSES {
        return Err(KeyFileError::Unsupported);
    }
    let params =
        Params::new(cost.memory_kib, cost.passes, 1, Some(32)).map_err(|_| KeyFileError::Unsupported)?;
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(passphrase, salt, &mut *key)
        .map_err(|_| KeyFileError::Unsupported)?;
    Ok(ChaCha20Poly1305::new((&*key).into()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CHEAP: PassphraseCost = PassphraseCost { memory_kib: 8, passes: 1 };

    fn name(text: &str) -> KeyName {
        KeyName::new(text).unwrap()
    }

    fn key() -> SecretKey {
        SecretKey::Key {
            name: name("lab.example/ana"),
            kind: SignatureType::Ed25519,
            key: SigningKey::from_seed(&[4; 32]),
        }
    }

    fn seed() -> SecretKey {
        SecretKey::Seed { name: name("node-1"), seed: Seed::from_bytes([5; 32]) }
    }

    /// The signing key of golang.org/x/mod's note tests.
    #[test]
    fn reads_a_key_of_the_go_note_package() {
        let text = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz";
        let SecretKey::Key { name, kind, key } = SecretKey::parse(text, None).unwrap() else {
            panic!("a key");
        };
        let vkey = Vkey::new(name, kind, key.verifying_key());
        assert_eq!(vkey.to_string(), "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW");
    }

    #[test]
    fn plain_files_round_trip_with_comments() {
        for secret in [key(), seed()] {
            let text = format!("# keep this secret\n\n{}", &**secret.to_text());
            let read = SecretKey::parse(&text, None).unwrap();
            assert_eq!(*read.to_text(), *secret.to_text());
            assert!(!SecretKey::is_sealed(&text));
        }
    }

    #[test]
    fn sealed_files_open_with_the_passphrase_only() {
        for secret in [key(), seed()] {
            let text = secret.seal(b"correct horse", CHEAP, [1; 16], [2; 12]).unwrap();
            assert!(SecretKey::is_sealed(&text));
            assert!(!text.contains(secret.to_text().trim().rsplit('+').next().unwrap()));
            assert_eq!(
                *SecretKey::parse(&text, Some(b"correct horse")).unwrap().to_text(),
                *secret.to_text()
            );
            assert_eq!(SecretKey::parse(&text, None).unwrap_err(), KeyFileError::PassphraseNeeded);
            assert_eq!(SecretKey::parse(&text, Some(b"battery")).unwrap_err(), KeyFileError::WrongPassphrase);
            let renamed = text.replacen(secret.name().as_str(), "mallory", 1);
            assert_eq!(
                SecretKey::parse(&renamed, Some(b"correct horse")).unwrap_err(),
                KeyFileError::WrongPassphrase
            );
        }
    }

    #[test]
    fn a_file_can_not_ask_for_unbounded_work() {
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(&u32::MAX.to_be_bytes());
        sealed.extend_from_slice(&[0xff; 100]);
        let text = format!("{SEALED}n+{}", BASE64.encode(&sealed));
        assert_eq!(SecretKey::parse(&text, Some(b"x")).unwrap_err(), KeyFileError::Unsupported);
    }

    #[test]
    fn altered_files_are_refused() {
        let text = key().to_text().to_string();
        assert_eq!(SecretKey::parse(&text.replace("ana", "bob"), None).unwrap_err(), KeyFileError::WrongId);
        assert_eq!(SecretKey::parse("", None).unwrap_err(), KeyFileError::Syntax);
        assert_eq!(SecretKey::parse(&format!("{text}{text}"), None).unwrap_err(), KeyFileError::Syntax);
        assert_eq!(SecretKey::parse("JURAT+SEED+n+AAAA", None).unwrap_err(), KeyFileError::Length(3));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        #[test]
        fn every_altered_character_of_a_sealed_file_is_noticed(at: prop::sample::Index, with in "[A-Za-z0-9+/]") {
            let text = key().seal(b"p", CHEAP, [1; 16], [2; 12]).unwrap();
            let at = at.index(text.trim_end().len());
            let mut altered = text.clone();
            altered.replace_range(at..=at, &with);
            if altered != text {
                prop_assert!(SecretKey::parse(&altered, Some(b"p")).is_err());
            }
        }

        #[test]
        fn nothing_panics(text in "(PRIVATE\\+KEY\\+|JURAT\\+SEED\\+|JURAT\\+SEALED\\+)?\\PC{0,80}") {
            let _ = SecretKey::parse(&text, Some(b"p"));
        }
    }
}
