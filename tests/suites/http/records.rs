//! What simple peers use: records, proofs of growth, and handing records in; and `jurat peer pull`, which is
//! one of them.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    thread,
};

use data_encoding::{BASE64, HEXLOWER};
use jurat_crypto::Digest;
use jurat_log::{
    Attestation, ConsistencyProof, Entry, OrderedTime, PrivateCommitment, Tree, TreeSize, UnixMillis,
    leaf_hash,
};
use jurat_tests::{Answer, Council, Http, jurat, path, until_true};
use serde_json::{Value, json};

use super::{JSON, NDJSON, WAIT, ana, assert_problem};

/// A record in base64.
pub(crate) fn record(file: &str) -> String {
    let attestation = Attestation::from_envelope(ana().attest(file).to_envelope().as_bytes()).unwrap();
    BASE64.encode(&Entry::Attestation(attestation).encode())
}

fn push(http: Http, records: &Value) -> Answer {
    http.post("/records", JSON, json!({ "records": records }).to_string().as_bytes()).unwrap()
}

fn digest(value: &Value) -> Digest {
    value.as_str().unwrap().parse().unwrap()
}

/// The tree that the records make.
fn tree(http: Http, size: u64) -> Tree {
    let mut tree = Tree::new();
    while tree.size().value() < size {
        let at = tree.size().value();
        let answer = http.get(&format!("/records?start={at}&count=7")).unwrap().json();
        assert_eq!(answer["start"], at);
        let records = answer["records"].as_array().unwrap();
        assert!((1..=7).contains(&records.len()), "{answer}");
        tree.extend(
            records
                .iter()
                .map(|record| leaf_hash(&BASE64.decode(record.as_str().unwrap().as_bytes()).unwrap())),
        );
    }
    tree
}

#[test]
fn records_come_with_roots_and_proofs_that_hold() {
    let council = Council::start();
    let http = council.http(0);
    let empty = http.get("/records?start=0&count=1").unwrap();
    assert_eq!(empty.json(), json!({ "log_size": 0, "start": 0, "records": [] }));
    // Handed in as they are in the log: some good, one twice, some bad, each with its answer.
    let (first, other) = (record("first"), record("other"));
    let time = Entry::OrderedTime(OrderedTime { sequence: 1, time: UnixMillis(1) }).encode();
    let commitment = PrivateCommitment { commitment: Digest::of(b"event"), tag: Digest::of(b"tag") };
    let private = Entry::PrivateCommitment(commitment).encode();
    let mut forged = BASE64.decode(other.as_bytes()).unwrap();
    *forged.last_mut().unwrap() ^= 1;
    let answer = push(
        http,
        &json!([
            first,
            other,
            first,
            BASE64.encode(&forged),
            BASE64.encode(&time),
            "?",
            "",
            BASE64.encode(&private)
        ]),
    );
    assert_eq!(answer.status, 200, "{}", answer.text());
    let taken = answer.json();
    assert_eq!(taken["accepted"], 3, "{taken}");
    let leaf = |record: &str| leaf_hash(&BASE64.decode(record.as_bytes()).unwrap()).to_string();
    assert_eq!(taken["records"][0]["leaf_hash"], leaf(&first));
    assert_eq!(taken["records"][1]["leaf_hash"], leaf(&other));
    for (at, status) in [(3, 422), (4, 400), (5, 400), (6, 400), (7, 400)] {
        assert_eq!(taken["records"][at]["error"]["status"], status, "{taken}");
    }
    until_true("two records", || http.get("/status").unwrap().json()["log_size"] == 2);
    assert_eq!(push(http, &json!([other])).json()["accepted"], 1, "again is as good as once");

    let lines: String = (0..40).map(|i| ana().attest(&format!("file {i}")).to_envelope() + "\n").collect();
    assert_eq!(http.post(WAIT, NDJSON, lines.as_bytes()).unwrap().status, 200);
    assert_eq!(council.until_same_log(42), 42);
    let status = http.get("/status").unwrap().json();
    let tree = tree(http, 42);
    assert_eq!(tree.root(), digest(&status["root"]));
    let size = |size: u64| TreeSize::new(size).unwrap();
    for (old, new) in [(1, 42), (2, 42), (31, 33), (32, 42), (42, 42)] {
        let growth = http.get(&format!("/consistency-proof?old_size={old}&size={new}")).unwrap().json();
        assert_eq!((&growth["old_size"], &growth["log_size"]), (&old.into(), &new.into()));
        let hashes = growth["proof"].as_array().unwrap().iter().map(digest).collect();
        let (old_root, root) = (tree.root_at(size(old)).unwrap(), digest(&growth["root"]));
        let proof = ConsistencyProof::new(hashes).unwrap();
        proof.verify(size(old), size(new), &old_root, &root).unwrap();
        assert_eq!(root, tree.root_at(size(new)).unwrap());
    }
    let now = http.get("/consistency-proof?old_size=2").unwrap().json();
    assert_eq!((&now["log_size"], &now["root"]), (&status["log_size"], &status["root"]));
}

