//! The council's history, and changing the council.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use super::{
    attestations::{self, SubmitOptions},
    intake::Intake,
    problem::Problem,
    read::{BRIEF, JSON},
    state::Shared,
};
use crate::core::{CouncilChange, CouncilHistory};

/// The body of a submission, also that which `jurat council submit` sends.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SubmittedChange {
    /// A `CouncilChange` in the layout of `docs/formats.md`, in base64.
    pub(crate) change: String,
}

/// `GET /api/v1/council`: the council from its genesis on, each step proven.
pub(crate) async fn history(State(shared): State<Arc<Shared>>) -> Response {
    shown(&shared.history.borrow().clone())
}

pub(super) fn shown(history: &CouncilHistory) -> Response {
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, BRIEF)], history.to_json()).into_response()
}

/// `POST /api/v1/council/changes`: a change that a quorum of the members signed, or a proposal was
/// approved for.
pub(crate) async fn change(
    State(shared): State<Arc<Shared>>,
    options: Result<Query<SubmitOptions>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    let change_of = async |_: &HeaderMap, body: Bytes| {
        let malformed = |error: &dyn std::fmt::Display| {
            Problem::new(StatusCode::BAD_REQUEST, "not a council change", error.to_string()).field("change")
        };
        let submitted: SubmittedChange = serde_json::from_slice(&body).map_err(|error| malformed(&error))?;
        let bytes = BASE64.decode(submitted.change.as_bytes()).map_err(|error| malformed(&error))?;
        let change = CouncilChange::decode(&bytes).map_err(|error| malformed(&error))?;
        let entry = change.to_entry().map_err(|error| malformed(&error))?;
        let (history, registry) = (shared.history.borrow().clone(), shared.registry.clone());
        // What is logged without effect helps nobody. Reading the registry may wait for others who do.
        let authorised =
            tokio::task::spawn_blocking(move || change.authorise(&history, &registry.read().registry));
        authorised.await.map_err(|error| Problem::internal(&error))?.map_err(|refusal| {
            Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not authorised", refusal.to_string())
                .field("change")
        })?;
        Ok(entry)
    };
    attestations::submit_one(&Intake::Council(shared.clone()), options, request, change_of).await
}
