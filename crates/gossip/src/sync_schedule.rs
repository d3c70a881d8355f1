//! When to sync, with whom, and when again: one worker that calls all due peers at the same time.

use alloc::{
    collections::BTreeSet,
    string::{String, ToString},
    vec::Vec,
};

use jurat_log::{TreeSize, UnixMillis};

use crate::{Bucket, Failure, PeerKey, PeerStore, Reach, Success, retry_after::MAX_RETRY_AFTER_SECONDS};

/// A run that has not ended after so many seconds counts as dead, and another may start.
pub const STALE_RUN_SECONDS: u64 = 300;

/// The most peers that one run calls; the rest, which `due` puts last, have their turn when others
/// cool down.
pub const MAX_PEERS_IN_RUN: usize = 32;

/// How long the worker rests, in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SyncTimes {
    /// After a run in which a peer succeeded, or that had nobody to call.
    pub after_success: u64,
    /// After the first failure; each further one in a row doubles it.
    pub after_failure: u64,
    /// Where the doubling ends. 0 turns it off: every failure is like the first.
    pub ceiling: u64,
}

impl Default for SyncTimes {
    /// 300, and 60 doubling up to 1 800.
    fn default() -> Self {
        Self { after_success: 300, after_failure: 60, ceiling: 1_800 }
    }
}

impl SyncTimes {
    /// How many milliseconds to rest after so many failures in a row, at least `retry_after`
    /// seconds, and up to a tenth more by `jitter`, which is drawn evenly from 0 to 65 535.
    pub(crate) fn rest(self, failures: u32, retry_after: u64, jitter: u16) -> u64 {
        let seconds = match failures.checked_sub(1) {
            None => self.after_success,
            Some(_) if self.ceiling == 0 => self.after_failure,
            Some(doublings) => {
                let factor = 1_u64.checked_shl(doublings).unwrap_or(u64::MAX);
                self.after_failure.saturating_mul(factor).min(self.ceiling)
            }
        };
        let millis = seconds.max(retry_after.min(MAX_RETRY_AFTER_SECONDS)).saturating_mul(1_000);
        millis.saturating_add((millis / 10).saturating_mul(jitter.into()) / u64::from(u16::MAX))
    }
}

/// Which run of the worker. Results of any but the current one change nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RunId(u64);

/// What the worker is to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Start {
    /// Nothing before this time.
    Wait(UnixMillis),
    /// Sync with all of these at the same time, each until the deadline, and report each with
    /// [`SyncWorker::finished`].
    Run {
        /// To report with.
        run: RunId,
        /// Whom to call, best first; never empty.
        peers: Vec<PeerKey>,
        /// What has not ended by now is a failure of that peer alone.
        deadline: UnixMillis,
    },
    /// There is nobody to sync with; ask again at this time.
    Solo(UnixMillis),
}

/// How a sync with one peer ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PeerSync {
    /// The peer's log was verified and follows on ours.
    Ok {
        /// How large our log is now.
        head: TreeSize,
    },
    /// The peer could not be reached or broke the rules.
    Failed {
        /// What to tell the operator.
        error: String,
        /// Whether it answered at all.
        answered: bool,
        /// What [`retry_after`](crate::retry_after()) made of its header, on any refusal that has
        /// one; else 0.
        retry_after: u64,
    },
    /// The peer signed a log that contradicts ours. It is turned off until the operator says so.
    Fork {
        /// What to tell the operator.
        error: String,
    },
}

/// How the worker's last run ended, or that it goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SyncOutcome {
    /// It has never run.
    Idle,
    /// It runs.
    Running,
    /// At least one peer succeeded.
    Ok,
    /// None did.
    Error,
    /// A peer showed a fork.
    Fork,
    /// There was nobody to call.
    Solo,
}

/// What the operator is shown of the worker.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SyncState {
    /// When the last run began.
    pub last_start: Option<UnixMillis>,
    /// When the last run ended.
    pub last_finish: Option<UnixMillis>,
    /// When a run last succeeded.
    pub last_success: Option<UnixMillis>,
    /// When the next may begin.
    pub next_due: UnixMillis,
    /// Who reported last.
    pub last_peer: Option<PeerKey>,
    /// What last went wrong, and with whom.
    pub last_error: Option<String>,
    /// How the last run ended.
    pub outcome: SyncOutcome,
    /// How large our log was after the last success.
    pub head: TreeSize,
    /// A fork was seen and nobody has acknowledged it: this does not go away by itself.
    pub fork: bool,
    /// Runs in a row that failed.
    pub failures: u32,
}

