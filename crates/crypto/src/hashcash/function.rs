//! A function by its name: what a genesis, a price or a command line chooses among.

use core::fmt;

use super::{CodeSize, Equihash, EquihashSolution, Hashcash, ProofOfWork, TapeHash, TapeSize};
use crate::Digest;

/// One of the ways to show work that this crate has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WorkFunction {
    /// A nonce shows the work; a check costs what an attempt costs.
    Tape(TapeHash),
    /// A nonce and a solution show it; a check costs thousands of times less than an attempt.
    Equihash,
}

/// A stamp has not what its function needs, which shows before anything is hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SolutionError {
    /// Equihash without a solution.
    #[error("equihash is checked with its solution, and there is none")]
    Missing,
    /// A solution of another function.
    #[error("there is a solution, but only equihash has any")]
    Needless,
}

impl From<TapeHash> for WorkFunction {
    fn from(function: TapeHash) -> Self {
        Self::Tape(function)
    }
}

impl WorkFunction {
    /// Its name: `tapehash1`, `tapehash2`, `tapehash3` or `equihash`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tape(function) => function.name(),
            Self::Equihash => "equihash",
        }
    }

    /// Whether there is a solution where this function has one, and only there.
    pub const fn suits(self, solution: Option<&EquihashSolution>) -> Result<(), SolutionError> {
        match (self, solution) {
            (Self::Tape(_), None) | (Self::Equihash, Some(_)) => Ok(()),
            (Self::Tape(_), Some(_)) => Err(SolutionError::Needless),
            (Self::Equihash, None) => Err(SolutionError::Missing),
        }
    }

    /// The length of its program, if it has that parameter.
    #[must_use]
    pub const fn code_size(self) -> Option<CodeSize> {
        match self {
            Self::Tape(TapeHash::V1(code) | TapeHash::V3(code, _)) => Some(code),
            Self::Tape(TapeHash::V2(_)) | Self::Equihash => None,
        }
    }

    /// The length of its tape, if it has that parameter.
    #[must_use]
    pub const fn tape_size(self) -> Option<TapeSize> {
        match self {
            Self::Tape(TapeHash::V2(tape) | TapeHash::V3(_, tape)) => Some(tape),
            Self::Tape(TapeHash::V1(_)) | Self::Equihash => None,
        }
    }
}

impl fmt::Display for WorkFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tape(function) => function.fmt(f),
            Self::Equihash => f.write_str(self.name()),
        }
    }
}

/// A solution belongs to Equihash and to nothing else: with one too many, or without it, nothing holds.
impl ProofOfWork for WorkFunction {
    type Proof = Option<EquihashSolution>;

    fn attempt(&self, preimage: &[u8], target: &Digest) -> Option<(Digest, Self::Proof)> {
        match self {
            Self::Tape(function) => function.attempt(preimage, target).map(|(digest, ())| (digest, None)),
            Self::Equihash => {
                Equihash.attempt(preimage, target).map(|(digest, solution)| (digest, Some(solution)))
            }
        }
    }

    fn check(&self, preimage: &[u8], proof: &Self::Proof) -> Option<Digest> {
        match (self, proof) {
            (Self::Tape(function), None) => Some(function.digest(preimage)),
            (Self::Equihash, Some(solution)) => Equihash.check(preimage, solution),
            (Self::Tape(_), Some(_)) | (Self::Equihash, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_function_checks_its_own_proofs_and_no_others() {
        let all = Digest::from_bytes([0xff; 32]);
        let (tape, equihash) = (WorkFunction::from(TapeHash::DEFAULT_V1), WorkFunction::Equihash);
        let preimages = (0..10_u8).map(|i| [i; 8]);
        let (preimage, (digest, solution)) =
            preimages.into_iter().find_map(|p| Some((p, equihash.attempt(&p, &all)?))).unwrap();
        assert_eq!(equihash.check(&preimage, &solution), Some(digest));
        assert_eq!(equihash.check(&preimage, &None), None);
        assert_eq!(equihash.suits(solution.as_ref()), Ok(()));
        assert_eq!(equihash.suits(None), Err(SolutionError::Missing));
        let (digest, nothing) = tape.attempt(&preimage, &all).unwrap();
        assert_eq!(nothing, None);
        assert_eq!(tape.check(&preimage, &None), Some(digest));
        assert_eq!(tape.check(&preimage, &solution), None);
        assert_eq!(tape.suits(None), Ok(()));
        assert_eq!(tape.suits(solution.as_ref()), Err(SolutionError::Needless));
    }

    #[test]
    fn a_function_is_named_with_the_parameters_that_it_has() {
        let (code, tape) = (CodeSize::new(20).unwrap(), TapeSize::new(3).unwrap());
        let cases = [
            (TapeHash::V1(code).into(), "tapehash1(20)", Some(code), None),
            (TapeHash::V2(tape).into(), "tapehash2(3)", None, Some(tape)),
            (TapeHash::V3(code, tape).into(), "tapehash3(20, 3)", Some(code), Some(tape)),
            (WorkFunction::Equihash, "equihash", None, None),
        ];
        for (function, shown, code, tape) in cases {
            assert_eq!((function.code_size(), function.tape_size()), (code, tape));
            assert_eq!(function.to_string(), shown);
            assert!(shown.starts_with(function.name()));
        }
    }
}
