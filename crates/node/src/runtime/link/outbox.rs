//! What waits to be sent to one member.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Notify;

/// Which queue a frame takes. Votes overtake entries, or a flood of entries would starve consensus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lane {
    /// Votes, signatures, clocks.
    Urgent,
    /// Entries, and decisions for members that fall behind.
    Bulk,
    /// Bulletins: after all that the council needs.
    Bulletins,
}

/// Bytes that each lane holds at most. What does not fit is dropped and counted; consensus and
/// housekeeping send it again.
const URGENT_BYTES: usize = 20 << 20;
const BULK_BYTES: usize = 24 << 20;
const BULLETINS_BYTES: usize = 8 << 20;

/// A bounded queue to one member, open only while there is a link.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// Which link drains the queue; a new link takes over from the one before.
    link: Option<u64>,
    urgent: Queue,
    bulk: Queue,
    bulletins: Queue,
    dropped: u64,
}

#[derive(Debug, Default)]
struct Queue {
    frames: VecDeque<Arc<[u8]>>,
    bytes: usize,
}

impl Queue {
    fn push(&mut self, frame: Arc<[u8]>, limit: usize) -> bool {
        if self.bytes + frame.len() > limit {
            return false;
        }
        self.bytes += frame.len();
        self.frames.push_back(frame);
        true
    }

    fn pop(&mut self) -> Option<Arc<[u8]>> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}

impl Outbox {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame if there is a link and room.
    pub(crate) fn push(&self, lane: Lane, frame: Arc<[u8]>) {
        let mut state = self.state();
        if state.link.is_none() {
            return;
        }
        let fits = match lane {
            Lane::Urgent => state.urgent.push(frame, URGENT_BYTES),
            Lane::Bulk => state.bulk.push(frame, BULK_BYTES),
            Lane::Bulletins => state.bulletins.push(frame, BULLETINS_BYTES),
        };
        if !fits {
            state.dropped += 1;
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Begins anew for a link; an older link finds itself replaced.
    pub(super) fn open(&self, link: u64) {
        let mut state = self.state();
        let dropped = state.dropped;
        *state = State { link: Some(link), dropped, ..State::default() };
        drop(state);
        self.changed.notify_waiters();
    }

    /// Ends the queue of a link; says whether it was the current one.
    pub(super) fn close(&self, link: u64) -> bool {
        let mut state = self.state();
        let current = state.link == Some(link);
        if current {
            let dropped = state.dropped;
            *state = State { dropped, ..State::default() };
        }
        current
    }

    /// The next frames for a link, up to about `bytes`; empty once another link took over.
    pub(super) async fn take(&self, link: u64, bytes: usize) -> Vec<Arc<[u8]>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            {
                let mut state = self.state();
                if state.link != Some(link) {
                    return Vec::new();
                }
                let (mut frames, mut taken) = (Vec::new(), 0);
                while taken < bytes {
                    let State { urgent, bulk, bulletins, .. } = &mut *state;
                    let frame = urgent.pop().or_else(|| bulk.pop()).or_else(|| bulletins.pop());
                    let Some(frame) = frame else { break };
                    taken += frame.len();
                    frames.push(frame);
                }
                if !frames.is_empty() {
                    return frames;
                }
            }
            changed.await;
        }
    }

    /// Frames that were dropped for lack of room.
    pub(crate) fn dropped(&self) -> u64 {
        self.state().dropped
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(size: usize, first: u8) -> Arc<[u8]> {
        let mut bytes = vec![0; size];
        bytes[0] = first;
        bytes.into()
    }

    fn firsts(frames: &[Arc<[u8]>]) -> Vec<u8> {
        frames.iter().map(|frame| frame[0]).collect()
    }

    #[tokio::test]
    async fn votes_overtake_entries_and_those_overtake_bulletins() {
        let outbox = Outbox::default();
        outbox.open(1);
        outbox.push(Lane::Bulletins, frame(10, 4));
        outbox.push(Lane::Bulk, frame(10, 1));
        outbox.push(Lane::Urgent, frame(10, 2));
        outbox.push(Lane::Bulk, frame(10, 3));
        assert_eq!(firsts(&outbox.take(1, 15).await), [2, 1]);
        assert_eq!(firsts(&outbox.take(1, 15).await), [3, 4]);
    }

    #[tokio::test]
    async fn what_does_not_fit_is_dropped_and_counted() {
        let outbox = Outbox::default();
        outbox.push(Lane::Urgent, frame(10, 1));
        assert_eq!(outbox.dropped(), 0, "without a link nothing is kept, and nothing is lost");
        outbox.open(1);
        outbox.push(Lane::Urgent, frame(URGENT_BYTES, 2));
        outbox.push(Lane::Urgent, frame(1, 3));
        outbox.push(Lane::Bulk, frame(1, 4));
        assert_eq!(outbox.dropped(), 1);
        assert_eq!(firsts(&outbox.take(1, usize::MAX).await), [2, 4]);
        outbox.push(Lane::Urgent, frame(URGENT_BYTES, 5));
        assert_eq!(firsts(&outbox.take(1, 1).await), [5]);
    }

    #[tokio::test]
    async fn a_new_link_takes_over() {
        let outbox = Arc::new(Outbox::default());
        outbox.open(1);
        let old = tokio::spawn({
            let outbox = outbox.clone();
            async move { outbox.take(1, 100).await }
        });
        tokio::task::yield_now().await;
        outbox.open(2);
        assert!(old.await.unwrap().is_empty());
        assert!(!outbox.close(1), "the old link's end is not the new one's");
        outbox.push(Lane::Bulk, frame(1, 6));
        assert_eq!(firsts(&outbox.take(2, 100).await), [6]);
        assert!(outbox.close(2));
    }
}
