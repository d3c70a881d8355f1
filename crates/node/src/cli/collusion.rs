//! `jurat collusion`

use clap::{Args, Subcommand};
use jurat_trust::{FederationId, ProposalId};

use super::{
    Failure,
    operation::{federation_id, proposal_id},
    output::{Output, table},
    registry::RegistryArguments,
};
use crate::registry_json::{AsOf, CollusionReport, PartnerReport, Query, ReciprocityReport, RiskAnswer};

/// See which federations mostly serve each other
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Report(ReportArguments),
    Show(ShowArguments),
    Risk(RiskArguments),
}

/// Report on all federations: pairs of which both sides flag the other
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat collusion report --node http://127.0.0.1:8100")]
pub(super) struct ReportArguments {
    #[command(flatten)]
    registry: RegistryArguments,
}

/// Show what a federation and each of its partners did for each other
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat collusion show fed:lab --node http://127.0.0.1:8100")]
pub(super) struct ShowArguments {
    /// Whose partners
    #[arg(value_parser = federation_id)]
    federation: FederationId,
    #[command(flatten)]
    registry: RegistryArguments,
}

/// Show what an approval would make of the approver and the proposer
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat collusion risk PROPOSAL --approver fed:press --node http://127.0.0.1:8100"
)]
pub(super) struct RiskArguments {
    /// The proposal's id, 64 hex digits
    #[arg(value_parser = proposal_id)]
    proposal: ProposalId,
    /// Who would approve it
    #[arg(long, value_name = "FEDERATION", value_parser = federation_id)]
    approver: FederationId,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(command: &Command, output: Output) -> Result<(), Failure> {
    match command {
        Command::Report(arguments) => {
            let report: AsOf<CollusionReport> = arguments.registry.open()?.ask(&Query::Collusion)?;
            output.result(&report, || describe(&report));
        }
        Command::Show(arguments) => {
            let query = Query::Reciprocity(arguments.federation.clone());
            let report: AsOf<ReciprocityReport> = arguments.registry.open()?.ask(&query)?;
            output.result(&report, || describe_partners(&report.answer));
        }
        Command::Risk(arguments) => {
            let (proposal, approver) = (arguments.proposal, arguments.approver.clone());
            let risk: AsOf<RiskAnswer> =
                arguments.registry.open()?.ask(&Query::Risk { proposal, approver })?;
            output.result(&risk, || describe_risk(&risk.answer));
        }
    }
    Ok(())
}

fn describe(report: &AsOf<CollusionReport>) -> String {
    let CollusionReport { federations, window_days, health, rings } = &report.answer;
    let mut text =
        format!("{health}: {federations} federations over {window_days} days, {} rings", rings.len());
    for (one, other) in rings {
        text += &format!("\n  {one} and {other} flag each other");
    }
    text + &format!("\nas of {} entries, {}", report.log_size, report.time)
}

fn describe_partners(report: &ReciprocityReport) -> String {
    let ReciprocityReport { federation, window_days, partners } = report;
    if partners.is_empty() {
        return format!("{federation} did nothing that concerned others in the last {window_days} days");
    }
    let header = [
        "PARTNER",
        "MUTUAL PROPOSALS",
        "OF ALL",
        "SHARE",
        "APPROVALS GIVEN",
        "RECEIVED",
        "RATIO",
        "FLAGGED FOR",
    ];
    table(header, partners.iter().map(row))
}

fn row(partner: &PartnerReport) -> [String; 8] {
    let flags = [(partner.proposals_flagged, "proposals"), (partner.approvals_flagged, "approvals")];
    let flags: Vec<&str> = flags.into_iter().filter(|(flagged, _)| *flagged).map(|(_, name)| name).collect();
    [
        partner.partner.to_string(),
        partner.mutual_proposals.to_string(),
        partner.all_proposals.to_string(),
        partner.mutual_share.to_string(),
        partner.approvals_given.to_string(),
        partner.approvals_received.to_string(),
        partner.approval_ratio.to_string(),
        flags.join(", "),
    ]
}

/// A risk in words.
pub(super) fn describe_risk(risk: &RiskAnswer) -> String {
    let approver = &risk.approver;
    match (risk.risk.as_str(), risk.ratio) {
        ("none", _) => format!("{approver}: no risk, it is its own proposal"),
        ("low-not-enough-history", _) => {
            format!("{approver}: low risk, there is too little between it and the proposer to say more")
        }
        (risk, Some(ratio)) => {
            format!(
                "{approver}: {risk} risk, approvals between it and the proposer would have a ratio of {ratio}"
            )
        }
        (risk, None) => format!("{approver}: {risk} risk"),
    }
}
