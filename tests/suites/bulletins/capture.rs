//! Every byte on every link and every file of every node, searched for what was said, and by whom.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use data_encoding::{BASE64, HEXLOWER};
use jurat_tests::{Council, PATIENCE, until, until_true};

use super::{
    letters::{SECRET, inbox, send_with, sent, until_arrived},
    posted, until_read,
};

/// A bulletin: everybody may read it, so it is on every disk, but on no wire.
const PUBLIC: &str = "a bulletin about the weather in autumn";

/// A connection between two nodes, listened in to.
struct Wire {
    address: String,
    /// What who dialled said, and what they heard.
    said: [Arc<Mutex<Vec<u8>>>; 2],
}

impl Wire {
    /// Passes connections on to another address, and keeps every byte of both directions.
    fn to(peer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let said = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
        let keep = said.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(near), Ok(far)) = (stream, TcpStream::connect(&peer)) else { continue };
                let ways = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
                for ((from, to), keep) in ways.into_iter().zip(keep.clone()) {
                    let (mut from, mut to) = (from.unwrap(), to.unwrap());
                    thread::spawn(move || {
                        let mut buffer = [0; 4096];
                        while let Ok(length @ 1..) = from.read(&mut buffer) {
                            keep.lock().unwrap().extend_from_slice(&buffer[..length]);
                            if to.write_all(&buffer[..length]).is_err() {
                                return;
                            }
                        }
                    });
                }
            }
        });
        Self { address, said }
    }

    fn bytes(&self) -> [Vec<u8>; 2] {
        self.said.clone().map(|said| said.lock().unwrap().clone())
    }
}

/// Four nodes of which each link goes over a wire that is listened in to; the first is that from node 1
/// to node 2.
fn overheard() -> (Council, Vec<Wire>) {
    let council = Council::found();
    let mut wires = Vec::new();
    for dials in 0..4 {
        // The member with the lower id dials.
        for peer in &council.members()[dials + 1..] {
            let config = council.members()[dials].dir.join("node.toml");
            let (text, peer) = (fs::read_to_string(&config).unwrap(), peer.peer.to_string());
            assert!(text.contains(&peer));
            let wire = Wire::to(peer.clone());
            fs::write(&config, text.replace(&peer, &wire.address)).unwrap();
            wires.push(wire);
        }
    }
    (0..4).for_each(|member| council.run(member));
    council.until_connected();
    (council, wires)
}

/// Whether bytes hold a text, as it is, in hexadecimal, or in base64, however it is aligned there.
pub(super) fn holds(bytes: &[u8], text: &str) -> bool {
    // Whatever stands before and after changes the characters at both ends.
    let encoded = (0..3).map(|shift| BASE64.encode(&[&vec![0; shift], text.as_bytes()].concat()));
    let inside =
        encoded.filter_map(|encoded| Some(encoded.get(4..encoded.len().checked_sub(4)?)?.to_owned()));
    let parts =
        inside.filter(|part| part.len() >= 8).chain([text.to_owned(), HEXLOWER.encode(text.as_bytes())]);
    parts.into_iter().any(|part| bytes.windows(part.len()).any(|found| found == part.as_bytes()))
}

/// Whether bytes hold any twelve characters of the secret that follow each other, from every fourth on.
fn holds_a_part_of_it(bytes: &[u8]) -> bool {
    (0..SECRET.len() - 12).step_by(4).any(|start| holds(bytes, &SECRET[start..start + 12]))
}

fn files(dir: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let kind = fs::symlink_metadata(&path).unwrap().file_type();
        if kind.is_dir() {
            files(&path, look);
        } else if kind.is_file() {
            look(&path, &fs::read(&path).unwrap());
        }
    }
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
