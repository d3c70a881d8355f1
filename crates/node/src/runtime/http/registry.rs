//! What the registry answers.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use jurat_trust::Rejection;
use serde_json::Value;

use super::{
    problem::Problem,
    read::{BRIEF, JSON},
    state::Shared,
};
use crate::registry_json::{AsOf, Query, QueryError};

/// Questions that are answered at one time; each takes a thread while it lasts.
pub(crate) const AT_ONCE: usize = 4;

/// `GET /api/v1/registry` and all that is asked of it: see [`Query`].
pub(crate) async fn answer(State(shared): State<Arc<Shared>>, uri: Uri) -> Response {
    match ask(&shared, &uri).await {
        Ok(answer) => {
            ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, BRIEF)], answer).into_response()
        }
        Err(problem) => problem.into_response(),
    }
}

async fn ask(shared: &Arc<Shared>, uri: &Uri) -> Result<String, Problem> {
    let asked = uri.path_and_query().map_or(uri.path(), |asked| asked.as_str());
    let query = Query::parse(asked).map_err(|error| problem(&error))?;
    let failed = |error: &dyn std::fmt::Display| Problem::internal(error);
    let turn = shared.registry_turns.clone().acquire_owned().await.map_err(|error| failed(&error))?;
    let view = shared.registry.clone();
    let answered = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        let seen = view.read();
        let answer: Value = query.answer(&seen.registry)?;
        Ok(AsOf::new(seen.size.value(), &seen.root, &seen.registry, answer))
    });
    let answer =
        answered.await.map_err(|error| failed(&error))?.map_err(|error: QueryError| problem(&error))?;
    serde_json::to_string(&answer).map_err(|error| failed(&error))
}

fn problem(error: &QueryError) -> Problem {
    let (status, title) = match error {
        QueryError::Unknown => (StatusCode::NOT_FOUND, "no such path"),
        QueryError::Field { .. } | QueryError::Stray(_) => (StatusCode::BAD_REQUEST, "not a query"),
        QueryError::Refused(Rejection::UnknownFederation(_)) => (StatusCode::NOT_FOUND, "no such federation"),
        QueryError::Refused(Rejection::UnknownProposal(_)) => (StatusCode::NOT_FOUND, "no such proposal"),
        QueryError::Refused(Rejection::NoTrust { .. }) => (StatusCode::NOT_FOUND, "no trust"),
        QueryError::Refused(_) => (StatusCode::UNPROCESSABLE_ENTITY, "no answer"),
        QueryError::TooLarge(_) => (StatusCode::UNPROCESSABLE_ENTITY, "too much"),
    };
    let problem = Problem::new(status, title, error.to_string());
    match error {
        QueryError::Field { field, .. } => problem.field(*field),
        QueryError::Stray(field) => problem.field(field),
        _ => problem,
    }
}
