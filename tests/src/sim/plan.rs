//! What a seed stands for: the council, its weather, its traitors, and what goes wrong when.
//!
//! A plan is data. Printing it shows all that was drawn; leaving parts of it out makes a smaller
//! history of the same kind ([`shrink`](super::shrink())).

use std::{
    collections::{BTreeMap, btree_map::Entry},
    fmt,
    ops::RangeInclusive,
};

use jurat_pbft::{Config, max_faulty};
use jurat_store::{Fault, Survivors};

use super::{Plant, dice::Dice};

/// What kind of trouble a history is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scenario {
    /// Nothing but delay: what is checked in fair weather.
    Calm,
    /// Links break, stall, come and go, and fall into halves or one way.
    Links,
    /// Processes die and machines lose power at any disk operation.
    Crashes,
    /// Slow disks, failing disks, members that stand still for a while.
    Disks,
    /// Clocks that are off, or are set, within bounds and beyond.
    Clocks,
    /// As many traitors as can be.
    Traitors,
    /// Councils of any size up to 31, with a little of everything.
    Large,
    /// Members join and leave, traitors among them, while links break and processes die.
    Membership,
    /// All at once.
    Everything,
}

impl Scenario {
    /// All scenarios.
    pub const ALL: [Self; 9] = [
        Self::Calm,
        Self::Links,
        Self::Crashes,
        Self::Disks,
        Self::Clocks,
        Self::Traitors,
        Self::Large,
        Self::Membership,
        Self::Everything,
    ];

    /// Its name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Calm => "calm",
            Self::Links => "links",
            Self::Crashes => "crashes",
            Self::Disks => "disks",
            Self::Clocks => "clocks",
            Self::Traitors => "traitors",
            Self::Large => "large",
            Self::Membership => "membership",
            Self::Everything => "everything",
        }
    }

    /// The scenario of a name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scenario| scenario.name() == name)
    }

    /// Which scenario a seed is played in when none is asked for. Those that find most come most.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        const TURNS: [Scenario; 18] = [
            Scenario::Membership,
            Scenario::Everything,
            Scenario::Crashes,
            Scenario::Traitors,
            Scenario::Links,
            Scenario::Everything,
            Scenario::Crashes,
            Scenario::Disks,
            Scenario::Traitors,
            Scenario::Membership,
            Scenario::Everything,
            Scenario::Links,
            Scenario::Clocks,
            Scenario::Traitors,
            Scenario::Everything,
            Scenario::Crashes,
            Scenario::Calm,
            Scenario::Large,
        ];
        TURNS[usize::try_from(seed % TURNS.len() as u64).expect("below the number of turns")]
    }
}

impl fmt::Display for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a member breaks the rules (`consensus.md`, "Proof that it works").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Treason {
    /// Sends nothing any more from this time on.
    Silence(u64),
    /// Tells one half of the council something else: other batches, votes, states and roots.
    Equivocation,
    /// Sends nonsense: bytes, damaged frames, forged statements, false numbers and times.
    Garbage,
    /// Sends again what it heard, to anyone, at any time.
    Replay,
    /// Calls for views without cause, hides what it prepared, begins views with what does not
    /// follow.
    ForgedViews,
    /// Runs twice with one key; the others talk with one of the two.
    Twins,
    /// Forgets everything when it restarts.
    Amnesia,
}

impl Treason {
    const ALL: [Self; 7] = [
        Self::Silence(0),
        Self::Equivocation,
        Self::Garbage,
        Self::Replay,
        Self::ForgedViews,
        Self::Twins,
        Self::Amnesia,
    ];
}

/// What a process leaves behind when it ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Crash {
    /// It is asked to stop.
    Stop,
    /// It is killed; the machine runs on.
    Kill,
    /// The machine loses power.
    PowerCut(Survivors),
    /// The machine loses power during a disk operation: the one after so many.
    PowerCutAfter(u64, Survivors),
    /// A disk operation fails, the one after so many. The node must stop by itself.
    DiskFault(u64, Fault),
}

