//! `jurat peer`

mod pull;

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::{Args, Subcommand, ValueEnum};
use jurat_crypto::{Digest, NetworkId, Vkey};
use jurat_gossip::{Address, BootstrapManifest, Bucket, Peer, PeerKey, Reach, Role, Source, Transport};
use jurat_log::{MAX_NOTE_BYTES, Origin, UnixMillis};
use jurat_store::{MAX_SOURCES, MirrorDir, MirroredLog};
use serde::Serialize;
use serde_json::Value;

use super::{
    Failure,
    client::Client,
    files,
    mirror::{mirror_dir, root},
    output::Output,
};
use crate::{
    runtime::{Config, LogPeers as Peers, PeersError, unix_millis},
    time::rfc3339,
};

/// The peers of a mirrored or followed log: where it is read, where submissions go, and how they fare
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Add(AddArguments),
    Remove(RemoveArguments),
    List(ListArguments),
    Import(ImportArguments),
    Pull(pull::Arguments),
}

/// Which log's.
#[derive(Debug, Args)]
struct LogArguments {
    /// The node's or mirror's directory
    dir: PathBuf,
    /// The log's origin, if several are mirrored and the node follows none
    #[arg(long, value_name = "ORIGIN")]
    log: Option<String>,
}

/// Name a peer; a running node or mirror begins within seconds
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat peer add reader http://lab.example:8100\n\
    A peer that showed a fork is asked again only after it was added again.")]
pub(super) struct AddArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Its URL
    #[arg(value_name = "URL")]
    address: String,
    /// What it is used for: the log is read there, or a follower passes submissions on to it. Without a
    /// peer for submissions they go to where the log is read
    #[arg(long, value_enum, default_value_t = Use::Sync)]
    bucket: Use,
    /// What it does in the network
    #[arg(long, value_enum, default_value_t = Part::Participant)]
    role: Part,
    /// Refuse an address that is reached in another way: clearnet, onion, rns or loopback
    #[arg(long, value_enum)]
    transport: Option<Way>,
}

/// Forget a peer
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat peer remove reader http://lab.example:8100")]
pub(super) struct RemoveArguments {
    #[command(flatten)]
    log: LogArguments,
    /// Its URL
    #[arg(value_name = "URL")]
    address: String,
    /// For what it is not to be used any more
    #[arg(long, value_enum, default_value_t = Use::Sync)]
    bucket: Use,
}

/// Show the peers, how they fared, and when they are asked again
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat peer list reader")]
pub(super) struct ListArguments {
    #[command(flatten)]
    log: LogArguments,
}

/// Take the peers of a signed bootstrap manifest
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat peer import reader peers.manifest --signer seeds.example+1b..+A7.. --network ID\n\
    Those that are reached over a private transport are used at once; others only with --clearnet."
)]
pub(super) struct ImportArguments {
    #[command(flatten)]
    log: LogArguments,
    /// The manifest, a signed note
    #[arg(value_name = "FILE")]
    manifest: PathBuf,
    /// Who may have signed it; several if repeated
    #[arg(long, value_name = "VKEY", required = true)]
    signer: Vec<Vkey>,
    /// The network that it must be of
    #[arg(long, value_name = "ID")]
    network: Digest,
    /// Use peers on the open internet, too
    #[arg(long)]
    clearnet: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Use {
    Sync,
    Push,
    Bootstrap,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Part {
    Participant,
    Relay,
    Seed,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Way {
    Clearnet,
    Onion,
    Rns,
    Loopback,
}

/// A peer, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    log: String,
    bucket: Bucket,
    address: String,
    transport: String,
    source: Source,
    role: Role,
    enabled: bool,
    /// Whether it failed less than three times in a row.
    healthy: bool,
    failures: u32,
    last_seen: Option<String>,
    last_sync_ok: Option<String>,
    last_push_ok: Option<String>,
    last_error: Option<String>,
    /// Not before this time is it asked again.
    next_try: Option<String>,
    /// Entries that the log has elsewhere and not there, if the node runs and tells.
    lag: Option<u64>,
}

/// What an import came to, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Imported {
    /// Peers that were not known.
    new: usize,
    /// Peers from which the log is read from now on.
    used: Vec<String>,
    /// Peers that are not used: on the open internet, or one of too many.
    unused: Vec<String>,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(arguments, output),
        Command::Remove(arguments) => remove(arguments, output),
        Command::List(arguments) => list(&arguments.log, output),
        Command::Import(arguments) => import(arguments, output),
        Command::Pull(arguments) => pull::run(arguments, output),
    }
}