#[test]
fn spans_and_bodies_that_make_no_sense_are_refused() {
    let council = Council::found();
    council.run_with(0, |command| {
        command.args(["--http-minimum-index", "1"]);
    });
    (1..4).for_each(|member| council.run(member));
    council.until_connected();
    let http = council.http(0);
    let lines: String = (0..4).map(|i| ana().attest(&format!("file {i}")).to_envelope() + "\n").collect();
    assert_eq!(http.post(WAIT, NDJSON, lines.as_bytes()).unwrap().status, 200);
    let huge = u64::MAX;
    for (query, status) in [
        ("records?start=-1&count=1", 400),
        ("records?start=1&count=-1", 400),
        ("records?start=1&count=0", 400),
        ("records?start=1&count=1025", 400),
        (&format!("records?start=1&count={huge}"), 400),
        (&format!("records?start=1&count={huge}0"), 400),
        (&format!("records?start={huge}&count=1024"), 404),
        ("records?start=5&count=1", 404),
        ("records?start=0&count=2", 404),
        ("records?start=1", 400),
        ("records", 400),
        ("records?start=1&start=2&count=1", 400),
        ("records?start=1&count=1&order=random", 400),
        ("records?start=1e0&count=1", 400),
        ("consistency-proof", 400),
        ("consistency-proof?old_size=0", 400),
        ("consistency-proof?old_size=5", 400),
        ("consistency-proof?old_size=3&size=2", 400),
        ("consistency-proof?old_size=1&size=5", 400),
        ("consistency-proof?old_size=-1", 400),
        (&format!("consistency-proof?old_size={huge}"), 400),
        (&format!("consistency-proof?old_size=1&size={}", 1_u64 << 63), 400),
    ] {
        assert_problem(&http.get(&format!("/{query}")).unwrap(), status);
    }
    // Behind the end is empty, and what goes beyond it is what there is.
    assert_eq!(http.get("/records?start=4&count=9").unwrap().json()["records"], json!([]));
    let rest = http.get("/records?start=1&count=1024").unwrap().json();
    assert_eq!(rest["records"].as_array().unwrap().len(), 3);

    let post = |body: &[u8]| http.post("/records", JSON, body).unwrap();
    let many = vec!["AA=="; 1025];
    for body in [
        json!({}),
        json!({ "records": [] }),
        json!({ "records": many }),
        json!({ "records": [1] }),
        json!([]),
        json!({ "records": [], "more": 1 }),
    ] {
        assert_problem(&post(body.to_string().as_bytes()), 400);
    }
    for body in [&b""[..], b"\xff", &vec![b'['; 100_000]] {
        assert_problem(&post(body), 400);
    }
    let long = json!([HEXLOWER.encode(&[0; 200_000])]);
    assert_eq!(push(http, &long).json()["accepted"], 0);
    assert_eq!(http.get("/status").unwrap().json()["log_size"], 4);
}