/// The worker: give it the time and the peers, and it says whom to call.
#[derive(Clone, Debug)]
pub struct SyncWorker {
    times: SyncTimes,
    state: SyncState,
    run: u64,
    /// Who of the current run has not reported.
    open: BTreeSet<PeerKey>,
    any_ok: bool,
    any_fork: bool,
}

impl SyncWorker {
    /// A worker that is due at once.
    #[must_use]
    pub fn new(times: SyncTimes) -> Self {
        Self {
            times,
            state: SyncState {
                last_start: None,
                last_finish: None,
                last_success: None,
                next_due: UnixMillis(0),
                last_peer: None,
                last_error: None,
                outcome: SyncOutcome::Idle,
                head: TreeSize::default(),
                fork: false,
                failures: 0,
            },
            run: 0,
            open: BTreeSet::new(),
            any_ok: false,
            any_fork: false,
        }
    }

    /// What the operator is shown.
    #[must_use]
    pub const fn state(&self) -> &SyncState {
        &self.state
    }

    /// The operator has seen the fork.
    pub const fn acknowledge_fork(&mut self) {
        self.state.fork = false;
    }

    /// What to do at `now`. A run that has become stale ends here: whoever has not reported has
    /// failed.
    pub fn start(&mut self, peers: &mut PeerStore, reach: Reach, now: UnixMillis, jitter: u16) -> Start {
        if self.state.outcome == SyncOutcome::Running {
            let deadline = self.deadline();
            if now < deadline {
                return Start::Wait(deadline);
            }
            for key in core::mem::take(&mut self.open) {
                let silent = PeerSync::Failed {
                    error: "no end in sight: the run was given up".to_string(),
                    answered: false,
                    retry_after: 0,
                };
                self.record(peers, &key, silent, now, jitter);
            }
            self.end(now, jitter);
            // A stale run has waited long enough.
            self.state.next_due = now;
        }
        if now < self.state.next_due {
            return Start::Wait(self.state.next_due);
        }
        let mut due: Vec<PeerKey> = peers.due(reach, now).into_iter().cloned().collect();
        due.truncate(MAX_PEERS_IN_RUN);
        if due.is_empty() {
            return self.nobody(peers, reach, now, jitter);
        }
        self.run += 1;
        self.open = due.iter().cloned().collect();
        (self.any_ok, self.any_fork) = (false, false);
        self.state.last_start = Some(now);
        self.state.outcome = SyncOutcome::Running;
        Start::Run { run: RunId(self.run), peers: due, deadline: self.deadline() }
    }

    /// A sync with one peer of the run has ended. `jitter` is drawn evenly from 0 to 65 535.
    ///
    /// Returns `false`, and changes nothing, when the run is over or the peer has reported: a
    /// straggler of a stale run does not disturb its successor.
    pub fn finished(
        &mut self,
        run: RunId,
        key: &PeerKey,
        result: PeerSync,
        peers: &mut PeerStore,
        now: UnixMillis,
        jitter: u16,
    ) -> bool {
        if run != RunId(self.run) || !self.open.remove(key) {
            return false;
        }
        self.record(peers, key, result, now, jitter);
        if self.open.is_empty() {
            self.end(now, jitter);
        }
        true
    }

    fn deadline(&self) -> UnixMillis {
        let start = self.state.last_start.unwrap_or(UnixMillis(0)).0;
        UnixMillis(start.saturating_add(STALE_RUN_SECONDS * 1_000))
    }

    /// Solo when no sync peer is enabled within reach; else all are cooling down, and the first of
    /// them is worth waiting for.
    fn nobody(&mut self, peers: &PeerStore, reach: Reach, now: UnixMillis, jitter: u16) -> Start {
        let usable = peers.iter().filter(|(key, peer)| {
            key.bucket == Bucket::Sync && peer.enabled && reach.allows(key.address.transport())
        });
        if let Some(first) = usable.filter_map(|(_, peer)| peer.cooldown_until).min() {
            self.state.next_due = first;
            return Start::Wait(first);
        }
        self.state.outcome = SyncOutcome::Solo;
        self.state.failures = 0;
        self.state.next_due = UnixMillis(now.0.saturating_add(self.times.rest(0, 0, jitter)));
        Start::Solo(self.state.next_due)
    }

