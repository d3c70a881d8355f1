//! The linear difficulty of the Python package `tapehash`: how many attempts a digest is worth.

use alloc::{string::String, vec::Vec};
use core::{fmt, str::FromStr};

use crate::Digest;

/// 64-bit limbs, the least significant first.
type U256 = [u64; 4];

/// How many attempts a digest stands for on average, 0 to 2^256. Written in decimal.
///
/// A digest of value v has difficulty 2^256 div v; the zero digest, by definition, 2^256 - 1.
/// The digest of value 1 has 2^256, which is why this is not a 256-bit number.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LinearDifficulty([u64; 5]);

impl LinearDifficulty {
    /// 2^256, the difficulty of the digest of value 1. No digest has more.
    pub const MAX: Self = Self([0, 0, 0, 0, 1]);

    /// The difficulty of a digest.
    #[must_use]
    pub fn of(digest: &Digest) -> Self {
        let value = limbs(digest);
        if value == [0; 4] {
            Self([u64::MAX, u64::MAX, u64::MAX, u64::MAX, 0])
        } else {
            Self(quotient(&value))
        }
    }

    /// Whether a digest has at least this difficulty: the package's `check_difficulty`.
    #[must_use]
    pub fn is_met_by(&self, digest: &Digest) -> bool {
        let value = limbs(digest);
        if value == [0; 4] {
            return *self != Self::MAX;
        }
        // 2^256 div v >= d exactly when v * d <= 2^256; a product is cheaper than a quotient.
        let product = product(&value, &self.0);
        product[5..].iter().all(|limb| *limb == 0)
            && match product[4] {
                0 => true,
                1 => product[..4] == [0; 4],
                _ => false,
            }
    }

    /// The highest digest at which the package's `work` stops: 2^256 div d - 1. For difficulties of
    /// at least 1 that is one less than what [`LinearDifficulty::is_met_by`] accepts; anyone who
    /// searches must find the same nonce as the package does. Of [`LinearDifficulty::MAX`] it is the zero
    /// digest, the only target that does not meet its difficulty.
    #[must_use]
    pub fn target(&self) -> Digest {
        let mut target = match self.0 {
            [0 | 1, 0, 0, 0, 0] => return Digest::from_bytes([0xff; 32]),
            [low @ .., 0] => quotient(&low),
            // Of 2^256 the quotient is 1.
            _ => [1, 0, 0, 0, 0],
        };
        for limb in &mut target {
            let borrow;
            (*limb, borrow) = limb.overflowing_sub(1);
            if !borrow {
                break;
            }
        }
        let mut bytes = [0; 32];
        for (chunk, limb) in bytes.chunks_exact_mut(8).zip(target[..4].iter().rev()) {
            chunk.copy_from_slice(&limb.to_be_bytes());
        }
        Digest::from_bytes(bytes)
    }
}

impl From<u64> for LinearDifficulty {
    fn from(attempts: u64) -> Self {
        Self([attempts, 0, 0, 0, 0])
    }
}

impl PartialOrd for LinearDifficulty {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for LinearDifficulty {
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        self.0.iter().rev().cmp(other.0.iter().rev())
    }
}

/// The digest as a big-endian number.
fn limbs(digest: &Digest) -> U256 {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(digest.as_bytes().chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |limb, byte| (limb << 8) | u64::from(*byte));
    }
    limbs
}

/// 2^256 div `divisor`, by the long division of school. The divisor is not 0.
fn quotient(divisor: &U256) -> [u64; 5] {
    let (mut remainder, mut quotient) = ([0; 4], [0; 5]);
    for bit in (0..=256).rev() {
        // Only the dividend's top bit is set, and it is the first to be brought down.
        let mut carry = u64::from(bit == 256);
        for limb in &mut remainder {
            (*limb, carry) = ((*limb << 1) | carry, *limb >> 63);
        }
        if carry == 1 || remainder.iter().rev().cmp(divisor.iter().rev()).is_ge() {
            let mut borrow = false;
            for (limb, subtrahend) in remainder.iter_mut().zip(divisor) {
                (*limb, borrow) = limb.borrowing_sub(*subtrahend, borrow);
            }
            quotient[bit / 64] |= 1 << (bit % 64);
        }
    }
    quotient
}

fn product(a: &U256, b: &[u64; 5]) -> [u64; 9] {
    let mut product = [0; 9];
    for (i, a) in a.iter().enumerate() {
        let mut carry = 0;
        for (j, b) in b.iter().enumerate() {
            (product[i + j], carry) = a.carrying_mul_add(*b, product[i + j], carry);
        }
        product[i + b.len()] = carry;
    }
    product
}

/// 10^19, the largest power of ten in a limb.
const DECIMAL_GROUP: u64 = 10_000_000_000_000_000_000;

impl fmt::Display for LinearDifficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut left, mut groups) = (self.0, Vec::new());
        while left != [0; 5] {
            let mut remainder = 0;
            for limb in left.iter_mut().rev() {
                let part = (u128::from(remainder) << 64) | u128::from(*limb);
                let group = u128::from(DECIMAL_GROUP);
                (*limb, remainder) = (low(part / group), low(part % group));
            }
            groups.push(remainder);
        }
        let mut text = String::new();
        for (i, group) in groups.iter().rev().enumerate() {
            text += &if i == 0 { alloc::format!("{group}") } else { alloc::format!("{group:019}") };
        }
        f.pad_integral(true, "", if text.is_empty() { "0" } else { &text })
    }
}

impl fmt::Debug for LinearDifficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a linear difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a difficulty: expected a decimal number from 0 to 2^256, without sign or leading zeros")]
pub struct ParseLinearDifficultyError;

