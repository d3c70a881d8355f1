//! A network whose genesis chose Equihash: its bulletins carry a solution.

use jurat_bulletin::{Effort, MAX_CONTENT_BYTES, Posting, Rules, WorkRules};
use jurat_crypto::{Digest, EquihashSolution, NetworkId, WorkFunction};
use jurat_tests::{Council, jurat, path, stamped_posting, topic, unix_seconds as now, until_true};
use serde_json::{Value, json};

use super::{founded_with, hostile, post, read, refused, rules as tapehash, until_read};

const EFFORT: u32 = 2;

fn council() -> Council {
    founded_with(&json!({ "algorithm": "equihash", "rule": "zero_bits", "bulletins": EFFORT, "messages": 1 }))
}

fn rules(council: &Council) -> Rules {
    let (function, bulletins) = (WorkFunction::Equihash, Effort::new(EFFORT));
    let work = WorkRules { function, bulletins, ..WorkRules::default() };
    Rules { work, ..tapehash(council) }
}

fn stamped(rules: &Rules, content: &[u8]) -> Posting {
    Posting::decode(&stamped_posting(rules, topic("weather"), now(), content, EFFORT)).unwrap()
}

#[test]
fn bulletins_with_solutions_reach_all_and_are_kept() {
    let council = council();
    (0..4).for_each(|member| council.run(member));
    council.until_connected();
    let node = council.url(0);
    let price = jurat(["topic", "price", "weather", "--node", &node, "--json"]).success().json();
    assert_eq!((&price["algorithm"], &price["effort"]), (&json!("equihash"), &json!(EFFORT)));
    assert!(price.get("code_size").is_none(), "{price}");
    let shown = jurat(["topic", "price", "weather", "--node", &node]);
    assert!(shown.success().stdout.starts_with("2 zero bits of equihash"), "{shown:?}");
    let post = ["topic", "post", "weather", "--text", "snow", "--node", &node, "--threads", "2", "--json"];
    let posted = jurat(post).success().json();
    assert_eq!(posted["solution"].as_str().map(str::len), Some(2 * EquihashSolution::BYTES), "{posted}");
    until_read(&council, 3, "weather", &["snow"]);
    // As a federation that is trusted: what that signs leaves the solution out. A member that is away
    // asks for it when it is back.
    council.kill(2);
    let key = path(&council.members()[0].dir);
    let sender = ["--as", "fed:node-1", "--key", key];
    let post = ["topic", "post", "weather", "--text", "rain", "--node", &node, "--json"];
    assert_eq!(jurat(post.iter().chain(&sender)).success().json()["effort"], 0);
    until_read(&council, 3, "weather", &["rain", "snow"]);
    council.run(2);
    council.until_answers(2);
    until_read(&council, 2, "weather", &["rain", "snow"]);
    // Read from another member, as the poster has it; and after a start, from the disk.
    let query = || {
        let node = council.url(3);
        jurat(["topic", "query", "weather", "--equals", "snow", "--node", &node, "--json"]).success().json()
    };
    let same = |bulletin: &Value| {
        ["topic", "content_id", "time", "expires", "effort", "nonce", "solution"]
            .iter()
            .all(|field| bulletin[field] == posted[field] && !posted[field].is_null())
    };
    assert!(same(&query()), "{}", query());
    let tail = ["topic", "tail", "weather", "-n", "2", "--node", &node, "--json"];
    assert!(jurat(tail).success().stdout.lines().any(|line| same(&serde_json::from_str(line).unwrap())));
    let topics = jurat(["topic", "list", "--node", &node, "--json"]).success().json();
    assert_eq!((&topics["topic"], &topics["bulletins"]), (&posted["topic"], &json!(2)));
    // The longest there is.
    let longest = "x".repeat(MAX_CONTENT_BYTES);
    let posting = stamped_posting(&rules(&council), topic("long"), now(), longest.as_bytes(), EFFORT);
    assert_eq!(super::post(&council, 1, &posting).status, 201);
    until_read(&council, 2, "long", &[&longest]);
    (0..4).for_each(|member| council.kill(member));
    council.run(3);
    council.until_answers(3);
    assert!(same(&query()), "{}", query());
}

