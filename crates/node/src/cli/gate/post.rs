//! `jurat gate post`

use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64;
use jurat_gates::MAX_POST_BYTES;

use super::{ask_gates, other_answer};
use crate::{
    cli::{Failure, files, output::Output},
    runtime::{GateAnswer, GateRequest},
};

/// Say something to all members of a gate
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat gate post council/node-1 'snow on the pass' --text 'closed above 2000 m'\n\
    Who is away reads it within a week. Without --text and --file it is read from standard input."
)]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// The gate: its name, or the first digits of its id
    gate: String,
    /// What to say
    #[arg(long, value_name = "TEXT", conflicts_with = "file")]
    text: Option<String>,
    /// The file that holds what to say
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let content = match (&arguments.text, &arguments.file) {
        (Some(text), _) => text.clone().into_bytes(),
        (_, Some(path)) => files::read_bounded(path, MAX_POST_BYTES, "post")?,
        _ => files::read_standard_input(MAX_POST_BYTES, "post")?,
    };
    let request = GateRequest::Post { gate: arguments.gate.clone(), content: BASE64.encode(&content) };
    match ask_gates(&arguments.dir, request)? {
        GateAnswer::Done => output.say("posted"),
        _ => return Err(other_answer()),
    }
    Ok(())
}
