//! `jurat proposal create`

use std::path::PathBuf;

use clap::Args;
use jurat_trust::{
    Act, Action, ActionType, Description, Draft, FederationId, MAX_PAYLOAD_BYTES, NewMember, OrderedTime,
    Parameter, PolicyChange, TeamId, TextError,
};

use crate::{
    cli::{
        Failure,
        council::read_request,
        files,
        operation::{AskArguments, By, ask, federation_id, now, team_id, time},
        output::Output,
    },
    core::{CouncilChange, MembershipChange},
};

/// How many days there are to decide unless something else is said.
const DEFAULT_DAYS: u64 = 14;

/// Propose something that affects several federations; the proposing team signs too
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat proposal create --as fed:lab --team board --affects fed:press \\\n    \
    --action data.share --description 'Share the raw measurements of 2026' \\\n    \
    --key ana.key --key ana-board.key --node http://127.0.0.1:8100\n\
    prints the proposal's id, by which the others decide. Actions that the network itself obeys have options \
    of their own; any other is recorded only."
)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    by: By,
    /// The proposing team
    #[arg(long, value_parser = team_id)]
    team: TeamId,
    /// Whom it affects besides the proposer; repeatable
    #[arg(long = "affects", value_name = "FEDERATION", value_parser = federation_id)]
    affects: Vec<FederationId>,
    /// What it says to people
    #[arg(long, value_parser = description, value_name = "TEXT")]
    description: Description,
    /// The last moment at which it can be decided, such as 2026-12-01T00:00:00Z [default: in 14 days]
    #[arg(long, value_name = "TIME", value_parser = time)]
    expires: Option<OrderedTime>,
    #[command(flatten)]
    what: What,
    #[command(flatten)]
    ask: AskArguments,
}

/// What is proposed.
#[derive(Debug, Args)]
#[group(skip)]
#[command(group = clap::ArgGroup::new("what").required(true))]
struct What {
    /// An action that is recorded only, such as data.share
    #[arg(long, value_name = "TYPE", value_parser = action_type, group = "what")]
    action: Option<ActionType>,
    /// What the action takes, as bytes
    #[arg(long, value_name = "FILE", requires = "action")]
    payload: Option<PathBuf>,
    /// Stop a federation for a while
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, group = "what")]
    suspend: Option<FederationId>,
    /// Let a suspended or quarantined federation take part again
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, group = "what")]
    reinstate: Option<FederationId>,
    /// Set a number of the registry's policy, such as trust.success-step=250; repeatable
    #[arg(long, value_name = "NAME=VALUE", value_parser = parameter, group = "what")]
    set_policy: Vec<(Parameter, u32)>,
    /// Add the node of a federation to the council
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, group = "what", requires = "member")]
    council_add: Option<FederationId>,
    /// The node's request to join, as 'jurat council join' wrote it
    #[arg(long, value_name = "FILE", requires = "council_add")]
    member: Option<PathBuf>,
    /// Remove the node of a federation from the council
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, group = "what")]
    council_remove: Option<FederationId>,
}

fn description(text: &str) -> Result<Description, TextError> {
    Description::new(text)
}

fn action_type(text: &str) -> Result<ActionType, String> {
    let action = ActionType::new(text).map_err(|error| error.to_string())?;
    match Action::read(&action, &[]) {
        Ok(None) => Ok(action),
        _ => Err(format!("the network obeys {action}: see the options for it, such as --suspend")),
    }
}

fn parameter(text: &str) -> Result<(Parameter, u32), String> {
    let (name, value) = text.split_once('=').ok_or("a number is set as NAME=VALUE")?;
    let parameter = Parameter::named(name)
        .ok_or_else(|| format!("the policy has no {name:?}; 'jurat registry show' lists what it has"))?;
    let value = value.parse().map_err(|error| format!("{name}: {error}"))?;
    Ok((parameter, value))
}

impl What {
    /// The action's type and payload.
    fn read(&self) -> Result<(ActionType, Vec<u8>), Failure> {
        let action = if let Some(action) = &self.action {
            let payload = match &self.payload {
                Some(path) => files::read_bounded(path, MAX_PAYLOAD_BYTES, "payload")?,
                None => Vec::new(),
            };
            return Ok((action.clone(), payload));
        } else if let Some(federation) = &self.suspend {
            Action::Suspend(federation.clone())
        } else if let Some(federation) = &self.reinstate {
            Action::Reinstate(federation.clone())
        } else if let Some(federation) = &self.council_remove {
            Action::CouncilRemove(federation.clone())
        } else if let (Some(federation), Some(member)) = (&self.council_add, &self.member) {
            Action::CouncilAdd(member_of(federation, &read_request(member)?)?.into())
        } else {
            let change = PolicyChange::new(self.set_policy.iter().copied());
            Action::SetPolicy(change.map_err(|error| Failure::Usage(error.to_string()))?)
        };
        let action_type = action.action_type().map_err(|error| Failure::Usage(error.to_string()))?;
        Ok((action_type, action.payload()))
    }
}

/// Who would join, as the request says.
fn member_of(federation: &FederationId, request: &CouncilChange) -> Result<NewMember, Failure> {
    let MembershipChange::Add(newcomer) = request.change() else {
        return Err(Failure::Usage("the request is one to leave: give one to join".into()));
    };
    let name = jurat_crypto::KeyName::new(newcomer.name.as_str());
    let name = name.map_err(|error| Failure::Usage(error.to_string()))?;
    let [link, vote, log, cosign] = *newcomer.keys();
    Ok(NewMember { federation: federation.clone(), name, link, vote, log, cosign })
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let (action, payload) = arguments.what.read()?;
    let expires = arguments.expires.unwrap_or_else(|| now().plus_days(DEFAULT_DAYS));
    let (team, affects) = (arguments.team.clone(), arguments.affects.clone());
    let draft = Draft::new(team, affects, action, arguments.description.clone(), payload, expires)
        .map_err(|error| Failure::Usage(error.to_string()))?;
    ask(&arguments.by.federation, Act::Propose(draft), &arguments.ask, output)
}
