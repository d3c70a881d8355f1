//! `jurat federation add-team`, `enable-team` and `disable-team`

use clap::Args;
use jurat_crypto::VerifyingKey;
use jurat_trust::{Act, KeySet, NewTeam, TeamId};

use crate::cli::{
    Failure,
    operation::{AskArguments, By, ask, public_key, team_id},
    output::Output,
};

/// Add a team to a federation; the team's keys sign too
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation add-team board --as fed:lab --member eva.pub --member kim.pub \\\n    \
    --threshold 2 --key ana.key --node http://127.0.0.1:8100 --sign-only team.json"
)]
pub(in crate::cli) struct AddArguments {
    /// The team's id, new in the federation
    #[arg(value_parser = team_id)]
    team: TeamId,
    /// A key that signs for it: a vkey, hex, or a file with one of them; repeatable
    #[arg(long = "member", value_name = "KEY", value_parser = public_key, required = true)]
    members: Vec<VerifyingKey>,
    /// How many of the keys must sign
    #[arg(long, default_value_t = 1, value_name = "N")]
    threshold: u8,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn add(arguments: &AddArguments, output: Output) -> Result<(), Failure> {
    let keys = KeySet::new(arguments.members.iter().copied(), arguments.threshold)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    let team = NewTeam { id: arguments.team.clone(), keys };
    ask(&arguments.by.federation, Act::AddTeam(team), &arguments.ask, output)
}

/// Which team.
#[derive(Debug, Args)]
struct Switched {
    /// The team's id
    #[arg(value_parser = team_id)]
    team: TeamId,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

/// Switch a team on
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation enable-team board --as fed:lab --key ana.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct EnableArguments {
    #[command(flatten)]
    switched: Switched,
}

/// Switch a team off; it stays on record
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat federation disable-team board --as fed:lab --key ana.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct DisableArguments {
    #[command(flatten)]
    switched: Switched,
}

pub(super) fn enable(arguments: &EnableArguments, output: Output) -> Result<(), Failure> {
    arguments.switched.set(true, output)
}

pub(super) fn disable(arguments: &DisableArguments, output: Output) -> Result<(), Failure> {
    arguments.switched.set(false, output)
}

impl Switched {
    fn set(&self, active: bool, output: Output) -> Result<(), Failure> {
        ask(&self.by.federation, Act::SetTeam { team: self.team.clone(), active }, &self.ask, output)
    }
}
