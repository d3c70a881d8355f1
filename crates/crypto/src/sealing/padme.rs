//! Padmé, which hides lengths at a cost of at most 12 per cent.

/// The length to which Padmé pads `length` bytes: of its binary form only as many digits after the
/// first are kept as that form's own length has, rounded up (Nikitin et al., "Reducing Metadata
/// Leakage from Encrypted Files and Communication with PURBs", PETS 2019, section 4).
#[must_use]
pub const fn padme_length(length: usize) -> usize {
    if length < 2 {
        return length;
    }
    let exponent = length.ilog2();
    // 2 and 3 have exponent 1, whose form has one digit: nothing is dropped.
    let kept = exponent.ilog2() + 1;
    let mask = (1 << exponent.saturating_sub(kept)) - 1;
    (length + mask) & !mask
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        len: usize,
        padded: usize,
    }

    #[test]
    fn lengths_of_the_published_formula() {
        let text = include_str!("../../../../tests/vectors/sealing/padme.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert!(vectors.vectors.len() > 100);
        for case in vectors.vectors {
            assert_eq!(padme_length(case.len), case.padded, "{}", case.len);
        }
    }

    proptest! {
        #[test]
        fn padding_is_stable_monotonous_and_cheap(length in 0_usize..1 << 24) {
            let padded = padme_length(length);
            prop_assert!(padded >= length && padded * 100 <= length * 112);
            prop_assert_eq!(padme_length(padded), padded);
            prop_assert!(padme_length(length + 1) >= padded);
        }
    }
}
