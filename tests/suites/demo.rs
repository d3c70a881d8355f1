//! `jurat demo`, the first thing that anyone runs: it does what it says, and whatever ends it leaves
//! no process and no directory.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs,
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use jurat_tests::{Finished, Process, command, finish, jurat, jurat_in, path, until, until_true};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Where a demonstration runs, and where it puts what it must remove.
struct Stage {
    dir: TempDir,
}

impl Stage {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("jurat-stage-").tempdir().unwrap();
        for name in ["here", "temporary"] {
            fs::create_dir(dir.path().join(name)).unwrap();
        }
        Self { dir }
    }

    fn here(&self) -> PathBuf {
        self.dir.path().join("here")
    }

    fn temporary(&self) -> PathBuf {
        self.dir.path().join("temporary")
    }

    fn demo(&self, arguments: &[&str]) -> Command {
        let mut command = command();
        command.arg("demo").args(arguments).current_dir(self.here()).env("TMPDIR", self.temporary());
        command
    }

    fn run(&self, arguments: &[&str]) -> Finished {
        finish(self.demo(arguments))
    }

    /// A demonstration that goes on until it is stopped, once it has said where its council is.
    fn keep(&self) -> (Process, Value) {
        let mut command = self.demo(&["--keep", "--json"]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = Process(command.spawn().unwrap());
        let mut line = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
        (process, serde_json::from_str(&line).unwrap())
    }

    /// The processes of its nodes: they have their directories on the command line.
    fn nodes(&self) -> Vec<Pid> {
        let temporary = self.temporary();
        let runs = |process: &PathBuf| {
            let arguments = fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&arguments).contains(path(&temporary))
        };
        let processes = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
        let ids = processes.filter(runs).filter_map(|process| process.file_name()?.to_str()?.parse().ok());
        ids.filter_map(Pid::from_raw).collect()
    }

    #[track_caller]
    fn assert_nothing_is_left(&self) {
        until("the nodes to be gone", || match self.nodes() {
            nodes if nodes.is_empty() => Ok(()),
            nodes => Err(format!("{nodes:?}")),
        });
        assert_eq!(names(&self.temporary()), [""; 0]);
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn the_demonstration_shows_what_the_readme_says() {
    let stage = Stage::new();
    let shown = stage.run(&[]);
    shown.success();
    let said = format!("{}{}", shown.stdout, shown.stderr);
    for told in [
        "four nodes run",
        "attested at node-1: entry 0, cosigned by node-",
        "verified offline",
        "killed (SIGKILL)",
        "attested with three nodes: entry 1",
        "restarted and caught up",
        "2 entries, the same on all four nodes",
        "jurat verify jurat-demo-README.md --policy jurat-demo.policy",
    ] {
        assert!(said.contains(told), "{told} in {said}");
    }
    stage.assert_nothing_is_left();
    assert_eq!(
        names(&stage.here()),
        [
            "jurat-demo-README.md",
            "jurat-demo-README.md.jurat",
            "jurat-demo.policy",
            "jurat-demo.policy.jurat"
        ]
    );
    // The council is gone; its last words hold.
    for file in ["jurat-demo-README.md", "jurat-demo.policy"] {
        jurat_in(&stage.here(), ["verify", file, "--policy", "jurat-demo.policy"]).success();
    }
}

#[test]
fn files_that_are_named_are_attested() {
    let stage = Stage::new();
    for file in ["one", "two"] {
        fs::write(stage.here().join(file), file).unwrap();
    }
    stage.run(&["one", "two"]).success();
    stage.assert_nothing_is_left();
    let verify = ["verify", "one", "two", "--policy", "jurat-demo.policy"];
    jurat_in(&stage.here(), verify).success();
    // A file that is not there ends it half-way.
    fs::remove_file(stage.here().join("two")).unwrap();
    let failed = stage.run(&["two"]);
    assert_eq!(failed.code, Some(3), "{failed:?}");
    assert!(failed.stderr.contains("two"), "{failed:?}");
    stage.assert_nothing_is_left();
}

#[test]
fn a_council_that_is_kept_works_until_it_is_stopped() {
    for signal in [Signal::TERM, Signal::INT] {
        let stage = Stage::new();
        let (mut demo, council) = stage.keep();
        assert!(council["origin"].is_string());
        let members = council["members"].as_array().unwrap();
        assert_eq!(members.len(), 4);
        assert_eq!(stage.nodes().len(), 4);
        let policy = council["policy"].as_str().unwrap();
        let (key, file) = (stage.here().join("key"), stage.here().join("file"));
        fs::write(&file, "attested").unwrap();
        jurat(["keygen", "--name", "ana", "-o", path(&key)]).success();
        for member in members {
            for field in ["name", "dir", "http", "peer", "vkey"] {
                assert!(member[field].is_string(), "{field} in {member}");
            }
            let node = member["http"].as_str().unwrap();
            jurat(["attest", path(&file), "--key", path(&key), "--node", node]).success();
            jurat(["verify", path(&file), "--policy", policy]).success();
        }
        demo.signal(signal);
        assert_eq!(demo.wait().code(), Some(0));
        stage.assert_nothing_is_left();
    }
}

#[test]
fn a_node_that_dies_ends_the_demonstration() {
    let stage = Stage::new();
    let mut command = stage.demo(&["--keep", "--json"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut demo = Process(command.spawn().unwrap());
    let mut line = String::new();
    BufReader::new(demo.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(!line.is_empty(), "its council");
    kill_process(*stage.nodes().first().unwrap(), Signal::KILL).unwrap();
    assert_eq!(demo.wait().code(), Some(3));
    let mut said = String::new();
    demo.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    for told in ["ended: signal: 9", "the nodes said last:", "node-4: "] {
        assert!(said.contains(told), "{told} in {said}");
    }
    stage.assert_nothing_is_left();
}

#[test]
fn an_interrupted_demonstration_cleans_up() {
    // At different points on its way: with none, some and all nodes running.
    for running in [0, 1, 4] {
        let stage = Stage::new();
        let mut command = stage.demo(&[]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let mut demo = Process(command.spawn().unwrap());
        until_true("nodes to run", || stage.nodes().len() >= running);
        // Before its handlers are in place a signal just ends it, and there is nothing yet to clean.
        until_true("its directory", || !names(&stage.temporary()).is_empty() || !demo.is_running());
        demo.signal(Signal::INT);
        let code = demo.wait().code();
        assert!(matches!(code, Some(3)), "{code:?}");
        stage.assert_nothing_is_left();
    }
}

/// Nobody can clean up after a SIGKILL, but the nodes notice.
#[test]
fn nodes_do_not_outlive_a_demonstration_that_is_killed() {
    let stage = Stage::new();
    let (mut demo, _) = stage.keep();
    assert_eq!(stage.nodes().len(), 4);
    demo.signal(Signal::KILL);
    demo.wait();
    until_true("the nodes to be gone", || stage.nodes().is_empty());
}
