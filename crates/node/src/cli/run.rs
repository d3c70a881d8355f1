//! `jurat run`

use std::{
    io::{self, IsTerminal, Read},
    net::SocketAddr,
    path::PathBuf,
};

use clap::Args;
use tokio::sync::{oneshot, watch};
use tracing_subscriber::{EnvFilter, fmt};

use super::{Failure, output::Output, passphrase::PassphraseArguments};
use crate::runtime::{self, Config, LogConfig, LogFormat};

/// Run a node until SIGTERM or Ctrl-C
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat run council/node-1")]
pub(super) struct Arguments {
    /// The node's directory, with its node.toml
    dir: PathBuf,
    /// Check configuration, key, genesis and data, and stop
    #[arg(long)]
    check: bool,
    /// Where to listen for HTTP
    #[arg(long, env = "JURAT_HTTP_LISTEN", value_name = "ADDRESS")]
    http_listen: Option<SocketAddr>,
    /// HTTP connections at one time
    #[arg(long, env = "JURAT_HTTP_MAX_CONNECTIONS", value_name = "N")]
    http_max_connections: Option<usize>,
    /// Seconds that a submission waits for its receipt
    #[arg(long, env = "JURAT_HTTP_RECEIPT_TIMEOUT", value_name = "SECONDS")]
    http_receipt_timeout: Option<u64>,
    /// Seconds that it waits while the council has no quorum
    #[arg(long, env = "JURAT_HTTP_NO_QUORUM_TIMEOUT", value_name = "SECONDS")]
    http_no_quorum_timeout: Option<u64>,
    /// The first entry that is published; tiles that end before it are not served
    #[arg(long, env = "JURAT_HTTP_MINIMUM_INDEX", value_name = "INDEX")]
    http_minimum_index: Option<u64>,
    /// Where to listen for links
    #[arg(long, env = "JURAT_PEER_LISTEN", value_name = "ADDRESS")]
    peer_listen: Option<SocketAddr>,
    /// Where to reach a member, NAME=HOST:PORT; may be given several times
    #[arg(long, env = "JURAT_PEER_ADDRESSES", value_delimiter = ',', value_name = "NAME=HOST:PORT")]
    peer_address: Vec<String>,
    /// The network's genesis
    #[arg(long, env = "JURAT_GENESIS", value_name = "FILE")]
    genesis: Option<PathBuf>,
    /// The node's key file
    #[arg(long, env = "JURAT_KEY", value_name = "FILE")]
    key: Option<PathBuf>,
    /// Where the node keeps its data
    #[arg(long, env = "JURAT_DATA", value_name = "DIR")]
    data: Option<PathBuf>,
    /// Where its witness keeps what it cosigned for other logs
    #[arg(long, env = "JURAT_WITNESS", value_name = "DIR")]
    witness: Option<PathBuf>,
    /// Where the node keeps copies of other logs
    #[arg(long, env = "JURAT_MIRRORS", value_name = "DIR")]
    mirrors: Option<PathBuf>,
    /// Seconds after which the sources of mirrored logs are asked again
    #[arg(long, env = "JURAT_MIRROR_INTERVAL", value_name = "SECONDS")]
    mirror_interval: Option<u64>,
    /// Seconds that a source of a mirrored log may take for an answer
    #[arg(long, env = "JURAT_MIRROR_TIMEOUT", value_name = "SECONDS")]
    mirror_timeout: Option<u64>,
    /// Root certificates (PEM) that are trusted for https, besides those of the machine
    #[arg(long, env = "JURAT_OUTGOING_ROOTS", value_name = "FILE")]
    outgoing_roots: Option<PathBuf>,
    /// Bulletins of one topic that are kept
    #[arg(long, env = "JURAT_BULLETINS_PER_TOPIC", value_name = "N")]
    bulletins_per_topic: Option<usize>,
    /// Bulletins in all that are kept
    #[arg(long, env = "JURAT_BULLETINS_TOTAL", value_name = "N")]
    bulletins_total: Option<usize>,
    /// MiB of content of bulletins that are kept
    #[arg(long, env = "JURAT_BULLETINS_TOTAL_MIB", value_name = "MIB")]
    bulletins_total_mib: Option<usize>,
    /// Messages of people who are no members that wait for their reader; 0 to take none
    #[arg(long, env = "JURAT_MAIL_FROM_ANYBODY", value_name = "N")]
    mail_from_anybody: Option<usize>,
    /// A SOCKS5 proxy through which all connections to others go; without it the node does not start
    #[arg(long, env = "JURAT_OUTGOING_PROXY", value_name = "ADDRESS")]
    outgoing_proxy: Option<SocketAddr>,
    /// What to log: error, warn, info, debug, trace, or a filter
    #[arg(long, env = "JURAT_LOG_LEVEL", value_name = "LEVEL")]
    log_level: Option<String>,
    /// How to log
    #[arg(long, env = "JURAT_LOG_FORMAT", value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Stop when standard input ends, as it does when the starting process dies
    #[arg(long, hide = true)]
    stop_with_stdin: bool,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

impl Arguments {
    /// The file's configuration with what flags and environment change.
    fn config(&self) -> Result<Config, Failure> {
        let mut config = Config::read(&self.dir).map_err(Failure::unreachable)?;
        set(&mut config.http.listen, self.http_listen.as_ref());
        set(&mut config.http.max_connections, self.http_max_connections.as_ref());
        set(&mut config.http.receipt_timeout, self.http_receipt_timeout.as_ref());
        set(&mut config.http.no_quorum_timeout, self.http_no_quorum_timeout.as_ref());
        set(&mut config.http.minimum_index, self.http_minimum_index.as_ref());
        if let Some(peer) = &mut config.peer {
            set(&mut peer.listen, self.peer_listen.as_ref());
        } else if self.peer_listen.is_some() || !self.peer_address.is_empty() {
            return Err(Failure::Usage("this node follows a log, and has no links to members".into()));
        }
        set(&mut config.genesis, self.genesis.as_ref());
        set(&mut config.key, self.key.as_ref());
        set(&mut config.data, self.data.as_ref());
        set(&mut config.witness, self.witness.as_ref());
        set(&mut config.mirrors, self.mirrors.as_ref());
        set(&mut config.mirror.interval, self.mirror_interval.as_ref());
        set(&mut config.mirror.timeout, self.mirror_timeout.as_ref());
        if self.outgoing_proxy.is_some() {
            config.outgoing.proxy = self.outgoing_proxy;
        }
        if self.outgoing_roots.is_some() {
            config.outgoing.roots.clone_from(&self.outgoing_roots);
        }
        set(&mut config.bulletins.per_topic, self.bulletins_per_topic.as_ref());
        set(&mut config.bulletins.total, self.bulletins_total.as_ref());
        set(&mut config.bulletins.total_mib, self.bulletins_total_mib.as_ref());
        set(&mut config.mail.from_anybody, self.mail_from_anybody.as_ref());
        set(&mut config.log.level, self.log_level.as_ref());
        set(&mut config.log.format, self.log_format.as_ref());
        for pair in &self.peer_address {
            let Some((name, address)) = pair.split_once('=') else {
                return Err(Failure::Usage(format!("--peer-address takes NAME=HOST:PORT, not {pair:?}")));
            };
            let peer = config.peer.iter_mut();
            peer.for_each(|peer| drop(peer.addresses.insert(name.into(), address.into())));
        }
        Ok(config)
    }
}

fn set<T: Clone>(field: &mut T, value: Option<&T>) {
    if let Some(value) = value {
        field.clone_from(value);
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = arguments.config()?;
    let passphrase = arguments.passphrase.read()?;
    let passphrase = passphrase.as_ref().map(|passphrase| passphrase.as_slice());
    if config.follow.is_some() {
        let seed = config.read_seed(passphrase).map_err(Failure::unreachable)?;
        start_logging(&config.log)?;
        if arguments.check {
            let log = runtime::check_follower(&config).map_err(Failure::unreachable)?;
            Output::new(false).print(&format!("ok: configuration, key; follows {log}"));
            return Ok(());
        }
        let with_stdin = arguments.stop_with_stdin;
        return until_stopped(with_stdin, |stopped| runtime::run_follower(config, seed, stopped, |_| {}));
    }
    let files = config.read_files(passphrase).map_err(Failure::unreachable)?;
    start_logging(&config.log)?;
    if arguments.check {
        let data = runtime::check(&config, &files).map_err(Failure::unreachable)?;
        let data = data.map_or("no data yet".into(), |data| format!("data in {}", data.display()));
        Output::new(false).print(&format!("ok: configuration, key, genesis; {data}"));
        return Ok(());
    }
    until_stopped(arguments.stop_with_stdin, |stopped| runtime::run(config, files, stopped, |_| {}))
}

/// Runs something until a signal comes.
fn until_stopped<F: Future<Output = Result<(), runtime::RunError>>>(
    with_stdin: bool,
    run: impl FnOnce(watch::Receiver<bool>) -> F,
) -> Result<(), Failure> {
    super::runtime()?.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let signals = tokio::spawn(wait_for_stop(stop, with_stdin));
        let outcome = Box::pin(run(stopped)).await;
        signals.abort();
        outcome.map_err(Failure::unreachable)
    })
}

