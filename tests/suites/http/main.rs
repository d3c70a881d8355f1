//! The HTTP interface: what is refused and how, what readers of the log get, and what hostile
//! clients can't do.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod attestations;
mod health;
mod limits;
mod openapi;
mod records;
mod search;
mod subjects;
mod tiles;

use std::io::{Read, Write};

use jurat_tests::{Answer, Attestor, Http};
use serde_json::Value;

const ATTESTATIONS: &str = "/api/v1/attestations";
const WAIT: &str = "/api/v1/attestations?wait=receipt";
const JSON: &str = "application/json";
const NDJSON: &str = "application/x-ndjson";

fn ana() -> Attestor {
    Attestor::named("lab.example/ana")
}

#[track_caller]
fn assert_problem(answer: &Answer, status: u16) -> Value {
    assert_eq!(answer.status, status, "{}", answer.text());
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    let problem = answer.json();
    assert_eq!(problem["status"], status);
    for field in ["title", "detail"] {
        assert!(!problem[field].as_str().unwrap().is_empty(), "{problem}");
    }
    problem
}

/// Sends bytes and gives all that comes back.
fn raw(http: Http, bytes: &[u8]) -> String {
    let mut stream = http.connect().unwrap();
    stream.write_all(bytes).unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}