/// The log that is meant.
fn chosen(arguments: &LogArguments) -> Result<(MirrorDir, MirroredLog), Failure> {
    let dir = mirror_dir(&root(&arguments.dir)?);
    let mut logs = dir.logs().map_err(Failure::unreachable)?.into_iter().flatten().collect::<Vec<_>>();
    let mut named = arguments.log.clone();
    if named.is_none() && arguments.dir.join("node.toml").exists() {
        named = Config::read(&arguments.dir).map_err(Failure::unreachable)?.follow;
    }
    if let Some(named) = &named {
        let origin = Origin::new(named.as_str()).map_err(|error| Failure::Usage(error.to_string()))?;
        logs.retain(|log| *log.origin() == origin);
    }
    match (logs.len(), named) {
        (1, _) => Ok((dir, logs.swap_remove(0))),
        (0, Some(named)) => Err(Failure::False(format!("{named} is not mirrored"))),
        (0, None) => Err(Failure::False("no log is mirrored: begin with 'jurat mirror add'".into())),
        (count, _) => Err(Failure::Usage(format!("{count} logs are mirrored: say which one with --log"))),
    }
}

fn parsed(text: &str) -> Result<Address, Failure> {
    text.parse().map_err(|error| Failure::Usage(format!("{text:?}: {error}")))
}

fn failed(error: PeersError) -> Failure {
    match error {
        PeersError::Full(_) => Failure::False(error.to_string()),
        error => Failure::unreachable(error),
    }
}

fn add(arguments: &AddArguments, output: Output) -> Result<(), Failure> {
    let (dir, log) = chosen(&arguments.log)?;
    let address = match arguments.transport {
        Some(way) => Address::over(way.into(), &arguments.address)
            .map_err(|error| Failure::Usage(format!("{:?}: {error}", arguments.address)))?,
        None => parsed(&arguments.address)?,
    };
    if !address.as_str().starts_with("http") {
        return Err(Failure::Usage(format!("{address}: logs are read over http:// or https://")));
    }
    let key = PeerKey { bucket: arguments.bucket.into(), address };
    let with = match key.bucket {
        Bucket::Sync => Some(with_sources(&log, std::slice::from_ref(&key.address))?),
        _ => None,
    };
    let peers = Peers { dir: &dir, log: &log };
    let now = UnixMillis(unix_millis());
    peers
        .change(|peers| {
            peers.add(key.clone(), Source::Operator, arguments.role.into(), now)?;
            peers.enable(&key, true, now);
            Ok(())
        })
        .map_err(failed)?;
    if let Some(with) = &with {
        dir.put_sources(with).map_err(Failure::unreachable)?;
    }
    list(&arguments.log, output)
}

/// The log, read from these as well.
fn with_sources(log: &MirroredLog, more: &[Address]) -> Result<MirroredLog, Failure> {
    let mut sources = log.sources().to_vec();
    for address in more {
        if !sources.iter().any(|source| source.parse::<Address>().as_ref() == Ok(address)) {
            sources.push(address.to_string());
        }
    }
    log.clone().read_from(sources).map_err(|error| Failure::Usage(error.to_string()))
}

fn remove(arguments: &RemoveArguments, output: Output) -> Result<(), Failure> {
    let (dir, log) = chosen(&arguments.log)?;
    let key = PeerKey { bucket: arguments.bucket.into(), address: parsed(&arguments.address)? };
    if key.bucket == Bucket::Sync {
        let is_other = |source: &&String| source.parse::<Address>().as_ref() != Ok(&key.address);
        let sources = log.sources().iter().filter(is_other).cloned().collect();
        let without = log.clone().read_from(sources).map_err(|error| Failure::Usage(error.to_string()))?;
        dir.put_sources(&without).map_err(Failure::unreachable)?;
    }
    let peers = Peers { dir: &dir, log: &log };
    match peers.change(|peers| Ok(peers.remove(&key))).map_err(failed)? {
        Some(_) => {
            output.say(&format!("{} is no peer for this any more", key.address));
            Ok(())
        }
        None => Err(Failure::False(format!("{} is no such peer", key.address))),
    }
}

fn list(arguments: &LogArguments, output: Output) -> Result<(), Failure> {
    let (dir, log) = chosen(arguments)?;
    let peers = Peers { dir: &dir, log: &log }.read().map_err(failed)?;
    let sizes = sizes(&arguments.dir, &log);
    let largest = sizes.iter().map(|(_, size)| *size).max();
    for (key, peer) in peers.iter() {
        let size = sizes.iter().find(|(address, _)| *address == key.address).map(|(_, size)| *size);
        let lag = largest.zip(size).map(|(largest, size)| largest - size);
        let shown = Shown::new(log.origin(), key, peer, lag.filter(|_| key.bucket == Bucket::Sync));
        output.result(&shown, || shown.describe());
    }
    Ok(())
}

const PATIENCE: Duration = Duration::from_secs(2);

