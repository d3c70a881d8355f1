//! What goes ahead of a bulletin or message: the effort that its stamp promises, and the solution
//! that shows it where a nonce alone does not.
//!
//! ```text
//! promise = effort (u32), less than 2^31                                of tapehash
//!         | 2^31 + effort (u32) || length (1), which is 17 || solution (17)    of Equihash
//! ```
//!
//! Either can be read without knowing the network, so that one in the wrong place is refused as that.

use alloc::vec::Vec;

use jurat_crypto::{EquihashLengthError, EquihashSolution, SolutionError};

use crate::Effort;

/// Bytes of the effort.
pub(crate) const EFFORT_BYTES: usize = 4;

/// The bit that says that a solution follows. Efforts do without it.
const SOLUTION: u32 = 1 << 31;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Promise {
    pub(crate) effort: Effort,
    pub(crate) solution: Option<EquihashSolution>,
}

impl Promise {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let effort = self.effort.amount();
        match self.solution.map(|solution| solution.to_bytes()) {
            None => effort.to_be_bytes().to_vec(),
            Some(solution) => {
                let length = [u8::try_from(solution.len()).unwrap_or(u8::MAX)];
                [&(SOLUTION | effort).to_be_bytes()[..], &length, &solution].concat()
            }
        }
    }

    /// Splits a promise from what follows it. None if there are not even the bytes of an effort.
    pub(crate) fn split(bytes: &[u8]) -> Option<Result<(Self, &[u8]), EquihashLengthError>> {
        let (effort, rest) = bytes.split_first_chunk::<EFFORT_BYTES>()?;
        let word = u32::from_be_bytes(*effort);
        let effort = Effort::new(word & !SOLUTION);
        if word & SOLUTION == 0 {
            return Some(Ok((Self { effort, solution: None }, rest)));
        }
        let (length, rest) =
            rest.split_first().map_or((0, rest), |(length, rest)| (usize::from(*length), rest));
        if length != EquihashSolution::BYTES {
            return Some(Err(EquihashLengthError { actual: length }));
        }
        let (solution, rest) = rest.split_at(rest.len().min(length));
        let solution = EquihashSolution::from_bytes(solution);
        Some(solution.map(|solution| (Self { effort, solution: Some(solution) }, rest)))
    }
}

/// The name of a reason, for counting.
pub(crate) const fn reason(error: SolutionError) -> &'static str {
    match error {
        SolutionError::Missing => "no_solution",
        SolutionError::Needless => "needless_solution",
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn solution() -> EquihashSolution {
        EquihashSolution::from_bytes(&[7; EquihashSolution::BYTES]).unwrap()
    }

    proptest! {
        #[test]
        fn what_is_encoded_splits_from_what_follows(effort: u32, solved: bool, rest: Vec<u8>) {
            let promise = Promise { effort: Effort::new(effort), solution: solved.then(solution) };
            let bytes = [promise.encode(), rest.clone()].concat();
            prop_assert_eq!(Promise::split(&bytes), Some(Ok((promise, rest.as_slice()))));
        }

        #[test]
        fn whatever_splits_encodes_to_the_same_bytes(word: u32, length in 15_u8..20, rest in prop::collection::vec(any::<u8>(), 0..40)) {
            let bytes = [&word.to_be_bytes()[..], &[length], &rest].concat();
            if let Some(Ok((promise, rest))) = Promise::split(&bytes) {
                prop_assert_eq!([&promise.encode(), rest].concat(), bytes);
            }
        }
    }

    #[test]
    fn a_solution_has_its_length_and_all_its_bytes() {
        let bytes = Promise { effort: Effort::new(5), solution: Some(solution()) }.encode();
        assert_eq!(bytes.len(), 4 + 1 + 17);
        assert_eq!(bytes[..5], [0x80, 0, 0, 5, 17]);
        for length in [0, 16, 18, 255] {
            let mut other = bytes.clone();
            other[4] = length;
            let refused = EquihashLengthError { actual: length.into() };
            // However much follows, and what is there could be a solution.
            assert_eq!(Promise::split(&other), Some(Err(refused)));
            other.resize(300, 0);
            assert_eq!(Promise::split(&other), Some(Err(refused)));
        }
        for cut in 4..bytes.len() {
            let refused = EquihashLengthError { actual: cut.saturating_sub(5) };
            assert_eq!(Promise::split(&bytes[..cut]), Some(Err(refused)));
        }
        assert!((0..4).all(|cut| Promise::split(&bytes[..cut]).is_none()));
    }
}
