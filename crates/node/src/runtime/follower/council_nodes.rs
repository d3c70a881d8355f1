//! The nodes that submissions are passed on to: one after the other, each left in peace for as long as
//! it asks, or for longer with each failure.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use axum::http::StatusCode;
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes, header};
use jurat_gossip::{Backoff, retry_after};
use jurat_log::UnixMillis;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use tracing::warn;

use crate::runtime::{Outgoing, Source, clock::unix_millis, http::Problem, root_cause};

/// Requests that are passed on at one time; further ones are asked to come back.
const AT_ONCE: usize = 64;
/// A node that fails rests for so many milliseconds, and twice as long each time.
const FIRST_REST: u64 = 1_000;
const LONGEST_REST: u64 = 60_000;
/// The least that a node gets to answer, however many are left to be asked.
const LEAST_PATIENCE: Duration = Duration::from_secs(1);
/// Characters of a node's error that are told, and nodes whose errors are.
const ERROR_CHARS: usize = 200;
const ERRORS_TOLD: usize = 4;

/// What became of requests that were passed on.
#[derive(Debug, Default)]
pub(crate) struct PassedOn {
    /// A node answered.
    pub(crate) answered: AtomicU64,
    /// A node refused the request itself.
    pub(crate) refused: AtomicU64,
    /// Too many were under way.
    pub(crate) crowded: AtomicU64,
    /// No node answered.
    pub(crate) unanswered: AtomicU64,
    /// Times that a node failed, or asked to be left in peace.
    pub(crate) failures: AtomicU64,
    /// Answers that did not hold.
    pub(crate) unverified: AtomicU64,
}

/// The nodes, in the order in which they were named.
#[derive(Debug)]
pub(crate) struct CouncilNodes {
    nodes: RwLock<Vec<Arc<Node>>>,
    outgoing: Outgoing,
    patience: Duration,
    turns: Arc<Semaphore>,
    counts: PassedOn,
}

#[derive(Debug)]
struct Node {
    url: String,
    standing: Mutex<Standing>,
}

#[derive(Debug)]
struct Standing {
    backoff: Backoff,
    rests_until: Option<Instant>,
    error: String,
}

/// How one attempt ended.
enum Attempt {
    Answered(Bytes),
    Refused(Problem),
    Failed { error: String, retry_after: u64 },
}

impl CouncilNodes {
    /// Those of a log's sources that are reached over HTTP. All together may take `patience` to answer.
    pub(super) fn new(sources: &[String], outgoing: Outgoing, patience: Duration) -> Self {
        let nodes = Self {
            nodes: RwLock::default(),
            outgoing,
            patience,
            turns: Arc::new(Semaphore::new(AT_ONCE)),
            counts: PassedOn::default(),
        };
        nodes.replace(sources);
        nodes
    }

    /// Passes on to these from now on; who is known keeps its rest.
    pub(super) fn replace(&self, sources: &[String]) {
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let known = |url: &str| nodes.iter().find(|node| node.url == url).cloned();
        let node = |source: &String| match Source::new(source) {
            Ok(Source::Http(url)) if known(&url).is_some() => known(&url),
            Ok(Source::Http(url)) => Some(Arc::new(Node {
                url,
                standing: Mutex::new(Standing {
                    backoff: Backoff::new(FIRST_REST, LONGEST_REST),
                    rests_until: None,
                    error: String::new(),
                }),
            })),
            _ => None,
        };
        let replaced = sources.iter().filter_map(node).collect();
        *nodes = replaced;
    }

    fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What has happened.
    pub(crate) const fn counts(&self) -> &PassedOn {
        &self.counts
    }

