//! Signed notes (C2SP signed-note): a text and the lines of those who signed it.
//!
//! ```text
//! note = text LF 1*line                 text ends with LF; the separator is the last empty line
//! line = U+2014 SP name SP base64( keyid[4] || signature ) LF
//! ```

use alloc::{
    boxed::Box,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{fmt, ptr, str};

use jurat_crypto::{KeyName, SignatureType, SigningKey, Vkey};

use crate::{NoteSignature, SignatureLineError, UnixSeconds, note_key::LineKey, text::ascii_control};

/// The most bytes that a note may have: room for the longest text and a hundred of the longest
/// lines in use (ML-DSA-44 under a name of 255 bytes, 3.5 KiB each).
pub const MAX_NOTE_BYTES: usize = 512 * 1024;

/// The most bytes that a note's text may have; a checkpoint takes a few hundred.
pub const MAX_NOTE_TEXT_BYTES: usize = 64 * 1024;

/// The most signature lines that a note may have. C2SP asks for at least 16; Go's note package
/// draws the line here as well.
pub const MAX_SIGNATURES: usize = 100;

/// What a note says: valid UTF-8 that ends with LF and has no other ASCII control character.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct NoteText(String);

/// A text with 1 to [`MAX_SIGNATURES`] signature lines, none of them checked.
///
/// To be ignored until [`verify`](Self::verify) or [`Policy::check`](crate::Policy::check) was
/// passed.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Note {
    text: NoteText,
    signatures: Vec<NoteSignature>,
}

/// Why something is not a note.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// The note is larger than [`MAX_NOTE_BYTES`].
    #[error("a note has at most {MAX_NOTE_BYTES} bytes, this one has {0}")]
    TooLarge(usize),
    /// The text is larger than [`MAX_NOTE_TEXT_BYTES`].
    #[error("a note's text has at most {MAX_NOTE_TEXT_BYTES} bytes, this one has {0}")]
    LongText(usize),
    /// The bytes are not UTF-8.
    #[error("the note is not UTF-8")]
    NotUtf8,
    /// The text has an ASCII control character besides LF.
    #[error("the note has the control character {0:?}; only LF may occur")]
    Control(char),
    /// The text does not end with LF.
    #[error("the text of a note ends with a line feed")]
    NoFinalNewline,
    /// No empty line comes before the signatures.
    #[error("the note has no empty line between text and signatures")]
    NoSeparator,
    /// No signature follows the text.
    #[error("the note has no signature")]
    Unsigned,
    /// The note has more than [`MAX_SIGNATURES`] lines.
    #[error("a note has at most {MAX_SIGNATURES} signatures")]
    TooManySignatures,
    /// A line is not one of a signature.
    #[error(transparent)]
    Line(#[from] SignatureLineError),
}

/// Why a note proves nothing to who trusts these keys.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteVerifyError {
    /// A line names a known key, and its signature does not hold: the whole note is refused.
    #[error("the signature in the name of {0} does not verify")]
    BadSignature(Box<Vkey>),
    /// No line is by a known key.
    #[error("no known key has signed the note")]
    NoKnownSigner,
}

/// One known key whose signature on a note holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct VerifiedSignature<'k> {
    /// The key.
    pub vkey: &'k Vkey,
    /// When a cosigner says that it signed, the earliest time where it did so more than once;
    /// `None` for signatures without a time.
    pub time: Option<UnixSeconds>,
}

impl NoteText {
    /// Checks and takes a text.
    pub fn new(text: impl Into<String>) -> Result<Self, NoteError> {
        let text = text.into();
        if text.len() > MAX_NOTE_TEXT_BYTES {
            return Err(NoteError::LongText(text.len()));
        }
        if let Some(control) = ascii_control(&text) {
            return Err(NoteError::Control(control));
        }
        if text.ends_with('\n') { Ok(Self(text)) } else { Err(NoteError::NoFinalNewline) }
    }

    /// Takes a text that is made of checked parts.
    pub(crate) const fn checked(text: String) -> Self {
        Self(text)
    }

