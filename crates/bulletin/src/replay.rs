//! A bounded memory of what was seen, each thing until it is too old to be accepted anyway.

use alloc::collections::{BTreeMap, BTreeSet};

use jurat_crypto::Digest;

use crate::UnixSeconds;

/// What was seen and is not over yet.
#[derive(Debug)]
pub struct ReplayMemory {
    seen: BTreeMap<Digest, UnixSeconds>,
    by_end: BTreeSet<(UnixSeconds, Digest)>,
    capacity: usize,
}

/// Why something can't be noted as new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplayError {
    /// It was seen before.
    #[error("seen before")]
    Seen,
    /// The memory is full. Forgetting something would let it be replayed, so nothing new is taken.
    #[error("the memory of what was seen is full until {until}")]
    Full {
        /// When something in it is over, in seconds since the Unix epoch.
        until: u32,
    },
}

impl ReplayMemory {
    /// An empty memory for at most `capacity` things.
    #[must_use]
    pub const fn new(capacity: usize) -> Self {
        Self { seen: BTreeMap::new(), by_end: BTreeSet::new(), capacity }
    }

    /// Whether something is new and there is room for it. Changes nothing but what is over.
    pub fn check(&mut self, now: UnixSeconds, id: &Digest) -> Result<(), ReplayError> {
        self.forget(now);
        if self.seen.contains_key(id) {
            return Err(ReplayError::Seen);
        }
        match self.by_end.first() {
            Some((until, _)) if self.seen.len() >= self.capacity => Err(ReplayError::Full { until: until.0 }),
            None if self.capacity == 0 => Err(ReplayError::Full { until: u32::MAX }),
            _ => Ok(()),
        }
    }

    /// Notes something new until `end`, that second included.
    pub fn note(&mut self, now: UnixSeconds, id: Digest, end: UnixSeconds) -> Result<(), ReplayError> {
        self.check(now, &id)?;
        self.seen.insert(id, end);
        self.by_end.insert((end, id));
        Ok(())
    }

    /// How many things are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seen.len()
    }

    /// Whether nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen.is_empty()
    }

    /// How many may be.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn forget(&mut self, now: UnixSeconds) {
        while let Some((end, id)) = self.by_end.first().copied().filter(|(end, _)| *end < now) {
            self.by_end.remove(&(end, id));
            self.seen.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_full_memory_takes_nothing_new_and_forgets_nothing() {
        let mut memory = ReplayMemory::new(2);
        let ids = [b"a", b"b", b"c"].map(|name| Digest::of(name));
        assert_eq!(memory.note(UnixSeconds(0), ids[0], UnixSeconds(10)), Ok(()));
        assert_eq!(memory.note(UnixSeconds(0), ids[1], UnixSeconds(5)), Ok(()));
        assert_eq!(memory.note(UnixSeconds(5), ids[2], UnixSeconds(9)), Err(ReplayError::Full { until: 5 }));
        assert_eq!(memory.note(UnixSeconds(5), ids[1], UnixSeconds(9)), Err(ReplayError::Seen));
        assert_eq!(memory.note(UnixSeconds(6), ids[2], UnixSeconds(9)), Ok(()));
        assert_eq!(memory.len(), 2);
    }

    #[test]
    fn a_memory_without_room_takes_nothing_ever() {
        let noted = ReplayMemory::new(0).note(UnixSeconds(0), Digest::of(b"a"), UnixSeconds(10));
        assert_eq!(noted, Err(ReplayError::Full { until: u32::MAX }));
    }

    proptest! {
        #[test]
        fn nothing_is_new_twice_in_its_time(steps in prop::collection::vec((0_u8..8, 0_u32..4, 0_u32..20), 0..200)) {
            let (mut memory, mut now) = (ReplayMemory::new(5), 0);
            let mut accepted: Vec<(Digest, u32)> = Vec::new();
            for (name, wait, life) in steps {
                now += wait;
                let id = Digest::of(&[name]);
                if memory.note(UnixSeconds(now), id, UnixSeconds(now + life)).is_ok() {
                    prop_assert!(!accepted.iter().any(|(other, end)| *other == id && *end >= now));
                    accepted.push((id, now + life));
                }
                prop_assert!(memory.len() <= memory.capacity());
            }
        }
    }
}
