//! The commands, as four people use them.

use std::{collections::BTreeMap, thread};

use jurat_tests::{Council, until_true};

use super::{NAME, gate, invite, notes, post, posts, seen, until_epoch, until_epoch_at, until_posts};

#[test]
fn members_read_what_is_said_while_they_are_in_and_nothing_else() {
    let council = Council::start();
    let made = gate(&council, 0, &["create", NAME]).success().json();
    assert_eq!((made["name"].as_str(), made["epoch"].as_u64()), (Some(NAME), Some(0)));
    assert_eq!(gate(&council, 0, &["create", NAME]).code, Some(1), "the name is in use");
    post(&council, 0, "to myself");
    let invited = invite(&council, 0, &["node-2", "node-3"]);
    assert_eq!(invited["epoch"], 1);
    until_epoch(&council, 1, &[0, 1, 2]);
    post(&council, 0, "closed above 2000 m");
    post(&council, 1, "who says so?");
    until_posts(&council, 0, &[("node-2", "who says so?")]);
    until_posts(&council, 1, &[("node-1", "closed above 2000 m")]);
    until_posts(&council, 2, &[("node-1", "closed above 2000 m"), ("node-2", "who says so?")]);

    invite(&council, 2, &["node-4"]);
    until_epoch(&council, 2, &[0, 1, 2, 3]);
    post(&council, 3, "I am new");
    until_posts(&council, 0, &[("node-2", "who says so?"), ("node-4", "I am new")]);
    assert!(posts(&council, 3).is_empty(), "nothing from before");
    assert_eq!(notes(&council, 3)[0]["kind"], "joined");
    let members = gate(&council, 3, &["members", NAME]).success().json();
    assert_eq!(members["members"].as_array().unwrap().len(), 4);

    gate(&council, 0, &["remove", NAME, "node-3"]).success();
    until_epoch(&council, 3, &[0, 1, 3]);
    post(&council, 1, "now among us");
    until_posts(&council, 3, &[("node-2", "now among us")]);
    until_true("node 3 to know it", || seen(&council, 2).unwrap()["state"] == "removed");
    let said = [("node-1", "closed above 2000 m"), ("node-2", "who says so?"), ("node-4", "I am new")];
    until_posts(&council, 2, &said);
    assert_eq!(gate(&council, 2, &["post", NAME, "--text", "x"]).code, Some(1));

    // Read once, unless it is to be kept.
    gate(&council, 3, &["read", NAME]).success();
    assert!(notes(&council, 3).is_empty());
    council.kill(3);
    council.run(3);
    council.until_answers(3);
    assert!(notes(&council, 3).is_empty());
    until_epoch_at(&council, 3, &[0, 1, 3], &[3]);
    gate(&council, 2, &["forget", NAME]).success();
    assert!(seen(&council, 2).is_none());
    assert_eq!(gate(&council, 2, &["forget", NAME]).code, Some(1));
}

#[test]
fn changes_at_the_same_time_all_take_effect_in_one_order() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    invite(&council, 0, &["node-2", "node-3"]);
    until_epoch(&council, 1, &[0, 1, 2]);
    // All three at once; who comes second proposes again.
    thread::scope(|scope| {
        scope.spawn(|| {
            gate(&council, 0, &["rotate", NAME]).success();
        });
        scope.spawn(|| invite(&council, 1, &["node-4"]));
        scope.spawn(|| {
            gate(&council, 2, &["rotate", NAME]).success();
        });
    });
    until_epoch(&council, 4, &[0, 1, 2, 3]);
    // Each is told of what the others did.
    let changes = |member: usize| {
        let notes = notes(&council, member).into_iter().filter(|note| note["kind"] == "change");
        notes.map(|note| (note["epoch"].as_u64().unwrap(), note["from"].as_str().unwrap().to_owned()))
    };
    let all: BTreeMap<u64, String> = changes(0).chain(changes(1)).collect();
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), [2, 3, 4]);
    for member in [0, 1, 2] {
        let own = &council.members()[member].name;
        let others = all.clone().into_iter().filter(|(_, from)| from != own);
        assert_eq!(changes(member).collect::<Vec<_>>(), others.collect::<Vec<_>>());
    }
    post(&council, 3, "all the same");
    for member in [0, 1, 2] {
        until_posts(&council, member, &[("node-4", "all the same")]);
    }
    // Four commits are in the log, and nothing that says of what; each lost one that was proposed too.
    assert!(council.until_same_log(4) <= 4 + 3 * 3);
}

#[test]
fn what_can_not_be_done_is_said_with_its_reason() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    let refused = |member: usize, command: &[&str], reason: &str| {
        let refused = gate(&council, member, command);
        assert_eq!(refused.code, Some(1), "{refused:?}");
        assert!(refused.stderr.contains(reason), "{}", refused.stderr);
    };
    refused(0, &["post", "another", "--text", "x"], "no such gate");
    refused(1, &["post", NAME, "--text", "x"], "no such gate");
    refused(0, &["invite", NAME, "nobody"], "nobody is no member of the council");
    refused(0, &["remove", NAME, "node-2"], "node-2 is no member of the gate");
    refused(0, &["remove", NAME, "node-1"], "can't remove itself");
    refused(0, &["create", ""], "1 to 64 bytes");
    assert_eq!(gate(&council, 0, &["invite", NAME]).code, Some(2), "whom?");
    let long = gate(&council, 0, &["post", NAME, "--text", &"x".repeat(40_000)]);
    assert_eq!(long.code, Some(1), "{long:?}");
    // Without a quorum nothing is ordered; the change waits, and counts later.
    invite(&council, 0, &["node-2"]);
    council.kill(2);
    council.kill(3);
    let waits = gate(&council, 0, &["rotate", NAME, "--wait", "2"]);
    assert_eq!(waits.code, Some(3), "{waits:?}");
    assert!(waits.stderr.contains("stays proposed"), "{}", waits.stderr);
    assert_eq!(seen(&council, 0).unwrap()["change_waits"], true);
    refused(0, &["rotate", NAME, "--wait", "0"], "still waits");
    council.run(2);
    council.until_answers(2);
    until_epoch(&council, 2, &[0, 1]);
}
