//! The log for simple peers: what it takes to keep up with a log and to hand in records, as plain
//! JSON, in any language. `docs/simple-peers.md` describes it.
//!
//! A record is an entry of the log, byte for byte, in base64. What is answered is proven by itself:
//! the root of the size that it names. That a council stands behind that root, only a checkpoint says.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use jurat_log::{Entry, TreeSize};
use jurat_store::{LogError, LogReader};
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::{
    attestations::{self, Answer},
    intake::Intake,
    problem::Problem,
    read::BRIEF,
    state::LogView,
};
use crate::core::EntryBytes;

/// Records in one answer at most, and in one request.
const MAX_RECORDS: u64 = 1024;
/// Simple peers that the log is read for at one time; further ones are asked to come back.
pub(super) const AT_ONCE: usize = 16;

/// `?start=&count=`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Span {
    start: u64,
    count: u64,
}

/// `?old_size=&size=`
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Sizes {
    old_size: u64,
    /// The log's size now, if it is left out.
    size: Option<u64>,
}

/// Records that follow each other.
#[derive(Debug, Serialize)]
struct Stretch {
    /// Where the log stands.
    log_size: u64,
    /// The index of the first.
    start: u64,
    records: Vec<String>,
}

/// Proof that the log only grew.
#[derive(Debug, Serialize)]
struct Growth {
    old_size: u64,
    /// The larger size, and its root in hex.
    log_size: u64,
    root: String,
    /// The hashes of an RFC 6962 consistency proof, in hex.
    proof: Vec<String>,
}

/// The body of a submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Submitted {
    records: Vec<String>,
}

/// What became of it.
#[derive(Debug, Serialize)]
struct Taken {
    /// How many records are in the log or will be.
    accepted: usize,
    /// The same for each, in their order.
    records: Vec<Answer>,
}

/// `GET /records?start=&count=`
pub(crate) async fn records(
    State(log): State<LogView>,
    span: Result<Query<Span>, QueryRejection>,
) -> Response {
    let first = log.minimum_index.value();
    let answer = match span {
        Ok(Query(span)) => read(&log, move |reader| read_records(reader, span, first)).await,
        Err(error) => Err(wrong_query(&error)),
    };
    answer.map_or_else(IntoResponse::into_response, brief)
}

/// `GET /consistency-proof?old_size=&size=`
pub(crate) async fn consistency(
    State(log): State<LogView>,
    sizes: Result<Query<Sizes>, QueryRejection>,
) -> Response {
    let answer = match sizes {
        Ok(Query(sizes)) => read(&log, move |reader| prove(reader, sizes)).await,
        Err(error) => Err(wrong_query(&error)),
    };
    answer.map_or_else(IntoResponse::into_response, brief)
}

/// `POST /records`
pub(crate) async fn submit(State(intake): State<Intake>, request: Request<Body>) -> Response {
    match take(&intake, request).await {
        Ok(taken) => Json(taken).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn take(intake: &Intake, request: Request<Body>) -> Result<Taken, Problem> {
    let (parts, body) = request.into_parts();
    let (body, _room) = attestations::take_body(intake.bodies(), &parts.headers, body).await?;
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "not records", detail).field("records");
    let submitted: Submitted = serde_json::from_slice(&body).map_err(|error| bad(error.to_string()))?;
    let count = submitted.records.len() as u64;
    if !(1..=MAX_RECORDS).contains(&count) {
        return Err(bad(format!("{count} records; a request has 1 to {MAX_RECORDS}")));
    }
    let parsed =
        tokio::task::spawn_blocking(move || submitted.records.iter().map(|text| parse(text)).collect());
    let parsed = parsed.await.map_err(|error| Problem::internal(&error))?;
    let records = intake.take_in(parsed, None).await?;
    let accepted = records.iter().filter(|answer| !matches!(answer, Answer::Refused { .. })).count();
    Ok(Taken { accepted, records })
}

/// An entry that anybody may hand in, if its signatures hold.
fn parse(text: &str) -> Result<EntryBytes, Problem> {
    let bad = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "not a record", detail);
    let bytes = BASE64.decode(text.as_bytes()).map_err(|error| bad(format!("not base64: {error}")))?;
    match Entry::decode(&bytes).map_err(|error| bad(error.to_string()))? {
        Entry::Attestation(_) | Entry::RegistryOperation(_) => Ok(EntryBytes(bytes.into())),
        Entry::CouncilChange(_) => Err(bad("council changes go to /api/v1/council/changes".into())),
        Entry::PrivateCommitment(_) => {
            Err(bad("private commitments are for members, who hand them in at their own nodes".into()))
        }
        Entry::OrderedTime(_) | Entry::Refused(_) => {
            Err(bad("only those who order say when they did, and what they refused".into()))
        }
    }
}

