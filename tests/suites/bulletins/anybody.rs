//! Messages of anybody to a node: sealed by who writes them, paid with work, and taken once.

use data_encoding::BASE64;
use jurat_bulletin::{Effort, Message, UnixSeconds};
use jurat_crypto::{SealingKey, SigningKey};
use jurat_tests::{
    Answer, Council, Finished, MessageWriter, jurat, message_terms, path, unix_seconds, until_true,
    wire::{files, holds},
};
use serde_json::Value;

use super::letters::{SECRET, dir, inbox, sent};

const MESSAGES: &str = "/api/v1/messages";

fn address(council: &Council, member: usize) -> String {
    message_terms(council, member)["address"].as_str().unwrap().into()
}

fn write(council: &Council, member: usize, to: &str, text: &str, options: &[&str]) -> Finished {
    let url = council.url(member);
    let write = ["dm", "write", "--node", &url, "--to", to, "--text", text, "--json"];
    jurat(write.iter().chain(options))
}

#[test]
fn anybody_writes_to_a_node_and_only_that_node_reads_it() {
    let council = Council::start();
    let to = address(&council, 1);
    let shown = jurat(["dm", "address", "--node", &council.url(1)]);
    assert!(shown.success().stdout.starts_with(&format!("{to}  1 zero bits of tapehash1")), "{shown:?}");
    // One who signs with a key that is known, and one with a key that nobody will see again.
    let key = council.dir().join("ana.key");
    jurat(["keygen", "--name", "ana.example", "-o", path(&key)]).success();
    let known = write(&council, 1, &to, SECRET, &["--key", path(&key)]).success().json();
    let unknown = write(&council, 1, &to, SECRET, &[]).success().json();
    assert_ne!(known["from"], unknown["from"]);
    sent(&council, 0, 1, "from a member");
    until_true("all to have arrived", || inbox(&council, 1).len() == 3);
    let letters = inbox(&council, 1);
    for written in [&known, &unknown] {
        let letter = letters.iter().find(|letter| letter["id"] == written["id"]).unwrap();
        assert_eq!((&letter["from"], &letter["from_anybody"]), (&written["from"], &Value::Bool(true)));
        assert_eq!(letter["content"], BASE64.encode(SECRET.as_bytes()));
    }
    let of_member = letters.iter().find(|letter| letter["from"] == "node-1").unwrap();
    assert_eq!(of_member.get("from_anybody"), None);
    // The others have nothing of it, and no disk has it readable.
    for other in [0, 2, 3] {
        assert!(inbox(&council, other).is_empty());
        assert_eq!(council.metric(other, "jurat_messages_received_total"), 0);
    }
    let mut looked = 0;
    for member in council.members() {
        files(&member.dir, &mut |file, bytes| {
            looked += 1;
            assert!(!holds(bytes, SECRET), "{}", file.display());
        });
    }
    assert!(looked >= 32, "{looked} files");
    // It waits through a crash, and once it was read it does not come back.
    council.kill(1);
    council.run(1);
    council.until_answers(1);
    assert_eq!(inbox(&council, 1).len(), 3);
    let read = jurat(["dm", "inbox", dir(&council, 1)]);
    let from = known["from"].as_str().unwrap();
    assert!(read.success().stdout.contains(&format!("anybody, {from}  {SECRET}")), "{read:?}");
    council.kill(1);
    council.run(1);
    council.until_answers(1);
    assert!(inbox(&council, 1).is_empty());
}

#[test]
fn who_answers_under_another_address_is_told_nothing() {
    let council = Council::start();
    let (ones, other) = (address(&council, 0), address(&council, 1));
    let refused = write(&council, 1, &ones, SECRET, &[]);
    assert_eq!(refused.code, Some(1));
    assert!(refused.stderr.contains(&format!("another address, {other}; nothing was sent")), "{refused:?}");
    assert_eq!(council.metric(1, "jurat_messages_received_total"), 0);
    let short = write(&council, 1, &ones[1..], SECRET, &[]);
    assert!(short.code == Some(2) && short.stderr.contains("64 hex digits"), "{short:?}");
    let dear = write(&council, 1, &other, SECRET, &["--max-effort", "0"]);
    assert!(dear.code == Some(1) && dear.stderr.contains("costs effort 1 now"), "{dear:?}");
}

fn now() -> UnixSeconds {
    UnixSeconds(unix_seconds())
}

fn hand_in(council: &Council, member: usize, message: &[u8]) -> Answer {
    council.http(member).post(MESSAGES, "application/octet-stream", message).unwrap()
}

fn refused(council: &Council, member: usize, reason: &str) -> u64 {
    let metrics = council.http(member).get("/metrics").unwrap();
    let name = format!("jurat_messages_refused_total{{reason=\"{reason}\"}} ");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    line.unwrap_or(0)
}

