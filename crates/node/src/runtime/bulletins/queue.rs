//! What waits for the thread that keeps the bulletins.
//!
//! Each member has a queue of its own, and so have those who post: a flood of one keeps none of the
//! others waiting. What a full queue does not take is counted; spreading and reconciliation bring it
//! again.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use jurat_bulletin::{BulletinKey, Refusal, TopicId};
use jurat_crypto::Digest;
use jurat_pbft::ReplicaId;
use tokio::sync::oneshot;

use super::{
    owner::{OwnerAnswer, OwnerRequest},
    streams::StreamQueue,
};
use crate::core::{BulletinMessage, NotReceived};

/// Messages of one member, and their bytes, that may wait.
const MEMBER_MESSAGES: usize = 2_048;
const MEMBER_BYTES: usize = 8 << 20;
/// Postings and messages that may wait.
const POSTS: usize = 1_024;
/// How many of each queue are taken at once, to share one sync of the disk.
const AT_ONCE: usize = 64;

/// Something that waits.
pub(super) enum Job {
    /// Somebody posts, in whom this node has so much trust, 0 to 10 000.
    Post(Vec<u8>, u16, oneshot::Sender<Result<BulletinKey, Refusal>>),
    /// Somebody writes to this node.
    Message(Vec<u8>, oneshot::Sender<Result<Digest, NotReceived>>),
    /// A member said something, in so many bytes.
    Heard(ReplicaId, BulletinMessage, usize),
    /// There is a link to a member now, or none any more.
    Linked(ReplicaId, bool),
    /// Somebody at an address wants to hear of topics. None if too many do.
    Subscribe(Vec<TopicId>, IpAddr, oneshot::Sender<Option<Arc<StreamQueue>>>),
    /// And no more.
    Unsubscribe(u64),
    /// The node's owner asks.
    Owner(OwnerRequest, oneshot::Sender<OwnerAnswer>),
}

#[derive(Default)]
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    posts: VecDeque<Job>,
    members: BTreeMap<ReplicaId, Waiting>,
    /// Subscriptions and what the owner asks, of which there are a bounded number.
    others: VecDeque<Job>,
    stopped: bool,
    dropped: u64,
}

#[derive(Default)]
struct Waiting {
    jobs: VecDeque<Job>,
    bytes: usize,
}

impl Queue {
    /// Adds a job; `false` if there is no room, or nothing is taken any more.
    pub(super) fn push(&self, job: Job) -> bool {
        let mut state = self.state();
        if state.stopped {
            return false;
        }
        match job {
            Job::Post(..) | Job::Message(..) if state.posts.len() >= POSTS => return false,
            Job::Post(..) | Job::Message(..) => state.posts.push_back(job),
            Job::Linked(member, _) => state.members.entry(member).or_default().jobs.push_back(job),
            Job::Heard(member, _, bytes) => {
                let waiting = state.members.entry(member).or_default();
                if waiting.jobs.len() >= MEMBER_MESSAGES || waiting.bytes + bytes > MEMBER_BYTES {
                    state.dropped += 1;
                    return false;
                }
                waiting.bytes += bytes;
                waiting.jobs.push_back(job);
            }
            Job::Subscribe(..) | Job::Unsubscribe(_) | Job::Owner(..) => state.others.push_back(job),
        }
        drop(state);
        self.changed.notify_one();
        true
    }

    /// The next jobs, as soon as there are any; none at the deadline. `None` after the stop.
    pub(super) fn take(&self, deadline: Instant) -> Option<Vec<Job>> {
        let mut state = self.state();
        loop {
            if state.stopped {
                return None;
            }
            let jobs = state.next();
            let left = deadline.saturating_duration_since(Instant::now());
            if !jobs.is_empty() || left.is_zero() {
                return Some(jobs);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Nothing is taken any more; what waits is dropped, and who waits for it is told.
    pub(super) fn stop(&self) {
        let mut state = self.state();
        *state = State { stopped: true, dropped: state.dropped, ..State::default() };
        drop(state);
        self.changed.notify_all();
    }

    /// Messages of members that found no room.
    pub(super) fn dropped(&self) -> u64 {
        self.state().dropped
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn next(&mut self) -> Vec<Job> {
        let mut jobs: Vec<Job> = self.others.drain(..).collect();
        for waiting in self.members.values_mut() {
            let taken = waiting.jobs.len().min(AT_ONCE);
            for job in waiting.jobs.drain(..taken) {
                if let Job::Heard(_, _, bytes) = &job {
                    waiting.bytes -= bytes;
                }
                jobs.push(job);
            }
        }
        self.members.retain(|_, waiting| !waiting.jobs.is_empty());
        let taken = self.posts.len().min(AT_ONCE);
        jobs.extend(self.posts.drain(..taken));
        jobs
    }
}

#[cfg(test)]
mod tests {
    use jurat_gossip::SpreadMessage;

    use super::*;

    fn heard(member: u16, bytes: usize) -> Job {
        Job::Heard(ReplicaId(member), BulletinMessage::Spread(SpreadMessage::Join), bytes)
    }

    #[test]
    fn a_member_that_floods_takes_nobody_elses_room() {
        let queue = Queue::default();
        for _ in 0..MEMBER_MESSAGES {
            assert!(queue.push(heard(1, 10)));
        }
        assert!(!queue.push(heard(1, 10)));
        assert!(queue.push(heard(2, MEMBER_BYTES)));
        assert!(!queue.push(heard(2, 1)));
        assert_eq!(queue.dropped(), 2);
        let posts: Vec<_> =
            (0..=POSTS).map(|_| queue.push(Job::Post(vec![], 0, oneshot::channel().0))).collect();
        assert_eq!(posts.iter().filter(|taken| !**taken).count(), 1);
        // Each has its share of what is taken at once.
        assert_eq!(queue.take(Instant::now()).unwrap().len(), AT_ONCE + 1 + AT_ONCE);
        assert!(queue.push(heard(2, 1)));
    }

    #[test]
    fn who_waits_is_told_when_nothing_is_taken_any_more() {
        let queue = Queue::default();
        let (asker, mut answer) = oneshot::channel();
        assert!(queue.push(Job::Post(vec![], 0, asker)));
        queue.stop();
        assert!(answer.try_recv().is_err_and(|error| error == oneshot::error::TryRecvError::Closed));
        assert!(queue.take(Instant::now()).is_none());
        assert!(!queue.push(heard(1, 1)));
    }
}
