//! `jurat registry replay`

use clap::Args;
use jurat_trust::{FederationView, ProposalView, Proposals, TrustView};
use serde::Serialize;

use super::{
    replaying::{LogChoice, Refusal},
    show::describe,
};
use crate::{
    cli::{Failure, output::Output},
    registry_json::{AsOf, FederationShown, ProposalShown, Summary, TrustShown},
    time::rfc3339,
};

/// Rebuild the registry from a log alone, and compare it with what the council certified
#[derive(Debug, Args)]
#[command(
    after_help = "Example: jurat registry replay --log http://127.0.0.1:8100 --policy council.policy\n\
    Reads every entry, checks it against the checkpoint, and judges every operation anew. Exit code 1 if\n\
    anything does not hold, or the outcome is not what the council certified.\n\n\
    Example: jurat registry replay --log log-2026 --council council.json --checkpoint report.pdf.jurat\n\
    rebuilds it from an exported log, as it was when a receipt was given."
)]
pub(in crate::cli) struct Arguments {
    /// Where the log is: the URL of a node or of any server with C2SP tiles, a directory of tiles, or
    /// a node's directory
    #[arg(long, value_name = "URL|DIR")]
    log: String,
    #[command(flatten)]
    choice: LogChoice,
}

/// The rebuilt registry, as `--json` prints it.
#[derive(Debug, Serialize)]
struct Rebuilt {
    origin: String,
    /// The epoch and sequence of the checkpoint's batch.
    epoch: u64,
    sequence: u64,
    /// How many operations took effect.
    operations: u64,
    /// How many entries were refused when it was their turn.
    refused: u64,
    /// The first of these, with the reasons.
    refusals: Vec<Refusal>,
    /// What the checkpoint says the digest is, hex.
    certified_digest: String,
    /// Whether it is.
    matches: bool,
    #[serde(flatten)]
    summary: AsOf<Summary>,
    state: State,
}

/// All that is in the registry.
#[derive(Debug, Serialize)]
struct State {
    federations: Vec<FederationShown>,
    trust: Vec<TrustShown>,
    proposals: Vec<ProposalShown>,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let mut replayed = arguments.choice.replay(&arguments.log)?;
    let refusals = std::mem::take(&mut replayed.refusals);
    let (registry, checkpoint, stamp) = (&replayed.registry, &replayed.checkpoint, replayed.stamp);
    let matches = replayed.digest() == stamp.registry;
    let summary = Summary::of(registry);
    let federations: Vec<FederationView> = registry.federations_after(None).collect();
    let trust = federations.iter().flat_map(|source| registry.trust_from(&source.id));
    let trust: Vec<TrustView> = trust.collect();
    let proposals: Vec<ProposalView> = registry.list_proposals(Proposals::All, 0, usize::MAX);
    let rebuilt = Rebuilt {
        origin: checkpoint.origin().to_string(),
        epoch: stamp.epoch,
        sequence: stamp.sequence,
        operations: replayed.operations,
        refused: replayed.refused,
        refusals,
        certified_digest: stamp.registry.to_string(),
        matches,
        summary: AsOf::new(checkpoint.size().value(), checkpoint.root(), registry, summary),
        state: State {
            federations: federations.into_iter().map(FederationShown::from).collect(),
            trust: trust.into_iter().map(TrustShown::from).collect(),
            proposals: proposals.into_iter().map(ProposalShown::from).collect(),
        },
    };
    output.result(&rebuilt, || {
        let verdict = if matches { "as the council certified" } else { "NOT what the council certified" };
        let mut text = format!(
            "{}, {verdict}\n  operations   {}\n  refused      {}\n  batch        {} of epoch {}, ordered {}",
            describe(&rebuilt.summary),
            rebuilt.operations,
            rebuilt.refused,
            rebuilt.sequence,
            rebuilt.epoch,
            rfc3339(stamp.time.0)
        );
        for Refusal { index, reason } in &rebuilt.refusals {
            text += &format!("\n  entry {index} was refused: {reason}");
        }
        text
    });
    replayed.confirm()
}
