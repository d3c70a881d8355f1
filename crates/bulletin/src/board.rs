//! The board: the bulletins that a node keeps, and for whom.
//!
//! Everything that comes, from the node's own users, from peers, or from its own disk after a start,
//! passes the one check in [`Board::check`], the cheap questions first: a flood of bad bulletins
//! costs its sender more than the node.
//!
//! An accepted bulletin is to be made durable before it is delivered or passed on. A crash in
//! between loses nothing: the bulletin is read back, or comes again from a peer.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::ops::Bound;

use jurat_crypto::{SolutionError, has_sealed_shape};

use crate::{
    Bulletin, BulletinError, ContentId, Effort, Header, Load, Posting, Rules, TopicId, UnixSeconds,
    posting::{split, subject},
    price,
    price::TRUST_DISCOUNT,
    promise::{self, Promise},
    rules::{NotNow, timely},
};

/// How much a board holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BoardLimits {
    /// Bulletins of one topic.
    pub per_topic: usize,
    /// Bulletins in all.
    pub bulletins: usize,
    /// Bytes of content in all.
    pub bytes: usize,
    /// Subscriptions in all.
    pub subscriptions: usize,
}

impl Default for BoardLimits {
    /// 4 096 of a topic, 65 536 in all, 256 MiB, 16 384 subscriptions.
    fn default() -> Self {
        Self { per_topic: 4096, bulletins: 65_536, bytes: 256 << 20, subscriptions: 16_384 }
    }
}

/// Why a bulletin is not taken. Nothing was stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The bytes are not a bulletin, or its content is not its own.
    #[error(transparent)]
    Bulletin(#[from] BulletinError),
    /// Its life is over.
    #[error("the bulletin of {time} has expired")]
    Expired {
        /// Its time.
        time: u32,
    },
    /// Its time is too far ahead.
    #[error("the bulletin's time {time} is too far ahead")]
    Future {
        /// Its time.
        time: u32,
    },
    /// This content is on this topic already, whatever time and stamp it came with now.
    #[error("the topic has this content already")]
    Duplicate,
    /// It promises less work than is asked for.
    #[error(
        "the bulletin promises effort {promised}, {asked} is asked for; it may be less in {retry_after} seconds"
    )]
    Cheap {
        /// What it promises.
        promised: u32,
        /// The price.
        asked: u32,
        /// Seconds until the topic is less crowded; 0 if that would not help.
        retry_after: u32,
    },
    /// There is no room.
    #[error("there is no room for the bulletin, try again in {retry_after} seconds")]
    Full {
        /// Seconds until the next bulletin expires.
        retry_after: u32,
    },
    /// It is a sealed letter, which does not go where everybody reads.
    #[error("the bulletin is a sealed letter; those go over links between members only")]
    Private,
    /// The network's function has solutions and this has none, or the other way round.
    #[error(transparent)]
    Solution(#[from] SolutionError),
    /// The promised work was not done.
    #[error("the bulletin's stamp does not show the work that it promises")]
    NoWork,
}

impl Refusal {
    /// The reason's name, for counting.
    #[must_use]
    pub const fn reason(&self) -> &'static str {
        match self {
            Self::Bulletin(BulletinError::Truncated(_)) => "truncated",
            Self::Bulletin(BulletinError::TooLong(_)) => "too_long",
            Self::Bulletin(BulletinError::WrongContent) => "wrong_content",
            Self::Bulletin(BulletinError::Solution(_)) => "solution_length",
            Self::Solution(error) => promise::reason(*error),
            Self::Expired { .. } => "expired",
            Self::Future { .. } => "future",
            Self::Duplicate => "duplicate",
            Self::Cheap { .. } => "cheap",
            Self::Full { .. } => "full",
            Self::Private => "private",
            Self::NoWork => "no_work",
        }
    }
}

/// Where a bulletin comes from, and so what it must have cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// From a user of this node or from a peer, in whom the node has so much trust, 0 to 10 000.
    Sender {
        /// The trust.
        trust: u16,
    },
    /// From the node's own disk. It was paid for at the price of its time, which is not known any
    /// more: the lowest there can have been is asked for.
    Disk,
}

/// Whoever wants to hear of a topic: an open stream, a command, a handler in the node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Subscriber(pub u64);

/// A bulletin that was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Accepted {
    /// Where it is.
    pub key: BulletinKey,
    /// Who wants to hear of it, once it is durable.
    pub subscribers: Vec<Subscriber>,
}

/// Names a bulletin on a board; in the order in which a topic is read.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct BulletinKey {
    /// Its topic.
    pub topic: TopicId,
    /// Its time.
    pub time: UnixSeconds,
    /// Its content.
    pub content: ContentId,
}

