//! Onion services of a real Tor: a council whose members meet over them, a mirror, and somebody who writes to
//! a member. The Tor network is one of the test's own, on loopback.

use std::{
    env, fs,
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use data_encoding::BASE64;
use jurat_tests::{Attestor, Council, Process, jurat, path, until};
use tempfile::TempDir;

use super::{attest, skipped};

/// Authorities decide who belongs to the network. All of these are relays, too.
const AUTHORITIES: usize = 3;
/// Ways to an onion service take more relays than there are authorities.
const RELAYS: usize = 4;

/// How long a Tor network may take to come up. Relays that miss the first consensus are in the next, and
/// services announce themselves anew with it.
const TOR_PATIENCE: Duration = Duration::from_mins(5);

/// A Tor network, which ends with this.
struct TorNetwork {
    dir: TempDir,
    /// The lines by which all find each other.
    common: String,
    processes: Vec<Process>,
}

impl TorNetwork {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("empty"), "").unwrap();
        let mut common =
            "TestingTorNetwork 1\nAddress 127.0.0.1\nAssumeReachable 1\nShutdownWaitLength 0\n".to_owned();
        let mut network = Self { dir, common: String::new(), processes: Vec::new() };
        let authorities: Vec<_> =
            (0..AUTHORITIES).map(|i| network.authority(&format!("authority{i}"))).collect();
        common.extend(authorities.iter().map(|(_, _, line)| line.as_str()));
        network.common = common;
        for (name, lines, _) in authorities {
            network.run(&name, &lines);
        }
        for i in 0..RELAYS {
            network.run(
                &format!("relay{i}"),
                &format!("SocksPort 0\nOrPort 127.0.0.1:{}\nExitRelay 0\n", free()),
            );
        }
        network
    }

    /// Makes an authority's keys: its name, its configuration, and the line by which others know it.
    fn authority(&self, name: &str) -> (String, String, String) {
        let dir = self.dir.path().join(name);
        let keys = dir.join("keys");
        fs::create_dir_all(&keys).unwrap();
        let (or_port, dir_port) = (free(), free());
        let certificate = keys.join("authority_certificate");
        let mut make = Command::new("tor-gencert");
        make.args(["--create-identity-key", "--passphrase-fd", "0", "-m", "12"])
            .args(["-a", &format!("127.0.0.1:{dir_port}"), "-i", path(&keys.join("authority_identity_key"))])
            .args(["-s", path(&keys.join("authority_signing_key")), "-c", path(&certificate)]);
        let mut child =
            make.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(b"no secret\n").unwrap();
        assert!(child.wait().unwrap().success(), "tor-gencert");
        let certificate = fs::read_to_string(certificate).unwrap();
        let identity = certificate.lines().find_map(|line| line.strip_prefix("fingerprint ")).unwrap();
        let nobody = format!("nobody 127.0.0.1:1 {}", "f".repeat(40));
        let listed = Command::new("tor")
            .args(["--quiet", "--list-fingerprint", "--orport", "1", "--dirauthority", &nobody])
            .args([
                "--datadirectory",
                path(&dir),
                "--nickname",
                name,
                "-f",
                path(&self.dir.path().join("empty")),
            ])
            .output()
            .unwrap();
        let listed = String::from_utf8(listed.stdout).unwrap();
        let relay = listed.trim().strip_prefix(name).unwrap().replace(' ', "");
        let lines = format!(
            "SocksPort 0\nOrPort 127.0.0.1:{or_port}\nDirPort 127.0.0.1:{dir_port}\nAuthoritativeDirectory 1\n\
             V3AuthoritativeDirectory 1\nContactInfo nobody@example.com\nV3AuthVotingInterval 10\n\
             V3AuthVoteDelay 2\nV3AuthDistDelay 2\nTestingV3AuthInitialVotingInterval 5\n\
             TestingV3AuthInitialVoteDelay 2\nTestingV3AuthInitialDistDelay 2\nTestingDirAuthVoteGuard *\n\
             TestingDirAuthVoteHSDir *\nTestingDirAuthVoteExit *\nTestingMinExitFlagThreshold 0\n\
             MinUptimeHidServDirectoryV2 0\n"
        );
        let line = format!(
            "DirAuthority {name} orport={or_port} no-v2 v3ident={identity} 127.0.0.1:{dir_port} {relay}\n"
        );
        (name.to_owned(), lines, line)
    }

    fn run(&mut self, name: &str, lines: &str) {
        let dir = self.dir.path().join(name);
        fs::create_dir_all(&dir).unwrap();
        let configuration =
            format!("{}DataDirectory {}\nNickname {name}\n{lines}", self.common, dir.display());
        fs::write(dir.join("torrc"), configuration).unwrap();
        let mut tor = Command::new("tor");
        tor.args(["--quiet", "-f", path(&dir.join("torrc"))]);
        self.processes.push(Process(tor.spawn().unwrap()));
    }

    /// Has one Tor offer these addresses as onion services, and gives their names.
    fn offer(&mut self, addresses: &[SocketAddr]) -> Vec<String> {
        let dir = self.dir.path().join("offering");
        let service = |i: usize| dir.join(format!("service{i}"));
        let lines = addresses.iter().enumerate().map(|(i, address)| {
            format!("HiddenServiceDir {}\nHiddenServicePort 80 {address}\n", service(i).display())
        });
        self.run("offering", &("SocksPort 0\n".to_owned() + &lines.collect::<String>()));
        let name = |i: usize| {
            until("an onion service to have a name", || {
                fs::read_to_string(service(i).join("hostname")).map_err(|error| error.to_string())
            })
        };
        (0..addresses.len()).map(|i| format!("{}:80", name(i).trim())).collect()
    }

    /// Has one Tor take connections, and gives its address.
    fn proxy(&mut self) -> SocketAddr {
        let address = SocketAddr::from(([127, 0, 0, 1], free()));
        self.run("asking", &format!("SocksPort {address}\n"));
        address
    }
}

