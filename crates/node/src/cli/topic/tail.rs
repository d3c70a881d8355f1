//! `jurat topic tail`

use std::{collections::BTreeSet, time::Duration};

use clap::Args;
use serde_json::Value;

use super::{TopicArguments, describe, query};
use crate::{
    bulletin_json::BulletinJson,
    cli::{Failure, client::Client, output::Output},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Show the bulletins of a topic, and new ones as they come
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat topic tail weather --node http://127.0.0.1:8100\n\
    Goes on until interrupted, or until so many were shown as -n says.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: TopicArguments,
    /// Leave out those that are there already
    #[arg(long)]
    new: bool,
    /// Stop after so many
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.at.node, TIMEOUT)?;
    let topic = arguments.at.id();
    let most = arguments.count.unwrap_or(usize::MAX);
    crate::cli::runtime()?.block_on(async {
        // First the stream, then what was there before: nothing falls between the two.
        let mut lines = client.lines(&format!("/api/v1/events?topic={}", topic.0)).await?;
        let mut before = BTreeSet::new();
        if !arguments.new {
            query::each(&client, &topic, "", most, |bulletin| {
                before.insert(bulletin.content_id.clone());
                output.result(bulletin, || describe(bulletin));
            })
            .await?;
        }
        let mut shown = before.len();
        while shown < most {
            let Some(line) = lines.next().await? else {
                return Err(Failure::Unreachable(format!("{client} ended the stream; is it still running?")));
            };
            let Some(data) = line.strip_prefix("data: ") else { continue };
            let value: Value = serde_json::from_str(data).map_err(Failure::unreachable)?;
            if let Some(missed) = value.get("missed") {
                output.complain(&format!("{missed} bulletins were missed: this end was too slow"));
                continue;
            }
            let bulletin: BulletinJson = serde_json::from_value(value).map_err(Failure::unreachable)?;
            if !before.remove(&bulletin.content_id) {
                output.result(&bulletin, || describe(&bulletin));
                shown += 1;
            }
        }
        Ok(())
    })
}
