//! Checkpoints (C2SP tlog-checkpoint): a log's name, size and root as the text of a signed note.
//!
//! ```text
//! origin LF
//! size LF
//! base64( root ) LF
//! [extension LF]...
//! ```

use alloc::{format, string::String};
use core::fmt;

use jurat_crypto::Digest;

use crate::{
    BatchStamp, NoteText, SizeError, SubjectRoot, TreeSize,
    text::{ascii_control, parse_hash, write_hash},
};

/// The most bytes that a checkpoint's extension lines may have together. C2SP advises against
/// having any; Jurat's take less than 250.
pub const MAX_EXTENSION_BYTES: usize = 16 * 1024;

/// The name of a log: 1 to 255 bytes without control characters.
///
/// C2SP leaves the length open; 255 is what a cosignature of type 0x06 can carry. A URL without
/// scheme and trailing slash is recommended, but old logs have other names, even with spaces.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin(String);

/// Size and root of a log, with extension lines if it has any. Not signed: that is a
/// [`Note`](crate::Note) of its text.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Checkpoint {
    origin: Origin,
    size: TreeSize,
    root: Digest,
    /// The lines in one piece, each ended by LF.
    extensions: String,
}

/// Why a text is not a checkpoint, or can't be part of one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// The text has fewer than three lines.
    #[error("a checkpoint has at least three lines: origin, size and root")]
    TooFewLines,
    /// The origin is empty.
    #[error("the origin of a log can't be empty")]
    EmptyOrigin,
    /// The origin has more than 255 bytes.
    #[error("an origin has at most 255 bytes, this one has {0}")]
    LongOrigin(usize),
    /// The origin has a control character.
    #[error("an origin can't contain the control character {0:?}")]
    OriginControl(char),
    /// The second line is not the size of a tree.
    #[error("the checkpoint's size: {0}")]
    Size(#[from] SizeError),
    /// The third line is not a hash.
    #[error("the checkpoint's root is not 32 bytes in base64")]
    Root,
    /// An extension line is empty.
    #[error("an extension line can't be empty")]
    EmptyExtension,
    /// An extension line has a control character, or a line feed within it.
    #[error("an extension line can't contain the control character {0:?}")]
    ExtensionControl(char),
    /// The extension lines have more than [`MAX_EXTENSION_BYTES`].
    #[error("extension lines have at most {MAX_EXTENSION_BYTES} bytes, these have {0}")]
    LongExtensions(usize),
}

impl Origin {
    /// Checks and takes a name.
    pub fn new(origin: impl Into<String>) -> Result<Self, CheckpointError> {
        let origin = origin.into();
        if origin.is_empty() {
            return Err(CheckpointError::EmptyOrigin);
        }
        if origin.len() > 255 {
            return Err(CheckpointError::LongOrigin(origin.len()));
        }
        match origin.chars().find(|c| c.is_control()) {
            Some(control) => Err(CheckpointError::OriginControl(control)),
            None => Ok(Self(origin)),
        }
    }

    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Checkpoint {
    /// A checkpoint without extension lines.
    #[must_use]
    pub const fn new(origin: Origin, size: TreeSize, root: Digest) -> Self {
        Self { origin, size, root, extensions: String::new() }
    }

    /// A council's checkpoint, which says what batch made it and commits to the subject map of its
    /// entries.
    #[must_use]
    pub fn stamped(
        origin: Origin,
        size: TreeSize,
        root: Digest,
        stamp: BatchStamp,
        subjects: &SubjectRoot,
    ) -> Self {
        let extensions = format!("{}{}\n", stamp.to_lines(), subjects.extension_line());
        Self { origin, size, root, extensions }
    }

    /// The same with one more extension line, given without LF.
    pub fn with_extension(mut self, line: &str) -> Result<Self, CheckpointError> {
        if line.is_empty() {
            return Err(CheckpointError::EmptyExtension);
        }
        if let Some(control) = ascii_control(line).or_else(|| line.chars().find(|c| *c == '\n')) {
            return Err(CheckpointError::ExtensionControl(control));
        }
        self.extensions.push_str(line);
        self.extensions.push('\n');
        self.check_extensions()
    }

    /// Reads a note's text, strictly: whatever is accepted is written again with the same bytes.
    ///
    /// A checkpoint of size 0 with a root other than the empty one parses; who relies on it has
    /// to refuse it (C2SP tlog-witness).
    pub fn parse(text: &NoteText) -> Result<Self, CheckpointError> {
        let mut lines = text.as_str().splitn(4, '\n');
        let (Some(origin), Some(size), Some(root), Some(extensions)) =
            (lines.next(), lines.next(), lines.next(), lines.next())
        else {
            return Err(CheckpointError::TooFewLines);
        };
        let origin = Origin::new(origin)?;
        let size = size.parse()?;
        let root = parse_hash(root).ok_or(CheckpointError::Root)?;
        if extensions.starts_with('\n') || extensions.contains("\n\n") {
            return Err(CheckpointError::EmptyExtension);
        }
        Self { origin, size, root, extensions: extensions.into() }.check_extensions()
    }

    fn check_extensions(self) -> Result<Self, CheckpointError> {
        match self.extensions.len() {
            0..=MAX_EXTENSION_BYTES => Ok(self),
            length => Err(CheckpointError::LongExtensions(length)),
        }
    }

    /// The text to be signed.
    #[must_use]
    pub fn to_text(&self) -> NoteText {
        let root = write_hash(&self.root);
        NoteText::checked(format!("{}\n{}\n{root}\n{}", self.origin, self.size, self.extensions))
    }

    /// Which log this is.
    #[must_use]
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// How many entries the log has.
    #[must_use]
    pub const fn size(&self) -> TreeSize {
        self.size
    }

    /// The root of the tree of that many leaves.
    #[must_use]
    pub const fn root(&self) -> &Digest {
        &self.root
    }

    /// The lines after the root, without LF.
    pub fn extension_lines(&self) -> impl Iterator<Item = &str> {
        self.extensions.split_terminator('\n')
    }
}
