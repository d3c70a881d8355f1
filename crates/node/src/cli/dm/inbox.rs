//! `jurat dm inbox`

use std::path::PathBuf;

use clap::Args;
use data_encoding::BASE64;

use crate::{
    cli::{
        Failure,
        output::Output,
        owner::{ask, other_answer},
        topic::shown_text,
    },
    runtime::{OwnerAnswer, OwnerRequest},
};

/// Show the messages that came, and erase them
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat dm inbox council/node-2\n\
    A message that nobody reads is erased after a week.")]
pub(in crate::cli) struct Arguments {
    /// The directory of the own node, which must run
    dir: PathBuf,
    /// Leave them there
    #[arg(long)]
    keep: bool,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let OwnerAnswer::Letters(letters) = ask(&arguments.dir, &OwnerRequest::Inbox)? else {
        return Err(other_answer());
    };
    for letter in letters {
        output.result(&letter, || {
            let content = BASE64.decode(letter.content.as_bytes()).unwrap_or_default();
            let entry = letter.ordered.as_ref().map(|entry| format!("  (entry {})", entry.index));
            let entry = entry.unwrap_or_default();
            let anybody = if letter.from_anybody { "anybody, " } else { "" };
            format!("{}  {anybody}{}  {}{entry}", letter.time, letter.from, shown_text(&content))
        });
        if !arguments.keep {
            ask(&arguments.dir, &OwnerRequest::Forget { id: letter.id })?;
        }
    }
    Ok(())
}
