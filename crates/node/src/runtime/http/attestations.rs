//! Submitting attestations, and asking for their receipts.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Path, Query, State},
    http::{HeaderMap, HeaderValue, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use jurat_crypto::Digest;
use jurat_log::{Attestation, AttestationError, Entry, EnvelopeError, LeafIndex};
use jurat_trust::OrderedTime;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{OwnedSemaphorePermit, oneshot},
    time::{Instant, sleep_until, timeout, timeout_at},
};

use super::{
    intake::{Bodies, Intake},
    problem::Problem,
    refusals,
    state::Shared,
};
use crate::{
    core::{CheckedEntry, EntryBytes, OrderRefusal},
    runtime::{
        clock::unix_millis,
        driver,
        receipts::{ReceiptAnswer, Receipts},
    },
};

/// Attestations in one request at most.
const MAX_LINES: usize = 4096;

/// Bytes of a body at most: some thousand attestations.
const MAX_BODY_BYTES: usize = 16 << 20;
/// How long a body may take to arrive.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a waiting request looks whether the council still has its quorum.
const LOOK_AGAIN: Duration = Duration::from_millis(250);

/// Options of a submission.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmitOptions {
    /// `receipt` to be answered with receipts; otherwise the answer comes once the entries are
    /// durable on this node.
    wait: Option<Wait>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Wait {
    Receipt,
}

/// The answer about one attestation.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Receipt(ReceiptAnswer),
    Accepted {
        /// Where to ask for the receipt: `/api/v1/receipts/<leaf hash>`.
        leaf_hash: String,
    },
    Refused {
        error: Problem,
    },
}

/// `POST /api/v1/attestations`: one DSSE envelope as JSON, or many as NDJSON, one a line.
pub(crate) async fn submit(
    State(intake): State<Intake>,
    options: Result<Query<SubmitOptions>, axum::extract::rejection::QueryRejection>,
    request: Request<Body>,
) -> Response {
    let wait = match wait_of(options) {
        Ok(wait) => wait,
        Err(problem) => return problem.into_response(),
    };
    let (parts, body) = request.into_parts();
    let headers = parts.headers;
    let (body, _room) = match take_body(intake.bodies(), &headers, body).await {
        Ok(taken) => taken,
        Err(problem) => return problem.into_response(),
    };
    let ndjson = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|value| value.starts_with("application/x-ndjson"));
    let lines: Vec<Bytes> = if ndjson { lines(&body) } else { vec![body] };
    if lines.is_empty() || lines.len() > MAX_LINES {
        let detail = format!("{} lines; a request has 1 to {MAX_LINES}", lines.len());
        return Problem::new(StatusCode::BAD_REQUEST, "wrong number of attestations", detail).into_response();
    }
    let answers = match intake.take_in(parse_all(lines).await, wait).await {
        Ok(answers) => answers,
        Err(problem) => return problem.into_response(),
    };
    if ndjson { ndjson_response(answers) } else { single_response(answers) }
}

/// Takes the one entry that a body makes, once it was read whole.
pub(super) async fn submit_one(
    intake: &Intake,
    options: Result<Query<SubmitOptions>, axum::extract::rejection::QueryRejection>,
    request: Request<Body>,
    entry_of: impl AsyncFnOnce(&HeaderMap, Bytes) -> Result<Entry, Problem>,
) -> Response {
    let taken = async {
        let wait = wait_of(options)?;
        let (parts, body) = request.into_parts();
        let (body, _room) = take_body(intake.bodies(), &parts.headers, body).await?;
        let entry = entry_of(&parts.headers, body).await?;
        intake.take_in(vec![Ok(EntryBytes(entry.encode().into()))], wait).await
    };
    match taken.await {
        Ok(answers) => single_response(answers),
        Err(problem) => problem.into_response(),
    }
}

/// For what a submission waits.
fn wait_of(
    options: Result<Query<SubmitOptions>, axum::extract::rejection::QueryRejection>,
) -> Result<Option<Wait>, Problem> {
    let unknown = |error: axum::extract::rejection::QueryRejection| {
        Problem::new(StatusCode::BAD_REQUEST, "unknown option", error.body_text()).field("wait")
    };
    options.map(|Query(options)| options.wait).map_err(unknown)
}

