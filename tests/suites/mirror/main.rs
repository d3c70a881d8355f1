//! Mirrors: real processes that copy a council's log and logs of others, from honest sources, lying
//! ones and several at once, killed in between; and what is left when the source is gone.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

mod council;
mod site;

use std::{
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::atomic::Ordering,
};

use jurat_crypto::Digest;
use jurat_log::verify_receipt;
use jurat_tests::{
    Attestor, Council, Finished, Http, Ports, Process, TILED_ORIGIN, TiledLog, command, jurat,
    parse_openmetrics, path, tiled_policy, until, until_true,
};
use rustix::process::Signal;
use serde_json::Value;
use tempfile::TempDir;

use site::{Site, Trick};

/// A mirror without a node, and its process if it runs.
struct Mirror {
    dir: TempDir,
    http: Http,
    address: SocketAddr,
    process: Option<Process>,
    _ports: Ports,
}

impl Mirror {
    fn new() -> Self {
        let ports = Ports::reserve();
        let address = SocketAddr::from(([127, 0, 0, 1], ports.base()));
        let dir = tempfile::tempdir().unwrap();
        Self { dir, http: Http::new(address), address, process: None, _ports: ports }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }

    fn copy(&self, origin: &str) -> PathBuf {
        self.path().join("mirrors").join(hex(origin))
    }

    /// Mirrors the log of the policy from these sources.
    fn add(&self, policy: &Path, sources: &[&str]) -> Finished {
        let arguments = ["mirror", "add", path(self.path()), "--policy", path(policy), "--json"];
        jurat(arguments.iter().chain(sources))
    }

    fn start(&mut self) {
        let mut command = command();
        let address = self.address.to_string();
        command.args(["mirror", "serve", path(self.path()), "--listen", &address, "--interval", "1"]);
        command.args(["--timeout", "2", "--stop-with-stdin"]).stdin(Stdio::piped());
        let log = File::options().create(true).append(true).open(self.path().join("log")).unwrap();
        self.process = Some(Process(command.stderr(log).spawn().unwrap()));
        until_true("the mirror to answer", || self.http.get("/healthz").is_ok());
    }

    fn kill(&mut self) {
        let mut process = self.process.take().unwrap();
        process.signal(Signal::KILL);
        process.wait();
    }

    fn log(&self) -> String {
        fs::read_to_string(self.path().join("log")).unwrap()
    }

    /// What it tells of its only log.
    fn shown(&self) -> Value {
        self.http.get("/logs").unwrap().json()["logs"][0].clone()
    }

    fn until_size(&self, size: u64) {
        until(&format!("{size} entries"), || {
            let shown = self.shown();
            if shown["log_size"] == size { Ok(()) } else { Err(format!("{shown}\n{}", self.log())) }
        });
    }

