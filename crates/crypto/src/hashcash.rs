//! Hashcash: stamps that cost their maker many hashes and their checker one.

mod difficulty;
mod linear;
mod search;
mod tape;
mod tapehash;

pub use difficulty::{Difficulty, ZeroBits, ZeroBitsError, leading_zero_bits};
pub use linear::{LinearDifficulty, ParseLinearDifficultyError};
pub use search::{NoncePlaceError, NonceSearch, NonceWidth, Stamp};
pub use tapehash::{CodeSize, TapeHash, TapeHashError, TapeSize};

use crate::Digest;

/// A function whose outputs are evidence of work, because nobody finds a low one without trying.
pub trait Hashcash {
    /// The digest of `preimage`: what one attempt costs, and one check.
    fn digest(&self, preimage: &[u8]) -> Digest;
}

impl<H: Hashcash + ?Sized> Hashcash for &H {
    fn digest(&self, preimage: &[u8]) -> Digest {
        (**self).digest(preimage)
    }
}
