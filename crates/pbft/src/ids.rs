//! The numbers of the protocol, each with its own type.

use core::fmt;

use serde::{Deserialize, Serialize};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $inner:ty, $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
        )]
        pub struct $name(pub $inner);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

number!(
    /// A member, for ever: founding members have their place in the first council, counted from 0;
    /// whoever joins gets the next number, and none is given twice.
    ReplicaId, u16, "r"
);
number!(
    /// Which council orders: 0 is the genesis council, each change of membership begins the next.
    Epoch, u64, "e"
);
number!(
    /// A reign of one primary within an epoch, counted from 0.
    View, u64, "v"
);
number!(
    /// The place of a batch in the total order. The first batch has sequence 1; 0 is genesis.
    Sequence, u64, "s"
);
number!(
    /// When a batch was proposed, in milliseconds since the Unix epoch. Strictly increasing along
    /// the order once executed; 0 stands for "none yet".
    BatchTime, u64, "t"
);

impl View {
    /// The view after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl Sequence {
    /// The sequence after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// The sequence `n` places later.
    #[must_use]
    pub const fn plus(self, n: u64) -> Self {
        Self(self.0.saturating_add(n))
    }
}

/// The two clocks of a step, both read by the caller.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Now {
    /// Milliseconds on a clock that never goes back, from any origin. Drives timers.
    pub elapsed: u64,
    /// The calendar, in milliseconds since the Unix epoch. Only dates batches.
    pub wall: BatchTime,
}
