//! `jurat proposal approve`, `reject`, `withdraw` and `witness`

use clap::Args;
use jurat_trust::{Act, ProposalId, TeamId};

use crate::cli::{
    Failure,
    operation::{AskArguments, By, ask, proposal_id, team_id},
    output::Output,
};

/// Which proposal, and who says something about it.
#[derive(Debug, Args)]
struct About {
    /// The proposal's id, 64 hex digits
    #[arg(value_parser = proposal_id)]
    proposal: ProposalId,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

impl About {
    fn ask(&self, act: Act, output: Output) -> Result<(), Failure> {
        ask(&self.by.federation, act, &self.ask, output)
    }
}

/// Approve a proposal that affects the federation; the named teams sign too
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat proposal approve PROPOSAL --as fed:press --team board --key admin.key --key board.key \\\n    \
    --node http://127.0.0.1:8100\n\
    A federation decides once. 'jurat proposal show' says what is decided, 'jurat collusion risk' what it would look like."
)]
pub(in crate::cli) struct ApproveArguments {
    #[command(flatten)]
    about: About,
    /// A team that approves; repeatable
    #[arg(long = "team", value_name = "TEAM", value_parser = team_id, required = true)]
    teams: Vec<TeamId>,
}

/// Reject a proposal that affects the federation, which ends it
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat proposal reject PROPOSAL --as fed:press --key admin.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct RejectArguments {
    #[command(flatten)]
    about: About,
}

/// Take an own proposal back
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat proposal withdraw PROPOSAL --as fed:lab --key admin.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct WithdrawArguments {
    #[command(flatten)]
    about: About,
}

/// Witness a proposal that does not affect the federation; the team signs too
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat proposal witness PROPOSAL --as fed:court --team board --key admin.key --key board.key \\\n    \
    --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct WitnessArguments {
    #[command(flatten)]
    about: About,
    /// The team that witnesses
    #[arg(long, value_parser = team_id)]
    team: TeamId,
}

pub(super) fn approve(arguments: &ApproveArguments, output: Output) -> Result<(), Failure> {
    let mut teams = arguments.teams.clone();
    teams.sort_unstable();
    teams.dedup();
    arguments.about.ask(Act::Approve { proposal: arguments.about.proposal, teams }, output)
}

pub(super) fn reject(arguments: &RejectArguments, output: Output) -> Result<(), Failure> {
    arguments.about.ask(Act::Reject { proposal: arguments.about.proposal }, output)
}

pub(super) fn withdraw(arguments: &WithdrawArguments, output: Output) -> Result<(), Failure> {
    arguments.about.ask(Act::Withdraw { proposal: arguments.about.proposal }, output)
}

pub(super) fn witness(arguments: &WitnessArguments, output: Output) -> Result<(), Failure> {
    let WitnessArguments { about, team } = arguments;
    about.ask(Act::Witness { proposal: about.proposal, team: team.clone() }, output)
}
