//! `jurat trust status`

use clap::Args;
use jurat_trust::FederationId;

use crate::{
    cli::{Failure, operation::federation_id, output::Output, registry::RegistryArguments},
    registry_json::{AsOf, BootstrapShown, Query},
};

/// Show how far trust has come, and what it takes to rise
#[derive(Debug, Args)]
#[command(after_help = "Example: jurat trust status fed:lab fed:court --node http://127.0.0.1:8100")]
pub(in crate::cli) struct Arguments {
    /// Of whom
    #[arg(value_parser = federation_id)]
    source: FederationId,
    /// In whom
    #[arg(value_parser = federation_id)]
    target: FederationId,
    #[command(flatten)]
    registry: RegistryArguments,
}

pub(super) fn run(arguments: &Arguments, output: Output) -> Result<(), Failure> {
    let query = Query::Bootstrap { source: arguments.source.clone(), target: arguments.target.clone() };
    let status: AsOf<BootstrapShown> = arguments.registry.open()?.ask(&query)?;
    output.result(&status, || describe(&status));
    Ok(())
}

fn describe(status: &AsOf<BootstrapShown>) -> String {
    let shown = &status.answer;
    let next = match (shown.next_cap, shown.successes_needed, shown.days_needed) {
        (Some(cap), Some(successes), Some(days)) => {
            format!("{cap}, after {successes} more interactions that go well and {days} more days")
        }
        _ => "none, this is the last".into(),
    };
    format!(
        "trust of {} in {}\n  score        {}, which a success now {}\n  cap          {}: {} by age of {} days, {} by \
         {} interactions that went well\n  failed       {}\n  next cap     {next}\nas of {} entries, {}",
        shown.source,
        shown.target,
        shown.score,
        if shown.can_rise { "would raise" } else { "would not raise" },
        shown.effective_cap,
        shown.cap_by_age,
        shown.age_days,
        shown.cap_by_successes,
        shown.successful,
        shown.failed,
        status.log_size,
        status.time
    )
}
