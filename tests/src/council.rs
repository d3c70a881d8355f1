//! Councils of real node processes on loopback.

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
};

use jurat::{core::Genesis, key_file};
use jurat_crypto::{KeyName, NetworkId, SecretKey, Seed};
use jurat_log::Policy;
use rustix::process::Pid;
use serde_json::Value;
use tempfile::TempDir;

use crate::{
    http::Http,
    openmetrics::parse_openmetrics,
    ports::Ports,
    process::{Node, jurat},
    wait::{until, until_true},
};

/// Lines of each node's log that are shown when a test fails.
const LAST_LINES: usize = 40;

/// A council of four and its processes. They end with this value, and their directory goes.
#[derive(Debug)]
pub struct Council {
    dir: TempDir,
    ports: Ports,
    policy: PathBuf,
    origin: String,
    members: Vec<Member>,
    places: Vec<Place>,
    nodes: Vec<Mutex<Option<Node>>>,
}

/// A member, as `jurat council new` tells of it.
#[derive(Debug, Clone)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its directory.
    pub dir: PathBuf,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it listens for links.
    pub peer: SocketAddr,
}

/// Where a member's node runs.
#[derive(Debug, Clone)]
pub struct Place {
    /// Where it listens.
    pub address: IpAddr,
    /// A command that runs the node's, such as `nsenter` with its arguments, in the same process.
    pub under: Vec<String>,
}

impl Default for Place {
    fn default() -> Self {
        Self { address: Ipv4Addr::LOCALHOST.into(), under: Vec::new() }
    }
}

impl Council {
    /// Founds a council of four on loopback; nothing runs yet.
    #[must_use]
    pub fn found() -> Self {
        Self::found_at(vec![Place::default(); 4])
    }

    /// Founds a council of four on loopback, with a fifth who wants to join: it has a directory and a
    /// key of its own. Nothing runs yet.
    #[must_use]
    pub fn found_with_newcomer() -> Self {
        let mut council = Self::found();
        let name = "node-5".to_owned();
        let at = |i| SocketAddr::from((Ipv4Addr::LOCALHOST, council.ports.base() + i));
        let dir = council.members[0].dir.with_file_name(&name);
        let (http, peer) = (at(8), at(9));
        fs::create_dir(&dir).expect("a directory");
        let founder = |file: &str| council.members[0].dir.join(file);
        fs::copy(founder("genesis.json"), dir.join("genesis.json")).expect("a genesis");
        let key_name = KeyName::new(name.as_str()).expect("a name");
        let secret = SecretKey::Seed { name: key_name, seed: Seed::from_bytes([5; 32]) };
        key_file::write(&dir.join("node.key"), &secret, None).expect("a key file");
        let addresses = council.members.iter().map(|m| format!("\"{}\" = \"{}\"\n", m.name, m.peer));
        let config = format!(
            "name = \"{name}\"\n[http]\nlisten = \"{http}\"\n[peer]\nlisten = \"{peer}\"\n[peer.addresses]\n{}",
            addresses.collect::<String>()
        );
        fs::write(dir.join("node.toml"), config).expect("a configuration");
        council.members.push(Member { name, dir, http, peer });
        council.places.push(Place::default());
        council.nodes.push(Mutex::new(None));
        council
    }

    /// Gives a newcomer the council's history.
    pub fn give_history(&self, member: usize, json: &str) {
        fs::write(self.members[member].dir.join("council.json"), json).expect("a file");
    }

    /// Founds a council with a member at each of these places.
    #[must_use]
    pub fn found_at(places: Vec<Place>) -> Self {
        let dir = tempfile::Builder::new().prefix("jurat-test-").tempdir().expect("a directory");
        let ports = Ports::reserve();
        let at = dir.path().join("council");
        let base = ports.base().to_string();
        let count = places.len().to_string();
        let founded =
            jurat(["council", "new", path(&at), "--members", &count, "--base-port", &base, "--json"]);
        let founded = founded.success().json();
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let members = founded["members"].as_array().expect("members").iter().map(|member| Member {
            name: text(&member["name"]),
            dir: text(&member["dir"]).into(),
            http: text(&member["http"]).trim_start_matches("http://").parse().expect("an address"),
            peer: text(&member["peer"]).parse().expect("an address"),
        });
        let mut members: Vec<Member> = members.collect();
        move_to(&mut members, &places);
        let nodes = members.iter().map(|_| Mutex::new(None)).collect();
        fs::create_dir(dir.path().join("logs")).expect("a directory");
        Self {
            dir,
            ports,
            policy: text(&founded["policy"]).into(),
            origin: text(&founded["origin"]),
            members,
            places,
            nodes,
        }
    }

