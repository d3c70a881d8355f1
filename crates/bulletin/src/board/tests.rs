//! Bulletins that are taken, and the many that are not.

use std::sync::OnceLock;

use jurat_crypto::{
    Digest, EquihashLengthError, EquihashSolution, NetworkId, SolutionError, TapeHash, WorkFunction,
};
use proptest::prelude::*;

use super::*;
use crate::{EffortRule, WorkRules, promise::EFFORT_BYTES};

const NOW: UnixSeconds = UnixSeconds(1_700_000_000);
const STRANGER: Origin = Origin::Sender { trust: 0 };

fn rules() -> Rules {
    // One zero bit: stamps cost two attempts, and every check is there.
    let work = WorkRules {
        bulletins: Effort::new(1),
        function: TapeHash::DEFAULT_V1.into(),
        ..WorkRules::default()
    };
    Rules { work, ..Rules::new(NetworkId(Digest::of(b"network"))) }
}

/// The same with Equihash.
fn equihash() -> Rules {
    Rules { work: WorkRules { function: WorkFunction::Equihash, ..rules().work }, ..rules() }
}

fn board() -> Board {
    Board::new(rules(), BoardLimits { per_topic: 8, bulletins: 12, bytes: 4096, subscriptions: 3 })
}

fn topic(name: &str) -> TopicId {
    TopicId(Digest::of(name.as_bytes()))
}

fn posting(topic: TopicId, time: u32, content: &[u8], effort: u32) -> Posting {
    posting_under(&rules(), topic, time, content, effort)
}

fn posting_under(rules: &Rules, topic: TopicId, time: u32, content: &[u8], effort: u32) -> Posting {
    let bulletin = Bulletin::new(topic, UnixSeconds(time), 0, content.to_vec()).unwrap();
    let posting = Posting::new(Effort::new(effort), bulletin);
    let stamp = posting.subject(rules).search(&rules.work).unwrap().try_attempts(0..1 << 20).unwrap();
    posting.stamped(&stamp)
}

/// Made once: its work takes thousands of attempts.
static DEAR: OnceLock<Vec<u8>> = OnceLock::new();

/// A posting that has not done its work.
fn without_work(posting: &Posting) -> Posting {
    (0..u32::MAX)
        .map(|nonce| Posting { bulletin: posting.bulletin.clone().with_nonce(nonce), ..*posting })
        .find(|posting| !posting.is_stamped(&rules()))
        .unwrap()
}

#[test]
fn a_bulletin_is_kept_until_it_expires_and_its_subscribers_hear_of_it() {
    let mut board = board();
    board.subscribe(topic("a"), Subscriber(7)).unwrap();
    board.subscribe(topic("b"), Subscriber(8)).unwrap();
    let posting = posting(topic("a"), NOW.0, b"hello", 1);
    let accepted = board.receive(NOW, &posting.encode(), STRANGER).unwrap();
    assert_eq!(accepted.subscribers, [Subscriber(7)]);
    assert_eq!(board.retrieve(&accepted.key), Some(&posting));
    assert_eq!(board.next_wakeup(), Some(UnixSeconds(NOW.0 + 3601)));
    assert_eq!(board.expire(UnixSeconds(NOW.0 + 3600)), []);
    assert_eq!(board.expire(UnixSeconds(NOW.0 + 3601)), [accepted.key]);
    assert!(board.is_empty() && board.bytes == 0 && board.topics.is_empty());
    board.unsubscribe(topic("a"), Subscriber(7));
    let again = super::tests::posting(topic("a"), NOW.0 + 3601, b"hello", 1);
    let accepted = board.receive(UnixSeconds(NOW.0 + 3601), &again.encode(), STRANGER).unwrap();
    assert_eq!(accepted.subscribers, []);
}

