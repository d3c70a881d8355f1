//! The tasks: what each is called, what it does, and the steps it is made of.

use std::{fs, path::PathBuf};

use crate::{
    command::CommandLine,
    root,
    steps::Step,
    tools::{CARGO_DENY, CARGO_FUZZ, CXX, IPROUTE, TOR, Tool},
};

/// Something to ask of `cargo xtask`.
pub(crate) struct Task {
    pub(crate) name: &'static str,
    pub(crate) arguments: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: Run,
}

/// How a task is done.
pub(crate) enum Run {
    /// By these steps, given the task's arguments.
    Steps(fn(&[String]) -> Result<Vec<Step>, String>),
    /// In this process.
    Tidy,
}

pub(crate) const TASKS: &[Task] = &[
    Task {
        name: "test",
        arguments: "",
        about: "what a change must pass, with nothing but the Rust toolchain",
        run: Run::Steps(test),
    },
    Task {
        name: "ci",
        arguments: "",
        about: "what needs tools, installed if missing: dependency policy, lints of the benchmarks, short fuzzing and chaos",
        run: Run::Steps(ci),
    },
    Task {
        name: "integration",
        arguments: "[SUITE]",
        about: "the suites in tests/suites, with real processes: one by name, or all",
        run: Run::Steps(integration),
    },
    Task {
        name: "interop",
        arguments: "",
        about: "foreign implementations: securesystemslib on envelopes, a reader of the log and a simple peer in Python, Tor",
        run: Run::Steps(interop),
    },
    Task {
        name: "sim",
        arguments: "[--seed N] [--seeds N] [--scenario S] [--trace]",
        about: "whole councils in virtual time: 2000 seeds if not told otherwise, or one",
        run: Run::Steps(sim),
    },
    Task {
        name: "fuzz",
        arguments: "[TARGET] [--seconds N]",
        about: "coverage-guided fuzzing of one target or all, 60 seconds each if not told otherwise",
        run: Run::Steps(fuzz),
    },
    Task {
        name: "chaos",
        arguments: "[--seconds N] [--seed N] [--smoke]",
        about: "real processes killed, paused, cut apart and without disk, under load; 600 seconds if not told otherwise",
        run: Run::Steps(chaos),
    },
    Task { name: "tidy", arguments: "", about: "the house rules that no linter knows", run: Run::Tidy },
    Task {
        name: "bench",
        arguments: "[NAME] [ARGUMENT]...",
        about: "the benchmarks in tests/bench",
        run: Run::Steps(bench),
    },
];

/// Seconds that `ci` fuzzes each target, and `fuzz` if not told otherwise.
const CI_FUZZ_SECONDS: u32 = 6;
const FUZZ_SECONDS: u32 = 60;

fn test(arguments: &[String]) -> Result<Vec<Step>, String> {
    none(arguments)?;
    Ok(vec![
        step("format", "cargo fmt --all --check"),
        step("format of fuzz targets", "cargo fmt --check --manifest-path tests/fuzz/Cargo.toml"),
        step("format of benchmarks", "cargo fmt --check --manifest-path tests/bench/Cargo.toml"),
        step("tidy", "cargo xtask tidy"),
        step("lints", "cargo clippy --workspace --all-targets -- --deny warnings"),
        Step::new(
            "documentation",
            CommandLine::new("cargo doc --workspace --no-deps").env("RUSTDOCFLAGS", "--deny warnings"),
        ),
        // One build of everything, so that the program under test is made of the crates that the
        // tests are linked with, and nothing is compiled twice.
        step("build", "cargo build --workspace --all-targets"),
        Step::new("tests", with_binary("cargo test --workspace --no-fail-fast")),
    ])
}

