//! What is remembered of a peer: where it came from, what it is for, how it has fared.

use alloc::{borrow::ToOwned, string::String};

use jurat_log::UnixMillis;
use serde::{Deserialize, Serialize};

use crate::Address;

/// From this many failures in a row a peer counts as unhealthy.
pub const UNHEALTHY_FAILURES: u32 = 3;

/// The most bytes of an error that a peer's entry keeps.
pub const MAX_PEER_ERROR_BYTES: usize = 200;

/// What a peer is used for. One address can be in several buckets, each with its own health.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bucket {
    /// Asked for other peers when the node starts.
    Bootstrap,
    /// Records are fetched from it.
    Sync,
    /// Records are pushed to it.
    Push,
}

/// Who named a peer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A signed bootstrap manifest.
    Bundle,
    /// The operator.
    Operator,
    /// A bootstrap peer that is used for syncing as well.
    BootstrapPromoted,
    /// Another peer: the only source that strangers can fill.
    Runtime,
}

/// What a peer does in the network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Keeps a log of its own or is in a council.
    Participant,
    /// Passes on what others write.
    Relay,
    /// Is there for newcomers.
    Seed,
}

/// Which entry of the peer store: one address in one bucket.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PeerKey {
    /// What it is used for.
    pub bucket: Bucket,
    /// Where it is.
    pub address: Address,
}

/// One entry of the peer store. Times are the node's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Peer {
    /// Who named it.
    pub source: Source,
    /// What it does.
    pub role: Role,
    /// Whether it is used at all.
    pub enabled: bool,
    /// When it was added.
    pub added: UnixMillis,
    /// When anything here last changed.
    pub updated: UnixMillis,
    /// When it last answered, well or badly.
    pub last_seen: Option<UnixMillis>,
    /// When a sync with it last succeeded.
    pub last_sync_ok: Option<UnixMillis>,
    /// When it last took something.
    pub last_push_ok: Option<UnixMillis>,
    /// What last went wrong, at most [`MAX_PEER_ERROR_BYTES`].
    pub last_error: Option<String>,
    /// Failures since the last success.
    pub failures: u32,
    /// Not to be called before.
    pub cooldown_until: Option<UnixMillis>,
}

impl Peer {
    /// A peer of which nothing is known yet.
    #[must_use]
    pub const fn new(source: Source, role: Role, now: UnixMillis) -> Self {
        Self {
            source,
            role,
            enabled: true,
            added: now,
            updated: now,
            last_seen: None,
            last_sync_ok: None,
            last_push_ok: None,
            last_error: None,
            failures: 0,
            cooldown_until: None,
        }
    }

    /// Whether it has failed less than [`UNHEALTHY_FAILURES`] times in a row.
    #[must_use]
    pub const fn is_healthy(&self) -> bool {
        self.failures < UNHEALTHY_FAILURES
    }

    /// Whether it may not be called at `now`.
    #[must_use]
    pub fn is_cooling_down(&self, now: UnixMillis) -> bool {
        self.cooldown_until.is_some_and(|until| now < until)
    }

    /// It did what was asked.
    pub(crate) fn succeeded(&mut self, done: Success, now: UnixMillis) {
        match done {
            Success::Sync => self.last_sync_ok = Some(now),
            Success::Push => self.last_push_ok = Some(now),
        }
        self.last_seen = Some(now);
        self.last_error = None;
        self.failures = 0;
        self.cooldown_until = None;
        self.updated = now;
    }

    /// It did not.
    pub(crate) fn failed(&mut self, failure: Failure<'_>, now: UnixMillis) {
        if failure.answered {
            self.last_seen = Some(now);
        }
        let end = failure.error.floor_char_boundary(MAX_PEER_ERROR_BYTES);
        self.last_error = Some(failure.error[..end].to_owned());
        self.failures = self.failures.saturating_add(1);
        self.cooldown_until = Some(failure.cooldown_until);
        self.updated = now;
    }
}

/// What a peer did well.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Success {
    /// Records were fetched and verified, or there were none to fetch.
    Sync,
    /// It took what it was given.
    Push,
}

/// What went wrong with a peer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Failure<'a> {
    /// What to tell the operator; the first [`MAX_PEER_ERROR_BYTES`] are kept.
    pub error: &'a str,
    /// Whether the peer answered at all.
    pub answered: bool,
    /// Not to be called before.
    pub cooldown_until: UnixMillis,
}