    /// Founds a council of four, and runs it until all are connected.
    #[must_use]
    pub fn start() -> Self {
        let council = Self::found();
        for member in 0..4 {
            council.run(member);
        }
        council.until_connected();
        council
    }

    /// A directory for the test's own files.
    #[must_use]
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The log's origin.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// The policy file.
    #[must_use]
    pub fn policy_path(&self) -> &Path {
        &self.policy
    }

    /// The policy.
    #[must_use]
    pub fn policy(&self) -> Policy {
        Policy::parse(&fs::read(&self.policy).expect("a policy file")).expect("a policy")
    }

    /// The members, by place.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The network's id.
    #[must_use]
    pub fn network(&self) -> NetworkId {
        let genesis = fs::read(self.members[0].dir.join("genesis.json")).expect("a genesis");
        serde_json::from_slice::<Genesis>(&genesis).expect("a genesis").network()
    }

    /// A member's secret.
    #[must_use]
    pub fn seed(&self, member: usize) -> Seed {
        match key_file::read(&self.members[member].dir.join("node.key"), None) {
            Ok(SecretKey::Seed { seed, .. }) => seed,
            other => panic!("no seed: {:?}", other.err()),
        }
    }

    /// A member's HTTP interface.
    #[must_use]
    pub fn http(&self, member: usize) -> Http {
        Http::new(self.members[member].http)
    }

    /// The URL of a member's HTTP interface.
    #[must_use]
    pub fn url(&self, member: usize) -> String {
        format!("http://{}", self.members[member].http)
    }

    /// Starts a member's node.
    pub fn run(&self, member: usize) {
        self.run_with(member, |_| {});
    }

    /// Starts a member's node with more arguments or another environment.
    pub fn run_with(&self, member: usize, change: impl FnOnce(&mut Command)) {
        let mut node = self.node(member);
        assert!(node.is_none(), "{} runs", self.members[member].name);
        *node = Some(Node::start(
            &self.places[member].under,
            &self.members[member].dir,
            &self.log_path(member),
            change,
        ));
    }

    /// SIGKILL.
    pub fn kill(&self, member: usize) {
        self.take(member).kill();
    }

    /// SIGTERM; how the node ended.
    pub fn stop(&self, member: usize) -> ExitStatus {
        self.take(member).stop()
    }

    /// Waits until a node ends by itself; how it did.
    pub fn wait_for_end(&self, member: usize) -> ExitStatus {
        self.take(member).wait()
    }

    /// The process of a running node.
    #[must_use]
    pub fn pid(&self, member: usize) -> Pid {
        self.node(member).as_ref().expect("it runs").pid()
    }

    /// SIGSTOP.
    pub fn pause(&self, member: usize) {
        self.node(member).as_ref().expect("it runs").pause();
    }

    /// SIGCONT.
    pub fn resume(&self, member: usize) {
        self.node(member).as_ref().expect("it runs").resume();
    }

    /// What a node logged so far, all its runs together.
    #[must_use]
    pub fn log(&self, member: usize) -> String {
        fs::read_to_string(self.log_path(member)).unwrap_or_default()
    }

    /// A node's status, if it answers.
    #[must_use]
    pub fn status(&self, member: usize) -> Option<Value> {
        let answer = self.http(member).get("/status").ok()?;
        (answer.status == 200).then(|| answer.json())
    }

    /// The place of the primary, as a node sees it.
    #[must_use]
    pub fn primary(&self, asked: usize) -> usize {
        let status = self.status(asked).expect("a status");
        self.members.iter().position(|member| status["primary"] == member.name.as_str()).expect("a member")
    }

    /// A metric of a node, such as `jurat_links_total{event="stranger"}`.
    #[must_use]
    pub fn metric(&self, member: usize, name: &str) -> u64 {
        let answer = self.http(member).get("/metrics").expect("metrics");
        let mut samples = parse_openmetrics(answer.text()).into_iter();
        let found = samples.find(|(sample, _)| sample == name);
        found.unwrap_or_else(|| panic!("no {name} in {}", answer.text())).1.parse().expect("a count")
    }

