//! The registry of a real council: operations over HTTP, ordered and executed by every member.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod ordering;

use jurat_tests::{Answer, Http};
use serde_json::Value;

const OPERATIONS: &str = "/api/v1/operations";
const WAIT: &str = "/api/v1/operations?wait=receipt";

fn operate(http: Http, operation: &[u8]) -> Answer {
    http.post(WAIT, "application/octet-stream", operation).unwrap()
}

#[track_caller]
fn taken(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.json()
}

#[track_caller]
fn refused(answer: &Answer, status: u16, part: &str) {
    assert_eq!(answer.status, status, "{}", answer.text());
    let detail = answer.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains(part), "{detail}");
}
