//! Reading: the log as C2SP has it, and how the node does.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jurat_log::{TileCoord, TileKind};
use jurat_store::LogError;

use super::{problem::Problem, state::Shared};

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Long enough for a crowd, short enough to be fresh.
const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=1");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /checkpoint`: the last one that a quorum cosigned.
pub(crate) async fn checkpoint(State(shared): State<Arc<Shared>>) -> Response {
    match shared.reader.latest_checkpoint() {
        Ok(Some((_, note))) => {
            ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, BRIEF)], note.to_string()).into_response()
        }
        Ok(None) => {
            Problem::new(StatusCode::NOT_FOUND, "no checkpoint", "nothing is certified yet").into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// `GET /tile/<level>/<index>` and `GET /tile/entries/<index>`, partial or full.
pub(crate) async fn tile(State(shared): State<Arc<Shared>>, Path(path): Path<String>) -> Response {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such tile", "the log has no tile of this path");
    let coord: TileCoord = match format!("tile/{path}").parse() {
        Ok(coord) => coord,
        Err(error) => {
            return Problem::new(StatusCode::NOT_FOUND, "not a tile", format!("{error}")).into_response();
        }
    };
    let bytes = match coord.kind() {
        TileKind::Entries => shared.reader.bundle(coord),
        TileKind::Hashes(_) => shared.reader.tile(coord).map(|tile| tile.to_bytes()),
    };
    match bytes {
        Ok(bytes) => {
            ([(header::CONTENT_TYPE, OCTETS), (header::CACHE_CONTROL, FOR_EVER)], bytes).into_response()
        }
        Err(LogError::NoSuchTile { .. }) => missing().into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// `GET /status`.
pub(crate) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    Json(&shared.detail().status).into_response()
}

/// `GET /healthz`: whether the process answers.
pub(crate) async fn healthz() -> &'static str {
    "ok\n"
}

/// `GET /readyz`: whether a submission would be ordered soon.
pub(crate) async fn readyz(State(shared): State<Arc<Shared>>) -> Response {
    let detail = shared.detail();
    let lag = detail.status.members.iter().find(|member| member.name == detail.status.name);
    let not_ready = |reason: String| {
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready", reason).retry_after(1).into_response()
    };
    if let Some(reason) = detail.lacking_quorum() {
        return not_ready(reason);
    }
    if detail.status.changing_view {
        return not_ready(format!("view {} has not begun", detail.status.view));
    }
    if !detail.accepts_entries {
        return not_ready("too many entries wait to be ordered".into());
    }
    match lag.and_then(|own| own.lag) {
        Some(lag) if lag > READY_LAG => not_ready(format!("catching up, {lag} batches behind")),
        _ => "ready\n".into_response(),
    }
}

/// Batches that a node may be behind and still be as good as any.
const READY_LAG: u64 = 16;

/// `GET /`: what this is, for someone who opens it in a browser.
pub(crate) async fn front_page(State(shared): State<Arc<Shared>>) -> Response {
    let status = &shared.detail().status;
    let text = format!(
        "Jurat node {}, {} of the log {}\n\nentries    {}\ncertified  {}\nroot       {}\n\n\
         /checkpoint  /tile/  /status  /readyz  /metrics  /openapi.json\n",
        status.name, status.role, status.origin, status.log_size, status.certified_size, status.root
    );
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, JSON)], include_str!("openapi.json")).into_response()
}

pub(crate) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such path", "see /openapi.json for what there is")
}
