//! The witness over HTTP (C2SP tlog-witness).

use axum::{
    body::Body,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jurat_crypto::Digest;
use jurat_log::MAX_ADD_CHECKPOINT_BYTES;

use super::{problem::Problem, read};
use crate::runtime::witness::{NodeWitness, WitnessError};

/// `POST /add-checkpoint`.
pub(crate) async fn add_checkpoint(State(witness): State<NodeWitness>, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, MAX_ADD_CHECKPOINT_BYTES).await else {
        let detail = format!("a request has at most {MAX_ADD_CHECKPOINT_BYTES} bytes");
        return plain(StatusCode::BAD_REQUEST, detail);
    };
    // Checks signatures and waits for the disk.
    let outcome = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match outcome {
        Ok(Ok(cosignatures)) => plain(StatusCode::OK, cosignatures.to_string()),
        Ok(Err(WitnessError::Malformed(error))) => plain(StatusCode::BAD_REQUEST, format!("{error}\n")),
        Ok(Err(WitnessError::Refused(refusal))) => {
            let status = StatusCode::from_u16(refusal.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let content_type = HeaderValue::from_static(refusal.content_type());
            (status, [(header::CONTENT_TYPE, content_type)], refusal.body()).into_response()
        }
        Ok(Err(error @ WitnessError::NotCertified { .. })) => {
            plain(StatusCode::UNPROCESSABLE_ENTITY, format!("{error}\n"))
        }
        Ok(Err(error)) => Problem::internal(&error).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// `GET /witness/<hex SHA-256 of the origin>/checkpoint`.
pub(crate) async fn checkpoint(State(witness): State<NodeWitness>, Path(origin): Path<String>) -> Response {
    let not_cosigned = || {
        let detail = "this witness has cosigned no checkpoint of a log whose origin has this SHA-256 digest";
        Problem::new(StatusCode::NOT_FOUND, "nothing cosigned", detail).into_response()
    };
    let Ok(origin) = origin.parse::<Digest>() else { return not_cosigned() };
    match tokio::task::spawn_blocking(move || witness.checkpoint(&origin)).await {
        Ok(Ok(Some(record))) => {
            let headers = [(header::CONTENT_TYPE, read::TEXT), (header::CACHE_CONTROL, read::BRIEF)];
            (headers, record).into_response()
        }
        Ok(Ok(None)) => not_cosigned(),
        Ok(Err(error)) => Problem::internal(&error).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn plain(status: StatusCode, text: String) -> Response {
    (status, [(header::CONTENT_TYPE, read::TEXT)], text).into_response()
}
