//! One node: the core, its journal and its log, on a disk that forgets, with clocks that are told.
//!
//! This drives the shipped parts as the runtime does: records go to the journal in jobs, many of
//! which share a sync, and what they seal is let go behind it; the log is stored behind the
//! journal, and the journal shortened behind that.

use std::{path::Path, sync::Arc, sync::atomic::Ordering};

use jurat::{
    core::{Core, CouncilHistory, Effects, Event, Genesis, Keys, Limits, RecoverError},
    runtime::{Job, JournalStats, OnDisk, Receipts, Released, RunError, write_jobs},
};
use jurat_crypto::Seed;
use jurat_pbft::{BatchTime, Council, Now, ReplicaId, Sequence, View};
use jurat_store::{DataDir, FlushPlan, Journal, MemFs, Operation};

use tokio::sync::watch;

use super::{
    plan::{Crash, Plan},
    plant::{Plant, Tampered},
};

/// The calendar when a history begins: 2023-11-14, in milliseconds since the Unix epoch.
pub(super) const EPOCH: u64 = 1_700_000_000_000;

/// What is the same for all nodes of a history.
pub(super) struct Setting {
    pub(super) plan: Plan,
    pub(super) genesis: Genesis,
    /// The founders.
    pub(super) council: Council,
    pub(super) seeds: Vec<Seed>,
}

impl Setting {
    pub(super) fn is_honest(&self, member: ReplicaId) -> bool {
        !self.plan.traitors.contains_key(&usize::from(member.0))
    }

    fn limits(&self) -> Limits {
        Limits { consensus: self.plan.consensus, ..Limits::default() }
    }
}

/// Tells a submission apart whose client waits for an answer.
pub(super) type Ack = usize;

/// A place where a node runs, with its disk. A twin has two.
pub(super) struct Process {
    pub(super) member: ReplicaId,
    pub(super) disk: MemFs,
    /// The council's history that who joins was given.
    pub(super) given: Option<Arc<CouncilHistory>>,
    /// Counts its starts, so that what was meant for an earlier life is not taken for this one's.
    pub(super) life: u32,
    pub(super) running: Option<Running>,
    /// It stands still until then.
    pub(super) paused_until: u64,
    /// What its calendar is off by, in milliseconds.
    pub(super) clock_offset: i64,
    /// How long its syncs take, if its disk is slow.
    pub(super) slow_sync: Option<u64>,
    /// The crash that a disk operation will bring about.
    pub(super) armed: Option<Crash>,
    /// Its view when last looked at, and whether it only called for it.
    pub(super) view: (View, bool),
}

pub(super) struct Running {
    pub(super) core: Core<Tampered>,
    pub(super) receipts: Receipts,
    history: watch::Sender<Arc<CouncilHistory>>,
    started_at: u64,
    journal: Journal,
    stats: JournalStats,
    /// What waits for the journal, and what is being written.
    jobs: Vec<Job<Ack>>,
    writing: Option<Vec<Job<Ack>>>,
    storing: bool,
    flush: Option<FlushPlan>,
    /// When the node is to be woken, if that is arranged.
    pub(super) wake_at: Option<u64>,
}

/// Why a node did not start.
pub(super) enum NotStarted {
    /// Its calendar is behind its log. Someone has to set it.
    Clock,
    /// Its disk lost power once more.
    Power,
    /// Its own data is refused.
    Refused(String),
}

impl Process {
    pub(super) fn new(member: ReplicaId, clock_offset: i64) -> Self {
        Self {
            member,
            disk: MemFs::new(),
            given: None,
            life: 0,
            running: None,
            paused_until: 0,
            clock_offset,
            slow_sync: None,
            armed: None,
            view: (View(0), false),
        }
    }

    /// The council as far as this node knows it: what it has executed, or was given.
    pub(super) fn known_history(&self) -> Option<&Arc<CouncilHistory>> {
        let own = self.core()?.history();
        let further = |given: &&Arc<CouncilHistory>| given.steps().len() > own.steps().len();
        Some(self.given.as_ref().filter(further).unwrap_or(own))
    }

