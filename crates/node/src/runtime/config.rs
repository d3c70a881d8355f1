//! The configuration file of a node, and the files it names.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use jurat_bulletin::BoardLimits;
use jurat_crypto::{KeyFileError, SecretKey, Seed};
use jurat_log::Origin;
use serde::{Deserialize, Serialize};

use crate::{
    core::{CouncilHistory, Genesis, MAX_UNREAD_MESSAGES, Member, MemberName},
    key_file::{self, KeyFileIoError},
};

/// `node.toml`. Paths are relative to the directory that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name among the members.
    pub name: MemberName,
    /// The origin of the log that this node follows; a member of a council has none.
    #[serde(default)]
    pub follow: Option<String>,
    /// The network's genesis.
    #[serde(default = "default_genesis")]
    pub genesis: PathBuf,
    /// The council's history at the time when this node asked to join; a founder has none.
    #[serde(default = "default_council")]
    pub council: PathBuf,
    /// The node's seed.
    #[serde(default = "default_key")]
    pub key: PathBuf,
    /// Where the log, the index and the journal are.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// What the node's witness cosigned for other logs, and for which.
    #[serde(default = "default_witness")]
    pub witness: PathBuf,
    /// Copies of other logs.
    #[serde(default = "default_mirrors")]
    pub mirrors: PathBuf,
    /// The HTTP interface.
    pub http: HttpConfig,
    /// Links to the other members. A follower has none.
    #[serde(default)]
    pub peer: Option<PeerConfig>,
    /// How other logs are mirrored.
    #[serde(default)]
    pub mirror: MirrorConfig,
    /// How others are reached.
    #[serde(default)]
    pub outgoing: OutgoingConfig,
    /// How many bulletins are kept.
    #[serde(default)]
    pub bulletins: BulletinConfig,
    /// What mail is taken.
    #[serde(default)]
    pub mail: MailConfig,
    /// What the node writes about itself.
    #[serde(default)]
    pub log: LogConfig,
}

/// The HTTP interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Connections at one time.
    #[serde(default = "default_connections")]
    pub max_connections: usize,
    /// Seconds that a submission waits for its receipt.
    #[serde(default = "default_receipt_timeout")]
    pub receipt_timeout: u64,
    /// Seconds that it waits while the council has no quorum.
    #[serde(default = "default_no_quorum_timeout")]
    pub no_quorum_timeout: u64,
    /// The first entry that is published: tiles of hashes and entries that end before it are not
    /// served (C2SP tlog-tiles, "Pruning"). The node itself and the other members keep them.
    #[serde(default)]
    pub minimum_index: u64,
}

/// Links to the other members.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerConfig {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Where the other members listen, by name, as `host:port`.
    #[serde(default)]
    pub addresses: BTreeMap<String, String>,
}

/// How other logs are mirrored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MirrorConfig {
    /// Seconds after which a source is asked again, at least 1.
    #[serde(default = "default_mirror_interval")]
    pub interval: u64,
    /// Seconds that a source may take for an answer, at least 1; for a longer one it must keep a least
    /// speed.
    #[serde(default = "default_mirror_timeout")]
    pub timeout: u64,
}

impl MirrorConfig {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout.max(1))
    }
}

impl Default for MirrorConfig {
    fn default() -> Self {
        Self { interval: default_mirror_interval(), timeout: default_mirror_timeout() }
    }
}

/// How others are reached.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutgoingConfig {
    /// Root certificates (PEM) that are trusted for `https`, besides those of the machine.
    #[serde(default)]
    pub roots: Option<PathBuf>,
    /// A SOCKS5 proxy, such as that of Tor. All connections to others go through it then, those to members
    /// and to the sources of mirrored logs alike, and only it looks up names.
    #[serde(default)]
    pub proxy: Option<SocketAddr>,
}

/// How many bulletins are kept. What comes beyond is refused, and the price rises before that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BulletinConfig {
    /// Of one topic.
    pub per_topic: usize,
    /// In all.
    pub total: usize,
    /// MiB of content in all.
    pub total_mib: usize,
}

impl Default for BulletinConfig {
    fn default() -> Self {
        let limits = BoardLimits::default();
        Self { per_topic: limits.per_topic, total: limits.bulletins, total_mib: limits.bytes >> 20 }
    }
}

impl BulletinConfig {
    pub(super) fn limits(&self) -> BoardLimits {
        let bytes = self.total_mib.saturating_mul(1 << 20);
        BoardLimits { per_topic: self.per_topic, bulletins: self.total, bytes, ..BoardLimits::default() }
    }
}

/// What mail the node takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MailConfig {
    /// How many messages of people who are no members may wait for their reader; none are taken if it is 0.
    pub from_anybody: usize,
}

