//! `jurat topic price`

use std::time::Duration;

use clap::Args;
use jurat_bulletin::TopicId;
use jurat_trust::FederationId;

use super::TopicArguments;
use crate::{
    bulletin_json::PriceJson,
    cli::{Failure, client::Client, operation::federation_id, output::Output},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Show what a bulletin costs now
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat topic price weather --node http://127.0.0.1:8100\n\
    The price rises as the topic or the node fills, and falls for federations that the node's trusts.")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: TopicArguments,
    /// The federation that would post
    #[arg(long = "as", value_name = "FEDERATION", value_parser = federation_id)]
    sender: Option<FederationId>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.at.node, TIMEOUT)?;
    let price =
        crate::cli::runtime()?.block_on(ask(&client, &arguments.at.id(), arguments.sender.as_ref()))?;
    output.result(&price, || price.stamp.describe());
    Ok(())
}

/// Asks a node.
pub(super) async fn ask(
    client: &Client,
    topic: &TopicId,
    sender: Option<&FederationId>,
) -> Result<PriceJson, Failure> {
    let query = sender.map(|sender| format!("?sender={sender}")).unwrap_or_default();
    let answer = client.get(&format!("/api/v1/topics/{}/price{query}", topic.0)).await?.success()?;
    serde_json::from_slice(&answer).map_err(Failure::unreachable)
}