    pub(super) fn core(&self) -> Option<&Core<Tampered>> {
        self.running.as_ref().map(|running| &running.core)
    }

    fn wall(&self, now: u64) -> BatchTime {
        BatchTime((EPOCH + now).saturating_add_signed(self.clock_offset))
    }

    /// Starts the node from its disk; gives what it asks for at once.
    pub(super) fn start(&mut self, now: u64, setting: &Setting) -> Result<Effects, NotStarted> {
        self.life += 1;
        let plant = setting.plan.plant.filter(|plant| plant.is_in(self.member));
        if plant == Some(Plant::LyingDisk) {
            self.disk.set_faults(|step| {
                let is_sync = matches!(step.operation, Operation::Sync | Operation::SyncDir);
                is_sync.then_some(jurat_store::Fault::SyncLost)
            });
        }
        let running = match self.read(now, setting, plant) {
            Ok(running) => running,
            Err(RunError::ClockBehindLog { .. }) => return Err(NotStarted::Clock),
            Err(_) if self.armed.is_some() => {
                self.end(self.armed.unwrap_or(Crash::Kill));
                return Err(NotStarted::Power);
            }
            Err(error) => return Err(NotStarted::Refused(error.to_string())),
        };
        let running = self.running.insert(running);
        Ok(running.core.take_effects())
    }

    fn read(&self, now: u64, setting: &Setting, plant: Option<Plant>) -> Result<Running, RunError> {
        let dir = DataDir::open(Arc::new(self.disk.clone()), Path::new("/jurat"), setting.genesis.network())?;
        let mut on_disk = OnDisk::read(&dir)?;
        let last_batch = on_disk.state.as_ref().map_or(0, |state| state.position.time);
        let behind = last_batch.saturating_sub(self.wall(now).0);
        if behind > setting.limits().max_clock_offset {
            return Err(RunError::ClockBehindLog { seconds: behind / 1000 });
        }
        Plant::tamper_with_disk(plant, setting, &mut on_disk);
        let OnDisk { ledger, state, journal, records } = on_disk;
        let reader = ledger.reader().clone();
        let keys = Keys { seed: setting.seeds[usize::from(self.member.0)].clone() };
        let ledger = Tampered { network: setting.genesis.network(), ledger, plant };
        let clocks = Now { elapsed: 0, wall: self.wall(now) };
        let core: Result<_, RecoverError> =
            Core::recover(setting.genesis.clone(), setting.limits(), &keys, ledger, state, records, clocks);
        let core = core?;
        let (history, known) = watch::channel(core.history().clone());
        Ok(Running {
            core,
            receipts: Receipts::new(reader, known),
            history,
            started_at: now,
            journal,
            stats: JournalStats::default(),
            jobs: Vec::new(),
            writing: None,
            storing: false,
            flush: None,
            wake_at: None,
        })
    }

    /// Ends the process, and leaves its disk as such an end does.
    pub(super) fn end(&mut self, crash: Crash) {
        self.armed = None;
        let disk = match crash {
            Crash::PowerCut(survivors) | Crash::PowerCutAfter(_, survivors) => {
                self.disk.after_power_cut(survivors)
            }
            Crash::Stop => {
                if let Some(running) = self.running.as_mut() {
                    // A node that can't store any more stops all the same.
                    let _ = running.wind_down();
                }
                self.running = None;
                self.disk.after_kill()
            }
            Crash::Kill | Crash::DiskFault(..) => self.disk.after_kill(),
        };
        // Closing the index writes once more, to the disk of the past.
        self.running = None;
        self.disk = disk;
    }

    /// Has a disk operation bring about a crash.
    pub(super) fn arm(&mut self, crash: Crash) {
        let (steps, fault) = match crash {
            Crash::PowerCutAfter(steps, _) => (steps, jurat_store::Fault::PowerCut),
            Crash::DiskFault(steps, fault) => (steps, fault),
            _ => return,
        };
        let at = self.disk.steps() + steps;
        self.disk.set_faults(move |step| (step.number == at).then_some(fault));
        self.armed = Some(crash);
    }