impl Default for MailConfig {
    fn default() -> Self {
        Self { from_anybody: MAX_UNREAD_MESSAGES }
    }
}

/// What the node writes about itself, to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or a filter such as `jurat=debug`.
    #[serde(default = "default_level")]
    pub level: String,
    /// Lines for people, or JSON for programs.
    #[serde(default)]
    pub format: LogFormat,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For programs, one object a line.
    Json,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { level: default_level(), format: LogFormat::Text }
    }
}

fn default_genesis() -> PathBuf {
    "genesis.json".into()
}

fn default_council() -> PathBuf {
    "council.json".into()
}

fn default_key() -> PathBuf {
    "node.key".into()
}

fn default_data() -> PathBuf {
    "data".into()
}

fn default_witness() -> PathBuf {
    "witness".into()
}

fn default_mirrors() -> PathBuf {
    "mirrors".into()
}

const fn default_mirror_interval() -> u64 {
    300
}

const fn default_mirror_timeout() -> u64 {
    10
}

const fn default_connections() -> usize {
    1024
}

const fn default_receipt_timeout() -> u64 {
    30
}

const fn default_no_quorum_timeout() -> u64 {
    5
}

fn default_level() -> String {
    "info".into()
}

/// What a node is besides its configuration.
#[derive(Debug)]
pub struct NodeFiles {
    /// The network's genesis.
    pub genesis: Genesis,
    /// The council's history as far as it was known when this node asked to join.
    pub council: Option<CouncilHistory>,
    /// The node's seed.
    pub seed: Seed,
    /// What the others know of it.
    pub member: Member,
}

