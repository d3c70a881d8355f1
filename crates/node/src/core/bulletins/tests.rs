//! Boards that find to each other, without sockets.

mod mailing;

use std::collections::BTreeSet;

use jurat_bulletin::{Bulletin, Effort, Posting, TopicId, WorkRules};
use jurat_crypto::NetworkId;
use jurat_gossip::SpreadMessage;
use jurat_pbft::BatchTime;
use rand::SeedableRng;

use super::*;

const START: u64 = 1_700_000_000_000;

fn rules() -> Rules {
    let work = WorkRules { bulletins: Effort::new(4), ..WorkRules::default() };
    Rules { work, ..Rules::new(NetworkId(Digest::of(b"network"))) }
}

fn topic() -> TopicId {
    TopicId(Digest::of(b"topic"))
}

/// A posting of this content at a time, with the effort done or not.
fn posting(content: &[u8], now: Now, effort: u32) -> Vec<u8> {
    let bulletin = Bulletin::new(topic(), unix_seconds(now), 0, content.to_vec()).unwrap();
    let posting = Posting::new(Effort::new(effort), bulletin);
    let stamp = posting.subject(&rules()).search(&rules().work).unwrap().try_attempts(0..1 << 20).unwrap();
    posting.stamped(&stamp).encode()
}

fn key(id: u16) -> SigningKey {
    SigningKey::from_seed(&[u8::try_from(id).unwrap(); 32])
}

/// Members with links between those that are up. What is sent arrives at once.
struct Council {
    members: Vec<BulletinExchange>,
    up: BTreeSet<u16>,
    now: Now,
    /// What each stored, in order.
    stored: Vec<Vec<Arc<[u8]>>>,
    sent: usize,
}

impl Council {
    fn new(count: u16) -> Self {
        let now = Now { elapsed: 0, wall: BatchTime(START) };
        let ids: Vec<ReplicaId> = (0..count).map(ReplicaId).collect();
        let member = |id: &ReplicaId| {
            let entropy = StdRng::seed_from_u64(id.0.into());
            let mut exchange = BulletinExchange::new(rules(), BoardLimits::default(), key(id.0), entropy);
            let others = ids.iter().filter(|other| *other != id);
            let others = others.map(|other| (*other, key(other.0).verifying_key())).collect();
            exchange.set_council(Some(*id), &others, now);
            exchange
        };
        let members: Vec<_> = ids.iter().map(member).collect();
        let stored = vec![Vec::new(); members.len()];
        let mut council = Self { members, up: BTreeSet::new(), now, stored, sent: 0 };
        (0..count).for_each(|id| council.set_up(id, true));
        council.run(3_000);
        council
    }

    fn set_up(&mut self, id: u16, is_up: bool) {
        for other in self.up.iter().copied().filter(|other| *other != id) {
            for (one, two) in [(id, other), (other, id)] {
                let exchange = &mut self.members[usize::from(one)];
                if is_up {
                    exchange.up(ReplicaId(two), self.now);
                } else {
                    exchange.down(ReplicaId(two), self.now);
                }
            }
        }
        if is_up {
            self.up.insert(id)
        } else {
            self.up.remove(&id)
        };
    }

    fn run(&mut self, millis: u64) {
        for _ in 0..millis / 50 {
            self.now.elapsed += 50;
            self.now.wall.0 += 50;
            for id in self.up.clone() {
                self.members[usize::from(id)].wake(self.now);
            }
            self.deliver();
        }
    }

    /// Carries messages until none is left.
    fn deliver(&mut self) {
        loop {
            let mut sent = Vec::new();
            for (place, (id, exchange)) in (0_u16..).zip(&mut self.members).enumerate() {
                let effects = exchange.take_effects();
                self.stored[place].extend(effects.persist.iter().map(|posting| posting.bytes.clone()));
                sent.extend(effects.send.into_iter().map(|(to, message)| (ReplicaId(id), to, message)));
            }
            if sent.is_empty() {
                return;
            }
            for (from, to, message) in sent {
                if self.up.contains(&from.0) && self.up.contains(&to.0) {
                    let bytes = crate::codec::encode(&message);
                    let message = crate::codec::decode(&bytes).unwrap();
                    self.sent += bytes.len();
                    self.members[usize::from(to.0)].receive(from, message, bytes.len(), self.now);
                }
            }
        }
    }

    fn post(&mut self, id: u16, content: &[u8]) {
        let posting = posting(content, self.now, 4);
        self.members[usize::from(id)].post(&posting, 0, self.now).unwrap();
        self.deliver();
    }
}

#[test]
fn what_is_posted_at_one_member_is_stored_once_by_all() {
    let mut council = Council::new(4);
    for i in 0..20_u8 {
        council.post(u16::from(i % 4), &[i; 500]);
        council.run(50);
    }
    council.run(3_000);
    for (stored, member) in council.stored.iter().zip(&council.members) {
        assert_eq!(stored.len(), 20);
        assert_eq!(stored.iter().collect::<BTreeSet<_>>().len(), 20);
        assert_eq!(member.board().len(), 20);
    }
    // After their life they are gone everywhere, also from the disk.
    council.run(3_605_000);
    assert!(council.members.iter().all(|member| member.board().is_empty() && member.items.is_empty()));
}