fn free() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Whether a name can be reached through a SOCKS5 proxy.
fn reaches(proxy: SocketAddr, name: &str) -> Result<(), String> {
    let (host, port) = name.split_once(':').unwrap();
    let mut request = vec![5, 1, 0, 5, 1, 0, 3, u8::try_from(host.len()).unwrap()];
    request.extend(host.as_bytes());
    request.extend(port.parse::<u16>().unwrap().to_be_bytes());
    let mut answer = [0; 4];
    let asked = TcpStream::connect(proxy).and_then(|mut proxy| {
        proxy.set_read_timeout(Some(Duration::from_secs(20)))?;
        proxy.write_all(&request)?;
        proxy.read_exact(&mut answer)
    });
    asked.map_err(|error| error.to_string())?;
    if answer[3] == 0 { Ok(()) } else { Err(format!("{name}: {answer:?}")) }
}

#[test]
fn a_council_a_mirror_and_who_writes_meet_over_onion_services_of_a_real_tor() {
    let there = |program: &str| {
        let version =
            Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    if !there("tor") {
        assert!(env::var_os("CI").is_none(), "CI has no tor");
        skipped("tor");
        return;
    }
    let council = Council::found();
    let ready = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut addresses: Vec<SocketAddr> = council.members().iter().map(|member| member.peer).collect();
    addresses.extend([council.members()[1].http, ready.local_addr().unwrap()]);
    let mut tor = TorNetwork::start();
    let names = tor.offer(&addresses);
    let proxy = tor.proxy();
    let started = Instant::now();
    while let Err(error) = reaches(proxy, &names[5]) {
        assert!(started.elapsed() < TOR_PATIENCE, "no onion service is reached: {error}");
        thread::sleep(Duration::from_millis(200));
    }

    for i in 0..4 {
        council.run_with(i, |command| {
            command.args(["--outgoing-proxy", &proxy.to_string()]);
            for (other, member) in council.members().iter().enumerate().filter(|(other, _)| *other != i) {
                command.args(["--peer-address", &format!("{}={}", member.name, names[other])]);
            }
        });
    }
    council.until_connected();
    attest(&council, 0, &Attestor::named("lab.example/ana"), 20);
    assert_eq!(council.until_same_log(20), 20);

    let dir = tempfile::tempdir().unwrap();
    let (mirror, log) = (path(dir.path()), format!("http://{}", names[4].strip_suffix(":80").unwrap()));
    jurat(["mirror", "add", mirror, &log, "--policy", path(council.policy_path())]).success();
    let synced = jurat(["mirror", "sync", mirror, "--proxy", &proxy.to_string(), "--json"]).success().json();
    assert_eq!(synced["log_size"], 20);
    // A service that nobody offers: Tor says so, and nobody else is asked.
    let nobody = format!("http://{}.onion", "a".repeat(56));
    jurat(["mirror", "add", mirror, &nobody, "--policy", path(council.policy_path())]).success();
    let refused = jurat(["mirror", "sync", mirror, "--proxy", &proxy.to_string(), "--json"]);
    let sources = refused.json()["sources"].clone();
    assert!(sources.to_string().contains("can't reach aaaa"), "{sources}");

    // Somebody writes to the second member, and is known by neither name nor address.
    let terms = jurat(["dm", "address", "--node", &council.url(1), "--json"]).success().json();
    let to = terms["address"].as_str().unwrap();
    let write = ["dm", "write", "--node", &log, "--to", to, "--text", "from under three relays"];
    jurat(write.iter().chain(&["--proxy", &proxy.to_string()])).success();
    let inbox = jurat(["dm", "inbox", path(&council.members()[1].dir), "--json"]).success().json();
    assert_eq!(inbox["from_anybody"], true);
    assert_eq!(inbox["content"], BASE64.encode(b"from under three relays"));
}
