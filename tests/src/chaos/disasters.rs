//! The disasters: each strikes a council under load, lasts for a while, and is over; then all members
//! serve again.

use std::{
    ops::Range,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt, rngs::StdRng};

use super::{
    disk::{Disk, wipe},
    figures::Outcome,
    network::Network,
};
use crate::{Council, Load, wait::until_within};

/// How long a council may take to go on: view changes in a row, with doubled timeouts, included.
const DEADLINE: Duration = Duration::from_secs(30);
/// How often a wait looks.
const LOOK: Duration = Duration::from_millis(5);
/// How long a line that flaps stays as it is, in milliseconds.
const FLAP: Range<u64> = 100..600;
/// The member whose disk can be full.
pub(super) const DISK_MEMBER: usize = 3;
/// How much further its stable checkpoint must be until a member that lost its promises counts as
/// sound again: the window of sequences, as docs/operating.md has it.
const FORGOTTEN: u64 = 128;

/// What a status calls the sequence of the last stable checkpoint.
const STABLE: &str = "stable_sequence";

/// Something that befalls a council.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disaster {
    /// SIGKILL of the primary.
    PrimaryKilled,
    /// SIGKILL of any member.
    MemberKilled,
    /// SIGKILL of all members at once.
    AllKilled,
    /// SIGSTOP of the primary, for longer than a view-change timeout.
    PrimaryPaused,
    /// SIGSTOP of any member.
    MemberPaused,
    /// Nothing reaches the primary from other members, nor they it.
    PrimaryCutOff,
    /// The same for any member.
    MemberCutOff,
    /// Two and two.
    Halves,
    /// What some member sends, or what is sent to it, vanishes; to all others, or to one.
    OneWay,
    /// One way after the other between two members is cut and mended.
    Flapping,
    /// What one or two members send is delayed and lost.
    ThinLines,
    /// A member can't write any more, and stops.
    FullDisk,
    /// A member comes back without any of its data.
    LostDisk,
}

impl Disaster {
    /// How it is called in figures.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::PrimaryKilled => "primary killed",
            Self::MemberKilled => "member killed",
            Self::AllKilled => "all killed",
            Self::PrimaryPaused => "primary paused",
            Self::MemberPaused => "member paused",
            Self::PrimaryCutOff => "primary cut off",
            Self::MemberCutOff => "member cut off",
            Self::Halves => "cut in halves",
            Self::OneWay => "one way cut",
            Self::Flapping => "flapping",
            Self::ThinLines => "delay and loss",
            Self::FullDisk => "disk full",
            Self::LostDisk => "data directory removed",
        }
    }

    /// Whether it befalls networks, which only a run in namespaces has.
    pub(super) const fn needs_network(self) -> bool {
        matches!(
            self,
            Self::PrimaryCutOff
                | Self::MemberCutOff
                | Self::Halves
                | Self::OneWay
                | Self::Flapping
                | Self::ThinLines
        )
    }

    const fn strikes_primary(self) -> bool {
        matches!(self, Self::PrimaryKilled | Self::PrimaryPaused | Self::PrimaryCutOff)
    }
}

/// A council under load that disasters strike.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) load: Load,
    pub(super) council: Arc<Council>,
    /// None in a run without namespaces.
    pub(super) network: Option<Network>,
    pub(super) disk: Disk,
    /// How long disasters last, in milliseconds.
    pub(super) lasting: Range<u64>,
}

impl Scene {
    /// Lets a disaster strike, last and pass; whom it struck, and what it did to the service.
    pub(super) fn strike(&self, disaster: Disaster, rng: &mut StdRng) -> (String, Outcome) {
        let members = self.council.members();
        let lasting = Duration::from_millis(rng.random_range(self.lasting.clone()));
        let mut victim = rng.random_range(0..members.len());
        if disaster.strikes_primary() {
            victim = self.primary();
        } else if disaster == Disaster::FullDisk {
            victim = DISK_MEMBER;
        }
        let (struck, mut lost) = (Instant::now(), 0);
        match disaster {
            Disaster::PrimaryKilled | Disaster::MemberKilled => {
                self.council.kill(victim);
                self.last(struck, lasting);
                self.council.run(victim);
            }
            Disaster::AllKilled => {
                (0..members.len()).for_each(|member| self.council.kill(member));
                (0..members.len()).for_each(|member| self.council.run(member));
            }
            Disaster::PrimaryPaused | Disaster::MemberPaused => {
                self.council.pause(victim);
                self.last(struck, lasting);
                self.council.resume(victim);
            }
            Disaster::FullDisk => {
                self.disk.fill(&self.council, victim);
                self.assert_stops_for_its_disk(victim);
                self.last(struck, lasting);
                self.disk.make_room();
                self.council.run(victim);
            }
            Disaster::LostDisk => {
                self.council.kill(victim);
                wipe(&members[victim].dir.join("data"));
                lost = self.told("log_size").into_iter().max().unwrap_or(0);
                self.council.run(victim);
            }
            _ => {
                let network = self.network.as_ref().expect("a run in namespaces");
                self.strike_network(network, disaster, victim, rng, (struck, lasting));
                network.heal();
            }
        }
        let over = Instant::now();
        let noted = self.told(STABLE).into_iter().max().unwrap_or(0);
        self.catch_up(victim, lost);
        let recovered = self.recover(over);
        // Two halves can order nothing, and owe nothing until they are one again.
        let owed = if disaster == Disaster::Halves { over } else { struck };
        let silence = self.load.longest_silence(owed, recovered);
        if disaster == Disaster::LostDisk {
            // Another disk lost before would be one fault too many.
            until_within(DEADLINE, "what was forgotten not to matter", || {
                let stable = self.told(STABLE)[victim];
                if stable >= noted + FORGOTTEN { Ok(()) } else { Err(format!("{stable} after {noted}")) }
            });
        }
        let whom = match (disaster, &members[victim].name) {
            (Disaster::AllKilled, _) => "all".into(),
            (Disaster::LostDisk, name) => format!("{name}, {lost} entries behind"),
            (_, name) => name.clone(),
        };
        (whom, Outcome { silence, recovery: recovered - over })
    }

