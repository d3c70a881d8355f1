//! Listening in: every byte on the links of a council, and every file on its disks.

use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{Arc, Mutex},
    thread,
};

use data_encoding::{BASE64, HEXLOWER};

use crate::Council;

/// A connection between two nodes, listened in to.
#[derive(Debug)]
pub struct Wire {
    address: String,
    /// What who dialled said, and what they heard.
    said: [Arc<Mutex<Vec<u8>>>; 2],
}

impl Wire {
    /// Passes connections on to another address, and keeps every byte of both directions.
    fn to(peer: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound").to_string();
        let said = [(); 2].map(|()| Arc::new(Mutex::new(Vec::new())));
        let keep = said.clone();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(near), Ok(far)) = (stream, TcpStream::connect(&peer)) else { continue };
                let ways = [(near.try_clone(), far.try_clone()), (Ok(far), Ok(near))];
                for ((from, to), keep) in ways.into_iter().zip(keep.clone()) {
                    let (mut from, mut to) = (from.expect("a socket"), to.expect("a socket"));
                    thread::spawn(move || {
                        let mut buffer = [0; 4096];
                        while let Ok(length @ 1..) = from.read(&mut buffer) {
                            keep.lock().expect("no thread panics").extend_from_slice(&buffer[..length]);
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

    /// What was said so far, by who dialled and by who was dialled.
    #[must_use]
    pub fn bytes(&self) -> [Vec<u8>; 2] {
        self.said.clone().map(|said| said.lock().expect("no thread panics").clone())
    }
}

/// Four nodes of which each link goes over a wire that is listened in to; the first is that from node 1
/// to node 2.
#[must_use]
pub fn overheard() -> (Council, Vec<Wire>) {
    let council = Council::found();
    let mut wires = Vec::new();
    for dials in 0..4 {
        // The member with the lower id dials.
        for peer in &council.members()[dials + 1..] {
            let config = council.members()[dials].dir.join("node.toml");
            let (text, peer) = (fs::read_to_string(&config).expect("a configuration"), peer.peer.to_string());
            assert!(text.contains(&peer));
            let wire = Wire::to(peer.clone());
            fs::write(&config, text.replace(&peer, &wire.address)).expect("a configuration");
            wires.push(wire);
        }
    }
    (0..4).for_each(|member| council.run(member));
    council.until_connected();
    (council, wires)
}

/// Whether bytes hold a text, as it is, in hexadecimal, or in base64, however it is aligned there.
#[must_use]
pub fn holds(bytes: &[u8], text: &str) -> bool {
    // Whatever stands before and after changes the characters at both ends.
    let encoded = (0..3).map(|shift| BASE64.encode(&[&vec![0; shift], text.as_bytes()].concat()));
    let inside =
        encoded.filter_map(|encoded| Some(encoded.get(4..encoded.len().checked_sub(4)?)?.to_owned()));
    let parts =
        inside.filter(|part| part.len() >= 8).chain([text.to_owned(), HEXLOWER.encode(text.as_bytes())]);
    parts.into_iter().any(|part| bytes.windows(part.len()).any(|found| found == part.as_bytes()))
}

/// Looks at every file below a directory.
pub fn files(dir: &Path, look: &mut impl FnMut(&Path, &[u8])) {
    for entry in fs::read_dir(dir).expect("a directory") {
        let path = entry.expect("an entry").path();
        let kind = fs::symlink_metadata(&path).expect("a file").file_type();
        if kind.is_dir() {
            files(&path, look);
        } else if kind.is_file() {
            look(&path, &fs::read(&path).expect("a file"));
        }
    }
}
