//! A council in virtual time: what happens next, and what comes of it.

use std::{
    cmp::{Ordering, Reverse},
    collections::{BTreeSet, BinaryHeap},
    hash::{DefaultHasher, Hasher as _},
    sync::Arc,
};

use jurat::{
    core::{CouncilHistory, Effects, Event, Genesis, Member, MemberName, Sealed, Standing, check_entries},
    runtime::{Job, Released},
};
use jurat_crypto::Seed;
use jurat_log::{LeafIndex, Origin};
use jurat_pbft::{Epoch, ReplicaId};

use super::{
    clients::Clients,
    dice::Dice,
    invariants::{AgreedLog, Facts, Invariants, Liveness, Stepped, Violation},
    invariants::{refused_to_start, stopped},
    links::{Bytes, LinkId, Links},
    plan::{Crash, Plan, Treason},
    plant::Plant,
    process::{Ack, Done, NotStarted, Process, Setting},
    seen::Seen,
    trace::Trace,
    treason::Traitor,
};

/// Something that happens at a time.
#[expect(clippy::large_enum_variant, reason = "most of what happens is of the largest kind")]
pub(super) enum Happening {
    /// A piece of trouble begins, or is over.
    Trouble(usize),
    Over(usize),
    /// Links that come and go do the one or the other.
    Flap(usize),
    /// All trouble is over.
    Calm,
    /// A client asks, for the first time or again.
    Submit(usize),
    /// Operators look after the next change of the council.
    Change,
    /// A process is started.
    Start(usize),
    /// Something within a life of a process.
    Node(usize, u32, Inner),
    /// The two ends try to connect.
    Connect(LinkId),
    /// An end learns that a link is up or down, of this epoch.
    Up(LinkId, usize, u64),
    Down(LinkId, usize, u64),
    /// A connection of this epoch breaks.
    Broken(LinkId, u64),
    /// A connection of this epoch is given up if nothing gets through.
    Silence(LinkId, u64),
    /// A frame arrives.
    Frame {
        link: LinkId,
        epoch: u64,
        to: usize,
        bytes: Bytes,
    },
    /// A traitor does something of its own accord.
    Treason(usize),
}

impl Happening {
    /// The process that it happens within.
    const fn process(&self) -> Option<usize> {
        match self {
            Self::Node(process, ..)
            | Self::Up(_, process, _)
            | Self::Down(_, process, _)
            | Self::Frame { to: process, .. }
            | Self::Treason(process) => Some(*process),
            _ => None,
        }
    }
}

/// Something within a life of a process.
#[expect(clippy::large_enum_variant, reason = "most of what happens is of the largest kind")]
pub(super) enum Inner {
    Wake,
    Store,
    JournalDone,
    FlushDone,
    Step(Event),
}

struct Scheduled {
    at: u64,
    number: u64,
    what: Happening,
}

impl Ord for Scheduled {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.number).cmp(&(other.at, other.number))
    }
}