/// Reads a body, if there is room for what it says it has. The room is given back with the guard.
pub(super) async fn take_body(
    bodies: &Bodies,
    headers: &HeaderMap,
    body: Body,
) -> Result<(Bytes, OwnedSemaphorePermit), Problem> {
    let stated = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    let too_large = || {
        let detail = format!("a body has at most {MAX_BODY_BYTES} bytes; send fewer attestations at once");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large", detail)
    };
    let length: usize = stated.unwrap_or(MAX_BODY_BYTES);
    if length > MAX_BODY_BYTES {
        return Err(too_large());
    }
    let kib = u32::try_from(length.div_ceil(1024)).unwrap_or(u32::MAX);
    let Ok(room) = bodies.room.clone().try_acquire_many_owned(kib) else {
        bodies.refused.fetch_add(1, Ordering::Relaxed);
        let detail = "too many bodies are being read; nothing of this request was taken";
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1));
    };
    match timeout(BODY_TIMEOUT, axum::body::to_bytes(body, MAX_BODY_BYTES)).await {
        Ok(Ok(body)) => Ok((body, room)),
        Ok(Err(_)) if stated.is_none() => Err(too_large()),
        Ok(Err(error)) => {
            Err(Problem::new(StatusCode::BAD_REQUEST, "the body can't be read", error.to_string()))
        }
        Err(_) => {
            let detail = format!("the body took more than {} s", BODY_TIMEOUT.as_secs());
            Err(Problem::new(StatusCode::REQUEST_TIMEOUT, "too slow", detail))
        }
    }
}

fn lines(body: &Bytes) -> Vec<Bytes> {
    body.split(|byte| *byte == b'\n')
        .filter(|line| !line.iter().all(u8::is_ascii_whitespace))
        .map(|line| body.slice_ref(line))
        .collect()
}

fn single_response(answers: Vec<Answer>) -> Response {
    match answers.into_iter().next() {
        Some(Answer::Receipt(receipt)) => (StatusCode::OK, Json(receipt)).into_response(),
        Some(Answer::Refused { error }) => error.into_response(),
        Some(accepted) => (StatusCode::ACCEPTED, Json(accepted)).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn ndjson_response(answers: Vec<Answer>) -> Response {
    const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");
    let mut body = Vec::new();
    for answer in answers {
        // Answers are strings and numbers; serde has nothing to refuse.
        let _ = serde_json::to_writer(&mut body, &answer);
        body.push(b'\n');
    }
    ([(header::CONTENT_TYPE, NDJSON)], Body::from(body)).into_response()
}

/// One line on its way through.
enum Taken {
    Refused(Problem),
    /// In the log already.
    Logged(Digest, LeafIndex),
    /// New, or waiting already.
    Waiting(Digest, oneshot::Receiver<()>),
}

/// Checks, submits and, if asked to, waits. An error here is about the node, not a line.
pub(super) async fn take_in(
    shared: &Arc<Shared>,
    parsed: Vec<Result<EntryBytes, Problem>>,
    wait: Option<Wait>,
) -> Result<Vec<Answer>, Problem> {
    let mut taken = Vec::with_capacity(parsed.len());
    let (mut unchecked, mut places) = (Vec::new(), Vec::new());
    for (place, entry) in parsed.into_iter().enumerate() {
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                taken.push(Taken::Refused(problem));
                continue;
            }
        };
        let leaf = jurat_log::leaf_hash(&entry.0);
        // First wait, then look: it may be executed in between.
        let executed = shared.waiters.wait_for(leaf);
        match shared.reader.index_of(&leaf).map_err(|error| Problem::internal(&error))? {
            Some(index) => taken.push(Taken::Logged(leaf, index)),
            None => {
                taken.push(Taken::Waiting(leaf, executed));
                unchecked.push(entry);
                places.push(place);
            }
        }
    }
    if !unchecked.is_empty() {
        if let Some(reason) = shared.detail().no_member() {
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not a member", reason));
        }
        if !shared.detail().accepts_entries {
            shared.http_stats.overloaded.fetch_add(1, Ordering::Relaxed);
            let detail = "too many entries wait to be ordered; nothing of this request was taken";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1));
        }
        submit_checked(shared, unchecked, &places, &mut taken).await?;
    }
    let mut answers = Vec::with_capacity(taken.len());
    let deadline = Instant::now() + shared.http.receipt_timeout;
    for taken in taken {
        let answer = match (taken, wait) {
            (Taken::Refused(error), _) => {
                shared.http_stats.refused.fetch_add(1, Ordering::Relaxed);
                Answer::Refused { error }
            }
            (Taken::Logged(leaf, _) | Taken::Waiting(leaf, _), None) => match certified(shared, &leaf)? {
                Some(Err(error)) => Answer::Refused { error },
                _ => Answer::Accepted { leaf_hash: leaf.to_string() },
            },
            (Taken::Logged(leaf, index), Some(Wait::Receipt)) => {
                let certified = shared.waiters.wait_for_size(index.size_through());
                answer(receipt_when(shared, leaf, certified, deadline).await?)
            }
            (Taken::Waiting(leaf, done), Some(Wait::Receipt)) => {
                answer(receipt_when(shared, leaf, done, deadline).await?)
            }
        };
        answers.push(answer);
    }
    Ok(answers)
}

