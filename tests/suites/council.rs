//! A council of four processes does its work: what is attested through any node is in one log,
//! once, with a receipt that holds without the council.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
};

use jurat_tests::{Attestor, Council, Finished, jurat, jurat_in, leaf_hash, path, until};
use serde_json::Value;

/// A key file of a fresh attestor, and its vkey.
fn key(dir: &Path, name: &str) -> (PathBuf, String) {
    let file = dir.join(format!("{}.key", name.replace('/', "-")));
    let made = jurat(["keygen", "--name", name, "-o", path(&file), "--json"]).success().json();
    assert_shape(&made, &[("name", STRING), ("vkey", STRING), ("key", STRING)]);
    (file, made["vkey"].as_str().unwrap().to_owned())
}

fn attest(council: &Council, member: usize, key: &Path, files: &[&Path]) -> Finished {
    let url = council.url(member);
    let mut arguments = vec!["attest", "--json", "--key", path(key), "--node", &url];
    arguments.extend(files.iter().map(|file| path(file)));
    jurat(arguments)
}

type IsOfType = fn(&Value) -> bool;
const STRING: IsOfType = Value::is_string;
const NUMBER: IsOfType = Value::is_u64;
const BOOL: IsOfType = Value::is_boolean;
const ARRAY: IsOfType = Value::is_array;
const NULL: IsOfType = Value::is_null;

/// Programs rely on these fields; there may be more.
#[track_caller]
fn assert_shape(value: &Value, fields: &[(&str, IsOfType)]) {
    for (name, is_of_type) in fields {
        assert!(value.get(name).is_some_and(is_of_type), "{name} in {value}");
    }
}

fn is_rfc3339(text: &Value) -> bool {
    let text = text.as_str().unwrap_or_default();
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    digits(0..4) && digits(5..7) && digits(11..13) && &text[10..11] == "T" && text.ends_with('Z')
}

#[test]
fn files_attested_through_any_node_verify_with_the_policy_alone() {
    let council = Council::start();
    let (key, vkey) = key(council.dir(), "lab.example/ana");
    let papers = council.dir().join("papers");
    fs::create_dir_all(papers.join("drafts")).unwrap();
    let mut files = Vec::new();
    for name in ["one.txt", "two.txt", "three.txt", "drafts/four.txt", "drafts/five.txt"] {
        files.push(papers.join(name));
        fs::write(papers.join(name), format!("this is {name}")).unwrap();
    }
    fs::write(papers.join(".hidden"), "not for the log").unwrap();

    // One, several, and a directory in which those are again.
    let mut lines = attest(&council, 0, &key, &[&files[0]]).success().json_lines();
    lines.extend(attest(&council, 1, &key, &[&files[1], &files[2]]).success().json_lines());
    assert_eq!(lines.len(), 3);
    let url = council.url(2);
    let all = ["attest", "-r", path(&papers), "--key", path(&key), "--node", &url, "--json"];
    let all = jurat(all).success().json_lines();
    assert_eq!(all.len(), 5, "each file once, no receipt, nothing hidden: {all:?}");
    for line in lines.iter().chain(&all) {
        assert_shape(
            line,
            &[
                ("file", STRING),
                ("receipt", STRING),
                ("index", NUMBER),
                ("leaf_hash", STRING),
                ("log_size", NUMBER),
                ("batch_time", is_rfc3339),
                ("cosigners", ARRAY),
            ],
        );
        assert_eq!(line["receipt"], format!("{}.jurat", line["file"].as_str().unwrap()));
        assert_eq!(line["leaf_hash"].as_str().unwrap().len(), 64);
        assert!(line["cosigners"].as_array().unwrap().len() >= 3);
    }
    // The same statements by the same key are the same entries, whichever node has them.
    for line in &lines {
        let again = all.iter().find(|other| other["file"] == line["file"]).unwrap();
        assert_eq!(again["index"], line["index"]);
        assert_eq!(again["leaf_hash"], line["leaf_hash"]);
    }
    assert_eq!(council.until_same_log(5), 5);

    // Elsewhere, without the council: the files, their receipts and the policy.
    let policy = fs::read(council.policy_path()).unwrap();
    let elsewhere = tempfile::tempdir().unwrap();
    for file in &files {
        let name = file.file_name().unwrap();
        let receipt = format!("{}.jurat", name.to_str().unwrap());
        fs::copy(file, elsewhere.path().join(name)).unwrap();
        fs::copy(file.with_file_name(&receipt), elsewhere.path().join(&receipt)).unwrap();
    }
    drop(council);
    fs::write(elsewhere.path().join("policy"), policy).unwrap();
    let mut verify = vec!["verify", "--policy", "policy", "--json"];
    verify.extend(["one.txt", "two.txt", "three.txt", "four.txt", "five.txt"]);
    let verdicts = jurat_in(elsewhere.path(), verify).success().json_lines();
    assert_eq!(verdicts.len(), 5);
    for verdict in verdicts {
        assert_shape(
            &verdict,
            &[
                ("file", STRING),
                ("valid", BOOL),
                ("failed", NULL),
                ("attestor", STRING),
                ("index", NUMBER),
                ("log_size", NUMBER),
                ("batch_time", is_rfc3339),
                ("cosigners", ARRAY),
            ],
        );
        assert_eq!(verdict["valid"], true);
        assert_eq!(verdict["attestor"], vkey.as_str());
    }
    for line in all {
        let receipt = PathBuf::from(line["receipt"].as_str().unwrap());
        assert!(!receipt.exists(), "the council's directory is gone");
    }
}

