//! Where a council's history comes from: a file, a node's directory, or a node.

use std::{path::Path, time::Duration};

use jurat_crypto::Digest;

use crate::{
    cli::{Failure, client::Client, files},
    core::{CouncilHistory, Genesis, MAX_HISTORY_BYTES},
    runtime::Config,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Reads and verifies a council's history: from a node's URL, from `council.json` or `genesis.json`,
/// or from a directory with one of them. The node of a directory knows more while it runs.
pub(in crate::cli) fn read_history(source: &str) -> Result<CouncilHistory, Failure> {
    if source.starts_with("http://") || source.starts_with("https://") {
        let client = Client::new(source, TIMEOUT)?;
        return crate::cli::runtime()?.block_on(fetch(&client));
    }
    let path = Path::new(source);
    if !path.is_dir() {
        return of_file(path);
    }
    let council = path.join("council.json");
    let known = of_file(&if council.exists() { council } else { path.join("genesis.json") })?;
    let told = Config::read(path).ok().map(|config| read_history(&format!("http://{}", config.http.listen)));
    match told {
        Some(Ok(told)) if told.genesis() == known.genesis() && told.epoch() > known.epoch() => Ok(told),
        _ => Ok(known),
    }
}

/// As [`read_history`], and refuses the history of another network than the one that is pinned.
pub(in crate::cli) fn read_pinned_history(
    source: &str,
    pinned: Option<Digest>,
) -> Result<CouncilHistory, Failure> {
    let history = read_history(source)?;
    let network = history.genesis().network().0;
    match pinned {
        Some(pinned) if pinned != network => Err(Failure::False(format!(
            "{source} begins with the genesis of network {network}, not of {pinned}"
        ))),
        _ => Ok(history),
    }
}

/// The history as a node tells it. Each step is verified; the genesis is the node's word.
pub(in crate::cli) async fn fetch(client: &Client) -> Result<CouncilHistory, Failure> {
    let body = client.get("/api/v1/council").await?.success()?;
    CouncilHistory::from_json(&body)
        .map_err(|error| Failure::False(format!("the node's council history does not hold: {error}")))
}

fn of_file(path: &Path) -> Result<CouncilHistory, Failure> {
    let json = files::read_bounded(path, MAX_HISTORY_BYTES, "council's history")?;
    let shown = path.display();
    if let Ok(genesis) = serde_json::from_slice::<Genesis>(&json) {
        return CouncilHistory::new(genesis)
            .map_err(|error| Failure::False(format!("{shown} is no genesis: {error}")));
    }
    CouncilHistory::from_json(&json).map_err(|error| {
        Failure::False(format!(
            "{shown} does not hold: {error}; take a fresh copy from a node's /api/v1/council"
        ))
    })
}
