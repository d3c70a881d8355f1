//! Connections through a SOCKS5 proxy: a council and a mirror whose addresses only the proxy can look
//! up, and nodes that open no other connection and do not start without it.

#![expect(clippy::unwrap_used, reason = "a suite fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use jurat_tests::{Attestor, Council, jurat, path, until};
use rustix::process::Pid;

/// A proxy that knows some names, and remembers what it was asked for.
struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<BTreeSet<String>>>,
}

impl Proxy {
    fn start(names: BTreeMap<String, SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, asked) = (listener.local_addr().unwrap(), Arc::<Mutex<BTreeSet<String>>>::default());
        let (names, noted) = (Arc::new(names), asked.clone());
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let (names, noted) = (names.clone(), noted.clone());
                // Whoever breaks off is gone, and that is all.
                thread::spawn(move || serve(client, &names, &noted).is_ok());
            }
        });
        Self { address, asked }
    }

    fn asked(&self) -> BTreeSet<String> {
        self.asked.lock().unwrap().clone()
    }
}

fn serve(
    mut client: TcpStream,
    names: &BTreeMap<String, SocketAddr>,
    asked: &Mutex<BTreeSet<String>>,
) -> io::Result<()> {
    let mut greeting = [0; 3];
    client.read_exact(&mut greeting)?;
    assert_eq!(greeting, [5, 1, 0]);
    client.write_all(&[5, 0])?;
    let mut head = [0; 5];
    client.read_exact(&mut head)?;
    // Addresses would mean that a name was looked up elsewhere.
    assert_eq!(head[..4], [5, 1, 0, 3], "not a name");
    let mut rest = vec![0; usize::from(head[4]) + 2];
    client.read_exact(&mut rest)?;
    let (name, port) = rest.split_at(usize::from(head[4]));
    let port = u16::from_be_bytes(port.try_into().unwrap());
    let name = format!("{}:{port}", String::from_utf8_lossy(name));
    asked.lock().unwrap().insert(name.clone());
    let server = names.get(&name).map(TcpStream::connect);
    let Some(Ok(mut server)) = server else {
        return client.write_all(&[5, 4, 0, 1, 0, 0, 0, 0, 0, 0]);
    };
    client.write_all(&[5, 0, 0, 3, 1, b'x', 0, 0])?;
    let (mut from, mut to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || io::copy(&mut from, &mut to).is_ok());
    io::copy(&mut server, &mut client)?;
    client.shutdown(std::net::Shutdown::Both)
}

