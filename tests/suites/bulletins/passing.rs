//! From node to node, and over restarts.

use jurat_tests::{Council, topic, until_true};

use super::{posted, read, until_read};

#[test]
fn what_is_posted_at_one_node_is_read_at_all() {
    let council = Council::start();
    for member in 0..4 {
        posted(&council, member, "weather", &format!("snow at node {}", member + 1));
    }
    let all = ["snow at node 1", "snow at node 2", "snow at node 3", "snow at node 4"];
    for member in 0..4 {
        until_read(&council, member, "weather", &all);
        assert_eq!(council.metric(member, "jurat_bulletins_accepted_total"), 4, "each was taken once");
        let topics = council.http(member).get("/api/v1/topics").unwrap().json();
        assert_eq!(topics["topics"][0]["topic"], topic("weather").0.to_string());
        assert_eq!(topics["topics"][0]["bulletins"], 4);
    }
}

#[test]
fn a_node_that_was_down_gets_what_it_missed_once_and_keeps_it() {
    let council = Council::start();
    posted(&council, 0, "weather", "a");
    until_read(&council, 3, "weather", &["a"]);
    council.kill(3);
    posted(&council, 0, "weather", "b");
    posted(&council, 1, "weather", "c");
    for member in 0..3 {
        until_read(&council, member, "weather", &["a", "b", "c"]);
    }
    council.run(3);
    council.until_answers(3);
    until_read(&council, 3, "weather", &["a", "b", "c"]);
    until_true("a comparison with each other member", || {
        council.metric(3, "jurat_bulletin_reconciliations_total") >= 3
    });
    assert_eq!(council.metric(3, "jurat_bulletins_from_members_total"), 2, "each was taken once");
    // What it has now it keeps by itself.
    (0..4).for_each(|member| council.kill(member));
    council.run(3);
    council.until_answers(3);
    assert_eq!(read(&council, 3, "weather").len(), 3);
}

#[test]
fn what_was_acknowledged_is_there_after_a_kill() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    // Alone: there is nobody to get it back from.
    for i in 0..20 {
        posted(&council, 0, "weather", &format!("{i:02}"));
    }
    council.kill(0);
    council.run(0);
    council.until_answers(0);
    assert_eq!(read(&council, 0, "weather").len(), 20);
    assert!(council.stop(0).success());
}
