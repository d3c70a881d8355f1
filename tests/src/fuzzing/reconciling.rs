//! Reconciliation with a peer that says anything.

use jurat_crypto::Digest;
use jurat_gossip::{Answer, Initiator, Progress, ReconcileMessage, ReconcileSalt, Responder};

use super::{Seed, seed};

fn items(numbers: std::ops::Range<u32>) -> Vec<Digest> {
    numbers.map(|number| Digest::of(&number.to_be_bytes())).collect()
}

fn sides() -> (Initiator, ReconcileMessage, Responder) {
    let (initiator, hello) = Initiator::new(items(0..40), ReconcileSalt([1; 16])).expect("40 items");
    (initiator, hello, Responder::new(items(10..50), ReconcileSalt([2; 16])).expect("40 items"))
}

/// Messages, each behind its length in two bytes; both sides get all of them. What is found must be
/// among the items, and be confirmed only if all that was fetched was missing.
pub(super) fn reconciliation(mut input: &[u8]) -> Option<()> {
    let (mut initiator, hello, mut responder) = sides();
    let mut taken = None;
    let _offer = responder.receive(hello);
    while let Some((length, rest)) = input.split_first_chunk() {
        let (message, behind) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        input = behind;
        let Ok(message) = ReconcileMessage::decode(message) else { continue };
        taken = Some(());
        if let Ok(Answer::Wanted(items)) = responder.receive(message.clone()) {
            assert!(items.len() <= 40);
        }
        if let Ok(Progress::Known(difference)) = initiator.receive(message) {
            assert!(difference.surplus.iter().all(|item| items(0..40).contains(item)));
            let confirmed = initiator.confirm(&items(40..50)).is_ok();
            assert!(!confirmed || difference.missing.len() == 10);
        }
    }
    taken
}

pub(super) fn reconciliation_seeds() -> Vec<Seed> {
    let (mut initiator, hello, mut responder) = sides();
    let (mut said, mut next) = (framed(&hello), hello);
    while let Ok(Answer::Reply(reply)) = responder.receive(next) {
        said.extend(framed(&reply));
        match initiator.receive(reply) {
            Ok(Progress::Ask(more)) => {
                said.extend(framed(&more));
                next = more;
            }
            Ok(Progress::Known(difference)) => next = ReconcileMessage::Want(difference.missing),
            Err(error) => panic!("{error}"),
        }
        if let ReconcileMessage::Want(_) = next {
            said.extend(framed(&next));
        }
    }
    vec![seed("session", said)]
}

fn framed(message: &ReconcileMessage) -> Vec<u8> {
    let bytes = message.encode();
    let length = u16::try_from(bytes.len()).expect("a short message");
    [&length.to_be_bytes()[..], &bytes].concat()
}
