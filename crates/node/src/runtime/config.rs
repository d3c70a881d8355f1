//! The configuration file of a node, and the files it names.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use jurat_crypto::{KeyFileError, SecretKey, Seed};
use serde::{Deserialize, Serialize};

use crate::{
    core::{Genesis, MemberName},
    key_file::{self, KeyFileIoError},
};

/// `node.toml`. Paths are relative to the directory that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The node's name among the members.
    pub name: MemberName,
    /// The network's genesis.
    #[serde(default = "default_genesis")]
    pub genesis: PathBuf,
    /// The node's seed.
    #[serde(default = "default_key")]
    pub key: PathBuf,
    /// Where the log, the index and the journal are.
    #[serde(default = "default_data")]
    pub data: PathBuf,
    /// The HTTP interface.
    pub http: HttpConfig,
    /// Links to the other members.
    pub peer: PeerConfig,
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

fn default_key() -> PathBuf {
    "node.key".into()
}

fn default_data() -> PathBuf {
    "data".into()
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
    /// The node's seed.
    pub seed: Seed,
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
    #[error("{name} with this key is not a member in {path}: the name, the key file and the genesis must belong together", path = path.display())]
    NotAMember {
        /// The name in the configuration.
        name: MemberName,
        /// The genesis.
        path: PathBuf,
    },
    /// An address is given for something that is not a member.
    #[error("[peer.addresses] names {0}, which is not another member in the genesis")]
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
            ConfigError::Toml { path, line, reason: error.message().replace('\n', ", ") }
        })?;
        for path in [&mut config.genesis, &mut config.key, &mut config.data] {
            *path = dir.join(&*path);
        }
        Ok(config)
    }

    /// Reads the files that the configuration names, and checks that they belong together.
    pub fn read_files(&self, passphrase: Option<&[u8]>) -> Result<NodeFiles, ConfigError> {
        let genesis = serde_json::from_str::<Genesis>(&read(&self.genesis)?)
            .map_err(|error| ConfigError::Genesis { path: self.genesis.clone(), error })?;
        let seed = match key_file::read(&self.key, passphrase)? {
            SecretKey::Seed { seed, .. } => seed,
            SecretKey::Key { .. } => return Err(ConfigError::NotASeed { path: self.key.clone() }),
        };
        let link = seed.signing_key(jurat_crypto::KeyUse::Link).verifying_key();
        let me = genesis.member_with_link(&link).and_then(|id| genesis.member(id));
        if me.is_none_or(|member| member.name != self.name) {
            return Err(ConfigError::NotAMember { name: self.name.clone(), path: self.genesis.clone() });
        }
        let others = || genesis.members().iter().filter(|member| member.name != self.name);
        for name in self.peer.addresses.keys() {
            if !others().any(|member| member.name.as_str() == name) {
                return Err(ConfigError::UnknownPeer(name.clone()));
            }
        }
        if let Some(member) = others().find(|member| !self.peer.addresses.contains_key(member.name.as_str()))
        {
            return Err(ConfigError::NoAddress(member.name.clone()));
        }
        Ok(NodeFiles { genesis, seed })
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