#[test]
fn each_defect_has_its_refusal_and_is_counted() {
    let mut board = board();
    let good = posting(topic("a"), NOW.0, b"hello", 1).encode();
    let mut wrong_content = good.clone();
    *wrong_content.last_mut().unwrap() ^= 1;
    let mut oversize = good.clone();
    oversize.resize(EFFORT_BYTES + 72 + crate::MAX_CONTENT_BYTES + 1, 0);
    let cases: Vec<(Vec<u8>, Refusal)> = vec![
        (good[..75].to_vec(), Refusal::Bulletin(BulletinError::Truncated(71))),
        (Vec::new(), Refusal::Bulletin(BulletinError::Truncated(0))),
        (oversize, Refusal::Bulletin(BulletinError::TooLong(crate::MAX_CONTENT_BYTES + 1))),
        (wrong_content, Refusal::Bulletin(BulletinError::WrongContent)),
        (posting(topic("a"), NOW.0 - 3601, b"x", 1).encode(), Refusal::Expired { time: NOW.0 - 3601 }),
        (posting(topic("a"), NOW.0 + 121, b"x", 1).encode(), Refusal::Future { time: NOW.0 + 121 }),
        (
            posting(topic("a"), NOW.0, b"x", 0).encode(),
            Refusal::Cheap { promised: 0, asked: 1, retry_after: 0 },
        ),
        (without_work(&posting(topic("a"), NOW.0, b"x", 1)).encode(), Refusal::NoWork),
    ];
    for (bytes, refusal) in &cases {
        assert_eq!(board.receive(NOW, bytes, STRANGER), Err(*refusal));
    }
    assert!(board.is_empty());
    assert_eq!(board.refused().values().sum::<u64>(), cases.len() as u64);
    assert_eq!(board.refused()["truncated"], 2);
    board.receive(NOW, &good, STRANGER).unwrap();
}

#[test]
fn a_sealed_letter_is_no_bulletin() {
    let mut sealed = vec![0; 2 + 208 + 32 + 256 + 16];
    sealed[..2].copy_from_slice(&[1, 1]);
    assert!(has_sealed_shape(&sealed));
    let mut board = board();
    let letter = posting(topic("a"), NOW.0, &sealed, 1).encode();
    assert_eq!(board.receive(NOW, &letter, STRANGER), Err(Refusal::Private));
    sealed.push(0);
    board.receive(NOW, &posting(topic("a"), NOW.0, &sealed, 1).encode(), STRANGER).unwrap();
}

#[test]
fn a_bulletin_that_comes_again_with_a_new_time_and_new_work_is_refused() {
    let mut board = board();
    board.receive(NOW, &posting(topic("a"), NOW.0, b"hello", 1).encode(), STRANGER).unwrap();
    for (time, effort) in [(NOW.0, 1), (NOW.0 + 60, 1), (NOW.0 - 60, 5)] {
        let again = posting(topic("a"), time, b"hello", effort);
        assert_eq!(board.receive(NOW, &again.encode(), STRANGER), Err(Refusal::Duplicate));
    }
    // It is another bulletin on another topic.
    board.receive(NOW, &posting(topic("b"), NOW.0, b"hello", 1).encode(), STRANGER).unwrap();
}

#[test]
fn the_price_rises_with_the_topic_and_the_refusal_states_it_and_when_to_retry() {
    let mut board = board();
    for i in 0..6_u32 {
        let posting = posting(topic("a"), NOW.0 + i, &i.to_be_bytes(), 12);
        board.receive(NOW, &posting.encode(), STRANGER).unwrap();
    }
    // Six of eight are half of the way from half to full.
    assert_eq!(board.price(&topic("a"), 0), Effort::new(1 + 4));
    assert_eq!(board.price(&topic("a"), crate::TRUSTED), Effort::new(5 - TRUST_DISCOUNT));
    let cheap = posting(topic("a"), NOW.0, b"cheap", 2).encode();
    let refusal = Refusal::Cheap { promised: 2, asked: 5, retry_after: 3601 };
    assert_eq!(board.receive(NOW, &cheap, STRANGER), Err(refusal));
    assert!(refusal.to_string().contains("effort 2, 5 is asked for"));
    board.receive(NOW, &cheap, Origin::Sender { trust: crate::TRUSTED }).unwrap();
    // What was paid for once is read back after a start, though by now it would cost more.
    let low = posting(topic("a"), NOW.0, b"low", 0).encode();
    board.receive(NOW, &low, Origin::Disk).unwrap();
    let refusal = Refusal::Full { retry_after: 3601 };
    let dear = posting(topic("a"), NOW.0, b"dear", 14).encode();
    assert_eq!(board.receive(NOW, &dear, STRANGER), Err(refusal));
    let later = UnixSeconds(NOW.0 + 3601);
    assert_eq!(board.expire(later).len(), 3);
    board.receive(later, &posting(topic("a"), later.0, b"dear", 14).encode(), STRANGER).unwrap();
}