/// Something that goes wrong, and for how long.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    /// A member crashes and comes back after a while.
    Crash { member: usize, crash: Crash, down_for: u64 },
    /// A member's process stands still, as if stopped by its machine.
    Pause { member: usize, lasts: u64 },
    /// A link breaks, and is dialled again.
    Break { a: usize, b: usize },
    /// No link between these members and the rest. Silently: nobody is told, packets vanish.
    Partition { group: Vec<usize>, lasts: u64, silent: bool },
    /// The links between these members and the rest go down and come back, so many milliseconds each.
    Flap { group: Vec<usize>, every: u64, lasts: u64 },
    /// What one member sends does not arrive at another; the way back works.
    OneWay { from: usize, to: usize, lasts: u64 },
    /// Syncs of a member's disk take this long.
    SlowDisk { member: usize, sync: u64, lasts: u64 },
    /// A member's calendar is set forward or back by so many milliseconds, and set right later.
    Clock { member: usize, by: i64, lasts: u64 },
    /// The others turn to the other one of a traitor's two processes.
    Twist { member: usize },
}

/// A piece of trouble and when it comes, in milliseconds from the start.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) at: u64,
    pub(super) trouble: Trouble,
}

/// An entry that a client wants in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Submission {
    /// When, in milliseconds from the start.
    pub(super) at: u64,
    /// Which entry; two submissions of one entry come from two clients.
    pub(super) entry: u64,
    /// The member that is asked first.
    pub(super) via: usize,
    /// Whether the client leaves once a member said that it took the entry.
    pub(super) leaves: bool,
}

/// Who joins or leaves, by the id that it has or gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Membership {
    Joins(usize),
    Leaves(usize),
}

/// A change of the council that its operators want, once the ones before are made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted {
    /// The earliest time, in milliseconds from the start.
    pub(super) at: u64,
    pub(super) change: Membership,
}

/// Everything about a history that its small dice do not decide.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(super) seed: u64,
    pub(super) scenario: Scenario,
    pub(super) members: usize,
    pub(super) consensus: Config,
    /// Milliseconds that a frame travels.
    pub(super) latency: RangeInclusive<u64>,
    /// Frames in a thousand that find no room in an outbox.
    pub(super) loss: u64,
    /// Frames in a thousand that come twice.
    pub(super) duplication: u64,
    /// Milliseconds that a sync of the journal takes.
    pub(super) sync: RangeInclusive<u64>,
    /// How often the log is stored, in milliseconds.
    pub(super) store_interval: u64,
    /// Bytes of a journal that is worth shortening.
    pub(super) rotate_bytes: u64,
    /// How far each member's calendar is off, in milliseconds.
    pub(super) skews: Vec<i64>,
    pub(super) traitors: BTreeMap<usize, Treason>,
    pub(super) submissions: Vec<Submission>,
    pub(super) changes: Vec<Wanted>,
    pub(super) troubles: Vec<Planned>,
    /// When all trouble but treason ends, in milliseconds from the start.
    pub(super) calm_from: u64,
    /// A bug that the harness puts in, to see whether it is noticed.
    pub(super) plant: Option<Plant>,
}

/// How far two honest members' calendars may be apart, in milliseconds, half of it each way: well
/// within what members accept of each other.
const SKEW: u64 = 12_000;

