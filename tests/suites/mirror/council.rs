//! The mirror of a council whose members change: it goes along, by proven links alone.

use std::{fs, path::Path};

use jurat_tests::{Attestor, Council, Node, Ports, jurat, path, until, until_true};
use serde_json::Value;

use super::{Mirror, attest, hex};

/// Has members sign a change, and hands it in.
fn change(change: &str, signers: &[&Path], node: &str) {
    for signer in signers {
        jurat(["council", "sign", change, path(signer)]).success();
    }
    jurat(["council", "submit", change, "--node", node]).success();
}

fn until_epoch(mirror: &Mirror, epoch: u64, least: u64) {
    until(&format!("epoch {epoch} with {least} entries"), || {
        let shown = mirror.shown();
        let is = shown["epoch"] == epoch && shown["log_size"].as_u64() >= Some(least);
        if is { Ok(()) } else { Err(format!("{shown}\n{}", mirror.log())) }
    });
}

fn until_receipt(council: &Council, file: &str) {
    let envelope = Attestor::named("lab.example/ana").attest(file).to_envelope();
    let target = "/api/v1/attestations?wait=receipt";
    until_true("a receipt", || {
        let answer = council.http(1).post(target, "application/json", envelope.as_bytes());
        answer.is_ok_and(|answer| answer.status == 200)
    });
}

#[test]
fn a_mirror_goes_along_with_a_council_that_changes() {
    let council = Council::start();
    let members = council.members();
    let dirs: Vec<&Path> = members.iter().map(|member| &*member.dir).collect();
    let (network, node) = (council.network().0.to_string(), council.url(1));
    attest(&council, 0..20);
    council.until_same_log(20);

    // Whoever names the council's id may take its history from anybody.
    let mut mirror = Mirror::new();
    let follow = ["mirror", "add", path(mirror.path()), &node, "--council", &node, "--json", "--network"];
    let other = network.replace(|digit: char| digit.is_ascii_digit(), "0");
    assert_eq!(jurat(follow.iter().chain(&[&*other])).code, Some(1));
    let added = jurat(follow.iter().chain(&[&*network])).success().json();
    assert_eq!((&added["network"], &added["epoch"]), (&Value::from(&*network), &0.into()));
    mirror.start();
    until_epoch(&mirror, 0, 20);
    // One follows its copy from the genesis on, and one trusts the first members for ever.
    let (copy, genesis) = (format!("http://{}/logs/{}", mirror.address, hex(council.origin())), dirs[0]);
    let genesis = genesis.join("genesis.json");
    let mut second = Mirror::new();
    jurat(["mirror", "add", path(second.path()), &copy, "--council", path(&genesis)]).success();
    second.start();
    let mut stiff = Mirror::new();
    stiff.add(council.policy_path(), &[&copy]).success();
    stiff.start();
    stiff.until_size(20);

    // One joins, one leaves, and one dies: without it the first policy's quorum is not to be had.
    let (ports, paper) = (Ports::reserve(), council.dir().join("paper"));
    let [peer, http] = [1, 0].map(|port| format!("127.0.0.1:{}", ports.base() + port));
    let join = ["council", "join", path(&paper), "--name", "paper", "--council", path(dirs[0])];
    let joins = jurat(join.iter().chain(&["--peer", &peer, "--http", &http, "--json"])).success().json();
    change(joins["change"].as_str().unwrap(), &dirs[..3], &node);
    let _newcomer = Node::start(&[], &paper, &council.dir().join("paper.log"), |_| {});
    // The size at which an epoch ends is its own: the next one begins with the next entry.
    until_receipt(&council, "after one joined");
    until_epoch(&mirror, 1, 22);
    let leave = council.dir().join("leave.change");
    let leaves = ["council", "leave", "--member", "node-1", "--council", &node, "-o", path(&leave)];
    jurat(leaves).success();
    change(path(&leave), &[dirs[1], dirs[2], dirs[3], &paper], &node);
    until_true("node-1 to leave", || {
        council.status(0).is_some_and(|status| status["role"] == "former member")
    });
    council.kill(2);
    until_receipt(&council, "after one left");
    let grown = council.status(1).unwrap()["log_size"].as_u64().unwrap();
    until_epoch(&mirror, 2, grown);
    until_epoch(&second, 2, grown);
    // It remembers, also when nobody is left to tell.
    mirror.kill();
    for member in council.running() {
        council.kill(member);
    }
    mirror.start();
    until_epoch(&mirror, 2, grown);
    until("the old policy to be too old", || {
        let source = stiff.shown()["sources"][0].clone();
        let error = source["last_error"].as_str().unwrap_or_default();
        if error.contains("2 of the 3 needed cosignatures") { Ok(()) } else { Err(source.to_string()) }
    });
    assert!(stiff.shown()["log_size"].as_u64() < Some(grown));

    // A history that was altered, one of another council, and none: each named, and nothing is taken.
    let copied = mirror.copy(council.origin());
    let history = fs::read_to_string(copied.join("api/v1/council")).unwrap();
    for (told, said) in [
        (Some(history.replacen("\"paper\"", "\"pager\"", 1)), "the file was altered"),
        (Some("{}".into()), "not a council's history"),
        (None, "the source has no history of it"),
    ] {
        match told {
            Some(told) => fs::write(copied.join("api/v1/council"), told).unwrap(),
            None => fs::remove_file(copied.join("api/v1/council")).unwrap(),
        }
        let new = Mirror::new();
        jurat(["mirror", "add", path(new.path()), path(&copied), "--council", path(&genesis)]).success();
        let synced = jurat(["mirror", "sync", path(new.path()), "--json"]);
        assert_eq!((synced.code, &synced.json()["log_size"]), (Some(3), &Value::Null), "{said}");
        let error = synced.json()["sources"][0]["last_error"].clone();
        assert!(error.as_str().unwrap().contains(said), "{error}");
    }
}
