//! `jurat init`

mod follower;

use std::path::PathBuf;

use clap::Args;
use serde::Serialize;

use super::{Failure, council, mirror::RuleArguments, output::Output};

/// Make a node that keeps a log alone, or one that follows the log of a council
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat init mylog --name ana --origin log.example/ana\n\
    Then 'jurat run mylog'. A log that several keep together begins with 'jurat council new', and a node\n\
    joins one with 'jurat council join'. A log kept alone can be mirrored and witnessed like any other.\n\n\
    Example: jurat init reader --name lib --follow http://127.0.0.1:8100 --council http://127.0.0.1:8100\n\
    makes a follower: it mirrors the log, serves it to readers as a member does, cosigns what it verified,\n\
    and passes submissions on. Give the network's id with --network, or compare the one that is printed.")]
pub(super) struct Arguments {
    /// The directory to make
    dir: PathBuf,
    /// The node's name
    #[arg(long)]
    name: String,
    /// The log is kept by this node alone, which is how a new one begins
    #[arg(long, conflicts_with = "follow")]
    solo: bool,
    /// The log's origin: the address under which it will be served, without scheme
    #[arg(long, conflicts_with = "follow")]
    origin: Option<String>,
    /// Follow the log that is read at this URL, and pass submissions on to it; several if repeated. Takes
    /// --policy or --council
    #[arg(long, value_name = "URL")]
    follow: Vec<String>,
    #[command(flatten)]
    rules: RuleArguments,
    /// Listen on this port and the next [default: free ones]
    #[arg(long, value_name = "PORT")]
    base_port: Option<u16>,
}

/// The node, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Made {
    origin: String,
    policy: PathBuf,
    #[serde(flatten)]
    node: council::FoundedMember,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { dir, name, origin, base_port, follow, rules, .. } = arguments;
    if !follow.is_empty() {
        return follower::make(dir, name, follow, rules, *base_port, output);
    }
    if rules.is_given() {
        return Err(Failure::Usage(
            "--policy and --council are for a node that follows: name the log's URL with --follow".into(),
        ));
    }
    let founded = council::found_alone(dir, name, origin.clone(), *base_port)?;
    let council::Founded { origin, policy, members } = founded;
    let Some(node) = members.into_iter().next() else { return Ok(()) };
    let made = Made { origin, policy, node };
    output.result(&made, || {
        format!(
            "{} keeps the log {} alone\n  HTTP    {}\n  policy  {}\nstart it with: jurat run {}",
            made.node.name,
            made.origin,
            made.node.http,
            made.policy.display(),
            made.node.dir.display()
        )
    });
    Ok(())
}
