//! The HTTP interface.

mod attestations;
mod metrics;
mod problem;
mod read;
mod server;
mod state;

pub(crate) use server::serve;
pub(crate) use state::{HttpLimits, HttpStats, Shared};

use std::sync::Arc;

use axum::{
    Router,
    routing::{get, post},
};
use tokio::sync::Semaphore;

/// The room for bodies of all requests together.
pub(crate) fn body_room() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(attestations::BODY_ROOM_KIB))
}

/// All routes of a node.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/", get(read::front_page))
        .route("/checkpoint", get(read::checkpoint))
        .route("/tile/{*path}", get(read::tile))
        .route("/api/v1/attestations", post(attestations::submit))
        .route("/api/v1/receipts/{leaf_hash}", get(attestations::receipt))
        .route("/status", get(read::status))
        .route("/healthz", get(read::healthz))
        .route("/readyz", get(read::readyz))
        .route("/metrics", get(metrics::metrics))
        .route("/openapi.json", get(read::openapi))
        .fallback(read::not_found)
        .with_state(shared)
}
