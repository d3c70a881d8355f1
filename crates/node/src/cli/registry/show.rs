//! `jurat registry show`

use clap::Args;
use jurat_trust::FederationId;

use super::RegistryArguments;
use crate::{
    cli::{Failure, output::Output},
    registry_json::{AsOf, Query, Summary},
};

/// Show how large the registry is, who is on the council, and by which numbers it judges
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat registry show --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let summary: AsOf<Summary> = arguments.registry.open()?.ask(&Query::Summary)?;
    output.result(&summary, || {
        let policy = summary.answer.policy.iter();
        let policy: String = policy.map(|(name, value)| format!("\n    {name:<28} {value}")).collect();
        format!("{}\n  policy{policy}", describe(&summary))
    });
    Ok(())
}

/// The registry as a whole, for people.
pub(super) fn describe(summary: &AsOf<Summary>) -> String {
    let AsOf { log_size, root, time, answer } = summary;
    let council: Vec<&str> = answer.council.iter().map(FederationId::as_str).collect();
    format!(
        "registry of network {}\n  log          {log_size} entries, root {root}\n  time         {time}\n  \
         federations  {}\n  trust        {}\n  proposals    {}\n  council      {}\n  digest       {}",
        answer.network,
        answer.federations,
        answer.trusts,
        answer.proposals,
        council.join(", "),
        answer.registry_digest
    )
}
