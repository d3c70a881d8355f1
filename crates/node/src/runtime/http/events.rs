//! `GET /api/v1/events`: new bulletins as server-sent events.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{
    Extension,
    body::Body,
    extract::{Query, State, rejection::QueryRejection},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use hyper::body::{Bytes, Frame};
use jurat_bulletin::{Posting, TopicId};
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{problem::Problem, server::ClientAddress, state::Shared, topics::topic_of};
use crate::{
    bulletin_json::BulletinJson,
    core::PersistedPosting,
    runtime::bulletins::{Bulletins, MAX_STREAMS, MAX_STREAMS_OF_ONE, StreamItem, StreamQueue},
};

/// The most topics of one stream.
const MAX_TOPICS: usize = 16;
/// How often something is sent when nothing happens, so that a broken connection is noticed.
const QUIET: Duration = Duration::from_secs(15);

const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

/// `GET /api/v1/events?topic=&topic=`.
pub(crate) async fn events(
    State(shared): State<Arc<Shared>>,
    Extension(ClientAddress(reader)): Extension<ClientAddress>,
    query: Result<Query<Vec<(String, String)>>, QueryRejection>,
) -> Response {
    let topics = match topics(query) {
        Ok(topics) => topics,
        Err(problem) => return problem.into_response(),
    };
    let Some(queue) = shared.bulletins.subscribe(topics, reader).await else {
        let detail =
            format!("{MAX_STREAMS} streams are open already, or {MAX_STREAMS_OF_ONE} from this address");
        let problem = Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too many streams", detail);
        return problem.retry_after(60).into_response();
    };
    let mut quiet = interval_at(Instant::now() + QUIET, QUIET);
    quiet.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let stream = Stream { queue, bulletins: shared.bulletins.clone(), quiet, greeted: false };
    ([(header::CONTENT_TYPE, EVENTS), (header::CACHE_CONTROL, NO_STORE)], Body::new(stream)).into_response()
}

fn topics(query: Result<Query<Vec<(String, String)>>, QueryRejection>) -> Result<Vec<TopicId>, Problem> {
    let wrong = |detail: String| Problem::new(StatusCode::BAD_REQUEST, "not a query", detail);
    let Query(fields) = query.map_err(|error| wrong(error.body_text()))?;
    if let Some((name, _)) = fields.iter().find(|(name, _)| name != "topic") {
        return Err(wrong("known is topic".into()).field(name));
    }
    if fields.is_empty() || fields.len() > MAX_TOPICS {
        let detail = format!("a stream has 1 to {MAX_TOPICS} topics, not {}", fields.len());
        return Err(wrong(detail).field("topic"));
    }
    fields.iter().map(|(_, topic)| topic_of(topic)).collect()
}

/// A body that goes on until the reader leaves or the node stops.
struct Stream {
    queue: Arc<StreamQueue>,
    bulletins: Arc<Bulletins>,
    quiet: Interval,
    greeted: bool,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.bulletins.unsubscribe(self.queue.id);
    }
}

impl hyper::body::Body for Stream {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        // At once, so that the reader knows from when on it hears.
        if !self.greeted {
            self.greeted = true;
            return Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b": listening\n\n")))));
        }
        let text = match self.queue.poll_next(context) {
            Poll::Ready(None) => return Poll::Ready(None),
            Poll::Ready(Some(item)) => {
                self.quiet.reset();
                event(&item, &self.bulletins)
            }
            Poll::Pending => {
                ready!(self.quiet.poll_tick(context));
                ": quiet\n\n".to_owned()
            }
        };
        Poll::Ready(Some(Ok(Frame::data(text.into()))))
    }
}

fn event(item: &StreamItem, bulletins: &Bulletins) -> String {
    match item {
        StreamItem::Missed(count) => format!("event: missed\ndata: {{\"missed\":{count}}}\n\n"),
        StreamItem::Bulletin(PersistedPosting { key, bytes }) => {
            let json =
                Posting::decode(bytes).ok().map(|posting| BulletinJson::new(&posting, &bulletins.rules));
            let json = json.and_then(|json| serde_json::to_string(&json).ok()).unwrap_or_default();
            format!("event: bulletin\nid: {}-{}\ndata: {json}\n\n", key.time.0, key.content.0)
        }
    }
}