    fn strike_network(
        &self,
        network: &Network,
        disaster: Disaster,
        victim: usize,
        rng: &mut StdRng,
        (struck, lasting): (Instant, Duration),
    ) {
        let members = self.council.members().len();
        let others: Vec<usize> = (0..members).filter(|member| *member != victim).collect();
        let other = others[rng.random_range(0..others.len())];
        match disaster {
            Disaster::Halves => {
                for there in others.iter().copied().filter(|there| *there != other) {
                    for here in [victim, other] {
                        network.cut(here, there);
                        network.cut(there, here);
                    }
                }
                let cut = Instant::now();
                self.endure(struck, lasting);
                return self.assert_silent_since(cut, 0..members);
            }
            Disaster::OneWay => match rng.random_range(0..3) {
                0 => others.iter().for_each(|other| network.cut(victim, *other)),
                1 => others.iter().for_each(|other| network.cut(*other, victim)),
                _ => network.cut(victim, other),
            },
            Disaster::Flapping => {
                let (mut from, mut to) = (victim, other);
                while struck.elapsed() < lasting {
                    network.cut(from, to);
                    let still = Duration::from_millis(rng.random_range(FLAP));
                    self.endure(Instant::now(), still);
                    network.heal();
                    from = rng.random_range(0..members);
                    to = (from + rng.random_range(1..members)) % members;
                }
            }
            Disaster::ThinLines => {
                network.make_thin(victim);
                if rng.random() {
                    network.make_thin(other);
                }
            }
            _ => {
                for other in others {
                    network.cut(victim, other);
                    network.cut(other, victim);
                }
                let cut = Instant::now();
                self.last(struck, lasting);
                return self.assert_silent_since(cut, [victim]);
            }
        }
        self.last(struck, lasting);
    }

    /// Members without a quorum certify nothing; if one does, it does so alone, or the cut is none.
    fn assert_silent_since(&self, cut: Instant, members: impl IntoIterator<Item = usize>) {
        let serving = self.load.serving_since(cut);
        for member in members {
            let name = &self.council.members()[member].name;
            assert!(!serving.contains(&member), "{name} certified without a quorum");
        }
    }

    /// The primary, once a quorum is in its view. A member that called for the next view alone waits
    /// for the others there, and need not be asked.
    fn primary(&self) -> usize {
        let members = self.council.members().len();
        let quorum = members - (members - 1) / 3;
        let asked = until_within(DEADLINE, "one primary", || {
            let view = |member| {
                let status = self.council.status(member)?;
                (status["changing_view"] == false).then(|| status["view"].as_u64())
            };
            let views: Vec<_> = (0..members).map(view).collect();
            let agree = |asked: &usize| {
                views[*asked].is_some()
                    && views.iter().filter(|view| **view == views[*asked]).count() >= quorum
            };
            (0..members).find(agree).ok_or_else(|| format!("{views:?}"))
        });
        self.council.primary(asked)
    }

    /// Lets a disaster last; meanwhile a quorum goes on.
    fn last(&self, struck: Instant, lasting: Duration) {
        until_within(DEADLINE, "the others to go on", || {
            self.check();
            if self.load.serving_since(struck).is_empty() { Err("no receipt".into()) } else { Ok(()) }
        });
        self.endure(struck, lasting);
    }

    /// Lets time pass, in which no node ends that should run.
    fn endure(&self, since: Instant, lasting: Duration) {
        while since.elapsed() < lasting {
            self.check();
            thread::sleep(LOOK);
        }
    }

    fn check(&self) {
        self.council.running().into_iter().for_each(|member| self.council.check(member));
    }

    /// Waits until all members are connected to all, and serve what was submitted since; when that was.
    fn recover(&self, over: Instant) -> Instant {
        let members = self.council.members().len();
        until_within(DEADLINE, "all members to serve again", || {
            self.check();
            let serving = self.load.serving_since(over);
            if serving.len() == members { Ok(()) } else { Err(format!("only these do: {serving:?}")) }
        });
        self.council.until_connected();
        Instant::now()
    }

    /// Waits until a member's log has a size. That takes the longer the larger it is, so each step has
    /// a deadline of its own.
    fn catch_up(&self, member: usize, size: u64) {
        let mut reached = 0;
        while reached < size {
            reached = until_within(DEADLINE, "a member to catch up", || {
                self.check();
                let now = self.told("log_size")[member];
                if now > reached { Ok(now) } else { Err(format!("{now} of {size} entries")) }
            });
        }
    }

    /// A number in the status of each member; 0 if it does not answer.
    fn told(&self, what: &str) -> Vec<u64> {
        let told = |member| self.council.status(member)?[what].as_u64();
        (0..self.council.members().len()).map(|member| told(member).unwrap_or(0)).collect()
    }

    fn assert_stops_for_its_disk(&self, member: usize) {
        let before = self.council.log(member).len();
        let status = self.council.wait_for_end(member);
        let log = self.council.log(member);
        let log = log.get(before..).unwrap_or_default();
        assert_eq!(status.code(), Some(3), "{log}");
        let told = ["No space left on device", "File too large"].iter().any(|why| log.contains(why));
        assert!(told, "{log}");
    }
}
