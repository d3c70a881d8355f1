//! `jurat mirror`

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::{Args, Subcommand};
use jurat_crypto::Digest;
use jurat_log::{Checkpoint, Note, Origin, Policy};
use jurat_store::{MirrorDir, MirrorDirError, MirroredLog, StdFs};
use serde::Serialize;
use tokio::sync::watch;

use super::{Failure, council::read_pinned_history, files, output::Output, run};
use crate::core::CouncilHistory;
use crate::runtime::{
    self, Config, LogConfig, LogShown, MAX_MIRRORS, MirrorConfig, Outgoing, OutgoingConfig, Source,
    SourceError,
};

/// Keep verified copies of other logs, and serve them
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Add(AddArguments),
    List(ListArguments),
    Remove(RemoveArguments),
    Sync(SyncArguments),
    Serve(ServeArguments),
}

/// Mirror a log, or change where it is read; a running node or mirror begins within seconds
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat mirror add council/node-1 http://log.example /backup/log --policy log.policy\n\
    A source is the URL prefix of any server of C2SP tiles, or a directory with what one would serve.\n\
    Without a source, the log is read where its policy says.\n\n\
    Example: jurat mirror add mirror http://127.0.0.1:8100 --council council.json --network ID\n\
    A council's history may come from anybody if the id is known: each step proves the next."
)]
pub(super) struct AddArguments {
    /// The node's directory, with its node.toml, or any other for a mirror without a node
    dir: PathBuf,
    /// Where the log is read; several are used at the same time
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
    #[command(flatten)]
    rules: RuleArguments,
}

/// Whose checkpoints of a log are accepted.
#[derive(Debug, Args)]
pub(super) struct RuleArguments {
    /// Whose checkpoints are accepted: the policy of one log
    #[arg(long, value_name = "FILE", conflicts_with = "council")]
    policy: Option<PathBuf>,
    /// Of a council's log: council.json, genesis.json, a node's URL or directory. Its members' checkpoints are
    /// accepted, and the mirror goes along when they change
    #[arg(long, value_name = "SOURCE")]
    council: Option<String>,
    /// With --council: refuse another network than the one with this id
    #[arg(long, value_name = "ID", requires = "council")]
    network: Option<Digest>,
}

impl RuleArguments {
    /// Whether any is named.
    pub(super) const fn is_given(&self) -> bool {
        self.policy.is_some() || self.council.is_some()
    }
}

/// Show which logs are mirrored, and how far
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat mirror list council/node-1\n\
    How the sources do, a running node or mirror tells at /logs.")]
pub(super) struct ListArguments {
    /// The node's or mirror's directory
    dir: PathBuf,
}

/// Stop mirroring a log
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat mirror remove council/node-1 log.example\n\
    The copy stays on disk, in case the log is added again; the command says where.")]
pub(super) struct RemoveArguments {
    /// The node's or mirror's directory
    dir: PathBuf,
    /// The log's origin
    origin: String,
}

/// Bring all copies up to date once, without a running node or mirror
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat mirror sync mirror\n\
    The copies are plain files, one directory a log, which any web server can serve.\n\
    Exit code 1 if a log has forked, 3 if one could not be read anywhere.")]
pub(super) struct SyncArguments {
    /// The node's or mirror's directory
    dir: PathBuf,
    /// Seconds that a source may take for an answer
    #[arg(long, env = "JURAT_MIRROR_TIMEOUT", value_name = "SECONDS", default_value_t = MirrorConfig::default().timeout)]
    timeout: u64,
    #[command(flatten)]
    outgoing: OutgoingArguments,
}

/// How the sources are reached.
#[derive(Debug, Args)]
struct OutgoingArguments {
    /// Root certificates (PEM) that are trusted for https, besides those of the machine
    #[arg(long, env = "JURAT_OUTGOING_ROOTS", value_name = "FILE")]
    roots: Option<PathBuf>,
    /// A SOCKS5 proxy through which all sources are reached
    #[arg(long, env = "JURAT_OUTGOING_PROXY", value_name = "ADDRESS")]
    proxy: Option<SocketAddr>,
}

