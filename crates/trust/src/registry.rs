//! The registry: state, and the digest that proves it.

use alloc::{collections::BTreeMap, vec::Vec};

use jurat_crypto::{Digest, VerifyingKey};
use serde::{Deserialize, Serialize};

use crate::{Federation, FederationId, Status};

/// Milliseconds since the Unix epoch as the council ordered them, never a clock's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct OrderedTime(pub u64);

/// Why the registry refuses something. The state is as before.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Two federations would have one id.
    #[error("federation {0} exists already")]
    Exists(FederationId),
    /// Ordered time went backwards.
    #[error("ordered time can't go back from {from:?} to {to:?}")]
    TimeWentBack {
        /// The registry's time.
        from: OrderedTime,
        /// The earlier time that was offered.
        to: OrderedTime,
    },
}

/// All that the network agrees on besides the log's entries.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Registry {
    time: OrderedTime,
    federations: BTreeMap<FederationId, Federation>,
}

impl Registry {
    /// The registry of a network's genesis, with one admin key for each founder.
    pub fn founded_by(
        founders: impl IntoIterator<Item = (FederationId, VerifyingKey)>,
    ) -> Result<Self, Rejection> {
        let mut federations = BTreeMap::new();
        for (id, key) in founders {
            let federation = Federation {
                created_at: OrderedTime(0),
                status: Status::Active,
                admin_keys: alloc::vec![key],
                threshold: 1,
            };
            if federations.insert(id.clone(), federation).is_some() {
                return Err(Rejection::Exists(id));
            }
        }
        Ok(Self { time: OrderedTime(0), federations })
    }

    /// Moves ordered time forward, as each executed batch does.
    pub fn advance(&mut self, time: OrderedTime) -> Result<(), Rejection> {
        if time < self.time {
            return Err(Rejection::TimeWentBack { from: self.time, to: time });
        }
        self.time = time;
        Ok(())
    }

    /// The time of the last batch.
    #[must_use]
    pub const fn time(&self) -> OrderedTime {
        self.time
    }

    /// A federation by its exact id.
    #[must_use]
    pub fn federation(&self, id: &FederationId) -> Option<&Federation> {
        self.federations.get(id)
    }

    /// All federations, by id.
    pub fn federations(&self) -> impl Iterator<Item = (&FederationId, &Federation)> {
        self.federations.iter()
    }

    /// SHA-256 of the label `jurat/v1/registry` and LF, the time (8 bytes, big-endian), the number
    /// of federations (8), and each id (its length in 1 byte first) with the federation's layout.
    #[must_use]
    pub fn digest(&self) -> Digest {
        let mut out: Vec<u8> = b"jurat/v1/registry\n".to_vec();
        out.extend_from_slice(&self.time.0.to_be_bytes());
        out.extend_from_slice(&(self.federations.len() as u64).to_be_bytes());
        for (id, federation) in &self.federations {
            out.push(u8::try_from(id.as_str().len()).unwrap_or(u8::MAX));
            out.extend_from_slice(id.as_str().as_bytes());
            federation.layout(&mut out);
        }
        Digest::of(&out)
    }
}

#[cfg(test)]
mod tests {
    use jurat_crypto::SigningKey;
    use proptest::prelude::*;

    use super::*;

    fn founder(id: &str, seed: u8) -> (FederationId, VerifyingKey) {
        (FederationId::new(id).unwrap(), SigningKey::from_seed(&[seed; 32]).verifying_key())
    }

    #[test]
    fn the_digest_tells_every_part_of_the_state_apart() {
        let base = Registry::founded_by([founder("a", 1), founder("b", 2)]).unwrap();
        let mut later = base.clone();
        later.advance(OrderedTime(1)).unwrap();
        let mut suspended = base.clone();
        suspended.federations.values_mut().next().unwrap().status = Status::Suspended;
        let others = [
            later,
            suspended,
            Registry::founded_by([founder("a", 1)]).unwrap(),
            Registry::founded_by([founder("a", 1), founder("c", 2)]).unwrap(),
            Registry::founded_by([founder("a", 1), founder("b", 3)]).unwrap(),
        ];
        for other in others {
            assert_ne!(other.digest(), base.digest(), "{other:?}");
        }
        let reordered = Registry::founded_by([founder("b", 2), founder("a", 1)]).unwrap();
        assert_eq!(reordered.digest(), base.digest(), "the order of founders does not matter");
    }

    #[test]
    fn refusals_leave_the_state_alone() {
        let refused = Registry::founded_by([founder("a", 1), founder("a", 2)]);
        assert_eq!(refused, Err(Rejection::Exists(FederationId::new("a").unwrap())));
        let mut registry = Registry::founded_by([founder("a", 1)]).unwrap();
        registry.advance(OrderedTime(9)).unwrap();
        let digest = registry.digest();
        assert!(matches!(registry.advance(OrderedTime(8)), Err(Rejection::TimeWentBack { .. })));
        assert_eq!(registry.digest(), digest);
    }

    proptest! {
        #[test]
        fn ids_are_exact(a in "[!-~]{1,8}", b in "[!-~]{1,8}") {
            let registry = Registry::founded_by([founder(&a, 1)]).unwrap();
            let found = registry.federation(&FederationId::new(b.clone()).unwrap()).is_some();
            prop_assert_eq!(found, a == b);
        }

        #[test]
        fn only_short_printable_ids(id in "\\PC{0,140}") {
            let fits = (1..=128).contains(&id.len()) && id.bytes().all(|b| (0x21..=0x7e).contains(&b));
            prop_assert_eq!(FederationId::new(id).is_ok(), fits);
        }
    }
}
