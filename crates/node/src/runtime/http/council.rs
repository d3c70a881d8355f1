//! The council's history, and changing the council.

use std::sync::Arc;

use axum::{
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{
    attestations::{self, SubmitOptions},
    problem::Problem,
    read::{BRIEF, JSON},
    state::Shared,
};
use crate::core::{CouncilChange, EntryBytes};

/// The body of a submission, also that which `jurat council submit` sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmittedChange {
    /// A `CouncilChange` in the layout of `docs/formats.md`, in base64.
    pub(crate) change: String,
}

/// `GET /api/v1/council`: the council from its genesis on, each step proven.
pub(crate) async fn history(State(shared): State<Arc<Shared>>) -> Response {
    let history = shared.history.borrow().clone();
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, BRIEF)], history.to_json()).into_response()
}

/// `POST /api/v1/council/changes`: a change that a quorum of the members signed.
pub(crate) async fn change(
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
    let malformed = |detail: String| {
        Problem::new(StatusCode::BAD_REQUEST, "not a council change", detail).field("change")
    };
    let submitted: SubmittedChange =
        serde_json::from_slice(&body).map_err(|error| malformed(error.to_string()))?;
    let bytes = BASE64.decode(submitted.change.as_bytes()).map_err(|error| malformed(error.to_string()))?;
    let change = CouncilChange::decode(&bytes).map_err(|error| malformed(error.to_string()))?;
    let history = shared.history.borrow().clone();
    // What is logged without effect helps nobody.
    change.authorise(&history).map_err(|refusal| {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not authorised", refusal.to_string()).field("change")
    })?;
    let entry = change.to_entry().map_err(|error| malformed(error.to_string()))?;
    let answers = attestations::take_in(shared, vec![Ok(EntryBytes(entry.encode().into()))], wait).await?;
    Ok(attestations::single_response(answers))
}
