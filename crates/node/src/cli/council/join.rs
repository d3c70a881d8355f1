//! `jurat council join`

use std::{
    collections::BTreeMap,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

use clap::Args;
use jurat_crypto::{KeyName, SecretKey, Seed};
use serde::Serialize;
use zeroize::Zeroizing;

use super::{change_file, new, source::read_history};
use crate::{
    cli::{Failure, files, output::Output},
    core::{CouncilChange, CouncilHistory, HttpUrl, MemberName, MembershipChange, Newcomer, PeerAddress},
    key_file,
    runtime::Config,
};

/// Make the directory of a node that wants to join a council, and its request
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat council join node-5 --name node-5 --council council/node-1 --peer 10.0.0.5:8101 --http 10.0.0.5:8100\n\
    Founders' addresses come from the node.toml in the directory given as --council, and from --peer-address.\n\
    Called again on the same directory it writes a new request, for the epoch that there is now."
)]
pub(in crate::cli) struct Arguments {
    /// The directory to make; the request is NAME.change in it
    dir: PathBuf,
    /// The newcomer's name, which no member has or had
    #[arg(long)]
    name: String,
    /// The council: a node's URL, a member's directory, council.json or genesis.json
    #[arg(long, value_name = "SOURCE")]
    council: String,
    /// Where members reach the newcomer [default: a free port of this machine]
    #[arg(long, value_name = "HOST:PORT")]
    peer: Option<String>,
    /// Where it serves the log [default: a free port of this machine]
    #[arg(long, value_name = "HOST:PORT")]
    http: Option<String>,
    /// Where a founder is reached, NAME=HOST:PORT; may be given several times
    #[arg(long, value_delimiter = ',', value_name = "NAME=HOST:PORT")]
    peer_address: Vec<String>,
}

/// The request, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Requested {
    dir: PathBuf,
    change: PathBuf,
    name: String,
    /// The epoch that the change ends.
    epoch: u64,
    peer: String,
    http: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let usage = |error: &dyn std::fmt::Display| Failure::Usage(error.to_string());
    let name = MemberName::new(arguments.name.clone()).map_err(|error| usage(&error))?;
    let history = read_history(&arguments.council)?;
    let addresses = addresses(arguments, &history)?;
    let again = arguments.dir.join("node.toml").exists();
    let (free_http, free_peer) = new::ports(1, None)?[0];
    let peer = arguments.peer.clone().unwrap_or_else(|| free_peer.to_string());
    let http = arguments.http.clone().unwrap_or_else(|| free_http.to_string());
    if again && (arguments.peer.is_none() || arguments.http.is_none()) {
        let dir = arguments.dir.display();
        return Err(Failure::Usage(format!(
            "{dir} is a node already: for a new request, give --peer and --http"
        )));
    }
    let peer = PeerAddress::new(peer).map_err(|error| usage(&error))?;
    let url = HttpUrl::new(format!("http://{http}")).map_err(|error| usage(&error))?;
    let (http_listen, peer_listen) = (listen(&http)?, listen(peer.as_str())?);

    let seed = if again { own_seed(&arguments.dir, &name, &history)? } else { new_seed()? };
    let (network, epoch) = (history.genesis().network(), history.epoch());
    let newcomer = Newcomer::of_seed(name.clone(), peer.clone(), url.clone(), &seed, network, epoch);
    let change = CouncilChange::new(epoch, MembershipChange::Add(newcomer));
    // Refuses what no signature can mend before anything is written.
    change.check_request(&history).map_err(|refusal| Failure::False(refusal.to_string()))?;
    if !again {
        let config = new::node_toml(&name, http_listen, peer_listen, &addresses);
        make(&arguments.dir, &name, seed, &history, &config)?;
    }
    files::write_whole(&arguments.dir.join("council.json"), history.to_json().as_bytes())?;
    let path = arguments.dir.join(format!("{name}.change"));
    change_file::write(&path, &history, &change)?;
    let requested = Requested {
        dir: arguments.dir.clone(),
        change: path.clone(),
        name: name.to_string(),
        epoch: epoch.0,
        peer: peer.to_string(),
        http: url.to_string(),
    };
    output.result(&requested, || {
        format!(
            "{}\nrequest: {path}\n{} members have to sign it, each with: jurat council sign {path} DIR\n\
             start the node with: jurat run {}",
            change_file::describe(&change, &history),
            history.council().quorum(),
            arguments.dir.display(),
            path = path.display()
        )
    });
    Ok(())
}

