//! A run: a council, its load, and disasters in an order that a seed gives, until the time is over.

use std::{
    fmt, fs,
    ops::Range,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::SliceRandom};
use serde_json::json;

use super::{
    disasters::{DISK_MEMBER, Disaster, Scene},
    disk::Disk,
    figures::{Figures, median},
    network::Network,
};
use crate::{Council, Load, Place};

/// Members of the council.
const MEMBERS: usize = 4;
/// Clients, half of which wait for receipts: one at each member.
const CLIENTS: usize = 2 * MEMBERS;
/// How long each rests after an answer: the load is to be steady, not the most there can be.
const PAUSE: Duration = Duration::from_millis(10);
/// Seconds of a run, if not told otherwise.
const SECONDS: u64 = 600;
/// How long disasters last, in milliseconds: longer than a view-change timeout, at times longer than
/// the silence after which a link counts as dead.
const LASTING: Range<u64> = 1_200..6_500;
/// The same in a smoke run.
const SMOKE_LASTING: Range<u64> = 1_200..1_800;
/// View-change timeout of the members.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Half of all killed primaries cost no more than this.
const TARGET: Duration = TIMEOUT.saturating_mul(2);

/// All disasters; in a full run the first number of times before any comes again, in a smoke run the
/// second.
const DECK: [(Disaster, usize, usize); 13] = [
    (Disaster::PrimaryKilled, 5, 3),
    (Disaster::MemberKilled, 2, 1),
    (Disaster::AllKilled, 1, 1),
    (Disaster::PrimaryPaused, 3, 1),
    (Disaster::MemberPaused, 1, 0),
    (Disaster::PrimaryCutOff, 3, 1),
    (Disaster::MemberCutOff, 1, 0),
    (Disaster::Halves, 2, 1),
    (Disaster::OneWay, 3, 1),
    (Disaster::Flapping, 1, 1),
    (Disaster::ThinLines, 1, 1),
    (Disaster::FullDisk, 1, 1),
    (Disaster::LostDisk, 1, 1),
];

/// What a run is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    seed: u64,
    seconds: u64,
    /// Each disaster about once, and briefly.
    smoke: bool,
    json: Option<PathBuf>,
}

impl Options {
    /// Reads `--seed N`, `--seconds N`, `--smoke` and `--json FILE`; a seed is drawn if none is given.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut options = Self { seed: rand::random(), seconds: SECONDS, smoke: false, json: None };
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut number = || {
                let number = words.next().and_then(|word| word.parse().ok());
                number.ok_or_else(|| format!("{word} takes a number"))
            };
            match word.as_str() {
                "--seed" => options.seed = number()?,
                "--seconds" => options.seconds = number()?,
                "--smoke" => options.smoke = true,
                "--json" => options.json = Some(words.next().ok_or("--json takes a file")?.into()),
                _ => return Err(format!("{word:?} is not known")),
            }
        }
        Ok(options)
    }

    /// The words that [`Options::parse`] makes the same of.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = self.to_string().split(' ').map(Into::into).collect();
        if let Some(json) = &self.json {
            words.extend(["--json".into(), json.display().to_string()]);
        }
        words
    }
}

impl fmt::Display for Options {
    /// All that the order of disasters depends on.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--seed {} ", self.seed)?;
        if self.smoke { f.write_str("--smoke") } else { write!(f, "--seconds {}", self.seconds) }
    }
}

