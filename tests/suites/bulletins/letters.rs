//! Sealed messages: they arrive once, and nobody else can read them anywhere.

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixStream,
};

use data_encoding::BASE64;
use jurat_crypto::{Digest, Letter, LetterId, SealContext, SealingKey, SigningKey, seal};
use jurat_log::{Entry, PrivateCommitment};
use jurat_tests::{
    Council, Finished, jurat, path, stamped_posting, topic, unix_seconds, until, until_true, wire::holds,
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;

use super::{post, read, refused, rules};

pub(super) const SECRET: &str = "quince marmalade under the third flagstone";

pub(super) fn dir(council: &Council, member: usize) -> &str {
    path(&council.members()[member].dir)
}

pub(super) fn send(council: &Council, from: usize, to: usize, text: &str) -> Finished {
    send_with(council, from, to, text, &[])
}

pub(super) fn send_with(council: &Council, from: usize, to: usize, text: &str, options: &[&str]) -> Finished {
    let to = &council.members()[to].name;
    let send = ["dm", "send", dir(council, from), "--to", to, "--text", text, "--json"];
    jurat(send.iter().chain(options))
}

/// Sends as soon as the recipient's prekey is known.
#[track_caller]
pub(super) fn sent(council: &Council, from: usize, to: usize, text: &str) {
    until("a prekey", || {
        let sent = send(council, from, to, text);
        if sent.code == Some(0) { Ok(()) } else { Err(sent.stderr) }
    });
}

/// What waits for a node's reader, without reading it away.
pub(super) fn inbox(council: &Council, member: usize) -> Vec<Value> {
    jurat(["dm", "inbox", dir(council, member), "--keep", "--json"]).success().json_lines()
}

#[track_caller]
pub(super) fn until_arrived(council: &Council, member: usize, from: usize, text: &str) {
    let letter = until("a letter", || inbox(council, member).into_iter().next().ok_or("none".into()));
    assert_eq!(letter["from"], council.members()[from].name.as_str());
    assert_eq!(letter["content"], BASE64.encode(text.as_bytes()));
}

#[test]
fn a_message_arrives_once_and_is_erased_when_it_is_read() {
    let council = Council::start();
    sent(&council, 0, 1, SECRET);
    until_arrived(&council, 1, 0, SECRET);
    until_true("everybody to have dropped it", || {
        (0..4).all(|member| council.metric(member, "jurat_mail_spooled") == 0)
    });
    for other in [0, 2, 3] {
        assert!(inbox(&council, other).is_empty());
    }
    assert_eq!(inbox(&council, 1).len(), 1);
    let read = jurat(["dm", "inbox", dir(&council, 1)]);
    assert!(read.success().stdout.contains(SECRET));
    assert!(inbox(&council, 1).is_empty());
    // Not from the disk either.
    council.kill(1);
    council.run(1);
    council.until_answers(1);
    council.until_connected();
    assert!(inbox(&council, 1).is_empty());
    assert_eq!(send(&council, 0, 0, "to myself").code, Some(0));
    assert_eq!(inbox(&council, 0).len(), 1);
    let nobody = jurat(["dm", "send", dir(&council, 0), "--to", "nobody", "--text", "x"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
}

#[test]
fn a_message_to_who_is_down_arrives_when_it_is_back_though_its_sender_is_gone() {
    let council = Council::start();
    sent(&council, 3, 0, "so that all know the prekeys");
    sent(&council, 0, 3, "so that all know the prekeys");
    until_true("it to be filed", || inbox(&council, 3).len() == 1);
    jurat(["dm", "inbox", dir(&council, 3)]).success();
    council.kill(3);
    until_true("the link to be gone", || council.metric(0, "jurat_mail_spooled") == 0);
    sent(&council, 0, 3, SECRET);
    let again = send(&council, 0, 3, "one of a pair");
    assert!(again.code == Some(1) && again.stderr.contains("is waiting already"), "{again:?}");
    until_true("the others to have it", || {
        (0..3).all(|member| council.metric(member, "jurat_mail_spooled") == 1)
    });
    council.kill(0);
    council.run(3);
    council.until_answers(3);
    until_arrived(&council, 3, 0, SECRET);
    council.run(0);
    council.until_connected();
    until_true("the sender to hear of it", || council.metric(0, "jurat_mail_spooled") == 0);
    assert_eq!(inbox(&council, 3).len(), 1);
}

#[test]
fn sealed_letters_are_not_taken_where_everybody_reads() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    let rules = rules(&council);
    let letter = Letter { id: LetterId([0; 16]), created: 0, expires: 1, content: b"x".to_vec().into() };
    let context = SealContext { network: rules.network, topic: Digest::of(b"t"), epoch: 0 };
    let keys = (SigningKey::from_seed(&[1; 32]), [SealingKey::from_bytes(&[2; 32]).public()]);
    let sealed = seal(&letter, &keys.0, &keys.1, &context, &mut StdRng::seed_from_u64(1)).unwrap();
    let answer = post(&council, 0, &stamped_posting(&rules, topic("weather"), unix_seconds(), &sealed, 7));
    assert_eq!(answer.status, 422, "{}", answer.text());
    assert!(answer.text().contains("sealed"), "{}", answer.text());
    assert_eq!(refused(&council, 0, "private"), 1);
    assert!(read(&council, 0, "weather").is_empty());
}

#[test]
fn nonsense_over_the_owners_socket_changes_nothing() {
    let council = Council::found();
    council.run(0);
    council.until_answers(0);
    let socket = council.members()[0].dir.join("data/owner/socket");
    let lines =
        ["", "{}", "[]", "{\"do\":\"sing\"}", "{\"do\":\"send\",\"to\":\"node-1\",\"content\":\"?\"}"];
    for line in lines.map(str::to_owned).into_iter().chain(["x".repeat(1 << 20)]) {
        let mut stream = UnixStream::connect(&socket).unwrap();
        // The node may close before it has taken all of a long one.
        let _ = stream.write_all(format!("{line}\n").as_bytes());
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert!(answer.is_empty() || answer.contains("refused"), "{answer}");
    }
    assert!(inbox(&council, 0).is_empty());
}

#[test]
fn of_an_ordered_message_the_log_has_a_commitment_that_outlives_it() {
    let council = Council::start();
    let sent = until("a prekey", || {
        let sent = send_with(&council, 0, 1, SECRET, &["--ordered"]);
        if sent.code == Some(0) { Ok(sent.json()) } else { Err(sent.stderr) }
    });
    until_arrived(&council, 1, 0, SECRET);
    let ordered = inbox(&council, 1)[0]["ordered"].clone();
    assert_eq!(ordered["leaf_hash"], sent["commitment"]);
    // Read and erased; the others have dropped it.
    jurat(["dm", "inbox", dir(&council, 1)]).success();
    until_true("everybody to have dropped it", || {
        (0..4).all(|member| council.metric(member, "jurat_mail_spooled") == 0)
    });
    assert_eq!(council.until_same_log(1), 1, "handed in by several, logged once");
    let (log, policy) = (council.url(3), path(council.policy_path()));
    let index = ordered["index"].to_string();
    let entry = jurat(["log", "entry", &index, "--log", &log, "--policy", policy, "--json"]).success().json();
    assert_eq!(entry["kind"], "private-commitment");
    assert_eq!(entry["private"]["commitment"], sent["id"]);
    let [commitment, tag] =
        ["commitment", "tag"].map(|part| entry["private"][part].as_str().unwrap().parse::<Digest>().unwrap());
    let leaf = Entry::PrivateCommitment(PrivateCommitment { commitment, tag }).leaf_hash();
    assert_eq!(sent["commitment"], leaf.to_string());
    let answer = council.http(2).get(&format!("/api/v1/receipts/{leaf}")).unwrap().json();
    // Anyone can check it who has the policy, and no node.
    let receipt = council.dir().join("letter.jurat");
    fs::write(&receipt, answer["receipt"].as_str().unwrap()).unwrap();
    let verify = |leaf: &Digest| {
        let leaf = leaf.to_string();
        jurat(["verify", "--leaf", &leaf, "--receipt", path(&receipt), "--policy", policy, "--json"])
    };
    assert_eq!(verify(&leaf).success().json()["index"], ordered["index"]);
    let other = verify(&Digest::of(b"another entry"));
    assert_eq!((other.code, &other.json()["failed"]), (Some(1), &Value::from("inclusion")));
    // Whoever replays the registry passes over it.
    let replayed = jurat(["registry", "replay", "--log", &log, "--policy", policy, "--json"]);
    replayed.success();
}

#[test]
fn who_asks_over_http_does_not_even_learn_that_a_message_waits() {
    let council = Council::start();
    sent(&council, 3, 0, "so that all know the prekeys");
    sent(&council, 0, 3, "so that all know the prekeys");
    until_true("it to be filed", || council.metric(0, "jurat_mail_spooled") == 0);
    council.kill(3);
    let description = council.http(0).get("/openapi.json").unwrap().json();
    let changes = ["/status", "/metrics", "/api/v1/events"];
    let paths: Vec<String> = description["paths"]
        .as_object()
        .unwrap()
        .keys()
        .filter(|path| !path.contains('{') && !changes.contains(&path.as_str()))
        .cloned()
        .collect();
    assert!(paths.len() > 12, "{paths:?}");
    let ask = || {
        let http = council.http(1);
        let answers = paths.iter().map(|path| (path, http.get(path).unwrap().text().to_owned()));
        answers.collect::<Vec<_>>()
    };
    let metrics = || council.http(1).get("/metrics").unwrap().text().to_owned();
    let names = |metrics: &str| {
        let lines = metrics.lines().filter(|line| line.contains("mail") && !line.starts_with('#'));
        lines.map(|line| line.split(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let (before, metrics_before) = (ask(), metrics());
    sent(&council, 0, 3, SECRET);
    until_true("the others to have it", || council.metric(1, "jurat_mail_spooled") == 1);
    assert_eq!(ask(), before);
    assert_eq!(names(&metrics()), names(&metrics_before), "one count for all recipients together");
    assert!(!holds(metrics().as_bytes(), "private_strong"));
}
