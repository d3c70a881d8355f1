//! Scores: fixed point, in basis points.

use core::fmt;

use serde::{Deserialize, Serialize};

/// A share of one in basis points: 0 to 10 000, where 5 000 is a half.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Score(u16);

/// A number is no score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a score is 0 to 10000 basis points, not {0}")]
pub struct ScoreError(pub u16);

impl Score {
    /// Nothing.
    pub const ZERO: Self = Self(0);
    /// A half: what stands where nothing is known.
    pub const HALF: Self = Self(5_000);
    /// One.
    pub const ONE: Self = Self(10_000);

    /// Checks and takes basis points.
    pub const fn new(basis_points: u16) -> Result<Self, ScoreError> {
        if basis_points <= Self::ONE.0 { Ok(Self(basis_points)) } else { Err(ScoreError(basis_points)) }
    }

    /// Basis points, or one where there are more.
    pub(crate) fn at_most_one(basis_points: u64) -> Self {
        u16::try_from(basis_points).map_or(Self::ONE, |basis_points| Self(basis_points).min(Self::ONE))
    }

    /// `part / whole`, rounded down; `None` of nothing.
    pub(crate) fn ratio(part: u64, whole: u64) -> Option<Self> {
        part.saturating_mul(10_000).checked_div(whole).map(Self::at_most_one)
    }

    /// The basis points.
    #[must_use]
    pub const fn basis_points(self) -> u16 {
        self.0
    }

    pub(crate) fn plus(self, step: u32) -> Self {
        Self::at_most_one(u64::from(self.0) + u64::from(step))
    }

    pub(crate) fn minus(self, step: u32) -> Self {
        Self(self.0.saturating_sub(u16::try_from(step).unwrap_or(u16::MAX)))
    }
}

impl TryFrom<u16> for Score {
    type Error = ScoreError;

    fn try_from(basis_points: u16) -> Result<Self, ScoreError> {
        Self::new(basis_points)
    }
}

impl From<Score> for u16 {
    fn from(score: Score) -> Self {
        score.0
    }
}

impl fmt::Display for Score {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_stay_between_nothing_and_one() {
        assert_eq!(Score::new(10_000), Ok(Score::ONE));
        assert_eq!(Score::new(10_001), Err(ScoreError(10_001)));
        assert_eq!(Score::HALF.plus(u32::MAX), Score::ONE);
        assert_eq!(Score::HALF.minus(u32::MAX), Score::ZERO);
        assert_eq!(Score::ratio(2, 3), Some(Score(6_666)));
        assert_eq!(Score::ratio(0, 0), None);
    }
}