impl OutgoingArguments {
    /// The client for them; a node's directory has its own configuration.
    fn client(&self, dir: &Path, config: &MirrorConfig) -> Result<Outgoing, Failure> {
        let mut outgoing = OutgoingConfig::default();
        if dir.join("node.toml").exists() {
            outgoing = Config::read(dir).map_err(Failure::unreachable)?.outgoing;
        }
        outgoing.proxy = self.proxy.or(outgoing.proxy);
        if self.roots.is_some() {
            outgoing.roots.clone_from(&self.roots);
        }
        Outgoing::new(&outgoing, config.timeout()).map_err(Failure::unreachable)
    }
}

/// Mirror and serve logs without a node, until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat mirror serve mirror --listen 127.0.0.1:8100\n\
    Serves /logs, the copies below it, /healthz and /metrics.")]
pub(super) struct ServeArguments {
    /// The mirror's directory
    dir: PathBuf,
    /// Where to listen for HTTP
    #[arg(long, env = "JURAT_HTTP_LISTEN", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// HTTP connections at one time
    #[arg(long, env = "JURAT_HTTP_MAX_CONNECTIONS", value_name = "N", default_value_t = 1024)]
    max_connections: usize,
    /// Seconds after which the sources are asked again
    #[arg(long, env = "JURAT_MIRROR_INTERVAL", value_name = "SECONDS", default_value_t = MirrorConfig::default().interval)]
    interval: u64,
    /// Seconds that a source may take for an answer
    #[arg(long, env = "JURAT_MIRROR_TIMEOUT", value_name = "SECONDS", default_value_t = MirrorConfig::default().timeout)]
    timeout: u64,
    /// What to log: error, warn, info, debug, trace, or a filter
    #[arg(long, env = "JURAT_LOG_LEVEL", value_name = "LEVEL", default_value = "info")]
    log_level: String,
    #[command(flatten)]
    outgoing: OutgoingArguments,
    /// Stop when standard input ends, as it does when the starting process dies
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
}

/// A log, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    origin: String,
    /// Where its copy is.
    dir: PathBuf,
    /// Where it is served.
    path: String,
    sources: Vec<String>,
    /// The size of the last checkpoint that was verified.
    log_size: Option<u64>,
    /// Its root, in hex.
    root: Option<String>,
    /// The network and the last known epoch of the council that is followed, if one is.
    network: Option<String>,
    epoch: Option<u64>,
    /// Evidence that the log has forked.
    forks: Vec<PathBuf>,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Add(arguments) => add(arguments, output),
        Command::List(arguments) => {
            let root = root(&arguments.dir)?;
            for log in mirror_dir(&root).logs().map_err(Failure::unreachable)? {
                show(&root, &log.map_err(Failure::unreachable)?, output)?;
            }
            Ok(())
        }
        Command::Remove(arguments) => {
            let origin =
                Origin::new(&*arguments.origin).map_err(|error| Failure::Usage(error.to_string()))?;
            let dir = mirror_dir(&root(&arguments.dir)?);
            let Some(copy) = dir.remove(&origin).map_err(Failure::unreachable)? else {
                return Err(Failure::False(format!("{origin} is not mirrored")));
            };
            output.say(&format!("{origin}: not mirrored any more; its copy is in {}", copy.display()));
            Ok(())
        }
        Command::Sync(arguments) => sync(arguments, output),
        Command::Serve(arguments) => serve(arguments),
    }
}

/// Where a node keeps its copies, or a mirror without a node.
pub(super) fn root(dir: &Path) -> Result<PathBuf, Failure> {
    if dir.join("node.toml").exists() {
        return Ok(Config::read(dir).map_err(Failure::unreachable)?.mirrors);
    }
    Ok(dir.join("mirrors"))
}

pub(super) fn mirror_dir(root: &Path) -> MirrorDir {
    MirrorDir::new(Arc::new(StdFs), root)
}

