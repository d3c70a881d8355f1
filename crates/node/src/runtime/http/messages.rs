//! Writing to this node, for anybody.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use jurat_bulletin::MessageRefusal;

use super::{attestations, bulletins::not_taken, problem::Problem, state::Shared};
use crate::{
    core::NotReceived,
    message_json::{MessageTermsJson, ReceivedJson},
};

/// `GET /api/v1/messages`: the prekey to seal to, and what a message costs now.
pub(crate) async fn terms(State(shared): State<Arc<Shared>>) -> Response {
    let Ok(turn) = shared.bulletin_turns.clone().acquire_owned().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let bulletins = shared.bulletins.clone();
    let looked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        bulletins.message_terms()
    });
    match looked.await {
        Ok(Some(terms)) => Json::<MessageTermsJson>(terms).into_response(),
        Ok(None) => refused(&NotReceived::Closed).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// `POST /api/v1/messages`: a message in the layout of `docs/formats.md`.
pub(crate) async fn receive(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    match take(&shared, request).await {
        Ok(received) => (StatusCode::CREATED, Json(received)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn take(shared: &Shared, request: Request<Body>) -> Result<ReceivedJson, Problem> {
    let (parts, body) = request.into_parts();
    let (body, _room) = attestations::take_body(&shared.bodies, &parts.headers, body).await?;
    let id = shared.bulletins.receive(body.into()).await.map_err(|error| not_taken(&error, refused))?;
    Ok(ReceivedJson { id: id.to_string() })
}

fn refused(refusal: &NotReceived) -> Problem {
    let problem = |status, title| Problem::new(status, title, refusal.to_string());
    let unprocessable = StatusCode::UNPROCESSABLE_ENTITY;
    match refusal {
        NotReceived::Closed => problem(StatusCode::NOT_FOUND, "no messages"),
        // For how long is up to its reader.
        NotReceived::InboxFull => problem(StatusCode::TOO_MANY_REQUESTS, "full").retry_after(600),
        NotReceived::Refused(refusal) => match *refusal {
            MessageRefusal::Truncated(_) => problem(StatusCode::BAD_REQUEST, "not a message"),
            MessageRefusal::SolutionLength(_) => {
                problem(StatusCode::BAD_REQUEST, "not a message").field("solution")
            }
            MessageRefusal::TooLong(_) => problem(StatusCode::PAYLOAD_TOO_LARGE, "too long").field("body"),
            MessageRefusal::NotForUs => problem(unprocessable, "for another").field("dst"),
            MessageRefusal::Expired { .. } | MessageRefusal::Future { .. } => {
                problem(unprocessable, "not now").field("time")
            }
            MessageRefusal::Cheap { asked, .. } => {
                problem(unprocessable, "too cheap").field("effort").price(asked)
            }
            MessageRefusal::NotSealed => problem(unprocessable, "not sealed").field("body"),
            MessageRefusal::Replayed => problem(StatusCode::CONFLICT, "known already"),
            MessageRefusal::Full { retry_after } => {
                problem(StatusCode::TOO_MANY_REQUESTS, "full").retry_after(retry_after)
            }
            MessageRefusal::Solution(_) => problem(unprocessable, "no work").field("solution"),
            MessageRefusal::NoWork => problem(unprocessable, "no work").field("nonce"),
            // Which of them is nobody's business.
            MessageRefusal::Signature | MessageRefusal::Sealed | MessageRefusal::Author => {
                problem(unprocessable, "not accepted")
            }
        },
    }
}