pub(super) fn start_logging(config: &LogConfig) -> Result<(), Failure> {
    let filter = EnvFilter::try_new(&config.level)
        .map_err(|error| Failure::Usage(format!("log level {:?}: {error}", config.level)))?;
    let colours = io::stderr().is_terminal();
    let builder = fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(colours);
    match config.format {
        LogFormat::Text => builder.with_target(false).init(),
        LogFormat::Json => builder.json().init(),
    }
    Ok(())
}

pub(super) async fn wait_for_stop(stop: watch::Sender<bool>, with_stdin: bool) {
    tokio::select! {
        () = interrupted() => {}
        () = stdin_ends(), if with_stdin => {}
    }
    let _ = stop.send(true);
}

/// SIGTERM or SIGINT. Listened for from this call on, not only once it is awaited.
#[cfg(unix)]
pub(super) fn interrupted() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let signals = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()));
    async move {
        let (Ok(mut term), Ok(mut int)) = signals else {
            // Without handlers the default applies: the process ends at once.
            return std::future::pending().await;
        };
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    }
}

/// On a thread of its own: tokio's standard input can't be given up, so the process would outlive
/// the node that a signal stopped.
async fn stdin_ends() {
    let (ended, end) = oneshot::channel();
    std::thread::spawn(move || {
        let mut bytes = [0; 64];
        while matches!(io::stdin().read(&mut bytes), Ok(read) if read > 0) {}
        let _ = ended.send(());
    });
    let _ = end.await;
}
