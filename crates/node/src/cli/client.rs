//! Talking to a node over HTTP.

use std::{net::SocketAddr, time::Duration};

use http_body_util::{BodyExt, Full, Limited};
use hyper::{
    Method, Request, StatusCode, Uri,
    body::{Bytes, Incoming},
    header,
};
use serde::Deserialize;

use super::Failure;
use crate::runtime::{Outgoing, OutgoingConfig, root_cause};

/// The most that an answer may have.
const MAX_ANSWER: usize = 256 << 20;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// One node's HTTP interface.
#[derive(Debug, Clone)]
pub(super) struct Client {
    outgoing: Outgoing,
    node: String,
    timeout: Duration,
}

/// An answer with its status.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Bytes,
}

/// What matters of a problem.
#[derive(Debug, Deserialize)]
pub(super) struct Problem {
    pub(super) title: String,
    pub(super) detail: String,
    #[serde(default)]
    pub(super) field: Option<String>,
    /// What a bulletin must promise now.
    #[serde(default)]
    pub(super) price: Option<u32>,
    #[serde(default)]
    pub(super) status: u16,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{} ({field}): {}", self.title, self.detail),
            None => write!(f, "{}: {}", self.title, self.detail),
        }
    }
}

impl Client {
    /// A client of the node at a URL such as `http://127.0.0.1:8100`.
    pub(super) fn new(node: &str, timeout: Duration) -> Result<Self, Failure> {
        Self::through(None, node, timeout)
    }

    /// The same through a SOCKS5 proxy, which looks up the node's name.
    pub(super) fn through(proxy: Option<SocketAddr>, node: &str, timeout: Duration) -> Result<Self, Failure> {
        let node = node.trim_end_matches('/').to_owned();
        let uri: Uri =
            node.parse().map_err(|error| Failure::Usage(format!("{node:?} is not a URL: {error}")))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.host().is_none() {
            let message = format!("{node:?}: nodes are reached by http://HOST:PORT or https://HOST");
            return Err(Failure::Usage(message));
        }
        // A circuit to an onion service takes a while.
        let connect_timeout = if proxy.is_some() { timeout } else { CONNECT_TIMEOUT.min(timeout) };
        let outgoing = Outgoing::new(&OutgoingConfig { proxy, ..OutgoingConfig::default() }, connect_timeout);
        Ok(Self { outgoing: outgoing.map_err(Failure::unreachable)?, node, timeout })
    }

    pub(super) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &str,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        self.send(Method::POST, path, Some((content_type, body))).await
    }

    /// The lines of an answer that goes on.
    pub(super) async fn lines(&self, path: &str) -> Result<Lines, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::Unreachable(format!("can't reach the node at {}: {error}; is it running?", self.node))
        };
        let request = Request::builder().uri(format!("{}{path}", self.node)).body(Full::default());
        let request = request.map_err(|error| Failure::Usage(error.to_string()))?;
        let answer = tokio::time::timeout(self.timeout, self.outgoing.request(request)).await;
        let answer = answer.map_err(|_| failed(&format!("no answer within {} s", self.timeout.as_secs())))?;
        let answer = answer.map_err(|error| failed(&root_cause(&error)))?;
        let (status, mut body) = (answer.status(), answer.into_body());
        if status.is_success() {
            return Ok(Lines { body, text: Vec::new() });
        }
        let body = Limited::new(&mut body, MAX_ANSWER).collect().await.map_err(|error| failed(&error))?;
        Err(Answer { status, body: body.to_bytes() }.problem().into_failure())
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<(&str, Vec<u8>)>,
    ) -> Result<Answer, Failure> {
        let unreachable = |error: &dyn std::fmt::Display| {
            Failure::Unreachable(format!("can't reach the node at {}: {error}; is it running?", self.node))
        };
        let mut request = Request::builder().method(method).uri(format!("{}{path}", self.node));
        let body = match body {
            None => Full::default(),
            Some((content_type, body)) => {
                request = request.header(header::CONTENT_TYPE, content_type);
                Full::new(body.into())
            }
        };
        let request = request.body(body).map_err(|error| Failure::Usage(error.to_string()))?;
        let exchange = async {
            let answer =
                self.outgoing.request(request).await.map_err(|error| unreachable(&root_cause(&error)))?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unreachable(&error))?.to_bytes();
            Ok(Answer { status, body })
        };
        match tokio::time::timeout(self.timeout, exchange).await {
            Ok(answer) => answer,
            Err(_) => Err(unreachable(&format!("no answer within {} s", self.timeout.as_secs()))),
        }
    }
}

/// The longest line of an answer that goes on.
const MAX_LINE: usize = 1 << 20;

/// The lines of an answer that goes on.
#[derive(Debug)]
pub(super) struct Lines {
    body: Incoming,
    text: Vec<u8>,
}

impl Lines {
    /// The next line, without its end; none when the answer ends.
    pub(super) async fn next(&mut self) -> Result<Option<String>, Failure> {
        loop {
            if let Some(end) = self.text.iter().position(|byte| *byte == b'\n') {
                let line = self.text.drain(..=end).collect::<Vec<u8>>();
                return Ok(Some(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()));
            }
            if self.text.len() > MAX_LINE {
                return Err(Failure::Unreachable(format!("a line of more than {MAX_LINE} bytes came")));
            }
            match self.body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(Failure::unreachable(root_cause(&error))),
                Some(Ok(frame)) => self.text.extend(frame.into_data().unwrap_or_default()),
            }
        }
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.node)
    }
}

impl Answer {
    /// The body of a success, or the node's problem as a failure.
    pub(super) fn success(self) -> Result<Bytes, Failure> {
        if self.status.is_success() { Ok(self.body) } else { Err(self.problem().into_failure()) }
    }

    /// What the node asks for, if it refuses a bulletin as too cheap.
    pub(super) fn price(&self) -> Option<u32> {
        self.status.is_client_error().then(|| self.problem().price).flatten()
    }

    /// What the node says is wrong.
    pub(super) fn problem(&self) -> Problem {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| Problem {
            title: format!("the node answered {}", self.status),
            detail: String::from_utf8_lossy(&self.body).chars().take(200).collect(),
            field: None,
            price: None,
            status: self.status.as_u16(),
        })
    }
}

impl Problem {
    /// What can't be done now is exit code 3, what is refused 1.
    pub(super) fn into_failure(self) -> Failure {
        if self.status >= 500 || self.status == 429 || self.status == 404 {
            Failure::Unreachable(self.to_string())
        } else {
            Failure::False(self.to_string())
        }
    }
}
