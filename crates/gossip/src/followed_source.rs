//! A place that a followed log is read from: what it offered, how it behaved, and when it is asked
//! again.

use alloc::string::String;

use jurat_log::{Checkpoint, Note, TreeSize, UnixMillis};

use crate::{MAX_RETRY_AFTER_SECONDS, Peer, SyncTimes};

/// The longest description of a failure that is kept, in bytes.
const MAX_ERROR_BYTES: usize = 512;

/// Why a source was given up for a round.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum SourceFailure {
    /// It did not answer, not in time, or refused.
    Unreachable,
    /// It has no checkpoint, or one that the policy does not accept.
    Checkpoint,
    /// It lacks something that its checkpoint covers.
    Missing,
    /// It sent something that is not the log's.
    Wrong,
    /// It showed another history of the log. It is not asked again.
    Fork,
}

impl SourceFailure {
    /// All there are.
    pub const ALL: [Self; 5] = [Self::Unreachable, Self::Checkpoint, Self::Missing, Self::Wrong, Self::Fork];

    /// One word, for counters and status.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Checkpoint => "checkpoint",
            Self::Missing => "missing",
            Self::Wrong => "wrong",
            Self::Fork => "fork",
        }
    }
}

/// What the operator is shown of a source.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceState {
    /// How large the log was there when it was last asked.
    pub size: Option<TreeSize>,
    /// When it was last found to have the log that is followed.
    pub last_success: Option<UnixMillis>,
    /// What last went wrong; gone after a success.
    pub last_error: Option<String>,
    /// Rounds in a row that failed.
    pub failures: u32,
    /// It showed another history of the log.
    pub forked: bool,
    /// Not before this time is it asked again.
    pub due: Option<UnixMillis>,
}

/// A checkpoint that the policy accepts, and that was not compared with ours yet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Offer {
    pub(crate) note: Note,
    pub(crate) checkpoint: Checkpoint,
}

/// A source in a round.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Standing {
    /// Its part of the round is over, or there is none.
    Done,
    /// It was asked for its checkpoint.
    Asked,
    /// It has the log up to here.
    Offers(Offer),
    /// The same, and it belongs to what was verified.
    InStep(TreeSize),
}

#[derive(Clone, Debug)]
pub(crate) struct FollowedSource {
    pub(crate) state: SourceState,
    pub(crate) standing: Standing,
}

impl FollowedSource {
    pub(crate) fn new() -> Self {
        Self { state: SourceState::default(), standing: Standing::Done }
    }

    /// The size up to which it should have everything.
    pub(crate) fn has(&self) -> Option<TreeSize> {
        match &self.standing {
            Standing::Offers(offer) => Some(offer.checkpoint.size()),
            Standing::InStep(size) => Some(*size),
            Standing::Done | Standing::Asked => None,
        }
    }

    pub(crate) const fn offer(&self) -> Option<&Offer> {
        match &self.standing {
            Standing::Offers(offer) => Some(offer),
            _ => None,
        }
    }

    /// It is in step. It can still be read from in this round.
    pub(crate) fn succeeded(&mut self, size: TreeSize, times: SyncTimes, now: UnixMillis, jitter: u16) {
        self.standing = Standing::InStep(size);
        self.state.last_success = Some(now);
        self.state.last_error = None;
        self.state.failures = 0;
        self.state.due = Some(after(now, times.rest(0, 0, jitter)));
    }

    /// Nothing more comes from it in this round.
    pub(crate) fn failed(
        &mut self,
        mut error: String,
        retry_after: u64,
        times: SyncTimes,
        now: UnixMillis,
        jitter: u16,
    ) {
        self.standing = Standing::Done;
        error.truncate(error.floor_char_boundary(MAX_ERROR_BYTES));
        self.state.last_error = Some(error);
        self.state.failures = self.state.failures.saturating_add(1);
        self.state.due = Some(after(now, times.rest(self.state.failures, retry_after, jitter)));
    }
}

/// No rest is longer: an hour, and a tenth of jitter.
const LONGEST_REST: u64 = MAX_RETRY_AFTER_SECONDS * 1_100;

impl FollowedSource {
    /// Takes up what is known of it from before: whether it is used at all, and how long it rests.
    pub(crate) fn remember(&mut self, peer: &Peer, times: SyncTimes, now: UnixMillis) {
        self.state.forked = !peer.enabled;
        self.state.failures = peer.failures;
        self.state.last_error.clone_from(&peer.last_error);
        self.state.last_success = peer.last_sync_ok;
        // A clock that was set back, or a file from elsewhere, must not silence a source for ever.
        let longest = LONGEST_REST.max(times.ceiling.max(times.after_failure).saturating_mul(1_100));
        let until = peer.cooldown_until.map(|until| until.min(after(now, longest)));
        self.state.due = self.state.due.max(until);
    }
}

fn after(now: UnixMillis, rest: u64) -> UnixMillis {
    UnixMillis(now.0.saturating_add(rest))
}
