//! Everything that a member ever heard, said again: nothing happens twice. And what it can tell of
//! letters that are not for it.

use std::{collections::BTreeMap, sync::Arc};

use jurat::core::BulletinMessage;
use jurat_crypto::MAX_LETTER_BYTES;
use jurat_gossip::SpreadMessage;
use jurat_store::{BulletinStore, DataDir, StdFs};
use jurat_tests::{Council, Eavesdropper, jurat, stamped_posting, topic, unix_seconds, until, until_true};

use super::{
    hostile::body,
    letters::{SECRET, dir, inbox, send_with, sent},
    posted, refused, rules, until_read,
};

/// Who listens in: its node is stopped, and its key used.
const HOSTILE: usize = 3;

/// Waits until a node knows another's prekey: a letter that is too long gets no further, and leaves nothing.
#[track_caller]
fn until_known(council: &Council, from: usize, to: usize) {
    let long = "x".repeat(MAX_LETTER_BYTES + 1);
    until("a prekey", || {
        let refused = send_with(council, from, to, &long, &[]).stderr;
        if refused.contains("a letter has at most") { Ok(()) } else { Err(refused) }
    });
}

/// A letter that asks to be ordered.
#[track_caller]
fn sent_ordered(council: &Council, from: usize, to: usize, text: &str) {
    let sent = send_with(council, from, to, text, &["--ordered"]);
    sent.success();
}

#[track_caller]
fn until_nothing_waits(council: &Council) {
    until_true("everybody to have dropped what was delivered", || {
        council.running().into_iter().all(|member| council.metric(member, "jurat_mail_spooled") == 0)
    });
}

/// Says all that was heard anywhere to everybody, twice, and waits until it was taken in: a bulletin at
/// the end of each link says so.
fn say_it_all_again(council: &Council, heard: &[Vec<u8>], bulletins: &mut Vec<String>) {
    for node in 0..3 {
        let hostile = Eavesdropper::at(council, node, HOSTILE);
        for frame in heard.iter().chain(heard) {
            hostile.send(frame);
        }
        let end = format!("the end of what was said again to {node}, of {}", bulletins.len());
        let posting = stamped_posting(&rules(council), topic("weather"), unix_seconds(), end.as_bytes(), 7);
        hostile.say(&body(&posting));
        bulletins.push(end);
        bulletins.sort();
        let expected: Vec<&str> = bulletins.iter().map(String::as_str).collect();
        for member in 0..3 {
            until_read(council, member, "weather", &expected);
        }
        let full = "jurat_bulletin_messages_dropped_total{reason=\"queue_full\"}";
        assert_eq!(council.metric(node, full), 0, "all of it was taken in");
    }
}

const fn kind_of(message: &BulletinMessage) -> &'static str {
    match message {
        BulletinMessage::Mail(_) => "letter",
        BulletinMessage::Filed(_) => "word of filing",
        BulletinMessage::Prekeys(_) => "prekeys",
        BulletinMessage::Spread(SpreadMessage::Body { .. }) => "bulletin",
        _ => "other",
    }
}