/// A simple peer that answers requests whose path begins so with that, whatever is asked for.
fn liar(answers: &[(&'static str, Value)]) -> String {
    let answers: Vec<_> = answers.iter().map(|(path, answer)| (*path, answer.to_string())).collect();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut client in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(client.try_clone().unwrap()).lines().map_while(Result::ok);
            let request = lines.next().unwrap_or_default();
            lines.take_while(|line| !line.is_empty()).for_each(drop);
            let answer = answers.iter().find(|(path, _)| request.starts_with(&format!("GET {path}")));
            let (status, body) = answer.map_or(("404 Not Found", "{}"), |(_, body)| ("200 OK", body));
            let head = format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close", body.len());
            let _ = write!(client, "{head}\r\n\r\n{body}");
        }
    });
    url
}

#[test]
fn what_a_simple_peer_has_is_taken_into_another_log_once_it_is_shown_to_hold() {
    let (from, to) = (Council::start(), Council::start());
    let attest = |files: std::ops::Range<usize>| {
        let lines = files.map(|i| ana().attest(&format!("file {i}")).to_envelope() + "\n");
        let lines = lines.collect::<String>();
        assert_eq!(from.http(0).post(WAIT, NDJSON, lines.as_bytes()).unwrap().status, 200);
    };
    attest(0..30);
    assert_eq!(from.until_same_log(30), 30);
    let (state, url) = (from.dir().join("peer.json"), to.url(0));
    let pull = |peer: &str| jurat(["peer", "pull", peer, "--to", &url, "--state", path(&state), "--json"]);
    let pulled = pull(&from.url(1)).success().json();
    let root = from.status(1).unwrap()["root"].clone();
    assert_eq!(pulled, json!({ "log_size": 30, "root": root, "accepted": 30, "refused": 0, "skipped": 0 }));
    assert_eq!(to.until_same_log(30), 30);
    assert_eq!(pull(&from.url(2)).success().json()["accepted"], 0);
    attest(30..1100);
    assert_eq!(from.until_same_log(1100), 1100);
    assert_eq!(pull(&from.url(3)).success().json()["accepted"], 1070, "more than are asked for at once");
    assert_eq!(to.until_same_log(1100), 1100);

    let other = Digest::of(b"other").to_string();
    let seen = std::fs::read(&state).unwrap();
    let record = json!({ "start": 0, "records": [record("of nobody's log")] });
    for (answers, code, why) in [
        (vec![("/status", json!({ "log_size": 1100, "root": other }))], 1, "the log was rewritten"),
        (
            vec![
                ("/status", json!({ "log_size": 1101, "root": other })),
                ("/consistency-proof", json!({ "proof": [other] })),
            ],
            1,
            "the log was rewritten",
        ),
        (vec![("/status", json!({ "log_size": 1101, "root": other }))], 3, "404"),
        (vec![("/status", json!({ "log_size": 1101, "root": "?" }))], 3, "makes no sense"),
        (vec![("/status", json!({ "log_size": u64::MAX, "root": other }))], 3, "makes no sense"),
    ] {
        let refused = pull(&liar(&answers));
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    assert_eq!(std::fs::read(&state).unwrap(), seen);
    // Nothing was seen before: what is claimed has to be made of what comes.
    let status = ("/status", json!({ "log_size": 1, "root": other }));
    for (records, code, why) in [
        (record, 1, "the log was rewritten"),
        (json!({ "start": 0, "records": [] }), 3, "instead of 1 to 1 from 0 on"),
        (json!({ "start": 0, "records": ["AA==", "AA=="] }), 3, "instead of 1 to 1 from 0 on"),
        (json!({ "start": 1, "records": ["AA=="] }), 3, "instead of 1 to 1 from 0 on"),
        (json!({ "start": 0, "records": ["?"] }), 3, "makes no sense"),
    ] {
        let refused = jurat(["peer", "pull", &liar(&[status.clone(), ("/records", records)]), "--to", &url]);
        assert_eq!(refused.code, Some(code), "{refused:?}");
        assert!(refused.stderr.contains(why), "{refused:?}");
    }
    assert_eq!(to.status(0).unwrap()["log_size"], 1100, "nothing of it was taken");
}
