//! Submitting registry operations.

use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, Request, StatusCode, header},
    response::Response,
};
use data_encoding::BASE64;
use jurat_log::{Entry, MAX_OPERATION_ENTRY_BYTES, OpaqueOperation};
use jurat_trust::SignedOperation;
use serde::Deserialize;

use super::{
    attestations::{self, SubmitOptions},
    intake::Intake,
    problem::Problem,
};

/// The body of a submission as JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SubmittedOperation {
    /// A signed operation in the layout of `docs/formats.md`, in base64.
    operation: String,
}

/// `POST /api/v1/operations`: a signed operation, as its bytes or in JSON.
pub(crate) async fn submit(
    State(intake): State<Intake>,
    options: Result<Query<SubmitOptions>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    let entry_of = async |headers: &HeaderMap, body: Bytes| entry_of(headers, &body);
    attestations::submit_one(&intake, options, request, entry_of).await
}

fn entry_of(headers: &HeaderMap, body: &[u8]) -> Result<Entry, Problem> {
    let malformed =
        |status, detail: String| Problem::new(status, "not a registry operation", detail).field("operation");
    let unreadable = |error: &dyn std::fmt::Display| malformed(StatusCode::BAD_REQUEST, error.to_string());
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let operation = if content_type.is_some_and(|value| value.starts_with("application/json")) {
        let submitted: SubmittedOperation =
            serde_json::from_slice(body).map_err(|error| unreadable(&error))?;
        let bytes = BASE64.decode(submitted.operation.as_bytes()).map_err(|error| unreadable(&error))?;
        SignedOperation::decode(&bytes)
    } else {
        SignedOperation::decode(body)
    };
    let operation = operation.map_err(|error| unreadable(&error))?;
    // It may be larger than the log takes: the registry's own limit lies above that.
    let operation = OpaqueOperation::new(operation.encode()).map_err(|error| {
        let detail = format!(
            "{error}. The log takes no longer entries: put what is long elsewhere, and its digest into \
             the payload; {MAX_OPERATION_ENTRY_BYTES} bytes hold the operation and all its signatures"
        );
        malformed(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    Ok(Entry::RegistryOperation(operation))
}
