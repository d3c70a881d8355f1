//! `jurat trust show`

use clap::Args;
use jurat_trust::FederationId;

use crate::{
    cli::{
        Failure,
        operation::federation_id,
        output::{Output, table},
        registry::RegistryArguments,
    },
    registry_json::{AsOf, MAX_PAGE, Query, TrustPage, TrustShown},
};

/// Show whom a federation trusts, or who trusts it
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat trust show --of fed:lab --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// Of whom
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, required_unless_present = "in")]
    of: Option<FederationId>,
    /// In whom
    #[arg(long = "in", id = "in", value_name = "FEDERATION", value_parser = federation_id)]
    target: Option<FederationId>,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let registry = arguments.registry.open()?;
    let mut skip = 0;
    loop {
        let (source, target) = (arguments.of.clone(), arguments.target.clone());
        let page: AsOf<TrustPage> = registry.ask(&Query::Trust { source, target, skip, limit: MAX_PAGE })?;
        output.result(&page, || {
            let header = [
                "SOURCE",
                "TARGET",
                "RELATIONSHIP",
                "SCORE",
                "WENT WELL",
                "FAILED",
                "WITNESS",
                "LAST INTERACTION",
            ];
            table(header, page.answer.trust.iter().map(row))
        });
        match page.answer.next {
            // A node that does not go forward would be asked for ever.
            Some(next) if next > skip => skip = next,
            _ => return Ok(()),
        }
    }
}

fn row(trust: &TrustShown) -> [String; 8] {
    let mutual = if trust.mutual { ", mutual" } else { "" };
    [
        trust.source.to_string(),
        trust.target.to_string(),
        format!("{}{mutual}", trust.relationship),
        trust.score.to_string(),
        trust.successful.to_string(),
        trust.failed.to_string(),
        if trust.witness_allowed { "may" } else { "may not" }.into(),
        trust.last_interaction.clone().unwrap_or_else(|| "none".into()),
    ]
}