impl PartialOrd for Scheduled {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scheduled {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scheduled {}

/// How often a traitor does something of its own accord, in milliseconds.
pub(super) const TREASON_INTERVAL: u64 = 37;
/// How often it is looked whether everything is done once trouble is over, in milliseconds.
const LOOK_INTERVAL: u64 = 100;

/// A history under way.
pub(super) struct World {
    pub(super) setting: Setting,
    pub(super) now: u64,
    queue: BinaryHeap<Reverse<Scheduled>>,
    scheduled: u64,
    pub(super) processes: Vec<Process>,
    pub(super) links: Links,
    /// Which process of a twin each process talks with.
    pub(super) turned: BTreeSet<(usize, ReplicaId)>,
    pub(super) traitors: Vec<Option<Traitor>>,
    pub(super) clients: Clients,
    log: AgreedLog,
    /// All councils up to the last that an honest member knows.
    pub(super) history: Arc<CouncilHistory>,
    pub(super) invariants: Invariants,
    pub(super) trace: Trace,
    pub(super) violation: Option<Violation>,
    pub(super) dice: Dice,
    pub(super) active: BTreeSet<usize>,
    /// Trouble with links that come and go, while they are gone.
    pub(super) flapped: BTreeSet<usize>,
    pub(super) seen: Seen,
    /// Of everything that arrived, when and where.
    pub(super) arrivals: DefaultHasher,
    steps: u64,
}

/// What became of a history.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The rule that was broken first, if any was.
    pub violation: Option<Violation>,
    /// What a person may want to read, if it was asked for.
    pub trace: Vec<String>,
    /// Stands for everything that happened: equal histories have equal numbers.
    pub history: u64,
    /// How many things happened.
    pub steps: u64,
    /// Entries in the log at the end.
    pub entries: u64,
    /// Milliseconds of virtual time.
    pub took: u64,
    /// Milliseconds from the end of trouble until everything was done.
    pub settled_after: Option<u64>,
    /// Ingredients that came up, and how often.
    pub seen: Seen,
}

fn setting(plan: Plan) -> Setting {
    let origin = Origin::new("council.example/log").expect("an origin");
    let seed = |i: usize| {
        let digest = jurat_crypto::Digest::of(format!("member {i}").as_bytes());
        Seed::from_bytes(*digest.as_bytes())
    };
    let seeds: Vec<Seed> = (0..plan.all_members()).map(seed).collect();
    let member = |(i, seed): (usize, &Seed)| {
        let name = MemberName::new(format!("m{i}")).expect("a name");
        Member::of_seed(name, &origin, seed).expect("a member")
    };
    let members = seeds.iter().take(plan.members).enumerate().map(member).collect();
    let genesis = Genesis::new(origin.clone(), members).expect("a genesis");
    let council = genesis.council().expect("a council");
    Setting { plan, genesis, council, seeds }
}

impl World {
    /// Plays a plan to its end.
    pub(super) fn play(plan: Plan, trace: bool) -> Outcome {
        let mut world = Self::new(plan, trace);
        let settled_after = world.run();
        let entries = world.log.tree.size().value();
        world.trace.note(world.now, || match &world.violation {
            Some(violation) => format!("VIOLATED {violation}"),
            None => format!("all is done: {entries} entries"),
        });
        Outcome {
            violation: world.violation,
            trace: world.trace.into_lines(),
            history: world.arrivals.finish(),
            steps: world.steps,
            entries,
            took: world.now,
            settled_after,
            seen: world.seen,
        }
    }

    fn new(plan: Plan, trace: bool) -> Self {
        let mut members: Vec<usize> = (0..plan.all_members()).collect();
        members
            .extend(plan.traitors.iter().filter(|(_, t)| **t == Treason::Twins).map(|(member, _)| *member));
        let id = |member: usize| ReplicaId(u16::try_from(member).expect("few members"));
        let processes = members.iter().map(|member| Process::new(id(*member), plan.skews[*member])).collect();
        let pairs: Vec<LinkId> = (0..members.len())
            .flat_map(|a| (a + 1..members.len()).map(move |b| LinkId(a, b)))
            .filter(|link| members[link.0] != members[link.1])
            .collect();
        let links = Links::new(plan.seed, pairs.into_iter());
        let setting = setting(plan);
        let traitors = members.iter().enumerate().map(|(process, member)| {
            let treason = setting.plan.traitors.get(member)?;
            Some(Traitor::new(&setting, process, id(*member), *treason))
        });
        let history = CouncilHistory::new(setting.genesis.clone()).expect("a council");
        let founders = setting.plan.members;
        let mut world = Self {
            now: 0,
            queue: BinaryHeap::new(),
            scheduled: 0,
            processes,
            links,
            turned: BTreeSet::new(),
            traitors: traitors.collect(),
            clients: Clients::new(&setting),
            log: AgreedLog::default(),
            history: Arc::new(history),
            invariants: Invariants::new(),
            trace: Trace::new(trace),
            violation: None,
            dice: Dice::new(setting.plan.seed, "world", 0),
            active: BTreeSet::new(),
            flapped: BTreeSet::new(),
            seen: Seen::default(),
            arrivals: DefaultHasher::new(),
            steps: 0,
            setting,
        };
        for i in 0..world.setting.plan.troubles.len() {
            world.at(world.setting.plan.troubles[i].at, Happening::Trouble(i));
        }
        for i in 0..world.setting.plan.submissions.len() {
            world.at(world.setting.plan.submissions[i].at, Happening::Submit(i));
        }
        world.at(world.setting.plan.changes.first().map_or(0, |change| change.at), Happening::Change);
        for process in 0..world.processes.len() {
            if (0..founders).contains(&usize::from(world.processes[process].member.0)) {
                world.at(0, Happening::Start(process));
            }
            if world.traitors[process].is_some() {
                world.at(TREASON_INTERVAL, Happening::Treason(process));
            }
        }
        world.at(world.setting.plan.calm_from, Happening::Calm);
        world
    }