/// Why a configuration can't be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A file can't be read.
    #[error("can't read {path}: {error}; is this a node's directory, made by 'jurat council new'?", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        error: io::Error,
    },
    /// `node.toml` is not a configuration.
    #[error("{path}, line {line}: {reason}; 'jurat run --help' lists all that can be set", path = path.display())]
    Toml {
        /// The file.
        path: PathBuf,
        /// Where, counted from 1.
        line: usize,
        /// What is wrong there.
        reason: String,
    },
    /// `genesis.json` is not a genesis.
    #[error("{path} is not a genesis: {error}; take a fresh copy from another member", path = path.display())]
    Genesis {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        error: serde_json::Error,
    },
    /// The council's history is none, or one of another council.
    #[error("{path} is not a history of the council in genesis.json: {reason}; take a fresh copy from a member's /api/v1/council", path = path.display())]
    Council {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// The key file can't be read.
    #[error(transparent)]
    KeyFile(#[from] KeyFileIoError),
    /// The key file holds a single key.
    #[error("{path} holds a single key, not a node's seed: put back the node.key that 'jurat council new' made", path = path.display())]
    NotASeed {
        /// The file.
        path: PathBuf,
    },
    /// The name is no member's, or the seed is another member's.
    #[error("{name} with this key is not a member in {path}: the name, the key file and the genesis must belong together, and who joins later has the council's council.json beside them", path = path.display())]
    NotAMember {
        /// The name in the configuration.
        name: MemberName,
        /// The genesis.
        path: PathBuf,
    },
    /// Only one of `follow` and `[peer]` makes sense.
    #[error("{path}: {reason}", path = path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: &'static str,
    },
    /// The followed log's name is none.
    #[error("follow = {name:?}: {reason}")]
    Follow {
        /// The name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The node follows a log, and is asked for what only a member has.
    #[error("this node follows the log {0}, and is no member of a council")]
    Follower(String),
    /// An address is given for something that is not a member.
    #[error("[peer.addresses] names {0}, which is not another member of the council, nor was one")]
    UnknownPeer(String),
    /// A member has no address.
    #[error("[peer.addresses] has no address for member {0}")]
    NoAddress(MemberName),
}

impl Config {
    /// Reads `node.toml` in a node's directory; paths come out relative to the working directory.
    pub fn read(dir: &Path) -> Result<Self, ConfigError> {
        let path = dir.join("node.toml");
        let text = read(&path)?;
        let mut config: Self = toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let line = before.matches('\n').count() + 1;
            ConfigError::Toml { path: path.clone(), line, reason: error.message().replace('\n', ", ") }
        })?;
        let kind = |reason| Err(ConfigError::Kind { path: path.clone(), reason });
        match (&config.follow, &config.peer) {
            (None, None) => return kind("[peer] is missing: where the other members reach this one"),
            (Some(_), Some(_)) => {
                return kind("a node that follows a log has no [peer]: remove one of the two");
            }
            _ => {}
        }
        for path in [
            &mut config.genesis,
            &mut config.council,
            &mut config.key,
            &mut config.data,
            &mut config.witness,
            &mut config.mirrors,
        ] {
            *path = dir.join(&*path);
        }
        if let Some(roots) = &mut config.outgoing.roots {
            *roots = dir.join(&*roots);
        }
        Ok(config)
    }

    /// Reads the genesis that the configuration names.
    pub fn read_genesis(&self) -> Result<Genesis, ConfigError> {
        self.links()?;
        serde_json::from_str(&read(&self.genesis)?)
            .map_err(|error| ConfigError::Genesis { path: self.genesis.clone(), error })
    }

    /// The log that the node follows, if it does.
    pub fn followed(&self) -> Result<Option<Origin>, ConfigError> {
        let Some(name) = &self.follow else { return Ok(None) };
        let refused = |reason: String| ConfigError::Follow { name: name.clone(), reason };
        Origin::new(name.as_str()).map(Some).map_err(|error| refused(error.to_string()))
    }

    /// The origin of the log that the node keeps with others; none if it follows one.
    pub fn own_log(&self) -> Result<Option<Origin>, ConfigError> {
        if self.follow.is_some() {
            return Ok(None);
        }
        Ok(Some(self.read_genesis()?.origin().clone()))
    }

    /// The links of a member.
    pub fn links(&self) -> Result<&PeerConfig, ConfigError> {
        self.peer.as_ref().ok_or_else(|| ConfigError::Follower(self.follow.clone().unwrap_or_default()))
    }

    /// Reads the node's secret.
    pub fn read_seed(&self, passphrase: Option<&[u8]>) -> Result<Seed, ConfigError> {
        match key_file::read(&self.key, passphrase)? {
            SecretKey::Seed { seed, .. } => Ok(seed),
            SecretKey::Key { .. } => Err(ConfigError::NotASeed { path: self.key.clone() }),
        }
    }

    /// Reads the files that the configuration of a member names, and checks that they belong together.
    pub fn read_files(&self, passphrase: Option<&[u8]>) -> Result<NodeFiles, ConfigError> {
        let genesis = self.read_genesis()?;
        let seed = self.read_seed(passphrase)?;
        let council = self.read_council(&genesis)?;
        let not_a_member = || ConfigError::NotAMember { name: self.name.clone(), path: self.genesis.clone() };
        let member =
            Member::of_seed(self.name.clone(), genesis.origin(), &seed).map_err(|_| not_a_member())?;
        let is_same = |founder: &&Member| founder.name == member.name || founder.link == member.link;
        match genesis.members().iter().find(is_same) {
            Some(founder) if *founder == member => {}
            // Who joins later has the council's history beside the genesis.
            None if council.is_some() => {}
            _ => return Err(not_a_member()),
        }
        Ok(NodeFiles { genesis, council, seed, member })
    }

    fn read_council(&self, genesis: &Genesis) -> Result<Option<CouncilHistory>, ConfigError> {
        if !self.council.exists() {
            return Ok(None);
        }
        let refused = |reason: String| ConfigError::Council { path: self.council.clone(), reason };
        let json = read(&self.council)?;
        let history =
            CouncilHistory::from_json(json.as_bytes()).map_err(|error| refused(error.to_string()))?;
        if history.genesis() != genesis {
            return Err(refused("it begins with another genesis".into()));
        }
        Ok(Some(history))
    }

    /// Checks that the addresses are those of members of this council, and that none is missing.
    /// Those who joined said themselves where they are.
    pub(super) fn check_addresses(&self, history: &CouncilHistory) -> Result<(), ConfigError> {
        let addresses = &self.links()?.addresses;
        let named = |name: &str| history.seats().any(|seat| seat.member.name.as_str() == name);
        if let Some(name) = addresses.keys().find(|name| **name == self.name.as_str() || !named(name)) {
            return Err(ConfigError::UnknownPeer(name.clone()));
        }
        // Whoever joined is dialled by the founders, and by all others who were there before.
        if history.genesis().members().iter().all(|founder| founder.name != self.name) {
            return Ok(());
        }
        let present = history.council().members().filter_map(|id| history.seat(id)).map(|seat| &seat.member);
        let founders = present.filter(|member| history.genesis().members().contains(member));
        let mut others = founders.filter(|member| member.name != self.name);
        match others.find(|member| !addresses.contains_key(member.name.as_str())) {
            Some(member) => Err(ConfigError::NoAddress(member.name.clone())),
            None => Ok(()),
        }
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|error| ConfigError::Read { path: path.into(), error })
}

impl From<KeyFileError> for ConfigError {
    fn from(error: KeyFileError) -> Self {
        Self::KeyFile(KeyFileIoError::from(error))
    }
}
