//! The peer port: whoever does not speak the protocol, is no member, or is one and sends what no
//! member sends, is turned away and counted; the node and its council go on.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a suite fails by panicking")]

mod frames;
mod handshakes;

use std::{
    io::Read,
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use jurat::core::Genesis;
use jurat_crypto::{NetworkId, Seed};
use jurat_tests::{Attestor, Council, PATIENCE, until};

/// Who is attacked, and who no longer runs, so that its key can be used.
const NODE: usize = 0;
const STOPPED: usize = 3;

/// A council of which one member is down.
fn council_of_three() -> Council {
    let council = Council::start();
    council.kill(STOPPED);
    attest(&council, "before");
    council
}

fn peer(council: &Council) -> SocketAddr {
    council.members()[NODE].peer
}

fn connect(council: &Council) -> TcpStream {
    let stream = TcpStream::connect(peer(council)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn network(council: &Council) -> NetworkId {
    let file = std::fs::read(council.members()[NODE].dir.join("genesis.json")).unwrap();
    serde_json::from_slice::<Genesis>(&file).unwrap().network()
}

fn stranger() -> Seed {
    Seed::from_bytes(rand::random())
}

/// How often something happened on the node's links.
fn count(council: &Council, event: &str) -> u64 {
    council.metric(NODE, &format!("jurat_links_total{{event=\"{event}\"}}"))
}

/// Waits until the node closed a connection; what it sent before.
#[track_caller]
fn until_closed(mut stream: &TcpStream) -> Vec<u8> {
    let mut sent = Vec::new();
    match stream.read_to_end(&mut sent) {
        Ok(_) => sent,
        // Closed with bytes of ours unread.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => sent,
        Err(error) => panic!("the node did not close the connection: {error}"),
    }
}

/// Does something that the node must count under one event so many times, and then goes on as ever.
#[track_caller]
fn counted(council: &Council, event: &str, times: u64, attack: impl FnOnce()) {
    let before = count(council, event);
    attack();
    until(&format!("{times} more {event}"), || {
        let more = count(council, event) - before;
        if more >= times { Ok(()) } else { Err(format!("{more}")) }
    });
    attest(council, &format!("after {event}"));
}

/// The node and its council do their work.
#[track_caller]
fn attest(council: &Council, file: &str) {
    let envelope = Attestor::named("lab.example/ana").attest(file).to_envelope();
    let path = "/api/v1/attestations?wait=receipt";
    let answer = council.http(NODE).post(path, "application/json", envelope.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The one that was stopped comes back, and all have one log.
#[track_caller]
fn assert_whole(council: &Council) {
    council.run(STOPPED);
    council.until_connected();
    let size = council.until_same_log(1);
    council.same_tiles(size);
}

/// Long enough for a client that wants to be slow, far below any deadline of the suite.
const MOMENT: Duration = Duration::from_millis(50);