impl Plan {
    /// The plan that follows from a seed.
    #[must_use]
    pub fn draw(seed: u64, scenario: Scenario) -> Self {
        let dice = &mut Dice::new(seed, scenario.name(), 0);
        let members = match scenario {
            Scenario::Large => 8 + dice.below(24),
            _ => dice.pick(&[4, 4, 4, 4, 5, 6, 7]),
        };
        // What a batch costs grows with the square of the council.
        let work = (6_000 / (members * members)).clamp(4, 90) as u64;
        let calm_from = dice.within(&(2_000..=4_000)) + work * dice.within(&(20..=150));
        let timeout = dice.pick(&[300, 1_000, 1_000, 2_000]);
        let interval = dice.pick(&[2, 4, 8, 32]);
        let consensus = Config {
            checkpoint_interval: interval,
            window: interval * dice.pick(&[2, 4]),
            max_in_flight: dice.pick(&[1, 2, 8]),
            max_batch_requests: dice.pick(&[1, 3, 2048]),
            batch_delay: dice.pick(&[0, 5, 50]),
            view_change_timeout: timeout,
            max_view_change_timeout: timeout * 8,
            ..Config::default()
        };
        let rough = matches!(scenario, Scenario::Links | Scenario::Everything) || dice.happens(200);
        let mut plan = Self {
            seed,
            scenario,
            members,
            consensus,
            latency: dice.pick(&[0..=1, 1..=3, 1..=30, 20..=120]),
            loss: if rough { dice.pick(&[0, 1, 20]) } else { 0 },
            duplication: if rough { dice.pick(&[0, 1, 50]) } else { 0 },
            sync: dice.pick(&[0..=1, 1..=4, 5..=40]),
            store_interval: dice.pick(&[200, 1_000, 3_000]),
            rotate_bytes: dice.pick(&[1, 10_000, 100_000]),
            skews: (0..members).map(|_| within_skew(dice)).collect(),
            traitors: BTreeMap::new(),
            submissions: Vec::new(),
            changes: Vec::new(),
            troubles: Vec::new(),
            calm_from,
            plant: None,
        };
        plan.draw_submissions(dice, work);
        let changes =
            scenario == Scenario::Membership || (scenario == Scenario::Everything && dice.happens(300));
        if changes {
            plan.draw_changes(dice);
        }
        if matches!(scenario, Scenario::Traitors | Scenario::Large | Scenario::Everything)
            || (changes && dice.happens(600))
        {
            plan.draw_traitors(dice);
        }
        plan.draw_troubles(dice);
        plan
    }

    /// How many members found the council.
    #[must_use]
    pub const fn members(&self) -> usize {
        self.members
    }

    /// How many are or become members.
    pub(super) fn all_members(&self) -> usize {
        let joins = |wanted: &&Wanted| matches!(wanted.change, Membership::Joins(_));
        self.members + self.changes.iter().filter(joins).count()
    }

    /// The councils that follow one another, by ids.
    fn councils(&self) -> Vec<Vec<usize>> {
        let mut councils = vec![(0..self.members).collect::<Vec<usize>>()];
        for wanted in &self.changes {
            let mut next = councils.last().cloned().unwrap_or_default();
            match wanted.change {
                Membership::Joins(member) => next.push(member),
                Membership::Leaves(left) => next.retain(|member| *member != left),
            }
            councils.push(next);
        }
        councils
    }

    /// Whether no council has more traitors than it survives.
    fn survives_traitors(&self) -> bool {
        let traitors = |council: &[usize]| council.iter().filter(|m| self.traitors.contains_key(m)).count();
        self.councils().iter().all(|council| traitors(council) <= max_faulty(council.len()))
    }

    fn draw_changes(&mut self, dice: &mut Dice) {
        let mut present: Vec<usize> = (0..self.members).collect();
        let mut next = self.members;
        let mut at = 0;
        for _ in 0..dice.within(&(1..=4)) {
            at += dice.within(&(1..=self.calm_from / 3));
            let change = if present.len() == 4 || (present.len() < 7 && dice.happens(500)) {
                present.push(next);
                next += 1;
                self.skews.push(within_skew(dice));
                Membership::Joins(next - 1)
            } else {
                Membership::Leaves(present.remove(dice.below(present.len())))
            };
            self.changes.push(Wanted { at: at.min(self.calm_from), change });
        }
    }

    fn draw_submissions(&mut self, dice: &mut Dice, work: u64) {
        let mut at = 50;
        for entry in 0..work {
            // In gushes rather than evenly, so that batches differ in size.
            at += if dice.happens(600) { 0 } else { dice.within(&(0..=2 * self.calm_from / work)) };
            let at = at.min(self.calm_from);
            let (via, leaves) = (dice.below(self.members), dice.happens(300));
            self.submissions.push(Submission { at, entry, via, leaves });
            if dice.happens(150) {
                let via = dice.below(self.members);
                self.submissions.push(Submission { at, entry, via, leaves: false });
            }
        }
    }

