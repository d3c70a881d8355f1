//! `jurat proposal show`

use clap::Args;
use data_encoding::BASE64;
use jurat_crypto::Digest;
use jurat_trust::{Action, FederationId, Outcome, ProposalId, TeamId};

use crate::{
    cli::{
        Failure,
        operation::{action_in_words, proposal_id},
        output::Output,
        registry::RegistryArguments,
    },
    registry_json::{AsOf, ProposalShown, Query},
};

/// Show a proposal: what it says and would do, and who decided how
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat proposal show PROPOSAL --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// The proposal's id, 64 hex digits
    #[arg(value_parser = proposal_id)]
    proposal: ProposalId,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let shown: AsOf<ProposalShown> = arguments.registry.open()?.ask(&Query::Proposal(arguments.proposal))?;
    output.result(&shown, || describe(&shown));
    Ok(())
}

fn describe(shown: &AsOf<ProposalShown>) -> String {
    let proposal = &shown.answer;
    let affected: Vec<&str> = proposal.affected.iter().map(FederationId::as_str).collect();
    let mut text = format!(
        "proposal {}\n  by           {}, team {}\n  action       {}\n  status       {}\n  affects      {}\n  \
         made         {}\n  until        {}\n  witness      {}",
        proposal.id,
        proposal.proposer,
        proposal.team,
        effect(proposal),
        proposal.status,
        affected.join(", "),
        proposal.created_at,
        proposal.expires_at,
        if proposal.requires_external_witness { "needed" } else { "not needed" }
    );
    text += match proposal.outcome {
        Outcome::None => "",
        Outcome::Done => "\n  outcome      carried out",
        Outcome::Void => "\n  outcome      could no longer be carried out",
    };
    for line in proposal.description.as_str().lines() {
        text += &format!("\n  | {line}");
    }
    for approval in &proposal.approvals {
        let teams: Vec<&str> = approval.teams.iter().map(TeamId::as_str).collect();
        text +=
            &format!("\n  {} approved at {}, team {}", approval.federation, approval.at, teams.join(", "));
    }
    for witness in &proposal.witnesses {
        text += &format!("\n  {} witnessed at {}, team {}", witness.federation, witness.at, witness.team);
    }
    if let Some(rejection) = &proposal.rejection {
        text += &format!("\n  {} rejected at {}", rejection.federation, rejection.at);
    }
    text + &format!("\nas of {} entries, {}", shown.log_size, shown.time)
}

/// What its approval does, worked out here from the payload.
fn effect(proposal: &ProposalShown) -> String {
    let payload = BASE64.decode(proposal.payload.as_bytes()).unwrap_or_default();
    match Action::read(&proposal.action, &payload) {
        Ok(Some(action)) => format!("{}: {}", proposal.action, action_in_words(&action)),
        Ok(None) if payload.is_empty() => format!("{}, recorded only", proposal.action),
        Ok(None) => format!(
            "{}, recorded only, with a payload of {} bytes, SHA-256 {}",
            proposal.action,
            payload.len(),
            Digest::of(&payload)
        ),
        Err(error) => format!("{}: {error}", proposal.action),
    }
}
