//! The task that owns the core: gives it events and the time, and carries out what it asks for.

use std::{
    sync::{Arc, mpsc as std_mpsc},
    time::Instant,
};

use jurat_pbft::{Recipient, Sequence};
use jurat_store::LogHead;
use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::{
    checker::Checker,
    clock::Clock,
    evidence::Accusation,
    journal_writer::{Job, JournalStats},
    ledger::StoredLedger,
    link::{Lane, Peers},
    registry_view::RegistryView,
    status::Detail,
    waiters::Waiters,
};
use crate::{
    codec,
    core::{Core, CouncilHistory, Effects, Event, Frame, Halt, MemberName, Sealed},
};

/// Events taken at once, so that what they cause shares a sync and a frame.
const EVENTS_AT_ONCE: usize = 256;
/// How often the log is stored, in milliseconds.
const STORE_INTERVAL: u64 = 1_000;
/// How often others are told where this node stands, in milliseconds.
const STATUS_INTERVAL: u64 = 20;

/// What a client asks of the driver, besides events.
pub(crate) enum Request {
    /// Take these entries in; answered once they are durable here.
    Submit(Vec<crate::core::CheckedEntry>, oneshot::Sender<()>),
}

/// Sends frames to members, encoded once however many they go to.
#[derive(Clone)]
pub(crate) struct Postman {
    pub(crate) peers: Arc<Peers>,
}

impl Postman {
    pub(crate) fn send(&self, to: Recipient, frame: &Frame) {
        let lane = match frame {
            Frame::Entries(_) | Frame::Consensus(jurat_pbft::Message::Decided(..)) => Lane::Bulk,
            _ => Lane::Urgent,
        };
        let bytes: Arc<[u8]> = codec::encode(frame).into();
        match to {
            Recipient::All => {
                let to_former = frame.is_for_former_members();
                let peers = self.peers.all();
                let meant = peers.iter().filter(|(_, peer)| to_former || !peer.is_former);
                meant.for_each(|(_, peer)| peer.outbox.push(lane, bytes.clone()));
            }
            Recipient::One(member) => {
                if let Some(peer) = self.peers.peer(member) {
                    peer.outbox.push(lane, bytes);
                }
            }
        }
    }
}

/// Why the driver ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// The core says so.
    #[error(transparent)]
    Halt(#[from] Halt),
    /// The journal or the log can't be written.
    #[error("{0}")]
    Disk(String),
}

pub(crate) struct Driver {
    pub(crate) name: MemberName,
    pub(crate) core: Core<StoredLedger>,
    pub(crate) clock: Clock,
    pub(crate) events: mpsc::Receiver<Event>,
    pub(crate) requests: mpsc::Receiver<Request>,
    /// What comes back from the journal thread and from storing.
    pub(crate) back: mpsc::UnboundedReceiver<Back>,
    pub(crate) journal: std_mpsc::Sender<Job>,
    /// To the thread that stores the log.
    pub(crate) stored_later: std_mpsc::Sender<StoreJob>,
    pub(crate) journal_stats: Arc<JournalStats>,
    pub(crate) postman: Postman,
    pub(crate) checker: Checker,
    pub(crate) waiters: Arc<Waiters>,
    pub(crate) registry: Arc<RegistryView>,
    pub(crate) detail: watch::Sender<Arc<Detail>>,
    pub(crate) history: watch::Sender<Arc<CouncilHistory>>,
}

/// What the thread behind the journal does.
pub(crate) enum StoreJob {
    /// Writes a part of the log.
    Flush(jurat_store::FlushPlan),
    /// Keeps evidence.
    Keep(Box<Accusation>),
}

/// What other threads tell the driver.
#[expect(clippy::large_enum_variant, reason = "most of what comes back is of the largest kind")]
pub(crate) enum Back {
    /// A sealed event, now durable.
    Event(Event),
    /// A flush of the log was written.
    Stored(LogHead),
    /// The disk failed.
    Failed(String),
}