    fn draw_traitors(&mut self, dice: &mut Dice) {
        for _ in 0..max_faulty(self.members) {
            // The first primaries are worth most to a traitor. Others are let in later.
            let member = if dice.happens(500) { dice.below(2) } else { dice.below(self.all_members()) };
            let treason = match dice.pick(&Treason::ALL) {
                Treason::Silence(_) => Treason::Silence(dice.within(&(0..=self.calm_from))),
                other => other,
            };
            if let Entry::Vacant(place) = self.traitors.entry(member) {
                place.insert(treason);
                if !self.survives_traitors() {
                    self.traitors.remove(&member);
                }
            }
        }
        for (member, treason) in self.traitors.clone() {
            let count = match treason {
                Treason::Twins => dice.within(&(0..=8)),
                Treason::Amnesia => dice.within(&(1..=4)),
                _ => 0,
            };
            for _ in 0..count {
                let trouble = match treason {
                    Treason::Twins => Trouble::Twist { member },
                    _ => Trouble::Crash { member, crash: Crash::Kill, down_for: dice.within(&(1..=2_000)) },
                };
                self.troubles.push(Planned { at: dice.within(&(100..=self.calm_from)), trouble });
            }
        }
    }

    fn draw_troubles(&mut self, dice: &mut Dice) {
        let count = match self.scenario {
            Scenario::Calm => 0,
            Scenario::Traitors => dice.within(&(0..=3)),
            Scenario::Large => dice.within(&(0..=6)),
            _ => dice.within(&(2..=14)),
        };
        for _ in 0..count {
            let at = dice.within(&(0..=self.calm_from));
            let trouble = self.draw_trouble(dice);
            self.troubles.push(Planned { at, trouble });
        }
        self.troubles.sort_by_key(|planned| planned.at);
    }

    fn draw_trouble(&self, dice: &mut Dice) -> Trouble {
        let members = self.all_members();
        let (member, other) = (dice.below(members), dice.below(members - 1));
        let other = if other >= member { other + 1 } else { other };
        let lasts = dice.pick(&[10, 300, 2_000, 6_000, 12_000]);
        let lasts = dice.within(&(lasts / 2..=lasts));
        let kind = match self.scenario {
            Scenario::Links => dice.pick(&[0, 1, 2, 3, 4, 13, 13]),
            Scenario::Crashes => 5 + dice.below(3),
            Scenario::Disks => 7 + dice.below(4),
            Scenario::Clocks => dice.pick(&[6, 11, 11, 11, 12]),
            // A clock that is far off would stop who is needed for the quorum of a small council.
            Scenario::Membership => dice.pick(&[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 13]),
            _ => dice.below(14),
        };
        match kind {
            0 => Trouble::Break { a: member, b: other },
            1 | 2 => {
                let group: Vec<usize> =
                    (0..members).filter(|_| dice.happens(if kind == 1 { 500 } else { 250 })).collect();
                Trouble::Partition { group, lasts, silent: dice.happens(500) }
            }
            3 | 4 => Trouble::OneWay { from: member, to: other, lasts },
            5..=8 => Trouble::Crash { member, crash: draw_crash(dice, kind), down_for: lasts },
            9 => Trouble::SlowDisk { member, sync: dice.pick(&[50, 400, 3_000]), lasts },
            10 => Trouble::Pause { member, lasts },
            11 => Trouble::Clock { member, by: within_skew(dice), lasts },
            13 => {
                let halves = dice.happens(300);
                let group =
                    if halves { (0..members).filter(|_| dice.happens(500)).collect() } else { vec![member] };
                Trouble::Flap { group, every: dice.pick(&[20, 150, 700, 1_500]), lasts }
            }
            _ => {
                // One clock at a time: more than f of them that agree would be believed.
                let member = usize::try_from(self.seed % self.members as u64).unwrap_or(0);
                let by = dice.pick(&[40_000, 3_600_000]);
                Trouble::Clock { member, by: if dice.happens(500) { by } else { -by }, lasts }
            }
        }
    }

