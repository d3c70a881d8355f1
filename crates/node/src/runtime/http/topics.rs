//! Reading topics: which there are, what is on one, and what a bulletin costs.

use std::{fmt::Display, str::FromStr, sync::Arc};

use axum::{
    Json,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use jurat_bulletin::{Board, ContentId, Posting, Rules, TopicId, UnixSeconds};
use jurat_crypto::Digest;
use jurat_trust::FederationId;
use serde::{Deserialize, Serialize};

use super::{problem::Problem, state::Shared};
use crate::{
    bulletin_json::{BulletinJson, PriceJson, TopicBulletinsJson, TopicJson, TopicsJson},
    core::trust_of_node,
};

/// Questions that are answered at one time; each takes a thread while it lasts.
pub(crate) const AT_ONCE: usize = 4;

/// The most topics or bulletins of one answer.
const MAX_LIMIT: usize = 1_000;
const DEFAULT_LIMIT: usize = 100;
/// About how many bytes of content one answer has; a single bulletin may have more.
const ANSWER_BYTES: usize = 1 << 20;

type Fields = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// `GET /api/v1/topics?after=&limit=`.
pub(crate) async fn list(State(shared): State<Arc<Shared>>, query: Fields) -> Response {
    let asked = fields(query).and_then(|fields| ListQuery::parse(&fields));
    answer(&shared, asked, |asked, board, _| {
        let mut topics: Vec<TopicJson> = board
            .list(asked.after, asked.limit + 1)
            .map(|(topic, bulletins)| TopicJson { topic: topic.0.to_string(), bulletins })
            .collect();
        let more = topics.len() > asked.limit;
        topics.truncate(asked.limit);
        let next = topics.last().filter(|_| more).map(|topic| topic.topic.clone());
        TopicsJson { topics, next }
    })
    .await
}

/// `GET /api/v1/topics/{topic}?equals=&starts_with=&ends_with=&content_id=&after=&limit=`.
pub(crate) async fn bulletins(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    query: Fields,
) -> Response {
    let asked =
        topic_of(&topic).and_then(|topic| fields(query).and_then(|fields| TopicQuery::parse(topic, &fields)));
    answer(&shared, asked, |asked, board, rules| asked.answer(board, rules)).await
}

/// `?sender=`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PriceQuery {
    /// The federation that would post.
    sender: Option<FederationId>,
}

/// `GET /api/v1/topics/{topic}/price?sender=`.
pub(crate) async fn price(
    State(shared): State<Arc<Shared>>,
    Path(topic): Path<String>,
    query: Result<Query<PriceQuery>, QueryRejection>,
) -> Response {
    let sender = query.map(|Query(query)| query.sender);
    let sender = sender.map_err(|error| wrong("sender", &error.body_text()));
    let asked = topic_of(&topic).and_then(|topic| sender.map(|sender| (topic, sender)));
    let node = shared.clone();
    answer(&shared, asked, move |(topic, sender), board, rules| {
        let trust = |sender| trust_of_node(&node.registry.read().registry, node.peers.own_key(), sender);
        let trust = sender.as_ref().map(trust);
        PriceJson { trust, ..PriceJson::new(&topic, board.price(&topic, trust.unwrap_or(0)), rules) }
    })
    .await
}

async fn answer<Q: Send + 'static, A: Serialize + Send + 'static>(
    shared: &Arc<Shared>,
    asked: Result<Q, Problem>,
    look: impl FnOnce(Q, &Board, &Rules) -> A + Send + 'static,
) -> Response {
    let asked = match asked {
        Ok(asked) => asked,
        Err(problem) => return problem.into_response(),
    };
    let bulletins = shared.bulletins.clone();
    let Ok(turn) = shared.bulletin_turns.clone().acquire_owned().await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let looked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        look(asked, bulletins.read().board(), &bulletins.rules)
    });
    match looked.await {
        Ok(answer) => Json(answer).into_response(),
        Err(error) => Problem::internal(&error).into_response(),
    }
}

fn fields(query: Fields) -> Result<Vec<(String, String)>, Problem> {
    query
        .map(|Query(fields)| fields)
        .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, "not a query", error.body_text()))
}

/// A topic's id in a path or query.
pub(super) fn topic_of(text: &str) -> Result<TopicId, Problem> {
    read("topic", text).map(TopicId)
}

#[derive(Debug)]
struct ListQuery {
    after: Option<TopicId>,
    limit: usize,
}