/// There is no room for a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("there are {0} subscriptions already; close one, or raise the limit")]
pub struct TooManySubscriptions(pub usize);

/// The bulletins that a node keeps.
#[derive(Debug)]
pub struct Board {
    rules: Rules,
    limits: BoardLimits,
    topics: BTreeMap<TopicId, Shelf>,
    /// All bulletins, the next to expire first.
    by_time: BTreeSet<(UnixSeconds, TopicId, ContentId)>,
    bytes: usize,
    subscribers: BTreeSet<(TopicId, Subscriber)>,
    refused: BTreeMap<&'static str, u64>,
}

/// The bulletins of one topic.
#[derive(Debug, Default)]
struct Shelf {
    by_time: BTreeMap<(UnixSeconds, ContentId), Posting>,
    contents: BTreeSet<ContentId>,
}

impl Board {
    /// An empty board.
    #[must_use]
    pub const fn new(rules: Rules, limits: BoardLimits) -> Self {
        Self {
            rules,
            limits,
            topics: BTreeMap::new(),
            by_time: BTreeSet::new(),
            bytes: 0,
            subscribers: BTreeSet::new(),
            refused: BTreeMap::new(),
        }
    }

    /// Takes a posting's bytes, or says why not. A refusal is counted and changes nothing else.
    ///
    /// What has expired counts until [`Board::expire`] drops it.
    pub fn receive(&mut self, now: UnixSeconds, bytes: &[u8], origin: Origin) -> Result<Accepted, Refusal> {
        match self.check(now, bytes, origin) {
            Ok(posting) => Ok(self.insert(posting)),
            Err(refusal) => {
                *self.refused.entry(refusal.reason()).or_default() += 1;
                Err(refusal)
            }
        }
    }

    /// Everything that must hold before a posting is taken: nothing is hashed until all that can be
    /// read off has been.
    pub fn check(&self, now: UnixSeconds, bytes: &[u8], origin: Origin) -> Result<Posting, Refusal> {
        let (Promise { effort, solution }, bytes) = split(bytes)?;
        let (header, content) = Header::split(bytes)?;
        self.rules.work.function.suits(solution.as_ref())?;
        timely(now, header.time, self.rules.bulletin_life, self.rules.ahead).map_err(
            |not_now| match not_now {
                NotNow::Expired => Refusal::Expired { time: header.time.0 },
                NotNow::Future => Refusal::Future { time: header.time.0 },
            },
        )?;
        if has_sealed_shape(content) {
            return Err(Refusal::Private);
        }
        let shelf = self.topics.get(&header.topic);
        if shelf.is_some_and(|shelf| shelf.contents.contains(&header.content_id)) {
            return Err(Refusal::Duplicate);
        }
        if let Some(retry_after) = self.full(now, &header.topic, content.len()) {
            return Err(Refusal::Full { retry_after });
        }
        let asked = match origin {
            Origin::Sender { trust } => self.price(&header.topic, trust),
            Origin::Disk => self.rules.work.bulletins.halved(self.rules.work.rule, TRUST_DISCOUNT),
        };
        if effort < asked {
            let crowded = asked > price(self.rules.work.bulletins, self.rules.work.rule, &[], 0);
            let retry_after = if crowded { self.relief(now, &header.topic) } else { 0 };
            return Err(Refusal::Cheap { promised: effort.amount(), asked: asked.amount(), retry_after });
        }
        if !subject(&header, effort, &self.rules).is_stamped(header.nonce, solution, &self.rules.work) {
            return Err(Refusal::NoWork);
        }
        // Last, since it can be a thousand times as long as the header.
        Ok(Posting { effort, solution, bulletin: Bulletin::decode(bytes)? })
    }

    /// The effort that a bulletin of this topic must promise now.
    #[must_use]
    pub fn price(&self, topic: &TopicId, trust: u16) -> Effort {
        let loads = [
            Load { used: self.shelf_len(topic), quota: self.limits.per_topic },
            Load { used: self.by_time.len(), quota: self.limits.bulletins },
            Load { used: self.bytes, quota: self.limits.bytes },
        ];
        price(self.rules.work.bulletins, self.rules.work.rule, &loads, trust)
    }

    /// Drops what is expired at `now`, and says what that was, so that it can go from the disk.
    pub fn expire(&mut self, now: UnixSeconds) -> Vec<BulletinKey> {
        let mut expired = Vec::new();
        while let Some((time, topic, content)) = self.by_time.first().copied() {
            if self.end(time) >= now.0 {
                break;
            }
            self.by_time.remove(&(time, topic, content));
            if let Some(shelf) = self.topics.get_mut(&topic) {
                shelf.contents.remove(&content);
                if let Some(posting) = shelf.by_time.remove(&(time, content)) {
                    self.bytes -= posting.bulletin.content().len();
                }
                if shelf.by_time.is_empty() {
                    self.topics.remove(&topic);
                }
            }
            expired.push(BulletinKey { topic, time, content });
        }
        expired
    }

