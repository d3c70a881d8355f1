//! Followers: real nodes outside a council that copy its log, serve readers, pass submissions on and
//! cosign; with the council there, gone, changed, forked, and with nodes that lie.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a suite fails by panicking")]

mod liars;
mod peers;
mod relay;

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread,
};

use data_encoding::BASE64;
use jurat_crypto::{Digest, Vkey};
use jurat_log::{Cosignature, Entry, Note, verify_receipt, verify_subject};
use jurat_tests::{
    Attestor, Council, Federation, Finished, Http, Node, Ports, TILED_ORIGIN, TiledLog, jurat, leaf_hash,
    parse_openmetrics, path, tiled_policy, until, until_true,
};
use jurat_trust::Act;
use serde_json::{Value, json};
use tempfile::TempDir;

use relay::Relay;

/// A follower, and its process if it runs.
pub(crate) struct Follower {
    dir: TempDir,
    pub(crate) http: Http,
    made: Value,
    node: Option<Node>,
    _ports: Ports,
}

impl Follower {
    /// Follows the log of a council as that changes.
    pub(crate) fn of(council: &Council, sources: &[&str]) -> Self {
        let network = council.network().0.to_string();
        let rules = ["--council", path(&council.members()[0].dir), "--network", &network];
        Self::new(&rules, sources)
    }

    pub(crate) fn new(rules: &[&str], sources: &[&str]) -> Self {
        let (ports, dir) = (Ports::reserve(), tempfile::tempdir().unwrap());
        let port = ports.base().to_string();
        let at = dir.path().join("node");
        let mut init = vec!["init", path(&at), "--name", "reader", "--json", "--base-port", &port];
        init.extend(rules);
        init.extend(sources.iter().flat_map(|source| ["--follow", source]));
        let made = jurat(&init).success().json();
        let http = Http::new(SocketAddr::from(([127, 0, 0, 1], ports.base())));
        Self { dir, http, made, node: None, _ports: ports }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.dir.path().join("node")
    }

    pub(crate) fn start(&mut self) {
        self.node = Some(Node::start(&[], &self.path(), &self.dir.path().join("log"), |command| {
            command.args(["--mirror-interval", "1", "--mirror-timeout", "2", "--http-receipt-timeout", "12"]);
        }));
        until_true("the follower to answer", || self.http.get("/healthz").is_ok());
    }