    /// The text, its final LF included.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Signs the text as it stands (type 0x01), as logs do.
    #[must_use]
    pub fn sign(&self, name: KeyName, key: &SigningKey) -> NoteSignature {
        let vkey = Vkey::new(name, SignatureType::Ed25519, key.verifying_key());
        NoteSignature::by(&vkey, &key.sign(self.0.as_bytes()).to_bytes())
    }
}

impl Note {
    /// A text with its first signature.
    #[must_use]
    pub fn new(text: NoteText, signature: NoteSignature) -> Self {
        Self { text, signatures: vec![signature] }
    }

    /// Adds a signature, which is not checked. One that is there already is not added again.
    pub fn add(&mut self, signature: NoteSignature) -> Result<(), NoteError> {
        if self.signatures.contains(&signature) {
            return Ok(());
        }
        if self.signatures.len() == MAX_SIGNATURES {
            return Err(NoteError::TooManySignatures);
        }
        let length = self.to_string().len() + signature.to_string().len() + 1;
        if length > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge(length));
        }
        self.signatures.push(signature);
        Ok(())
    }

    /// Reads a note, strictly: whatever is accepted is written again with the same bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > MAX_NOTE_BYTES {
            return Err(NoteError::TooLarge(bytes.len()));
        }
        let note = str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        let separator = note.rfind("\n\n").ok_or(NoteError::NoSeparator)?;
        let (text, rest) = note.split_at(separator + 1);
        let text = NoteText::new(text)?;
        let signatures = NoteSignature::parse_lines(&rest[1..])?;
        if signatures.is_empty() { Err(NoteError::Unsigned) } else { Ok(Self { text, signatures }) }
    }

    /// What the note says.
    #[must_use]
    pub const fn text(&self) -> &NoteText {
        &self.text
    }

    /// The signature lines, unchecked, those of unknown signers included.
    #[must_use]
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }

    /// Checks the lines that are by `keys` and returns who has signed, each key once, in the order
    /// of their first lines.
    ///
    /// Lines by other keys are ignored. A line by a known key that does not hold refuses the whole
    /// note, as does a note that no known key has signed.
    pub fn verify<'k>(
        &self,
        keys: impl IntoIterator<Item = &'k Vkey>,
    ) -> Result<Vec<VerifiedSignature<'k>>, NoteVerifyError> {
        let keys: Vec<&Vkey> = keys.into_iter().collect();
        let bad = |vkey: &Vkey| NoteVerifyError::BadSignature(Box::new(vkey.clone()));
        let verified = self.verify_lines(&keys).map_err(bad)?;
        if verified.is_empty() {
            return Err(NoteVerifyError::NoKnownSigner);
        }
        Ok(verified.into_iter().map(|(vkey, time)| VerifiedSignature { vkey, time }).collect())
    }

    /// The keys that have signed, each once with its earliest time; an error with the key in whose
    /// name a line does not hold.
    pub(crate) fn verify_lines<'k, K: LineKey>(
        &self,
        keys: &[&'k K],
    ) -> Result<Vec<(&'k K, Option<UnixSeconds>)>, &'k K> {
        let mut verified: Vec<(&K, Option<UnixSeconds>)> = Vec::new();
        for line in &self.signatures {
            let mut last_refused = None;
            // Names and ids can collide; the line holds if it does for one of the keys it names.
            let holds = keys.iter().copied().filter(|key| key.has_made(line)).find_map(|key| {
                let time = key.check(line, &self.text).inspect_err(|_| last_refused = Some(key)).ok()?;
                Some((key, time))
            });
            match (holds, last_refused) {
                (Some((key, time)), _) => match verified.iter_mut().find(|(old, _)| ptr::eq(*old, key)) {
                    Some((_, earliest)) => *earliest = (*earliest).min(time),
                    None => verified.push((key, time)),
                },
                (None, Some(key)) => return Err(key),
                (None, None) => {}
            }
        }
        Ok(verified)
    }
}

impl fmt::Display for NoteText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Writes the note as it is served.
impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}
