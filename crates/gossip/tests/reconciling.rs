//! Two sides reconcile sets; one may lie, or the line may.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use jurat_crypto::Digest;
use jurat_gossip::{
    Answer, Difference, Initiator, Progress, ReconcileError, ReconcileMessage, ReconcileSalt, Responder,
    SYMBOL_BYTES,
};
use proptest::prelude::*;

fn item(number: u32) -> Digest {
    Digest::of(&number.to_be_bytes())
}

fn items(numbers: impl IntoIterator<Item = u32>) -> Vec<Digest> {
    numbers.into_iter().map(item).collect()
}

fn salt(byte: u8) -> ReconcileSalt {
    ReconcileSalt([byte; 16])
}

/// What one session was.
struct Session {
    initiator: Initiator,
    responder: Responder,
    difference: Difference,
    questions: usize,
    bytes: usize,
}

/// Lets two sides talk until the difference is known; all that is said crosses as bytes.
fn reconcile(ours: &[Digest], theirs: &[Digest], salts: [u8; 2]) -> Result<Session, ReconcileError> {
    talk(ours, theirs, salts, |_| ())
}

/// The same, with answers that are changed on their way.
fn talk(
    ours: &[Digest],
    theirs: &[Digest],
    salts: [u8; 2],
    mut change: impl FnMut(&mut Vec<u8>),
) -> Result<Session, ReconcileError> {
    let (mut initiator, mut message) = Initiator::new(ours, salt(salts[0]))?;
    let mut responder = Responder::new(theirs, salt(salts[1]))?;
    let (mut questions, mut bytes) = (0, 0);
    loop {
        questions += 1;
        assert!(questions < 100, "it ends");
        let question = message.encode();
        let answer = responder.receive(ReconcileMessage::decode(&question)?)?;
        let Answer::Reply(reply) = answer else { panic!("symbols were asked for") };
        let mut reply = reply.encode();
        change(&mut reply);
        bytes += question.len() + reply.len();
        match initiator.receive(ReconcileMessage::decode(&reply)?)? {
            Progress::Ask(next) => message = next,
            Progress::Known(difference) => {
                return Ok(Session { initiator, responder, difference, questions, bytes });
            }
        }
    }
}

fn fetch(session: &mut Session) -> Vec<Digest> {
    let want = ReconcileMessage::Want(session.difference.missing.clone()).encode();
    let answer = session.responder.receive(ReconcileMessage::decode(&want).unwrap()).unwrap();
    let Answer::Wanted(items) = answer else { panic!("items were asked for") };
    items
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn the_difference_is_found_whatever_it_is(
        common in 0_u32..400, ours in 0_u32..200, theirs in 0_u32..200, salts: [u8; 2],
    ) {
        let (ours_end, theirs_end) = (common + ours, common + ours + theirs);
        let our_items = items(0..ours_end);
        let their_items = items((0..common).chain(ours_end..theirs_end));
        let mut session = reconcile(&our_items, &their_items, salts).unwrap();
        let surplus: BTreeSet<Digest> = session.difference.surplus.iter().copied().collect();
        prop_assert_eq!(&surplus, &items(common..ours_end).into_iter().collect());
        let fetched = fetch(&mut session);
        prop_assert_eq!(
            fetched.iter().copied().collect::<BTreeSet<_>>(),
            items(ours_end..theirs_end).into_iter().collect()
        );
        prop_assert_eq!(session.initiator.confirm(&fetched), Ok(()));
        // Whatever is left out or is not theirs shows.
        if let Some((left_out, rest)) = fetched.split_first() {
            prop_assert_eq!(session.initiator.confirm(rest), Err(ReconcileError::StillDifferent));
            let twice = [&fetched[..], &[*left_out]].concat();
            prop_assert_eq!(session.initiator.confirm(&twice), Err(ReconcileError::NotMissing(*left_out)));
        }
        let stranger = item(u32::MAX);
        prop_assert_eq!(
            session.initiator.confirm(&[&fetched[..], &[stranger]].concat()),
            Err(ReconcileError::NotMissing(stranger))
        );
    }

    /// What is wrong on the line is refused, or shows in the end.
    #[test]
    fn a_changed_answer_is_never_confirmed(place: prop::sample::Index, bit in 0_u8..8, salts: [u8; 2]) {
        let (ours, theirs) = (items(0..300), items(30..320));
        let result = talk(&ours, &theirs, salts, |reply| {
            // Not the version and the kind, which the decoder refuses.
            let place = 2 + place.index(reply.len() - 2);
            reply[place] ^= 1 << bit;
        });
        if let Ok(mut session) = result {
            let fetched = fetch(&mut session);
            let union: BTreeSet<Digest> = ours.iter().filter(|item| !session.difference.surplus.contains(item))
                .chain(&fetched).copied().collect();
            let right = union == theirs.iter().copied().collect();
            // A changed number of items does no harm, nor do symbols that nothing came of.
            prop_assert!(right || session.initiator.confirm(&fetched).is_err());
        }
    }

    #[test]
    fn messages_have_one_spelling(bytes in prop::collection::vec(any::<u8>(), 0..400), kind in 1_u8..6) {
        let mut bytes = [&[1, kind][..], &bytes].concat();
        if let Ok(message) = ReconcileMessage::decode(&bytes) {
            prop_assert_eq!(message.encode(), bytes.clone());
        }
        bytes[0] = 2;
        prop_assert!(ReconcileMessage::decode(&bytes).is_err());
    }
}

