//! `jurat council new`

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
};

use clap::Args;
use jurat_crypto::{KeyName, SecretKey, Seed};
use jurat_log::Origin;
use serde::Serialize;
use zeroize::Zeroizing;

use super::work::WorkArguments;
use crate::{
    cli::{Failure, files, output::Output},
    core::{Genesis, Member, MemberName},
    key_file,
};

/// Make the genesis of a council, with a directory for each member
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat council new council --members 4\n\n\
    Each directory goes to the machine of its member; the node.key in it must not be anywhere else.")]
pub(in crate::cli) struct Arguments {
    /// The directory to make
    dir: PathBuf,
    /// How many members: 4 or more, or 1 for a log kept alone
    #[arg(long, default_value_t = 4)]
    members: usize,
    /// The members' names, separated by commas [default: node-1,node-2,..]
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    names: Vec<String>,
    /// The log's origin: the address under which it will be served, without scheme
    #[arg(long)]
    origin: Option<String>,
    /// Listen on ports from here on, two for each member [default: free ones]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
    #[command(flatten)]
    work: WorkArguments,
}

/// A council that was founded, as `--json` prints it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct Founded {
    pub(in crate::cli) origin: String,
    pub(in crate::cli) policy: PathBuf,
    pub(in crate::cli) members: Vec<FoundedMember>,
}

/// A member of it.
#[derive(Debug, Clone, Serialize)]
pub(in crate::cli) struct FoundedMember {
    pub(in crate::cli) name: String,
    pub(in crate::cli) dir: PathBuf,
    pub(in crate::cli) http: String,
    pub(in crate::cli) peer: String,
    pub(in crate::cli) vkey: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let founded = found(arguments, Layout::Council)?;
    output.result(&founded, || describe(&founded));
    Ok(())
}

fn describe(founded: &Founded) -> String {
    let mut text = format!("council of {} for the log {}\n", founded.members.len(), founded.origin);
    for member in &founded.members {
        text +=
            &format!("  {}  {}  links {}  {}\n", member.name, member.http, member.peer, member.dir.display());
    }
    text += &format!("policy: {}\nstart each node with: jurat run DIR", founded.policy.display());
    text
}

/// The policy of a founded council of this size and these names, in a new directory.
pub(in crate::cli) fn found_at(
    dir: &Path,
    members: usize,
    origin: Option<String>,
) -> Result<Founded, Failure> {
    let dir = dir.to_owned();
    let (names, work) = (Vec::new(), WorkArguments::default());
    found(&Arguments { dir, members, names, origin, base_port: None, work }, Layout::Council)
}

/// A node that keeps a log alone, in a new directory.
pub(in crate::cli) fn found_alone(
    dir: &Path,
    name: &str,
    origin: Option<String>,
    base_port: Option<u16>,
) -> Result<Founded, Failure> {
    let (dir, names) = (dir.to_owned(), vec![name.to_owned()]);
    let work = WorkArguments::default();
    found(&Arguments { dir, members: 1, names, origin, base_port, work }, Layout::Alone)
}

/// Where the directories of the members are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Layout {
    /// In that of the council, one each.
    Council,
    /// There is one node, and everything is its own.
    Alone,
}

fn found(arguments: &Arguments, layout: Layout) -> Result<Founded, Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let count = if arguments.names.is_empty() { arguments.members } else { arguments.names.len() };
    let names = match arguments.names.as_slice() {
        [] => (1..=count).map(|i| format!("node-{i}")).collect(),
        names => names.to_vec(),
    };
    let names: Vec<MemberName> =
        names.into_iter().map(MemberName::new).collect::<Result<_, _>>().map_err(|error| usage(&error))?;
    let origin = match &arguments.origin {
        Some(origin) => origin.clone(),
        None => format!("localhost/council-{}", random_hex()?),
    };
    let origin = Origin::new(origin).map_err(|error| usage(&error))?;
    let mut seeds = Vec::new();
    let mut members = Vec::new();
    for name in &names {
        let mut bytes = Zeroizing::new([0; 32]);
        key_file::fill(&mut *bytes).map_err(Failure::unreachable)?;
        let seed = Seed::from_bytes(*bytes);
        members.push(Member::of_seed(name.clone(), &origin, &seed).map_err(|error| usage(&error))?);
        seeds.push(seed);
    }
    // Refuses a council that makes no sense before anything is written.
    let genesis =
        Genesis::with_work(origin, members, arguments.work.rules()?).map_err(|error| usage(&error))?;
    let ports = ports(count, arguments.base_port)?;
    write_council(&arguments.dir, layout, &genesis, &seeds, &ports)
}

fn random_hex() -> Result<String, Failure> {
    let mut bytes = [0; 4];
    key_file::fill(&mut bytes).map_err(Failure::unreachable)?;
    Ok(u32::from_be_bytes(bytes)).map(|number| format!("{number:08x}"))
}

