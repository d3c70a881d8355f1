//! Mirroring without a node: the same copies, served under the same paths.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use jurat_store::DiskError;
use tokio::{runtime::Handle, sync::watch};
use tracing::info;

use super::{LogShown, MirrorConfig, Outgoing, RunError, http, listen, local_address, mirror::Mirrors};

/// Mirrors the logs in a directory and serves them, until `stop` changes.
pub(crate) async fn serve_mirrors(
    dir: PathBuf,
    config: &MirrorConfig,
    outgoing: Outgoing,
    address: SocketAddr,
    max_connections: usize,
    mut stop: watch::Receiver<bool>,
) -> Result<(), RunError> {
    let listener = listen("HTTP", address, "--listen").await?;
    let address = local_address(&listener)?;
    let mirrors = Mirrors::new(dir, config, outgoing);
    let (stop_tasks, stopped) = watch::channel(false);
    let mirror_task = tokio::spawn(mirrors.clone().run(stopped.clone()));
    let router = http::mirror_router(mirrors);
    let http_task = tokio::spawn(http::serve(listener, router, max_connections, || {}, stopped));
    info!(http = %address, "mirror runs");
    let _ = stop.changed().await;
    let _ = stop_tasks.send(true);
    let _ = tokio::join!(mirror_task, http_task);
    info!("mirror stopped");
    Ok(())
}

/// One round for each log in a directory; how they stand then.
pub(crate) async fn sync_mirrors(
    dir: PathBuf,
    config: &MirrorConfig,
    outgoing: Outgoing,
) -> Result<Vec<LogShown>, DiskError> {
    let mirrors = Mirrors::new(dir, config, outgoing);
    let tasks = Handle::current();
    let synced = tokio::task::spawn_blocking(move || mirrors.sync_once(&tasks)).await;
    synced.unwrap_or_else(|error| Err(DiskError::new("mirror", Path::new(""), error.into())))
}
