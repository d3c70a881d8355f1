//! What a network's genesis and its trust make of the price.

use std::fs;

use jurat_bulletin::Rules;
use jurat_tests::{Council, jurat, path, stamped_posting, topic, unix_seconds};
use serde_json::{Value, json};

use super::{POST, founded_with, until_read};

#[test]
fn the_genesis_says_what_posting_costs() {
    let work = json!({
        "algorithm": "tapehash2", "tape_size_multiplier": 1, "rule": "linear", "bulletins": 300, "messages": 2,
    });
    let council = founded_with(&work);
    (0..4).for_each(|member| council.run(member));
    council.until_connected();
    let node = council.url(0);
    let price = jurat(["topic", "price", "weather", "--node", &node, "--json"]).success().json();
    assert_eq!((&price["effort"], &price["least_effort"]), (&Value::from(300), &Value::from(300)));
    for name in ["algorithm", "tape_size_multiplier", "rule"] {
        assert_eq!(price[name], work[name]);
    }
    let post = ["topic", "post", "weather", "--text", "snow", "--node", &node, "--json"];
    assert_eq!(jurat(post).success().json()["effort"], 300);
    until_read(&council, 3, "weather", &["snow"]);
    // What is enough by default is not here.
    let rules = Rules::new(council.network());
    let posting =
        stamped_posting(&rules, topic("weather"), unix_seconds(), b"rain", rules.work.bulletins.amount());
    let answer = council.http(0).post(POST, "application/octet-stream", &posting).unwrap();
    assert_eq!((answer.status, &answer.json()["price"]), (422, &Value::from(300)), "{}", answer.text());
}

#[test]
fn who_founds_a_council_says_what_posting_costs_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let found = |name: &str, options: &[&str]| {
        let at = dir.path().join(name).to_str().unwrap().to_owned();
        let new = jurat(["council", "new", &at, "--members", "1"].iter().chain(options));
        let genesis = fs::read(dir.path().join(name).join("genesis.json"));
        (new.code, genesis.ok().map(|text| serde_json::from_slice::<Value>(&text).unwrap()["work"].clone()))
    };
    let default = json!({
        "algorithm": "tapehash1", "code_size": 64, "rule": "zero_bits", "bulletins": 7, "messages": 1,
    });
    assert_eq!(found("plain", &[]), (Some(0), Some(default)));
    let options =
        ["--algorithm", "tapehash3", "--code-size", "20", "--rule", "linear", "--bulletin-effort", "9"];
    let work = json!({
        "algorithm": "tapehash3", "code_size": 20, "tape_size_multiplier": 2, "rule": "linear",
        "bulletins": 9, "messages": 2,
    });
    assert_eq!(found("other", &options), (Some(0), Some(work)));
    let work = json!({ "algorithm": "equihash", "rule": "zero_bits", "bulletins": 7, "messages": 1 });
    assert_eq!(found("open", &["--algorithm", "equihash"]), (Some(0), Some(work)));
    let equihash = |more: [&'static str; 2]| found("no", &["--algorithm", "equihash", more[0], more[1]]);
    assert_eq!(equihash(["--code-size", "64"]), (Some(2), None));
    assert_eq!(equihash(["--tape-size-multiplier", "2"]), (Some(2), None));
    assert_eq!(equihash(["--bulletin-effort", "32"]), (Some(2), None));
    assert_eq!(found("endless", &["--bulletin-effort", "41"]), (Some(2), None));
    assert_eq!(found("wrong", &["--tape-size-multiplier", "2"]), (Some(2), None));
}

#[test]
fn who_is_trusted_pays_less_and_nobody_passes_for_them() {
    let council = Council::start();
    let (node, own) = (council.url(0), path(&council.members()[0].dir));
    let price = |sender: &[&str]| {
        let price = ["topic", "price", "weather", "--node", &node, "--json"];
        jurat(price.iter().chain(sender)).success().json()
    };
    assert_eq!(price(&[])["effort"], 7);
    let trusted = price(&["--as", "fed:node-1"]);
    assert_eq!((&trusted["effort"], &trusted["trust"]), (&Value::from(4), &Value::from(10_000)));
    let stranger = price(&["--as", "fed:node-2"]);
    assert_eq!((&stranger["effort"], &stranger["trust"]), (&Value::from(7), &Value::from(0)));
    let post = |text: &str, sender: &str, key: &str| {
        let post = ["topic", "post", "weather", "--node", &node, "--json", "--text", text];
        jurat(post.iter().chain(&["--as", sender, "--key", key]))
    };
    assert_eq!(post("snow", "fed:node-1", own).success().json()["effort"], 4);
    // The others take it from a member.
    until_read(&council, 3, "weather", &["snow"]);
    let other = path(&council.members()[1].dir);
    assert_eq!(post("rain", "fed:node-2", other).success().json()["effort"], 7);
    let forged = post("hail", "fed:node-1", other);
    assert!(forged.code == Some(1) && forged.stderr.contains("no key in use of fed:node-1"), "{forged:?}");
    until_read(&council, 3, "weather", &["rain", "snow"]);
    // Less work and no name, or half of one.
    let rules = Rules::new(council.network());
    let cheap = stamped_posting(&rules, topic("weather"), unix_seconds(), b"fog", 4);
    let answer = council.http(0).post(POST, "application/octet-stream", &cheap).unwrap();
    assert_eq!((answer.status, &answer.json()["price"]), (422, &Value::from(7)), "{}", answer.text());
    for query in ["sender=fed:node-1", "sender=?", "sender=fed:node-1&key=00&signature=00", "x=y"] {
        let answer = council.http(0).post(&format!("{POST}?{query}"), "application/octet-stream", &cheap);
        assert_eq!(answer.unwrap().status, 400, "{query}");
    }
}