fn add(arguments: &AddArguments, output: Output) -> Result<(), Failure> {
    let (log, council) = chosen_log(&arguments.rules, &arguments.sources)?;
    if arguments.dir.join("node.toml").exists() {
        let config = Config::read(&arguments.dir).map_err(Failure::unreachable)?;
        if config.own_log().map_err(Failure::unreachable)?.as_ref() == Some(log.origin()) {
            return Err(Failure::Usage("this is the node's own log, of which it has all".into()));
        }
    }
    let root = root(&arguments.dir)?;
    let dir = mirror_dir(&root);
    let logs = dir.logs().map_err(Failure::unreachable)?;
    let others = logs.iter().flatten().filter(|other| other.origin() != log.origin());
    if others.count() >= MAX_MIRRORS {
        return Err(Failure::False(format!("{MAX_MIRRORS} logs are mirrored, and no more can be")));
    }
    let known = council_of(&dir, log.origin())?;
    let council = match (council, known) {
        // What the mirror knows already is not unlearnt.
        (Some(told), Some(known)) if known.genesis() == told.genesis() && known.epoch() > told.epoch() => {
            Some(known)
        }
        (told, _) => told,
    };
    let history = council.map(|council| council.to_json()).unwrap_or_default();
    dir.add(&log, history.as_bytes()).map_err(Failure::unreachable)?;
    show(&root, &log, output)
}

/// The log that these rules are about, read from these sources; with the history of its council if that
/// is followed.
pub(super) fn chosen_log(
    rules: &RuleArguments,
    sources: &[String],
) -> Result<(MirroredLog, Option<CouncilHistory>), Failure> {
    let council =
        rules.council.as_ref().map(|source| read_pinned_history(source, rules.network)).transpose()?;
    let policy = policy(rules, council.as_ref())?;
    let sources = absolute(sources, &policy)?;
    let log = MirroredLog::new(policy, sources).map_err(|error| match error {
        MirrorDirError::Sources(0) => {
            Failure::Usage("the policy does not say where its log is read: name a source".into())
        }
        error => Failure::Usage(error.to_string()),
    })?;
    Ok((if council.is_some() { log.of_council() } else { log }, council))
}

/// The policy that was named, or that of the council's last epoch.
fn policy(rules: &RuleArguments, council: Option<&CouncilHistory>) -> Result<Policy, Failure> {
    let (Some(path), None) = (&rules.policy, council) else {
        let policy = council.map(|council| council.policy_of(council.epoch())).transpose();
        return policy.map_err(|error| Failure::False(error.to_string()))?.flatten().ok_or_else(|| {
            Failure::Usage("say whose checkpoints are accepted: --policy or --council".into())
        });
    };
    let policy = files::read_policy(path)?;
    match policy.council_weakness() {
        None => Ok(policy),
        Some(weakness) => {
            Err(Failure::False(format!("{}: {weakness}; such a policy accepts a fork", path.display())))
        }
    }
}

/// The council whose history is kept with a log.
fn council_of(dir: &MirrorDir, origin: &Origin) -> Result<Option<CouncilHistory>, Failure> {
    let history = dir.council(&Digest::of(origin.as_str().as_bytes())).map_err(Failure::unreachable)?;
    // A damaged one is told of by whoever mirrors; here it is as good as none.
    Ok(history.and_then(|json| CouncilHistory::from_json(&json).ok()))
}

/// Those that were named, or else those of the policy; paths as seen from anywhere.
fn absolute(sources: &[String], policy: &Policy) -> Result<Vec<String>, Failure> {
    let mut sources = sources.to_vec();
    if sources.is_empty() {
        sources = policy.logs().iter().filter_map(|log| Some(log.url.as_ref()?.to_string())).collect();
    }
    let absolute = |source: String| match Source::new(&source) {
        Ok(Source::Http(url)) => Ok(url),
        Ok(Source::Directory(path)) => {
            let path = std::path::absolute(path).map_err(Failure::unreachable)?;
            path.into_os_string()
                .into_string()
                .map_err(|_| Failure::Usage(format!("{source:?} is not UTF-8")))
        }
        Err(error @ (SourceError::Scheme(_) | SourceError::Url(_))) => Err(Failure::Usage(error.to_string())),
    };
    let mut distinct: Vec<String> = Vec::new();
    for source in sources {
        let source = absolute(source)?;
        if !distinct.contains(&source) {
            distinct.push(source);
        }
    }
    Ok(distinct)
}

