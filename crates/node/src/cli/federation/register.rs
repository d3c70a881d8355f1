//! `jurat federation register`, `configure` and `dissolve`: being there, by which rules.

use clap::Args;
use jurat_crypto::VerifyingKey;
use jurat_trust::{
    Act, DEFAULT_MIN_TEAM_COUNT, FederationId, KeySet, Name, NewTeam, Registration, Settings, TextError,
};

use crate::{
    cli::{
        Failure,
        operation::{AskArguments, By, ask, federation_id, public_key, team},
        output::Output,
        registry::ask_node,
    },
    registry_json::{AsOf, FederationShown, Query},
};

fn name(text: &str) -> Result<Name, TextError> {
    Name::new(text)
}

/// Enter a federation; all keys that it brings sign
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation register fed:lab --name 'The lab' --admin ana.pub \\\n    \
    --team board=ana-board.pub --team data=ben.pub --team legal=2:eva.pub,kim.pub \\\n    \
    --key ana.key --node http://127.0.0.1:8100 --sign-only register.json\n\
    Each key is used once in the whole network. With --sign-only the others sign after you."
)]
pub(in crate::cli) struct Arguments {
    /// Its id for ever, such as fed:lab
    #[arg(value_name = "FEDERATION", value_parser = federation_id)]
    federation: FederationId,
    /// Its name for people
    #[arg(long, value_parser = name)]
    name: Name,
    /// A key that speaks for it: a vkey, hex, or a file with one of them; repeatable
    #[arg(long = "admin", value_name = "KEY", value_parser = public_key, required = true)]
    admins: Vec<VerifyingKey>,
    /// How many of the admin keys must sign what it does
    #[arg(long, default_value_t = 1, value_name = "N")]
    threshold: u8,
    /// A team, as ID=KEY,KEY, or ID=2:KEY,KEY if two of its keys must sign; repeatable
    #[arg(long = "team", value_name = "TEAM", value_parser = team)]
    teams: Vec<NewTeam>,
    /// Below how many active teams it can't propose, approve or witness
    #[arg(long, default_value_t = DEFAULT_MIN_TEAM_COUNT, value_name = "N")]
    min_teams: u8,
    /// Proposals that affect it need no witness from outside
    #[arg(long)]
    without_witness: bool,
    #[command(flatten)]
    ask: AskArguments,
}

fn usage(error: impl std::fmt::Display) -> Failure {
    Failure::Usage(error.to_string())
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let admin = KeySet::new(arguments.admins.iter().copied(), arguments.threshold).map_err(usage)?;
    let settings = Settings::new(arguments.name.clone());
    let mut settings = settings.with_min_team_count(arguments.min_teams).map_err(usage)?;
    settings.requires_external_witness = !arguments.without_witness;
    let registration = Registration { admin, teams: arguments.teams.clone(), settings };
    ask(&arguments.federation, Act::Register(registration), &arguments.ask, output)
}

/// Change a federation's name and rules
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation configure --as fed:lab --min-teams 2 --witness false \\\n    \
    --key ana.key --node http://127.0.0.1:8100\n\
    What is not given stays as the node says it is."
)]
pub(in crate::cli) struct ConfigureArguments {
    #[command(flatten)]
    by: By,
    /// Its name for people
    #[arg(long, value_parser = name)]
    name: Option<Name>,
    /// Below how many active teams it can't propose, approve or witness
    #[arg(long, value_name = "N")]
    min_teams: Option<u8>,
    /// Whether proposals that affect it need a witness from outside
    #[arg(long, value_name = "BOOL")]
    witness: Option<bool>,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn configure(arguments: &ConfigureArguments, output: Output) -> Result<(), Failure> {
    let ConfigureArguments { by, name, min_teams, witness, ask: asking } = arguments;
    let (name, min_teams, witness) = match (name, min_teams, witness) {
        (Some(name), Some(min_teams), Some(witness)) => (name.clone(), *min_teams, *witness),
        _ => {
            let Some(client) = asking.client()? else {
                let message = "without --node give all of --name, --min-teams and --witness";
                return Err(Failure::Usage(message.into()));
            };
            let known: AsOf<FederationShown> = ask_node(&client, &Query::Federation(by.federation.clone()))?;
            let FederationShown { name: known_name, min_team_count, requires_external_witness, .. } =
                known.answer;
            (
                name.clone().unwrap_or(known_name),
                min_teams.unwrap_or(min_team_count),
                witness.unwrap_or(requires_external_witness),
            )
        }
    };
    let mut settings = Settings::new(name).with_min_team_count(min_teams).map_err(usage)?;
    settings.requires_external_witness = witness;
    ask(&by.federation, Act::Configure(settings), asking, output)
}

/// End a federation, for good
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation dissolve --as fed:lab --key ana.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct DissolveArguments {
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn dissolve(arguments: &DissolveArguments, output: Output) -> Result<(), Failure> {
    ask(&arguments.by.federation, Act::Dissolve, &arguments.ask, output)
}
