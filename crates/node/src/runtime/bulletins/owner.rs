//! What only the node's owner may ask: a Unix socket in a directory that nobody else can enter.
//!
//! A request is one line of JSON, and so is its answer. Letters cross this socket readable, and
//! nothing else.

use std::{
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::JoinSet,
    time::{sleep, timeout},
};
use tracing::{debug, warn};

use super::{Bulletins, GateAnswer, GateRequest};

/// Connections at one time.
const AT_ONCE: usize = 8;
/// How long one may last.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest request: a letter of the largest size in base64, and what is around it.
const MAX_REQUEST: u64 = 128 * 1024;

/// What the owner asks.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
pub enum OwnerRequest {
    /// Send a letter.
    Send {
        /// The member's name.
        to: String,
        /// What it says, in base64.
        content: String,
        /// Whether the council orders it.
        #[serde(default)]
        ordered: bool,
    },
    /// Show the letters that wait here.
    Inbox,
    /// Erase one of them.
    Forget {
        /// Its id, in hexadecimal.
        id: String,
    },
    /// Something about gates.
    Gate {
        /// What.
        request: GateRequest,
    },
}

/// What the node answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OwnerAnswer {
    /// The letter is on its way, and durable here.
    Sent(SentJson),
    /// These letters wait.
    Letters(Vec<LetterJson>),
    /// It is erased; `false` if there was none.
    Forgotten(bool),
    /// What is answered about gates.
    Gate(GateAnswer),
    /// It is not done, for this reason.
    Refused(String),
}

/// A letter on its way.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SentJson {
    /// Names it, in hexadecimal.
    pub(crate) id: String,
    /// The recipient's name.
    pub(crate) to: String,
    /// When it was sent.
    pub(crate) time: String,
    /// The leaf hash of its commitment, if the council orders it, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) commitment: Option<String>,
}

/// A letter that waits for its reader.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LetterJson {
    /// Names it, in hexadecimal.
    pub(crate) id: String,
    /// The sender's name, or its key if it is no member, or not any more.
    pub(crate) from: String,
    /// Whether it came from anybody, who need not be a member.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) from_anybody: bool,
    /// When it was sent.
    pub(crate) time: String,
    /// What it says, in base64.
    pub(crate) content: String,
    /// Where the log has its commitment, if the council has ordered it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) ordered: Option<OrderedJson>,
}

/// An entry of the log.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct OrderedJson {
    /// Where it is.
    pub(crate) index: u64,
    /// Its leaf hash, in hexadecimal.
    pub(crate) leaf_hash: String,
}

/// Where the owner's socket is.
pub(crate) fn socket(data: &Path) -> PathBuf {
    private_dir(data).join("socket")
}

/// The directory that only the node's owner can enter.
pub(super) fn private_dir(data: &Path) -> PathBuf {
    data.join("owner")
}

/// Listens for the owner. The data directory is locked, so what is there was left by a crash.
pub(crate) fn listen(data: &Path) -> io::Result<UnixListener> {
    make_private_dir(&private_dir(data))?;
    let path = socket(data);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => UnixListener::bind(path),
    }
}

/// Makes a directory that nobody else can enter.
pub(super) fn make_private_dir(path: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Answers the owner until `stop` changes; then the socket goes.
pub(crate) async fn serve(
    listener: UnixListener,
    bulletins: Arc<Bulletins>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.changed() => break,
            Some(_) = tasks.join_next() => continue,
        };
        match (accepted, permits.clone().try_acquire_owned()) {
            (Ok((stream, _)), Ok(permit)) => {
                let bulletins = bulletins.clone();
                tasks.spawn(async move {
                    let _permit = permit;
                    match timeout(PATIENCE, answer(stream, &bulletins)).await {
                        Ok(Err(error)) => debug!(%error, "the owner's connection"),
                        Err(_) => debug!("the owner's connection was too slow"),
                        Ok(Ok(())) => {}
                    }
                });
            }
            (Ok(_), Err(_)) => {}
            (Err(error), _) => {
                warn!(%error, "can't accept the owner's connections");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    tasks.shutdown().await;
    // Nobody answers there any more.
    if let Some(path) = listener.local_addr().ok().as_ref().and_then(|address| address.as_pathname())
        && let Err(error) = std::fs::remove_file(path)
    {
        warn!(%error, path = %path.display(), "can't remove the owner's socket");
    }
}

async fn answer(mut stream: UnixStream, bulletins: &Bulletins) -> io::Result<()> {
    let (read, mut write) = stream.split();
    let mut line = String::new();
    BufReader::new(read.take(MAX_REQUEST)).read_line(&mut line).await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => bulletins.owner_asks(request).await,
        Err(error) => OwnerAnswer::Refused(format!("not a request: {error}")),
    };
    let mut answer = serde_json::to_vec(&answer)?;
    answer.push(b'\n');
    write.write_all(&answer).await
}
