//! Bulletins in a council of real nodes: posted at one, read at all, kept, paid for, and never taken
//! if they are bad.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod anybody;
mod capture;
mod equihash;
mod hostile;
mod hostile_letters;
mod letters;
mod passing;
mod prices;
mod reading;
mod saying_again;

use std::fs;

use jurat_bulletin::Rules;
use jurat_tests::{Answer, Council, stamped_posting, topic, unix_seconds, until};
use serde_json::Value;

const POST: &str = "/api/v1/bulletins";

fn rules(council: &Council) -> Rules {
    Rules::new(council.network())
}

/// Founds a council with rules of its own about work.
fn founded_with(work: &Value) -> Council {
    let council = Council::found();
    for member in council.members() {
        let file = member.dir.join("genesis.json");
        let mut genesis: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        genesis["work"] = work.clone();
        fs::write(file, genesis.to_string()).unwrap();
    }
    council
}

fn post(council: &Council, member: usize, posting: &[u8]) -> Answer {
    council.http(member).post(POST, "application/octet-stream", posting).unwrap()
}

/// Posts something that is taken.
#[track_caller]
fn posted(council: &Council, member: usize, name: &str, content: &str) -> Value {
    let posting = stamped_posting(&rules(council), topic(name), unix_seconds(), content.as_bytes(), 7);
    let answer = post(council, member, &posting);
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()
}

/// What a node has of a topic.
fn read(council: &Council, member: usize, name: &str) -> Vec<String> {
    let answer = council.http(member).get(&format!("/api/v1/topics/{}?limit=1000", topic(name).0)).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
    let content = |bulletin: &Value| {
        let content = data_encoding::BASE64.decode(bulletin["content"].as_str().unwrap().as_bytes()).unwrap();
        String::from_utf8(content).unwrap()
    };
    answer.json()["bulletins"].as_array().unwrap().iter().map(content).collect()
}

/// Waits until a node has these bulletins of a topic, each once.
#[track_caller]
fn until_read(council: &Council, member: usize, name: &str, contents: &[&str]) {
    until(&format!("bulletins at node {}", member + 1), || {
        let mut read = read(council, member, name);
        read.sort();
        if read == contents { Ok(()) } else { Err(format!("{read:?}")) }
    });
}

/// How many bulletins a node refused for a reason.
fn refused(council: &Council, member: usize, reason: &str) -> u64 {
    let metrics = council.http(member).get("/metrics").unwrap();
    let name = format!("jurat_bulletins_refused_total{{reason=\"{reason}\"}} ");
    let line = metrics.text().lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    line.unwrap_or(0)
}
