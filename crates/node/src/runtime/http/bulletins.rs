//! Posting bulletins.

use std::sync::Arc;

use axum::{
    Json,
    body::{Body, Bytes},
    extract::{Query, State, rejection::QueryRejection},
    http::{Request, StatusCode},
    response::{IntoResponse, Response},
};
use data_encoding::HEXLOWER;
use jurat_bulletin::{BulletinError, Refusal};
use jurat_crypto::{Signature, VerifyingKey};
use jurat_trust::FederationId;
use serde::Deserialize;

use super::{attestations, problem::Problem, state::Shared};
use crate::{
    bulletin_json::PostedJson,
    core::{BulletinSender, SenderRefusal, trust_of_node},
    runtime::bulletins::NotTaken,
    time::rfc3339_seconds,
};

/// `?sender=&key=&signature=`: who says who they are, and so may pay less.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SenderQuery {
    sender: Option<FederationId>,
    /// In hexadecimal.
    key: Option<String>,
    /// In hexadecimal.
    signature: Option<String>,
}

impl SenderQuery {
    fn sender(self) -> Result<Option<BulletinSender>, Problem> {
        let bad = |field: &str| {
            let detail =
                "a sender is a federation's id, one of its keys and a signature, both in hexadecimal";
            Problem::new(StatusCode::BAD_REQUEST, "not a sender", detail).field(field)
        };
        let (federation, key, signature) = match (self.sender, self.key, self.signature) {
            (None, None, None) => return Ok(None),
            (Some(federation), Some(key), Some(signature)) => (federation, key, signature),
            _ => return Err(bad("sender")),
        };
        let key = HEXLOWER.decode(key.as_bytes()).ok().and_then(|key| key.try_into().ok());
        let key = key.and_then(|key| VerifyingKey::from_bytes(key).ok()).ok_or_else(|| bad("key"))?;
        let signature = HEXLOWER.decode(signature.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
        let signature = Signature::from_bytes(signature.ok_or_else(|| bad("signature"))?);
        Ok(Some(BulletinSender { federation, key, signature }))
    }
}

/// `POST /api/v1/bulletins`: a posting in the layout of `docs/formats.md`.
pub(crate) async fn post(
    State(shared): State<Arc<Shared>>,
    sender: Result<Query<SenderQuery>, QueryRejection>,
    request: Request<Body>,
) -> Response {
    let sender = match sender {
        Ok(Query(query)) => query.sender(),
        Err(error) => {
            let detail = error.body_text();
            Err(Problem::new(StatusCode::BAD_REQUEST, "not a sender", detail).field("sender"))
        }
    };
    let taken = match sender {
        Ok(sender) => take(&shared, sender, request).await,
        Err(problem) => Err(problem),
    };
    match taken {
        Ok(posted) => (StatusCode::CREATED, Json(posted)).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn take(
    shared: &Arc<Shared>,
    sender: Option<BulletinSender>,
    request: Request<Body>,
) -> Result<PostedJson, Problem> {
    let (parts, body) = request.into_parts();
    let (body, _room) = attestations::take_body(&shared.bodies, &parts.headers, body).await?;
    let trust = match sender {
        Some(sender) => trust_in(shared.clone(), sender, body.clone()).await?,
        None => 0,
    };
    let key = shared.bulletins.post(body.into(), trust).await.map_err(|error| not_taken(&error, refused))?;
    let life = shared.bulletins.rules.bulletin_life;
    Ok(PostedJson {
        topic: key.topic.0.to_string(),
        content_id: key.content.0.to_string(),
        time: rfc3339_seconds(key.time.0.into()),
        expires: rfc3339_seconds(u64::from(key.time.0) + u64::from(life)),
    })
}

/// How much this node trusts who posts, if that is who they say.
async fn trust_in(shared: Arc<Shared>, sender: BulletinSender, posting: Bytes) -> Result<u16, Problem> {
    let judged = tokio::task::spawn_blocking(move || {
        let seen = shared.registry.read();
        sender.check(&seen.registry, shared.bulletins.rules.network, &posting)?;
        Ok(trust_of_node(&seen.registry, shared.peers.own_key(), &sender.federation))
    });
    let judged = judged.await.map_err(|error| Problem::internal(&error))?;
    judged.map_err(|refusal: SenderRefusal| {
        let field = match refusal {
            SenderRefusal::Federation(_) => "sender",
            SenderRefusal::Key { .. } => "key",
            SenderRefusal::Signature => "signature",
        };
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "not the sender", refusal.to_string()).field(field)
    })
}

pub(super) fn not_taken<R>(error: &NotTaken<R>, refused: impl FnOnce(&R) -> Problem) -> Problem {
    match error {
        NotTaken::Refused(refusal) => refused(refusal),
        NotTaken::Busy => {
            let detail = "too many bulletins and messages wait to be checked; nothing was taken";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1)
        }
        NotTaken::Stopping => {
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
        Refusal::Bulletin(BulletinError::Solution(_)) => {
            problem(StatusCode::BAD_REQUEST, "not a bulletin").field("solution")
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
        Refusal::Solution(_) => problem(StatusCode::UNPROCESSABLE_ENTITY, "no work").field("solution"),
        Refusal::NoWork => problem(StatusCode::UNPROCESSABLE_ENTITY, "no work").field("nonce"),
    }
}