#[test]
fn each_bad_message_is_refused_for_its_reason_and_a_captured_one_goes_nowhere() {
    let council = Council::start();
    let writer = MessageWriter::new(&council, 1);
    let captured = writer.stamped(writer.message(SECRET), 1);
    assert!(!holds(&captured, SECRET));
    assert_eq!(hand_in(&council, 1, &captured).status, 201);
    // The same again, to it and to the others, before and after it was read, and after a crash.
    let replayed = |times: u64| {
        for member in 0..4 {
            let status = if member == 1 { 409 } else { 422 };
            assert_eq!(hand_in(&council, member, &captured).status, status);
        }
        assert_eq!(refused(&council, 1, "replayed"), times);
    };
    replayed(1);
    jurat(["dm", "inbox", dir(&council, 1)]).success();
    replayed(2);
    council.kill(1);
    council.run(1);
    council.until_answers(1);
    replayed(1);
    assert_eq!(refused(&council, 0, "not_for_us"), 3);

    let writer = MessageWriter::new(&council, 1);
    let old = Message { time: UnixSeconds(now().0 - 301), ..writer.message("old") };
    let early = Message { time: UnixSeconds(now().0 + 200), ..writer.message("early") };
    let new_time = Message { time: UnixSeconds(now().0 - 100), ..writer.message("a new time") };
    let another_key = SealingKey::from_bytes(&[9; 32]).public();
    let for_another_key = writer.sealed(&MessageWriter::key(), &another_key, "for another key");
    let of_another = writer.sealed(&SigningKey::from_seed(&[6; 32]), &writer.prekey, "of another");
    let signed = |body| Message::sign(&MessageWriter::key(), writer.to, now(), body, &writer.rules);
    let text = format!("{:<400}", "only text").into_bytes();
    let small_order = {
        let mut key = [0; 32];
        key[0] = 1;
        Message { src: key, ..writer.message("small order") }
    };
    let cases = [
        ("truncated", 400, captured[..139].to_vec()),
        ("too_long", 413, writer.stamped(signed(vec![7; 70_000]), 1)),
        ("not_for_us", 422, writer.stamped(Message { dst: [9; 32], ..writer.message("to another") }, 1)),
        ("expired", 422, writer.stamped(old, 1)),
        ("future", 422, writer.stamped(early, 1)),
        ("cheap", 422, writer.stamped(writer.message("cheap"), 0)),
        ("not_sealed", 422, writer.stamped(signed(text), 1)),
        ("no_work", 422, writer.message("no work").encode(Effort::new(60))),
        ("signature", 422, writer.stamped(new_time, 1)),
        ("signature", 422, writer.stamped(small_order, 1)),
        ("sealed", 422, writer.stamped(signed(for_another_key), 1)),
        ("author", 422, writer.stamped(signed(of_another), 1)),
    ];
    let mut unaccepted = Vec::new();
    for (reason, status, bytes) in cases {
        let before = refused(&council, 1, reason);
        let answer = hand_in(&council, 1, &bytes);
        assert_eq!(answer.status, status, "{reason}: {}", answer.text());
        assert_eq!(refused(&council, 1, reason), before + 1, "{reason}");
        if ["signature", "sealed", "author"].contains(&reason) {
            unaccepted.push(answer.text().to_owned());
        }
        if reason == "cheap" {
            assert_eq!(answer.json()["price"], 1);
        }
    }
    // What depends on the node's secrets reads as a bad signature does.
    unaccepted.dedup();
    assert_eq!(unaccepted.len(), 1, "{unaccepted:?}");
    assert!(inbox(&council, 1).is_empty());
    assert_eq!(council.metric(1, "jurat_messages_received_total"), 0, "since it started anew");
}

#[test]
fn the_price_rises_as_the_inbox_fills_and_a_full_one_takes_no_more_until_it_is_read() {
    let council = Council::found();
    for member in 0..4 {
        council.run_with(member, |command| {
            command.args(["--mail-from-anybody", if member == 0 { "6" } else { "0" }]);
        });
    }
    (0..4).for_each(|member| council.until_answers(member));
    council.until_connected();
    let to = address(&council, 0);
    let mut efforts = Vec::new();
    for i in 0..6 {
        let written = write(&council, 0, &to, &i.to_string(), &["--max-effort", "9"]).success().json();
        efforts.push(written["effort"].as_u64().unwrap());
    }
    assert_eq!(efforts, [1, 1, 1, 1, 3, 6]);
    let full = write(&council, 0, &to, "one too many", &["--max-effort", "9"]);
    assert!(full.code != Some(0) && full.stderr.contains("full until its reader empties it"), "{full:?}");
    assert_eq!(refused(&council, 0, "inbox_full"), 1);
    // Members are not kept waiting by what anybody fills.
    sent(&council, 2, 0, "from a member");
    until_true("the letter", || inbox(&council, 0).len() == 7);
    jurat(["dm", "inbox", dir(&council, 0)]).success();
    assert_eq!(write(&council, 0, &to, "room again", &[]).success().json()["effort"], 1);
    // One that wants none.
    let none = council.http(1).get(MESSAGES).unwrap();
    assert_eq!((none.status, none.json()["title"].as_str()), (404, Some("no messages")));
    let none = write(&council, 1, &to, "hello", &[]);
    assert!(none.stderr.contains("takes no messages"), "{none:?}");
    assert_eq!(hand_in(&council, 1, b"whatever").status, 404);
}

#[test]
fn a_message_in_a_network_with_another_function_is_stamped_with_that() {
    let council = super::founded_with(&serde_json::json!({
        "algorithm": "equihash", "rule": "zero_bits", "bulletins": 1, "messages": 1,
    }));
    (0..4).for_each(|member| council.run(member));
    (0..4).for_each(|member| council.until_answers(member));
    council.until_connected();
    let to = address(&council, 2);
    write(&council, 2, &to, SECRET, &[]).success();
    let letters = inbox(&council, 2);
    assert_eq!(letters[0]["content"], BASE64.encode(SECRET.as_bytes()));
}
