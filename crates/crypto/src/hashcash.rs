//! Hashcash: stamps that cost their maker many hashes and their checker one.

mod difficulty;
mod equihash;
mod function;
mod linear;
mod search;
mod tape;
mod tapehash;

pub use difficulty::{Difficulty, ZeroBits, ZeroBitsError, leading_zero_bits};
pub use equihash::{Equihash, EquihashLengthError, EquihashSolution};
pub use function::{SolutionError, WorkFunction};
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

/// A way to show work: many attempts to make, one check.
///
/// Of a plain [`Hashcash`] function an attempt costs what a check costs. [`Equihash`] has a proof
/// beside the preimage, so that a check costs thousands of times less.
pub trait ProofOfWork {
    /// What, beside the preimage, shows that the work was done.
    type Proof;

    /// Tries a preimage: succeeds with a digest that is at most `target`, and its proof.
    fn attempt(&self, preimage: &[u8], target: &Digest) -> Option<(Digest, Self::Proof)>;

    /// The digest that a difficulty is asked of, unless the proof is none of this preimage.
    fn check(&self, preimage: &[u8], proof: &Self::Proof) -> Option<Digest>;
}

impl<H: Hashcash> ProofOfWork for H {
    type Proof = ();

    fn attempt(&self, preimage: &[u8], target: &Digest) -> Option<(Digest, ())> {
        let digest = self.digest(preimage);
        (digest <= *target).then_some((digest, ()))
    }

    fn check(&self, preimage: &[u8], (): &()) -> Option<Digest> {
        Some(self.digest(preimage))
    }
}