#[test]
fn what_is_said_again_happens_once() {
    let council = Council::start();
    for from in [0, 1] {
        until_known(&council, from, 2);
    }
    council.kill(HOSTILE);
    let hostile = [0, 1, 2].map(|node| Eavesdropper::at(&council, node, HOSTILE));
    until_true("links", || {
        (0..3).all(|node| council.status(node).unwrap()["members"][HOSTILE]["connected"] == true)
    });
    posted(&council, 0, "weather", "snow");
    for member in 0..3 {
        until_read(&council, member, "weather", &["snow"]);
    }
    sent(&council, 0, 2, SECRET);
    sent_ordered(&council, 1, 2, SECRET);
    until("both letters", || {
        let letters = inbox(&council, 2);
        if letters.len() == 2 { Ok(()) } else { Err(format!("{letters:?}")) }
    });
    assert_eq!(council.until_same_log(1), 1);
    // Of each kind there is something to say again, from each of the nodes that passed it on.
    for (kind, node) in [("letter", 0), ("letter", 1), ("word of filing", 2), ("prekeys", 0), ("bulletin", 0)]
    {
        until_true(&format!("a {kind} from node {}", node + 1), || {
            hostile[node].bulletins().iter().any(|message| kind_of(message) == kind)
        });
    }
    let heard: Vec<Vec<u8>> = hostile.iter().flat_map(Eavesdropper::heard).collect();
    drop(hostile);

    let mut bulletins = vec!["snow".to_owned()];
    say_it_all_again(&council, &heard, &mut bulletins);
    let letters = inbox(&council, 2);
    assert_eq!(letters.len(), 2);
    assert_ne!(letters[0]["id"], letters[1]["id"]);
    // Its recipient has told all once more that it has them.
    until_nothing_waits(&council);

    // Nor once it is read and erased, nor when those who heard it first have started anew.
    jurat(["dm", "inbox", dir(&council, 2)]).success();
    say_it_all_again(&council, &heard, &mut bulletins);
    assert!(inbox(&council, 2).is_empty());
    // Who had a letter for another and has dropped it since sees by its sequence that it is old.
    let replayed = |node: usize| council.metric(node, "jurat_mail_refused_total{reason=\"replayed\"}");
    assert!(replayed(0) >= 1 && replayed(1) >= 1);
    for member in [1, 2] {
        council.kill(member);
        council.run(member);
        council.until_answers(member);
    }
    council.until_connected();
    say_it_all_again(&council, &heard, &mut bulletins);
    // One that remembers nothing of the letters kept them again, until their recipient said that it has them.
    until_nothing_waits(&council);
    assert!(inbox(&council, 2).is_empty());
    assert_eq!(council.until_same_log(1), 1, "its commitment was ordered once");
    assert!(
        refused(&council, 1, "duplicate") + refused(&council, 2, "duplicate") >= 1,
        "of bulletins as well"
    );
}

#[test]
fn letters_of_different_lengths_look_alike_to_members_and_on_disk() {
    let council = Council::start();
    for (from, to) in [(0, 1), (0, HOSTILE), (2, 1), (2, HOSTILE)] {
        until_known(&council, from, to);
    }
    for member in [1, HOSTILE] {
        council.kill(member);
    }
    let hostile = [0, 2].map(|node| Eavesdropper::at(&council, node, HOSTILE));
    sent(&council, 0, 1, "x");
    sent(&council, 2, 1, &"x".repeat(200));
    sent_ordered(&council, 0, HOSTILE, "y");
    sent_ordered(&council, 2, HOSTILE, &"y".repeat(200));
    until_true("all to be spooled", || {
        [0, 2].into_iter().all(|member| council.metric(member, "jurat_mail_spooled") == 4)
    });
    // A member sees two sizes: whether a letter asks to be ordered shows, how long it is does not.
    let mut sizes = BTreeMap::new();
    until("the letters", || {
        sizes.clear();
        for message in hostile.iter().flat_map(Eavesdropper::bulletins) {
            if let BulletinMessage::Mail(letter) = message {
                sizes.insert(letter.0.clone(), letter.0.len());
            }
        }
        if sizes.len() == 4 { Ok(()) } else { Err(format!("{}", sizes.len())) }
    });
    let (network, data) = (council.network(), council.members()[2].dir.join("data"));
    council.kill(2);
    let store = BulletinStore::open(&DataDir::open(Arc::new(StdFs), &data, network).unwrap()).unwrap();
    let mut stored = Vec::new();
    store.read_mail(|name, value| stored.extend((name[0] == 1).then_some(value.len()))).unwrap();
    stored.sort_unstable();
    assert!(stored.len() == 4 && stored[0] == stored[1] && stored[2] == stored[3], "{stored:?}");
    let mut told: Vec<usize> = sizes.into_values().collect();
    told.sort_unstable();
    assert_eq!(told, stored);
}