impl ListQuery {
    fn parse(fields: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = Self { after: None, limit: DEFAULT_LIMIT };
        for (name, value) in once(fields)? {
            match name {
                "after" => asked.after = Some(TopicId(read(name, value)?)),
                "limit" => asked.limit = limit(value)?,
                _ => return Err(wrong(name, &"known are after and limit")),
            }
        }
        Ok(asked)
    }
}

#[derive(Debug)]
struct TopicQuery {
    topic: TopicId,
    equals: Option<Vec<u8>>,
    starts_with: Vec<u8>,
    ends_with: Vec<u8>,
    content_id: Option<ContentId>,
    after: Option<(UnixSeconds, ContentId)>,
    limit: usize,
}

impl TopicQuery {
    fn parse(topic: TopicId, fields: &[(String, String)]) -> Result<Self, Problem> {
        let mut asked = Self {
            topic,
            equals: None,
            starts_with: Vec::new(),
            ends_with: Vec::new(),
            content_id: None,
            after: None,
            limit: DEFAULT_LIMIT,
        };
        for (name, value) in once(fields)? {
            let text = || value.as_bytes().to_vec();
            match name {
                "equals" => asked.equals = Some(text()),
                "starts_with" => asked.starts_with = text(),
                "ends_with" => asked.ends_with = text(),
                "content_id" => asked.content_id = Some(ContentId(read(name, value)?)),
                "after" => asked.after = Some(place(value)?),
                "limit" => asked.limit = limit(value)?,
                _ => {
                    let known = "known are equals, starts_with, ends_with, content_id, after and limit";
                    return Err(wrong(name, &known));
                }
            }
        }
        Ok(asked)
    }

    fn matches(&self, posting: &Posting) -> bool {
        let content = posting.bulletin.content();
        self.content_id.is_none_or(|id| id == posting.bulletin.content_id())
            && self.equals.as_ref().is_none_or(|equals| equals == content)
            && content.starts_with(&self.starts_with)
            && content.ends_with(&self.ends_with)
    }

    fn answer(&self, board: &Board, rules: &Rules) -> TopicBulletinsJson {
        let mut found = board
            .query(&self.topic, self.after, usize::MAX)
            .filter(|posting| self.matches(posting))
            .peekable();
        let (mut bulletins, mut bytes, mut last) = (Vec::new(), 0, None);
        while let Some(posting) = found.next_if(|posting| {
            let length = posting.bulletin.content().len();
            bulletins.len() < self.limit && (bytes == 0 || bytes + length <= ANSWER_BYTES)
        }) {
            bytes += posting.bulletin.content().len();
            last = Some(format!("{}-{}", posting.bulletin.time().0, posting.bulletin.content_id().0));
            bulletins.push(BulletinJson::new(posting, rules));
        }
        let next = last.filter(|_| found.peek().is_some());
        TopicBulletinsJson { topic: self.topic.0.to_string(), bulletins, next }
    }
}

/// Fields, none of which is given twice.
fn once(fields: &[(String, String)]) -> Result<impl Iterator<Item = (&str, &str)>, Problem> {
    for (place, (name, _)) in fields.iter().enumerate() {
        if fields[..place].iter().any(|(earlier, _)| earlier == name) {
            return Err(wrong(name, &"it is given twice"));
        }
    }
    Ok(fields.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}

/// Behind which bulletin the next page begins: its time in seconds, a dash, its content id.
fn place(text: &str) -> Result<(UnixSeconds, ContentId), Problem> {
    let parse = || {
        let (time, content) = text.split_once('-')?;
        Some((UnixSeconds(time.parse().ok()?), ContentId(content.parse::<Digest>().ok()?)))
    };
    parse().ok_or_else(|| wrong("after", &"it is the \"next\" of an earlier answer"))
}

fn limit(value: &str) -> Result<usize, Problem> {
    let limit = read("limit", value)?;
    if (1..=MAX_LIMIT).contains(&limit) {
        Ok(limit)
    } else {
        Err(wrong("limit", &format!("it is 1 to {MAX_LIMIT}")))
    }
}

fn read<T: FromStr<Err: Display>>(name: &str, value: &str) -> Result<T, Problem> {
    value.parse().map_err(|error| wrong(name, &error))
}

fn wrong(name: &str, reason: &dyn Display) -> Problem {
    Problem::new(StatusCode::BAD_REQUEST, "not a query", reason.to_string()).field(name)
}
