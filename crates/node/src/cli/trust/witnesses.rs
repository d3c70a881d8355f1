//! `jurat trust witnesses`

use clap::Args;
use jurat_trust::{FederationId, Score};

use super::score;
use crate::{
    cli::{
        Failure,
        operation::federation_id,
        output::{Output, table},
        registry::RegistryArguments,
    },
    registry_json::{AsOf, EligibleWitnesses, Query},
};

/// List who may witness proposals of a federation, the most trusted first
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat trust witnesses fed:lab --exclude fed:press --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct Arguments {
    /// Whose proposals
    #[arg(value_parser = federation_id)]
    proposer: FederationId,
    /// Leave out who is affected; repeatable
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id)]
    exclude: Vec<FederationId>,
    /// Another least score than the policy's, 0 included
    #[arg(long, value_name = "SCORE", value_parser = score)]
    least: Option<Score>,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let Arguments { proposer, exclude, least, registry } = arguments;
    let query = Query::Witnesses { proposer: proposer.clone(), excluded: exclude.clone(), least: *least };
    let eligible: AsOf<EligibleWitnesses> = registry.open()?.ask(&query)?;
    output.result(&eligible, || {
        let witnesses = &eligible.answer.witnesses;
        if witnesses.is_empty() {
            return format!("{proposer} trusts nobody with {} or more to witness", eligible.answer.least);
        }
        let rows =
            witnesses.iter().map(|witness| [witness.federation.to_string(), witness.score.to_string()]);
        table(["FEDERATION", "SCORE"], rows)
    });
    Ok(())
}
