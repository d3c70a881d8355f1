//! A member of the council that says again and changes whatever passes by.

use jurat::core::BulletinMessage;
use jurat_gossip::SpreadMessage;
use jurat_tests::{Council, Eavesdropper, until, until_true};

use super::{NAME, gate, invite, post, until_epoch, until_posts};

/// Whose node is stopped, and its key used.
const HOSTILE: usize = 3;
/// Bytes of a body before a gate's message: the body's kind, until when it is kept, the item's kind.
const BEFORE: usize = 1 + 4 + 1;

/// How much a node refused for a reason.
fn refused(council: &Council, member: usize, reason: &str) -> u64 {
    let metrics = council.http(member).get("/metrics").unwrap();
    let name = format!("jurat_gate_refused_total{{reason=\"{reason}\"}} ");
    metrics.text().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok()).unwrap_or(0)
}

fn body(bytes: Vec<u8>) -> BulletinMessage {
    BulletinMessage::Spread(SpreadMessage::Body { body: bytes.into(), hops: 0, pulled: false })
}

#[test]
fn what_is_said_again_changed_or_made_up_changes_nothing() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    invite(&council, 0, &["node-2", "node-3"]);
    until_epoch(&council, 1, &[0, 1, 2]);
    council.kill(HOSTILE);
    let hostile = [0, 1, 2].map(|node| Eavesdropper::at(&council, node, HOSTILE));
    until_true("links", || {
        (0..3).all(|node| council.status(node).unwrap()["members"][HOSTILE]["connected"] == true)
    });
    post(&council, 0, "closed above 2000 m");
    gate(&council, 1, &["rotate", NAME]).success();
    until_epoch(&council, 2, &[0, 1, 2]);
    for member in [1, 2] {
        until_posts(&council, member, &[("node-1", "closed above 2000 m")]);
    }
    // The post and the commit, as anybody on the way has them.
    let items = until("the items", || {
        let mut bodies: Vec<Vec<u8>> = Vec::new();
        for message in hostile.iter().flat_map(Eavesdropper::bulletins) {
            if let BulletinMessage::Spread(SpreadMessage::Body { body, .. }) = message
                && body.first() == Some(&2)
                && !bodies.iter().any(|known| **known == *body)
            {
                bodies.push(body.to_vec());
            }
        }
        if bodies.len() == 2 { Ok(bodies) } else { Err(format!("{}", bodies.len())) }
    });
    let kept = |member: usize| council.metric(member, "jurat_gate_items");
    let before = kept(2);
    for item in &items {
        for node in &hostile {
            // Said again as it is; to be kept a second longer, which makes another item of it.
            node.say(&body(item.clone()));
            let mut longer = item.clone();
            longer[4] ^= 1;
            node.say(&body(longer));
            // Of another gate, another epoch, with another nonce, sender or text.
            for byte in [BEFORE, BEFORE + 39, BEFORE + 41, BEFORE + 73, item.len() - 1] {
                let mut changed = item.clone();
                changed[byte] ^= 1;
                node.say(&body(changed));
            }
        }
    }
    until_true("all of it to be kept", || kept(2) == before + 2 * 6);
    for member in [0, 1, 2] {
        // An epoch later, or earlier, there are no such keys, or they open nothing.
        until_true("refusals", || refused(&council, member, "forged") >= 6);
    }
    for member in [1, 2] {
        assert!(refused(&council, member, "doubled") >= 1, "the post that is kept longer");
        assert!(refused(&council, member, "decided") + refused(&council, member, "own") >= 1);
    }
    // What has no such shape is not even kept, and makes patience shorter.
    for bytes in [vec![2], vec![2; 100], items[0][..items[0].len() - 1].to_vec(), vec![2; 66_000]] {
        hostile[0].say(&body(bytes));
    }
    until_true("refusals", || refused(&council, 0, "shape") >= 3);
    drop(hostile);
    post(&council, 2, "all is well");
    until_posts(&council, 0, &[("node-3", "all is well")]);
    until_posts(&council, 1, &[("node-1", "closed above 2000 m"), ("node-3", "all is well")]);
    until_epoch(&council, 2, &[0, 1, 2]);
    // Nor after a start, when it all comes again.
    for member in [0, 1, 2] {
        council.kill(member);
        council.run(member);
        council.until_answers(member);
    }
    until_posts(&council, 1, &[("node-1", "closed above 2000 m"), ("node-3", "all is well")]);
    gate(&council, 0, &["rotate", NAME]).success();
    until_epoch(&council, 3, &[0, 1, 2]);
}
