//! Who takes what is submitted: the council that this node is in, or the one that it follows.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::extract::FromRef;
use tokio::sync::Semaphore;

use super::{
    attestations::{self, Answer, Wait},
    problem::Problem,
    state::Shared,
};
use crate::{core::EntryBytes, runtime::follower::Following};

/// KiB of bodies that are read or parsed at one time.
const BODY_ROOM_KIB: usize = 256 << 10;

/// The room for bodies of all requests together.
#[derive(Debug)]
pub(crate) struct Bodies {
    /// KiB that may still be read.
    pub(crate) room: Arc<Semaphore>,
    /// Requests that found none.
    pub(crate) refused: AtomicU64,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { room: Arc::new(Semaphore::new(BODY_ROOM_KIB)), refused: AtomicU64::default() }
    }
}

/// Takes submissions.
#[derive(Clone)]
pub(crate) enum Intake {
    /// Orders them with the other members.
    Council(Arc<Shared>),
    /// Passes them on to the council that is followed.
    Follower(Arc<Following>),
}

impl FromRef<Arc<Shared>> for Intake {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        Self::Council(shared.clone())
    }
}

impl FromRef<Arc<Following>> for Intake {
    fn from_ref(following: &Arc<Following>) -> Self {
        Self::Follower(following.clone())
    }
}

impl Intake {
    pub(super) fn bodies(&self) -> &Bodies {
        match self {
            Self::Council(shared) => &shared.bodies,
            Self::Follower(following) => &following.bodies,
        }
    }

    /// What becomes of each entry. An error here is about the node or the council, not an entry.
    pub(super) async fn take_in(
        &self,
        parsed: Vec<Result<EntryBytes, Problem>>,
        wait: Option<Wait>,
    ) -> Result<Vec<Answer>, Problem> {
        match self {
            Self::Council(shared) => attestations::take_in(shared, parsed, wait).await,
            Self::Follower(following) => following.pass_on(parsed, wait).await,
        }
    }
}

impl Bodies {
    /// Requests that were turned away for want of room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}
