//! Mirrored logs over HTTP: read as the own one is.

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRef, Path, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use jurat_crypto::Digest;
use jurat_log::{TileCoord, TileKind};
use jurat_store::DiskError;

use super::{problem::Problem, read, state::Shared};
use crate::runtime::mirror::Mirrors;

impl FromRef<Arc<Shared>> for Mirrors {
    fn from_ref(shared: &Arc<Shared>) -> Self {
        shared.mirrors.clone()
    }
}

/// `GET /logs`: which logs are mirrored, and how that goes.
pub(crate) async fn list(State(mirrors): State<Mirrors>) -> Response {
    Json(mirrors.shown()).into_response()
}

/// `GET /logs/<hex SHA-256 of the origin>/checkpoint`.
pub(crate) async fn checkpoint(State(mirrors): State<Mirrors>, Path(origin): Path<String>) -> Response {
    let missing = || {
        let detail =
            "no log whose origin has this SHA-256 digest is mirrored here, or nothing of it is verified yet";
        Problem::new(StatusCode::NOT_FOUND, "no such log", detail).into_response()
    };
    let Ok(origin) = origin.parse::<Digest>() else { return missing() };
    match from_disk(move || mirrors.checkpoint(&origin)).await {
        Ok(Some(note)) => {
            ([(header::CONTENT_TYPE, read::TEXT), (header::CACHE_CONTROL, read::BRIEF)], note).into_response()
        }
        Ok(None) => missing(),
        Err(problem) => problem.into_response(),
    }
}

/// `GET /logs/<hex SHA-256 of the origin>/api/v1/council`: where a node shows its own.
pub(crate) async fn council(State(mirrors): State<Mirrors>, Path(origin): Path<String>) -> Response {
    let missing = || {
        let detail = "no log whose origin has this SHA-256 digest is mirrored here together with its council";
        Problem::new(StatusCode::NOT_FOUND, "no such council", detail).into_response()
    };
    let Ok(origin) = origin.parse::<Digest>() else { return missing() };
    match from_disk(move || mirrors.council(&origin)).await {
        Ok(Some(history)) => {
            ([(header::CONTENT_TYPE, read::JSON), (header::CACHE_CONTROL, read::BRIEF)], history)
                .into_response()
        }
        Ok(None) => missing(),
        Err(problem) => problem.into_response(),
    }
}

/// `GET /logs/<hex SHA-256 of the origin>/tile/<level>/<index>` and `.../tile/entries/<index>`.
pub(crate) async fn tile(
    State(mirrors): State<Mirrors>,
    Path((origin, path)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let missing =
        |detail: String| Problem::new(StatusCode::NOT_FOUND, "no such tile", detail).into_response();
    let Ok(origin) = origin.parse::<Digest>() else { return missing("no such log is mirrored here".into()) };
    let coord: TileCoord = match format!("tile/{path}").parse() {
        Ok(coord) => coord,
        Err(error) => return missing(format!("{error}")),
    };
    match from_disk(move || mirrors.tile(&origin, coord)).await {
        Ok(Some(bytes)) => read::immutable(bytes, coord.kind() == TileKind::Entries, &headers),
        Ok(None) => missing("the copy of the log has no tile of this path".into()),
        Err(problem) => problem.into_response(),
    }
}

/// What a server that only mirrors answers to other paths.
pub(crate) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such path", "this server only mirrors: see /logs")
}

async fn from_disk(
    read: impl FnOnce() -> Result<Option<Vec<u8>>, DiskError> + Send + 'static,
) -> Result<Option<Vec<u8>>, Problem> {
    match tokio::task::spawn_blocking(read).await {
        Ok(read) => read.map_err(|error| Problem::internal(&error)),
        Err(error) => Err(Problem::internal(&error)),
    }
}
