//! Plays histories of whole councils: see `jurat_tests::sim`.

use std::{
    collections::BTreeMap,
    io::{self, Write as _},
    process::ExitCode,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
    time::Instant,
};

use jurat_tests::sim::{Outcome, Plan, Scenario, Seen, play, shrink};

const USAGE: &str = "usage: sim [--seed N] [--seeds N] [--scenario S] [--trace]";

/// How many seeds are played if nobody says.
const SEEDS: u64 = 2_000;

struct Options {
    first: u64,
    count: u64,
    scenario: Option<Scenario>,
    trace: bool,
}

fn options() -> Result<Options, String> {
    let mut options = Options { first: 0, count: SEEDS, scenario: None, trace: false };
    let mut arguments = std::env::args().skip(1);
    let mut seeds = None;
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} takes a value; {USAGE}"));
        let number = |text: String| text.parse::<u64>().map_err(|_| format!("{text:?} is no number"));
        match argument.as_str() {
            "--seed" => {
                options.first = number(value()?)?;
                options.count = 1;
            }
            "--seeds" => seeds = Some(number(value()?)?),
            "--scenario" => {
                let name = value()?;
                let known = Scenario::ALL.map(Scenario::name).join(", ");
                let scenario = Scenario::named(&name);
                options.scenario =
                    Some(scenario.ok_or(format!("there is no scenario {name:?}; there are {known}"))?);
            }
            "--trace" => options.trace = true,
            _ => return Err(USAGE.into()),
        }
    }
    options.count = seeds.unwrap_or(options.count);
    Ok(options)
}

fn main() -> ExitCode {
    match options().and_then(|options| run(&options).map_err(|error| error.to_string())) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

/// Plays the seeds; says whether all went well.
fn run(options: &Options) -> io::Result<bool> {
    let plan_of = |seed: u64| Plan::draw(seed, options.scenario.unwrap_or(Scenario::of_seed(seed)));
    if options.count == 1 {
        return play_one(&plan_of(options.first), options.trace);
    }
    let started = Instant::now();
    let (next, failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let outcomes: Mutex<Vec<(u64, Outcome)>> = Mutex::new(Vec::new());
    let threads = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= options.count || failed.load(Ordering::Relaxed) {
                        return;
                    }
                    let seed = options.first + number;
                    let outcome = play(plan_of(seed), false);
                    if outcome.violation.is_some() {
                        failed.store(true, Ordering::Relaxed);
                    }
                    outcomes.lock().unwrap_or_else(PoisonError::into_inner).push((seed, outcome));
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut out = io::stdout().lock();
    let sum = |of: fn(&Outcome) -> u64| outcomes.iter().map(|(_, outcome)| of(outcome)).sum::<u64>();
    writeln!(
        out,
        "{} histories in {:.1} s: {} steps, {} entries, {} s of virtual time",
        outcomes.len(),
        started.elapsed().as_secs_f64(),
        sum(|outcome| outcome.steps),
        sum(|outcome| outcome.entries),
        sum(|outcome| outcome.took) / 1_000,
    )?;
    let mut seen = Seen::default();
    let mut sizes = BTreeMap::new();
    for (seed, outcome) in &outcomes {
        seen.add(&outcome.seen);
        *sizes.entry(plan_of(*seed).members()).or_insert(0_u64) += 1;
    }
    let sizes: Vec<String> = sizes.iter().map(|(members, count)| format!("{count} of {members}")).collect();
    writeln!(out, "founded with members: {}", sizes.join(", "))?;
    writeln!(out, "{seen}")?;
    let slowest = outcomes.iter().max_by_key(|(_, outcome)| outcome.settled_after);
    if let Some((seed, Outcome { settled_after: Some(after), .. })) = slowest {
        writeln!(out, "the slowest to settle: seed {seed}, {after} ms after all trouble ended")?;
    }
    drop(out);
    let mut well = true;
    for (seed, outcome) in outcomes {
        if outcome.violation.is_some() {
            well &= play_one(&plan_of(seed), false)?;
        }
    }
    Ok(well)
}

/// Plays a plan and tells of it; makes it smaller if a rule is broken.
fn play_one(plan: &Plan, trace: bool) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    writeln!(out, "{plan}")?;
    let outcome = play(plan.clone(), trace);
    for line in &outcome.trace {
        writeln!(out, "{line}")?;
    }
    let Some(violation) = outcome.violation else {
        writeln!(
            out,
            "holds: {} steps, {} entries, {} ms; everything done {} ms after all trouble ended",
            outcome.steps,
            outcome.entries,
            outcome.took,
            outcome.settled_after.unwrap_or_default()
        )?;
        return Ok(true);
    };
    writeln!(out, "\nVIOLATED {violation}\n\nlooking for less that does the same ...\n")?;
    let (smaller, outcome) = shrink(plan, violation.invariant);
    writeln!(out, "{smaller}\n")?;
    for line in outcome.trace {
        writeln!(out, "{line}")?;
    }
    writeln!(out, "\nto repeat it: {}", plan.command())?;
    Ok(false)
}