    fn metric(&self, name: &str) -> u64 {
        let metrics = self.http.get("/metrics").unwrap();
        let samples = parse_openmetrics(metrics.text());
        let found = samples.into_iter().find(|(sample, _)| sample == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", metrics.text())).1.parse().unwrap()
    }
}

/// Where a log of this name is kept and served.
fn hex(origin: &str) -> String {
    Digest::of(origin.as_bytes()).to_string()
}

fn attest(council: &Council, files: std::ops::Range<usize>) {
    let ana = Attestor::named("lab.example/ana");
    let lines: String = files.map(|i| ana.attest(&format!("file {i}")).to_envelope() + "\n").collect();
    let target = "/api/v1/attestations?wait=receipt";
    assert_eq!(council.http(0).post(target, "application/x-ndjson", lines.as_bytes()).unwrap().status, 200);
}

#[test]
fn a_council_is_mirrored_while_it_grows_and_read_when_it_is_gone() {
    let council = Council::start();
    attest(&council, 0..300);
    council.until_same_log(300);
    let mut mirror = Mirror::new();
    // The policy says where the log is read.
    let added = mirror.add(council.policy_path(), &[]).success().json();
    assert_eq!((&added["origin"], &added["log_size"]), (&council.origin().into(), &Value::Null));
    assert_eq!(added["sources"].as_array().unwrap().len(), 4, "{added}");
    mirror.start();
    mirror.until_size(300);
    for grown in [301, 512, 700] {
        let from = usize::try_from(mirror.shown()["log_size"].as_u64().unwrap()).unwrap();
        attest(&council, from..grown);
        mirror.until_size(grown as u64);
    }
    // One member less is no matter.
    council.kill(3);
    attest(&council, 700..720);
    mirror.until_size(720);
    let tiles = council.same_tiles(720);
    for member in council.running() {
        council.kill(member);
    }

    let prefix = format!("/logs/{}", hex(council.origin()));
    for (tile, bytes) in &tiles {
        let answer = mirror.http.get(&format!("{prefix}{tile}")).unwrap();
        assert_eq!(answer.status, 200, "{tile}");
        assert_eq!(answer.header("cache-control"), Some("public, max-age=31536000, immutable"));
        assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
        assert!(answer.body == *bytes, "{tile}");
    }
    let checkpoint = mirror.http.get(&format!("{prefix}/checkpoint")).unwrap();
    assert_eq!(checkpoint.header("cache-control"), Some("public, max-age=1"));
    assert_eq!(checkpoint.header("content-type"), Some("text/plain; charset=utf-8"));
    for missing in
        ["/tile/0/003", "/tile/0/000.p/0", "/tile/0/000.p/256", "/tile/00/000", "/tile/0/3", "/policy"]
    {
        assert_eq!(mirror.http.get(&format!("{prefix}{missing}")).unwrap().status, 404, "{missing}");
    }
    mirror.kill();
    mirror.start();
    // Proofs and entries from the copy alone, over HTTP and as files.
    let policy = council.policy();
    for source in [format!("http://{}{prefix}", mirror.address), path(&mirror.copy(council.origin())).into()]
    {
        let receipt = mirror.path().join("file.jurat");
        let prove = ["log", "prove", "7", "--log", &source, "--policy", path(council.policy_path())];
        jurat(prove.iter().chain(&["-o", path(&receipt)])).success();
        let entry =
            ["log", "entry", "7", "--log", &source, "--policy", path(council.policy_path()), "--json"];
        let entry = jurat(entry).success().json();
        let file = entry["subjects"][0]["name"].as_str().unwrap().to_owned();
        verify_receipt(&fs::read(&receipt).unwrap(), &Digest::of(file.as_bytes()), &policy).unwrap();
        let grown = ["log", "consistency", "300", "720", "--log", &source, "--policy"];
        jurat(grown.iter().chain(&[path(council.policy_path())])).success();
    }
    until_true("all sources to be given up", || {
        let sources = mirror.shown()["sources"].clone();
        sources.as_array().unwrap().iter().all(|source| source["failures"].as_u64() >= Some(1))
    });
    assert_eq!(mirror.shown()["log_size"], 720);
}

#[test]
fn a_node_mirrors_a_directory_of_tiles() {
    let council = Council::found();
    council.run_with(0, |command| {
        command.args(["--mirror-interval", "1"]);
    });
    council.until_answers(0);
    let http = council.http(0);
    let mut log = TiledLog::new(1_000, "");
    let source = council.dir().join("other");
    log.write(&source);
    let policy = tiled_policy(council.dir());
    let dir = path(&council.members()[0].dir).to_owned();
    jurat(["mirror", "add", &dir, path(&source), "--policy", path(&policy)]).success();
    let size = |leaves: u64| {
        until(&format!("{leaves} entries"), || {
            let shown = http.get("/logs").unwrap().json();
            if shown["logs"][0]["log_size"] == leaves { Ok(()) } else { Err(shown.to_string()) }
        });
    };
    size(1_000);
    log.grow(70_000);
    log.write(&source);
    size(70_000);
    let copy = council.members()[0].dir.join("mirrors").join(hex(TILED_ORIGIN));
    log.assert_copied(&copy, 70_000);
    assert!(!copy.join("tile/entries/003.p").exists(), "a partial tile outlives the full one");
    let labels = format!("{{log=\"{TILED_ORIGIN}\"}}");
    assert_eq!(council.metric(0, &format!("jurat_mirror_log_size{labels}")), 70_000);
    assert_eq!(council.metric(0, &format!("jurat_mirror_entries_total{labels}")), 70_000);
    let listed = jurat(["mirror", "list", &dir, "--json"]).success().json();
    assert_eq!((&listed["origin"], &listed["log_size"]), (&TILED_ORIGIN.into(), &70_000.into()));

    jurat(["mirror", "remove", &dir, TILED_ORIGIN]).success();
    assert_eq!(jurat(["mirror", "remove", &dir, TILED_ORIGIN]).code, Some(1));
    assert_eq!(http.get(&format!("/logs/{}/checkpoint", hex(TILED_ORIGIN))).unwrap().status, 404);
    until_true("the log to be gone", || {
        http.get("/logs").unwrap().json()["logs"] == Value::Array(Vec::new())
    });
    // Its copy stays, and is taken up again.
    jurat(["mirror", "add", &dir, path(&source), "--policy", path(&policy)]).success();
    size(70_000);
    assert_eq!(council.metric(0, &format!("jurat_mirror_entries_total{labels}")), 0);
    // The own log is not one to be mirrored.
    let own = ["mirror", "add", &dir, "--policy", path(council.policy_path())];
    assert_eq!(jurat(own).code, Some(2));
}

#[test]
fn sources_that_misbehave_are_named_and_stop_nobody() {
    let log = TiledLog::new(5_000, "");
    for (trick, reason, said) in [
        (Trick::Stall, "unreachable", "no answer within 2 s"),
        (Trick::Drip, "unreachable", "bytes in 2 s, too slow"),
        (Trick::Flood, "unreachable", "more than 16777472 bytes"),
        (Trick::Bomb, "unreachable", "more than 16777472 bytes"),
        (Trick::Busy, "unreachable", "503"),
        (Trick::Flip, "wrong", "is not the one in the checkpoint's tree"),
    ] {
        let mut mirror = Mirror::new();
        let (honest, liar) = (Site::start(log.clone(), Trick::Gzip), Site::start(log.clone(), trick));
        mirror.add(&tiled_policy(mirror.path()), &[&liar.url, &honest.url]).success();
        mirror.start();
        mirror.until_size(5_000);
        log.assert_copied(&mirror.copy(TILED_ORIGIN), 5_000);
        let failures =
            format!("jurat_mirror_source_failures_total{{log=\"{TILED_ORIGIN}\",reason=\"{reason}\"}}");
        assert!(mirror.metric(&failures) >= 1, "{trick:?}");
        let shown = mirror.shown();
        let (bad, good) = (&shown["sources"][0], &shown["sources"][1]);
        assert_eq!((&bad["source"], &good["last_error"]), (&liar.url.as_str().into(), &Value::Null));
        let log = mirror.log();
        let line = log.lines().find(|line| line.contains(&liar.url) && line.contains(said));
        assert!(line.is_some(), "{trick:?}: {log}");
        assert!(honest.requests.load(Ordering::Relaxed) > 20, "{trick:?}");
    }
}

#[test]
fn a_mirror_that_is_killed_goes_on_where_it_was() {
    let log = TiledLog::new(40_000, "");
    let site = Site::start(log.clone(), Trick::Slow(100));
    let mut mirror = Mirror::new();
    mirror.add(&tiled_policy(mirror.path()), &[&site.url]).success();
    let copy = mirror.copy(TILED_ORIGIN);
    let mut stored = 0;
    for _ in 0..3 {
        mirror.start();
        until_true("more files", || log.assert_true(&copy) > stored + 20);
        mirror.kill();
        assert!(!copy.join("checkpoint").exists(), "too fast to be killed in between");
        stored = log.assert_true(&copy);
    }
    let before = site.requests.load(Ordering::Relaxed);
    mirror.start();
    mirror.until_size(40_000);
    log.assert_copied(&copy, 40_000);
    let asked = site.requests.load(Ordering::Relaxed) - before;
    assert!(asked < 157 + 156 + 20 - stored, "{asked} requests with {stored} files there");
    assert_eq!(fs::read_dir(copy.join("staging")).unwrap().count(), 0, "an unfinished file was left");
}

#[test]
fn a_fork_is_kept_as_evidence_and_nothing_of_it_is_taken() {
    let mirror = Mirror::new();
    let dir = path(mirror.path()).to_owned();
    let policy = tiled_policy(mirror.path());
    let (good, bad) = (mirror.path().join("good"), mirror.path().join("bad"));
    let log = TiledLog::new(600, "");
    log.write(&good);
    mirror.add(&policy, &[path(&good)]).success();
    let sync = || jurat(["mirror", "sync", &dir, "--json"]);
    assert_eq!(sync().success().json()["log_size"], 600);
    // An older copy of the same log is no fork.
    TiledLog::new(300, "").write(&bad);
    mirror.add(&policy, &[path(&bad)]).success();
    sync().success();
    for (size, count) in [(600, 1), (900, 2), (400, 3)] {
        fs::remove_dir_all(&bad).unwrap();
        TiledLog::new(size, "fork").write(&bad);
        let synced = sync();
        assert_eq!(synced.code, Some(1), "{synced:?}");
        assert_eq!((&synced.json()["log_size"], &synced.json()["forks"]), (&600.into(), &count.into()));
        log.assert_copied(&mirror.copy(TILED_ORIGIN), 600);
    }
    let listed = jurat(["mirror", "list", &dir, "--json"]).success().json();
    let forks = listed["forks"].as_array().unwrap();
    assert_eq!(forks.len(), 3);
    for evidence in forks {
        let verify = ["evidence", "verify", evidence.as_str().unwrap(), "--policy", path(&policy), "--json"];
        let fork = jurat(verify).success().json();
        assert_eq!((&fork["origin"], fork["both"].as_array().unwrap().len()), (&TILED_ORIGIN.into(), 1));
    }
    // The honest source goes on.
    let mut log = log;
    log.grow(1_000);
    log.write(&good);
    mirror.add(&policy, &[path(&bad), path(&good)]).success();
    assert_eq!(sync().code, Some(1), "the alarm stays");
    log.assert_copied(&mirror.copy(TILED_ORIGIN), 1_000);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let mirror = Mirror::new();
    let policy = tiled_policy(mirror.path());
    for (sources, code) in
        [(&["http://"][..], 2), (&["https:///log"], 2), (&["ftp://x"], 2), (&[], 2), (&["http://x/?a=b"], 2)]
    {
        assert_eq!(mirror.add(&policy, sources).code, Some(code), "{sources:?}");
    }
    assert_eq!(mirror.add(&mirror.path().join("none"), &["/x"]).code, Some(3));
    fs::write(&policy, "quorum none\n").unwrap();
    assert_eq!(mirror.add(&policy, &["/x"]).code, Some(2));
    let listed = jurat(["mirror", "list", path(mirror.path()), "--json"]);
    assert_eq!(listed.success().stdout, "");
    // Nobody answers: nothing is known, and that is said.
    mirror.add(&tiled_policy(mirror.path()), &[path(&mirror.path().join("nowhere"))]).success();
    assert_eq!(jurat(["mirror", "sync", path(mirror.path())]).code, Some(3));
}