    /// Waits until each running node has a link to each other.
    pub fn until_connected(&self) {
        let running: Vec<usize> = self.running();
        for member in &running {
            until(&format!("{} to be connected", self.members[*member].name), || {
                self.check(*member);
                let status = self.status(*member).ok_or("no answer")?;
                let connected = |other: &usize| status["members"][*other]["connected"] == true;
                if running.iter().all(connected) { Ok(()) } else { Err(status.to_string()) }
            });
        }
    }

    /// Waits until all running nodes have one log of at least `size` entries, all of it certified and
    /// nothing waiting; its size.
    pub fn until_same_log(&self, size: u64) -> u64 {
        until("one log on all nodes", || {
            let running = self.running();
            let heads = running.iter().map(|member| {
                self.check(*member);
                let status = self.status(*member).ok_or("no answer")?;
                if status["waiting_entries"] != 0 || status["certified_size"] != status["log_size"] {
                    return Err(status.to_string());
                }
                Ok((status["log_size"].as_u64(), status["root"].to_string()))
            });
            let heads: Vec<_> = heads.collect::<Result<_, String>>()?;
            match heads.first() {
                Some((Some(found), _)) if *found >= size && heads.windows(2).all(|two| two[0] == two[1]) => {
                    Ok(*found)
                }
                _ => Err(format!("{heads:?}")),
            }
        })
    }

    /// Waits until all running nodes serve the same tiles and entries, byte for byte, for a log of
    /// `size` entries; gives them by path.
    pub fn same_tiles(&self, size: u64) -> BTreeMap<String, Vec<u8>> {
        let size = jurat_log::TreeSize::new(size).expect("a size");
        let coords = jurat_log::TileCoord::tree_tiles(size).chain(jurat_log::TileCoord::entry_tiles(size));
        let mut tiles = BTreeMap::new();
        for path in coords.map(|coord| format!("/{}", coord.path())) {
            for member in self.running() {
                let answer = self.http(member).get(&path).expect("a tile");
                assert_eq!(answer.status, 200, "{path} at {}", self.members[member].name);
                let first = tiles.entry(path.clone()).or_insert_with(|| answer.body.clone());
                assert!(*first == answer.body, "{path} differs at {}", self.members[member].name);
            }
        }
        tiles
    }

    /// The places of the nodes that run.
    #[must_use]
    pub fn running(&self) -> Vec<usize> {
        (0..self.members.len()).filter(|member| self.node(*member).is_some()).collect()
    }

    /// Fails if a node ended that should run.
    #[track_caller]
    pub fn check(&self, member: usize) {
        let mut node = self.node(member);
        let ended = node.as_mut().is_some_and(|node| !node.is_running());
        assert!(!ended, "{} ended by itself", self.members[member].name);
    }

    /// Waits until a node answers.
    pub fn until_answers(&self, member: usize) {
        let name = &self.members[member].name;
        until_true(&format!("{name} to answer"), || {
            self.check(member);
            self.status(member).is_some()
        });
    }

    fn take(&self, member: usize) -> Node {
        self.node(member).take().expect("the node runs")
    }

    fn node(&self, member: usize) -> MutexGuard<'_, Option<Node>> {
        self.nodes[member].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log_path(&self, member: usize) -> PathBuf {
        self.dir.path().join("logs").join(format!("{}.log", self.members[member].name))
    }

    #[expect(clippy::print_stderr, reason = "what a failed test has to say")]
    fn show_logs(&self) {
        for (place, member) in self.members.iter().enumerate() {
            let log = self.log(place);
            let lines: Vec<&str> = log.lines().collect();
            eprintln!("last lines of {}:", member.name);
            for line in &lines[lines.len().saturating_sub(LAST_LINES)..] {
                eprintln!("  {line}");
            }
        }
    }
}

impl Drop for Council {
    fn drop(&mut self) {
        if thread::panicking() {
            self.show_logs();
        }
        // Before their directory goes.
        for node in &mut self.nodes {
            drop(node.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// Gives members that were founded on loopback the addresses of their places.
fn move_to(members: &mut [Member], places: &[Place]) {
    let mut moved = Vec::new();
    for (member, place) in members.iter_mut().zip(places) {
        for at in [&mut member.http, &mut member.peer] {
            let before = at.to_string();
            at.set_ip(place.address);
            moved.push((format!("\"{before}\""), format!("\"{at}\"")));
        }
    }
    for member in members {
        let config = member.dir.join("node.toml");
        let text = fs::read_to_string(&config).expect("a configuration");
        let text = moved.iter().fold(text, |text, (before, after)| text.replace(before, after));
        fs::write(config, text).expect("a configuration");
    }
}

/// A path as an argument.
#[must_use]
pub fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
