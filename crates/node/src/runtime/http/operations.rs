//! Submitting registry operations.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use jurat_log::{Entry, MAX_OPERATION_ENTRY_BYTES, OpaqueOperation};
use jurat_trust::SignedOperation;

use super::{
    attestations::{self, SubmitOptions},
    problem::Problem,
    state::Shared,
};
use crate::core::EntryBytes;

/// `POST /api/v1/operations`: a signed operation in the layout of `docs/formats.md`.
pub(crate) async fn submit(
    State(shared): State<Arc<Shared>>,
    options: Result<Query<SubmitOptions>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    match take(&shared, options, request).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn take(
    shared: &Arc<Shared>,
    options: Result<Query<SubmitOptions>, QueryRejection>,
    request: Request<Body>,
) -> Result<Response, Problem> {
    let wait = attestations::wait_of(options)?;
    let (parts, body) = request.into_parts();
    let (body, _room) = attestations::take_body(shared, &parts.headers, body).await?;
    let malformed = |status, detail: String| {
        Problem::new(status, "not a registry operation", detail).field("the operation")
    };
    let operation = SignedOperation::decode(&body)
        .map_err(|error| malformed(StatusCode::BAD_REQUEST, error.to_string()))?;
    // It may be larger than the log takes: the registry's own limit lies above that.
    let operation = OpaqueOperation::new(operation.encode()).map_err(|error| {
        let detail = format!(
            "{error}. The log takes no longer entries: put what is long elsewhere, and its digest into \
             the payload; {MAX_OPERATION_ENTRY_BYTES} bytes hold the operation and all its signatures"
        );
        malformed(StatusCode::PAYLOAD_TOO_LARGE, detail)
    })?;
    let entry = EntryBytes(Entry::RegistryOperation(operation).encode().into());
    let answers = attestations::take_in(shared, vec![Ok(entry)], wait).await?;
    Ok(attestations::single_response(answers))
}