    /// Runs until everything is done after trouble ended, or a rule is broken. Says how long that
    /// took.
    fn run(&mut self) -> Option<u64> {
        let (calm_from, patience) = (self.setting.plan.calm_from, self.setting.plan.patience());
        let mut look = calm_from + LOOK_INTERVAL;
        while self.violation.is_none() {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            if next.at >= look {
                self.now = look;
                match self.lacks() {
                    None => {
                        self.check_end();
                        return Some(look - calm_from);
                    }
                    Some(lack) if look > calm_from + patience => {
                        let what = format!("{lack}, {patience} ms after all trouble ended");
                        let violation = Liveness::violated(&what, &self.honest_cores());
                        self.violation = Some(violation);
                        return None;
                    }
                    Some(_) => look += LOOK_INTERVAL,
                }
                self.queue.push(Reverse(next));
                continue;
            }
            self.now = next.at;
            self.steps += 1;
            self.happen(next.what);
        }
        None
    }

    pub(super) fn at(&mut self, at: u64, what: Happening) {
        self.scheduled += 1;
        self.queue.push(Reverse(Scheduled { at: at.max(self.now), number: self.scheduled, what }));
    }

    pub(super) fn after(&mut self, delay: u64, what: Happening) {
        self.at(self.now + delay, what);
    }

    /// A time from this range, by the dice of the world.
    pub(super) fn soon(&mut self, range: std::ops::RangeInclusive<u64>) -> u64 {
        self.now + self.dice.within(&range)
    }

    /// A number below another, by the dice of the world.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.dice.below(bound)
    }

    /// The honest members of the last council that run.
    fn honest_cores(&self) -> Vec<&jurat::core::Core<super::plant::Tampered>> {
        let is_member = |id| self.history.council().contains(id) && self.setting.is_honest(id);
        let honest = self.processes.iter().filter(|process| is_member(process.member));
        honest.filter_map(Process::core).collect()
    }

