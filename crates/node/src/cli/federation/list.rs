//! `jurat federation list`

use clap::Args;

use crate::{
    cli::{
        Failure,
        output::{Output, table},
        registry::RegistryArguments,
    },
    registry_json::{AsOf, FederationBrief, FederationPage, MAX_PAGE, Query},
};

/// List the federations
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat federation list --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let registry = arguments.registry.open()?;
    let mut after = None;
    loop {
        let page: AsOf<FederationPage> =
            registry.ask(&Query::Federations { after: after.clone(), limit: MAX_PAGE })?;
        output.result(&page, || {
            let rows = page.answer.federations.iter().map(row);
            table(["FEDERATION", "NAME", "STATUS", "TEAMS", "REPUTATION", ""], rows)
        });
        match page.answer.next {
            // A node that does not go forward would be asked for ever.
            Some(next) if after.is_none_or(|after| next > after) => after = Some(next),
            _ => return Ok(()),
        }
    }
}

fn row(federation: &FederationBrief) -> [String; 6] {
    let notes = [(federation.on_council, "on the council"), (!federation.operational, "not operational")];
    let notes: Vec<&str> = notes.into_iter().filter(|(holds, _)| *holds).map(|(_, note)| note).collect();
    [
        federation.id.to_string(),
        federation.name.to_string(),
        federation.status.to_string(),
        federation.active_teams.to_string(),
        federation.reputation.to_string(),
        notes.join(", "),
    ]
}
