//! `jurat topic query`

use std::time::Duration;

use clap::Args;
use jurat_bulletin::TopicId;

use super::{TopicArguments, describe};
use crate::{
    bulletin_json::{BulletinJson, TopicBulletinsJson},
    cli::{Failure, client::Client, output::Output},
    url::escape,
};

const TIMEOUT: Duration = Duration::from_secs(10);

/// Show the bulletins of a topic that are alive, or some of them
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat topic query weather --starts-with snow --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: TopicArguments,
    /// Only those that say exactly this
    #[arg(long, value_name = "TEXT")]
    equals: Option<String>,
    /// Only those that begin so
    #[arg(long, value_name = "TEXT")]
    starts_with: Option<String>,
    /// Only those that end so
    #[arg(long, value_name = "TEXT")]
    ends_with: Option<String>,
    /// Only the one whose content has this SHA-256 digest
    #[arg(long, value_name = "HEX")]
    content_id: Option<String>,
    /// How many to show at most
    #[arg(short = 'n', long, value_name = "N")]
    limit: Option<usize>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.at.node, TIMEOUT)?;
    let fields = [
        ("equals", &arguments.equals),
        ("starts_with", &arguments.starts_with),
        ("ends_with", &arguments.ends_with),
        ("content_id", &arguments.content_id),
    ];
    let fields =
        fields.iter().filter_map(|(name, value)| Some(format!("&{name}={}", escape(value.as_ref()?))));
    let filter: String = fields.collect();
    let most = arguments.limit.unwrap_or(usize::MAX);
    crate::cli::runtime()?.block_on(each(&client, &arguments.at.id(), &filter, most, |bulletin| {
        output.result(bulletin, || describe(bulletin));
    }))
}

/// Gives the bulletins of a topic to `take`, at most so many; `filter` is a part of the query.
pub(super) async fn each(
    client: &Client,
    topic: &TopicId,
    filter: &str,
    most: usize,
    mut take: impl FnMut(&BulletinJson),
) -> Result<(), Failure> {
    let (mut left, mut after) = (most, String::new());
    while left > 0 {
        let path = format!("/api/v1/topics/{}?limit={}{filter}{after}", topic.0, left.min(100));
        let answer = client.get(&path).await?.success()?;
        let page: TopicBulletinsJson = serde_json::from_slice(&answer).map_err(Failure::unreachable)?;
        page.bulletins.iter().for_each(&mut take);
        left = left.saturating_sub(page.bulletins.len().max(1));
        match page.next {
            Some(next) => after = format!("&after={next}"),
            None => break,
        }
    }
    Ok(())
}
