//! Accepting connections, in bounded number, until the node stops.

use std::{net::IpAddr, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    Request,
    body::Incoming,
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::GracefulShutdown,
    service::TowerToHyperService,
};
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tracing::{debug, warn};

/// How long a client may take for the head of a request.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long requests under way may take when the node stops.
const DRAIN: Duration = Duration::from_secs(2);

/// Where a request comes from: the client, or a proxy before this node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ClientAddress(pub(crate) IpAddr);

/// Serves HTTP on so many connections at one time, until `stop` changes; `refused` is called for each
/// connection beyond.
pub(crate) async fn serve(
    listener: TcpListener,
    service: Router,
    max_connections: usize,
    refused: impl Fn() + Send,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(max_connections));
    let graceful = GracefulShutdown::new();
    // Not the builder that finds out the version: it waits for the first bytes without a deadline.
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
        };
        let (stream, address) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                warn!(%error, "can't accept HTTP connections");
                sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let Ok(permit) = permits.clone().try_acquire_owned() else {
            refused();
            continue;
        };
        let _ = stream.set_nodelay(true);
        let routes = TowerToHyperService::new(service.clone());
        let hyper_service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(ClientAddress(address.ip()));
            routes.call(request)
        });
        let connection = graceful.watch(builder.serve_connection(TokioIo::new(stream), hyper_service));
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                debug!(%error, "HTTP connection ended");
            }
            drop(permit);
        });
    }
    drop(listener);
    if timeout(DRAIN, graceful.shutdown()).await.is_err() {
        debug!("requests under way were cut off");
    }
}
