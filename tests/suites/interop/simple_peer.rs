//! The simple peer in Python, from `docs/`: it follows a node and another one of its kind, hands records
//! in, and notices a log that was rewritten.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

use data_encoding::BASE64;
use jurat_crypto::Digest;
use jurat_log::{Attestation, ConsistencyProof, Entry, Tree, TreeSize, leaf_hash};
use jurat_tests::{Attestor, Council, Http, Process, until};
use serde_json::{Value, json};

use super::{attest, python};

/// A peer that runs, and where.
struct Peer {
    http: Http,
    url: String,
    process: Process,
}

impl Peer {
    fn follow(log: &str) -> Option<Self> {
        let mut command = python("../docs/simple_peer.py")?;
        command.arg(log).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = Process(command.spawn().unwrap());
        let mut url = String::new();
        BufReader::new(process.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
        let address: SocketAddr = url.trim().strip_prefix("http://").unwrap().parse().unwrap();
        Some(Self { http: Http::new(address), url: url.trim().into(), process })
    }

    fn until_like(&self, status: &Value) {
        until("the peer to have the log", || {
            let own = self.http.get("/status").unwrap().json();
            let is = own["log_size"] == status["log_size"] && own["root"] == status["root"];
            if is { Ok(()) } else { Err(format!("{own} instead of {status}")) }
        });
    }
}

#[test]
fn a_simple_peer_in_python_follows_serves_and_passes_on() {
    let council = Council::start();
    let ana = Attestor::named("lab.example/ana");
    attest(&council, 0, &ana, 30);
    assert_eq!(council.until_same_log(30), 30);
    let Some(first) = Peer::follow(&council.url(1)) else { return };
    first.until_like(&council.status(1).unwrap());
    let second = Peer::follow(&first.url).unwrap();
    second.until_like(&council.status(1).unwrap());

    // A record goes through both to the council, and comes back; what is none is refused by the node.
    let attestation = Attestation::from_envelope(ana.attest("by a peer").to_envelope().as_bytes()).unwrap();
    let record = BASE64.encode(&Entry::Attestation(attestation).encode());
    let body = json!({ "records": [record, "AAAA"] }).to_string();
    let answer = second.http.post("/records", "application/json", body.as_bytes()).unwrap();
    assert_eq!((answer.status, &answer.json()["accepted"]), (200, &1.into()), "{}", answer.text());
    assert_eq!(second.http.post("/records", "application/json", b"[]").unwrap().status, 400);
    assert_eq!(council.until_same_log(31), 31);
    attest(&council, 2, &ana, 20);
    assert_eq!(council.until_same_log(51), 51);
    let status = council.status(0).unwrap();
    first.until_like(&status);
    second.until_like(&status);

    // What it serves holds.
    let records = second.http.get("/records?start=0&count=1024").unwrap().json();
    let leaf = |record: &Value| leaf_hash(&BASE64.decode(record.as_str().unwrap().as_bytes()).unwrap());
    let mut tree = Tree::new();
    tree.extend(records["records"].as_array().unwrap().iter().map(leaf));
    assert_eq!(tree.root().to_string(), status["root"].as_str().unwrap());
    let size = |size: u64| TreeSize::new(size).unwrap();
    for old in 1..=51 {
        let growth = second.http.get(&format!("/consistency-proof?old_size={old}&size=51")).unwrap().json();
        let hashes = growth["proof"].as_array().unwrap().iter();
        let hashes = hashes.map(|hash| hash.as_str().unwrap().parse::<Digest>().unwrap()).collect();
        let proof = ConsistencyProof::new(hashes).unwrap();
        proof.verify(size(old), size(51), &tree.root_at(size(old)).unwrap(), &tree.root()).unwrap();
    }
    for nonsense in
        ["/records?start=-1&count=1", "/records?start=52&count=1", "/consistency-proof?old_size=0&size=1"]
    {
        assert_eq!(second.http.get(nonsense).unwrap().status, 404, "{nonsense}");
    }
}

/// A log of records `0`, `1`, .. that is rewritten when it has more than three.
fn liar() -> (String, Arc<AtomicU64>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let (url, size) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicU64::new(3)));
    let served = size.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, mut request) = (stream.unwrap(), [0; 4096]);
            let read = stream.read(&mut request).unwrap_or(0);
            let asked = String::from_utf8_lossy(&request[..read]).into_owned();
            let size = served.load(Ordering::Relaxed);
            let record = |i: u64| if size > 3 { format!("rewritten {i}") } else { i.to_string() };
            let records: Vec<String> = (0..size).map(record).collect();
            let mut tree = Tree::new();
            tree.extend(records.iter().map(|record| leaf_hash(record.as_bytes())));
            let body = if asked.starts_with("GET /status") {
                json!({ "log_size": size, "root": tree.root().to_string() })
            } else if asked.starts_with("GET /records") {
                json!({ "records": records.iter().map(|record| BASE64.encode(record.as_bytes())).collect::<Vec<_>>() })
            } else {
                let proof =
                    ConsistencyProof::generate(&tree, TreeSize::new(3).unwrap(), tree.size()).unwrap();
                json!({ "proof": proof.hashes().iter().map(ToString::to_string).collect::<Vec<_>>() })
            };
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{body}");
        }
    });
    (url, size)
}

#[test]
fn a_simple_peer_in_python_notices_a_rewritten_log() {
    let (url, size) = liar();
    let Some(mut peer) = Peer::follow(&url) else { return };
    until("three records", || {
        let own = peer.http.get("/status").unwrap().json();
        if own["log_size"] == 3 { Ok(()) } else { Err(own.to_string()) }
    });
    size.store(5, Ordering::Relaxed);
    assert_eq!(peer.process.wait().code(), Some(1));
    let mut said = String::new();
    peer.process.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("FORK"), "{said}");
}
