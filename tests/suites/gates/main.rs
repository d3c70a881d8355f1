//! Gates of real nodes: made, entered, spoken in, changed by several at once, left, and never read by
//! anybody else.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

mod away;
mod hostile;
mod secrecy;
mod using;

use data_encoding::BASE64;
use jurat_tests::{Council, Finished, jurat, path, until};
use serde_json::Value;

/// What the gate of each test is called.
const NAME: &str = "snow on the pass";

fn gate(council: &Council, member: usize, command: &[&str]) -> Finished {
    let (command, rest) = command.split_first().unwrap();
    let dir = path(&council.members()[member].dir);
    jurat(["gate", command, dir].iter().chain(rest).chain(&["--json"]))
}

/// Who is invited has to have published a package, and who invites to know it.
#[track_caller]
fn invite(council: &Council, member: usize, invited: &[&str]) -> Value {
    until("key packages", || {
        let invited = gate(council, member, &[&["invite", NAME], invited].concat());
        if invited.code == Some(0) { Ok(invited.json()) } else { Err(invited.stderr) }
    })
}

#[track_caller]
fn post(council: &Council, member: usize, text: &str) {
    gate(council, member, &["post", NAME, "--text", text]).success();
}

/// The gate as a node has it, if it has it.
fn seen(council: &Council, member: usize) -> Option<Value> {
    gate(council, member, &["list"]).success().json_lines().into_iter().next()
}

/// Waits until these nodes, and no others, are in the same epoch of the gate.
#[track_caller]
fn until_epoch(council: &Council, epoch: u64, members: &[usize]) {
    until_epoch_at(council, epoch, members, members);
}

/// The same, as some of them have it.
#[track_caller]
fn until_epoch_at(council: &Council, epoch: u64, members: &[usize], at: &[usize]) {
    let names: Vec<&str> = members.iter().map(|member| &*council.members()[*member].name).collect();
    for member in at {
        until(&format!("epoch {epoch} at node {}", member + 1), || {
            let gate = seen(council, *member).unwrap_or_default();
            let is_so = gate["epoch"] == epoch && gate["members"] == Value::from(names.clone());
            if is_so && gate["change_waits"] == false { Ok(()) } else { Err(gate.to_string()) }
        });
    }
}

/// What waits for a node's reader, which stays there.
fn notes(council: &Council, member: usize) -> Vec<Value> {
    gate(council, member, &["read", "--keep"]).success().json_lines()
}

/// The posts among it: who, and what.
fn posts(council: &Council, member: usize) -> Vec<(String, String)> {
    let posts = notes(council, member).into_iter().filter(|note| note["kind"] == "post");
    let text = |note: Value| {
        let content = BASE64.decode(note["content"].as_str().unwrap().as_bytes()).unwrap();
        (note["from"].as_str().unwrap().to_owned(), String::from_utf8(content).unwrap())
    };
    posts.map(text).collect()
}

/// Waits until these posts wait for a node's reader, each once, in any order.
#[track_caller]
fn until_posts(council: &Council, member: usize, expected: &[(&str, &str)]) {
    let own = |(from, text): &(&str, &str)| ((*from).to_owned(), (*text).to_owned());
    let mut expected: Vec<_> = expected.iter().map(own).collect();
    expected.sort();
    until(&format!("posts at node {}", member + 1), || {
        let mut posts = posts(council, member);
        posts.sort();
        if posts == expected { Ok(()) } else { Err(format!("{posts:?}")) }
    });
}
