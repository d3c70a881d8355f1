//! `jurat topic price`

use std::time::Duration;

use clap::Args;
use jurat_bulletin::TopicId;

use super::TopicArguments;
use crate::{
    bulletin_json::PriceJson,
    cli::{Failure, client::Client, output::Output},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Show what a bulletin costs now
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat topic price weather --node http://127.0.0.1:8100\n\
    The price rises as the topic or the node fills.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: TopicArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.at.node, TIMEOUT)?;
    let price = crate::cli::runtime()?.block_on(ask(&client, &arguments.at.id()))?;
    output.result(&price, || {
        let unit = if price.rule == "linear" { "attempts" } else { "zero bits" };
        format!(
            "{} {unit} of {} ({} where nothing is crowded)",
            price.effort, price.algorithm, price.least_effort
        )
    });
    Ok(())
}

/// Asks a node.
pub(super) async fn ask(client: &Client, topic: &TopicId) -> Result<PriceJson, Failure> {
    let answer = client.get(&format!("/api/v1/topics/{}/price", topic.0)).await?.success()?;
    serde_json::from_slice(&answer).map_err(Failure::unreachable)
}
