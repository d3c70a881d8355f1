//! What a node serves that follows a log: all of a member that its copy can answer, and submissions,
//! which it passes on.

use std::sync::{Arc, atomic::Ordering::Relaxed};

use axum::{
    Json, Router,
    extract::{FromRef, Path, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use prometheus_client::{collector::Collector, encoding::DescriptorEncoder, registry::Registry};

use super::{
    attestations, council, metrics, mirror_metrics::MirrorMetrics, mirrors, operations, problem::Problem,
    read, records, search, state::LogView, subjects, witness,
};
use crate::runtime::{follower::Following, mirror::Mirrors, witness::NodeWitness};

impl FromRef<Arc<Following>> for LogView {
    fn from_ref(following: &Arc<Following>) -> Self {
        following.log.clone()
    }
}

impl FromRef<Arc<Following>> for Mirrors {
    fn from_ref(following: &Arc<Following>) -> Self {
        following.mirrors.clone()
    }
}

impl FromRef<Arc<Following>> for NodeWitness {
    fn from_ref(following: &Arc<Following>) -> Self {
        following.witness.clone()
    }
}

/// The routes of a follower; `openapi.json` describes them, as those of a node.
pub(crate) fn router(following: Arc<Following>) -> Router {
    Router::new()
        .route("/", get(front_page))
        .route("/checkpoint", get(read::checkpoint))
        .route("/tile/{*path}", get(read::tile))
        .route("/records", get(records::records).post(records::submit))
        .route("/consistency-proof", get(records::consistency))
        .route("/logs", get(mirrors::list))
        .route("/logs/{origin}/checkpoint", get(mirrors::checkpoint))
        .route("/logs/{origin}/api/v1/council", get(mirrors::council))
        .route("/logs/{origin}/tile/{*path}", get(mirrors::tile))
        .route("/add-checkpoint", post(witness::add_checkpoint))
        .route("/witness/{origin}/checkpoint", get(witness::checkpoint))
        .route("/api/v1/attestations", get(search::find).post(attestations::submit))
        .route("/api/v1/receipts/{leaf_hash}", get(receipt))
        .route("/api/v1/council", get(history))
        .route("/api/v1/operations", post(operations::submit))
        .route("/api/v1/subjects/{sha256}/proof", get(subjects::proof))
        .route("/status", get(status))
        .route("/healthz", get(read::healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(all_metrics))
        .route("/openapi.json", get(read::openapi))
        .fallback(not_found)
        .method_not_allowed_fallback(read::wrong_method)
        .with_state(following)
}

async fn receipt(State(following): State<Arc<Following>>, Path(leaf_hash): Path<String>) -> Response {
    attestations::receipt_response(&leaf_hash, |leaf| {
        attestations::certified_by(&following.receipts, leaf, || None)
    })
}

async fn history(State(following): State<Arc<Following>>) -> Response {
    match following.rules.history() {
        Some(history) => council::shown(&history),
        None => {
            let detail = "this node follows the log by a policy, and knows no history of its council";
            Problem::new(StatusCode::NOT_FOUND, "no such council", detail).into_response()
        }
    }
}

async fn status(State(following): State<Arc<Following>>) -> Response {
    Json(following.status()).into_response()
}

/// Whether reading makes sense: something is verified. The council's state is no matter here.
async fn readyz(State(following): State<Arc<Following>>) -> Response {
    match following.log.reader.latest_checkpoint() {
        Ok(Some(_)) => "ready\n".into_response(),
        Ok(None) => {
            let detail = "nothing of the followed log is verified yet";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, "not ready", detail).retry_after(1).into_response()
        }
        Err(error) => Problem::internal(&error).into_response(),
    }
}

async fn front_page(State(following): State<Arc<Following>>) -> Response {
    let status = following.status();
    let alarms: String = status.alarms.iter().map(|alarm| format!("ALARM: {alarm}\n\n")).collect();
    let sources = status.following.iter().flat_map(|following| &following.sources);
    let sources: String = sources.map(|source| format!("source     {}\n", source.source)).collect();
    let lag = status.following.as_ref().and_then(|following| following.lag);
    let lag = lag.map_or("no source has answered yet".into(), |lag| format!("{lag} entries behind"));
    let text = format!(
        "{alarms}Jurat node {}, {} of the log {}\n\nentries    {}\nlag        {lag}\nroot       {}\n{sources}\n\
         /checkpoint  /tile/  /logs  /status  /readyz  /metrics  /openapi.json\n",
        status.name, status.role, status.origin, status.log_size, status.root
    );
    ([(header::CONTENT_TYPE, read::TEXT)], text).into_response()
}

async fn not_found() -> Problem {
    let detail = "this node follows a log, and answers what its copy can: ask a member of the council for the registry and for bulletins, and hand changes of the council in there";
    Problem::new(StatusCode::NOT_FOUND, "no such path", detail)
}

async fn all_metrics(State(following): State<Arc<Following>>) -> Response {
    let mut registry = Registry::with_prefix("jurat");
    registry.register_collector(Box::new(MirrorMetrics(following.mirrors.clone())));
    registry.register_collector(Box::new(FollowerMetrics(following)));
    metrics::answer(&registry)
}

struct FollowerMetrics(Arc<Following>);

impl std::fmt::Debug for FollowerMetrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FollowerMetrics")
    }
}

impl Collector for FollowerMetrics {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let (following, status) = (&self.0, self.0.status());
        let lag = status.following.and_then(|following| following.lag);
        let own = [
            ("log_size", "Entries in the log", status.log_size),
            ("certified_size", "Entries covered by a cosigned checkpoint", status.certified_size),
            ("epoch", "Epoch of the council", status.epoch),
            ("follower_lag", "Entries that a source has, and this node not yet", lag.unwrap_or(0)),
            ("uptime_seconds", "Seconds since the start", status.uptime),
        ];
        metrics::plain_gauges(&mut encoder, own)?;
        let stats = &following.http_stats;
        let own = [
            ("accepted_attestations", "Attestations taken over HTTP", stats.accepted.load(Relaxed)),
            ("refused_attestations", "Attestations refused over HTTP", stats.refused.load(Relaxed)),
            ("witness_forks", "Requests that proved a fork of another log", following.witness.forks()),
        ];
        metrics::plain_counters(&mut encoder, own)?;
        let http = [
            ("overloaded", following.bodies.refused()),
            ("connection", stats.connections_refused.load(Relaxed)),
        ];
        metrics::labelled(
            &mut encoder,
            "http_refused",
            "Requests and connections turned away",
            "reason",
            http,
        )?;
        let passed = following.council.counts();
        let passed = [
            ("answered", &passed.answered),
            ("refused", &passed.refused),
            ("crowded", &passed.crowded),
            ("unanswered", &passed.unanswered),
            ("node failed", &passed.failures),
            ("unverified", &passed.unverified),
        ];
        let passed = passed.map(|(outcome, count)| (outcome, count.load(Relaxed)));
        let help = "Requests that were passed on to the council";
        metrics::labelled(&mut encoder, "passed_on", help, "outcome", passed)
    }
}
