//! Every byte on every link and every file of every node, searched for what was said, and by whom.

use std::{
    fs,
    io::{Read, Write},
    net::TcpStream,
    os::unix::fs::PermissionsExt,
};

use data_encoding::BASE64;
use jurat_tests::{
    Council, PATIENCE, until, until_true,
    wire::{files, holds, overheard},
};

use super::{
    letters::{SECRET, inbox, send_with, sent, until_arrived},
    posted, until_read,
};

/// A bulletin: everybody may read it, so it is on every disk, but on no wire.
const PUBLIC: &str = "a bulletin about the weather in autumn";

/// Whether bytes hold any twelve characters of the secret that follow each other, from every fourth on.
fn holds_a_part_of_it(bytes: &[u8]) -> bool {
    (0..SECRET.len() - 12).step_by(4).any(|start| holds(bytes, &SECRET[start..start + 12]))
}

/// Looks at all files of all nodes, and at all that they logged. What is public is found there.
fn nothing_is_on_any_disk(council: &Council) {
    let (mut looked, mut found) = (0, 0);
    for member in council.members() {
        files(&member.dir, &mut |file, bytes| {
            looked += 1;
            found += usize::from(holds(bytes, PUBLIC));
            assert!(!holds_a_part_of_it(bytes), "{}", file.display());
            let is_mail = file.file_name().unwrap() == "bulletins.redb";
            let named = |name: &str| is_mail && holds(bytes, name);
            assert!(!council.members().iter().any(|member| named(&member.name)), "{}", file.display());
        });
        let private = member.dir.join("data/owner");
        assert_eq!(fs::metadata(&private).unwrap().permissions().mode() & 0o777, 0o700);
        for secret in fs::read_dir(private.join("prekeys")).unwrap() {
            assert_eq!(secret.unwrap().metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert!(looked >= 32 && found >= 4, "{looked} files, {found} with what is public");
    assert!((0..4).all(|member| !holds_a_part_of_it(council.log(member).as_bytes())));
}

#[test]
fn nothing_of_a_message_is_readable_on_any_disk_or_wire() {
    let said = |what: &str| format!("..{}", BASE64.encode(format!("a{what}").as_bytes()));
    assert!(holds(said(SECRET).as_bytes(), SECRET));
    assert!(holds_a_part_of_it(said(&SECRET[7..26]).as_bytes()), "any nineteen characters are noticed");
    let (council, wires) = overheard();
    posted(&council, 0, "weather", PUBLIC);
    for member in 0..4 {
        until_read(&council, member, "weather", &[PUBLIC]);
    }
    sent(&council, 0, 1, SECRET);
    until_arrived(&council, 1, 0, SECRET);
    until_true("everybody to have dropped it", || {
        (0..4).all(|member| council.metric(member, "jurat_mail_spooled") == 0)
    });
    // While one waits for who is down, all others have it on disk.
    council.kill(3);
    until("a prekey", || {
        let sent = send_with(&council, 0, 3, SECRET, &["--ordered"]);
        if sent.code == Some(0) { Ok(()) } else { Err(sent.stderr) }
    });
    until_true("all to have it", || (0..3).all(|member| council.metric(member, "jurat_mail_spooled") == 1));
    assert_eq!(council.until_same_log(1), 1);
    nothing_is_on_any_disk(&council);
    council.run(3);
    council.until_answers(3);
    until_arrived(&council, 3, 0, SECRET);
    nothing_is_on_any_disk(&council);
    for (number, wire) in wires.iter().enumerate() {
        let heard = wire.bytes().concat();
        assert!(heard.len() > 2_000, "only {} bytes were heard on wire {number}", heard.len());
        assert!(!holds_a_part_of_it(&heard) && !holds(&heard, PUBLIC), "on wire {number}");
        assert!(!council.members().iter().any(|member| holds(&heard, &member.name)), "on wire {number}");
    }
    // What was overheard, said again to the node that it was said to: a stranger's nonsense.
    let [dialler, _] = wires[0].bytes();
    let failed = || council.metric(1, "jurat_links_total{event=\"bad_handshake\"}");
    let before = failed();
    let mut again = TcpStream::connect(council.members()[1].peer).unwrap();
    again.set_read_timeout(Some(PATIENCE)).unwrap();
    // The node closes before it has taken all of it.
    let _ = again.write_all(&dialler);
    let _ = again.read_to_end(&mut Vec::new());
    until_true("it to be turned away", || failed() == before + 1);
    assert_eq!(inbox(&council, 1).len(), 1);
}