/// Items of 10 000 differ in a hundredth: with 11 bytes a symbol, about one and a half for each.
#[test]
fn the_cost_is_that_of_the_difference() {
    for sessions in [[1, 2], [3, 4], [5, 6], [7, 8]] {
        for (count, apart) in [(2_000, 100), (20_000, 100)] {
            let (ours, theirs) = (items(0..count - apart / 2), items(apart / 2..count));
            let session = reconcile(&ours, &theirs, sessions).unwrap();
            assert_eq!(session.difference.missing.len() + session.difference.surplus.len(), 100);
            assert!(session.questions <= 3, "{} questions", session.questions);
            assert!(session.bytes <= 400 + 220 * SYMBOL_BYTES, "{} bytes", session.bytes);
        }
    }
}

#[test]
fn equal_sets_cost_next_to_nothing() {
    for numbers in [0, 1, 1_000] {
        let session = reconcile(&items(0..numbers), &items(0..numbers), [1, 2]).unwrap();
        assert_eq!((session.questions, session.difference), (1, Difference::default()));
        assert!(session.bytes <= 400 && session.initiator.confirm(&[]) == Ok(()));
    }
}

/// A side whose symbols are of no set is told so, within bounded memory and questions.
#[test]
fn symbols_without_end_end() {
    let (mut initiator, hello) = Initiator::new(items(0..100), salt(1)).unwrap();
    // Bytes that follow a pattern of their own.
    let noise = |from: u32, count: u32| -> Vec<u8> {
        (from..from + count).flat_map(|i| item(i).as_bytes()[..SYMBOL_BYTES].to_vec()).collect()
    };
    let mut responder = Responder::new(items(0..100), salt(2)).unwrap();
    let Ok(Answer::Reply(offer)) = responder.receive(hello) else { panic!("an offer") };
    let mut offer = offer.encode();
    // Version, kind, salt, number of items, sum.
    offer.truncate(2 + 16 + 4 + 16);
    offer.extend(noise(0, 8));
    let mut progress = initiator.receive(ReconcileMessage::decode(&offer).unwrap());
    let mut given = 8;
    while let Ok(Progress::Ask(ReconcileMessage::More { first, count })) = progress {
        assert_eq!(first, given);
        let symbols = [&[1, 4][..], &first.to_be_bytes(), &noise(first, count)].concat();
        given += count;
        assert!(count > 0 && given <= 1_000, "no end in sight");
        progress = initiator.receive(ReconcileMessage::decode(&symbols).unwrap());
    }
    assert_eq!(progress, Err(ReconcileError::Undecodable(given)));
}

#[test]
fn what_comes_out_of_turn_is_refused() {
    let (mut initiator, hello) = Initiator::new(items(0..200), salt(1)).unwrap();
    let mut responder = Responder::new(items(100..300), salt(2)).unwrap();
    let more = |first, count| ReconcileMessage::More { first, count };
    assert_eq!(responder.receive(more(0, 8)), Err(ReconcileError::Unexpected("more")));
    assert_eq!(initiator.receive(hello.clone()), Err(ReconcileError::Unexpected("hello")));
    assert_eq!(initiator.confirm(&[]), Err(ReconcileError::StillDifferent));
    let Ok(Answer::Reply(offer)) = responder.receive(hello.clone()) else { panic!("an offer") };
    assert_eq!(responder.receive(hello), Err(ReconcileError::Unexpected("hello")));
    let Ok(Answer::Reply(symbols)) = Responder::clone(&responder).receive(more(responder_sent(&offer), 8))
    else {
        panic!("symbols")
    };
    assert_eq!(initiator.receive(symbols.clone()), Err(ReconcileError::Unexpected("symbols")));
    let mut asked = initiator.clone();
    if let Ok(Progress::Ask(ReconcileMessage::More { first, count })) = asked.receive(offer.clone()) {
        // Not as many as were asked for, and those that follow later ones.
        assert!(count > 8);
        assert!(matches!(asked.clone().receive(symbols), Err(ReconcileError::Malformed(_))));
        let _skipped = responder.receive(more(first, 8)).unwrap();
        let Ok(Answer::Reply(later)) = responder.receive(more(first + 8, count)) else { panic!("symbols") };
        let got = first + 8;
        assert_eq!(asked.receive(later), Err(ReconcileError::OutOfOrder { expected: first, got }));
        assert_eq!(
            responder.receive(more(first, 8)),
            Err(ReconcileError::OutOfOrder { expected: first + 8 + count, got: first })
        );
    } else {
        panic!("200 differences take more than an offer");
    }
    let mut decoded = initiator;
    let _first = decoded.receive(offer.clone());
    assert_eq!(decoded.receive(offer), Err(ReconcileError::Unexpected("offer")));
}

fn responder_sent(offer: &ReconcileMessage) -> u32 {
    let ReconcileMessage::Offer { symbols, .. } = offer else { panic!("an offer") };
    symbols.count().try_into().unwrap()
}