impl Driver {
    /// Runs until `stop` changes or the node can't go on.
    pub(crate) async fn run(mut self, mut stop: watch::Receiver<bool>) -> Result<(), Stopped> {
        let started = Instant::now();
        let mut events = Vec::new();
        let mut requests = Vec::new();
        let mut acks = Vec::new();
        let (mut next_store, mut next_status) = (STORE_INTERVAL, 0);
        let (mut storing, mut told) = (false, false);
        let effects = self.core.take_effects();
        self.carry_out(effects, &mut acks)?;
        loop {
            let mut deadline = self.core.next_deadline().min(next_store);
            if !told {
                deadline = deadline.min(next_status);
            }
            let sleep = tokio::time::sleep_until(self.clock.instant(deadline).into());
            let mut came_back = None;
            tokio::select! {
                _ = stop.changed() => break,
                back = self.back.recv() => came_back = back,
                Some(event) = self.events.recv() => events.push(event),
                Some(request) = self.requests.recv() => requests.push(request),
                () = sleep => {}
            }
            // Whatever else has come by now, of both kinds: neither may starve the other.
            events.extend(std::iter::from_fn(|| self.events.try_recv().ok()).take(EVENTS_AT_ONCE));
            requests.extend(std::iter::from_fn(|| self.requests.try_recv().ok()).take(EVENTS_AT_ONCE));
            let now = self.clock.now();
            while let Some(back) = came_back {
                match back {
                    Back::Event(event) => self.core.step(now, event),
                    Back::Failed(message) => return Err(Stopped::Disk(message)),
                    Back::Stored(head) => {
                        storing = false;
                        let sequence = Sequence(head.sequence.unwrap_or(0));
                        self.core.step(now, Event::Stored(sequence));
                        if self.journal_stats.should_rotate() {
                            // Effects of this step so far must be in the journal before what
                            // replaces it is computed.
                            let effects = self.core.take_effects();
                            self.carry_out(effects, &mut acks)?;
                            let _ = self.journal.send(Job::Rotate(self.core.live_records()));
                        }
                    }
                }
                came_back = self.back.try_recv().ok();
            }
            for event in events.drain(..) {
                self.core.step(now, event);
            }
            for Request::Submit(entries, ack) in requests.drain(..) {
                self.core.step(now, Event::Submitted(entries));
                acks.push(ack);
            }
            if self.core.next_deadline() <= now.elapsed {
                self.core.step(now, Event::Tick);
            }
            let effects = self.core.take_effects();
            self.carry_out(effects, &mut acks)?;
            if now.elapsed >= next_store {
                next_store = now.elapsed + STORE_INTERVAL;
                self.waiters.sweep();
                if !storing {
                    storing = self.store()?;
                }
            }
            told = now.elapsed >= next_status;
            if told {
                next_status = now.elapsed + STATUS_INTERVAL;
                self.registry.catch_up();
                self.detail.send_replace(Arc::new(Detail::of(
                    &self.core,
                    &self.name,
                    started.elapsed().as_secs(),
                )));
            }
        }
        self.wind_down(storing).await
    }

    /// Stores what there is once more, so that the next start has nothing to replay.
    async fn wind_down(mut self, mut storing: bool) -> Result<(), Stopped> {
        loop {
            if !storing && !self.store()? {
                return Ok(());
            }
            storing = true;
            match self.back.recv().await {
                Some(Back::Stored(_)) => storing = false,
                Some(Back::Failed(message)) => return Err(Stopped::Disk(message)),
                // Nothing that comes now can be answered any more.
                Some(Back::Event(_)) => {}
                None => return Ok(()),
            }
        }
    }

    /// Plans a flush of the log; says whether there was anything to store.
    fn store(&mut self) -> Result<bool, Stopped> {
        let state = self.core.state(self.core.ledger().stored_operations());
        let plan = self.core.ledger_mut().plan_flush(state).map_err(|e| Stopped::Disk(e.to_string()))?;
        match plan {
            None => Ok(false),
            Some(plan) => {
                let _ = self.journal.send(Job::Flush(plan));
                Ok(true)
            }
        }
    }

    fn carry_out(&mut self, effects: Effects, acks: &mut Vec<oneshot::Sender<()>>) -> Result<(), Stopped> {
        let Effects {
            records,
            frames,
            sealed,
            check,
            executed,
            refused,
            registry,
            certified,
            council,
            evidence,
            halt,
        } = effects;
        if let Some(history) = council {
            // Before the frames: some are for who came with it.
            self.postman.peers.update(&history);
            self.history.send_replace(history);
            super::say_where_it_stands(&self.core);
        }
        if !records.is_empty() || !sealed.is_empty() || !acks.is_empty() {
            let acks = std::mem::take(acks);
            // If the thread is gone, its last word is on the way.
            let _ = self.journal.send(Job::Write { records, sealed, acks });
        }
        for (to, frame) in frames {
            self.postman.send(to, &frame);
        }
        for (member, entries) in check {
            self.checker.check_for(member, entries);
        }
        // Before anybody is told that it is done.
        self.registry.push(registry);
        for (leaf, reason) in refused {
            self.waiters.refused(leaf, reason);
        }
        for (leaves, size) in executed {
            self.waiters.executed(&leaves, size);
        }
        if let Some(size) = certified {
            self.waiters.certified(size);
        }
        for evidence in evidence {
            let culprit = evidence.culprit();
            let seat = self.core.history().seat(culprit);
            let member = seat.map_or_else(|| culprit.to_string(), |seat| seat.member.name.to_string());
            // The thread ends after the driver does.
            let accusation = Accusation { member, evidence };
            let _ = self.stored_later.send(StoreJob::Keep(accusation.into()));
        }
        match halt {
            Some(halt) => Err(halt.into()),
            None => Ok(()),
        }
    }
}

/// Gives a released effect to where it goes.
pub(crate) fn release(postman: &Postman, back: &mpsc::UnboundedSender<Back>, sealed: Sealed) {
    match sealed {
        Sealed::Send(to, frame) => postman.send(to, &frame),
        Sealed::Back(event) => {
            // The driver is gone when the node stops.
            let _ = back.send(Back::Event(event));
        }
    }
}

/// Writes a flush and tells the driver.
pub(crate) fn write_flush(back: &mpsc::UnboundedSender<Back>, plan: jurat_store::FlushPlan) {
    let told = match plan.write() {
        Ok(head) => Back::Stored(head),
        Err(error) => {
            error!(%error, "the log can't be written: this node stops");
            Back::Failed(error.to_string())
        }
    };
    let _ = back.send(told);
}