    /// The one line that plays it again.
    #[must_use]
    pub fn command(&self) -> String {
        format!("cargo xtask sim --seed {} --scenario {}", self.seed, self.scenario)
    }

    /// How much virtual time may pass after all trouble ended before everything that was sent is
    /// executed everywhere, in milliseconds. Up to f primaries in a row may be traitors, and
    /// timeouts have doubled up to their ceiling by then. What waits may fill many batches, of which
    /// so many are under way at once and each takes up to four messages from request to decision.
    pub(super) fn patience(&self) -> u64 {
        let faulty = max_faulty(self.members) as u64;
        let batches = self.submissions.len() / self.consensus.max_batch_requests + self.changes.len();
        let batch = 4 * (self.latency.end() + self.sync.end());
        let in_turn = (batches as u64).div_ceil(self.consensus.max_in_flight) * batch;
        30_000 + (2 * faulty + 4) * self.consensus.max_view_change_timeout + in_turn
    }
}

fn within_skew(dice: &mut Dice) -> i64 {
    let most = dice.pick(&[0, 500, SKEW / 2]);
    let by = i64::try_from(dice.within(&(0..=most))).unwrap_or(0);
    if dice.happens(500) { by } else { -by }
}

fn draw_crash(dice: &mut Dice, kind: usize) -> Crash {
    let seed = dice.number();
    let survivors = dice.pick(&[
        Survivors::Nothing,
        Survivors::Everything,
        Survivors::Prefix { seed },
        Survivors::Scattered { seed },
    ]);
    let steps = dice.pick(&[3, 20, 200]);
    let steps = dice.within(&(0..=steps));
    match kind {
        5 => dice.pick(&[Crash::Stop, Crash::Kill]),
        6 => Crash::PowerCut(survivors),
        7 => Crash::PowerCutAfter(steps, survivors),
        _ => Crash::DiskFault(steps, dice.pick(&[Fault::NoEffect, Fault::Unreported, Fault::DiskFull])),
    }
}

/// What was drawn, for people.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {}, scenario {}: {} members", self.seed, self.scenario, self.members)?;
        if let Some(plant) = self.plant {
            writeln!(f, "  planted       {plant:?}")?;
        }
        let c = &self.consensus;
        writeln!(
            f,
            "  consensus     checkpoint every {}, window {}, {} in flight, {} requests a batch, {} ms batch delay, \
             timeout {} ms",
            c.checkpoint_interval,
            c.window,
            c.max_in_flight,
            c.max_batch_requests,
            c.batch_delay,
            c.view_change_timeout
        )?;
        writeln!(
            f,
            "  links         {:?} ms, {} ‰ lost, {} ‰ twice",
            self.latency, self.loss, self.duplication
        )?;
        writeln!(
            f,
            "  disks         sync {:?} ms, store every {} ms, journal shortened at {} bytes",
            self.sync, self.store_interval, self.rotate_bytes
        )?;
        writeln!(f, "  clocks        {:?} ms off", self.skews)?;
        for (member, treason) in &self.traitors {
            writeln!(f, "  traitor       {member}: {treason:?}")?;
        }
        let entries: Vec<String> =
            self.submissions.iter().take(12).map(|s| format!("{}@{}ms→{}", s.entry, s.at, s.via)).collect();
        let more = if self.submissions.len() > entries.len() { " ..." } else { "" };
        writeln!(f, "  submissions   {}: {}{more}", self.submissions.len(), entries.join(" "))?;
        for Wanted { at, change } in &self.changes {
            writeln!(f, "  {at:>6} ms     {change:?}")?;
        }
        for Planned { at, trouble } in &self.troubles {
            writeln!(f, "  {at:>6} ms     {trouble:?}")?;
        }
        write!(f, "  {:>6} ms     calm", self.calm_from)
    }
}
