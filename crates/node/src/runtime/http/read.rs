//! Reading: the log as C2SP has it, and how the node does.

use std::{
    io::Write,
    sync::{Arc, atomic::Ordering},
};

use axum::{
    Json,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use flate2::{Compression, write::GzEncoder};
use jurat_log::{TileCoord, TileKind};
use jurat_store::LogError;

use super::{
    problem::Problem,
    state::{LogView, Shared},
};
use crate::runtime::{mirror::Mirrors, witness::NodeWitness};

pub(super) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const OCTETS: HeaderValue = HeaderValue::from_static("application/octet-stream");
const GZIP: HeaderValue = HeaderValue::from_static("gzip");
const ENCODING: HeaderValue = HeaderValue::from_static("accept-encoding");
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Long enough for a crowd, short enough to be fresh.
pub(super) const BRIEF: HeaderValue = HeaderValue::from_static("public, max-age=1");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// `GET /checkpoint`: the last one that a quorum cosigned.
pub(crate) async fn checkpoint(State(log): State<LogView>) -> Response {
    match log.reader.latest_checkpoint() {
        Ok(Some((_, note))) => {
            ([(header::CONTENT_TYPE, TEXT), (header::CACHE_CONTROL, BRIEF)], note.to_string()).into_response()
        }
        Ok(None) => {
            Problem::new(StatusCode::NOT_FOUND, "no checkpoint", "nothing is certified yet").into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// `GET /tile/<level>/<index>` and `GET /tile/entries/<index>`, partial or full. Entries are
/// compressed for who can read that; hashes would only grow.
pub(crate) async fn tile(
    State(log): State<LogView>,
    Path(path): Path<String>,
    headers: HeaderMap,
) -> Response {
    let missing = || Problem::new(StatusCode::NOT_FOUND, "no such tile", "the log has no tile of this path");
    let coord: TileCoord = match format!("tile/{path}").parse() {
        Ok(coord) => coord,
        Err(error) => {
            return Problem::new(StatusCode::NOT_FOUND, "not a tile", format!("{error}")).into_response();
        }
    };
    if coord.may_be_pruned(log.minimum_index) {
        let detail = format!("this node publishes entries from {} on", log.minimum_index);
        return Problem::new(StatusCode::NOT_FOUND, "pruned", detail).into_response();
    }
    let bytes = match coord.kind() {
        TileKind::Entries => log.reader.bundle(coord),
        TileKind::Hashes(_) => log.reader.tile(coord).map(|tile| tile.to_bytes()),
    };
    match bytes {
        Ok(bytes) => immutable(bytes, coord.kind() == TileKind::Entries, &headers),
        Err(LogError::NoSuchTile { .. }) => missing().into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

/// A tile, which never changes.
pub(super) fn immutable(bytes: Vec<u8>, is_entries: bool, headers: &HeaderMap) -> Response {
    let kind = [(header::CONTENT_TYPE, OCTETS), (header::CACHE_CONTROL, FOR_EVER)];
    if !is_entries {
        return (kind, bytes).into_response();
    }
    match accepts_gzip(headers).then(|| gzip(&bytes)) {
        Some(Ok(compressed)) => {
            (kind, [(header::VARY, ENCODING), (header::CONTENT_ENCODING, GZIP)], compressed).into_response()
        }
        _ => (kind, [(header::VARY, ENCODING)], bytes).into_response(),
    }
}

/// Whether a client takes gzip (RFC 9110, section 12.5.3).
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        named && !parts.any(|weight| weight.replace(' ', "").trim_end_matches(['0', '.']) == "q=")
    })
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 2), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// `GET /status`.
pub(crate) async fn status(State(shared): State<Arc<Shared>>) -> Response {
    let mut status = shared.detail().status.clone();
    // What the rest was gathered from may be older; who has a receipt finds its entry counted.
    let head = shared.reader.head();
    (status.log_size, status.root) = (head.size.value(), head.root.to_string());
    status.alarms = alarms(&shared);
    Json(status).into_response()
}

/// Evidence that is kept here. It stays an alarm for as long as the files are there.
fn alarms(shared: &Shared) -> Vec<String> {
    let mut alarms = Vec::new();
    let against = shared.evidence_stats.files.load(Ordering::Relaxed);
    if against > 0 {
        alarms.push(format!("{against} files prove that a member of the council contradicted itself"));
    }
    alarms.extend(fork_alarms(&shared.mirrors, &shared.witness));
    alarms
}

/// Evidence that logs have forked which are mirrored or witnessed here.
pub(crate) fn fork_alarms(mirrors: &Mirrors, witness: &NodeWitness) -> Vec<String> {
    let mut alarms = Vec::new();
    for log in mirrors.shown().logs {
        if log.forks > 0 {
            alarms.push(format!("the mirrored log {} has forked: {} files prove it", log.origin, log.forks));
        }
        if log.damaged_peers > 0 {
            alarms.push(format!("the peer file of the log {} was damaged and is set aside", log.origin));
        }
    }
    let witnessed = witness.forks();
    if witnessed > 0 {
        alarms.push(format!("{witnessed} requests for cosignatures proved that a log has forked"));
    }
    alarms
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
    let alarms: String = alarms(&shared).iter().map(|alarm| format!("ALARM: {alarm}\n\n")).collect();
    let text = format!(
        "{alarms}Jurat node {}, {} of the log {}\n\nentries    {}\ncertified  {}\nroot       {}\n\n\
         /checkpoint  /tile/  /status  /readyz  /metrics  /openapi.json\n",
        status.name, status.role, status.origin, status.log_size, status.certified_size, status.root
    );
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// What `GET /openapi.json` answers.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// `GET /openapi.json`.
pub(crate) async fn openapi() -> Response {
    ([(header::CONTENT_TYPE, JSON)], OPENAPI).into_response()
}

pub(crate) async fn not_found() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "no such path", "see /openapi.json for what there is")
}

pub(crate) async fn wrong_method() -> Problem {
    let detail = "the path takes the methods in the Allow header; see /openapi.json";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "no such method here", detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_for_who_asks_for_it() {
        for (value, takes) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate,gzip ; q=1.0", true),
            ("", false),
            ("identity", false),
            ("gzip;q=0", false),
            ("gzip; q=0.000", false),
            ("xgzip", false),
        ] {
            let headers = [(header::ACCEPT_ENCODING, HeaderValue::from_static(value))];
            assert_eq!(accepts_gzip(&headers.into_iter().collect()), takes, "{value:?}");
        }
    }
}
