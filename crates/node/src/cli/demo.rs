//! `jurat demo`: the whole thing in front of your eyes.

mod nodes;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use clap::Args;
use jurat_crypto::KeyName;
use tempfile::TempDir;
use tokio::time::sleep;

use super::{
    Failure,
    attest::{Attested, Attestor, attest_one},
    client::Client,
    council::{self, Founded},
    files::{self, receipt_path},
    keygen,
    output::Output,
    run::interrupted,
    status, verify,
};
use crate::runtime::Status;
use nodes::Nodes;

/// Start a council of four nodes here, attest, verify, kill one, attest again
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat demo report.pdf\n\n\
    The nodes are four processes of their own on loopback, with data in a temporary directory that is\n\
    removed at the end. Receipts lie beside the attested files, the policy in jurat-demo.policy.")]
pub(super) struct Arguments {
    /// Files to attest [default: README.md]
    files: Vec<PathBuf>,
    /// Leave the council running, print its addresses, and stop at Ctrl-C or SIGTERM
    #[arg(long)]
    keep: bool,
}

/// How long anything may take before the demonstration gives up.
const PATIENCE: Duration = Duration::from_secs(20);
const TIMEOUT: Duration = Duration::from_secs(15);
/// How often a council is founded until its nodes have the ports that were free.
const ATTEMPTS: usize = 3;
const POLICY: &str = "jurat-demo.policy";
const README: &str = include_str!("../../../../README.md");

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    super::runtime()?.block_on(async {
        // Before there is anything that a signal could leave behind.
        let interrupted = interrupted();
        let dir = tempfile::Builder::new().prefix("jurat-demo-").tempdir().map_err(Failure::unreachable)?;
        let mut nodes = Nodes::default();
        let outcome = tokio::select! {
            outcome = play(arguments, &dir, &mut nodes, output) => outcome,
            () = interrupted => {
                output.say("interrupted, cleaning up");
                if arguments.keep { Ok(()) } else { Err(Failure::Unreachable("interrupted".into())) }
            }
        };
        nodes.stop().await;
        if outcome.is_err()
            && let Some(logs) = nodes::last_words(dir.path())
        {
            output.complain(&logs);
        }
        dir.close().map_err(Failure::unreachable)?;
        outcome
    })
}

async fn play(
    arguments: &Arguments,
    dir: &TempDir,
    nodes: &mut Nodes,
    output: Output,
) -> Result<(), Failure> {
    let began = Instant::now();
    let say = |text: String| output.say(&format!("{:>5.1} s  {text}", began.elapsed().as_secs_f64()));
    let (council, clients) = ready(dir, nodes).await?;
    say(format!("four nodes run: {}", addresses(&council)));
    if arguments.keep {
        output.result(&council, || keep_summary(&council, dir.path()));
        loop {
            nodes.watch().await?;
        }
    }

    let (secret, vkey) = keygen::generate(KeyName::new("demo.example/you").map_err(Failure::unreachable)?)?;
    let attestor = Attestor::from_secret(secret, Path::new("the demo's key"))?;
    let files = files_to_attest(&arguments.files)?;
    let policy_path = PathBuf::from(POLICY);
    let policy_text = files::read_bounded(&council.policy, jurat_log::MAX_POLICY_BYTES, "policy")?;
    files::write_whole(&policy_path, &policy_text)?;

    let mut attested = Vec::new();
    let mut fastest = Duration::MAX;
    for file in &files {
        let asked = Instant::now();
        let receipt = attest_one(&clients[0], &attestor, file).await?;
        let took = asked.elapsed();
        fastest = fastest.min(took);
        say(format!(
            "{} attested at node-1: entry {}, cosigned by {}, receipt after {} ms",
            file.display(),
            receipt.index,
            receipt.cosigners.join(" "),
            took.as_millis()
        ));
        attested.push(receipt);
    }
    check_offline(&files, &policy_path, &vkey)?;
    say(format!("verified offline with {POLICY} alone"));

    let primary = status::fetch(&clients[1]).await?.primary;
    let victim = council.members.iter().position(|member| member.name == primary).unwrap_or(0);
    let survivor = (victim + 1) % clients.len();
    nodes.kill(victim).await?;
    say(format!("{primary}, the primary, killed (SIGKILL)"));
    let asked = Instant::now();
    let second = attest_one(&clients[survivor], &attestor, &policy_path).await?;
    let failover = asked.elapsed();
    say(format!(
        "{POLICY} attested with three nodes: entry {}, cosigned by {}, receipt after {} ms",
        second.index,
        second.cosigners.join(" "),
        failover.as_millis()
    ));
    check_offline(std::slice::from_ref(&policy_path), &policy_path, &vkey)?;

    nodes.start(&council, victim)?;
    let target = status::fetch(&clients[survivor]).await?;
    let caught_up = async || {
        let Ok(status) = status::fetch(&clients[victim]).await else { return Ok(false) };
        Ok(status.has_quorum
            && status.log_size >= target.log_size
            && status.certified_size >= target.certified_size)
    };
    nodes.until(PATIENCE, "the killed node to catch up", caught_up).await?;
    let last = same_head(nodes, &clients).await?;
    say(format!("{primary} restarted and caught up"));
    attested.push(second);
    output.say(&summary(&last, &attested, fastest, failover, &files));
    Ok(())
}