    fn record(
        &mut self,
        peers: &mut PeerStore,
        key: &PeerKey,
        result: PeerSync,
        now: UnixMillis,
        jitter: u16,
    ) {
        self.state.last_peer = Some(key.clone());
        let (error, answered, retry_after) = match result {
            PeerSync::Ok { head } => {
                self.any_ok = true;
                self.state.head = self.state.head.max(head);
                peers.succeeded(key, Success::Sync, now);
                return;
            }
            PeerSync::Failed { error, answered, retry_after } => (error, answered, retry_after),
            PeerSync::Fork { error } => {
                self.any_fork = true;
                self.state.fork = true;
                peers.enable(key, false, now);
                (error, true, 0)
            }
        };
        let failures = peers.peer(key).map_or(0, |peer| peer.failures).saturating_add(1);
        let rest = self.times.rest(failures, retry_after, jitter);
        let cooldown_until = UnixMillis(now.0.saturating_add(rest));
        peers.failed(key, Failure { error: &error, answered, cooldown_until }, now);
        let mut error = alloc::format!("{}: {error}", key.address);
        error.truncate(error.floor_char_boundary(MAX_STATE_ERROR_BYTES));
        self.state.last_error = Some(error);
    }

    fn end(&mut self, now: UnixMillis, jitter: u16) {
        self.state.last_finish = Some(now);
        self.state.outcome = match (self.any_fork, self.any_ok) {
            (true, _) => SyncOutcome::Fork,
            (false, true) => SyncOutcome::Ok,
            (false, false) => SyncOutcome::Error,
        };
        if self.any_ok {
            self.state.failures = 0;
            self.state.last_success = Some(now);
        } else {
            self.state.failures = self.state.failures.saturating_add(1);
        }
        // Each peer's own Retry-After is in its cooldown, which `start` waits for.
        let rest = self.times.rest(self.state.failures, 0, jitter);
        self.state.next_due = UnixMillis(now.0.saturating_add(rest));
    }
}

