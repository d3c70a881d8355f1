//! `jurat operation sign`

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{
    asking::{show_written, sign},
    file::OperationFile,
};
use crate::cli::{Failure, client::Client, output::Output, passphrase::PassphraseArguments};

const TIMEOUT: Duration = Duration::from_secs(30);

/// Add signatures to an operation in a file
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat operation sign approve.json --key ana.key\n\
    Prints what is signed. Signing twice is harmless; copies signed apart are submitted together.")]
pub(in crate::cli) struct Arguments {
    /// The operation, as a command with --sign-only wrote it
    file: PathBuf,
    /// A key file that signs, or a node's directory for its link key; repeatable
    #[arg(long = "key", value_name = "FILE", required = true)]
    keys: Vec<PathBuf>,
    /// Ask this node whose signatures are still missing
    #[arg(long, value_name = "URL")]
    node: Option<String>,
    #[command(flatten)]
    passphrase: PassphraseArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = arguments.node.as_deref().map(|node| Client::new(node, TIMEOUT)).transpose()?;
    let mut file = OperationFile::read(&arguments.file)?;
    sign(&mut file, &arguments.keys, &arguments.passphrase)?;
    file.write(&arguments.file)?;
    show_written(&arguments.file, &file, client.as_ref(), output)
}