fn ci(arguments: &[String]) -> Result<Vec<Step>, String> {
    none(arguments)?;
    let mut steps = install(&[CARGO_DENY]);
    // Advisories change without the project changing, and need the network: `cargo deny check
    // advisories` is for a person or a nightly job.
    steps.push(step("dependency policy", "cargo deny --all-features check bans licenses sources"));
    // A workspace of its own, which no other step builds.
    steps.push(step("benchmarks", "cargo clippy --manifest-path tests/bench/Cargo.toml -- --deny warnings"));
    steps.extend(interop(&[])?);
    steps.extend(fuzz_steps(None, CI_FUZZ_SECONDS)?);
    steps.extend(chaos(&["--smoke".into()])?);
    Ok(steps)
}

fn integration(arguments: &[String]) -> Result<Vec<Step>, String> {
    let suite = match arguments {
        [] => "--tests".into(),
        [suite] => format!("--test {suite}"),
        _ => return Err("one suite at a time".into()),
    };
    Ok(vec![
        step("build", "cargo build --package jurat --package jurat-tests --all-targets"),
        Step::new(
            "integration",
            with_binary(&format!("cargo test --package jurat-tests {suite} --no-fail-fast")),
        ),
    ])
}

fn interop(arguments: &[String]) -> Result<Vec<Step>, String> {
    none(arguments)?;
    // Apart from what else is installed: nothing else may depend on it.
    let python = "target/interop/bin/python";
    let mut steps = install(&[TOR]);
    steps.extend([
        step("build", "cargo build --workspace --all-targets"),
        step("python", "python3 -m venv target/interop"),
        step("securesystemslib", &format!("{python} -m pip install --quiet securesystemslib[crypto]==1.6.0")),
        step("DSSE", &format!("{python} tests/interop/dsse.py {}", binary().display())),
        // In CI the suite may not be skipped; here it may not either.
        Step::new("programs of others", with_binary("cargo test --workspace --test interop").env("CI", "1")),
    ]);
    Ok(steps)
}

/// Not a release build: most of the time goes into signatures, which are optimised all the same, and
/// what overflows is noticed.
#[expect(clippy::unnecessary_wraps, reason = "all tasks have one signature")]
fn sim(arguments: &[String]) -> Result<Vec<Step>, String> {
    let line = CommandLine::new("cargo run --package jurat-tests --bin sim --");
    Ok(vec![Step::new("simulation", line.args(arguments))])
}

fn fuzz(arguments: &[String]) -> Result<Vec<Step>, String> {
    let (mut target, mut seconds) = (None, FUZZ_SECONDS);
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let number = arguments.next().and_then(|number| number.parse().ok());
            seconds = number.ok_or("--seconds takes a number")?;
        } else if target.replace(argument.as_str()).is_some() {
            return Err("one target at a time".into());
        }
    }
    fuzz_steps(target, seconds)
}

/// One build, then a run of each target. What the fuzzer finds beyond the committed corpus stays
/// in a directory that is not committed.
fn fuzz_steps(target: Option<&str>, seconds: u32) -> Result<Vec<Step>, String> {
    let mut targets = fuzz_targets()?;
    if let Some(target) = target {
        targets.retain(|known| known == target);
        if targets.is_empty() {
            let known = fuzz_targets()?.join(", ");
            return Err(format!("there is no fuzz target {target:?}; there are {known}"));
        }
    }
    let mut steps = install(&[CXX, CARGO_FUZZ]);
    steps.push(step("fuzz build", "cargo fuzz build --fuzz-dir tests/fuzz --sanitizer none"));
    for target in targets {
        let found = format!("tests/fuzz/target/found/{target}");
        fs::create_dir_all(root().join(&found)).map_err(|error| format!("can't make {found}: {error}"))?;
        let line = format!(
            "cargo fuzz run --fuzz-dir tests/fuzz --sanitizer none {target} {found} tests/fuzz/corpus/{target} \
             -- -max_total_time={seconds} -timeout=10 -rss_limit_mb=1024 -verbosity=0"
        );
        steps.push(step(&format!("fuzz {target}"), &line));
    }
    Ok(steps)
}

