//! `jurat topic list`

use std::time::Duration;

use clap::Args;

use crate::{
    bulletin_json::TopicsJson,
    cli::{Failure, client::Client, output::Output},
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// List the topics that have bulletins
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat topic list --node http://127.0.0.1:8100\n\
    Topics are listed by their ids: what describes one is not in its bulletins.")]
pub(in crate::cli) struct Arguments {
    /// The node, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.node, TIMEOUT)?;
    crate::cli::runtime()?.block_on(async {
        let mut after = String::new();
        loop {
            let answer = client.get(&format!("/api/v1/topics{after}")).await?.success()?;
            let page: TopicsJson = serde_json::from_slice(&answer).map_err(Failure::unreachable)?;
            for topic in &page.topics {
                output.result(topic, || format!("{}  {}", topic.topic, topic.bulletins));
            }
            match page.next {
                Some(next) => after = format!("?after={next}"),
                None => return Ok(()),
            }
        }
    })
}