fn answer(outcome: Result<ReceiptAnswer, Problem>) -> Answer {
    match outcome {
        Ok(receipt) => Answer::Receipt(receipt),
        Err(error) => Answer::Refused { error },
    }
}

/// Checks signatures and gives what holds to the core; what does not becomes a refusal.
async fn submit_checked(
    shared: &Arc<Shared>,
    unchecked: Vec<EntryBytes>,
    places: &[usize],
    taken: &mut [Taken],
) -> Result<(), Problem> {
    let stopping =
        || Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops").retry_after(5);
    let verdicts = shared.checker.check(unchecked).await.ok_or_else(stopping)?;
    let mut good = Vec::new();
    for (place, verdict) in places.iter().zip(verdicts) {
        match verdict {
            Ok(entry) => match foresee(shared, &entry).await {
                Ok(()) => good.push(entry),
                Err(refusal) => taken[*place] = Taken::Refused(refusals::of_order(&refusal)),
            },
            Err(refusal) => taken[*place] = Taken::Refused(refusals::of_entry(&refusal)),
        }
    }
    if good.is_empty() {
        return Ok(());
    }
    shared.http_stats.accepted.fetch_add(good.len() as u64, Ordering::Relaxed);
    let (ack, durable) = oneshot::channel();
    shared.requests.send(driver::Request::Submit(good, ack)).await.map_err(|_| stopping())?;
    durable.await.map_err(|_| stopping())
}

/// Whether an entry would be refused if it were ordered now.
async fn foresee(shared: &Arc<Shared>, entry: &CheckedEntry) -> Result<(), OrderRefusal> {
    let history = shared.history.borrow().clone();
    let judge = move |entry: &CheckedEntry, registry: &jurat_trust::Registry| {
        entry.judge(registry, &history, registry.time().max(OrderedTime(unix_millis())))
    };
    if !entry.is_operation() {
        // Keys that went out of use never come back, so what was known lately will do.
        return shared.registry.glance().map_or(Ok(()), |seen| judge(entry, &seen.registry));
    }
    let (entry, shared) = (entry.clone(), shared.clone());
    let judged = tokio::task::spawn_blocking(move || {
        let judged = judge(&entry, &shared.registry.read().registry);
        // Another copy of it may have taken effect meanwhile.
        let is_logged = shared.reader.index_of(entry.leaf()).is_ok_and(|index| index.is_some());
        if is_logged { Ok(()) } else { judged }
    });
    judged.await.unwrap_or(Ok(()))
}

/// What became of an entry, once that is certified: its receipt, or that it was refused. The outer
/// error is about the node.
fn certified(shared: &Shared, leaf: &Digest) -> Result<Option<Result<ReceiptAnswer, Problem>>, Problem> {
    certified_by(&shared.receipts, leaf, || shared.waiters.why_refused(leaf))
}

/// The same; `why` says why an entry was refused, if that is known.
pub(crate) fn certified_by(
    receipts: &Receipts,
    leaf: &Digest,
    why: impl FnOnce() -> Option<OrderRefusal>,
) -> Result<Option<Result<ReceiptAnswer, Problem>>, Problem> {
    let receipt = receipts.receipt_of(leaf).map_err(|error| Problem::internal(&error))?;
    Ok(receipt.map(|receipt| {
        if receipt.is_refused { Err(refusals::of_logged(why().as_ref(), receipt)) } else { Ok(receipt) }
    }))
}

