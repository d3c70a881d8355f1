//! `jurat init` and `jurat doctor`: a node alone, what is wrong with one, and alarms that can't be
//! overlooked.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs::{self, Permissions},
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use data_encoding::BASE64;
use jurat_tests::{
    Attestor, Council, Finished, Http, Node, Ports, TiledLog, jurat, path, tiled_policy, until, until_true,
};
use serde_json::Value;
use tempfile::TempDir;

/// A node alone, which `jurat init` made.
struct Alone {
    parent: TempDir,
    made: Value,
    _ports: Ports,
}

impl Alone {
    fn init() -> Self {
        let (parent, ports) = (tempfile::tempdir().unwrap(), Ports::reserve());
        let (dir, port) = (parent.path().join("log"), ports.base().to_string());
        let init = ["init", path(&dir), "--name", "ana", "--origin", "log.example/ana", "--solo", "--json"];
        let made = jurat(init.iter().chain(&["--base-port", &port])).success().json();
        Self { parent, made, _ports: ports }
    }

    fn dir(&self) -> PathBuf {
        self.parent.path().join("log")
    }

    fn at(&self, what: &str) -> SocketAddr {
        self.made[what].as_str().unwrap().trim_start_matches("http://").parse().unwrap()
    }

    fn run(&self) -> Node {
        let node = Node::start(&[], &self.dir(), &self.parent.path().join("log.txt"), |_| {});
        until_true("the node to answer", || Http::new(self.at("http")).get("/healthz").is_ok());
        node
    }
}

fn doctor(dir: &Path) -> Finished {
    jurat(["doctor", path(dir), "--json"])
}

/// What a check found: the verdict, and all of it for people.
#[track_caller]
fn finding(doctor: &Finished, check: &str) -> (String, String) {
    let lines = doctor.json_lines();
    let found = lines.iter().find(|line| line["check"] == check).unwrap();
    (found["verdict"].as_str().unwrap().into(), found.to_string())
}

#[track_caller]
fn assert_wrong(doctor: &Finished, check: &str, said: &str) {
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    let (verdict, found) = finding(doctor, check);
    assert!(verdict == "wrong" && found.contains(said), "{found}");
}

#[test]
fn a_node_alone_is_made_runs_and_is_well() {
    let alone = Alone::init();
    assert_eq!(alone.made["origin"], "log.example/ana");
    let dir = alone.dir();
    assert_eq!(
        jurat(["init", path(&dir), "--name", "ana"]).code,
        Some(3),
        "what is there is not overwritten"
    );
    let before = doctor(&dir);
    before.success();
    assert_eq!(finding(&before, "process").0, "warning");
    assert_eq!(finding(&before, "HTTP port").0, "ok");

    let _node = alone.run();
    let http = Http::new(alone.at("http"));
    let envelope = Attestor::named("lab.example/ana").attest("one").to_envelope();
    let answer = http.post("/api/v1/attestations?wait=receipt", "application/json", envelope.as_bytes());
    assert_eq!(answer.unwrap().status, 200);
    let policy = alone.made["policy"].as_str().unwrap();
    let entry = ["log", "entry", "0", "--log", alone.made["http"].as_str().unwrap(), "--policy", policy];
    jurat(entry).success();
    let running = doctor(&dir);
    running.success();
    for check in ["configuration", "clock", "disk", "process", "council", "evidence"] {
        assert_eq!(finding(&running, check).0, "ok", "{check}");
    }
    assert_eq!(http.get("/status").unwrap().json()["alarms"], Value::Array(Vec::new()));
}

#[test]
fn what_is_wrong_is_named_with_what_to_do() {
    let alone = Alone::init();
    let dir = alone.dir();
    assert_eq!(doctor(alone.parent.path()).code, Some(3), "that is no node's directory");
    let taken = TcpListener::bind(alone.at("peer")).unwrap();
    assert_wrong(&doctor(&dir), "link port", "peer.listen");
    drop(taken);
    let key = dir.join("node.key");
    fs::set_permissions(&key, Permissions::from_mode(0o644)).unwrap();
    assert_wrong(&doctor(&dir), "configuration", "mode 644");
    fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
    doctor(&dir).success();

    // A batch of the future: the clock is behind.
    let hour = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() + 3_600_000;
    let zeros = BASE64.encode(&[0; 32]);
    let checkpoint = format!(
        "log.example/ana\n1\n{zeros}\njurat.batch 0 1 {hour}\njurat.registry {zeros}\n\n\u{2014} log.example/ana {zeros}\n"
    );
    fs::create_dir_all(dir.join("data/log")).unwrap();
    fs::write(dir.join("data/log/checkpoint"), checkpoint).unwrap();
    assert_wrong(&doctor(&dir), "clock", "behind the last batch");
    fs::remove_dir_all(dir.join("data")).unwrap();

    let roots = dir.join("node.toml");
    let config = fs::read_to_string(&roots).unwrap();
    fs::write(&roots, format!("{config}\n[outgoing]\nroots = \"none.pem\"\n")).unwrap();
    assert_wrong(&doctor(&dir), "outgoing", "none.pem");
}

#[test]
fn members_that_are_gone_are_named() {
    let council = Council::start();
    let dir = council.members()[0].dir.clone();
    doctor(&dir).success();
    council.kill(3);
    until("a warning", || {
        let found = doctor(&dir);
        let (verdict, said) = finding(&found, "council");
        let is = found.code == Some(0) && verdict == "warning" && said.contains("node-4");
        if is { Ok(()) } else { Err(said) }
    });
    council.kill(2);
    until("no quorum", || {
        let found = doctor(&dir);
        let (verdict, said) = finding(&found, "council");
        if found.code == Some(1) && verdict == "wrong" { Ok(()) } else { Err(said) }
    });
    let unreachable = doctor(&dir).json_lines();
    let members = unreachable.iter().filter(|line| line["check"] == "member" && line["verdict"] == "warning");
    assert_eq!(members.count(), 2);
}

#[test]
fn a_fork_can_not_be_overlooked() {
    let alone = Alone::init();
    let (dir, source) = (alone.dir(), alone.parent.path().join("other"));
    let policy = tiled_policy(alone.parent.path());
    TiledLog::new(300, "").write(&source);
    jurat(["mirror", "add", path(&dir), path(&source), "--policy", path(&policy)]).success();
    jurat(["mirror", "sync", path(&dir)]).success();
    doctor(&dir).success();
    fs::remove_dir_all(&source).unwrap();
    TiledLog::new(400, "fork").write(&source);
    assert_eq!(jurat(["mirror", "sync", path(&dir)]).code, Some(1));
    assert_wrong(&doctor(&dir), "evidence", "jurat evidence show");

    let _node = alone.run();
    let http = Http::new(alone.at("http"));
    until_true("the alarm", || {
        let alarms = http.get("/status").unwrap().json()["alarms"].clone();
        alarms[0].as_str().is_some_and(|alarm| alarm.contains("has forked"))
    });
    assert!(http.get("/").unwrap().text().starts_with("ALARM"));
    assert!(http.get("/metrics").unwrap().text().contains("jurat_mirror_forks{log=\"log.example/other\"} 1"));
    let status = jurat(["status", "--node", alone.made["http"].as_str().unwrap()]);
    assert!(status.success().stdout.contains("ALARM"), "{status:?}");
    assert_wrong(&doctor(&dir), "evidence", "1 files");
}