/// Two addresses for each member: HTTP, and links.
pub(in crate::cli) fn ports(
    members: usize,
    base: Option<u16>,
) -> Result<Vec<(SocketAddr, SocketAddr)>, Failure> {
    let local = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    if let Some(base) = base {
        let port = |i: usize| u16::try_from(i).ok().and_then(|i| base.checked_add(i));
        let ports = (0..members).map(|i| Some((local(port(2 * i)?), local(port(2 * i + 1)?))));
        let ports: Option<Vec<_>> = ports.collect();
        return ports.ok_or_else(|| Failure::Usage(format!("no {} ports above {base}", 2 * members)));
    }
    let addresses = free_addresses(2 * members).map_err(Failure::unreachable)?;
    Ok(addresses.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect())
}

/// Addresses of this machine that nobody listens on. They are below the ports that systems give to outgoing
/// connections (from 32 768 on at the least), one of which could have a node's while that is down.
fn free_addresses(number: usize) -> std::io::Result<Vec<SocketAddr>> {
    // Held all at once, so that none is given out twice.
    let mut listeners = Vec::new();
    while listeners.len() < number {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, rand::random_range(10_000..20_000))) {
            Ok(listener) => listeners.push(listener),
            Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => {}
            Err(error) => return Err(error),
        }
    }
    listeners.iter().map(TcpListener::local_addr).collect()
}

fn write_council(
    dir: &Path,
    layout: Layout,
    genesis: &Genesis,
    seeds: &[Seed],
    ports: &[(SocketAddr, SocketAddr)],
) -> Result<Founded, Failure> {
    let failed = |path: &Path| {
        let path = path.display().to_string();
        move |error: std::io::Error| Failure::Unreachable(format!("can't make {path}: {error}"))
    };
    files::make_empty_dir(dir)?;
    let urls: Vec<String> = ports.iter().map(|(http, _)| format!("http://{http}")).collect();
    let policy = genesis.policy(&urls).map_err(|error| Failure::False(error.to_string()))?;
    let policy_path = dir.join("policy");
    files::write_whole(&policy_path, policy.to_string().as_bytes())?;
    let genesis_json = serde_json::to_string_pretty(genesis).map_err(Failure::unreachable)? + "\n";
    files::write_whole(&dir.join("genesis.json"), genesis_json.as_bytes())?;
    let mut members = Vec::new();
    for ((member, seed), (http, peer)) in genesis.members().iter().zip(seeds).zip(ports) {
        let mut member_dir = dir.to_owned();
        if layout == Layout::Council {
            member_dir.push(member.name.as_str());
            fs::create_dir(&member_dir).map_err(failed(&member_dir))?;
            files::write_whole(&member_dir.join("genesis.json"), genesis_json.as_bytes())?;
        }
        let name = KeyName::new(member.name.as_str()).map_err(Failure::unreachable)?;
        let secret = SecretKey::Seed { name, seed: seed.clone() };
        key_file::write(&member_dir.join("node.key"), &secret, None).map_err(Failure::unreachable)?;
        let others: BTreeMap<&str, String> = genesis
            .members()
            .iter()
            .zip(ports)
            .filter(|(other, _)| other.name != member.name)
            .map(|(other, (_, peer))| (other.name.as_str(), peer.to_string()))
            .collect();
        let config = node_toml(&member.name, *http, *peer, &others);
        files::write_whole(&member_dir.join("node.toml"), config.as_bytes())?;
        members.push(FoundedMember {
            name: member.name.to_string(),
            dir: member_dir,
            http: format!("http://{http}"),
            peer: peer.to_string(),
            vkey: member.cosign.to_string(),
        });
    }
    Ok(Founded { origin: genesis.origin().to_string(), policy: policy_path, members })
}

/// The configuration of a node, with a comment for each key.
pub(super) fn node_toml(
    name: &MemberName,
    http: SocketAddr,
    peer: SocketAddr,
    others: &BTreeMap<&str, String>,
) -> String {
    let addresses: String =
        others.iter().map(|(name, address)| format!("\"{name}\" = \"{address}\"\n")).collect();
    format!(
        "# Configuration of a Jurat node. All keys but the name can also be set by a flag of\n\
         # 'jurat run' or by an environment variable; 'jurat run --help' lists them.\n\
         \n\
         # The node's name among the members in genesis.json.\n\
         name = \"{name}\"\n\
         # Paths are relative to this file. The key file is the node's only secret.\n\
         genesis = \"genesis.json\"\n\
         key = \"node.key\"\n\
         data = \"data\"\n\
         # What this node cosigns for other logs: see 'jurat witness --help'.\n\
         witness = \"witness\"\n\
         \n\
         [http]\n\
         # Where clients, readers and monitoring reach the node. Put a reverse proxy with TLS\n\
         # before it when it faces the public.\n\
         listen = \"{http}\"\n\
         # Connections at one time.\n\
         max_connections = 1024\n\
         # Seconds that a submission waits for its receipt, and while there is no quorum.\n\
         receipt_timeout = 30\n\
         no_quorum_timeout = 5\n\
         \n\
         [peer]\n\
         # Where the other members reach this one. Links are encrypted and mutually authenticated.\n\
         listen = \"{peer}\"\n\
         \n\
         # Where this node reaches the other members: host:port.\n\
         [peer.addresses]\n\
         {addresses}\
         \n\
         [log]\n\
         # error, warn, info, debug or trace; and text or json lines, to standard error.\n\
         level = \"info\"\n\
         format = \"text\"\n"
    )
}