/// Where the TCP connections lead that a process has opened itself: not from its listening ports. And
/// how many sockets it has that are no TCP over IPv4.
fn opened(pid: Pid, listening: &[SocketAddr]) -> (BTreeSet<SocketAddr>, usize) {
    let pid = pid.as_raw_nonzero();
    let links = fs::read_dir(format!("/proc/{pid}/fd")).unwrap().flatten();
    let targets = links.filter_map(|link| fs::read_link(link.path()).ok());
    let inode = |target: std::path::PathBuf| {
        Some(target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
    };
    let mut sockets: BTreeSet<String> = targets.filter_map(inode).collect();
    let address = |hex: &str| {
        let (address, port) = hex.split_once(':').unwrap();
        let address = u32::from_str_radix(address, 16).unwrap().to_le_bytes();
        SocketAddr::from((address, u16::from_str_radix(port, 16).unwrap()))
    };
    let mut to = BTreeSet::new();
    for line in fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap().lines().skip(1) {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let (local, remote) = (address(fields[1]), address(fields[2]));
        if sockets.remove(fields[9]) && remote.port() != 0 && !listening.contains(&local) {
            to.insert(remote);
        }
    }
    // Sockets of the runtime's own, for signals, are a pair of Unix ones.
    let unix = fs::read_to_string(format!("/proc/{pid}/net/unix")).unwrap();
    let unix: BTreeSet<&str> = unix.lines().filter_map(|line| line.split_whitespace().nth(6)).collect();
    sockets.retain(|socket| !unix.contains(socket.as_str()));
    (to, sockets.len())
}

#[test]
fn a_council_and_its_mirror_meet_through_the_proxy_alone() {
    let council = Council::found();
    let onion = |i: usize| format!("member{i}.onion:{}", 7000 + i);
    let mut names: BTreeMap<String, SocketAddr> =
        council.members().iter().enumerate().map(|(i, member)| (onion(i), member.peer)).collect();
    names.insert("log.onion:80".into(), council.members()[1].http);
    let proxy = Proxy::start(names);
    for i in 0..4 {
        council.run_with(i, |command| {
            command.args(["--outgoing-proxy", &proxy.address.to_string()]);
            for (other, member) in council.members().iter().enumerate().filter(|(other, _)| *other != i) {
                command.args(["--peer-address", &format!("{}={}", member.name, onion(other))]);
            }
        });
    }
    council.until_connected();
    let envelope = Attestor::named("lab.example/ana").attest("one").to_envelope();
    let target = "/api/v1/attestations?wait=receipt";
    let answer = council.http(0).post(target, "application/json", envelope.as_bytes()).unwrap();
    assert_eq!(answer.status, 200, "{}", answer.text());

    // A node mirrors through it, too: here the first one, another log by a name that leads nowhere.
    let dir = tempfile::tempdir().unwrap();
    let mirror = path(dir.path());
    let policy = path(council.policy_path());
    jurat(["mirror", "add", mirror, "http://log.onion", "--policy", policy]).success();
    let address = proxy.address.to_string();
    let synced = jurat(["mirror", "sync", mirror, "--proxy", &address, "--json"]).success().json();
    assert_eq!(synced["log_size"], 1);
    jurat(["mirror", "add", mirror, "http://nowhere.onion", "--policy", policy]).success();
    let refused = jurat(["mirror", "sync", mirror, "--proxy", &address, "--json"]);
    let error = refused.json()["sources"][0]["last_error"].clone();
    assert_eq!(refused.code, Some(3));
    assert!(
        error.as_str().unwrap().contains("can't reach nowhere.onion:80: the host is unreachable"),
        "{error}"
    );
    // Without the proxy nobody is asked.
    let direct = jurat(["mirror", "sync", mirror, "--json"]);
    let error = direct.json()["sources"][0]["last_error"].clone();
    assert!(error.as_str().unwrap().contains("is an onion service: set outgoing.proxy"), "{error}");

    let asked = proxy.asked();
    for name in [onion(1), onion(2), onion(3), "log.onion:80".into(), "nowhere.onion:80".into()] {
        assert!(asked.contains(&name), "{name} not in {asked:?}");
    }
    for (i, member) in council.members().iter().enumerate() {
        let (to, others) = opened(council.pid(i), &[member.peer, member.http]);
        assert!(to.iter().all(|to| *to == proxy.address), "{}: {to:?}", member.name);
        assert_eq!(others, 0, "{} has sockets that are not TCP", member.name);
    }
    let (to, _) = opened(council.pid(0), &[council.members()[0].peer, council.members()[0].http]);
    assert_eq!(to, [proxy.address].into(), "the first member dials the others");
}

#[test]
fn a_node_does_not_start_without_its_proxy() {
    let council = Council::found();
    let dir = path(&council.members()[0].dir).to_owned();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let refused = jurat(["run", &dir, "--outgoing-proxy", &free]);
    assert_eq!(refused.code, Some(3), "{refused:?}");
    assert!(refused.stderr.contains("start the proxy, or remove outgoing.proxy"), "{refused:?}");
    // Others that are there and are none.
    for (says, why) in [(&b"HTTP/1.1 400"[..], "does not speak SOCKS5"), (&[5, 0xff], "asks for a password")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            client.write_all(says).unwrap();
            client.read_to_end(&mut Vec::new())
        });
        let refused = jurat(["run", &dir, "--outgoing-proxy", &address]);
        assert!(refused.code == Some(3) && refused.stderr.contains(why), "{refused:?}");
    }
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let refused = jurat(["run", &dir, "--outgoing-proxy", &silent.local_addr().unwrap().to_string()]);
    assert!(refused.code == Some(3) && refused.stderr.contains("has not answered in 5 s"), "{refused:?}");
    assert!(!council.members()[0].dir.join("data").exists(), "nothing was touched");
    // The other node is up all the same: the mistake is the one node's.
    council.run(1);
    until("another node to run", || council.http(1).get("/healthz").map_err(|error| error.to_string()));
}

#[test]
fn a_message_is_written_through_the_proxy_alone() {
    let council = Council::start();
    let url = council.url(1);
    let node: SocketAddr = url.trim_start_matches("http://").parse().unwrap();
    let proxy = Proxy::start(BTreeMap::from([("newsroom.onion:80".into(), node)]));
    let address = until("a prekey", || {
        let asked = jurat(["dm", "address", "--node", &url, "--json"]);
        if asked.code == Some(0) { Ok(asked.json()["address"].clone()) } else { Err(asked.stderr) }
    });
    let write = |proxy: SocketAddr| {
        let (proxy, to) = (proxy.to_string(), address.as_str().unwrap());
        let text = ["--to", to, "--text", "from far away"];
        jurat(["dm", "write", "--node", "http://newsroom.onion", "--proxy", &proxy].iter().chain(&text))
    };
    write(proxy.address).success();
    assert_eq!(proxy.asked(), BTreeSet::from(["newsroom.onion:80".into()]));
    let inbox = jurat(["dm", "inbox", path(&council.members()[1].dir)]);
    assert!(inbox.success().stdout.contains("from far away"), "{inbox:?}");
    // Without it nothing is sent, not even by another way.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(write(nobody).code, Some(3));
    assert_eq!(council.metric(1, "jurat_messages_received_total"), 1);
}
