//! `jurat dm send`

use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64;
use jurat_crypto::MAX_LETTER_BYTES;

use crate::{
    cli::{
        Failure, files,
        output::Output,
        owner::{ask, other_answer},
    },
    runtime::{OwnerAnswer, OwnerRequest},
};

/// Send a sealed message to another member
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat dm send council/node-1 --to node-2 --text 'call me'\n\
    It waits with the members for an hour if the other node is down; one message of a pair waits at a time.\n\
    Without --text and --file the message is read from standard input.")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// The name of the member
    #[arg(long, value_name = "NAME")]
    to: String,
    /// What the message says
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    text: Option<String>,
    /// The file that holds what it says
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Have the council order it: a commitment to it goes into the log, and the other node shows the
    /// message once that is there
    #[arg(long)]
    ordered: bool,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let content = match (&arguments.text, &arguments.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (_, Some(path)) => files::read_bounded(path, MAX_LETTER_BYTES, "message")?,
        _ => files::read_standard_input(MAX_LETTER_BYTES, "message")?,
    };
    let (to, content) = (arguments.to.clone(), BASE64.encode(&content));
    let request = OwnerRequest::Send { to, content, ordered: arguments.ordered };
    let OwnerAnswer::Sent(sent) = ask(&arguments.dir, &request)? else { return Err(other_answer()) };
    output.result(&sent, || format!("sent to {}, {}", sent.to, sent.id));
    Ok(())
}