fn sync(arguments: &SyncArguments, output: Output) -> Result<(), Failure> {
    run::start_logging(&LogConfig { level: "error".into(), ..LogConfig::default() })?;
    let config = MirrorConfig { timeout: arguments.timeout, ..MirrorConfig::default() };
    let outgoing = arguments.outgoing.client(&arguments.dir, &config)?;
    let root = root(&arguments.dir)?;
    let logs = super::runtime()?.block_on(runtime::sync_mirrors(root, &config, outgoing));
    let logs = logs.map_err(Failure::unreachable)?;
    for log in &logs {
        output.result(log, || describe_synced(log));
    }
    if let Some(log) = logs.iter().find(|log| log.forks > 0) {
        return Err(Failure::False(format!(
            "{} has forked: 'jurat mirror list' names the evidence",
            log.origin
        )));
    }
    match logs.iter().find(|log| log.error.is_some() || log.last_success.is_none()) {
        Some(log) => Err(Failure::Unreachable(format!("{} could not be read anywhere", log.origin))),
        None => Ok(()),
    }
}

fn serve(arguments: &ServeArguments) -> Result<(), Failure> {
    if arguments.dir.join("node.toml").exists() {
        let message = "this is the directory of a node, which serves its copies itself: 'jurat run'";
        return Err(Failure::Usage(message.into()));
    }
    run::start_logging(&LogConfig { level: arguments.log_level.clone(), ..LogConfig::default() })?;
    let config = MirrorConfig { interval: arguments.interval, timeout: arguments.timeout };
    let outgoing = arguments.outgoing.client(&arguments.dir, &config)?;
    let root = root(&arguments.dir)?;
    super::runtime()?.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let signals = tokio::spawn(run::wait_for_stop(stop, arguments.stop_with_stdin));
        let served = runtime::serve_mirrors(
            root,
            &config,
            outgoing,
            arguments.listen,
            arguments.max_connections,
            stopped,
        );
        let outcome = served.await;
        signals.abort();
        outcome.map_err(Failure::unreachable)
    })
}

fn show(root: &Path, log: &MirroredLog, output: Output) -> Result<(), Failure> {
    let dir = mirror_dir(root);
    let digest = Digest::of(log.origin().as_str().as_bytes());
    let note = dir.checkpoint(&digest).map_err(Failure::unreachable)?;
    let note = note.and_then(|note| Note::parse(&note).ok());
    let checkpoint = note.and_then(|note| Checkpoint::parse(note.text()).ok());
    let council = council_of(&dir, log.origin())?;
    let shown = Shown {
        origin: log.origin().to_string(),
        dir: root.join(digest.to_string()),
        path: format!("/logs/{digest}"),
        sources: log.sources().to_vec(),
        log_size: checkpoint.as_ref().map(|checkpoint| checkpoint.size().value()),
        root: checkpoint.as_ref().map(|checkpoint| checkpoint.root().to_string()),
        network: council.as_ref().map(|council| council.genesis().network().0.to_string()),
        epoch: council.as_ref().map(|council| council.epoch().0),
        forks: dir.forks(log.origin()).map_err(Failure::unreachable)?,
    };
    output.result(&shown, || describe(&shown));
    Ok(())
}

fn describe(shown: &Shown) -> String {
    let mut text = format!("{}\n  copy      {}", shown.origin, shown.dir.display());
    for source in &shown.sources {
        text += &format!("\n  source    {source}");
    }
    match (&shown.log_size, &shown.root) {
        (Some(size), Some(root)) => text += &format!("\n  verified  {size} entries, root {root}"),
        _ => text += "\n  verified  nothing yet",
    }
    if let (Some(network), Some(epoch)) = (&shown.network, shown.epoch) {
        text += &format!("\n  council   network {network}, epoch {epoch}");
    }
    for fork in &shown.forks {
        text += &format!("\n  FORKED    {}", fork.display());
    }
    text
}

fn describe_synced(log: &LogShown) -> String {
    let mut text = match log.log_size {
        Some(size) => format!("{}: {size} entries", log.origin),
        None => format!("{}: nothing yet", log.origin),
    };
    if let Some(error) = &log.error {
        text += &format!("\n  {error}");
    }
    for source in &log.sources {
        match &source.last_error {
            Some(error) => text += &format!("\n  {}: {error}", source.source),
            None => text += &format!("\n  {}: ok", source.source),
        }
    }
    text
}
