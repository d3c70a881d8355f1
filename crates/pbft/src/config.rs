//! Limits and timeouts of a replica.

/// How a replica behaves. Members may differ in timeouts and batching; `checkpoint_interval`,
/// `window`, `max_batch_requests` and `max_clock_skew` must be the same in a council.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Config {
    /// A checkpoint after every so many sequences (K of the paper).
    pub checkpoint_interval: u64,
    /// How far the high watermark lies above the low one (L of the paper); a multiple of the interval.
    pub window: u64,
    /// How many batches a primary has under way at once, at most.
    pub max_in_flight: u64,
    /// How many requests a batch holds at most.
    pub max_batch_requests: usize,
    /// How many bytes of request bodies a batch stands for at most, as told with each request.
    /// One request alone may have more.
    pub max_batch_bytes: usize,
    /// How long a primary with batches under way waits for more requests, in milliseconds.
    pub batch_delay: u64,
    /// How far a batch's time may lie from the own clock when first seen, in milliseconds.
    pub max_clock_skew: u64,
    /// How long a request may wait without progress before the view changes, in milliseconds.
    /// Doubles with each view change, and goes back when a batch is executed: to the shortest that is
    /// twice what the batch took from its proposal.
    pub view_change_timeout: u64,
    /// Ceiling of the doubled timeout, in milliseconds.
    pub max_view_change_timeout: u64,
    /// How often a replica with something under way tells where it stands, in milliseconds; an idle
    /// one does so ten times more rarely.
    pub status_interval: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            checkpoint_interval: 32,
            window: 128,
            max_in_flight: 8,
            max_batch_requests: 2048,
            max_batch_bytes: 4 << 20,
            batch_delay: 5,
            max_clock_skew: 30_000,
            view_change_timeout: 1_000,
            max_view_change_timeout: 60_000,
            status_interval: 200,
        }
    }
}
