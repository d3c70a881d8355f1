//! What is never taken, over HTTP and over a link.

use std::net::TcpStream;

use jurat::{
    codec,
    core::{BulletinMessage, EntryBytes, Frame},
};
use jurat_bulletin::{Bulletin, Effort, MAX_CONTENT_BYTES, Posting, Rules, UnixSeconds};
use jurat_crypto::{Digest, NetworkId};
use jurat_gossip::{SpreadId, SpreadMessage};
use jurat_tests::{
    Council,
    noise::{Initiator, Link},
    stamped_posting as stamped, topic, unix_seconds as now, until_true,
};

use super::{post, posted, read, refused, rules, until_read};

/// A posting whose stamp shows no work.
fn without_work(rules: &Rules, content: &[u8]) -> Vec<u8> {
    let bulletin = Bulletin::new(topic("weather"), UnixSeconds(now()), 0, content.to_vec()).unwrap();
    let with = |nonce| Posting::new(Effort::new(7), bulletin.clone().with_nonce(nonce));
    (0..u32::MAX).map(with).find(|posting| !posting.is_stamped(rules)).unwrap().encode()
}

#[test]
fn bad_bulletins_are_refused_with_their_reason_and_nothing_is_stored() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    let rules = rules(&council);
    let stamp = |time, content: &[u8]| stamped(&rules, topic("weather"), time, content, 7);
    let good = stamp(now(), b"good");
    let mut wrong_content = good.clone();
    *wrong_content.last_mut().unwrap() ^= 1;
    let mut oversize = stamp(now(), &vec![1; MAX_CONTENT_BYTES]);
    oversize.push(0);
    let other = Rules { network: NetworkId(Digest::of(b"another network")), ..rules };
    let of_other = (0..u32::MAX)
        .map(|i| stamped(&other, topic("weather"), now(), &i.to_be_bytes(), 7))
        .find(|posting| !Posting::decode(posting).unwrap().is_stamped(&rules))
        .unwrap();
    let cases = [
        (400, "truncated", good[..75].to_vec()),
        (400, "truncated", Vec::new()),
        (422, "wrong_content", wrong_content),
        (413, "too_long", oversize),
        (422, "expired", stamp(now() - 3700, b"old")),
        (422, "expired", stamp(0, b"of 1970")),
        (422, "future", stamp(now() + 240, b"early")),
        (422, "future", stamp(u32::MAX, b"of 2106")),
        (422, "cheap", stamped(&rules, topic("weather"), now(), b"cheap", 6)),
        (422, "no_work", without_work(&rules, b"idle")),
        (422, "no_work", of_other),
    ];
    for (status, reason, posting) in cases {
        let before = refused(&council, 0, reason);
        let answer = post(&council, 0, &posting);
        assert_eq!(answer.status, status, "{reason}: {}", answer.text());
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert_eq!(refused(&council, 0, reason), before + 1, "{reason}");
    }
    assert_eq!(post(&council, 0, &vec![0; 300_000]).status, 413);
    assert!(read(&council, 0, "weather").is_empty());
    // The same with a new time and new work is the same; the time is not what makes a bulletin new.
    assert_eq!(post(&council, 0, &good).status, 201);
    assert_eq!(post(&council, 0, &good).status, 409);
    assert_eq!(post(&council, 0, &stamp(now() - 5, b"good")).status, 409);
    assert_eq!(read(&council, 0, "weather"), ["good"]);
}

#[test]
fn every_nonce_counts() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    let rules = rules(&council);
    for (start, content) in [(1_u64 << 31, "above the half"), (u64::from(u32::MAX) - 5_000, "to the end")] {
        let bulletin =
            Bulletin::new(topic("weather"), UnixSeconds(now()), 0, content.as_bytes().to_vec()).unwrap();
        let posting = Posting::new(Effort::new(7), bulletin);
        let search = posting.subject(&rules).search(&rules.work).unwrap().starting_at(start);
        let stamp = { search }.try_attempts(0..5_000).unwrap();
        assert!(stamp.nonce >= start);
        assert_eq!(post(&council, 0, &posting.stamped(&stamp).encode()).status, 201);
    }
}

/// A link with the key of a member that was stopped.
pub(super) fn link(council: &Council) -> Link {
    let stream = TcpStream::connect(council.members()[0].peer).unwrap();
    Initiator::new(council.seed(3), council.network()).dial(stream).unwrap()
}

pub(super) fn send(link: &mut Link, message: BulletinMessage) {
    link.send_frame(&codec::encode(&Frame::Bulletins(message))).unwrap();
}

/// A posting in a body that is spread.
fn wrapped(posting: &[u8]) -> Vec<u8> {
    [&[1], posting].concat()
}

/// A posting as it is spread.
pub(super) fn body(posting: &[u8]) -> BulletinMessage {
    BulletinMessage::Spread(SpreadMessage::Body { body: wrapped(posting).into(), hops: 0, pulled: false })
}

#[test]
fn a_member_that_passes_on_bad_bulletins_reaches_nobody_and_is_cut_off() {
    let council = Council::start();
    council.kill(3);
    let rules = rules(&council);
    let mut link = link(&council);
    let dropped = |reason: &str| {
        council.metric(0, &format!("jurat_bulletin_messages_dropped_total{{reason=\"{reason}\"}}"))
    };
    // Nonsense of every kind first: the node goes on.
    let nonsense = [vec![], vec![1], vec![1, 9], vec![0xff; 70_000]];
    for bytes in nonsense {
        send(&mut link, BulletinMessage::Ask(EntryBytes(bytes.clone().into())));
        send(&mut link, BulletinMessage::Answer(EntryBytes(bytes.clone().into())));
        send(&mut link, body(&bytes));
    }
    let unasked = vec![EntryBytes(wrapped(&stamped(&rules, topic("weather"), now(), b"unasked", 7)).into())];
    send(&mut link, BulletinMessage::Postings { covered: 1, postings: unasked });
    let lost = SpreadId::of(b"never sent");
    send(&mut link, BulletinMessage::Spread(SpreadMessage::Announce(vec![(lost, 1); 300])));
    send(&mut link, BulletinMessage::Spread(SpreadMessage::Graft { id: Some(lost), eager: false }));
    send(&mut link, body(&stamped(&rules, topic("weather"), now(), b"good", 7)));
    for member in 0..3 {
        until_read(&council, member, "weather", &["good"]);
    }
    for i in 0..40 {
        send(&mut link, body(&without_work(&rules, format!("bad {i}").as_bytes())));
    }
    until_true("the end of patience", || dropped("cut_off") >= 1 && dropped("over_quota") >= 1);
    assert!(refused(&council, 0, "no_work") >= 20);
    posted(&council, 1, "weather", "after all that");
    for member in 0..3 {
        until_read(&council, member, "weather", &["after all that", "good"]);
        council.check(member);
    }
    // Nobody else ever saw a bad one.
    assert_eq!(refused(&council, 1, "no_work") + refused(&council, 2, "no_work"), 0);
    assert!(dropped("oversized") >= 2 && dropped("unknown_graft") >= 1);
}