fn fuzz_targets() -> Result<Vec<String>, String> {
    let folder = root().join("tests/fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&folder).map_err(|error| format!("can't list {}: {error}", folder.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    let mut names: Vec<String> =
        paths.filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned())).collect();
    names.sort_unstable();
    Ok(names)
}

/// With the profile that nodes are installed with, since it measures, too; the short run, which measures
/// nothing that counts, with what the tests were built with.
#[expect(clippy::unnecessary_wraps, reason = "the program itself knows its arguments")]
fn chaos(arguments: &[String]) -> Result<Vec<Step>, String> {
    let is_smoke = arguments.iter().any(|argument| argument == "--smoke");
    let (build, folder) = if is_smoke {
        ("cargo build --workspace --all-targets", "debug")
    } else {
        ("cargo build --release --package jurat --package jurat-tests --bins", "release")
    };
    let mut steps = install(&[IPROUTE]);
    steps.push(step("chaos build", build));
    let target = target_dir();
    let (program, figures) = (target.join(folder).join("chaos"), target.join("chaos.json"));
    let run =
        CommandLine::new(&format!("{} --json {}", program.display(), figures.display())).args(arguments);
    let node = target.join(folder).join("jurat").display().to_string();
    steps.push(Step::new("chaos", run.env("JURAT_BIN", node)));
    Ok(steps)
}

#[expect(clippy::unnecessary_wraps, reason = "all tasks have one signature")]
fn bench(arguments: &[String]) -> Result<Vec<Step>, String> {
    let line = CommandLine::new("cargo run --release --manifest-path tests/bench/Cargo.toml --");
    Ok(vec![
        step("build", "cargo build --release --package jurat"),
        Step::new("bench", with_release_binary(line.args(arguments))),
    ])
}

fn step(name: &str, line: &str) -> Step {
    Step::new(name, CommandLine::new(line))
}

fn install(tools: &[Tool]) -> Vec<Step> {
    tools.iter().flat_map(Tool::install_if_missing).collect()
}

fn none(arguments: &[String]) -> Result<(), String> {
    if arguments.is_empty() { Ok(()) } else { Err("no arguments are taken".into()) }
}

/// A line that runs the integration suites with [`binary`].
fn with_binary(line: &str) -> CommandLine {
    CommandLine::new(line).env("JURAT_BIN", binary().display().to_string())
}

/// A line that runs nodes as they are installed.
fn with_release_binary(line: CommandLine) -> CommandLine {
    line.env("JURAT_BIN", target_dir().join("release/jurat").display().to_string())
}

/// Where this build puts what it makes.
fn target_dir() -> PathBuf {
    binary().ancestors().nth(2).map(PathBuf::from).unwrap_or_default()
}

/// The `jurat` that lies beside this program.
fn binary() -> PathBuf {
    std::env::current_exe().unwrap_or_default().with_file_name("jurat")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(Into::into).collect()
    }

    #[test]
    fn arguments_that_make_no_sense_are_refused() {
        for (task, arguments) in [
            (test as fn(&[String]) -> _, "fast"),
            (integration, "council faults"),
            (interop, "dsse"),
            (fuzz, "no-such-target"),
            (fuzz, "note receipt"),
            (fuzz, "note --seconds soon"),
            (fuzz, "note --seconds"),
        ] {
            let refused: Result<Vec<Step>, String> = task(&words(arguments));
            assert!(refused.is_err(), "{arguments}");
        }
    }

    #[test]
    fn one_target_is_built_and_run_for_the_time_given() {
        let steps = fuzz(&words("note --seconds 7")).unwrap();
        let lines: Vec<String> = steps.iter().map(|step| step.line.to_string()).collect();
        let [.., build, run] = lines.as_slice() else { panic!("{lines:?}") };
        assert!(build.starts_with("cargo fuzz build"), "{build}");
        assert!(run.contains(" note ") && run.contains("-max_total_time=7 "), "{run}");
    }
}
