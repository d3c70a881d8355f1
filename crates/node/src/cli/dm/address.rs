//! `jurat dm address`

use std::time::Duration;

use clap::Args;

use crate::{
    cli::{Failure, client::Client, output::Output},
    message_json::MessageTermsJson,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Show the key by which anybody writes to a node, and what that costs now
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat dm address --node http://127.0.0.1:8100\n\
    Publish the address of your own node: who writes to it checks that it is the one that answers.")]
pub(in crate::cli) struct Arguments {
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.node, TIMEOUT)?;
    let terms = crate::cli::runtime()?.block_on(ask(&client))?;
    output.result(&terms, || format!("{}  {}", terms.address, terms.stamp.describe()));
    Ok(())
}

/// Asks a node what it takes to write to it.
pub(super) async fn ask(client: &Client) -> Result<MessageTermsJson, Failure> {
    let answer = client.get("/api/v1/messages").await?.success()?;
    serde_json::from_slice(&answer).map_err(Failure::unreachable)
}