#[test]
fn nothing_is_sent_to_who_is_away_and_what_is_over_goes_from_the_disk() {
    let mut now = Now { elapsed: 0, wall: BatchTime(START) };
    let entropy = StdRng::seed_from_u64(0);
    let mut alone = BulletinExchange::new(rules(), BoardLimits::default(), key(0), entropy);
    let others = [1, 2].map(|id| (ReplicaId(id), key(id).verifying_key()));
    alone.set_council(Some(ReplicaId(0)), &others.into(), now);
    let posted = alone.post(&posting(b"hello", now, 4), 0, now).unwrap();
    let effects = alone.take_effects();
    assert_eq!((effects.send.len(), effects.persist.len()), (0, 1));
    now.wall.0 += 3_601_000;
    now.elapsed += 3_601_000;
    alone.wake(now);
    assert_eq!(alone.take_effects().forget, [posted]);
}

#[test]
fn a_member_that_floods_is_cut_off_once() {
    let mut council = Council::new(2);
    let before = council.members[0].counts().cut_offs;
    for _ in 0..40_000 {
        let flood = BulletinMessage::Spread(SpreadMessage::Prune);
        council.members[0].receive(ReplicaId(1), flood, 10, council.now);
    }
    let counts = council.members[0].counts();
    assert_eq!((before, counts.cut_offs), (0, 1));
    assert!(counts.over_quota > 30_000);
}

#[test]
fn what_a_trusted_sender_paid_less_for_reaches_all() {
    let mut council = Council::new(4);
    // The rules ask for four bits; trust takes three off.
    let posting = posting(b"cheap", council.now, 1);
    let refused = council.members[0].post(&posting, 5_999, council.now);
    assert_eq!(refused, Err(Refusal::Cheap { promised: 1, asked: 4, retry_after: 0 }));
    council.members[0].post(&posting, 6_000, council.now).unwrap();
    council.run(3_000);
    assert!(council.members.iter().all(|member| member.board().len() == 1));
}

#[test]
fn a_member_that_was_away_fetches_what_is_alive() {
    let mut council = Council::new(4);
    council.post(0, b"before");
    council.run(2_000);
    council.set_up(3, false);
    for i in 0..600_u16 {
        council.post(i % 3, &[&i.to_be_bytes()[..], &[7; 5_000]].concat());
    }
    // Longer than spreading remembers.
    council.run(200_000);
    assert_eq!(council.stored[3].len(), 1);
    council.sent = 0;
    council.set_up(3, true);
    council.run(2_000);
    assert_eq!(council.stored[3].iter().collect::<BTreeSet<_>>().len(), 601);
    assert_eq!(council.stored[3].len(), 601, "each once");
    let counts = council.members[3].counts();
    assert!(counts.reconciled >= 1 && counts.from_members == 601, "{counts:?}");
    // Fetched from one of the three, not from each.
    assert!(council.sent < 4_000_000, "{} bytes for 3 MB", council.sent);
}

#[test]
fn two_boards_with_other_stamps_for_the_same_content_are_the_same() {
    let mut council = Council::new(2);
    council.set_up(1, false);
    council.post(0, b"the same");
    let other = posting(b"the same", council.now, 6);
    council.members[1].post(&other, 0, council.now).unwrap();
    council.set_up(1, true);
    council.run(5_000);
    assert!(council.members.iter().all(|member| member.board().len() == 1));
    assert!(council.members.iter().all(|member| member.counts().from_members == 0));
    assert!(council.members[0].counts().reconciled >= 1);
}

#[test]
fn bad_bulletins_are_not_passed_on_and_their_sender_is_cut_off() {
    let mut council = Council::new(4);
    let body = |posting: Vec<u8>| {
        let body = item::body(POSTING, &posting);
        BulletinMessage::Spread(SpreadMessage::Body { body: body.into(), hops: 0, pulled: false })
    };
    let give = |council: &mut Council, posting: Vec<u8>| {
        council.members[1].receive(ReplicaId(0), body(posting), 100, council.now);
        council.deliver();
    };
    // The work of 256 bits is never done.
    for i in 0..33_u8 {
        let bulletin = Bulletin::new(topic(), unix_seconds(council.now), 0, vec![i]).unwrap();
        give(&mut council, Posting::new(Effort::new(256), bulletin).encode());
    }
    let counts = council.members[1].counts();
    assert_eq!((counts.cut_offs, counts.accepted), (1, 0));
    let good = posting(b"good", council.now, 4);
    give(&mut council, good.clone());
    assert_eq!(council.members[1].counts().over_quota, 1);
    council.run(2_000);
    assert!(council.members.iter().all(|member| member.board().is_empty()));
    assert_eq!(council.members[1].board().refused()["no_work"], 33);
    council.run(60_000);
    give(&mut council, good);
    council.run(3_000);
    assert!(council.members[1..].iter().all(|member| member.board().len() == 1));
}

#[test]
fn strangers_and_what_was_not_asked_for_change_nothing() {
    let mut council = Council::new(2);
    let good = EntryBytes(posting(b"good", council.now, 4).into());
    let postings = BulletinMessage::Postings { covered: 1, postings: vec![good] };
    council.members[0].receive(ReplicaId(1), postings.clone(), 100, council.now);
    council.members[0].receive(ReplicaId(9), postings, 100, council.now);
    let nonsense = [vec![], vec![1], vec![1, 9], vec![2, 1], vec![1, 2, 3], vec![0xff; 1000]];
    for bytes in nonsense {
        let bytes = EntryBytes(bytes.into());
        council.members[0].receive(ReplicaId(1), BulletinMessage::Ask(bytes.clone()), 100, council.now);
        council.members[0].receive(ReplicaId(1), BulletinMessage::Answer(bytes), 100, council.now);
    }
    assert!(council.members[0].board().is_empty());
    assert_eq!(council.members[0].counts().strangers, 1);
    council.post(1, b"still heard");
    council.run(3_000);
    assert_eq!(council.members[0].board().len(), 1);
}
