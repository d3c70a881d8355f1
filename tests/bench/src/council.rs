//! A council of real node processes on this machine.

use std::{
    fs::File,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use serde::Deserialize;
use tempfile::TempDir;

use crate::http;

/// Four nodes, stopped when dropped.
pub struct Council {
    nodes: Vec<Child>,
    pub members: Vec<Member>,
    dir: TempDir,
}

#[derive(Deserialize)]
struct Founded {
    members: Vec<Member>,
}

#[derive(Deserialize)]
pub struct Member {
    dir: PathBuf,
    http: String,
}

impl Member {
    /// `host:port` of its HTTP interface.
    pub fn address(&self) -> &str {
        self.http.trim_start_matches("http://")
    }
}

impl Council {
    pub fn start() -> Result<Self, String> {
        let binary = binary()?;
        let dir = tempfile::tempdir().map_err(|error| error.to_string())?;
        let founded = Command::new(&binary)
            .args(["council", "new", "--json"])
            .arg(dir.path().join("council"))
            .output()
            .map_err(|error| error.to_string())?;
        let founded: Founded = serde_json::from_slice(&founded.stdout).map_err(|error| error.to_string())?;
        let mut council = Self { nodes: Vec::new(), members: founded.members, dir };
        for member in &council.members {
            let log = File::create(member.dir.join("node.log")).map_err(|error| error.to_string())?;
            let node = Command::new(&binary)
                .arg("run")
                .arg(&member.dir)
                .args(["--stop-with-stdin", "--log-level", "warn"])
                .stdin(Stdio::piped())
                .stderr(log)
                .spawn()
                .map_err(|error| error.to_string())?;
            council.nodes.push(node);
        }
        let deadline = Instant::now() + Duration::from_secs(20);
        for member in &council.members {
            while !http::get(member.address(), "/readyz").is_ok_and(|(status, _)| status == 200) {
                if Instant::now() > deadline {
                    return Err("the council did not become ready".into());
                }
                sleep(Duration::from_millis(20));
            }
        }
        Ok(council)
    }

    pub fn path(&self) -> &std::path::Path {
        self.dir.path()
    }

    /// Resident memory of each node, in MiB.
    pub fn memory(&self) -> Vec<f64> {
        self.nodes.iter().map(|node| resident(node.id())).collect()
    }

    /// Seconds of processor time that all nodes used together.
    pub fn cpu_seconds(&self) -> f64 {
        self.nodes.iter().map(|node| cpu_seconds(node.id())).sum()
    }

    pub fn status(&self, member: usize) -> Result<serde_json::Value, String> {
        let (_, body) = http::get(self.members[member].address(), "/status")?;
        serde_json::from_str(&body).map_err(|error| error.to_string())
    }

    /// Stops a node, starts it again, and says how many seconds it took until it told its status, which
    /// it can only after it has read its data.
    pub fn restart(&mut self, member: usize) -> Result<f64, String> {
        drop(self.nodes[member].stdin.take());
        self.nodes[member].wait().map_err(|error| error.to_string())?;
        let dir = &self.members[member].dir;
        let log =
            File::options().append(true).open(dir.join("node.log")).map_err(|error| error.to_string())?;
        let start = Instant::now();
        self.nodes[member] = Command::new(binary()?)
            .arg("run")
            .arg(dir)
            .args(["--stop-with-stdin", "--log-level", "warn"])
            .stdin(Stdio::piped())
            .stderr(log)
            .spawn()
            .map_err(|error| error.to_string())?;
        while !http::get(self.members[member].address(), "/status").is_ok_and(|(status, _)| status == 200) {
            sleep(Duration::from_millis(2));
            if start.elapsed() > Duration::from_secs(120) {
                return Err("the node did not start".into());
            }
        }
        Ok(start.elapsed().as_secs_f64())
    }
}

impl Drop for Council {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            drop(node.stdin.take());
        }
        for node in &mut self.nodes {
            let deadline = Instant::now() + Duration::from_secs(10);
            while matches!(node.try_wait(), Ok(None)) {
                if Instant::now() > deadline {
                    let _ = node.kill();
                }
                sleep(Duration::from_millis(10));
            }
        }
    }
}

/// The program under test: built beside this one, as the same package in release mode.
pub fn binary() -> Result<PathBuf, String> {
    match std::env::var_os("JURAT_BIN") {
        Some(path) => Ok(path.into()),
        None => Err("set JURAT_BIN to the jurat binary; 'cargo xtask bench' does".into()),
    }
}

fn resident(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0.0);
    kib / 1024.0
}

fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |i: usize| fields.get(i).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
