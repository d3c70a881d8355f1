//! A door before a node that counts who asks for what.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

/// Passes connections on to a node, and notes the request lines.
pub(crate) struct Relay {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Relay {
    pub(crate) fn before(node: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let noted = asked.clone();
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(server) = TcpStream::connect(node) else { continue };
                let (back, answers, noted) =
                    (client.try_clone().unwrap(), server.try_clone().unwrap(), noted.clone());
                thread::spawn(move || pass(answers, back, |_| {}));
                thread::spawn(move || {
                    let mut seen = Vec::new();
                    pass(client, server, |bytes| {
                        seen.extend_from_slice(bytes);
                        while let Some(end) = seen.iter().position(|byte| *byte == b'\n') {
                            let line = String::from_utf8_lossy(&seen[..end]).into_owned();
                            seen.drain(..=end);
                            if let Some(request) = line.trim_end().strip_suffix(" HTTP/1.1") {
                                noted.lock().unwrap().push(request.into());
                            }
                        }
                    });
                });
            }
        });
        Self { url, asked }
    }

    /// All requests but those for the checkpoint, by which a follower keeps up.
    pub(crate) fn asked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| *request != "GET /checkpoint").cloned().collect()
    }

    /// How often the checkpoint was asked for.
    pub(crate) fn rounds(&self) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|request| *request == "GET /checkpoint").count()
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, mut note: impl FnMut(&[u8])) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(read) = from.read(&mut buffer) {
        note(&buffer[..read]);
        if read == 0 || to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(std::net::Shutdown::Write);
}
