//! Results: one JSON object a run, and a table for people.

use std::{fs, process::Command};

use serde::Serialize;

/// The figures of one benchmark.
#[derive(Serialize)]
pub struct Report {
    benchmark: &'static str,
    revision: String,
    machine: String,
    figures: Vec<Figure>,
}

#[derive(Serialize)]
struct Figure {
    what: String,
    value: f64,
    unit: &'static str,
    /// Against which figure of this run, and how many times it.
    ratio: Option<(String, f64)>,
}

impl Report {
    pub fn new(benchmark: &'static str) -> Self {
        Self { benchmark, revision: revision(), machine: machine(), figures: Vec::new() }
    }

    /// Notes a figure and prints its row at once.
    pub fn figure(&mut self, what: impl Into<String>, value: f64, unit: &'static str) -> f64 {
        self.push(what.into(), value, unit, None);
        value
    }

    /// Notes a figure as a multiple of another of the same run.
    pub fn ratio(&mut self, what: impl Into<String>, value: f64, unit: &'static str, of: &str, base: f64) {
        self.push(what.into(), value, unit, Some((of.to_owned(), value / base)));
    }

    fn push(&mut self, what: String, value: f64, unit: &'static str, ratio: Option<(String, f64)>) {
        if self.figures.is_empty() {
            println!("| what | figure | ratio |\n|---|---|---|");
        }
        let text = ratio.as_ref().map_or(String::new(), |(of, times)| format!("{times:.2} × {of}"));
        println!("| {what} | {} {unit} | {text} |", number(value));
        self.figures.push(Figure { what, value, unit, ratio });
    }

    /// Writes the JSON beside the build, and says where.
    pub fn finish(&self) {
        println!("\n{}, revision {}", self.machine, self.revision);
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/target/figures");
        let path = format!("{dir}/{}.json", self.benchmark);
        let written = serde_json::to_vec_pretty(self)
            .map_err(|error| error.to_string())
            .and_then(|json| fs::create_dir_all(dir).and_then(|()| fs::write(&path, json)).map_err(|e| e.to_string()));
        match written {
            Ok(()) => println!("figures: {path}\n"),
            Err(error) => eprintln!("can't write {path}: {error}"),
        }
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn revision() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    output.map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} × {cores}", model.unwrap_or("unknown CPU"))
}
