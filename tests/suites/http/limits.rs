//! Bodies, connections and patience have limits.

use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use jurat_tests::{Answer, Council, Http, until, until_true};

use super::{ATTESTATIONS, JSON, NDJSON, WAIT, ana, assert_problem, raw};

#[test]
fn bodies_beyond_the_limit_are_refused_unread() {
    let council = Council::start();
    let http = council.http(0);
    // Said to be too large: answered before a byte of it is sent.
    let head = format!(
        "POST {ATTESTATIONS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        (16 << 20) + 1
    );
    let answer = Answer::parse(raw(http, head.as_bytes()).as_bytes()).unwrap();
    assert_problem(&answer, 413);
    // Not said, and too large: cut off.
    let mut stream = http.connect().unwrap();
    write!(stream, "POST {ATTESTATIONS} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
    let sent = (0..1024).take_while(|_| stream.write_all(&chunk).is_ok()).count();
    assert!(sent < 1024, "64 MiB went into a request of at most 16 MiB");
    // Many at once, each within the limit: refused or answered, and the node goes on.
    let full = vec![b' '; 16 << 20];
    thread::scope(|scope| {
        for _ in 0..24 {
            scope.spawn(|| {
                let answer = http.post(ATTESTATIONS, NDJSON, &full);
                // Whoever is refused may find the connection closed before it has sent everything.
                assert!(answer.is_err() || matches!(answer.unwrap().status, 400 | 503));
            });
        }
    });
    assert_eq!(http.post(WAIT, JSON, ana().attest("one").to_envelope().as_bytes()).unwrap().status, 200);
}

#[test]
fn connections_are_bounded() {
    let council = Council::found();
    for member in 0..4 {
        council.run_with(member, |command| {
            command.args(["--http-max-connections", "24"]);
        });
    }
    council.until_connected();
    let http = council.http(0);

    // As many as there may be are served side by side.
    thread::scope(|scope| {
        for client in 0..20 {
            let http = council.http(1);
            scope.spawn(move || {
                let file = ana().attest(&format!("client {client}")).to_envelope();
                assert_eq!(http.post(WAIT, JSON, file.as_bytes()).unwrap().status, 200);
            });
        }
    });
    assert_eq!(council.until_same_log(20), 20);

    // Whoever holds more of them keeps others out, is counted, and lets them in again by going.
    let held: Vec<TcpStream> = (0..64).map_while(|_| http.connect().ok()).collect();
    until_true("connections to be refused", || http.get("/healthz").is_err());
    drop(held);
    until_true("connections to be served again", || http.get("/healthz").is_ok());
    assert!(council.metric(0, "jurat_http_refused_total{reason=\"connection\"}") > 0);
    // The council did not notice.
    assert_eq!(
        council.http(3).post(WAIT, JSON, ana().attest("one more").to_envelope().as_bytes()).unwrap().status,
        200
    );
}

/// A client that sends so slowly that it would hold a connection for ever.
fn drip(http: Http, begin: &str, drop: &[u8]) -> String {
    let mut stream = http.connect().unwrap();
    stream.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    stream.write_all(begin.as_bytes()).unwrap();
    let mut answer = Vec::new();
    until("a slow client to be cut off", || {
        let mut bytes = [0; 1024];
        match stream.read(&mut bytes) {
            Ok(0) => return Ok(()),
            Ok(read) => answer.extend_from_slice(&bytes[..read]),
            Err(error)
                if matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) => {}
            Err(_) => return Ok(()),
        }
        let _ = stream.write_all(drop);
        Err("it is still served".into())
    });
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn slow_clients_are_cut_off_and_others_served() {
    let council = Council::start();
    let http = council.http(0);
    thread::scope(|scope| {
        let slow = [
            // A header that never ends; its first line; a body; and nothing at all.
            scope.spawn(move || drip(http, "GET / HTTP/1.1\r\nX: ", b"x")),
            scope.spawn(move || drip(http, "G", b"E")),
            scope.spawn(move || {
                drip(
                    http,
                    "POST /api/v1/attestations HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
                    b" ",
                )
            }),
            scope.spawn(move || drip(http, "", b"")),
        ];
        let mut served = 0;
        until_true("slow clients to go", || {
            let file = ana().attest(&format!("meanwhile {served}")).to_envelope();
            assert_eq!(http.post(WAIT, JSON, file.as_bytes()).unwrap().status, 200);
            served += 1;
            slow.iter().all(thread::ScopedJoinHandle::is_finished)
        });
        let [_, _, body, _] = slow.map(|thread| thread.join().unwrap());
        assert!(body.is_empty() || body.starts_with("HTTP/1.1 408"), "{body}");
    });
}

#[test]
fn what_is_no_http_is_turned_away() {
    let council = Council::start();
    let http = council.http(0);
    for bytes in [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(),
        b"GET\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"\0\0\0\0\0\0\0\0\r\n\r\n",
        &vec![b'A'; 1 << 20],
    ] {
        let mut stream = http.connect().unwrap();
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1.1 4"),
            "{}",
            String::from_utf8_lossy(&answer)
        );
    }
    // Two requests in one write, answered in order.
    let two = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let answers = raw(http, two.as_bytes());
    assert!(answers.starts_with("HTTP/1.1 200") && answers.contains("HTTP/1.1 404"), "{answers}");
    assert_eq!(http.get("/healthz").unwrap().text(), "ok\n");
}