    /// When [`Board::expire`] next has something to do.
    #[must_use]
    pub fn next_wakeup(&self) -> Option<UnixSeconds> {
        self.by_time.first().map(|(time, ..)| UnixSeconds(self.end(*time).saturating_add(1)))
    }

    /// The topics that have bulletins, and how many, in the order of their ids after `after`.
    pub fn list(&self, after: Option<TopicId>, limit: usize) -> impl Iterator<Item = (TopicId, usize)> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let topics = self.topics.range((start, Bound::Unbounded)).take(limit);
        topics.map(|(topic, shelf)| (*topic, shelf.by_time.len()))
    }

    /// One bulletin.
    #[must_use]
    pub fn retrieve(&self, key: &BulletinKey) -> Option<&Posting> {
        self.topics.get(&key.topic)?.by_time.get(&(key.time, key.content))
    }

    /// The bulletins of a topic by time, those after `after`, at most `limit`.
    pub fn query(
        &self,
        topic: &TopicId,
        after: Option<(UnixSeconds, ContentId)>,
        limit: usize,
    ) -> impl Iterator<Item = &Posting> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let shelf = self.topics.get(topic).into_iter();
        shelf
            .flat_map(move |shelf| shelf.by_time.range((start, Bound::Unbounded)))
            .take(limit)
            .map(|(_, p)| p)
    }

    /// From now on `subscriber` hears of a topic.
    pub fn subscribe(&mut self, topic: TopicId, subscriber: Subscriber) -> Result<(), TooManySubscriptions> {
        if self.subscribers.len() >= self.limits.subscriptions
            && !self.subscribers.contains(&(topic, subscriber))
        {
            return Err(TooManySubscriptions(self.subscribers.len()));
        }
        self.subscribers.insert((topic, subscriber));
        Ok(())
    }

    /// `subscriber` hears of a topic no more.
    pub fn unsubscribe(&mut self, topic: TopicId, subscriber: Subscriber) {
        self.subscribers.remove(&(topic, subscriber));
    }

    /// How many bulletins were refused, by [`Refusal::reason`].
    #[must_use]
    pub const fn refused(&self) -> &BTreeMap<&'static str, u64> {
        &self.refused
    }

    /// How many bulletins there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_time.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_time.is_empty()
    }

    fn insert(&mut self, posting: Posting) -> Accepted {
        let header = *posting.bulletin.header();
        let (topic, time, content) = (header.topic, header.time, header.content_id);
        self.bytes += posting.bulletin.content().len();
        self.by_time.insert((time, topic, content));
        let shelf = self.topics.entry(topic).or_default();
        shelf.contents.insert(content);
        shelf.by_time.insert((time, content), posting);
        let hearing = self.subscribers.range((topic, Subscriber(0))..=(topic, Subscriber(u64::MAX)));
        Accepted {
            key: BulletinKey { topic, time, content },
            subscribers: hearing.map(|(_, subscriber)| *subscriber).collect(),
        }
    }

    /// Seconds until there is room; none if there is.
    fn full(&self, now: UnixSeconds, topic: &TopicId, length: usize) -> Option<u32> {
        if self.shelf_len(topic) >= self.limits.per_topic {
            return Some(self.relief(now, topic));
        }
        let full = self.by_time.len() >= self.limits.bulletins || self.bytes + length > self.limits.bytes;
        let next = self.by_time.first().map_or(0, |(time, ..)| self.end(*time).saturating_add(1));
        full.then(|| next.saturating_sub(now.0))
    }

    /// Seconds until the next bulletin of a topic expires.
    fn relief(&self, now: UnixSeconds, topic: &TopicId) -> u32 {
        let first = self.topics.get(topic).and_then(|shelf| shelf.by_time.first_key_value());
        first.map_or(0, |((time, _), _)| self.end(*time).saturating_add(1).saturating_sub(now.0))
    }

    fn shelf_len(&self, topic: &TopicId) -> usize {
        self.topics.get(topic).map_or(0, |shelf| shelf.by_time.len())
    }

    /// The last second in which a bulletin of `time` counts.
    const fn end(&self, time: UnixSeconds) -> u32 {
        time.0.saturating_add(self.rules.bulletin_life)
    }
}

#[cfg(test)]
mod tests;
