//! The description at `/openapi.json`, held against what the node answers.

use std::collections::BTreeSet;

use data_encoding::BASE64;
use jurat::core::{CouncilChange, MembershipChange};
use jurat_bulletin::Rules;
use jurat_crypto::Digest;
use jurat_pbft::{Epoch, ReplicaId};
use jurat_tests::{
    Answer, Council, Federation, MessageWriter, TILED_ORIGIN, TiledLog, jurat, path, stamped_posting,
    tiled_policy, topic, unix_seconds, until_true,
};
use serde_json::{Value, json};

use super::{ATTESTATIONS, JSON, NDJSON, WAIT, ana, raw, records::record};

const CHANGES: &str = "/api/v1/council/changes";
const BULLETINS: &str = "/api/v1/bulletins";
const MESSAGES: &str = "/api/v1/messages";
const OPERATIONS: &str = "/api/v1/operations";
const ADD_CHECKPOINT: &str = "/add-checkpoint";
const SUBJECT: &str = "/api/v1/subjects/{sha256}/proof";
const LEAF: &str = "00000000000000000000000000000000000000000000000000000000000000ff";

/// What a path describes, with an answer to compare it with.
struct Case<'a> {
    path: &'a str,
    method: &'a str,
    answer: Answer,
}

#[test]
fn what_is_described_is_what_is_answered() {
    let council = Council::start();
    let http = council.http(0);
    let description = http.get("/openapi.json").unwrap().json();
    let get = |path, url: &str| Case { path, method: "get", answer: http.get(url).unwrap() };
    let submit = |url, content_type, body: &[u8]| {
        let answer = http.post(url, content_type, body).unwrap();
        Case { path: ATTESTATIONS, method: "post", answer }
    };
    let change = |body: String| {
        let answer = http.post(CHANGES, JSON, body.as_bytes()).unwrap();
        Case { path: CHANGES, method: "post", answer }
    };
    let post_records = |body: &str| http.post("/records", JSON, body.as_bytes()).unwrap();
    let operate = |url, body: &[u8]| {
        let answer = http.post(url, "application/octet-stream", body).unwrap();
        Case { path: OPERATIONS, method: "post", answer }
    };
    let bulletin = |body: &[u8]| {
        let answer = http.post(BULLETINS, "application/octet-stream", body).unwrap();
        Case { path: BULLETINS, method: "post", answer }
    };
    let message = |body: &[u8]| {
        let answer = http.post(MESSAGES, "application/octet-stream", body).unwrap();
        Case { path: MESSAGES, method: "post", answer }
    };
    let writer = MessageWriter::new(&council, 0);
    let hello = writer.stamped(writer.message("hello"), 1);
    let weather =
        stamped_posting(&Rules::new(council.network()), topic("weather"), unix_seconds(), b"snow", 7);
    let [lab, press] = ["fed:lab", "fed:press"].map(|name| Federation::named(&council, name));
    let nobody_wants = CouncilChange::new(Epoch(0), MembershipChange::Remove(ReplicaId(0)));
    let none_yet = get("/checkpoint", "/checkpoint");
    let mirrored = mirror(&council);
    let followed = follow(&council);
    let envelope = ana().attest("one").to_envelope();
    let receipt = submit(WAIT, JSON, envelope.as_bytes());
    let leaf = receipt.answer.json()["leaf_hash"].as_str().unwrap().to_owned();
    let mut forged = ana().attest("two").to_envelope();
    let signature = forged.find("\"sig\":\"").unwrap() + 7;
    forged.replace_range(signature..signature + 4, "AAAA");
    let lines = submit(WAIT, NDJSON, format!("{envelope}\n{{}}\n").as_bytes());
    let accepted = submit(ATTESTATIONS, NDJSON, envelope.as_bytes());

    let schemas = &description["components"]["schemas"];
    let line = |case: &Case<'_>, number: usize| case.answer.json_lines()[number].clone();
    assert_members(&line(&lines, 0), &schemas["Receipt"]);
    assert_members(&line(&lines, 1), &schemas["Refused"]);
    assert_members(&line(&accepted, 0), &schemas["Accepted"]);
    let cases = [
        none_yet,
        receipt,
        lines,
        accepted,
        submit(ATTESTATIONS, JSON, envelope.as_bytes()),
        submit(ATTESTATIONS, JSON, b"{}"),
        submit(ATTESTATIONS, JSON, forged.as_bytes()),
        submit("/api/v1/attestations?wait=never", JSON, envelope.as_bytes()),
        submit(ATTESTATIONS, JSON, &vec![b' '; 200_000]),
        get("/", "/"),
        get("/checkpoint", "/checkpoint"),
        get("/tile/{path}", "/tile/0/000.p/1"),
        get("/tile/{path}", "/tile/entries/000.p/1"),
        get("/tile/{path}", "/tile/7/000"),
        get("/records", "/records?start=0&count=1"),
        get("/records", "/records?start=0&count=0"),
        get("/records", "/records?start=1000&count=1"),
        Case {
            path: "/records",
            method: "post",
            answer: post_records(&json!({ "records": [record("one")] }).to_string()),
        },
        Case { path: "/records", method: "post", answer: post_records("{}") },
        get("/consistency-proof", "/consistency-proof?old_size=1"),
        get("/consistency-proof", "/consistency-proof?old_size=0"),
        get("/logs", "/logs"),
        get("/logs/{origin}/checkpoint", &format!("/logs/{mirrored}/checkpoint")),
        get("/logs/{origin}/checkpoint", &format!("/logs/{LEAF}/checkpoint")),
        get("/logs/{origin}/api/v1/council", &format!("/logs/{followed}/api/v1/council")),
        get("/logs/{origin}/api/v1/council", &format!("/logs/{mirrored}/api/v1/council")),
        get("/logs/{origin}/tile/{path}", &format!("/logs/{mirrored}/tile/0/000.p/2")),
        get("/logs/{origin}/tile/{path}", &format!("/logs/{mirrored}/tile/entries/000.p/2")),
        get("/logs/{origin}/tile/{path}", &format!("/logs/{mirrored}/tile/0/000")),
        get("/logs/{origin}/tile/{path}", &format!("/logs/{mirrored}/tile/0/0")),
        Case {
            path: ADD_CHECKPOINT,
            method: "post",
            answer: http.post(ADD_CHECKPOINT, "text/plain", b"?").unwrap(),
        },
        get("/witness/{origin}/checkpoint", &format!("/witness/{LEAF}/checkpoint")),
        get(ATTESTATIONS, "/api/v1/attestations?limit=1"),
        get(ATTESTATIONS, "/api/v1/attestations?limit=0"),
        get("/api/v1/receipts/{leaf_hash}", &format!("/api/v1/receipts/{leaf}")),
        get("/api/v1/receipts/{leaf_hash}", &format!("/api/v1/receipts/{LEAF}")),
        get("/api/v1/receipts/{leaf_hash}", "/api/v1/receipts/x"),
        get("/api/v1/council", "/api/v1/council"),
        change("{}".into()),
        change(format!("{{\"change\":\"{}\"}}", BASE64.encode(&nobody_wants.encode()))),
        operate("/api/v1/operations?wait=receipt", &lab.registration()),
        operate(OPERATIONS, &lab.registration()),
        operate(OPERATIONS, &press.trusts(1, &lab)),
        operate(OPERATIONS, b"?"),
        get("/api/v1/registry", "/api/v1/registry"),
        get("/api/v1/registry", "/api/v1/registry?all"),
        get("/api/v1/registry/sequences/{federation}", "/api/v1/registry/sequences/fed:lab"),
        get("/api/v1/federations", "/api/v1/federations?limit=2&after=fed:lab"),
        get("/api/v1/federations", "/api/v1/federations?limit=0"),
        get("/api/v1/federations/{federation}", "/api/v1/federations/fed%3Alab"),
        get("/api/v1/federations/{federation}", "/api/v1/federations/fed:press"),
        get("/api/v1/federations/{federation}/witnesses", "/api/v1/federations/fed:lab/witnesses?least=1"),
        get("/api/v1/trust", "/api/v1/trust?source=fed:lab"),
        get("/api/v1/trust", "/api/v1/trust"),
        get("/api/v1/trust/graph", "/api/v1/trust/graph"),
        get("/api/v1/trust/{source}/{target}/bootstrap", "/api/v1/trust/fed:lab/fed:node-1/bootstrap"),
        get("/api/v1/proposals", "/api/v1/proposals"),
        get("/api/v1/proposals/{proposal}", &format!("/api/v1/proposals/{LEAF}")),
        get("/api/v1/proposals/{proposal}/requirements", "/api/v1/proposals/x/requirements"),
        get("/api/v1/proposals/{proposal}/risk", &format!("/api/v1/proposals/{LEAF}/risk?approver=fed:lab")),
        get("/api/v1/collusion", "/api/v1/collusion"),
        get("/api/v1/collusion/{federation}", "/api/v1/collusion/fed:lab"),
        operate(OPERATIONS, &vec![0; 200_000]),
        get(SUBJECT, &format!("/api/v1/subjects/{LEAF}/proof")),
        get(SUBJECT, &format!("/api/v1/subjects/{LEAF}/proof?size=1000")),
        get(SUBJECT, "/api/v1/subjects/x/proof"),
        bulletin(&weather),
        bulletin(&weather),
        bulletin(b"?"),
        bulletin(&weather[..50]),
        get("/api/v1/topics", "/api/v1/topics"),
        get("/api/v1/topics", "/api/v1/topics?limit=0"),
        get("/api/v1/topics/{topic}", &format!("/api/v1/topics/{LEAF}")),
        get("/api/v1/topics/{topic}", "/api/v1/topics/x"),
        get("/api/v1/topics/{topic}/price", &format!("/api/v1/topics/{LEAF}/price")),
        get(MESSAGES, MESSAGES),
        message(&hello),
        message(&hello),
        message(b"?"),
        message(&writer.stamped(writer.message("cheap"), 0)),
        get("/api/v1/events", "/api/v1/events"),
        get("/status", "/status"),
        get("/healthz", "/healthz"),
        get("/readyz", "/readyz"),
        get("/metrics", "/metrics"),
        get("/openapi.json", "/openapi.json"),
    ];
    let statuses: BTreeSet<u16> = cases.iter().map(|case| case.answer.status).collect();
    assert_eq!(
        statuses,
        [200, 201, 202, 400, 404, 409, 413, 422].into(),
        "the cases reach less than they should"
    );
    let paths: BTreeSet<&str> = cases.iter().map(|case| case.path).collect();
    assert_eq!(paths.len(), description["paths"].as_object().unwrap().len(), "a path without a case");
    for case in &cases {
        assert_described(case, &description);
    }
}