#[test]
fn the_linear_rule_counts_attempts() {
    let work = WorkRules { rule: EffortRule::Linear, bulletins: Effort::new(4), ..rules().work };
    let rules = Rules { work, ..rules() };
    let mut board = Board::new(rules, BoardLimits::default());
    let bulletin = Bulletin::new(topic("a"), NOW, 0, b"hello".to_vec()).unwrap();
    let posting = Posting::new(Effort::new(4), bulletin);
    let stamp = posting.subject(&rules).search(&rules.work).unwrap().try_attempts(0..1 << 20).unwrap();
    assert!(board.receive(NOW, &posting.stamped(&stamp).encode(), STRANGER).is_ok());
}

#[test]
fn a_network_of_equihash_takes_bulletins_with_their_solution_once() {
    let mut board = Board::new(equihash(), BoardLimits::default());
    let good = posting_under(&equihash(), topic("a"), NOW.0, b"hello", 1);
    let bytes = good.encode();
    assert_eq!(Posting::decode(&bytes), Ok(good.clone()));
    assert_eq!(Posting::header_of(&bytes), Ok(*good.bulletin.header()));
    let accepted = board.receive(NOW, &bytes, STRANGER).unwrap();
    assert_eq!(board.retrieve(&accepted.key), Some(&good));
    // Other work for the same content makes no other bulletin of it.
    let search = good.subject(&equihash()).search(&equihash().work).unwrap();
    let stamp = search.starting_at(u64::from(good.bulletin.nonce()) + 1).try_attempts(0..100).unwrap();
    let again = good.clone().stamped(&stamp);
    assert!(again != good && again.is_stamped(&equihash()));
    assert_eq!(board.receive(NOW, &again.encode(), STRANGER), Err(Refusal::Duplicate));
}