    fn kill(&mut self) {
        self.node.take().unwrap().kill();
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn status(&self) -> Value {
        self.http.get("/status").unwrap().json()
    }

    pub(crate) fn until_size(&self, size: u64) {
        until(&format!("{size} certified entries"), || {
            let status = self.status();
            let is = status["certified_size"] == size && status["following"]["lag"] == 0;
            if is { Ok(()) } else { Err(format!("{status}\n{}", self.log())) }
        });
    }

    pub(crate) fn metric(&self, name: &str) -> u64 {
        let metrics = self.http.get("/metrics").unwrap();
        let samples = parse_openmetrics(metrics.text());
        let found = samples.into_iter().find(|(sample, _)| sample == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", metrics.text())).1.parse().unwrap()
    }

    fn doctor(&self) -> Finished {
        jurat(["doctor", path(&self.path()), "--json"])
    }

    /// Submits a file's attestation and gives the answer.
    pub(crate) fn submit(&self, file: &str) -> (u16, Value, Option<u32>) {
        let envelope = Attestor::named("lab.example/ana").attest(file).to_envelope();
        let target = "/api/v1/attestations?wait=receipt";
        let answer = self.http.post(target, "application/json", envelope.as_bytes()).unwrap();
        let after = answer.header("retry-after").map(|seconds| seconds.parse().unwrap());
        (answer.status, answer.json(), after)
    }
}

pub(crate) fn attest(council: &Council, files: std::ops::Range<usize>) {
    let ana = Attestor::named("lab.example/ana");
    let lines: String = files.map(|i| ana.attest(&format!("file {i}")).to_envelope() + "\n").collect();
    let target = "/api/v1/attestations?wait=receipt";
    assert_eq!(council.http(0).post(target, "application/x-ndjson", lines.as_bytes()).unwrap().status, 200);
}

/// What a reader asks for who knows 300 entries.
fn reads(council: &Council) -> Vec<String> {
    let ana = Attestor::named("lab.example/ana");
    let (file, key) = (Digest::of(b"file 7"), ana.vkey().to_string().replace('+', "%2B"));
    vec![
        "/".into(),
        "/checkpoint".into(),
        "/tile/0/000".into(),
        "/tile/0/001.p/44".into(),
        "/tile/entries/000".into(),
        "/status".into(),
        "/records?start=290&count=10".into(),
        "/consistency-proof?old_size=200&size=300".into(),
        format!("/api/v1/receipts/{}", leaf_hash(&ana.attest("file 7"))),
        format!("/api/v1/attestations?subject={file}"),
        format!("/api/v1/attestations?attestor={key}&limit=3"),
        format!("/api/v1/subjects/{file}/proof"),
        "/api/v1/council".into(),
        format!("/logs/{}/checkpoint", Digest::of(council.origin().as_bytes())),
        "/healthz".into(),
        "/readyz".into(),
        "/metrics".into(),
        "/openapi.json".into(),
    ]
}

fn assert_reads(follower: &Follower, reads: &[String]) {
    for read in reads {
        let answer = follower.http.get(read).unwrap();
        assert_eq!(answer.status, 200, "{read}: {}", String::from_utf8_lossy(&answer.body));
    }
}

#[test]
fn a_follower_serves_a_log_takes_submissions_and_outlives_the_council() {
    let council = Council::start();
    attest(&council, 0..300);
    council.until_same_log(300);
    let doors: Vec<Relay> = council.members().iter().map(|member| Relay::before(member.http)).collect();
    let sources: Vec<&str> = doors.iter().map(|door| &*door.url).collect();
    let mut follower = Follower::of(&council, &sources);
    assert_eq!(follower.made["network"], council.network().0.to_string());
    follower.start();
    follower.until_size(300);
    let status = follower.status();
    assert_eq!((&status["role"], &status["name"]), (&"follower".into(), &"reader".into()));
    assert_eq!(status["root"], council.status(0).unwrap()["root"]);
    for (tile, bytes) in council.same_tiles(300) {
        assert!(follower.http.get(&tile).unwrap().body == bytes, "{tile}");
    }
    let reads = reads(&council);
    assert_reads(&follower, &reads);

    // What it shows holds by itself.
    let (policy, file) = (council.policy(), Digest::of(b"file 7"));
    let ana = Attestor::named("lab.example/ana");
    let leaf = leaf_hash(&ana.attest("file 7"));
    let shown = follower.http.get(&format!("/api/v1/receipts/{leaf}")).unwrap().json();
    assert_eq!(shown["leaf_hash"], *leaf);
    let receipt = shown["receipt"].as_str().unwrap();
    assert_eq!(verify_receipt(receipt.as_bytes(), &file, &policy).unwrap().index.value(), 7);
    let proof = follower.http.get(&format!("/api/v1/subjects/{file}/proof")).unwrap().json();
    let proof = verify_subject(proof["proof"].as_str().unwrap().as_bytes(), &file, &policy).unwrap();
    assert_eq!(proof.entries.unwrap().first.value(), 7);
    let found = follower.http.get(&format!("/api/v1/attestations?subject={file}")).unwrap().json();
    assert_eq!(found["attestations"][0]["index"], 7);

    // It cosigns as a witness, and what it cosigned is never taken back.
    let witnessed = format!("/witness/{}/checkpoint", Digest::of(council.origin().as_bytes()));
    let (http, vkey): (Http, Vkey) =
        (follower.http, follower.made["vkey"].as_str().unwrap().parse().unwrap());
    let cosigned = |size: u64| {
        let note = Note::parse(&http.get(&witnessed).unwrap().body).unwrap();
        assert!(note.text().as_str().contains(&format!("\n{size}\n")), "{}", note.text().as_str());
        let line = note.signatures().iter().find(|line| line.is_by(&vkey)).unwrap();
        assert!(Cosignature::from_bytes(line.bytes()).is_some());
        note.verify([&vkey]).unwrap();
    };
    cosigned(300);

    // A thousand readers; the council hears of none.
    let before: Vec<Vec<String>> = doors.iter().map(Relay::asked).collect();
    thread::scope(|scope| {
        for reader in 0..20 {
            let (http, reads) = (follower.http, &reads);
            scope.spawn(move || {
                for i in 0..50 {
                    let read = &reads[(reader + i) % reads.len()];
                    let answer = http.get(read).unwrap();
                    assert!(matches!(answer.status, 200 | 429), "{read}: {}", answer.status);
                }
            });
        }
    });
    assert_eq!(doors.iter().map(Relay::asked).collect::<Vec<_>>(), before, "readers reached the council");
    assert!(doors.iter().map(Relay::rounds).sum::<usize>() < 1_000);

    // It keeps up, and takes what is for the council.
    attest(&council, 300..310);
    follower.until_size(310);
    let (code, answer, _) = follower.submit("through the follower");
    assert_eq!((code, &answer["index"]), (200, &310.into()), "{answer}");
    let bytes = answer["receipt"].as_str().unwrap().as_bytes();
    verify_receipt(bytes, &Digest::of(b"through the follower"), &policy).unwrap();
    follower.until_size(311);
    // The same receipt, now from the copy.
    let passed = follower.metric("jurat_passed_on_total{outcome=\"answered\"}");
    assert_eq!(follower.submit("through the follower").1["receipt"], answer["receipt"]);
    assert_eq!(follower.metric("jurat_passed_on_total{outcome=\"answered\"}"), passed);
    let record = |file: &str| BASE64.encode(&Entry::Attestation(ana.attest(file)).encode());
    let body = json!({"records": [record("a record"), record("file 9"), "AAAA"]}).to_string();
    let taken = follower.http.post("/records", "application/json", body.as_bytes()).unwrap().json();
    assert_eq!((&taken["accepted"], &taken["records"][2]["error"]["status"]), (&2.into(), &400.into()));
    follower.until_size(312);
    // Operations pass as well, and what the council says of one that is wrong.
    let operation = Federation::named(&council, "fed:lab").registration();
    let target = "/api/v1/operations?wait=receipt";
    let registered = follower.http.post(target, "application/octet-stream", &operation).unwrap();
    assert_eq!(registered.status, 200, "{}", registered.text());
    assert!(registered.json()["receipt"].as_str().unwrap().starts_with("c2sp.org/tlog-proof@v1\n"));
    let again = Federation::named(&council, "fed:lab").asks(1, Act::Dissolve);
    let refused = follower.http.post(target, "application/octet-stream", &again).unwrap();
    assert_eq!((refused.status, &refused.json()["title"]), (422, &"refused by the registry".into()));
    let grown = registered.json()["log_size"].as_u64().unwrap();
    follower.until_size(grown);
    // What is wrong is refused here.
    let passed = follower.metric("jurat_passed_on_total{outcome=\"answered\"}");
    let stolen = ana.attest("another").to_envelope();
    let theft = ana.attest("stolen").to_envelope();
    let sig = |text: &str| serde_json::from_str::<Value>(text).unwrap()["signatures"][0]["sig"].to_string();
    let forged = theft.replace(&sig(&theft), &sig(&stolen));
    let target = "/api/v1/attestations?wait=receipt";
    let refused = follower.http.post(target, "application/json", forged.as_bytes()).unwrap();
    assert_eq!((refused.status, &refused.json()["title"]), (422, &"bad signature".into()));
    assert_eq!(follower.http.post(target, "application/json", b"{}").unwrap().status, 400);
    assert_eq!(follower.metric("jurat_passed_on_total{outcome=\"answered\"}"), passed);
    assert_eq!(follower.metric("jurat_refused_attestations_total"), 3);
    cosigned(grown);

    let shown = jurat(["status", "--node", follower.made["http"].as_str().unwrap()]);
    assert!(shown.success().stdout.contains("reader (follower) of"), "{}", shown.stdout);
    follower.doctor().success();
    let file = council.dir().join("report.txt");
    fs::write(&file, "a report").unwrap();
    let key = council.dir().join("ana.key");
    jurat(["keygen", "--name", "lab.example/eva", "-o", path(&key)]).success();
    let attest =
        ["attest", path(&file), "--key", path(&key), "--node", follower.made["http"].as_str().unwrap()];
    jurat(attest).success();
    jurat(["verify", path(&file), "--policy", path(council.policy_path())]).success();

    // Without the council reading goes on, and submissions are told why not.
    follower.until_size(grown + 1);
    for member in council.running() {
        council.kill(member);
    }
    assert_reads(&follower, &reads);
    let (code, problem, after) = follower.submit("nobody is there");
    assert_eq!((code, &problem["title"]), (503, &"the council can't be reached".into()), "{problem}");
    assert!(after >= Some(1) && problem["detail"].as_str().unwrap().contains(sources[0]), "{problem}");
    assert_eq!(follower.submit("file 3").0, 200, "what is in the copy needs no council");
    until_true("the doctor to say so", || follower.doctor().code == Some(1));
    // Started again, it has all at once.
    follower.kill();
    follower.start();
    assert_eq!(follower.status()["certified_size"], grown + 1);
    assert_reads(&follower, &reads);
    cosigned(grown + 1);

    for member in 0..4 {
        council.run(member);
    }
    council.until_connected();
    until_true("a submission to pass", || follower.submit("the council is back").0 == 200);
    follower.until_size(grown + 2);
    follower.doctor().success();
}

#[test]
fn a_follower_goes_along_with_a_council_that_changes() {
    let council = Council::start();
    attest(&council, 0..10);
    let url = council.url(1);
    let mut follower = Follower::of(&council, &[&url]);
    follower.start();
    follower.until_size(10);
    let (ports, paper) = (Ports::reserve(), council.dir().join("paper"));
    let [peer, http] = [1, 0].map(|port| format!("127.0.0.1:{}", ports.base() + port));
    let dirs: Vec<&Path> = council.members().iter().map(|member| &*member.dir).collect();
    let join = ["council", "join", path(&paper), "--name", "paper", "--council", path(dirs[0])];
    let joins = jurat(join.iter().chain(&["--peer", &peer, "--http", &http, "--json"])).success().json();
    let change = joins["change"].as_str().unwrap();
    for signer in &dirs[..3] {
        jurat(["council", "sign", change, path(signer)]).success();
    }
    jurat(["council", "submit", change, "--node", &url]).success();
    let _newcomer = Node::start(&[], &paper, &council.dir().join("paper.log"), |_| {});
    // A receipt of the new epoch holds once the follower knows of that.
    until_true("a receipt of the new epoch", || {
        let (code, answer, _) = follower.submit("after one joined");
        assert!(matches!(code, 200 | 502 | 503), "{answer}");
        code == 200
    });
    until_true("epoch 1", || follower.status()["epoch"] == 1);
    let told = follower.http.get("/api/v1/council").unwrap();
    assert_eq!(told.json()["epoch"], council.http(1).get("/api/v1/council").unwrap().json()["epoch"]);
}

#[test]
fn a_fork_is_an_alarm_and_nothing_of_it_is_taken() {
    let at = tempfile::tempdir().unwrap();
    let policy = tiled_policy(at.path());
    let (good, bad) = (at.path().join("good"), at.path().join("bad"));
    let mut log = TiledLog::new(600, "");
    log.write(&good);
    log.write(&bad);
    let mut follower = Follower::new(&["--policy", path(&policy)], &[path(&good), path(&bad)]);
    follower.start();
    follower.until_size(600);
    follower.doctor().success();
    let checkpoint = follower.http.get("/checkpoint").unwrap().body;
    fs::remove_dir_all(&bad).unwrap();
    TiledLog::new(900, "fork").write(&bad);
    until("the alarm", || {
        let status = follower.status();
        let alarms = status["alarms"].as_array().unwrap();
        if alarms.len() == 1 { Ok(()) } else { Err(format!("{status}\n{}", follower.log())) }
    });
    let status = follower.status();
    assert!(status["alarms"][0].as_str().unwrap().contains(TILED_ORIGIN), "{status}");
    assert_eq!(
        (&status["log_size"], &status["following"]["sources"][1]["forked"]),
        (&600.into(), &true.into())
    );
    assert!(follower.http.get("/").unwrap().text().starts_with("ALARM: "));
    assert_eq!(follower.doctor().code, Some(1));
    let forks = format!("jurat_mirror_forks{{log=\"{TILED_ORIGIN}\"}}");
    assert_eq!(follower.metric(&forks), 1);
    assert_eq!(follower.http.get("/checkpoint").unwrap().body, checkpoint, "something of the fork was taken");
    // The honest source goes on; nobody is there to pass submissions on to.
    log.grow(700);
    log.write(&good);
    until_true("the honest source to go on", || follower.status()["certified_size"] == 700);
    let (code, problem, _) = follower.submit("a file");
    assert_eq!(
        (code, problem["detail"].as_str().unwrap().contains("knows no node")),
        (503, true),
        "{problem}"
    );
    // The alarm stays.
    follower.kill();
    follower.start();
    until_true("the alarm", || follower.status()["alarms"].as_array().unwrap().len() == 1);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let at = tempfile::tempdir().unwrap();
    let (policy, dir) = (tiled_policy(at.path()), at.path().join("node"));
    let init = ["init", path(&dir), "--name", "reader"];
    let code = |more: &[&str]| jurat(init.iter().chain(more)).code;
    assert_eq!(code(&["--follow", "http://127.0.0.1:1"]), Some(2), "whose checkpoints count?");
    assert_eq!(code(&["--policy", path(&policy)]), Some(2), "which log?");
    assert_eq!(code(&["--follow", "ftp://x", "--policy", path(&policy)]), Some(2));
    assert_eq!(code(&["--follow", "http://x", "--policy", path(&policy), "--origin", "a"]), Some(2));
    assert_eq!(code(&["--follow", "http://x", "--council", path(at.path())]), Some(3));
    assert!(!dir.exists());
    assert_eq!(code(&["--follow", "http://127.0.0.1:1", "--policy", path(&policy)]), Some(0));
    assert_eq!(code(&["--follow", "http://127.0.0.1:1", "--policy", path(&policy)]), Some(3), "not empty");
    jurat(["run", path(&dir), "--check"]).success();
    assert_eq!(jurat(["run", path(&dir), "--check", "--peer-listen", "127.0.0.1:1"]).code, Some(2));
    // Commands for members say what the node is.
    for members_only in [["council", "show", path(&dir)], ["log", "fsck", path(&dir)]] {
        let refused = jurat(members_only);
        assert_eq!(refused.code, Some(3), "{refused:?}");
    }
    // Not mirrored any more: then there is nothing to follow.
    jurat(["mirror", "remove", path(&dir), TILED_ORIGIN]).success();
    let refused = jurat(["run", path(&dir)]);
    assert!(refused.code == Some(3) && refused.stderr.contains("jurat mirror add"), "{refused:?}");
    let toml = dir.join("node.toml");
    let text = fs::read_to_string(&toml).unwrap();
    fs::write(&toml, format!("{text}[peer]\nlisten = \"127.0.0.1:1\"\n")).unwrap();
    assert!(jurat(["run", path(&dir)]).stderr.contains("has no [peer]"));
}
