//! What a power cut leaves of unsynced changes, and the chance that decides it.

/// Which of the unsynced changes are on the disk after a power cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Survivors {
    /// None.
    Nothing,
    /// All.
    Everything,
    /// Of each file's writes, and of all changes to directories, the first few; the last of the
    /// surviving writes is cut at any byte.
    Prefix {
        /// Decides how many and where.
        seed: u64,
    },
    /// Any of them, in sectors of 512 bytes: the disk reordered them and wrote only some.
    Scattered {
        /// Decides which.
        seed: u64,
    },
}

/// A small generator of numbers (splitmix64): the same seed, the same losses.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn new(survivors: Survivors) -> Self {
        match survivors {
            Survivors::Prefix { seed } | Survivors::Scattered { seed } => Self(seed),
            Survivors::Nothing | Survivors::Everything => Self(0),
        }
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap_or(0)
    }

    pub(super) fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }
}