/// Reads the log, in turn with a few others.
async fn read<T: Send + 'static>(
    log: &LogView,
    read: impl FnOnce(&LogReader) -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = turn(&log.simple_turns)?;
    let reader = log.reader.clone();
    let read = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        read(&reader)
    });
    read.await.unwrap_or_else(|error| Err(Problem::internal(&error)))
}

fn turn(turns: &Arc<Semaphore>) -> Result<tokio::sync::OwnedSemaphorePermit, Problem> {
    turns.clone().try_acquire_owned().map_err(|_| {
        let detail = format!("{AT_ONCE} others read the log right now");
        Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests", detail).retry_after(1)
    })
}

fn brief<T: Serialize>(answer: T) -> Response {
    ([(header::CACHE_CONTROL, BRIEF)], Json(answer)).into_response()
}

fn wrong_query(error: &QueryRejection) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "wrong query", error.body_text())
}

fn read_records(reader: &LogReader, Span { start, count }: Span, first: u64) -> Result<Stretch, Problem> {
    let log_size = reader.head().size.value();
    if !(1..=MAX_RECORDS).contains(&count) {
        let detail = format!("count is {count}, and 1 to {MAX_RECORDS} records can be asked for");
        return Err(Problem::new(StatusCode::BAD_REQUEST, "wrong query", detail).field("count"));
    }
    if start < first {
        let detail = format!("this node publishes entries from {first} on");
        return Err(Problem::new(StatusCode::NOT_FOUND, "pruned", detail));
    }
    if start > log_size {
        let detail = format!("the log has {log_size} entries");
        return Err(Problem::new(StatusCode::NOT_FOUND, "no such records", detail).field("start"));
    }
    // Fewer than were asked for, where they are long.
    let entries =
        reader.entries(start..start.saturating_add(count)).map_err(|error| Problem::internal(&error))?;
    let records = entries.iter().map(|entry| BASE64.encode(entry)).collect();
    Ok(Stretch { log_size, start, records })
}

fn prove(reader: &LogReader, Sizes { old_size, size }: Sizes) -> Result<Growth, Problem> {
    let head = reader.head().size;
    let log_size = size.unwrap_or(head.value());
    let wrong = |field: &str, detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "wrong query", detail).field(field)
    };
    if old_size == 0 {
        return Err(wrong(
            "old_size",
            "every log begins with the empty one: there is nothing to prove".into(),
        ));
    }
    let (Ok(old), Ok(new)) = (TreeSize::new(old_size), TreeSize::new(log_size)) else {
        return Err(wrong("size", "a log has fewer than 2^63 entries".into()));
    };
    if new > head || old > new {
        let detail = format!("from {old} to {new}: the log has {head} entries, and the old size comes first");
        return Err(wrong("old_size", detail));
    }
    let failed = |error: LogError| Problem::internal(&error);
    let proof = reader.consistency_proof(old, new).map_err(failed)?;
    let root = reader.root_at(new).map_err(failed)?.to_string();
    let proof = proof.hashes().iter().map(ToString::to_string).collect();
    Ok(Growth { old_size, log_size, root, proof })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_finds_no_turn_is_asked_to_come_back() {
        let turns = Arc::new(Semaphore::new(1));
        let first = turn(&turns).unwrap();
        let refused = turn(&turns).unwrap_err().into_response();
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers()[header::RETRY_AFTER], "1");
        drop(first);
        assert!(turn(&turns).is_ok());
    }
}
