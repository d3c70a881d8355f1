//! Sizes of trees and positions of leaves, bounded so that arithmetic on them can't overflow.

use core::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::text::parse_decimal;

/// How many leaves a tree has: 0 to 2^63 - 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct TreeSize(u64);

/// The position of a leaf, counted from 0: at most 2^63 - 2, so that some tree holds it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct LeafIndex(u64);

/// A number is not the size of a tree or the index of a leaf.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SizeError {
    /// The number is beyond the largest tree.
    #[error("{0} is beyond the largest tree, which has 2^63 - 1 leaves")]
    TooLarge(u64),
    /// The text is not a decimal number without sign and leading zeros, or exceeds 64 bits.
    #[error("not a decimal number of at most 64 bits without sign and leading zeros")]
    Syntax,
}

impl TreeSize {
    /// The tree without leaves.
    pub const EMPTY: Self = Self(0);
    /// The largest tree.
    pub const MAX: Self = Self((1 << 63) - 1);

    /// Checks and takes a number of leaves.
    pub const fn new(leaves: u64) -> Result<Self, SizeError> {
        if leaves > Self::MAX.0 { Err(SizeError::TooLarge(leaves)) } else { Ok(Self(leaves)) }
    }

    /// The number of leaves.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// Whether a tree of this size has that leaf.
    #[must_use]
    pub const fn contains(self, index: LeafIndex) -> bool {
        index.0 < self.0
    }

    /// The length of a slice of hashes, which memory bounds far below the largest tree.
    pub(crate) const fn of_len(len: usize) -> Self {
        Self(len as u64)
    }

    /// The size after more leaves, of which the caller knows that there is room for them.
    pub(crate) const fn and(self, leaves: u64) -> Self {
        Self(self.0 + leaves)
    }

    /// The size without its first `leaves`, of which the caller knows that there are so many.
    pub(crate) const fn minus(self, leaves: u64) -> Self {
        Self(self.0 - leaves)
    }

    /// The size after so many more leaves.
    pub const fn plus(self, leaves: u64) -> Result<Self, SizeError> {
        Self::new(self.0.saturating_add(leaves))
    }
}

impl LeafIndex {
    /// The last leaf of the largest tree.
    pub const MAX: Self = Self(TreeSize::MAX.0 - 1);

    /// Checks and takes a position.
    pub const fn new(index: u64) -> Result<Self, SizeError> {
        if index < TreeSize::MAX.0 { Ok(Self(index)) } else { Err(SizeError::TooLarge(index)) }
    }

    /// The position, counted from 0.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }

    /// The smallest tree that holds this leaf.
    #[must_use]
    pub const fn size_through(self) -> TreeSize {
        TreeSize(self.0 + 1)
    }
}

macro_rules! number {
    ($type:ident) => {
        impl TryFrom<u64> for $type {
            type Error = SizeError;

            fn try_from(number: u64) -> Result<Self, SizeError> {
                Self::new(number)
            }
        }

        impl From<$type> for u64 {
            fn from(number: $type) -> Self {
                number.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        /// Reads a decimal number without sign and leading zeros, as C2SP writes them.
        impl FromStr for $type {
            type Err = SizeError;

            fn from_str(text: &str) -> Result<Self, SizeError> {
                Self::new(parse_decimal(text).ok_or(SizeError::Syntax)?)
            }
        }
    };
}

number!(TreeSize);
number!(LeafIndex);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_tree_holds_the_largest_index() {
        let last = LeafIndex::new((1 << 63) - 2).unwrap();
        assert_eq!(last.size_through(), TreeSize::MAX);
        assert!(TreeSize::MAX.contains(last));
        assert!(TreeSize::new(1 << 63).is_err());
        assert!(LeafIndex::new((1 << 63) - 1).is_err());
        assert!(TreeSize::MAX.plus(1).is_err());
        assert!(TreeSize::MAX.plus(u64::MAX).is_err());
    }

    #[test]
    fn numbers_have_one_spelling() {
        assert_eq!("0".parse(), Ok(TreeSize::EMPTY));
        assert_eq!("9223372036854775807".parse(), Ok(TreeSize::MAX));
        assert_eq!("9223372036854775808".parse::<TreeSize>(), Err(SizeError::TooLarge(1 << 63)));
        for text in ["", "00", "01", "+1", "-1", " 1", "1 ", "1_0", "0x1", "18446744073709551616", "\u{661}"]
        {
            assert_eq!(text.parse::<TreeSize>(), Err(SizeError::Syntax), "{text}");
        }
    }
}
