//! Steps: each a command line with a name, all run, then summed up.

use std::{
    fmt,
    time::{Duration, Instant},
};

use crate::{
    command::CommandLine,
    leash::{self, Ended},
    root,
};

/// No step takes this long on a slow machine; one that does hangs.
const LIMIT: Duration = Duration::from_mins(30);

/// A command line with a name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) line: CommandLine,
}

impl Step {
    pub(crate) fn new(name: impl Into<String>, line: CommandLine) -> Self {
        Self { name: name.into(), line }
    }
}

/// How a step went.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Verdict {
    Passed,
    Failed(String),
}

/// Runs all steps, prints what happened, and tells whether all passed.
pub(crate) fn run(steps: &[Step]) -> bool {
    let mut outcomes = Vec::new();
    for step in steps {
        eprintln!("\n> {}", step.line);
        let start = Instant::now();
        let verdict = verdict(leash::run(&step.line, root(), LIMIT));
        outcomes.push(Outcome { step, verdict, took: start.elapsed() });
    }
    eprint!("\n{}", Summary(&outcomes));
    outcomes.iter().all(Outcome::passed)
}

fn verdict(ended: std::io::Result<Ended>) -> Verdict {
    match ended {
        Ok(Ended::Exited(Some(0))) => Verdict::Passed,
        Ok(Ended::Exited(Some(code))) => Verdict::Failed(format!("failed with exit code {code}")),
        Ok(Ended::Exited(None)) => Verdict::Failed("was killed".into()),
        Ok(Ended::TimedOut) => Verdict::Failed(format!("killed after {} min", LIMIT.as_secs() / 60)),
        Err(error) => Verdict::Failed(format!("can't be run: {error}")),
    }
}

struct Outcome<'a> {
    step: &'a Step,
    verdict: Verdict,
    took: Duration,
}

impl Outcome<'_> {
    fn passed(&self) -> bool {
        self.verdict == Verdict::Passed
    }
}

/// The table of times and verdicts, and the lines that repeat what failed.
struct Summary<'a>(&'a [Outcome<'a>]);

impl fmt::Display for Summary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = self.0.iter().map(|outcome| outcome.step.name.len()).max().unwrap_or(0);
        let row = |f: &mut fmt::Formatter<'_>, name: &str, took: Duration, verdict: &str| {
            writeln!(f, "{name:<width$} {:>8.1} s  {verdict}", took.as_secs_f64())
        };
        for outcome in self.0 {
            let verdict = match &outcome.verdict {
                Verdict::Passed => "ok",
                Verdict::Failed(reason) => reason,
            };
            row(f, &outcome.step.name, outcome.took, verdict)?;
        }
        let failed: Vec<_> = self.0.iter().filter(|outcome| !outcome.passed()).collect();
        let total = if failed.is_empty() { "all passed".into() } else { format!("{} failed", failed.len()) };
        row(f, "total", self.0.iter().map(|outcome| outcome.took).sum(), &total)?;
        if !failed.is_empty() {
            writeln!(f, "\nto repeat what failed:")?;
        }
        failed.iter().try_for_each(|outcome| writeln!(f, "  {}", outcome.step.line))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_what_failed_and_how_to_repeat_it() {
        let good = Step::new("format", CommandLine::new("cargo fmt --check"));
        let bad = Step::new("lints", CommandLine::new("cargo clippy"));
        let outcome = |step, verdict| Outcome { step, verdict, took: Duration::from_millis(1500) };
        let outcomes =
            [outcome(&good, Verdict::Passed), outcome(&bad, verdict(Ok(Ended::Exited(Some(101)))))];
        let expected = "\
format      1.5 s  ok
lints       1.5 s  failed with exit code 101
total       3.0 s  1 failed

to repeat what failed:
  cargo clippy
";
        assert_eq!(Summary(&outcomes).to_string(), expected);
    }

    #[test]
    fn only_exit_code_0_passes() {
        assert_eq!(verdict(Ok(Ended::Exited(Some(0)))), Verdict::Passed);
        for ended in [Ended::Exited(Some(1)), Ended::Exited(None), Ended::TimedOut] {
            assert_ne!(verdict(Ok(ended)), Verdict::Passed);
        }
    }
}