#[test]
fn what_shows_no_work_of_this_network_is_refused_with_its_reason() {
    let council = council();
    council.run(0);
    council.until_answers(0);
    let rules = rules(&council);
    let good = stamped(&rules, b"good");
    let other = Rules { network: NetworkId(Digest::of(b"another network")), ..rules };
    let mut wrong = good.solution.unwrap().to_bytes();
    wrong[16] ^= 1;
    let wrong = EquihashSolution::from_bytes(&wrong).ok();
    let mut longer = good.encode();
    longer[4] = 18;
    let plain = stamped_posting(&tapehash(&council), topic("weather"), now(), b"good", 7);
    let cases = [
        (422, "no_solution", "solution", plain),
        (422, "no_solution", "solution", Posting { solution: None, ..good.clone() }.encode()),
        (422, "no_work", "nonce", Posting { solution: wrong, ..good.clone() }.encode()),
        (422, "no_work", "nonce", stamped(&other, b"good").encode()),
        (400, "solution_length", "solution", longer),
        (400, "solution_length", "solution", good.encode()[..21].to_vec()),
        (400, "truncated", "the posting", good.encode()[..93].to_vec()),
    ];
    for (status, reason, field, posting) in cases {
        let before = refused(&council, 0, reason);
        let answer = post(&council, 0, &posting);
        let problem = answer.json();
        assert_eq!((answer.status, &problem["field"]), (status, &json!(field)), "{reason}: {problem}");
        assert_eq!(refused(&council, 0, reason), before + 1, "{reason}");
    }
    assert!(read(&council, 0, "weather").is_empty());
    assert_eq!(post(&council, 0, &good.encode()).status, 201);
    // Other work for it does not make it another bulletin.
    let search = good.subject(&rules).search(&rules.work).unwrap();
    let again = { search }.starting_at(good.bulletin.nonce().into()).try_attempts(1..1000).unwrap();
    assert_eq!(post(&council, 0, &good.stamped(&again).encode()).status, 409);
    assert_eq!(read(&council, 0, "weather"), ["good"]);
}

#[test]
fn a_network_of_tapehash_takes_no_solutions() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    let solved = stamped(&rules(&council), b"solved");
    let tapehash = stamped_posting(&tapehash(&council), topic("weather"), now(), b"good", 7);
    let good = Posting::decode(&tapehash).unwrap();
    for posting in [solved.clone(), Posting { solution: solved.solution, ..good.clone() }] {
        assert_eq!(post(&council, 0, &posting.encode()).status, 422);
    }
    assert_eq!(refused(&council, 0, "needless_solution"), 2);
    assert_eq!(post(&council, 0, &good.encode()).status, 201);
    assert_eq!(read(&council, 0, "weather"), ["good"]);
}

#[test]
fn a_member_that_passes_on_bulletins_without_solutions_is_cut_off() {
    let council = council();
    (0..3).for_each(|member| council.run(member));
    council.until_answers(0);
    let rules = rules(&council);
    let mut link = hostile::link(&council);
    let good = stamped(&rules, b"good");
    hostile::send(&mut link, hostile::body(&good.encode()));
    for member in 0..3 {
        until_read(&council, member, "weather", &["good"]);
    }
    for i in 0..40 {
        let posting = stamped_posting(&tapehash(&council), topic("weather"), now(), &[i], 7);
        hostile::send(&mut link, hostile::body(&posting));
    }
    until_true("the end of patience", || {
        council.metric(0, "jurat_bulletin_messages_dropped_total{reason=\"cut_off\"}") >= 1
    });
    assert!(refused(&council, 0, "no_solution") >= 20);
    assert_eq!(refused(&council, 1, "no_solution") + refused(&council, 2, "no_solution"), 0);
}