/// Founds the council and starts its nodes. Somebody else may have listened on a port that was free a moment
/// ago; then there is another council.
async fn ready(dir: &TempDir, nodes: &mut Nodes) -> Result<(Founded, Vec<Client>), Failure> {
    let council_dir = dir.path().join("council");
    for attempt in 1.. {
        let council = council::found_at(&council_dir, 4, None)?;
        nodes.start_all(&council)?;
        match until_ready(&council, nodes).await {
            Err(_) if attempt < ATTEMPTS && nodes::lacked_a_port(dir.path()) => {
                nodes.stop().await;
                fs::remove_dir_all(&council_dir).map_err(Failure::unreachable)?;
            }
            outcome => return outcome.map(|clients| (council, clients)),
        }
    }
    Err(Failure::Unreachable("no ports are free".into()))
}

async fn until_ready(council: &Founded, nodes: &mut Nodes) -> Result<Vec<Client>, Failure> {
    let clients = council.members.iter().map(|member| Client::new(&member.http, TIMEOUT));
    let clients: Vec<Client> = clients.collect::<Result<_, _>>()?;
    for client in &clients {
        let is_ready = async || Ok(client.get("/readyz").await?.success().is_ok());
        nodes.until(PATIENCE, "the council to be ready", is_ready).await?;
    }
    Ok(clients)
}

fn addresses(council: &Founded) -> String {
    let addresses: Vec<&str> = council.members.iter().map(|member| member.http.as_str()).collect();
    addresses.join(" ")
}

fn files_to_attest(files: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    if !files.is_empty() {
        return Ok(files.to_vec());
    }
    let readme = PathBuf::from("README.md");
    if readme.exists() {
        return Ok(vec![readme]);
    }
    // Started elsewhere: the project's README comes with the program.
    let own = PathBuf::from("jurat-demo-README.md");
    files::write_whole(&own, README.as_bytes())?;
    Ok(vec![own])
}

fn check_offline(files: &[PathBuf], policy: &Path, attestor: &jurat_crypto::Vkey) -> Result<(), Failure> {
    let policy = files::read_policy(policy)?;
    for file in files {
        let verified = verify::verify(file, &receipt_path(file), &policy)?;
        let verified = verified.map_err(|failed| Failure::False(format!("{}: {failed}", file.display())))?;
        if verified.attestor != *attestor {
            return Err(Failure::False(format!("{}: attested by {}", file.display(), verified.attestor)));
        }
    }
    Ok(())
}

/// Waits until all nodes have one log.
async fn same_head(nodes: &mut Nodes, clients: &[Client]) -> Result<Status, Failure> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut all = Vec::new();
        for client in clients {
            all.push(status::fetch(client).await?);
        }
        let first = all.swap_remove(0);
        if all.iter().all(|other| (other.log_size, &other.root) == (first.log_size, &first.root)) {
            return Ok(first);
        }
        if Instant::now() > deadline {
            return Err(Failure::False("the nodes do not agree on one log".into()));
        }
        nodes.check()?;
        sleep(Duration::from_millis(20)).await;
    }
}

fn summary(
    last: &Status,
    attested: &[Attested],
    fastest: Duration,
    failover: Duration,
    files: &[PathBuf],
) -> String {
    let mut text = format!(
        "\nlog       {}, {} entries, the same on all four nodes\nroot      {}\n\
         time      receipt after {} ms, after {} ms with the primary killed\n",
        last.origin,
        last.log_size,
        last.root,
        fastest.as_millis(),
        failover.as_millis()
    );
    for receipt in attested {
        text += &format!(
            "receipt   {}  entry {}, cosigned by {}\n",
            receipt.receipt.display(),
            receipt.index,
            receipt.cosigners.join(" ")
        );
    }
    let files: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    text + &format!(
        "policy    {POLICY}\n\nThe council is gone; the receipts hold without it:\n  jurat verify {} --policy {POLICY}",
        files.join(" ")
    )
}

fn keep_summary(council: &Founded, dir: &Path) -> String {
    let mut text = format!("log {}\n", council.origin);
    for member in &council.members {
        text += &format!("  {}  {}\n", member.name, member.http);
    }
    let node = council.members.first().map_or("", |member| member.http.as_str());
    text + &format!(
        "policy {}\nlogs and data {}\n\ntry in another terminal:\n  jurat keygen --name you.example -o you.key\n  \
         jurat attest README.md --key you.key --node {node}\n  jurat verify README.md --policy {}\n  \
         jurat status --node {node}\n\nCtrl-C stops the council and removes its directory",
        council.policy.display(),
        dir.display(),
        council.policy.display()
    )
}
