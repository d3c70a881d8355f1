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
    /// Files to write beside the figures: the end of their names, and what is in them.
    #[serde(skip)]
    attached: Vec<(&'static str, String)>,
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
        Self {
            benchmark,
            revision: revision(),
            machine: machine(),
            figures: Vec::new(),
            attached: Vec::new(),
        }
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

    /// Keeps a file to be written beside the figures.
    pub fn attach(&mut self, name: &'static str, content: String) {
        self.attached.push((name, content));
    }

    /// Writes the JSON and what is attached beside the build, and says where.
    pub fn finish(&self) {
        println!("\n{}, revision {}", self.machine, self.revision);
        let json = serde_json::to_string_pretty(self).unwrap_or_default();
        Self::write(&format!("{}.json", self.benchmark), &json);
        for (name, content) in &self.attached {
            Self::write(&format!("{}-{name}", self.benchmark), content);
        }
        println!();
    }

    fn write(name: &str, content: &str) {
        let dir = concat!(env!("CARGO_MANIFEST_DIR"), "/target/figures");
        let path = format!("{dir}/{name}");
        match fs::create_dir_all(dir).and_then(|()| fs::write(&path, content)) {
            Ok(()) => println!("written: {path}"),
            Err(error) => eprintln!("can't write {path}: {error}"),
        }
    }
}

fn number(value: f64) -> String {
    if value >= 100.0 { format!("{value:.0}") } else { format!("{value:.2}") }
}

fn revision() -> String {
    let output = Command::new("git").args(["describe", "--always", "--dirty"]).output();
    output
        .map_or_else(|_| "unknown".into(), |output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn machine() -> String {
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    format!("{} × {cores}", model.unwrap_or("unknown CPU"))
}
