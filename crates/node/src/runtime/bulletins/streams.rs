//! Streams of new bulletins to those who subscribed, each with a bounded queue.

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

use jurat_bulletin::{Board, Subscriber, TopicId};

use crate::core::PersistedPosting;

/// Streams that may be open at one time.
pub(crate) const MAX_STREAMS: usize = 256;
/// Of these, how many one address may hold: a quarter. One that is this machine's own may hold all, since
/// a proxy is there, or the owner.
pub(crate) const MAX_STREAMS_OF_ONE: usize = 64;
/// Bulletins, and their bytes, that wait for a slow reader; beyond them it is told how many it missed.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 1 << 20;

/// What a subscriber reads next.
#[derive(Debug, Clone)]
pub(crate) enum StreamItem {
    /// A bulletin.
    Bulletin(PersistedPosting),
    /// So many bulletins were left out here, because this reader was too slow.
    Missed(u64),
}

/// What waits for one subscriber.
#[derive(Debug)]
pub(crate) struct StreamQueue {
    pub(crate) id: u64,
    topics: Vec<TopicId>,
    /// Whose it is, as far as addresses tell: [`holder`].
    holder: IpAddr,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    items: VecDeque<StreamItem>,
    bytes: usize,
    waker: Option<Waker>,
    ended: bool,
}

impl StreamQueue {
    /// Adds a bulletin; `false` if the reader misses it.
    fn push(&self, posting: PersistedPosting) -> bool {
        let mut state = self.state();
        let full = state.items.len() >= WAITING || state.bytes + posting.bytes.len() > WAITING_BYTES;
        let fits = !full || state.items.is_empty();
        if fits {
            state.bytes += posting.bytes.len();
            state.items.push_back(StreamItem::Bulletin(posting));
        } else if let Some(StreamItem::Missed(count)) = state.items.back_mut() {
            *count += 1;
        } else {
            state.items.push_back(StreamItem::Missed(1));
        }
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        fits
    }

    /// What comes next; `None` when nothing ever will.
    pub(crate) fn poll_next(&self, context: &Context<'_>) -> Poll<Option<StreamItem>> {
        let mut state = self.state();
        if let Some(item) = state.items.pop_front() {
            if let StreamItem::Bulletin(posting) = &item {
                state.bytes -= posting.bytes.len();
            }
            return Poll::Ready(Some(item));
        }
        if state.ended {
            return Poll::Ready(None);
        }
        state.waker = Some(context.waker().clone());
        Poll::Pending
    }

