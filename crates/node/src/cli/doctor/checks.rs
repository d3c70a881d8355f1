//! What `jurat doctor` looks at.

use std::{
    fs, io,
    net::{SocketAddr, TcpListener, TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    time::Duration,
};

use jurat_log::{BatchStamp, Checkpoint, MAX_NOTE_BYTES, Note};
use rustix::fs::statvfs;

use super::Finding;
use crate::{
    cli::{Failure, client::Client, files, status},
    core::Limits,
    runtime::{self, Config, FollowingStatus, Outgoing, SourceShown, Status},
    time::rfc3339,
};

/// How long the node itself may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long a member may take to take a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// Free bytes on the disk below which there is a warning.
const SCARCE: u64 = 1 << 30;
/// Below this, a node may stop at any moment: a new journal segment may not fit.
const NO_ROOM: u64 = 128 << 20;

/// All checks, in an order in which the first that is wrong is most likely the cause of the others.
pub(super) fn all(config: &Config, passphrase: Option<&[u8]>) -> Result<Vec<Finding>, Failure> {
    let status = status_of(config)?;
    let mut findings = vec![configuration(config, passphrase)];
    if let Err(error) = Outgoing::new(&config.outgoing, PATIENCE) {
        findings.push(Finding::wrong("outgoing", error.to_string(), "correct [outgoing] in node.toml"));
    }
    findings.push(clock(config));
    findings.push(disk(config));
    findings.push(process(config, status.as_ref()));
    match &status {
        Some(Status { following: Some(following), .. }) => findings.extend(sources(following)),
        Some(status) => findings.push(council(status)),
        None => {
            findings.push(port("HTTP port", config.http.listen, "http.listen"));
            let links = config.peer.iter();
            findings.extend(links.map(|links| port("link port", links.listen, "peer.listen")));
        }
    }
    findings.extend(members(config));
    findings.extend(mirrors(config));
    findings.push(evidence(config));
    findings.extend(damaged_peers(config));
    Ok(findings)
}

/// What the node says of itself, if it runs.
fn status_of(config: &Config) -> Result<Option<Status>, Failure> {
    let client = Client::new(&format!("http://{}", config.http.listen), PATIENCE)?;
    Ok(crate::cli::runtime()?.block_on(status::fetch(&client)).ok())
}

fn configuration(config: &Config, passphrase: Option<&[u8]>) -> Finding {
    let found = if config.follow.is_some() {
        let seed = config.read_seed(passphrase).map_err(|error| error.to_string());
        let log = seed.and_then(|_| runtime::check_follower(config).map_err(|error| error.to_string()));
        log.map(|log| format!("{} follows the log {log}", config.name))
    } else {
        let files = config.read_files(passphrase).map_err(|error| error.to_string());
        files.map(|files| format!("{} of the log {}", config.name, files.genesis.origin()))
    };
    match found {
        Ok(found) => Finding::ok("configuration", found),
        // It says what to do.
        Err(error) => Finding::wrong("configuration", error, "'jurat run --check' reads it again"),
    }
}

/// Where a follower reads its log, as the node tells.
fn sources(following: &FollowingStatus) -> Vec<Finding> {
    let all = following.sources.iter();
    let is_alone = all.clone().all(|source| source.last_error.is_some());
    let finding = |source: &SourceShown| {
        let name = &source.source;
        match &source.last_error {
            None => match source.log_size {
                Some(size) => Finding::ok("source", format!("{name} has {size} entries")),
                None => {
                    Finding::warning("source", format!("{name} was not asked yet"), "ask again in a while")
                }
            },
            Some(_) if source.forked => Finding::wrong(
                "source",
                format!("{name} shows another history of the log, and is not asked any more"),
                "'jurat evidence show' says who signed it; send that to all who rely on the log",
            ),
            Some(error) if is_alone => Finding::wrong(
                "source",
                format!("{name}: {error}"),
                "no source answers, so the copy does not grow and nothing is passed on: is the network there?",
            ),
            Some(error) => Finding::warning(
                "source",
                format!("{name}: {error}, {} times in a row", source.failures),
                "the others serve meanwhile; ask its operator",
            ),
        }
    };
    all.map(finding).collect()
}

/// The clock against the last batch, which was ordered at a time that the council agreed on.
fn clock(config: &Config) -> Finding {
    let now = runtime::unix_millis();
    let path = config.data.join("log").join("checkpoint");
    let last = files::read_up_to(&path, MAX_NOTE_BYTES, "checkpoint").ok().and_then(|bytes| {
        let note = Note::parse(&bytes).ok()?;
        BatchStamp::of(&Checkpoint::parse(note.text()).ok()?).ok()?
    });
    let shown = rfc3339(now);
    match last {
        Some(last) if last.time.0 > now.saturating_add(Limits::default().max_clock_offset) => Finding::wrong(
            "clock",
            format!("{shown}, which is {} s behind the last batch in the log", (last.time.0 - now) / 1000),
            "set the clock, for example with NTP; until then the node does not start",
        ),
        Some(_) => Finding::ok("clock", format!("{shown}, not behind the last batch in the log")),
        None => Finding::ok("clock", format!("{shown}; there is no batch to compare it with")),
    }
}

fn disk(config: &Config) -> Finding {
    let there = config.data.ancestors().find(|dir| dir.exists()).unwrap_or(Path::new("."));
    let shown = there.display();
    if let Err(error) = tempfile::tempfile_in(there) {
        return Finding::wrong(
            "disk",
            format!("can't write in {shown}: {error}"),
            "the node's user must own its data",
        );
    }
    let room = match statvfs(there) {
        Ok(room) => room.f_bavail.saturating_mul(room.f_frsize),
        Err(error) => return Finding::wrong("disk", format!("{shown}: {error}"), "look at the disk"),
    };
    let found = format!("{} MiB free for {shown}", room >> 20);
    match room {
        ..NO_ROOM => Finding::wrong("disk", found, "make room: without it the node stops"),
        NO_ROOM..SCARCE => Finding::warning("disk", found, "make room soon"),
        _ => Finding::ok("disk", found),
    }
}

fn process(config: &Config, status: Option<&Status>) -> Finding {
    match status {
        Some(status) if status.name == config.name.as_str() => {
            Finding::ok("process", format!("runs for {} s, as {}", status.uptime, status.role))
        }
        Some(status) => Finding::wrong(
            "process",
            format!("{} answers at {}, not {}", status.name, config.http.listen, config.name),
            "give each node its own http.listen",
        ),
        None => Finding::warning(
            "process",
            format!("nobody answers at http://{}", config.http.listen),
            "start it with 'jurat run'; if it runs, its log says why it does not answer",
        ),
    }
}

fn council(status: &Status) -> Finding {
    let connected = status.members.iter().filter(|member| member.connected).count();
    let found =
        format!("{connected} of {} members connected, {} needed", status.members.len(), status.quorum);
    if !status.has_quorum {
        let advice =
            format!("nothing is ordered before more of them are back: {}", status.waiting_for.join(", "));
        return Finding::wrong("council", found, advice);
    }
    match status
        .members
        .iter()
        .filter(|member| !member.connected)
        .map(|member| &*member.name)
        .collect::<Vec<_>>()
    {
        absent if absent.is_empty() => Finding::ok("council", found),
        absent => Finding::warning("council", found, format!("ask the operators of {}", absent.join(", "))),
    }
}

/// Whether a port can be listened on that the node, which does not run, will need.
fn port(check: &'static str, address: SocketAddr, key: &str) -> Finding {
    match TcpListener::bind(address) {
        Ok(_) => Finding::ok(check, format!("{address} is free")),
        Err(error) => {
            Finding::wrong(check, format!("{address}: {error}"), format!("free it, or change {key}"))
        }
    }
}

/// Whether the other members can be reached at the addresses that are configured.
fn members(config: &Config) -> Vec<Finding> {
    let reach = |address: &str| -> io::Result<()> {
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for address in address.to_socket_addrs()? {
            match TcpStream::connect_timeout(&address, CONNECT) {
                Ok(_) => return Ok(()),
                Err(error) => last = error,
            }
        }
        Err(last)
    };
    let finding = |(name, address): (&String, &String)| match reach(address) {
        Ok(()) => Finding::ok("member", format!("{name} listens at {address}")),
        Err(error) => Finding::warning(
            "member",
            format!("{name} can't be reached at {address}: {error}"),
            "is it down, or a firewall between, or the address in [peer.addresses] old?",
        ),
    };
    if let Some(proxy) = config.outgoing.proxy {
        // No name may be looked up, nor anybody be reached without it.
        return vec![match TcpStream::connect_timeout(&proxy, CONNECT) {
            Ok(_) => Finding::ok("proxy", format!("somebody listens at {proxy}")),
            Err(error) => {
                Finding::wrong("proxy", format!("{proxy}: {error}"), "start it: without it the node does not")
            }
        }];
    }
    config.peer.iter().flat_map(|links| &links.addresses).map(finding).collect()
}

/// Whether each mirrored log can be read.
fn mirrors(config: &Config) -> Vec<Finding> {
    let dir = jurat_store::MirrorDir::new(std::sync::Arc::new(jurat_store::StdFs), &config.mirrors);
    let logs = match dir.logs() {
        Ok(logs) => logs,
        Err(error) => return vec![Finding::wrong("mirror", error.to_string(), "look at the disk")],
    };
    let finding = |log: Result<jurat_store::MirroredLog, jurat_store::MirrorDirError>| match log {
        Ok(log) => Finding::ok("mirror", format!("{}, from {} sources", log.origin(), log.sources().len())),
        Err(error) => Finding::wrong("mirror", error.to_string(), "'jurat mirror add' writes its files anew"),
    };
    logs.into_iter().map(finding).collect()
}

/// Evidence of forks of other logs and against members, wherever the node keeps it.
fn evidence(config: &Config) -> Finding {
    let mut dirs: Vec<PathBuf> = list(&config.data.join("evidence"));
    dirs.extend(
        [&config.mirrors, &config.witness]
            .into_iter()
            .flat_map(|root| list(root))
            .map(|log| log.join("forks")),
    );
    let mut found: Vec<PathBuf> = dirs.iter().flat_map(|dir| list(dir)).collect();
    found.retain(|path| path.extension().is_some_and(|extension| extension == "evidence"));
    match found.first() {
        None => Finding::ok("evidence", "no log has forked here, and no member contradicted itself"),
        Some(first) => Finding::wrong(
            "evidence",
            format!(
                "{} files that prove a fork or a member's contradiction, such as {}",
                found.len(),
                first.display()
            ),
            "'jurat evidence show' says whose; send it to all who rely on the log",
        ),
    }
}

/// Peer files that were set aside.
fn damaged_peers(config: &Config) -> Option<Finding> {
    let files = list(&config.mirrors).into_iter().flat_map(|log| list(&log));
    let is_aside = |path: &PathBuf| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("peers.damaged-"))
    };
    let aside = files.filter(is_aside).collect::<Vec<_>>();
    let first = aside.first()?;
    Some(Finding::wrong(
        "peers",
        format!("{} peer files were damaged and set aside, such as {}", aside.len(), first.display()),
        "'jurat peer list' shows who is left; add the others again, then remove the file",
    ))
}

/// What is in a directory; nothing if it is none.
fn list(dir: &Path) -> Vec<PathBuf> {
    fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}