    /// The answer of the first node that takes a request; of at most `limit` bytes.
    pub(super) async fn post(
        &self,
        path: &str,
        content_type: &'static str,
        body: Vec<u8>,
        limit: usize,
    ) -> Result<Bytes, Problem> {
        let Ok(_turn) = self.turns.try_acquire() else {
            self.counts.crowded.fetch_add(1, Ordering::Relaxed);
            let detail =
                format!("{AT_ONCE} requests are being passed on to the council; nothing of this one was");
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", detail).retry_after(1));
        };
        let (body, end) = (Bytes::from(body), Instant::now() + self.patience);
        let candidates = self.awake();
        for (place, node) in candidates.iter().enumerate() {
            // What is left is shared out among those who are left.
            let left = u32::try_from(candidates.len() - place).unwrap_or(u32::MAX);
            let share = (end.saturating_duration_since(Instant::now()) / left).max(LEAST_PATIENCE);
            let asked = self.ask(node, path, content_type, body.clone(), limit);
            let attempt = timeout(share, asked).await.unwrap_or_else(|_| Attempt::Failed {
                error: format!("no answer within {:.1} s", share.as_secs_f32()),
                retry_after: 0,
            });
            match attempt {
                Attempt::Answered(answer) => {
                    node.answered();
                    self.counts.answered.fetch_add(1, Ordering::Relaxed);
                    return Ok(answer);
                }
                Attempt::Refused(problem) => {
                    node.answered();
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                    return Err(problem);
                }
                Attempt::Failed { error, retry_after } => {
                    warn!(node = node.url, error, retry_after, "a submission could not be passed on");
                    self.counts.failures.fetch_add(1, Ordering::Relaxed);
                    node.failed(&error, retry_after);
                }
            }
        }
        self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
        Err(self.unreachable())
    }

    /// The nodes that may be asked now, those first that failed least.
    fn awake(&self) -> Vec<Arc<Node>> {
        let now = Instant::now();
        let mut nodes = self.nodes();
        nodes.retain(|node| node.lock().rests_until.is_none_or(|until| until <= now));
        nodes.sort_by_key(|node| node.lock().backoff.failures());
        nodes
    }

    async fn ask(
        &self,
        node: &Node,
        path: &str,
        content_type: &'static str,
        body: Bytes,
        limit: usize,
    ) -> Attempt {
        let failed =
            |error: &dyn std::fmt::Display| Attempt::Failed { error: error.to_string(), retry_after: 0 };
        let request = Request::post(format!("{}{path}", node.url))
            .header(header::CONTENT_TYPE, content_type)
            .header(header::USER_AGENT, concat!("jurat/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(body));
        let request = match request {
            Ok(request) => request,
            Err(error) => return failed(&error),
        };
        let answer = match self.outgoing.request(request).await {
            Ok(answer) => answer,
            Err(error) => return failed(&root_cause(&error)),
        };
        let status = answer.status();
        let asked_for = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let retry_after = asked_for.map_or(0, |value| retry_after(value, UnixMillis(unix_millis())));
        let body = match Limited::new(answer.into_body(), limit).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) => return failed(&error),
        };
        if status.is_success() {
            return Attempt::Answered(body);
        }
        let problem = serde_json::from_slice::<Problem>(&body).ok();
        let is_busy = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
        match problem {
            Some(problem) if status.is_client_error() && !is_busy => {
                Attempt::Refused(Problem { status: status.as_u16(), ..problem })
            }
            Some(problem) => Attempt::Failed { error: format!("{status}: {}", problem.detail), retry_after },
            None => Attempt::Failed { error: format!("the answer is {status}"), retry_after },
        }
    }

    /// Why nothing can be passed on, and when to come back.
    fn unreachable(&self) -> Problem {
        let (now, nodes) = (Instant::now(), self.nodes());
        let rests = nodes.iter().filter_map(|node| node.lock().rests_until);
        let rest = rests.min().map_or(0, |until| until.saturating_duration_since(now).as_secs() + 1);
        let told = nodes.iter().take(ERRORS_TOLD);
        let told: Vec<String> = told.map(|node| format!("{}: {}", node.url, node.lock().error)).collect();
        let detail = match told.as_slice() {
            [] => "this node follows a copy of the log, and knows no node of the council to pass submissions on to: submit to a member".into(),
            told => format!(
                "none of the {} nodes that submissions are passed on to takes them ({}); reading goes on",
                nodes.len(),
                told.join("; ")
            ),
        };
        let retry_after = u32::try_from(rest.max(1)).unwrap_or(u32::MAX);
        let title = "the council can't be reached";
        Problem::new(StatusCode::SERVICE_UNAVAILABLE, title, detail).retry_after(retry_after)
    }
}

impl Node {
    fn lock(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        let mut standing = self.lock();
        standing.backoff.succeeded();
        standing.rests_until = None;
        standing.error.clear();
    }

    fn failed(&self, error: &str, retry_after: u64) {
        let mut standing = self.lock();
        let rest = standing.backoff.failed(rand::random()).max(retry_after * 1_000);
        standing.rests_until = Some(Instant::now() + Duration::from_millis(rest));
        standing.error = error.chars().take(ERROR_CHARS).collect();
    }
}
