//! `jurat proposal list`

use clap::Args;
use jurat_trust::FederationId;

use crate::{
    cli::{
        Failure,
        operation::federation_id,
        output::{Output, table},
        registry::RegistryArguments,
    },
    registry_json::{AsOf, MAX_PAGE, ProposalBrief, ProposalPage, Query, WhichProposals},
};

/// The longest description in a list, in characters.
const SHORT: usize = 40;

/// List proposals, the newest first
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat proposal list --awaiting fed:press --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// Only those that this federation made
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id)]
    by: Option<FederationId>,
    /// Only pending ones that affect this federation
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id, conflicts_with = "by")]
    awaiting: Option<FederationId>,
    /// At most so many
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    limit: u32,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let registry = arguments.registry.open()?;
    let which = match (&arguments.by, &arguments.awaiting) {
        (Some(by), _) => WhichProposals::By(by.clone()),
        (None, Some(awaiting)) => WhichProposals::Awaiting(awaiting.clone()),
        (None, None) => WhichProposals::All,
    };
    let (mut skip, end) = (0, arguments.limit as usize);
    while skip < end {
        let limit = (end - skip).min(MAX_PAGE);
        let page: AsOf<ProposalPage> =
            registry.ask(&Query::Proposals { which: which.clone(), skip, limit })?;
        output.result(&page, || {
            let header = ["PROPOSAL", "PROPOSER", "ACTION", "STATUS", "APPROVED", "UNTIL", "DESCRIPTION"];
            table(header, page.answer.proposals.iter().map(row))
        });
        match page.answer.next {
            // A node that does not go forward would be asked for ever.
            Some(next) if next > skip => skip = next,
            _ => break,
        }
    }
    Ok(())
}

fn row(proposal: &ProposalBrief) -> [String; 7] {
    let first = proposal.description.as_str().lines().next().unwrap_or_default();
    let mut short: String = first.chars().take(SHORT).collect();
    if short.len() < proposal.description.as_str().len() {
        short.push_str("..");
    }
    [
        proposal.id.clone(),
        proposal.proposer.to_string(),
        proposal.action.to_string(),
        proposal.status.to_string(),
        format!("{} of {}", proposal.approvals, proposal.affected),
        proposal.expires_at.clone(),
        short,
    ]
}