/// How large the log is at its sources, as the node tells if it runs.
fn sizes(dir: &Path, log: &MirroredLog) -> Vec<(Address, u64)> {
    let told = || {
        let config = Config::read(dir).ok()?;
        let client = Client::new(&format!("http://{}", config.http.listen), PATIENCE).ok()?;
        let body = super::runtime().ok()?.block_on(client.get("/logs")).ok()?.success().ok()?;
        serde_json::from_slice::<Value>(&body).ok()
    };
    let told = told().unwrap_or_default();
    let logs = told["logs"].as_array().into_iter().flatten();
    let sources = logs.filter(|shown| shown["origin"] == log.origin().as_str());
    let sources = sources.filter_map(|shown| shown["sources"].as_array()).flatten();
    sources
        .filter_map(|source| Some((source["source"].as_str()?.parse().ok()?, source["log_size"].as_u64()?)))
        .collect()
}

fn import(arguments: &ImportArguments, output: Output) -> Result<(), Failure> {
    let (dir, log) = chosen(&arguments.log)?;
    let bytes = files::read_bounded(&arguments.manifest, MAX_NOTE_BYTES, "manifest")?;
    let now = UnixMillis(unix_millis());
    let manifest = BootstrapManifest::open(&bytes, &arguments.signer, NetworkId(arguments.network), now)
        .map_err(|error| Failure::False(error.to_string()))?;
    let reach = if arguments.clearnet { Reach::Clearnet } else { Reach::PrivateOnly };
    let room = MAX_SOURCES.saturating_sub(log.sources().len());
    let addresses = manifest.peers().iter().map(|(address, _)| address.clone());
    let is_usable =
        |address: &Address| reach.allows(address.transport()) && address.as_str().starts_with("http");
    let (mut used, mut unused): (Vec<_>, Vec<_>) = addresses.partition(is_usable);
    unused.extend(used.split_off(room.min(used.len())));
    let with = with_sources(&log, &used)?;
    let peers = Peers { dir: &dir, log: &log };
    let new = peers.change(|peers| {
        let new = peers.add_manifest(&manifest, now)?;
        used.iter().try_for_each(|address| peers.promote(address, now).transpose().map(drop))?;
        Ok(new)
    });
    let new = new.map_err(failed)?;
    dir.put_sources(&with).map_err(Failure::unreachable)?;
    let text = |addresses: &[Address]| addresses.iter().map(ToString::to_string).collect();
    let imported = Imported { new, used: text(&used), unused: text(&unused) };
    output.result(&imported, || {
        format!(
            "{} new peers; used: {}; not used: {}",
            new,
            imported.used.join(" "),
            imported.unused.join(" ")
        )
    });
    Ok(())
}

impl Shown {
    fn new(log: &Origin, key: &PeerKey, peer: &Peer, lag: Option<u64>) -> Self {
        let time = |time: Option<UnixMillis>| time.map(|time| rfc3339(time.0));
        Self {
            log: log.to_string(),
            bucket: key.bucket,
            address: key.address.to_string(),
            transport: key.address.transport().to_string(),
            source: peer.source,
            role: peer.role,
            enabled: peer.enabled,
            healthy: peer.is_healthy(),
            failures: peer.failures,
            last_seen: time(peer.last_seen),
            last_sync_ok: time(peer.last_sync_ok),
            last_push_ok: time(peer.last_push_ok),
            last_error: peer.last_error.clone(),
            next_try: time(peer.cooldown_until),
            lag,
        }
    }

    fn describe(&self) -> String {
        let health = match (self.enabled, self.healthy) {
            (false, _) => "OFF",
            (true, true) => "healthy",
            (true, false) => "UNHEALTHY",
        };
        let mut text = format!("{}  {health}", self.address);
        let words = [name(self.bucket), self.transport.clone(), name(self.source), name(self.role)];
        text += &format!("\n  {}", words.join(", "));
        if let Some(time) = self.last_sync_ok.as_ref().or(self.last_push_ok.as_ref()) {
            text += &format!("\n  last success  {time}");
        }
        if let Some(lag) = self.lag {
            text += &format!("\n  lag           {lag} entries");
        }
        if let Some(error) = &self.last_error {
            text += &format!("\n  last error    {error} ({} in a row)", self.failures);
        }
        if let Some(time) = &self.next_try {
            text += &format!("\n  next try      {time}");
        }
        text
    }
}

/// By the name that it has in JSON.
fn name(word: impl Serialize) -> String {
    serde_json::to_value(word).ok().and_then(|name| name.as_str().map(Into::into)).unwrap_or_default()
}

impl From<Use> for Bucket {
    fn from(bucket: Use) -> Self {
        match bucket {
            Use::Sync => Self::Sync,
            Use::Push => Self::Push,
            Use::Bootstrap => Self::Bootstrap,
        }
    }
}

impl From<Part> for Role {
    fn from(part: Part) -> Self {
        match part {
            Part::Participant => Self::Participant,
            Part::Relay => Self::Relay,
            Part::Seed => Self::Seed,
        }
    }
}

impl From<Way> for Transport {
    fn from(way: Way) -> Self {
        match way {
            Way::Clearnet => Self::Clearnet,
            Way::Onion => Self::Onion,
            Way::Rns => Self::Rns,
            Way::Loopback => Self::Loopback,
        }
    }
}
