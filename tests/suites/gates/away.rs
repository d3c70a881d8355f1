//! Members that are down, killed and started anew.

use jurat_tests::Council;

use super::{NAME, gate, invite, notes, post, posts, until_epoch, until_epoch_at, until_posts};

#[test]
fn who_was_away_for_several_epochs_reads_it_all_though_those_who_said_it_are_gone() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    invite(&council, 0, &["node-2", "node-4"]);
    until_epoch(&council, 1, &[0, 1, 3]);
    council.kill(3);
    let mut said = Vec::new();
    for round in 0..4 {
        for (member, name) in [(0, "node-1"), (1, "node-2")] {
            let text = format!("round {round} of {name}");
            post(&council, member, &text);
            said.push((name, text));
        }
        gate(&council, round % 2, &["rotate", NAME]).success();
    }
    until_epoch_at(&council, 5, &[0, 1, 3], &[0, 1]);
    // Node 3 is in no gate; it has kept everything all the same.
    council.until_same_log(5);
    council.kill(0);
    council.kill(1);
    council.run(0);
    council.until_answers(0);
    council.kill(0);
    council.run(3);
    council.run(1);
    for member in [1, 3] {
        council.until_answers(member);
    }
    let expected: Vec<(&str, &str)> = said.iter().map(|(name, text)| (*name, &**text)).collect();
    until_epoch_at(&council, 5, &[0, 1, 3], &[3]);
    until_posts(&council, 3, &expected);
    // Who starts again and again reads nothing twice.
    council.run(0);
    for member in [3, 1] {
        council.kill(member);
        council.run(member);
        council.until_answers(member);
    }
    council.until_connected();
    post(&council, 0, "and on");
    until_posts(&council, 3, &[&expected[..], &[("node-1", "and on")]].concat());
    let of_the_other = expected.iter().filter(|said| said.0 == "node-1").copied();
    let of_the_other: Vec<_> = of_the_other.chain([("node-1", "and on")]).collect();
    until_posts(&council, 1, &of_the_other);
}

#[test]
fn an_invitation_waits_for_who_is_down_and_lets_in_once() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    // So that its packages are known.
    invite(&council, 0, &["node-4"]);
    until_epoch(&council, 1, &[0, 3]);
    gate(&council, 0, &["remove", NAME, "node-4"]).success();
    until_epoch(&council, 2, &[0]);
    council.kill(3);
    invite(&council, 0, &["node-4"]);
    until_epoch_at(&council, 3, &[0, 3], &[0]);
    post(&council, 0, "for when you are back");
    council.run(3);
    council.until_answers(3);
    until_posts(&council, 3, &[("node-1", "for when you are back")]);
    until_epoch(&council, 3, &[0, 3]);
    let joined = |member| notes(&council, member).iter().filter(|note| note["kind"] == "joined").count();
    assert_eq!(joined(3), 2, "once for each invitation");
    council.kill(3);
    council.run(3);
    council.until_answers(3);
    council.until_connected();
    assert_eq!(joined(3), 2);
    assert_eq!(posts(&council, 3).len(), 1);
}
