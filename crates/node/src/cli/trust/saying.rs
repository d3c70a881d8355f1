//! `jurat trust establish`, `record` and `set`: what a federation says of another.

use clap::Args;
use jurat_trust::{Act, FederationId, Relationship, Score};

use super::score;
use crate::cli::{
    Failure,
    operation::{AskArguments, By, ask, federation_id},
    output::Output,
};

fn relationship(text: &str) -> Result<Relationship, String> {
    let known = Relationship::ALL.into_iter().find(|relationship| relationship.to_string() == text);
    known.ok_or_else(|| {
        let names: Vec<String> = Relationship::ALL.iter().map(ToString::to_string).collect();
        format!("a relationship is one of {}", names.join(", "))
    })
}

/// Enter trust in another federation, or change its kind
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat trust establish fed:court --as fed:lab --relationship trusted --key ana.key \\\n    \
    --node http://127.0.0.1:8100\n\
    Once there is trust, this changes relationship and permission only: never the score, its age or counters."
)]
pub(in crate::cli) struct EstablishArguments {
    /// Who is trusted
    #[arg(value_parser = federation_id)]
    target: FederationId,
    /// none, peer, parent, child, trusted or allied
    #[arg(long, value_parser = relationship)]
    relationship: Relationship,
    /// What it starts with, in basis points; new trust has 5000 at most
    #[arg(long, value_parser = score, default_value = "5000")]
    score: Score,
    /// It may not witness for the federation that asks
    #[arg(long)]
    no_witness: bool,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn establish(arguments: &EstablishArguments, output: Output) -> Result<(), Failure> {
    let act = Act::EstablishTrust {
        target: arguments.target.clone(),
        relationship: arguments.relationship,
        witness_allowed: !arguments.no_witness,
        score: arguments.score,
    };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}

/// Record how an interaction with a trusted federation went; its score follows
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat trust record fed:court went-well --as fed:lab --key ana.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct RecordArguments {
    /// With whom
    #[arg(value_parser = federation_id)]
    target: FederationId,
    /// How it went
    outcome: InteractionOutcome,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

/// How an interaction went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum InteractionOutcome {
    WentWell,
    Failed,
}

pub(super) fn record(arguments: &RecordArguments, output: Output) -> Result<(), Failure> {
    let successful = arguments.outcome == InteractionOutcome::WentWell;
    let act = Act::RecordInteraction { target: arguments.target.clone(), successful };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}

/// Set a score outright, within what was earned
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat trust set fed:court 3000 --as fed:lab --key ana.key --node http://127.0.0.1:8100"
)]
pub(in crate::cli) struct SetArguments {
    /// Whose score
    #[arg(value_parser = federation_id)]
    target: FederationId,
    /// In basis points, 0 to 10000
    #[arg(value_parser = score)]
    score: Score,
    #[command(flatten)]
    by: By,
    #[command(flatten)]
    ask: AskArguments,
}

pub(super) fn set(arguments: &SetArguments, output: Output) -> Result<(), Failure> {
    let act = Act::SetScore { target: arguments.target.clone(), score: arguments.score };
    ask(&arguments.by.federation, act, &arguments.ask, output)
}