    pub(super) fn disarm(&mut self) {
        if self.armed.take().is_some() {
            self.disk.set_faults(|_| None);
        }
    }

    pub(super) fn clock(&self, now: u64) -> Now {
        let started_at = self.running.as_ref().map_or(now, |running| running.started_at);
        Now { elapsed: now - started_at, wall: self.wall(now) }
    }

    /// Takes an event, and what has become due with it.
    pub(super) fn step(&mut self, now: u64, event: Event) -> Option<Effects> {
        let clock = self.clock(now);
        let running = self.running.as_mut()?;
        let core = &mut running.core;
        core.step(clock, event);
        if core.next_deadline() <= clock.elapsed {
            core.step(clock, Event::Tick);
        }
        let effects = core.take_effects();
        if let Some(history) = &effects.council {
            running.history.send_replace(history.clone());
        }
        Some(effects)
    }
}

/// What comes of a finished piece of work on the disk.
pub(super) enum Done {
    Released(Vec<Released<Ack>>),
    /// The disk failed or lost power: the node stops.
    Failed,
}

impl Running {
    /// When the core wants to be stepped, on the clock of the world.
    pub(super) fn deadline(&self) -> u64 {
        self.started_at.saturating_add(self.core.next_deadline())
    }

    pub(super) fn queue(&mut self, job: Job<Ack>) {
        self.jobs.push(job);
    }

    /// Begins to write what waits, if nothing is being written: one sync for all of it.
    pub(super) fn begin_writing(&mut self) -> bool {
        if self.writing.is_some() || self.jobs.is_empty() {
            return false;
        }
        self.writing = Some(std::mem::take(&mut self.jobs));
        true
    }

    /// The sync is over.
    pub(super) fn finish_writing(&mut self) -> Done {
        let jobs = self.writing.take().unwrap_or_default();
        write_jobs(&mut self.journal, &self.stats, jobs).map_or(Done::Failed, Done::Released)
    }

    /// Plans to store the log, unless that is under way.
    pub(super) fn plan_store(&mut self) -> Result<(), String> {
        if self.storing {
            return Ok(());
        }
        let state = self.core.state(self.core.ledger().ledger.stored_operations());
        let plan = self.core.ledger_mut().ledger.plan_flush(state).map_err(|error| error.to_string())?;
        if let Some(plan) = plan {
            self.storing = true;
            self.jobs.push(Job::Flush(plan));
        }
        Ok(())
    }

    pub(super) fn begin_flush(&mut self, plan: FlushPlan) {
        self.flush = Some(plan);
    }

    /// The flush is written: which sequence is stored by now. None if the disk failed.
    pub(super) fn finish_flush(&mut self) -> Option<Sequence> {
        let head = self.flush.take()?.write().ok()?;
        self.storing = false;
        Some(Sequence(head.sequence.unwrap_or(0)))
    }

    pub(super) fn journal_bytes(&self) -> u64 {
        self.stats.bytes.load(Ordering::Relaxed)
    }

    /// What a node does before it stops: all is written and stored. Nobody hears of it any more.
    fn wind_down(&mut self) -> Result<(), String> {
        let mut jobs = self.writing.take().unwrap_or_default();
        jobs.append(&mut self.jobs);
        let mut flushes: Vec<FlushPlan> = self.flush.take().into_iter().collect();
        loop {
            for released in write_jobs(&mut self.journal, &self.stats, std::mem::take(&mut jobs))? {
                if let Released::Flush(plan) = released {
                    flushes.push(plan);
                }
            }
            for plan in flushes.drain(..) {
                plan.write().map_err(|error| error.to_string())?;
            }
            self.storing = false;
            self.plan_store()?;
            if self.jobs.is_empty() {
                return Ok(());
            }
            jobs.append(&mut self.jobs);
        }
    }
}