/// Where each founder that is still a member is reached. Those who joined later said so in their
/// requests, which are in the history.
fn addresses<'a>(
    arguments: &Arguments,
    history: &'a CouncilHistory,
) -> Result<BTreeMap<&'a str, String>, Failure> {
    let mut known: BTreeMap<String, String> = BTreeMap::new();
    if Path::new(&arguments.council).join("node.toml").exists() {
        let member = Config::read(Path::new(&arguments.council)).map_err(Failure::unreachable)?;
        if let Some(links) = member.peer {
            known.extend(links.addresses);
            known.insert(member.name.to_string(), links.listen.to_string());
        }
    }
    for pair in &arguments.peer_address {
        let Some((name, address)) = pair.split_once('=') else {
            return Err(Failure::Usage(format!("--peer-address takes NAME=HOST:PORT, not {pair:?}")));
        };
        known.insert(name.into(), address.into());
    }
    let founders = history.members_of(history.epoch()).filter(|seat| seat.peer.is_none());
    let (mut addresses, mut missing) = (BTreeMap::new(), Vec::new());
    for seat in founders {
        let name = seat.member.name.as_str();
        match known.remove(name) {
            Some(address) => drop(addresses.insert(name, address)),
            None => missing.push(format!("--peer-address {name}=HOST:PORT")),
        }
    }
    if missing.is_empty() {
        return Ok(addresses);
    }
    Err(Failure::Usage(format!("say where the founders listen for links: {}", missing.join(" "))))
}

/// Where to listen so that the address leads here: at it, or at its port if it is a name.
fn listen(address: &str) -> Result<SocketAddr, Failure> {
    if let Ok(address) = address.parse() {
        return Ok(address);
    }
    let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
    let port = port.ok_or_else(|| Failure::Usage(format!("{address:?} is not HOST:PORT")))?;
    Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), port))
}

fn new_seed() -> Result<Seed, Failure> {
    let mut bytes = Zeroizing::new([0; 32]);
    key_file::fill(&mut *bytes).map_err(Failure::unreachable)?;
    Ok(Seed::from_bytes(*bytes))
}

/// The seed of a directory that asked before, if it is for this name and council.
fn own_seed(dir: &Path, name: &MemberName, history: &CouncilHistory) -> Result<Seed, Failure> {
    let config = Config::read(dir).map_err(Failure::unreachable)?;
    let genesis = config.read_genesis().map_err(Failure::unreachable)?;
    if config.name != *name || genesis != *history.genesis() {
        let dir = dir.display();
        return Err(Failure::Usage(format!("{dir} is that of another node: choose another directory")));
    }
    match key_file::read(&config.key, None).map_err(Failure::unreachable)? {
        SecretKey::Seed { seed, .. } => Ok(seed),
        SecretKey::Key { .. } => {
            Err(Failure::Usage(format!("{} holds a single key, not a node's seed", config.key.display())))
        }
    }
}

fn make(
    dir: &Path,
    name: &MemberName,
    seed: Seed,
    history: &CouncilHistory,
    config: &str,
) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Unreachable(format!("can't make {}: {error}", dir.display()));
    if dir.exists() && fs::read_dir(dir).map_err(failed)?.next().is_some() {
        let dir = dir.display();
        return Err(Failure::Unreachable(format!(
            "{dir} is there already and not empty: choose another directory"
        )));
    }
    fs::create_dir_all(dir).map_err(failed)?;
    let key_name = KeyName::new(name.as_str()).map_err(Failure::unreachable)?;
    let secret = SecretKey::Seed { name: key_name, seed };
    key_file::write(&dir.join("node.key"), &secret, None).map_err(Failure::unreachable)?;
    let genesis = serde_json::to_string_pretty(history.genesis()).map_err(Failure::unreachable)? + "\n";
    files::write_whole(&dir.join("genesis.json"), genesis.as_bytes())?;
    files::write_whole(&dir.join("node.toml"), config.as_bytes())
}