#[test]
fn each_defect_of_a_solution_has_its_refusal() {
    let mut board = Board::new(equihash(), BoardLimits::default());
    let good = posting_under(&equihash(), topic("a"), NOW.0, b"hello", 1);
    let of_network = |name: &[u8]| Rules { network: NetworkId(Digest::of(name)), ..equihash() };
    let elsewhere = posting_under(&of_network(b"another"), topic("a"), NOW.0, b"hello", 1);
    let plain = Posting { solution: None, ..good.clone() };
    let solution = good.solution.unwrap().to_bytes();
    let with = |change: &dyn Fn(&mut [u8; 17])| {
        let mut solution = solution;
        change(&mut solution);
        Posting { solution: EquihashSolution::from_bytes(&solution).ok(), ..good.clone() }.encode()
    };
    // The halves of the tree the other way round: the same leaves, in the order that is not taken.
    let mut halves = [0; 17];
    let bit = |i: usize| solution[i / 8] >> (7 - i % 8) & 1;
    (0..136).for_each(|i| halves[i / 8] |= bit((i + 68) % 136) << (7 - i % 8));
    let nonce = good.bulletin.nonce().wrapping_add(1);
    let of_length = |length: u8| {
        let mut bytes = good.encode();
        bytes[EFFORT_BYTES] = length;
        (bytes, Refusal::Bulletin(EquihashLengthError { actual: length.into() }.into()))
    };
    let mut dearer = good.encode();
    dearer[3] = 2;
    let cases = [
        (plain.encode(), Refusal::Solution(SolutionError::Missing)),
        (posting(topic("a"), NOW.0, b"hello", 1).encode(), Refusal::Solution(SolutionError::Missing)),
        (with(&|solution| solution[16] ^= 1), Refusal::NoWork),
        (with(&|solution| solution.fill(0)), Refusal::NoWork),
        (with(&|solution| *solution = halves), Refusal::NoWork),
        (
            Posting { bulletin: good.bulletin.clone().with_nonce(nonce), ..good.clone() }.encode(),
            Refusal::NoWork,
        ),
        (dearer, Refusal::NoWork),
        (elsewhere.encode(), Refusal::NoWork),
        (
            good.encode()[..EFFORT_BYTES + 1 + 16].to_vec(),
            Refusal::Bulletin(EquihashLengthError { actual: 16 }.into()),
        ),
        (good.encode()[..EFFORT_BYTES + 1 + 17].to_vec(), BulletinError::Truncated(0).into()),
        of_length(16),
        of_length(18),
        of_length(0),
        (
            posting_under(&equihash(), topic("a"), NOW.0, b"x", 0).encode(),
            Refusal::Cheap { promised: 0, asked: 1, retry_after: 0 },
        ),
    ];
    for (i, (bytes, refusal)) in cases.iter().enumerate() {
        assert_eq!(board.receive(NOW, bytes, STRANGER), Err(*refusal), "case {i}");
    }
    assert!(board.is_empty());
    let [missing, length] = ["no_solution", "solution_length"].map(|reason| board.refused()[reason]);
    assert_eq!((missing, length), (2, 4));
    board.receive(NOW, &good.encode(), STRANGER).unwrap();
    // What is good there is not here, where a nonce is all there is, and not even with good work of here.
    let mut board = super::tests::board();
    let needless = Refusal::Solution(SolutionError::Needless);
    assert_eq!(board.receive(NOW, &good.encode(), STRANGER), Err(needless));
    let both = Posting { solution: good.solution, ..posting(topic("a"), NOW.0, b"hello", 1) };
    assert_eq!(board.receive(NOW, &both.encode(), STRANGER), Err(needless));
    assert_eq!(board.refused()["needless_solution"], 2);
}

#[test]
fn topics_are_listed_and_read_page_by_page() {
    let mut board = board();
    let mut expected = Vec::new();
    for (name, time) in [("a", 3), ("a", 1), ("b", 2), ("a", 2)] {
        let posting = posting(topic(name), NOW.0 + time, &time.to_be_bytes(), 8);
        board.receive(NOW, &posting.encode(), STRANGER).unwrap();
        if name == "a" {
            expected.push(posting);
        }
    }
    expected.sort_by_key(|posting| posting.bulletin.time());
    let (mut read, mut after) = (Vec::new(), None);
    while let Some(posting) = board.query(&topic("a"), after, 1).next() {
        after = Some((posting.bulletin.time(), posting.bulletin.content_id()));
        read.push(posting.clone());
    }
    assert_eq!(read, expected);
    let mut topics: Vec<_> = board.list(None, 10).collect();
    topics.sort_by_key(|(_, count)| *count);
    assert_eq!(topics, [(topic("b"), 1), (topic("a"), 3)]);
    let first = board.list(None, 1).next().map(|(topic, _)| topic);
    assert_eq!(board.list(first, 10).count(), 1);
}

