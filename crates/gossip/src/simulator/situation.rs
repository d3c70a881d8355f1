//! The situations by which spreading is judged: what happens, and what came of it.

use super::{Simulation, SimulationSetup, Ways};
use crate::ViewSize;

/// How long nodes find each other before anything is sent, in milliseconds.
const WARM_UP: u64 = 20_000;

/// How long broadcasts go on, in seconds.
const SECONDS: u64 = 30;

/// After how long what has not arrived counts as lost, in milliseconds.
const PATIENCE: u64 = 600_000;

/// What happens to a network that has just formed. Senders are drawn anew for each broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Situation {
    /// 100 broadcasts, one every three seconds.
    OneByOne,
    /// 100 broadcasts at once.
    AtOnce,
    /// A fifth of all messages gets lost from the start; a broadcast every second.
    Loss,
    /// A node dies without a word and another starts every two seconds; a broadcast every second. The
    /// first three nodes, which the others know from the start, stay.
    Churn,
    /// Half a minute in two halves that don't hear each other; a broadcast every second.
    Partition,
    /// The same, and the halves stay apart for five minutes: longer than spreading holds anything.
    Absence,
}

/// What came of it. All was delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// How many broadcasts there were.
    pub broadcasts: u64,
    /// How many bodies had to be received: one for each broadcast and node, the sender not counted.
    pub needed: u64,
    /// How many were received, by spreading and by reconciliation.
    pub received: u64,
    /// How many of these came by reconciliation.
    pub fetched: u64,
    /// How many were checked.
    pub checks: u64,
    /// The longest that a broadcast took to a node that was there when it was sent, in milliseconds; from
    /// the end of a partition, if there was one.
    pub slowest: u64,
    /// The ways over which bodies were pushed to the nodes.
    pub taken: Ways,
    /// The shortest over the same links.
    pub best: Ways,
}

/// Something did not arrive within ten minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{situation:?}, {nodes} nodes, seed {seed}: not everybody has everything after ten minutes")]
pub struct NotDelivered {
    /// What happened.
    pub situation: Situation,
    /// How many nodes there were.
    pub nodes: u32,
    /// What everything was drawn from.
    pub seed: u64,
}

impl Situation {
    /// All there are.
    pub const ALL: [Self; 6] =
        [Self::OneByOne, Self::AtOnce, Self::Loss, Self::Churn, Self::Partition, Self::Absence];

    /// Lets it happen to so many nodes, until all that are alive have everything, newcomers too.
    pub fn run(self, seed: u64, nodes: u32, size: ViewSize) -> Result<Outcome, NotDelivered> {
        let loss = if self == Self::Loss { 20 } else { 0 };
        let mut simulation = Simulation::new(SimulationSetup { seed, nodes, size, loss, reconciles: true });
        simulation.run(WARM_UP);
        simulation.take_traffic();
        let rounds = if self == Self::OneByOne { 100 } else { SECONDS };
        for round in 0..rounds {
            let at_once = match self {
                Self::AtOnce if round == 0 => 100,
                Self::AtOnce => 0,
                _ => 1,
            };
            if matches!(self, Self::Partition | Self::Absence) {
                simulation.partition(2);
            }
            if self == Self::Churn && round % 2 == 0 {
                let victim = simulation.any();
                if victim > 2 {
                    simulation.kill(victim);
                    simulation.start();
                }
            }
            for _ in 0..at_once {
                let sender = simulation.any();
                simulation.broadcast(sender);
            }
            simulation.run(if self == Self::OneByOne { 3_000 } else { 1_000 });
        }
        if self == Self::Absence {
            simulation.run(5 * 60_000 - SECONDS * 1_000);
        }
        simulation.partition(1);
        let healed = simulation.now();
        while !(simulation.all_reached() && simulation.all_have_all()) {
            if simulation.now() > healed + PATIENCE {
                return Err(NotDelivered { situation: self, nodes, seed });
            }
            simulation.run(100);
        }
        let parted = matches!(self, Self::Partition | Self::Absence).then_some(healed);
        Ok(Outcome::of(&mut simulation, parted))
    }
}

impl Outcome {
    fn of(simulation: &mut Simulation, parted: Option<u64>) -> Self {
        let traffic = simulation.take_traffic();
        let mut outcome = Self {
            broadcasts: 0,
            needed: 0,
            received: traffic.bodies + traffic.fetched,
            fetched: traffic.fetched,
            checks: simulation.checks(),
            slowest: 0,
            taken: Ways::default(),
            best: Ways::default(),
        };
        for spread in simulation.spreads() {
            outcome.broadcasts += 1;
            outcome.needed += spread.reached.len() as u64;
            for (node, (at, hops)) in &spread.reached {
                let millis = at - spread.sent;
                outcome.taken.add((*hops).into(), millis);
                if spread.to.contains(node) {
                    outcome.slowest = outcome.slowest.max(at.saturating_sub(parted.unwrap_or(spread.sent)));
                }
            }
            outcome.best.merge(spread.best);
        }
        outcome
    }
}