/// Waits for `done`, then makes the receipt. The inner error is about this entry.
async fn receipt_when(
    shared: &Arc<Shared>,
    leaf: Digest,
    done: oneshot::Receiver<()>,
    deadline: Instant,
) -> Result<Result<ReceiptAnswer, Problem>, Problem> {
    let (mut done, mut no_quorum_since) = (Some(done), None);
    loop {
        if let Some(certified) = certified(shared, &leaf)? {
            return Ok(certified);
        }
        let now = Instant::now();
        match shared.detail().lacking_quorum() {
            None => no_quorum_since = None,
            Some(reason) => {
                let since = *no_quorum_since.get_or_insert(now);
                if now >= since + shared.http.no_quorum_timeout {
                    return Ok(Err(not_yet(shared, leaf, &reason)));
                }
            }
        }
        if now >= deadline {
            return Ok(Err(not_yet(shared, leaf, "the council has not ordered it in time")));
        }
        // Looks again at times, to notice that the quorum went or came.
        let next_look = (now + LOOK_AGAIN).min(deadline);
        match &mut done {
            None => sleep_until(next_look).await,
            Some(waiting) => {
                if timeout_at(next_look, waiting).await.is_ok() {
                    done = None;
                }
            }
        }
    }
}

fn not_yet(shared: &Shared, leaf: Digest, reason: &str) -> Problem {
    shared.http_stats.timed_out.fetch_add(1, Ordering::Relaxed);
    let detail = format!(
        "{reason}. The entry is kept and will be ordered; ask for its receipt at /api/v1/receipts/{leaf}, or submit it again"
    );
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "no receipt yet", detail).retry_after(2)
}

/// `GET /api/v1/receipts/<leaf hash>`.
pub(crate) async fn receipt(State(shared): State<Arc<Shared>>, Path(leaf_hash): Path<String>) -> Response {
    receipt_response(&leaf_hash, |leaf| certified(&shared, leaf))
}

/// What `certified` says of the entry with this leaf hash.
pub(super) fn receipt_response(
    leaf_hash: &str,
    certified: impl FnOnce(&Digest) -> Result<Option<Result<ReceiptAnswer, Problem>>, Problem>,
) -> Response {
    let Ok(leaf) = leaf_hash.parse::<Digest>() else {
        let detail = "a leaf hash has 64 lower-case hex digits";
        return Problem::new(StatusCode::BAD_REQUEST, "not a leaf hash", detail)
            .field("leaf_hash")
            .into_response();
    };
    match certified(&leaf) {
        Ok(Some(Ok(receipt))) => Json(receipt).into_response(),
        Ok(None) => {
            let detail = "no entry with this leaf hash is logged and certified here";
            Problem::new(StatusCode::NOT_FOUND, "no such receipt", detail).into_response()
        }
        Ok(Some(Err(problem))) | Err(problem) => problem.into_response(),
    }
}

async fn parse_all(lines: Vec<Bytes>) -> Vec<Result<EntryBytes, Problem>> {
    let parse = |lines: Vec<Bytes>| lines.iter().map(|line| parse(line)).collect::<Vec<_>>();
    if lines.len() < 16 {
        return parse(lines);
    }
    // Some milliseconds of work: not on the threads that serve sockets.
    tokio::task::spawn_blocking(move || parse(lines)).await.unwrap_or_default()
}

fn parse(envelope: &[u8]) -> Result<EntryBytes, Problem> {
    let attestation = Attestation::from_envelope(envelope).map_err(|error| envelope_problem(&error))?;
    Ok(EntryBytes(Entry::Attestation(attestation).encode().into()))
}

fn envelope_problem(error: &EnvelopeError) -> Problem {
    let status = match error {
        EnvelopeError::TooLarge(_) | EnvelopeError::Attestation(AttestationError::TooLong(_)) => {
            StatusCode::PAYLOAD_TOO_LARGE
        }
        _ => StatusCode::BAD_REQUEST,
    };
    let field = match error {
        EnvelopeError::Json(error) => error.place.as_str(),
        EnvelopeError::Base64(field) => field,
        EnvelopeError::Signatures(_) => "signatures",
        EnvelopeError::KeyId(_) => "signatures[0].keyid",
        EnvelopeError::SignatureLength(_) => "signatures[0].sig",
        EnvelopeError::Attestation(error) => match error {
            AttestationError::KeyType(_) => "signatures[0].keyid",
            AttestationError::TooLong(_) => "payload",
            _ => "payloadType",
        },
        EnvelopeError::TooLarge(_) | EnvelopeError::NotUtf8 => "the envelope",
    };
    Problem::new(status, "not an attestation", error.to_string()).field(field)
}
