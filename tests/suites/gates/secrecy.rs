//! Every byte on every link and every file of every node, searched for what was said, and where.

use std::{fs, os::unix::fs::PermissionsExt, sync::Arc};

use jurat_store::{BulletinStore, DataDir, StdFs};
use jurat_tests::{
    Council, until_true,
    wire::{files, holds, overheard},
};

use super::{NAME, gate, invite, post, until_epoch, until_posts};

const SECRET: &str = "the envelope is under the third stone";

/// Looks at all files of all nodes, and at all that they logged.
fn nothing_is_on_any_disk(council: &Council) {
    let mut looked = 0;
    for member in council.members() {
        files(&member.dir, &mut |file, bytes| {
            looked += 1;
            for text in [SECRET, &SECRET[13..30], NAME, &NAME[0..12]] {
                assert!(!holds(bytes, text), "{text} in {}", file.display());
            }
        });
        for dir in ["data/owner", "data/owner/prekeys", "data/owner/storage-keys"] {
            let dir = member.dir.join(dir);
            assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
            for file in fs::read_dir(dir).unwrap().map(Result::unwrap) {
                let metadata = file.metadata().unwrap();
                assert!(!metadata.is_file() || metadata.permissions().mode() & 0o777 == 0o600);
            }
        }
    }
    assert!(looked >= 32, "{looked} files");
    assert!((0..4).all(|member| !holds(council.log(member).as_bytes(), SECRET)));
}

#[test]
fn nothing_of_a_gate_is_readable_on_any_disk_or_wire() {
    let (council, wires) = overheard();
    gate(&council, 0, &["create", NAME]).success();
    invite(&council, 0, &["node-2", "node-3"]);
    until_epoch(&council, 1, &[0, 1, 2]);
    post(&council, 0, SECRET);
    // It waits for its readers.
    for member in [1, 2] {
        until_posts(&council, member, &[("node-1", SECRET)]);
    }
    nothing_is_on_any_disk(&council);
    gate(&council, 1, &["read"]).success();
    nothing_is_on_any_disk(&council);
    for (number, wire) in wires.iter().enumerate() {
        let heard = wire.bytes().concat();
        assert!(heard.len() > 2_000, "only {} bytes were heard on wire {number}", heard.len());
        for text in [SECRET, NAME].into_iter().chain(council.members().iter().map(|member| &*member.name)) {
            assert!(!holds(&heard, text), "{text} on wire {number}");
        }
    }
}

/// The lengths of what a node keeps for all, and of what it keeps for its own gates.
fn stored(council: &Council, member: usize) -> [Vec<usize>; 2] {
    let data = council.members()[member].dir.join("data");
    council.kill(member);
    let dir = DataDir::open(Arc::new(StdFs), &data, council.network()).unwrap();
    let store = BulletinStore::open(&dir).unwrap();
    let (mut items, mut secret) = (Vec::new(), Vec::new());
    store
        .read_mail(|name, value| match name[0] {
            4 => items.push(value.len()),
            5 | 6 => secret.push(value.len()),
            _ => {}
        })
        .unwrap();
    items.sort_unstable();
    [items, secret]
}

#[test]
fn who_is_not_in_a_gate_keeps_its_messages_and_learns_neither_how_long_they_are_nor_for_whom() {
    let council = Council::start();
    gate(&council, 0, &["create", NAME]).success();
    invite(&council, 0, &["node-2"]);
    until_epoch(&council, 1, &[0, 1]);
    let kept = || council.metric(3, "jurat_gate_items");
    // A commit and an invitation.
    until_true("node 4 to keep them", || kept() == 2);
    post(&council, 0, "x");
    post(&council, 1, &"x".repeat(100));
    until_true("node 4 to keep them", || kept() == 4);
    assert_eq!(council.metric(3, "jurat_gate_posts_total"), 0);
    let [items, secret] = stored(&council, 3);
    assert!(secret.is_empty(), "it is in no gate");
    assert!(items.len() == 4 && items[0] == items[1], "{items:?}");
    // Over HTTP there is no more than that something is kept.
    let description = council.http(2).get("/openapi.json").unwrap().json();
    let paths = description["paths"].as_object().unwrap().keys().filter(|path| !path.contains('{'));
    for path in paths.filter(|path| *path != "/api/v1/events") {
        let answer = council.http(2).get(path).unwrap();
        assert!(!holds(answer.text().as_bytes(), NAME), "{path}");
        let is_metrics = path == "/metrics";
        assert!(is_metrics || path == "/openapi.json" || !answer.text().contains("gate_"), "{path}");
    }
}
