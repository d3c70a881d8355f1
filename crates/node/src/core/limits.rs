//! How a member behaves beyond consensus.

use jurat_pbft::Config;

/// How a member behaves beyond consensus; times in milliseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// The replica.
    pub consensus: Config,
    /// Entries that wait here, at most; more are refused until some are ordered.
    pub max_waiting_entries: usize,
    /// Bytes of such entries, at most.
    pub max_waiting_bytes: usize,
    /// How long a checkpoint with its quorum waits for the other connected members.
    pub cosign_grace: u64,
    /// How often members compare clocks, and send again what should have been done with long ago.
    pub housekeeping: u64,
    /// How long an entry may wait before it is sent to the primary again.
    pub overdue: u64,
    /// How long an entry that a proposal names may be on its way before it is asked for.
    pub fetch_delay: u64,
    /// How far the own clock may be off those of others.
    pub max_clock_offset: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let consensus = Config::default();
        Self {
            consensus,
            max_waiting_entries: 100_000,
            max_waiting_bytes: 128 << 20,
            cosign_grace: 10,
            housekeeping: 500,
            overdue: 400,
            fetch_delay: 30,
            max_clock_offset: consensus.max_clock_skew,
        }
    }
}
