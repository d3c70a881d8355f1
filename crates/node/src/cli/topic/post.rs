//! `jurat topic post`

use std::{num::NonZeroUsize, path::PathBuf, time::Duration};

use clap::Args;
use data_encoding::HEXLOWER;
use jurat_bulletin::{Bulletin, Effort, MAX_CONTENT_BYTES, Posting, TopicId};
use jurat_crypto::SigningKey;
use jurat_trust::FederationId;
use serde::Serialize;

use super::{TopicArguments, price};
use crate::{
    bulletin_json::{PostedJson, PriceJson},
    cli::{
        Failure,
        client::Client,
        files,
        operation::{federation_id, signing_key},
        output::Output,
        stamping::{affordable, hand_in, stamp, stamp_time, unknown},
    },
    core::{BULLETIN_SENDER, sender_body},
};

const BULLETINS: &str = "/api/v1/bulletins";
const TIMEOUT: Duration = Duration::from_secs(30);

/// Post a bulletin: does the work that it costs, on all processors, and waits until it is stored
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat topic post weather --text 'snow above 2000 m' --node http://127.0.0.1:8100\n\
    Bulletins are public, live for an hour and do not say who wrote them, not even with --as.\n\
    Without --text and --file the content is read from standard input."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    at: TopicArguments,
    /// What the bulletin says
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    text: Option<String>,
    /// The file that holds what it says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// How many threads search for the stamp [default: one for each processor]
    #[arg(long, value_name = "N")]
    threads: Option<NonZeroUsize>,
    /// The most that is paid: zero bits, or attempts, as the network counts [default: 16 times the least]
    #[arg(long, value_name = "EFFORT")]
    max_effort: Option<u32>,
    /// The federation that posts, which the node then knows: it costs less if the node's trusts that
    #[arg(long = "as", value_name = "FEDERATION", value_parser = federation_id, requires = "key")]
    sender: Option<FederationId>,
    /// A key of that federation: a key file, or the directory of its node
    #[arg(long, value_name = "FILE", requires = "sender")]
    key: Option<PathBuf>,
}

/// What was posted, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    #[serde(flatten)]
    posted: PostedJson,
    effort: u32,
    nonce: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    solution: Option<String>,
    attempts: u64,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let content = match (&arguments.text, &arguments.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (_, Some(path)) => files::read_bounded(path, MAX_CONTENT_BYTES, "content of a bulletin")?,
        _ => files::read_standard_input(MAX_CONTENT_BYTES, "content of a bulletin")?,
    };
    let client = Client::new(&arguments.at.node, TIMEOUT)?;
    let topic = arguments.at.id();
    let sender = arguments.sender.as_ref().zip(arguments.key.as_deref());
    let sender = sender.map(|(sender, key)| Ok((sender, signing_key(key, None)?))).transpose()?;
    let said = price::ask(&client, &topic, arguments.sender.as_ref());
    let said = crate::cli::runtime()?.block_on(said)?;
    let (answer, (posting, attempts)) = hand_in(&client, said.stamp.effort, |effort| {
        let (posting, attempts) = stamped(arguments, &said, topic, effort, &content, output)?;
        let path = match &sender {
            Some((federation, key)) => signed_path(federation, key, &said, &posting)?,
            None => BULLETINS.to_owned(),
        };
        Ok((path, posting.encode(), (posting, attempts)))
    })?;
    let posted = serde_json::from_slice(&answer).map_err(Failure::unreachable)?;
    let solution = posting.solution.map(|solution| HEXLOWER.encode(&solution.to_bytes()));
    let (effort, nonce) = (posting.effort.amount(), posting.bulletin.nonce());
    let shown = Shown { posted, effort, nonce, solution, attempts };
    output.result(&shown, || format!("posted {} until {}", shown.posted.content_id, shown.posted.expires));
    Ok(())
}

/// Where to post as a federation: its id, the key and the signature are in the query.
fn signed_path(
    federation: &FederationId,
    key: &SigningKey,
    said: &PriceJson,
    posting: &Posting,
) -> Result<String, Failure> {
    let rules = said.rules().ok_or_else(unknown)?;
    let signature = BULLETIN_SENDER.sign(key, rules.network, &sender_body(posting.bulletin.header()));
    let [key, signature] =
        [&key.verifying_key().as_bytes()[..], &signature.to_bytes()].map(|bytes| HEXLOWER.encode(bytes));
    Ok(format!("{BULLETINS}?sender={federation}&key={key}&signature={signature}"))
}

/// A posting with its work done, and how many attempts that took.
fn stamped(
    arguments: &Arguments,
    said: &PriceJson,
    topic: TopicId,
    effort: u32,
    content: &[u8],
    output: Output,
) -> Result<(Posting, u64), Failure> {
    let rules = said.rules().ok_or_else(unknown)?;
    affordable("bulletin", effort, (rules.work.bulletins, rules.work.rule), arguments.max_effort)?;
    let bulletin = Bulletin::new(topic, stamp_time(), 0, content.to_vec())
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let posting = Posting::new(Effort::new(effort), bulletin);
    let stamp = stamp(&posting.subject(&rules), &rules.work, arguments.threads, output)?;
    Ok((posting.stamped(&stamp), stamp.attempt + 1))
}
