//! Posting bulletins.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use jurat_bulletin::{BulletinError, Refusal};

use super::{attestations, problem::Problem, state::Shared};
use crate::{bulletin_json::PostedJson, runtime::bulletins::NotPosted, time::rfc3339_seconds};

/// `POST /api/v1/bulletins`: a posting in the layout of `docs/formats.md`.
pub(crate) async fn post(State(shared): State<Arc<Shared>>, request: Request<Body>) -> Response {
    match take(&shared, request).await {
        Ok(posted) => (StatusCode::CREATED, Json(posted)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn take(shared: &Shared, request: Request<Body>) -> Result<PostedJson, Problem> {
    let (parts, body) = request.into_parts();
    let (body, _room) = attestations::take_body(shared, &parts.headers, body).await?;
    let key = shared.bulletins.post(body.into()).await.map_err(|error| not_posted(&error))?;
    let life = shared.bulletins.rules.bulletin_life;
    Ok(PostedJson {
        topic: key.topic.0.to_string(),
        content_id: key.content.0.to_string(),
        time: rfc3339_seconds(key.time.0.into()),
        expires: rfc3339_seconds(u64::from(key.time.0) + u64::from(life)),
    })
}

fn not_posted(error: &NotPosted) -> Problem {
    match error {
        NotPosted::Refused(refusal) => refused(refusal),
        NotPosted::Busy => {
            let detail = "too many bulletins wait to be checked; nothing was taken";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
        }
        NotPosted::Stopping => {
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "stopping", "the node stops").retry_after(5)
        }
    }
}

fn refused(refusal: &Refusal) -> Problem {
    let problem = |status, title| Problem::new(status, title, refusal.to_string());
    match refusal {
        Refusal::Bulletin(BulletinError::TooLong(_)) => {
            problem(StatusCode::PAYLOAD_TOO_LARGE, "too long").field("content")
        }
        Refusal::Bulletin(BulletinError::Truncated(_)) => {
            problem(StatusCode::BAD_REQUEST, "not a bulletin").field("the posting")
        }
        Refusal::Bulletin(BulletinError::WrongContent) => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "not a bulletin").field("content")
        }
        Refusal::Expired { .. } | Refusal::Future { .. } => {
            problem(StatusCode::UNPROCESSABLE_ENTITY, "not now").field("time")
        }
        Refusal::Duplicate => problem(StatusCode::CONFLICT, "known already").field("content"),
        Refusal::Cheap { asked, retry_after, .. } => {
            // Where it is crowded, waiting helps; elsewhere only work does.
            let crowded = *retry_after > 0;
            let status =
                if crowded { StatusCode::TOO_MANY_REQUESTS } else { StatusCode::UNPROCESSABLE_ENTITY };
            let problem = problem(status, "too cheap").field("effort").price(*asked);
            if crowded { problem.retry_after(*retry_after) } else { problem }
        }
        Refusal::Full { retry_after } => {
            problem(StatusCode::TOO_MANY_REQUESTS, "full").retry_after(*retry_after)
        }
        Refusal::Private => problem(StatusCode::UNPROCESSABLE_ENTITY, "private").field("content"),
        Refusal::NoWork => problem(StatusCode::UNPROCESSABLE_ENTITY, "no work").field("nonce"),
    }
}
