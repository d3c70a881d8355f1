//! What a run measured: a table for people, JSON for programs.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde_json::{Value, json};

/// What one disaster did to the service.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    /// The longest time in which no client got a receipt from any member, from the disaster until
    /// all served again; where no quorum was left, from when there could be one.
    pub(super) silence: Duration,
    /// How long it took, once the disaster was over, until each member was connected to all and gave
    /// receipts for what was submitted to it since.
    pub(super) recovery: Duration,
}

/// What all disasters did, by name.
#[derive(Debug, Default)]
pub(super) struct Figures(BTreeMap<&'static str, Vec<Outcome>>);

impl Figures {
    pub(super) fn add(&mut self, disaster: &'static str, outcome: Outcome) {
        self.0.entry(disaster).or_default().push(outcome);
    }

    /// The time without service after each disaster of a name, shortest first.
    pub(super) fn silences(&self, disaster: &str) -> Vec<Duration> {
        sorted(self.0.get(disaster).map_or(&[], Vec::as_slice), |outcome| outcome.silence)
    }

    /// All of it, times in milliseconds.
    pub(super) fn to_json(&self) -> Value {
        let disasters = self.0.iter().map(|(name, outcomes)| {
            let silences = sorted(outcomes, |outcome| outcome.silence);
            let recoveries = sorted(outcomes, |outcome| outcome.recovery);
            json!({
                "disaster": name,
                "times": outcomes.len(),
                "without_service_ms": silences.iter().map(Duration::as_millis).collect::<Vec<_>>(),
                "all_serve_again_ms": recoveries.iter().map(Duration::as_millis).collect::<Vec<_>>(),
            })
        });
        disasters.collect()
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<24} {:>5}   {:^17}   {:^17}", "", "", "without service", "all serve again")?;
        writeln!(
            f,
            "{:<24} {:>5}   {:>8} {:>8}   {:>8} {:>8}",
            "disaster", "times", "median", "worst", "median", "worst"
        )?;
        for (name, outcomes) in &self.0 {
            let silences = sorted(outcomes, |outcome| outcome.silence);
            let recoveries = sorted(outcomes, |outcome| outcome.recovery);
            writeln!(
                f,
                "{name:<24} {:>5}   {} {}   {} {}",
                outcomes.len(),
                Seconds(median(&silences)),
                Seconds(silences.last().copied()),
                Seconds(median(&recoveries)),
                Seconds(recoveries.last().copied()),
            )?;
        }
        Ok(())
    }
}

/// The middle one of sorted times, the later of two.
pub(super) fn median(sorted: &[Duration]) -> Option<Duration> {
    sorted.get(sorted.len() / 2).copied()
}

fn sorted(outcomes: &[Outcome], time: fn(&Outcome) -> Duration) -> Vec<Duration> {
    let mut times: Vec<Duration> = outcomes.iter().map(time).collect();
    times.sort_unstable();
    times
}

struct Seconds(Option<Duration>);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(time) => write!(f, "{:>6.2} s", time.as_secs_f64()),
            None => write!(f, "{:>8}", "-"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_median_and_the_worst_of_each_disaster() {
        let mut figures = Figures::default();
        for millis in [1500, 900, 1200] {
            let silence = Duration::from_millis(millis);
            figures.add("primary killed", Outcome { silence, recovery: 2 * silence });
        }
        let row = "primary killed               3     1.20 s   1.50 s     2.40 s   3.00 s\n";
        assert!(figures.to_string().ends_with(row), "{figures}");
        let json = &figures.to_json()[0];
        assert_eq!(json["without_service_ms"], json!([900, 1200, 1500]));
        assert_eq!(figures.silences("other"), []);
    }
}