#[test]
fn methods_that_are_not_described_are_refused() {
    let council = Council::start();
    let http = council.http(0);
    let description = http.get("/openapi.json").unwrap().json();
    for (path, methods) in description["paths"].as_object().unwrap() {
        let url = path.replace("{path}", "0/000").replace("{leaf_hash}", LEAF).replace("{origin}", LEAF);
        let url =
            url.replace("{sha256}", LEAF).replace("{proposal}", LEAF).replace("{federation}", "fed:lab");
        let url =
            url.replace("{topic}", LEAF).replace("{source}", "fed:lab").replace("{target}", "fed:press");
        for method in ["GET", "POST", "PUT", "PATCH", "DELETE"] {
            let head = format!(
                "{method} {url} HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
            let answer = Answer::parse(raw(http, head.as_bytes()).as_bytes()).unwrap();
            let described = methods.get(method.to_lowercase()).is_some();
            assert_eq!(answer.status != 405, described, "{method} {path}: {}", answer.status);
            if !described {
                assert_eq!(
                    answer.header("content-type"),
                    Some("application/problem+json"),
                    "{method} {path}"
                );
                assert!(answer.header("allow").is_some(), "{method} {path}");
            }
        }
    }
}

/// Has a node mirror a log of two entries; the digest of its origin.
fn mirror(council: &Council) -> String {
    let (source, policy) = (council.dir().join("tiles"), tiled_policy(council.dir()));
    TiledLog::new(2, "").write(&source);
    let dir = path(&council.members()[0].dir);
    jurat(["mirror", "add", dir, path(&source), "--policy", path(&policy)]).success();
    let origin = Digest::of(TILED_ORIGIN.as_bytes()).to_string();
    let checkpoint = format!("/logs/{origin}/checkpoint");
    until_true("a copy", || council.http(0).get(&checkpoint).unwrap().status == 200);
    origin
}

/// Has a node follow another council; the digest of its log's origin.
fn follow(council: &Council) -> String {
    let other = Council::found();
    let [dir, founder] = [council, &other].map(|council| path(&council.members()[0].dir).to_owned());
    jurat(["mirror", "add", &dir, "/nowhere", "--council", &founder]).success();
    Digest::of(other.origin().as_bytes()).to_string()
}

/// The status is described, and so are the media type and the members of an object.
#[track_caller]
fn assert_described(case: &Case<'_>, description: &Value) {
    let (path, answer) = (case.path, &case.answer);
    let mut response = &description["paths"][path][case.method]["responses"][answer.status.to_string()];
    assert!(response.is_object(), "{path} answers {}: {}", answer.status, answer.text());
    if let Some(reference) = response.get("$ref") {
        response = resolve(reference, description);
    }
    let media_type = answer.header("content-type").unwrap().split(';').next().unwrap();
    let content = &response["content"][media_type];
    assert!(content.is_object(), "{path} answers {} with {media_type}", answer.status);
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let value = answer.header(&name.to_lowercase());
        assert!(value.is_some(), "{path}: no {name}");
        if let Some(only) = header["schema"].get("const") {
            assert_eq!(value, only.as_str(), "{path}: {name}");
        }
    }
    if let Some(reference) = content["schema"].get("$ref") {
        assert_members(&answer.json(), resolve(reference, description));
    }
}

fn resolve<'a>(reference: &Value, description: &'a Value) -> &'a Value {
    description.pointer(reference.as_str().unwrap().trim_start_matches('#')).unwrap()
}

/// All that is required is there, and nothing that is not described.
#[track_caller]
fn assert_members(object: &Value, schema: &Value) {
    let members = object.as_object().unwrap();
    for name in members.keys() {
        assert!(schema["properties"].get(name).is_some(), "{name} is not described: {object}");
    }
    for name in schema["required"].as_array().unwrap() {
        assert!(members.contains_key(name.as_str().unwrap()), "{name} is missing: {object}");
    }
}
