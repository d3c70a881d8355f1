//! `jurat federation show`

use clap::Args;
use jurat_trust::FederationId;

use crate::{
    cli::{Failure, operation::federation_id, output::Output, registry::RegistryArguments},
    registry_json::{AsOf, FederationShown, Query},
};

/// Show a federation: its rules, teams and keys
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat federation show fed:lab --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// Its id
    #[arg(value_parser = federation_id)]
    federation: FederationId,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let query = Query::Federation(arguments.federation.clone());
    let shown: AsOf<FederationShown> = arguments.registry.open()?.ask(&query)?;
    output.result(&shown, || describe(&shown));
    Ok(())
}

fn describe(shown: &AsOf<FederationShown>) -> String {
    let federation = &shown.answer;
    let operational = if federation.operational {
        String::new()
    } else {
        format!(", not operational: it needs {} active teams", federation.min_team_count)
    };
    let council = if federation.on_council { ", on the council" } else { "" };
    let witness = if federation.requires_external_witness { "needed" } else { "not needed" };
    let mut text = format!(
        "{}: {}\n  status       {}{operational}{council}\n  registered   {}\n  reputation   {}\n  \
         proposals    {}, success rate {}\n  witness      {witness}\n  admin        {} of {} keys must sign",
        federation.id,
        federation.name,
        federation.status,
        federation.created_at,
        federation.reputation,
        federation.proposal_count,
        federation.success_rate,
        federation.threshold,
        federation.admin_keys.len()
    );
    text += &keys(&federation.admin_keys);
    for team in &federation.teams {
        let off = if team.active { "" } else { ", switched off" };
        text += &format!(
            "\n  team {}: {} of {} keys must sign{off}{}",
            team.id,
            team.threshold,
            team.keys.len(),
            keys(&team.keys)
        );
    }
    for evidence in &federation.evidence {
        text += &format!("\n  quarantined for evidence {evidence}");
    }
    text + &format!("\nas of {} entries, {}", shown.log_size, shown.time)
}

fn keys(keys: &[String]) -> String {
    keys.iter().map(|key| format!("\n    {key}")).collect()
}