    fn end(&self) {
        let mut state = self.state();
        state.ended = true;
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All streams; used by the thread that keeps the bulletins only.
#[derive(Debug, Default)]
pub(super) struct Streams {
    open: BTreeMap<u64, Arc<StreamQueue>>,
    next: u64,
}

impl Streams {
    /// Opens a stream of some topics to an address; none if there are too many already.
    pub(super) fn open(
        &mut self,
        board: &mut Board,
        topics: Vec<TopicId>,
        reader: IpAddr,
    ) -> Option<Arc<StreamQueue>> {
        let holder = holder(reader);
        let held = || self.open.values().filter(|stream| stream.holder == holder).count();
        if self.open.len() >= MAX_STREAMS || (!holder.is_loopback() && held() >= MAX_STREAMS_OF_ONE) {
            return None;
        }
        self.next += 1;
        let stream = Arc::new(StreamQueue { id: self.next, topics, holder, state: Mutex::default() });
        self.open.insert(stream.id, stream.clone());
        let subscribe = |topic: &TopicId| board.subscribe(*topic, Subscriber(stream.id)).is_ok();
        if !stream.topics.iter().all(subscribe) {
            self.close(board, stream.id);
            return None;
        }
        Some(stream)
    }

    /// Closes a stream.
    pub(super) fn close(&mut self, board: &mut Board, id: u64) {
        if let Some(stream) = self.open.remove(&id) {
            stream.topics.iter().for_each(|topic| board.unsubscribe(*topic, Subscriber(id)));
        }
    }

    /// Gives a bulletin to subscribers; how many were too slow for it.
    pub(super) fn deliver(&self, posting: &PersistedPosting, subscribers: &[Subscriber]) -> u64 {
        let hearing = subscribers.iter().filter_map(|Subscriber(id)| self.open.get(id));
        hearing.map(|stream| u64::from(!stream.push(posting.clone()))).sum()
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// Ends all of them.
    pub(super) fn end(&self) {
        self.open.values().for_each(|stream| stream.end());
    }
}

/// What addresses are counted by: of IPv6 the first 64 bits, since who has one such address has them all.
fn holder(reader: IpAddr) -> IpAddr {
    match reader.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into()
        }
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use jurat_bulletin::{BoardLimits, BulletinKey, ContentId, Rules, UnixSeconds};
    use jurat_crypto::{Digest, NetworkId};

    use super::*;

    const OWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn topic(name: &str) -> TopicId {
        TopicId(Digest::of(name.as_bytes()))
    }

    fn posting(length: usize) -> PersistedPosting {
        let content = ContentId(Digest::of(b"content"));
        let key = BulletinKey { topic: topic("a"), time: UnixSeconds(1), content };
        PersistedPosting { key, bytes: vec![0; length].into() }
    }

    fn read(stream: &StreamQueue) -> Vec<Option<u64>> {
        let mut read = Vec::new();
        while let Poll::Ready(Some(item)) = stream.poll_next(&Context::from_waker(Waker::noop())) {
            read.push(match item {
                StreamItem::Bulletin(_) => None,
                StreamItem::Missed(count) => Some(count),
            });
        }
        read
    }

    #[test]
    fn a_slow_reader_is_told_where_and_how_much_it_missed() {
        let mut board = Board::new(Rules::new(NetworkId(Digest::of(b"n"))), BoardLimits::default());
        let mut streams = Streams::default();
        let stream = streams.open(&mut board, vec![topic("a"), topic("b")], OWN).unwrap();
        let hearing = [Subscriber(stream.id)];
        let missed: u64 = (0..WAITING + 3).map(|_| streams.deliver(&posting(10), &hearing)).sum();
        assert_eq!(missed, 3);
        let first = stream.poll_next(&Context::from_waker(Waker::noop()));
        assert!(matches!(first, Poll::Ready(Some(StreamItem::Bulletin(_)))));
        streams.deliver(&posting(10), &hearing);
        let mut expected = vec![None; WAITING - 1];
        expected.push(Some(4));
        assert_eq!(read(&stream), expected);
        // By bytes as well, but one always fits.
        streams.deliver(&posting(WAITING_BYTES + 1), &hearing);
        streams.deliver(&posting(1), &hearing);
        assert_eq!(read(&stream), [None, Some(1)]);
        streams.end();
        assert!(matches!(stream.poll_next(&Context::from_waker(Waker::noop())), Poll::Ready(None)));
    }

    #[test]
    fn one_address_holds_a_quarter_of_the_streams() {
        let mut board = Board::new(Rules::new(NetworkId(Digest::of(b"n"))), BoardLimits::default());
        let mut streams = Streams::default();
        let mut open = |reader: &str| streams.open(&mut board, vec![topic("a")], reader.parse().unwrap());
        let all: Vec<_> = (0..MAX_STREAMS).map_while(|_| open("192.0.2.1")).collect();
        assert_eq!(all.len(), MAX_STREAMS_OF_ONE);
        assert!(open("::ffff:192.0.2.1").is_none() && open("192.0.2.2").is_some());
        // The same network again and again.
        let many = (0..MAX_STREAMS).map_while(|i| open(&format!("2001:db8::{i:x}"))).count();
        assert_eq!(many, MAX_STREAMS_OF_ONE);
        assert!(open("2001:db8:0:1::").is_some());
        assert_eq!((0..MAX_STREAMS).map_while(|_| open("127.0.0.1")).count(), MAX_STREAMS - 2 * 64 - 2);
    }

    #[test]
    fn streams_are_bounded_and_one_that_closes_leaves_no_subscription() {
        let limits = BoardLimits { subscriptions: 300, ..BoardLimits::default() };
        let mut board = Board::new(Rules::new(NetworkId(Digest::of(b"n"))), limits);
        let mut streams = Streams::default();
        for _ in 0..2 {
            let open: Vec<_> =
                (0..MAX_STREAMS).map_while(|_| streams.open(&mut board, vec![topic("a")], OWN)).collect();
            assert_eq!(open.len(), MAX_STREAMS);
            assert!(streams.open(&mut board, vec![topic("a")], OWN).is_none());
            for stream in open {
                streams.close(&mut board, stream.id);
            }
            assert_eq!(streams.len(), 0);
        }
        let topics: Vec<_> = (0..301).map(|i| topic(&i.to_string())).collect();
        assert!(streams.open(&mut board, topics, OWN).is_none());
        assert!(streams.open(&mut board, vec![topic("a")], OWN).is_some());
    }
}
