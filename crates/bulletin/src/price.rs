//! What is asked for: more work where it is crowded, less from those who are trusted.

use crate::{Effort, EffortRule};

/// Trust in a sender, in ten-thousandths, from which on they pay less.
pub const TRUSTED: u16 = 6_000;
/// What trust takes off, in halvings.
pub const TRUST_DISCOUNT: u32 = 3;
/// What a full quota adds, in doublings.
pub const MAX_RISE: u32 = 8;

/// How much of a quota is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Load {
    /// What is in use.
    pub used: usize,
    /// What may be.
    pub quota: usize,
}

impl Load {
    /// Doublings of the price: none up to half the quota, then evenly up to [`MAX_RISE`].
    fn rise(self) -> u32 {
        let beyond = (2 * self.used as u128).saturating_sub(self.quota as u128);
        let rise = beyond * u128::from(MAX_RISE) / (self.quota as u128).max(1);
        u32::try_from(rise).unwrap_or(MAX_RISE).min(MAX_RISE)
    }
}

/// The effort asked for now.
///
/// `trust` is the receiver's trust in whoever passes the stamp on, 0 to 10 000.
#[must_use]
pub fn price(base: Effort, rule: EffortRule, loads: &[Load], trust: u16) -> Effort {
    let rise = loads.iter().map(|load| load.rise()).max().unwrap_or(0);
    let asked = base.doubled(rule, rise);
    if trust >= TRUSTED { asked.halved(rule, TRUST_DISCOUNT) } else { asked }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_price_follows_load_and_trust() {
        let at = |used, trust| {
            price(Effort::new(7), EffortRule::ZeroBits, &[Load { used, quota: 100 }], trust).amount()
        };
        assert_eq!([0, 50, 63, 75, 100, 1000].map(|used| at(used, 0)), [7, 7, 9, 11, 15, 15]);
        assert_eq!([5_999, 6_000, 10_000].map(|trust| at(0, trust)), [7, 4, 4]);
        assert_eq!(
            price(Effort::new(128), EffortRule::Linear, &[Load { used: 75, quota: 100 }], 0),
            Effort::new(2048)
        );
        assert_eq!(
            price(Effort::new(7), EffortRule::ZeroBits, &[Load { used: 0, quota: 0 }], 0),
            Effort::new(7)
        );
    }

    proptest! {
        #[test]
        fn more_load_never_costs_less_and_nothing_overflows(
            used: usize, more: usize, quota: usize, base: u32, linear: bool,
        ) {
            let rule = if linear { EffortRule::Linear } else { EffortRule::ZeroBits };
            let at = |used| price(Effort::new(base), rule, &[Load { used, quota }], 0);
            prop_assert!(at(used.saturating_add(more)) >= at(used));
        }
    }
}
