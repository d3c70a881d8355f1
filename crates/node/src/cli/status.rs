//! `jurat status`

use std::time::Duration;

use clap::Args;

use super::{Failure, client::Client, output::Output};
use crate::runtime::{FollowingStatus, Status};

/// Show where a node and its council stand
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat status --node http://127.0.0.1:8100 --watch")]
pub(super) struct Arguments {
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// Show it again every second, until interrupted
    #[arg(long)]
    watch: bool,
}

const TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.node, TIMEOUT)?;
    super::runtime()?.block_on(async {
        loop {
            let status = fetch(&client).await?;
            output.result(&status, || describe(&status));
            if !arguments.watch {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            output.say("");
        }
    })
}

/// A node's status.
pub(super) async fn fetch(client: &Client) -> Result<Status, Failure> {
    let body = client.get("/status").await?.success()?;
    serde_json::from_slice(&body)
        .map_err(|error| Failure::Unreachable(format!("the node's status makes no sense: {error}")))
}

fn describe(status: &Status) -> String {
    if let Some(following) = &status.following {
        return describe_follower(status, following);
    }
    let mut text = format!(
        "{} ({}) of {}\n  log        {} entries, {} certified, {} waiting\n  root       {}\n  \
         consensus  epoch {}, view {}{}, sequence {} (watermarks {} and {}), primary {}\n",
        status.name,
        status.role,
        status.origin,
        status.log_size,
        status.certified_size,
        status.waiting_entries,
        status.root,
        status.epoch,
        status.view,
        if status.changing_view { " (not begun)" } else { "" },
        status.sequence,
        status.stable_sequence,
        status.high_watermark,
        status.primary
    );
    if let Some(reason) = &status.last_view_change {
        text += &format!("  view changes {} since the start, the last for {reason}\n", status.view_changes);
    }
    let connected = status.members.iter().filter(|member| member.connected).count();
    let verdict = if status.has_quorum { "quorum" } else { "NO QUORUM" };
    text += &format!(
        "  council    {connected} of {} connected, {} needed: {verdict}",
        status.members.len(),
        status.quorum
    );
    for member in &status.members {
        let lag = match member.lag {
            None => "never heard".into(),
            Some(0) => "up to date".into(),
            Some(lag) => format!("{lag} batches behind"),
        };
        let link = if member.connected { "connected" } else { "not connected" };
        let heard = match member.silence {
            None => ", not heard since the start".into(),
            Some(silence) if silence >= 1000 => format!(", heard {} s ago", silence / 1000),
            Some(_) => String::new(),
        };
        text += &format!("\n    {:<16} {link}, {lag}{heard}", member.name);
    }
    for alarm in &status.alarms {
        text += &format!("\n  ALARM      {alarm}; 'jurat doctor' says where and what to do");
    }
    if !status.waiting_for.is_empty() {
        text += &format!("\n  waiting for {}", status.waiting_for.join(", "));
    }
    text
}

fn describe_follower(status: &Status, following: &FollowingStatus) -> String {
    let lag = match following.lag {
        None => "no source has answered yet".into(),
        Some(0) => "up to date".into(),
        Some(lag) => format!("{lag} entries behind"),
    };
    let verified = following.last_success.as_deref().unwrap_or("never since the start");
    let mut text = format!(
        "{} (follower) of {}\n  log        {} entries, {} certified, {lag}\n  root       {}\n  verified   {verified}",
        status.name, status.origin, status.log_size, status.certified_size, status.root
    );
    for source in &following.sources {
        let found = match (&source.last_error, source.log_size) {
            (Some(error), _) => error.clone(),
            (None, Some(size)) => format!("{size} entries"),
            (None, None) => "not asked yet".into(),
        };
        text += &format!("\n  source     {}: {found}", source.source);
    }
    for alarm in &status.alarms {
        text += &format!("\n  ALARM      {alarm}; 'jurat doctor' says where and what to do");
    }
    text
}
