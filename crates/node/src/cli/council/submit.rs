//! `jurat council submit`

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use clap::Args;
use data_encoding::BASE64;
use jurat_trust::ProposalId;
use serde::Serialize;

use super::{change_file, show, source};
use crate::{
    cli::{Failure, client::Client, output::Output},
    core::{ChangeRefusal, CouncilChange, CouncilHistory},
};

/// Hand in a change that enough members signed or a proposal was approved for, and wait until the council
/// has changed
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat council submit node-5.change --node http://127.0.0.1:8100\n\
    Example: jurat council submit node-5.change --proposal $PROPOSAL --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// The signed change; of several copies that were signed apart, all
    #[arg(value_name = "CHANGE", required = true)]
    changes: Vec<PathBuf>,
    /// The approved proposal that the change stands on, instead of members' signatures
    #[arg(long, value_name = "ID")]
    proposal: Option<ProposalId>,
    /// A member's node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// How many seconds to wait for the new epoch
    #[arg(long, default_value_t = 60, value_name = "SECONDS")]
    timeout: u64,
}

#[derive(Serialize)]
struct Submission {
    change: String,
}

const POLL: Duration = Duration::from_millis(200);

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let timeout = Duration::from_secs(arguments.timeout);
    let client = Client::new(&arguments.node, timeout)?;
    crate::cli::runtime()?.block_on(async {
        let mut history = source::fetch(&client).await?;
        let mut change = merged(&arguments.changes, &history)?;
        if let Some(proposal) = arguments.proposal {
            change = change.by_proposal(proposal);
        }
        if !is_executed(&change, &history)? {
            // Whether a proposal was approved for it the node knows.
            change.follow(&history).map_err(|refusal| refused(&refusal, &change, &history))?;
            let body = serde_json::to_vec(&Submission { change: BASE64.encode(&change.encode()) });
            let body = body.map_err(Failure::unreachable)?;
            client.post("/api/v1/council/changes", "application/json", body).await?.success()?;
            let until = Instant::now() + timeout;
            while !is_executed(&change, &history)? {
                if Instant::now() >= until {
                    return Err(Failure::Unreachable(format!(
                        "the change was taken and is not executed after {} s: see 'jurat status', and submit \
                         it again, which is harmless",
                        arguments.timeout
                    )));
                }
                tokio::time::sleep(POLL).await;
                history = source::fetch(&client).await?;
            }
        }
        show::print(&history, output);
        Ok(())
    })
}

fn merged(paths: &[PathBuf], history: &CouncilHistory) -> Result<CouncilChange, Failure> {
    let mut changes = paths.iter().map(|path| change_file::read(path, history).map(|change| (path, change)));
    let Some(first) = changes.next() else { return Err(Failure::Usage("no change given".into())) };
    let (_, mut change) = first?;
    for other in changes {
        let (path, other) = other?;
        if !change.merge(&other) {
            let (path, first) = (path.display(), paths[0].display());
            return Err(Failure::Usage(format!(
                "{path} is another change than {first}: submit one at a time"
            )));
        }
    }
    Ok(change)
}

/// Whether the history has the change; an error if its epoch ended otherwise.
fn is_executed(change: &CouncilChange, history: &CouncilHistory) -> Result<bool, Failure> {
    let step = usize::try_from(change.epoch().0).ok().and_then(|epoch| history.steps().get(epoch));
    match step {
        None => Ok(false),
        Some(step) if step.change.change() == change.change() => Ok(true),
        Some(_) => Err(Failure::False(format!(
            "epoch {} has ended with another change, the council is in epoch {}: make a new request",
            change.epoch(),
            history.epoch()
        ))),
    }
}

fn refused(refusal: &ChangeRefusal, change: &CouncilChange, history: &CouncilHistory) -> Failure {
    match refusal {
        ChangeRefusal::TooFew { .. } => {
            let (_, missing) = change_file::support(change, history);
            Failure::False(format!("{refusal}; not yet signed by {}", missing.join(", ")))
        }
        _ => Failure::False(refusal.to_string()),
    }
}
