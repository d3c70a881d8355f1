//! Getting resources of mirrored logs, over HTTP or from a directory: with a deadline, a least speed
//! and a most of bytes.

use std::{
    fmt,
    fs::File,
    io::{ErrorKind, Read},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use flate2::read::GzDecoder;
use http_body_util::{BodyExt, Full};
use hyper::{
    HeaderMap, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    header,
};
use jurat_gossip::{GetFailure, retry_after};
use jurat_log::UnixMillis;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout, timeout_at},
};

use crate::runtime::{
    clock::unix_millis,
    outgoing::{Outgoing, root_cause},
};

/// A source that has not sent all must send so many bytes in each second of the timeout.
const LEAST_BYTES_PER_SECOND: u64 = 16 * 1024;

/// Resources of all mirrored logs that are got at the same time; with bundles of the largest entries
/// they take 256 MiB.
const MAX_AT_ONCE: usize = 16;

/// Where a log is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Source {
    /// The log's URL prefix, without a final slash.
    Http(String),
    /// A directory with what a server would serve.
    Directory(PathBuf),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Http(url) => f.write_str(url),
            Self::Directory(dir) => dir.display().fmt(f),
        }
    }
}

/// Why a text is not a source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SourceError {
    #[error("{0:?}: logs are read over http:// or https://")]
    Scheme(String),
    #[error("{0:?} is not a URL")]
    Url(String),
}

/// Gets resources.
#[derive(Clone, Debug)]
pub(crate) struct Getter {
    outgoing: Outgoing,
    timeout: Duration,
    room: Arc<Semaphore>,
}

impl Source {
    /// Reads a URL, or else a path.
    pub(crate) fn new(text: &str) -> Result<Self, SourceError> {
        if !text.contains("://") {
            return Ok(Self::Directory(text.into()));
        }
        let url = text.trim_end_matches('/');
        let uri: Uri = url.parse().map_err(|_| SourceError::Url(text.into()))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(SourceError::Scheme(text.into()));
        }
        match (uri.host(), uri.query()) {
            (Some(_), None) => Ok(Self::Http(url.into())),
            _ => Err(SourceError::Url(text.into())),
        }
    }
}

impl Getter {
    /// `timeout` is how long a source may take to answer, and for each part of an answer.
    pub(crate) fn new(outgoing: Outgoing, timeout: Duration) -> Self {
        Self { outgoing, timeout, room: Arc::new(Semaphore::new(MAX_AT_ONCE)) }
    }

    /// The resource at a path below the log's prefix, or nothing if the source does not have it.
    pub(crate) async fn get(
        &self,
        source: &Source,
        path: &str,
        limit: usize,
    ) -> Result<Option<Vec<u8>>, GetFailure> {
        let _room = self.room.acquire().await.map_err(|error| failure(&error))?;
        match source {
            Source::Http(prefix) => self.get_http(&format!("{prefix}/{path}"), limit).await,
            Source::Directory(dir) => {
                let file = dir.join(path);
                let read = tokio::task::spawn_blocking(move || read_file(&file, limit));
                match timeout(self.timeout, read).await {
                    Ok(Ok(content)) => content,
                    Ok(Err(error)) => Err(failure(&error)),
                    Err(_) => Err(self.silent(path)),
                }
            }
        }
    }

    async fn get_http(&self, url: &str, limit: usize) -> Result<Option<Vec<u8>>, GetFailure> {
        let request = Request::get(url)
            .header(header::ACCEPT_ENCODING, "gzip, identity")
            .header(header::USER_AGENT, concat!("jurat/", env!("CARGO_PKG_VERSION")))
            .body(Full::<Bytes>::default())
            .map_err(|error| failure(&error))?;
        let answer = match timeout(self.timeout, self.outgoing.request(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failure(&root_cause(&error))),
            Err(_) => return Err(self.silent(url)),
        };
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND | StatusCode::GONE => return Ok(None),
            status => {
                let retry_after = asked_for(answer.headers());
                return Err(GetFailure { error: format!("{url}: the answer is {status}"), retry_after });
            }
        }
        let coding = answer.headers().get(header::CONTENT_ENCODING).map(|coding| coding.as_bytes().to_vec());
        match coding.as_deref() {
            None | Some(b"identity") => self.read_body(url, answer.into_body(), limit).await.map(Some),
            Some(b"gzip") => {
                // What does not compress grows a little.
                let body = self.read_body(url, answer.into_body(), limit + limit / 512 + 1024).await?;
                let mut content = Vec::new();
                let decoder = GzDecoder::new(&body[..]);
                decoder.take(limit as u64 + 1).read_to_end(&mut content).map_err(|error| failure(&error))?;
                within(content, limit, url).map(Some)
            }
            Some(other) => {
                let coding = String::from_utf8_lossy(other);
                Err(failure(&format!("{url}: sent as {coding:?}, which was not asked for")))
            }
        }
    }

    /// Reads a body that keeps a least speed.
    async fn read_body(&self, url: &str, mut body: Incoming, limit: usize) -> Result<Vec<u8>, GetFailure> {
        let least = LEAST_BYTES_PER_SECOND.saturating_mul(self.timeout.as_secs()).max(1);
        let mut content = Vec::new();
        let mut before = 0;
        let mut end = Instant::now() + self.timeout;
        loop {
            match timeout_at(end, body.frame()).await {
                Ok(None) => return Ok(content),
                Ok(Some(Err(error))) => return Err(failure(&format!("{url}: {}", root_cause(&error)))),
                Ok(Some(Ok(frame))) => {
                    let bytes = frame.data_ref().map_or(&[][..], |bytes| bytes);
                    if content.len() + bytes.len() > limit {
                        return Err(too_long(url, limit));
                    }
                    content.extend_from_slice(bytes);
                }
                Err(_) => {}
            }
            if Instant::now() >= end {
                let sent = content.len() - before;
                if (sent as u64) < least {
                    let seconds = self.timeout.as_secs();
                    return Err(failure(&format!("{url}: {sent} bytes in {seconds} s, too slow")));
                }
                before = content.len();
                end = Instant::now() + self.timeout;
            }
        }
    }

    fn silent(&self, what: &str) -> GetFailure {
        failure(&format!("{what}: no answer within {} s", self.timeout.as_secs()))
    }
}

fn read_file(path: &Path, limit: usize) -> Result<Option<Vec<u8>>, GetFailure> {
    let mut content = Vec::new();
    let read = File::open(path).and_then(|file| file.take(limit as u64 + 1).read_to_end(&mut content));
    match read {
        Ok(_) => within(content, limit, &path.display().to_string()).map(Some),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failure(&format!("{}: {error}", path.display()))),
    }
}

fn within(content: Vec<u8>, limit: usize, what: &str) -> Result<Vec<u8>, GetFailure> {
    if content.len() > limit { Err(too_long(what, limit)) } else { Ok(content) }
}

fn too_long(what: &str, limit: usize) -> GetFailure {
    failure(&format!("{what}: more than {limit} bytes"))
}

fn failure(error: &dyn std::fmt::Display) -> GetFailure {
    GetFailure { error: error.to_string(), retry_after: 0 }
}

fn asked_for(headers: &HeaderMap) -> u64 {
    let value = headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
    value.map_or(0, |value| retry_after(value, UnixMillis(unix_millis())))
}