impl FromStr for LinearDifficulty {
    type Err = ParseLinearDifficultyError;

    fn from_str(text: &str) -> Result<Self, ParseLinearDifficultyError> {
        // 2^256 has 78 digits.
        let canonical = text == "0" || !text.starts_with('0');
        if !canonical || !(1..=78).contains(&text.len()) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(ParseLinearDifficultyError);
        }
        let mut limbs = [0_u64; 5];
        for digit in text.bytes() {
            let mut carry = u64::from(digit - b'0');
            for limb in &mut limbs {
                (*limb, carry) = limb.carrying_mul(10, carry);
            }
        }
        let parsed = Self(limbs);
        if parsed <= Self::MAX { Ok(parsed) } else { Err(ParseLinearDifficultyError) }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "quotient and remainder of one limb's division fit one limb"
)]
const fn low(wide: u128) -> u64 {
    wide as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;
    use crate::hashcash::tapehash::tests::VECTORS;

    #[derive(Deserialize)]
    struct Vectors {
        calculate_difficulty: Vec<OfCase>,
        calculate_target: Vec<TargetCase>,
        check_difficulty: Vec<CheckCase>,
    }

    #[derive(Deserialize)]
    struct OfCase {
        digest: String,
        difficulty_dec: String,
    }

    #[derive(Deserialize)]
    struct TargetCase {
        difficulty_dec: String,
        target_dec: String,
    }

    #[derive(Deserialize)]
    struct CheckCase {
        digest: String,
        #[serde(alias = "difficulty_dec")]
        difficulty: serde_json::Value,
        #[serde(rename = "check")]
        met: bool,
        meets_work_target: bool,
    }

    fn number(digest: &Digest) -> LinearDifficulty {
        let [a, b, c, d] = limbs(digest);
        LinearDifficulty([a, b, c, d, 0])
    }

    #[test]
    fn a_high_digest_meets_no_high_difficulty() {
        let mut half = [0; 32];
        half[0] = 0x80;
        let difficulty: LinearDifficulty = (1_u128 << 127).to_string().parse().unwrap();
        for difficulty in [difficulty, LinearDifficulty::MAX] {
            assert!(!difficulty.is_met_by(&Digest::from_bytes(half)), "{difficulty}");
        }
    }

    #[test]
    fn difficulties_and_targets_of_the_python_package() {
        let vectors: Vectors = serde_json::from_str(VECTORS).unwrap();
        for case in &vectors.calculate_difficulty {
            let difficulty = LinearDifficulty::of(&case.digest.parse().unwrap());
            assert_eq!(difficulty.to_string(), case.difficulty_dec, "of {}", case.digest);
            assert_eq!(case.difficulty_dec.parse(), Ok(difficulty));
        }
        for case in &vectors.calculate_target {
            let difficulty: LinearDifficulty = case.difficulty_dec.parse().unwrap();
            assert_eq!(number(&difficulty.target()).to_string(), case.target_dec, "for {difficulty}");
        }
        let mut apart = 0;
        for case in &vectors.check_difficulty {
            let text = case.difficulty.to_string();
            let difficulty: LinearDifficulty = text.trim_matches('"').parse().unwrap();
            let digest: Digest = case.digest.parse().unwrap();
            assert_eq!(difficulty.is_met_by(&digest), case.met, "{digest} for {difficulty}");
            assert_eq!(digest <= difficulty.target(), case.meets_work_target, "{digest} for {difficulty}");
            apart += usize::from(case.met != case.meets_work_target);
        }
        assert!(vectors.check_difficulty.len() > 100 && apart > 0, "the two rules part somewhere");
    }

    /// The corners: 2^256 is one bit more than fits, and a zero digest is worth one less than that.
    #[test]
    fn the_highest_difficulty_is_that_of_the_digest_one() {
        let mut one = [0; 32];
        one[31] = 1;
        let (zero, one) = (Digest::from_bytes([0; 32]), Digest::from_bytes(one));
        assert_eq!(LinearDifficulty::of(&one), LinearDifficulty::MAX);
        assert!(LinearDifficulty::of(&zero) < LinearDifficulty::MAX);
        assert!(LinearDifficulty::MAX.is_met_by(&one) && !LinearDifficulty::MAX.is_met_by(&zero));
        assert_eq!(LinearDifficulty::MAX.target(), zero);
        let max = LinearDifficulty::MAX.to_string();
        assert_eq!(max.parse(), Ok(LinearDifficulty::MAX));
        for beyond in
            [max.replace("936", "937"), max + "0", String::new(), "-1".into(), "+1".into(), "01".into()]
        {
            assert!(beyond.parse::<LinearDifficulty>().is_err(), "{beyond}");
        }
    }

    proptest! {
        #[test]
        fn a_check_agrees_with_the_difficulty_that_is_shown(
            digest: [u8; 32], zeros in 0_usize..32, other: [u8; 32], other_zeros in 0_usize..32,
        ) {
            let (mut digest, mut other) = (digest, other);
            digest[..zeros].fill(0);
            other[..other_zeros].fill(0);
            let (digest, other) = (Digest::from_bytes(digest), Digest::from_bytes(other));
            let (own, asked) = (LinearDifficulty::of(&digest), LinearDifficulty::of(&other));
            prop_assert!(own.is_met_by(&digest));
            prop_assert_eq!(asked.is_met_by(&digest), own >= asked);
            // Where the package's search would stop at 0, its check is not satisfied.
            prop_assert_eq!(asked.is_met_by(&asked.target()), asked != LinearDifficulty::MAX);
            prop_assert_eq!(own.to_string().parse(), Ok(own));
        }
    }
}
