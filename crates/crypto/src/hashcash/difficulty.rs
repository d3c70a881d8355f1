//! The two rules by which a digest is judged: leading zero bits, and linear.

use core::fmt;

use super::LinearDifficulty;
use crate::Digest;

/// What a stamp's digest must meet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Difficulty {
    /// At least so many leading zero bits.
    ZeroBits(ZeroBits),
    /// At least this many attempts' worth.
    Linear(LinearDifficulty),
}

impl Difficulty {
    /// Whether a digest is good enough.
    #[must_use]
    pub fn is_met_by(&self, digest: &Digest) -> bool {
        match self {
            Self::ZeroBits(bits) => leading_zero_bits(digest) >= *bits,
            Self::Linear(difficulty) => difficulty.is_met_by(digest),
        }
    }

    /// The highest digest at which a search stops. It is good enough, except that of [`LinearDifficulty::MAX`]
    /// it is the zero digest, which is not.
    #[must_use]
    pub fn target(&self) -> Digest {
        match self {
            Self::ZeroBits(ZeroBits(bits)) => {
                let (bytes, bits) = (usize::from(bits / 8), bits % 8);
                let mut target = [0xff; 32];
                target[..bytes].fill(0);
                if let Some(byte) = target.get_mut(bytes) {
                    *byte >>= bits;
                }
                Digest::from_bytes(target)
            }
            Self::Linear(difficulty) => difficulty.target(),
        }
    }
}

impl fmt::Display for Difficulty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroBits(ZeroBits(bits)) => write!(f, "{bits} leading zero bits"),
            Self::Linear(difficulty) => write!(f, "difficulty {difficulty}"),
        }
    }
}

/// A number of leading zero bits, 0 to 256.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct ZeroBits(u16);

/// More bits than a digest has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a digest has at most 256 leading zero bits, {0} were asked for")]
pub struct ZeroBitsError(pub u16);

impl ZeroBits {
    /// Takes 0 to 256 bits.
    pub const fn new(bits: u16) -> Result<Self, ZeroBitsError> {
        if bits <= 256 { Ok(Self(bits)) } else { Err(ZeroBitsError(bits)) }
    }

    /// The bits.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }
}

/// How many zero bits a digest begins with.
#[must_use]
pub fn leading_zero_bits(digest: &Digest) -> ZeroBits {
    let mut bits = 0;
    for byte in digest.as_bytes() {
        bits += byte.leading_zeros();
        if *byte != 0 {
            break;
        }
    }
    // At most 8 * 32.
    ZeroBits(u16::try_from(bits).unwrap_or(256))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        leading_zero_difficulty: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        digest: String,
        leading_zero_bits: u16,
        check_n: bool,
        check_n_plus_1: bool,
    }

    fn zero_bits(bits: u16) -> Difficulty {
        Difficulty::ZeroBits(ZeroBits::new(bits).unwrap())
    }

    #[test]
    fn leading_zero_bits_of_the_gossip_node() {
        let text = include_str!("../../../../tests/vectors/hashcash/gossip.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        for case in &vectors.leading_zero_difficulty {
            let (digest, bits) = (case.digest.parse().unwrap(), case.leading_zero_bits);
            assert_eq!(leading_zero_bits(&digest).value(), bits);
            assert_eq!(zero_bits(bits).is_met_by(&digest), case.check_n);
            if bits < 256 {
                assert_eq!(zero_bits(bits + 1).is_met_by(&digest), case.check_n_plus_1);
            }
        }
        assert!(vectors.leading_zero_difficulty.len() > 100);
        assert_eq!(ZeroBits::new(257), Err(ZeroBitsError(257)));
    }

    #[test]
    fn the_target_is_the_last_digest_that_is_good_enough() {
        for bits in 0..=256 {
            let mut target = *zero_bits(bits).target().as_bytes();
            assert!(zero_bits(bits).is_met_by(&Digest::from_bytes(target)));
            if let Some(byte) = target.iter_mut().rev().find(|byte| **byte == 0).filter(|_| bits % 8 == 0) {
                *byte = 1;
                assert!(!zero_bits(bits).is_met_by(&Digest::from_bytes(target)));
            }
        }
    }

    proptest! {
        #[test]
        fn zero_bits_and_their_target_agree(digest: [u8; 32], zeros in 0_usize..32, bits in 0_u16..=256) {
            let mut digest = digest;
            digest[..zeros].fill(0);
            let digest = Digest::from_bytes(digest);
            prop_assert_eq!(zero_bits(bits).is_met_by(&digest), digest <= zero_bits(bits).target());
        }
    }
}