    pub(super) fn facts(&self) -> Facts<'_> {
        Facts { setting: &self.setting, log: &self.log, history: &self.history, now: self.now }
    }

    fn lacks(&self) -> Option<String> {
        let promised = self.clients.promised();
        let members = self.history.council().members();
        let honest = members.filter(|id| self.setting.is_honest(*id)).count();
        let left = self.processes.iter().filter(|process| {
            let seat = self.history.seat(process.member);
            seat.is_some_and(|seat| seat.left.is_some()) && self.setting.is_honest(process.member)
        });
        if let Some(unaware) = left.filter_map(Process::core).find(|core| core.standing() != Standing::Former)
        {
            return Some(format!("member {} does not know that it was removed", unaware.replica().id()));
        }
        let liveness = Liveness { promised: &promised, waiting: self.clients.waiting(), honest };
        liveness.lacks(&self.facts(), &self.honest_cores())
    }

    fn check_end(&mut self) {
        let mut invariants = std::mem::replace(&mut self.invariants, Invariants::none());
        let verdict = invariants.ended(&self.facts(), &self.honest_cores());
        self.judge(verdict);
    }

    pub(super) fn judge(&mut self, verdict: Result<(), Violation>) {
        if let Err(violation) = verdict {
            self.violation.get_or_insert(violation);
        }
    }

    fn happen(&mut self, what: Happening) {
        // What happens to a process that stands still happens when it goes on.
        if let Some(until) = what.process().map(|process| self.processes[process].paused_until)
            && until > self.now
        {
            return self.at(until, what);
        }
        match what {
            Happening::Trouble(i) => self.begin_trouble(i),
            Happening::Over(i) => self.end_trouble(i),
            Happening::Flap(i) => self.flap(i),
            Happening::Calm => self.calm_down(),
            Happening::Submit(i) => self.submit(i),
            Happening::Change => self.change_council(),
            Happening::Start(process) => self.start(process),
            Happening::Node(process, life, inner) => self.on_inner(process, life, inner),
            Happening::Connect(link) => self.connect(link),
            Happening::Up(link, end, epoch) => self.on_up(link, end, epoch),
            Happening::Down(link, end, epoch) => self.on_down(link, end, epoch),
            Happening::Broken(link, epoch) => self.on_broken(link, epoch),
            Happening::Silence(link, epoch) => self.on_silence(link, epoch),
            Happening::Frame { link, epoch, to, bytes } => self.on_frame(link, epoch, to, &bytes),
            Happening::Treason(process) => self.act(process),
        }
    }

    fn start(&mut self, p: usize) {
        if self.processes[p].running.is_some() {
            return;
        }
        match self.processes[p].start(self.now, &self.setting) {
            Ok(effects) => {
                let (member, life) = (self.processes[p].member, self.processes[p].life);
                let size = self.processes[p].core().map_or(0, |core| core.view().head.0.value());
                self.trace.note(self.now, || format!("member {member} starts with {size} entries"));
                self.extend_log(p, &effects);
                self.learn_from(p, &effects);
                if self.setting.is_honest(member) {
                    let mut invariants = std::mem::replace(&mut self.invariants, Invariants::none());
                    if let Some(core) = self.processes[p].core() {
                        let verdict = invariants.started(&self.facts(), member, core);
                        self.judge(verdict);
                    }
                    self.invariants = invariants;
                }
                self.carry_out(p, effects, Vec::new());
                let store = self.dice.within(&(1..=self.setting.plan.store_interval));
                self.after(store, Happening::Node(p, life, Inner::Store));
                for link in self.links.of(p) {
                    let at = self.soon(1..=30);
                    self.at(at, Happening::Connect(link));
                }
            }
            // Somebody sets the clock, or turns the power on again.
            Err(NotStarted::Clock) => self.after(500, Happening::Start(p)),
            Err(NotStarted::Power) => self.after(100, Happening::Start(p)),
            Err(NotStarted::Refused(why)) => {
                let member = self.processes[p].member;
                if self.setting.is_honest(member) {
                    self.judge(Err(refused_to_start(member, &why)));
                }
            }
        }
    }

    /// A process ends now; who talks with it learns of it a little later.
    pub(super) fn end(&mut self, p: usize, crash: Crash) {
        if self.processes[p].running.is_none() {
            return;
        }
        let member = self.processes[p].member;
        self.trace.note(self.now, || format!("member {member} ends: {crash:?}"));
        self.processes[p].end(crash);
        if self.setting.plan.traitors.get(&usize::from(member.0)) == Some(&Treason::Amnesia) {
            self.processes[p].disk = jurat_store::MemFs::new();
        }
        for id in self.links.of(p) {
            self.links.set_knows(id, p, false);
            // What it sent before may still arrive.
            let broken = self.soon(0..=20);
            if let Some(link) = self.links.link(id) {
                let epoch = link.epoch;
                self.at(broken, Happening::Broken(id, epoch));
            }
        }
    }

    fn on_inner(&mut self, p: usize, life: u32, inner: Inner) {
        if self.processes[p].life != life || self.processes[p].running.is_none() {
            return;
        }
        match inner {
            Inner::Wake => {
                let due = |process: &Process| process.running.as_ref().and_then(|running| running.wake_at);
                if due(&self.processes[p]).is_some_and(|at| at <= self.now) {
                    if let Some(running) = &mut self.processes[p].running {
                        running.wake_at = None;
                    }
                    self.step(p, Event::Tick, Vec::new());
                }
            }
            Inner::Step(event) => self.step(p, event, Vec::new()),
            Inner::Store => {
                let planned = self.processes[p].running.as_mut().map(super::process::Running::plan_store);
                if matches!(planned, Some(Err(_))) {
                    return self.disk_failed(p);
                }
                self.begin_writing(p);
                self.after(self.setting.plan.store_interval, Happening::Node(p, life, Inner::Store));
            }
            Inner::JournalDone => self.on_journal_done(p),
            Inner::FlushDone => self.on_flush_done(p),
        }
    }

    /// A node takes an event; `acks` wait for its records.
    pub(super) fn step(&mut self, p: usize, event: Event, acks: Vec<Ack>) {
        let Some(effects) = self.processes[p].step(self.now, event) else { return };
        self.extend_log(p, &effects);
        self.learn_from(p, &effects);
        self.carry_out(p, effects, acks);
    }

    /// What is executed first is the one log.
    fn extend_log(&mut self, p: usize, effects: &Effects) {
        let Some(core) = self.processes[p].core() else { return };
        let reader = core.ledger().ledger.reader();
        for (leaves, size) in &effects.executed {
            let first = size.value() - leaves.len() as u64;
            for (index, leaf) in (first..).zip(leaves) {
                if index == self.log.leaves.len() as u64 {
                    let logged = LeafIndex::new(index).map(|index| reader.leaf_hash(index));
                    self.log.leaves.push(*leaf);
                    // One that was refused has another hash as a leaf than by its name.
                    self.log.tree.append(logged.expect("a small log").expect("what was just appended"));
                }
            }
        }
    }

    fn learn_from(&mut self, p: usize, effects: &Effects) {
        if let Some(history) = &effects.council {
            self.learn_history(p, history);
        }
    }

    fn carry_out(&mut self, p: usize, mut effects: Effects, acks: Vec<Ack>) {
        let member = self.processes[p].member;
        let plant = self.setting.plan.plant.filter(|plant| plant.is_in(member));
        Plant::tamper_with_evidence(plant, &self.setting, &mut effects.evidence);
        let is_honest = self.setting.is_honest(member);
        if plant == Some(Plant::FormerCosigner) && effects.certified.is_some() {
            self.let_former_cosign(p);
        }
        if is_honest {
            self.observe(p, &effects);
        }
        self.note_view(p);
        let Effects { records, frames, sealed, check, executed, refused, certified, evidence, halt, .. } =
            effects;
        for proof in &evidence {
            let culprit = proof.culprit();
            self.seen.note("pieces of evidence");
            if proof.epoch() > Epoch(0) {
                self.seen.note("pieces of evidence of later epochs");
            }
            self.trace.note(self.now, || format!("member {member} has evidence against {culprit}"));
        }
        if is_honest {
            for (leaf, reason) in &refused {
                self.trace.note(self.now, || format!("member {member} refuses {leaf}: {reason}"));
            }
        }
        for (leaves, size) in &executed {
            self.trace
                .note(self.now, || format!("member {member} executes {} entries: {size}", leaves.len()));
        }
        if let Some(halt) = halt {
            self.trace.note(self.now, || format!("member {member} stops: {halt}"));
            if is_honest {
                let verdict = stopped(&self.facts(), member, &halt);
                self.judge(verdict);
            }
            self.end(p, Crash::Kill);
            self.after(1_000, Happening::Start(p));
            return;
        }
        let (hasty, sealed): (Vec<_>, Vec<_>) =
            sealed.into_iter().partition(|sealed| Plant::is_hasty(plant, sealed));
        for sealed in hasty {
            if let Sealed::Send(to, frame) = sealed {
                self.send(p, to, &frame);
            }
        }
        if (!records.is_empty() || !sealed.is_empty() || !acks.is_empty())
            && let Some(running) = &mut self.processes[p].running
        {
            running.queue(Job::Write { records, sealed, acks });
        }
        self.begin_writing(p);
        for (to, frame) in frames {
            self.send(p, to, &frame);
        }
        let life = self.processes[p].life;
        for (from, entries) in check {
            let count = entries.len();
            let verdicts = check_entries(entries, self.setting.genesis.network(), self.dice.fork());
            let entries: Vec<_> = verdicts.into_iter().flatten().collect();
            let event = Event::Checked { from, refused: count - entries.len(), entries };
            let at = self.soon(0..=3);
            self.at(at, Happening::Node(p, life, Inner::Step(event)));
        }
        if certified.is_some() {
            self.hand_out_receipts(p);
        }
        self.wake_in_time(p);
    }

    fn observe(&mut self, p: usize, effects: &Effects) {
        let mut invariants = std::mem::replace(&mut self.invariants, Invariants::none());
        if let Some(core) = self.processes[p].core() {
            let stepped = Stepped { member: self.processes[p].member, core, effects };
            let verdict = invariants.stepped(&self.facts(), &stepped);
            self.judge(verdict);
        }
        self.invariants = invariants;
    }

    fn note_view(&mut self, p: usize) {
        let process = &mut self.processes[p];
        let Some(replica) = process.core().map(jurat::core::Core::replica) else { return };
        let (member, view) = (replica.id(), (replica.view(), replica.is_changing_view()));
        if process.view != view {
            process.view = view;
            let does = if view.1 { "calls for" } else { "begins" };
            self.trace.note(self.now, || format!("member {member} {does} view {}", view.0));
        }
    }

    fn wake_in_time(&mut self, p: usize) {
        let (now, life) = (self.now, self.processes[p].life);
        let Some(running) = &mut self.processes[p].running else { return };
        let due = running.deadline().max(now + 1);
        if running.wake_at.is_none_or(|at| due < at) {
            running.wake_at = Some(due);
            self.at(due, Happening::Node(p, life, Inner::Wake));
        }
    }

    fn begin_writing(&mut self, p: usize) {
        let Some(running) = &mut self.processes[p].running else { return };
        if running.begin_writing() {
            let sync = self.setting.plan.sync.clone();
            let takes = self.processes[p].slow_sync.unwrap_or_else(|| self.dice.within(&sync));
            self.after(takes, Happening::Node(p, self.processes[p].life, Inner::JournalDone));
        }
    }

    fn on_journal_done(&mut self, p: usize) {
        let Some(running) = &mut self.processes[p].running else { return };
        let Done::Released(released) = running.finish_writing() else { return self.disk_failed(p) };
        let life = self.processes[p].life;
        for released in released {
            match released {
                Released::Sealed(sealed, acks) => {
                    for sealed in sealed {
                        match sealed {
                            Sealed::Send(to, frame) => self.send(p, to, &frame),
                            Sealed::Back(event) => self.step(p, event, Vec::new()),
                        }
                    }
                    for ack in acks {
                        self.acknowledged(p, ack);
                    }
                }
                Released::Flush(plan) => {
                    if let Some(running) = &mut self.processes[p].running {
                        running.begin_flush(plan);
                        let at = self.soon(1..=50);
                        self.at(at, Happening::Node(p, life, Inner::FlushDone));
                    }
                }
            }
            if self.processes[p].life != life || self.processes[p].running.is_none() {
                return;
            }
        }
        self.begin_writing(p);
    }

    fn on_flush_done(&mut self, p: usize) {
        let Some(running) = &mut self.processes[p].running else { return };
        let Some(sequence) = running.finish_flush() else { return self.disk_failed(p) };
        let life = self.processes[p].life;
        self.step(p, Event::Stored(sequence), Vec::new());
        let plant = self.setting.plan.plant.filter(|plant| plant.is_in(self.processes[p].member));
        if self.processes[p].life != life {
            return;
        }
        let Some(running) = &mut self.processes[p].running else { return };
        if running.journal_bytes() > self.setting.plan.rotate_bytes {
            let records = running.core.live_records();
            let records = if plant == Some(Plant::EmptyRotation) { Vec::new() } else { records };
            running.queue(Job::Rotate(records));
            self.begin_writing(p);
        }
    }

    /// A node whose disk fails stops, by itself or with its machine.
    fn disk_failed(&mut self, p: usize) {
        let crash = self.processes[p].armed.unwrap_or(Crash::Kill);
        if self.processes[p].armed.is_none() {
            let member = self.processes[p].member;
            self.judge(Err(refused_to_start(member, "its disk works, and it can't write")));
        }
        let twice = matches!(crash, Crash::PowerCutAfter(steps, _) if steps % 3 == 0);
        self.end(p, crash);
        // The power may go again while it starts.
        if let Crash::PowerCutAfter(steps, survivors) = crash
            && twice
        {
            self.processes[p].arm(Crash::PowerCutAfter(steps / 3, survivors));
        }
    }
}
