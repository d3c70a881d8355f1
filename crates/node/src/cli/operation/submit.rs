//! `jurat operation submit`

use std::{path::PathBuf, time::Duration};

use clap::Args;

use super::{asking::submit, file::OperationFile};
use crate::cli::{Failure, client::Client, files, output::Output};

/// Longer than a node waits, so that it is the node that says why there is no receipt.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Submit an operation that enough keys signed, and keep its receipt
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat operation submit approve.json --node http://127.0.0.1:8100\n\
    writes the receipt to approve.json.jurat.")]
pub(in crate::cli) struct Arguments {
    /// The signed operation; of several copies that were signed apart, all
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The node to submit to, such as http://127.0.0.1:8100
    #[arg(long, value_name = "URL")]
    node: String,
    /// Where to keep the receipt [default: the first FILE, with .jurat]
    #[arg(long, value_name = "FILE")]
    receipt: Option<PathBuf>,
    /// Refuse a receipt that this policy does not accept
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let client = Client::new(&arguments.node, TIMEOUT)?;
    let [first, copies @ ..] = arguments.files.as_slice() else {
        return Err(Failure::Usage("no operation given".into()));
    };
    let mut file = OperationFile::read(first)?;
    for path in copies {
        let copy = OperationFile::read(path)?;
        let merged = file.signed.merge(&copy.signed).map_err(|error| Failure::Usage(error.to_string()))?;
        if !merged || copy.network != file.network {
            let (path, first) = (path.display(), first.display());
            return Err(Failure::Usage(format!(
                "{path} is another operation than {first}: submit one at a time"
            )));
        }
    }
    let receipt = arguments.receipt.clone().unwrap_or_else(|| files::receipt_path(first));
    submit(&file, &client, Some(&receipt), arguments.policy.as_deref(), output)
}