#[test]
fn the_whole_board_has_its_limits_and_its_price() {
    let limits = BoardLimits { per_topic: 100, bulletins: 4, bytes: 1000, subscriptions: 1 };
    let post = |board: &mut Board, name: &str, later: u32, length: usize| {
        let posting = posting(topic(name), NOW.0 + later, &vec![7; length], 14);
        board.receive(NOW, &posting.encode(), STRANGER).map(|_| ())
    };
    let mut board = Board::new(rules(), limits);
    for (i, name) in ["a", "b", "c"].into_iter().enumerate() {
        post(&mut board, name, u32::try_from(i).unwrap(), 1).unwrap();
    }
    // Three of four are half of the way from half to full, in topics that have nothing as well.
    assert_eq!(board.price(&topic("d"), 0), Effort::new(1 + 4));
    post(&mut board, "d", 4, 1).unwrap();
    assert_eq!(post(&mut board, "e", 0, 1), Err(Refusal::Full { retry_after: 3601 }));
    let mut board = Board::new(rules(), limits);
    post(&mut board, "a", 0, 750).unwrap();
    assert_eq!(board.price(&topic("d"), 0), Effort::new(1 + 4));
    assert_eq!(post(&mut board, "b", 0, 251), Err(Refusal::Full { retry_after: 3601 }));
    post(&mut board, "b", 0, 250).unwrap();
}

#[test]
fn to_wait_is_not_advised_where_it_would_not_help() {
    let mut board = board();
    board.receive(NOW, &posting(topic("a"), NOW.0, b"hello", 1).encode(), STRANGER).unwrap();
    let cheap = board.receive(NOW, &posting(topic("a"), NOW.0, b"x", 0).encode(), STRANGER);
    assert_eq!(cheap, Err(Refusal::Cheap { promised: 0, asked: 1, retry_after: 0 }));
}

#[test]
fn subscriptions_are_bounded() {
    let mut board = board();
    for i in 0..3 {
        board.subscribe(topic("a"), Subscriber(i)).unwrap();
    }
    assert_eq!(board.subscribe(topic("a"), Subscriber(9)), Err(TooManySubscriptions(3)));
    board.subscribe(topic("a"), Subscriber(1)).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn bounds_and_indexes_hold_whatever_comes(
        steps in prop::collection::vec((0_u32..900, 0_u8..3, 0_u8..20, 0_usize..600, 0_u32..9), 1..60),
    ) {
        let (mut board, mut now) = (board(), NOW.0);
        for (wait, name, content, length, effort) in steps {
            now += wait;
            let posting = posting(topic(&name.to_string()), now, &vec![content; length], effort);
            board.expire(UnixSeconds(now));
            let _ = board.receive(UnixSeconds(now), &posting.encode(), STRANGER);
            let all = board.topics.values().flat_map(|shelf| shelf.by_time.values());
            prop_assert_eq!(board.bytes, all.clone().map(|p| p.bulletin.content().len()).sum::<usize>());
            prop_assert_eq!(board.len(), all.count());
            prop_assert!(board.len() <= 12 && board.bytes <= 4096);
            for shelf in board.topics.values() {
                prop_assert!(shelf.by_time.len() <= 8 && shelf.contents.len() == shelf.by_time.len());
                prop_assert!(shelf.by_time.keys().all(|(time, _)| time.0 + 3600 >= now));
            }
        }
    }

    #[test]
    fn nothing_panics_and_every_flipped_bit_is_noticed(bit in 0_usize..(4 + 72 + 5) * 8, bytes: Vec<u8>) {
        let mut board = board();
        prop_assert!(board.receive(NOW, &bytes, STRANGER).is_err());
        let mut altered = DEAR.get_or_init(|| posting(topic("a"), NOW.0, b"hello", 12).encode()).clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        // The stamp covers every bit; a changed one passes once in 4 096, and then it is other work done.
        if let Ok(accepted) = board.receive(NOW, &altered, STRANGER) {
            let posting = board.retrieve(&accepted.key).unwrap();
            prop_assert!(posting.is_stamped(&rules()));
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed_where_there_are_solutions(bit in 0_usize..(4 + 1 + 17 + 72 + 5) * 8) {
        static SOLVED: OnceLock<Vec<u8>> = OnceLock::new();
        let solved = SOLVED.get_or_init(|| posting_under(&equihash(), topic("a"), NOW.0, b"hello", 1).encode());
        let mut altered = solved.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Board::new(equihash(), BoardLimits::default()).receive(NOW, &altered, STRANGER).is_err());
    }
}
