//! The HTTP interface.

mod attestations;
mod bulletin_metrics;
mod bulletins;
mod council;
mod events;
mod follower;
mod intake;
mod messages;
mod metrics;
mod mirror_metrics;
mod mirrors;
mod operations;
mod problem;
mod read;
mod records;
mod refusals;
mod registry;
mod search;
mod server;
mod state;
mod subjects;
mod topics;
mod witness;

pub(crate) use attestations::{Answer, Wait, certified_by};
pub(crate) use follower::router as follower_router;
pub(crate) use intake::Bodies;
pub(crate) use problem::Problem;
pub(crate) use read::fork_alarms;
pub(crate) use refusals::bad_signature;
pub(crate) use server::serve;
pub(crate) use state::{HttpLimits, HttpStats, LogView, Shared};

use std::sync::Arc;

use axum::{
    Router,
    routing::{MethodRouter, get, post},
};
use tokio::sync::Semaphore;

use super::mirror::Mirrors;

/// The turns of those who ask the registry.
pub(crate) fn registry_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(registry::AT_ONCE))
}

/// The turns of simple peers that read the log.
pub(crate) fn simple_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(records::AT_ONCE))
}

/// The turns of those who read bulletins.
pub(crate) fn bulletin_turns() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(topics::AT_ONCE))
}

/// All routes of a node. `openapi.json` describes each of them.
fn routes() -> [(&'static str, MethodRouter<Arc<Shared>>); 42] {
    [
        ("/", get(read::front_page)),
        ("/checkpoint", get(read::checkpoint)),
        ("/tile/{*path}", get(read::tile)),
        ("/records", get(records::records).post(records::submit)),
        ("/consistency-proof", get(records::consistency)),
        ("/logs", get(mirrors::list)),
        ("/logs/{origin}/checkpoint", get(mirrors::checkpoint)),
        ("/logs/{origin}/api/v1/council", get(mirrors::council)),
        ("/logs/{origin}/tile/{*path}", get(mirrors::tile)),
        ("/add-checkpoint", post(witness::add_checkpoint)),
        ("/witness/{origin}/checkpoint", get(witness::checkpoint)),
        ("/api/v1/attestations", get(search::find).post(attestations::submit)),
        ("/api/v1/receipts/{leaf_hash}", get(attestations::receipt)),
        ("/api/v1/council", get(council::history)),
        ("/api/v1/council/changes", post(council::change)),
        ("/api/v1/operations", post(operations::submit)),
        ("/api/v1/registry", get(registry::answer)),
        ("/api/v1/registry/sequences/{federation}", get(registry::answer)),
        ("/api/v1/federations", get(registry::answer)),
        ("/api/v1/federations/{federation}", get(registry::answer)),
        ("/api/v1/federations/{federation}/witnesses", get(registry::answer)),
        ("/api/v1/trust", get(registry::answer)),
        ("/api/v1/trust/graph", get(registry::answer)),
        ("/api/v1/trust/{source}/{target}/bootstrap", get(registry::answer)),
        ("/api/v1/proposals", get(registry::answer)),
        ("/api/v1/proposals/{proposal}", get(registry::answer)),
        ("/api/v1/proposals/{proposal}/requirements", get(registry::answer)),
        ("/api/v1/proposals/{proposal}/risk", get(registry::answer)),
        ("/api/v1/collusion", get(registry::answer)),
        ("/api/v1/collusion/{federation}", get(registry::answer)),
        ("/api/v1/subjects/{sha256}/proof", get(subjects::proof)),
        ("/api/v1/bulletins", post(bulletins::post)),
        ("/api/v1/topics", get(topics::list)),
        ("/api/v1/topics/{topic}", get(topics::bulletins)),
        ("/api/v1/topics/{topic}/price", get(topics::price)),
        ("/api/v1/messages", get(messages::terms).post(messages::receive)),
        ("/api/v1/events", get(events::events)),
        ("/status", get(read::status)),
        ("/healthz", get(read::healthz)),
        ("/readyz", get(read::readyz)),
        ("/metrics", get(metrics::metrics)),
        ("/openapi.json", get(read::openapi)),
    ]
}

/// Serves all routes, and answers everything else.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let routes = routes().into_iter();
    routes
        .fold(Router::new(), |router, (path, methods)| router.route(path, methods))
        .fallback(read::not_found)
        .method_not_allowed_fallback(read::wrong_method)
        .with_state(shared)
}

/// The routes of a server that only mirrors: those of a node, as far as it has them.
pub(crate) fn mirror_router(mirrors: Mirrors) -> Router {
    Router::new()
        .route("/logs", get(mirrors::list))
        .route("/logs/{origin}/checkpoint", get(mirrors::checkpoint))
        .route("/logs/{origin}/api/v1/council", get(mirrors::council))
        .route("/logs/{origin}/tile/{*path}", get(mirrors::tile))
        .route("/healthz", get(read::healthz))
        .route("/metrics", get(mirror_metrics::metrics))
        .fallback(mirrors::not_found)
        .method_not_allowed_fallback(read::wrong_method)
        .with_state(mirrors)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{read, routes};

    #[test]
    fn the_description_has_the_same_paths_as_the_router() {
        let description: serde_json::Value = serde_json::from_str(read::OPENAPI).unwrap();
        let described: BTreeSet<String> = description["paths"].as_object().unwrap().keys().cloned().collect();
        // OpenAPI has no sign for a parameter that spans slashes.
        let served: BTreeSet<String> = routes().map(|(path, _)| path.replace("{*", "{")).into();
        assert_eq!(described, served);
    }
}