#[test]
fn the_shapes_of_council_status_and_policy_are_those_that_programs_rely_on() {
    let dir = tempfile::tempdir().unwrap();
    let new = ["council", "new", "here", "--members", "4", "--names", "a,b,c,d", "--json"];
    let founded = jurat_in(dir.path(), new).success().json();
    assert_shape(&founded, &[("origin", STRING), ("policy", STRING), ("members", ARRAY)]);
    let members = founded["members"].as_array().unwrap();
    let names: Vec<&str> = members.iter().map(|member| member["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["a", "b", "c", "d"]);
    for member in members {
        assert_shape(member, &[("dir", STRING), ("http", STRING), ("peer", STRING), ("vkey", STRING)]);
        assert!(member["http"].as_str().unwrap().starts_with("http://127.0.0.1:"));
        assert!(member["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
        assert!(dir.path().join(member["dir"].as_str().unwrap()).is_dir());
    }
    let printed = jurat_in(dir.path(), ["council", "policy", "here"]).success().stdout.clone();
    assert_eq!(printed, fs::read_to_string(dir.path().join("here/policy")).unwrap());
    // A member's directory knows no addresses of others, and the same keys.
    let printed = jurat_in(dir.path(), ["council", "policy", "here/a"]).success().stdout.clone();
    let keys = |text: &str| {
        text.split_whitespace()
            .filter(|word| word.matches('+').count() > 1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&printed), keys(&fs::read_to_string(dir.path().join("here/policy")).unwrap()));
    for refused in [["--members", "2"], ["--members", "3"], ["--names", "a,a,b,c"], ["--names", "a,b,c,d e"]]
    {
        let finished = jurat_in(dir.path(), ["council", "new", "elsewhere"].iter().chain(&refused));
        assert!(matches!(finished.code, Some(1 | 2)), "{finished:?}");
        assert!(!dir.path().join("elsewhere").exists(), "{refused:?}");
    }

    let council = Council::start();
    let status = jurat(["status", "--node", &council.url(3), "--json"]).success().json();
    assert_shape(
        &status,
        &[
            ("name", STRING),
            ("origin", STRING),
            ("role", STRING),
            ("log_size", NUMBER),
            ("root", STRING),
            ("epoch", NUMBER),
            ("view", NUMBER),
            ("sequence", NUMBER),
            ("primary", STRING),
            ("members", ARRAY),
        ],
    );
    assert_eq!(status["name"], "node-4");
    assert_eq!(status["role"], "member");
    assert_eq!(status["origin"], council.origin());
    // The root of nothing: SHA-256 of the empty string.
    assert_eq!(status["root"], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    for member in status["members"].as_array().unwrap() {
        assert_shape(member, &[("name", STRING), ("connected", BOOL)]);
        assert!(member["lag"].is_u64() || member["lag"].is_null());
    }
    let unreachable = jurat(["status", "--node", "http://127.0.0.1:1", "--json"]);
    assert_eq!((unreachable.code, unreachable.stderr.lines().count()), (Some(3), 1), "{unreachable:?}");
}

#[test]
fn the_same_entry_twice_is_one_entry_with_one_receipt() {
    let council = Council::start();
    let ana = Attestor::named("lab.example/ana");
    let submit = |member: usize, file: &str| {
        let envelope = ana.attest(file).to_envelope();
        let answer = council.http(member).post(
            "/api/v1/attestations?wait=receipt",
            "application/json",
            envelope.as_bytes(),
        );
        let answer = answer.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    };

    // At one node, one after the other.
    let first = submit(0, "at one node");
    assert_eq!(submit(0, "at one node"), first);

    // Both within one request.
    let line = ana.attest("in one request").to_envelope();
    let both = council.http(1).post(
        "/api/v1/attestations?wait=receipt",
        "application/x-ndjson",
        format!("{line}\n{line}\n").as_bytes(),
    );
    let both = both.unwrap().json_lines();
    assert_eq!(both.len(), 2);
    assert_eq!(both[0], both[1]);

    // At all nodes at once, again and again.
    for round in 0..10 {
        let file = format!("at four nodes {round}");
        let answers: Vec<Value> = thread::scope(|scope| {
            let at = |member| {
                scope.spawn({
                    let (submit, file) = (&submit, &file);
                    move || submit(member, file)
                })
            };
            let threads: Vec<_> = (0..4).map(at).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        for answer in &answers {
            for field in ["index", "leaf_hash", "log_size", "batch_time"] {
                assert_eq!(answer[field], answers[0][field], "{field}");
            }
            // The checkpoint's text, which has size and root; who cosigned may differ by who was in time.
            assert_eq!(checkpoint_text(answer), checkpoint_text(&answers[0]));
        }
    }
    assert_eq!(council.until_same_log(12), 12);

    // After a restart of one node, and after one of all.
    for member in [0, 1, 2, 3] {
        assert!(council.stop(member).success());
        council.run(member);
        council.until_connected();
    }
    assert_eq!(submit(0, "at one node"), first);
    let elsewhere = submit(3, "at one node");
    assert_eq!(elsewhere["index"], first["index"]);
    assert_eq!(checkpoint_text(&elsewhere), checkpoint_text(&first));
    assert_eq!(council.until_same_log(12), 12, "nothing was logged again");
    let by_hash = council.http(2).get(&format!("/api/v1/receipts/{}", leaf_hash(&ana.attest("at one node"))));
    assert_eq!(by_hash.unwrap().json()["index"], first["index"]);
}

/// The signed text of the checkpoint in a receipt.
fn checkpoint_text(answer: &Value) -> String {
    let receipt = jurat_log::Receipt::parse(answer["receipt"].as_str().unwrap().as_bytes()).unwrap();
    jurat_log::Note::parse(receipt.checkpoint().as_bytes()).unwrap().text().to_string()
}

#[test]
fn all_nodes_serve_the_same_tiles() {
    let council = Council::start();
    let ana = Attestor::named("lab.example/ana");
    // More than a tile, in batches of many sizes, through all nodes at once.
    thread::scope(|scope| {
        for member in 0..4 {
            let (council, ana) = (&council, &ana);
            scope.spawn(move || {
                for (batch, lines) in [1, 20, 3, 60, 1, 2].into_iter().enumerate() {
                    let lines = (0..lines)
                        .map(|line| ana.attest(&format!("{member} {batch} {line}")).to_envelope() + "\n");
                    let answer = council.http(member).post(
                        "/api/v1/attestations",
                        "application/x-ndjson",
                        lines.collect::<String>().as_bytes(),
                    );
                    assert_eq!(answer.unwrap().status, 200);
                }
            });
        }
    });
    let size = council.until_same_log(4 * 87);
    assert_eq!(size, 4 * 87);
    let tiles = council.same_tiles(size);
    for path in
        ["/tile/0/000", "/tile/entries/000", "/tile/1/000.p/1", "/tile/0/001.p/92", "/tile/entries/001.p/92"]
    {
        assert!(tiles.contains_key(path), "{path}");
    }
    // What web servers would serve is on the disk, and the same on every disk once it is stored.
    until("the same files on four disks", || {
        let differs = |path: &String, bytes: &Vec<u8>| {
            council
                .members()
                .iter()
                .find(|member| {
                    fs::read(member.dir.join("data/log").join(&path[1..])).ok().as_ref() != Some(bytes)
                })
                .map(|member| format!("{path} of {}", member.name))
        };
        tiles.iter().find_map(|(path, bytes)| differs(path, bytes)).map_or(Ok(()), Err)
    });
}
