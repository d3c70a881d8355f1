//! A node outside a council that follows its log.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

use jurat_crypto::{KeyName, SecretKey, Seed};
use jurat_log::Origin;
use serde::Serialize;
use zeroize::Zeroizing;

use crate::{
    cli::{
        Failure, council, files,
        mirror::{RuleArguments, chosen_log, mirror_dir},
        output::Output,
    },
    core::MemberName,
    key_file,
    runtime::follower_witness,
};

/// The node, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Made {
    origin: String,
    policy: PathBuf,
    name: String,
    dir: PathBuf,
    http: String,
    /// The key of its cosignatures.
    vkey: String,
    /// Where the log is read, and submissions go.
    sources: Vec<String>,
    /// The network whose council is followed, if one is.
    network: Option<String>,
}

/// Makes the directory of a follower.
pub(super) fn make(
    dir: &Path,
    name: &str,
    sources: &[String],
    rules: &RuleArguments,
    base_port: Option<u16>,
    output: Output,
) -> Result<(), Failure> {
    let (log, council) = chosen_log(rules, sources)?;
    let name = MemberName::new(name.to_owned()).map_err(|error| Failure::Usage(error.to_string()))?;
    let mut bytes = Zeroizing::new([0; 32]);
    key_file::fill(&mut *bytes).map_err(Failure::unreachable)?;
    let seed = Seed::from_bytes(*bytes);
    let witness = follower_witness(log.origin(), &name, &seed).map_err(Failure::Usage)?;
    let http = council::ports(1, base_port)?.first().map(|(http, _)| *http);
    let http = http.ok_or_else(|| Failure::Usage("there is no free port".into()))?;
    files::make_empty_dir(dir)?;
    let policy = dir.join("policy");
    files::write_whole(&policy, log.policy().to_string().as_bytes())?;
    let key_name = KeyName::new(name.as_str()).map_err(Failure::unreachable)?;
    let secret = SecretKey::Seed { name: key_name, seed };
    key_file::write(&dir.join("node.key"), &secret, None).map_err(Failure::unreachable)?;
    let network = council.as_ref().map(|council| council.genesis().network().0.to_string());
    let history = council.map(|council| council.to_json()).unwrap_or_default();
    mirror_dir(&dir.join("mirrors")).add(&log, history.as_bytes()).map_err(Failure::unreachable)?;
    files::write_whole(&dir.join("node.toml"), node_toml(&name, log.origin(), http).as_bytes())?;
    let made = Made {
        origin: log.origin().to_string(),
        policy,
        name: name.to_string(),
        dir: dir.to_owned(),
        http: format!("http://{http}"),
        vkey: witness.vkey().to_string(),
        sources: log.sources().to_vec(),
        network,
    };
    output.result(&made, || describe(&made));
    Ok(())
}

fn describe(made: &Made) -> String {
    let network = made.network.iter().map(|network| format!("\n  network {network}")).collect::<String>();
    let sources: String = made.sources.iter().map(|source| format!("\n  source  {source}")).collect();
    format!(
        "{} follows the log {}{network}{sources}\n  HTTP    {}\n  vkey    {}\nstart it with: jurat run {}",
        made.name,
        made.origin,
        made.http,
        made.vkey,
        made.dir.display()
    )
}

/// The configuration of a follower, with a comment for each key.
fn node_toml(name: &MemberName, origin: &Origin, http: SocketAddr) -> String {
    format!(
        "# Configuration of a Jurat node that follows a log. All keys but the first two can also be set by\n\
         # a flag of 'jurat run' or by an environment variable; 'jurat run --help' lists them.\n\
         \n\
         # The node's name.\n\
         name = \"{name}\"\n\
         # The log that it follows. Where that is read and whose checkpoints are accepted is kept in\n\
         # mirrors, and changed by 'jurat mirror add'.\n\
         follow = \"{origin}\"\n\
         # Paths are relative to this file. The key file is the node's only secret.\n\
         key = \"node.key\"\n\
         data = \"data\"\n\
         mirrors = \"mirrors\"\n\
         # What this node cosigns: see 'jurat witness --help'.\n\
         witness = \"witness\"\n\
         \n\
         [http]\n\
         # Where readers, clients and monitoring reach the node. Put a reverse proxy with TLS before it\n\
         # when it faces the public.\n\
         listen = \"{http}\"\n\
         # Connections at one time.\n\
         max_connections = 1024\n\
         # Seconds that a submission which was passed on waits for its receipt.\n\
         receipt_timeout = 30\n\
         \n\
         [mirror]\n\
         # Seconds after which the sources are asked for a newer checkpoint, and that they may take.\n\
         interval = 2\n\
         timeout = 10\n\
         \n\
         [log]\n\
         # error, warn, info, debug or trace; and text or json lines, to standard error.\n\
         level = \"info\"\n\
         format = \"text\"\n"
    )
}
