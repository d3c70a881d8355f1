//! What happened on links, counted by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters that any task may raise.
#[derive(Debug, Default)]
pub(crate) struct LinkCounters {
    /// Links that came up.
    pub(crate) established: Count,
    /// Connections that did not speak the protocol, or belong to another network.
    pub(crate) bad_handshakes: Count,
    /// Connections of keys that are no member's.
    pub(crate) strangers: Count,
    /// Connections turned away because too many were shaking hands.
    pub(crate) refused: Count,
    /// Links closed for bytes that did not decrypt.
    pub(crate) forged: Count,
    /// Links closed for a frame beyond the limit.
    pub(crate) oversized: Count,
    /// Links closed for a frame that could not be decoded.
    pub(crate) undecodable: Count,
    /// Links closed because nothing came for too long.
    pub(crate) silent: Count,
    /// Links closed by the other end or the network.
    pub(crate) broken: Count,
    /// Times that a link was not read for a while because the member sent too much.
    pub(crate) throttled: Count,
}

/// One counter.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl LinkCounters {
    /// All counters by name, for metrics.
    pub(crate) fn all(&self) -> [(&'static str, u64); 10] {
        [
            ("established", self.established.value()),
            ("bad_handshake", self.bad_handshakes.value()),
            ("stranger", self.strangers.value()),
            ("refused", self.refused.value()),
            ("forged", self.forged.value()),
            ("oversized", self.oversized.value()),
            ("undecodable", self.undecodable.value()),
            ("silent", self.silent.value()),
            ("broken", self.broken.value()),
            ("throttled", self.throttled.value()),
        ]
    }
}
