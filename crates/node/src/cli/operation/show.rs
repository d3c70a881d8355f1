//! `jurat operation show`

use std::path::PathBuf;

use clap::Args;
use jurat_trust::{Act, FederationId, SequenceDomain};
use serde::Serialize;

use super::{
    file::OperationFile,
    needs::{Need, needs},
    words,
};
use crate::{
    cli::{Failure, output::Output, registry::RegistrySource},
    registry_json::{FederationShown, Query},
};

/// Show in words what an operation in a file would do, and who signed it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat operation show approve.json --node http://127.0.0.1:8100\n\
    Without a node or log, the keys that the federation has are not known, nor how many of them must sign.")]
pub(in crate::cli) struct Arguments {
    /// The operation, as a command with --sign-only wrote it
    file: PathBuf,
    #[command(flatten)]
    source: RegistrySource,
}

/// An operation, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    operation: String,
    network: String,
    federation: FederationId,
    domain: SequenceDomain,
    sequence: u64,
    does: Vec<String>,
    /// All of these signatures hold.
    signed_by: Vec<String>,
    /// Whose signatures it needs, as far as that is known.
    needs: Vec<Need>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let file = OperationFile::read(&arguments.file)?;
    let operation = file.operation();
    let federation = match arguments.source.open_if_given()? {
        Some(registry) if !matches!(operation.act, Act::Register(_)) => {
            Some(registry.ask::<FederationShown>(&Query::Federation(operation.federation.clone()))?.answer)
        }
        _ => None,
    };
    let shown = Shown {
        operation: file.id().to_string(),
        network: file.network.to_string(),
        federation: operation.federation.clone(),
        domain: operation.act.domain(),
        sequence: operation.sequence,
        does: words::describe(operation),
        signed_by: file.signers(),
        needs: needs(&file, federation.as_ref()),
    };
    output.result(&shown, || {
        let signed = shown.signed_by.iter().map(|key| format!("\n  signed by {key}"));
        let needs = shown.needs.iter().map(|need| format!("\n  {}", need.describe()));
        file.describe() + &signed.chain(needs).collect::<String>()
    });
    Ok(())
}