/// Runs until the time is over, and checks that all that was promised holds.
#[expect(clippy::print_stdout, reason = "a program for people at a terminal")]
pub(super) fn run(options: &Options, namespaces: bool) {
    println!("chaos {options}");
    let scene = set_up(options, namespaces);
    let netem = scene.network.as_ref().is_some_and(Network::has_netem);
    if namespaces && !netem {
        println!("this kernel has no netem: delay and loss come from lines that are too slow");
    }
    let (start, mut figures) = (Instant::now(), Figures::default());
    let mut order = StdRng::seed_from_u64(options.seed);
    'run: loop {
        for disaster in shuffled_deck(options.smoke, &mut order) {
            // Drawn for each, so that what one draws while it lasts does not change the next.
            let mut rng = StdRng::seed_from_u64(order.random());
            if disaster.needs_network() && scene.network.is_none() {
                continue;
            }
            if !options.smoke && start.elapsed() >= Duration::from_secs(options.seconds) {
                break 'run;
            }
            let at = start.elapsed().as_secs_f64();
            println!("{at:>7.1} s  {}", disaster.name());
            let (whom, outcome) = scene.strike(disaster, &mut rng);
            println!(
                "           {whom}: without service {:.2} s, all serve again after {:.2} s",
                outcome.silence.as_secs_f64(),
                outcome.recovery.as_secs_f64()
            );
            figures.add(disaster.name(), outcome);
        }
        if options.smoke {
            break;
        }
    }
    let Scene { load, council, .. } = scene;
    let promises = load.stop();
    promises.hold(&council);
    println!(
        "{} answers kept, {} of them receipts that verify; four equal logs, nothing lost or twice\n\n{figures}",
        promises.len(),
        promises.receipts()
    );
    let killed = figures.silences(Disaster::PrimaryKilled.name());
    let within = killed.iter().filter(|silence| **silence <= TARGET).count();
    println!("primary killed: {within} of {} within two view-change timeouts", killed.len());
    if let Some(file) = &options.json {
        let json = json!({
            "seed": options.seed,
            "namespaces": namespaces,
            "netem": netem,
            "members": MEMBERS,
            "view_change_timeout_ms": TIMEOUT.as_millis(),
            "answers": promises.len(),
            "receipts": promises.receipts(),
            "disasters": figures.to_json(),
        });
        fs::write(file, format!("{json:#}\n")).expect("the figures can be written");
        println!("figures: {}", file.display());
    }
    let usual = median(&killed).unwrap_or_default();
    assert!(usual <= TARGET, "half of all killed primaries cost more than {TARGET:?}");
}

fn set_up(options: &Options, namespaces: bool) -> Scene {
    let network = namespaces.then(|| Network::build(MEMBERS));
    let mut places = network.as_ref().map_or_else(|| vec![Place::default(); MEMBERS], Network::places);
    if !namespaces {
        places[DISK_MEMBER] = Disk::place_without_namespaces();
    }
    let council = Council::found_at(places);
    let data = council.members()[DISK_MEMBER].dir.join("data");
    let disk = if namespaces { Disk::mount(data) } else { Disk::Shared };
    (0..MEMBERS).for_each(|member| council.run(member));
    council.until_connected();
    let council = Arc::new(council);
    let load = Load::start_paced(&council, CLIENTS, PAUSE);
    load.until_more(CLIENTS);
    let lasting = if options.smoke { SMOKE_LASTING } else { LASTING };
    Scene { load, council, network, disk, lasting }
}

fn shuffled_deck(smoke: bool, order: &mut StdRng) -> Vec<Disaster> {
    let times = |(disaster, full, brief)| std::iter::repeat_n(disaster, if smoke { brief } else { full });
    let mut deck: Vec<Disaster> = DECK.into_iter().flat_map(times).collect();
    deck.shuffle(order);
    deck
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_passed_on_as_they_are() {
        for line in ["--seed 5 --seconds 7", "--smoke --seed 9", "--seed 1 --json figures.json"] {
            let options = Options::parse(line.split(' ').map(Into::into)).unwrap();
            assert_eq!(Options::parse(options.words()).unwrap(), options, "{line}");
        }
        for line in ["--seed", "--seed x", "--seconds", "--json", "--fast"] {
            assert!(Options::parse(line.split(' ').map(Into::into)).is_err(), "{line}");
        }
    }

    #[test]
    fn one_seed_gives_one_order() {
        let deck = |seed| shuffled_deck(false, &mut StdRng::seed_from_u64(seed));
        assert_eq!(deck(1), deck(1));
        assert_ne!(deck(1), deck(2));
    }
}