/// An address and a peer's error.
const MAX_STATE_ERROR_BYTES: usize = crate::MAX_ADDRESS_BYTES + 2 + crate::MAX_PEER_ERROR_BYTES;

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;
    use crate::{Role, Source};

    fn key(n: u64) -> PeerKey {
        PeerKey { bucket: Bucket::Sync, address: format!("tcp://127.0.0.1:{}", n + 1).parse().unwrap() }
    }

    fn store(count: u64) -> PeerStore {
        let mut store = PeerStore::new();
        for n in 0..count {
            store.add(key(n), Source::Operator, Role::Participant, at(0)).unwrap();
        }
        store
    }

    fn at(seconds: u64) -> UnixMillis {
        UnixMillis(seconds * 1_000)
    }

    fn failed(retry_after: u64) -> PeerSync {
        PeerSync::Failed { error: "refused".into(), answered: true, retry_after }
    }

    fn ok() -> PeerSync {
        PeerSync::Ok { head: TreeSize::default() }
    }

    fn run(worker: &mut SyncWorker, store: &mut PeerStore, now: UnixMillis) -> (RunId, Vec<PeerKey>) {
        match worker.start(store, Reach::PrivateOnly, now, 0) {
            Start::Run { run, peers, .. } => (run, peers),
            other => panic!("expected a run, got {other:?}"),
        }
    }

    /// Lets one peer fail again and again and returns the seconds between the runs.
    fn ladder(times: SyncTimes, retry_after: u64, failures: usize) -> Vec<u64> {
        let (mut worker, mut store, mut now) = (SyncWorker::new(times), store(1), at(0));
        let mut fail = || {
            let (id, _) = run(&mut worker, &mut store, now);
            assert!(worker.finished(id, &key(0), failed(retry_after), &mut store, now, 0));
            let before = now;
            while let Start::Wait(until) = worker.clone().start(&mut store, Reach::PrivateOnly, now, 0) {
                assert!(until > now);
                now = until;
                worker.state.next_due = worker.state.next_due.min(now);
            }
            (now.0 - before.0) / 1_000
        };
        (0..failures).map(|_| fail()).collect()
    }

    #[test]
    fn failures_climb_the_ladder_and_stop_at_its_top() {
        assert_eq!(ladder(SyncTimes::default(), 0, 8), [60, 120, 240, 480, 960, 1_800, 1_800, 1_800]);
        assert_eq!(ladder(SyncTimes { ceiling: 0, ..SyncTimes::default() }, 0, 4), [60, 60, 60, 60]);
    }

    #[test]
    fn a_peer_that_asks_for_quiet_gets_it_and_never_more_than_an_hour() {
        assert_eq!(ladder(SyncTimes::default(), 700, 6), [700, 700, 700, 700, 960, 1_800]);
        assert_eq!(ladder(SyncTimes::default(), u64::MAX, 3), [3_600, 3_600, 3_600]);
    }

    #[test]
    fn all_due_peers_run_at_once_and_one_success_is_enough() {
        let (mut worker, mut store) = (SyncWorker::new(SyncTimes::default()), store(3));
        let (id, peers) = run(&mut worker, &mut store, at(0));
        assert_eq!(peers, [key(0), key(1), key(2)]);
        assert!(worker.finished(id, &key(1), ok(), &mut store, at(1), 0));
        assert!(!worker.finished(id, &key(1), failed(0), &mut store, at(1), 0), "it has reported");
        assert!(worker.finished(id, &key(0), failed(0), &mut store, at(2), 0));
        assert_eq!(worker.state().outcome, SyncOutcome::Running);
        assert!(worker.finished(id, &key(2), failed(0), &mut store, at(3), 0));
        assert_eq!((worker.state().outcome, worker.state().failures), (SyncOutcome::Ok, 0));
        assert_eq!(worker.start(&mut store, Reach::PrivateOnly, at(4), 0), Start::Wait(at(303)));
        assert_eq!(run(&mut worker, &mut store, at(303)).1, [key(1), key(0), key(2)]);
    }

    #[test]
    fn a_stale_run_is_given_up_and_its_stragglers_are_ignored() {
        let (mut worker, mut store) = (SyncWorker::new(SyncTimes::default()), store(2));
        let (old, _) = run(&mut worker, &mut store, at(0));
        assert!(worker.finished(old, &key(0), ok(), &mut store, at(1), 0));
        let waiting = worker.start(&mut store, Reach::PrivateOnly, at(STALE_RUN_SECONDS - 1), 0);
        assert_eq!(waiting, Start::Wait(at(STALE_RUN_SECONDS)));
        let (new, peers) = run(&mut worker, &mut store, at(STALE_RUN_SECONDS));
        assert_eq!(peers, [key(0)], "the silent one cools down");
        assert_eq!(store.peer(&key(1)).unwrap().failures, 1);
        assert!(!worker.finished(old, &key(0), failed(0), &mut store, at(301), 0));
        assert!(worker.finished(new, &key(0), ok(), &mut store, at(302), 0));
    }

    #[test]
    fn without_peers_the_worker_is_solo_and_looks_again_as_after_a_success() {
        let (mut worker, mut store) = (SyncWorker::new(SyncTimes::default()), PeerStore::new());
        assert_eq!(worker.start(&mut store, Reach::PrivateOnly, at(0), 0), Start::Solo(at(300)));
        assert_eq!(worker.state().outcome, SyncOutcome::Solo);
        let clearnet = PeerKey { address: "http://a.example".parse().unwrap(), ..key(0) };
        store.add(clearnet, Source::Operator, Role::Participant, at(1)).unwrap();
        assert_eq!(worker.start(&mut store, Reach::PrivateOnly, at(300), 0), Start::Solo(at(600)));
    }

    #[test]
    fn a_fork_stays_until_it_is_acknowledged_and_turns_the_peer_off() {
        let (mut worker, mut store) = (SyncWorker::new(SyncTimes::default()), store(2));
        let (id, _) = run(&mut worker, &mut store, at(0));
        let fork = PeerSync::Fork { error: "two roots at size 7".into() };
        worker.finished(id, &key(0), fork, &mut store, at(1), 0);
        worker.finished(id, &key(1), ok(), &mut store, at(1), 0);
        assert_eq!(worker.state().outcome, SyncOutcome::Fork);
        assert!(worker.state().last_error.as_ref().unwrap().contains("tcp://127.0.0.1:1: two roots"));
        let (id, peers) = run(&mut worker, &mut store, at(1_000));
        assert_eq!(peers, [key(1)]);
        worker.finished(id, &key(1), ok(), &mut store, at(1_001), 0);
        assert!(worker.state().fork && worker.state().outcome == SyncOutcome::Ok);
        worker.acknowledge_fork();
        assert!(!worker.state().fork);
    }

    proptest! {
        #[test]
        fn jitter_adds_up_to_a_tenth_and_never_takes(failures: u32, retry_after in 0_u64..10_000, jitter: u16) {
            let times = SyncTimes::default();
            let (least, rest) = (times.rest(failures, retry_after, 0), times.rest(failures, retry_after, jitter));
            prop_assert!(least <= rest && rest <= least + least / 10);
            prop_assert!(least >= retry_after.min(MAX_RETRY_AFTER_SECONDS) * 1_000);
            // Nodes whose jitter differs much do not come together.
            prop_assert!(times.rest(0, 0, u16::MAX) >= 320_000);
        }
    }
}
