//! `jurat proposal check`

use clap::Args;
use jurat_trust::{FederationId, ProposalId, ProposalStatus};
use serde::Serialize;

use crate::{
    cli::{
        Failure, collusion::describe_risk, operation::proposal_id, output::Output,
        registry::RegistryArguments,
    },
    registry_json::{
        AsOf, EligibleWitnesses, ProposalShown, Query, RequirementsShown, RiskAnswer, WitnessScore,
    },
};

/// Check what a proposal still needs: whose approval, which witness, and what each approval would look like
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat proposal check PROPOSAL --node http://127.0.0.1:8100\n\
    Exit code 1 unless the proposal is approved.")]
pub(in crate::cli) struct Arguments {
    /// The proposal's id, 64 hex digits
    #[arg(value_parser = proposal_id)]
    proposal: ProposalId,
    #[command(flatten)]
    registry: RegistryArguments,
}

/// The state of a proposal, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Checked {
    #[serde(flatten)]
    requirements: AsOf<RequirementsShown>,
    /// While it is pending: who may witness it, by falling score.
    eligible_witnesses: Vec<WitnessScore>,
    /// While it is pending: what each missing approval would make of its giver and the proposer.
    risks: Vec<RiskAnswer>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let registry = arguments.registry.open()?;
    let proposal = arguments.proposal;
    let requirements: AsOf<RequirementsShown> = registry.ask(&Query::Requirements(proposal))?;
    let mut checked = Checked { requirements, eligible_witnesses: Vec::new(), risks: Vec::new() };
    let needs = &checked.requirements.answer.requirements;
    if needs.status == ProposalStatus::Pending {
        let shown: AsOf<ProposalShown> = registry.ask(&Query::Proposal(proposal))?;
        let (proposer, excluded) = (shown.answer.proposer, needs.affected.clone());
        let eligible = Query::Witnesses { proposer, excluded, least: None };
        checked.eligible_witnesses = registry.ask::<EligibleWitnesses>(&eligible)?.answer.witnesses;
        for approver in needs.missing.iter().cloned() {
            checked.risks.push(registry.ask(&Query::Risk { proposal, approver })?.answer);
        }
    }
    output.result(&checked, || describe(&checked));
    match checked.requirements.answer.requirements.status {
        ProposalStatus::Approved => Ok(()),
        status => Err(Failure::False(format!("the proposal is {status}"))),
    }
}

fn describe(checked: &Checked) -> String {
    let needs = &checked.requirements.answer.requirements;
    let list = |ids: &[FederationId]| match ids {
        [] => "nobody".into(),
        ids => ids.iter().map(FederationId::as_str).collect::<Vec<_>>().join(", "),
    };
    let witness = match (needs.external_witness_needed, needs.external_witness_present) {
        (false, _) => "not needed".into(),
        (true, true) => list(&needs.witnesses),
        (true, false) => "needed, none so far".into(),
    };
    let mut text = format!(
        "proposal {}: {}\n  approved by  {}\n  missing      {}\n  witness      {witness}",
        checked.requirements.answer.proposal,
        needs.status,
        list(&needs.approved),
        list(&needs.missing)
    );
    if needs.status == ProposalStatus::Pending
        && needs.external_witness_needed
        && !needs.external_witness_present
    {
        let eligible = checked.eligible_witnesses.iter();
        let eligible: Vec<String> =
            eligible.map(|witness| format!("{} ({})", witness.federation, witness.score)).collect();
        let eligible = if eligible.is_empty() {
            "nobody; the proposer trusts no outsider enough".into()
        } else {
            eligible.join(", ")
        };
        text += &format!("\n  may witness  {eligible}");
    }
    for risk in &checked.risks {
        text += &format!("\n  {}", describe_risk(risk));
    }
    text + &format!("\nas of {} entries, {}", checked.requirements.log_size, checked.requirements.time)
}
